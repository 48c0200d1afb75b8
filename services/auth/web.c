/* web: the pages and endpoints of the authorization server: handed to oauth (jwt in its place), whose
 * log-ins come back here, because one place counts and judges them. */
#include <sodium.h>
#include <string.h>
#include "auth/auth.h"
#include "base/log.h"
#include "proto/jwt.pb-c.h"
#include "proto/oauth.pb-c.h"

struct web {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
};

static struct web *begin(Mf__Auth_Service *s, struct call *c);
static void on_web(const Mf__WebAnswer *m, void *ctx);

void
auth_web(Mf__Auth_Service *s, const Mf__WebRequest *q, Mf__WebAnswer_Closure reply, void *ctx)
{
	struct web *x = begin(s, ctx);

	(void)reply;
	x->rpc = rpc_new(x->c, x->a->oauth, NULL);
	mf__oauth__web(&x->rpc->service, q, on_web, x);
	sodium_memzero(q->body.data, q->body.len); /* it was packed; may hold a password */
}

static void
on_web(const Mf__WebAnswer *m, void *ctx)
{
	struct web *x = ctx;

	auth_heard(x->a); /* a client may have ended a session */
	if (m != NULL)
		call_reply(x->c, &m->base);
	else
		auth_pass_on(x->c, rpc_failure(x->rpc));
}

static struct web *
begin(Mf__Auth_Service *s, struct call *c)
{
	struct web *x = ARENA_NEW(call_arena(c), struct web);

	x->a = container_of(s, struct auth, service);
	x->c = c;
	return x;
}
