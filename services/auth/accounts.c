/* accounts: users and roles for administrators. jwt keeps the users, because a password is hashed
 * nowhere else; rbac keeps the roles, because it decides by them. Here the sequence moves before a
 * write is answered, so that nothing that was granted before counts any more once somebody knows
 * that it was changed. */
#include <sodium.h>
#include <string.h>
#include "auth/auth.h"
#include "proto/jwt.pb-c.h"
#include "proto/rbac.pb-c.h"

struct account {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
};

static struct account *begin(Mf__Auth_Service *s, struct call *c);
static void on_read(const Mf__StoreResult *m, void *ctx);
static void on_written(const Mf__StoreResult *m, void *ctx);
static void refuse_model(struct call *c);

void
auth_read(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct account *x = begin(s, ctx);

	(void)reply;
	if (strcmp(q->model, "user") == 0) {
		x->rpc = rpc_new(x->c, x->a->jwt, NULL);
		mf__jwt__read_user(&x->rpc->service, q, on_read, x);
	} else if (strcmp(q->model, "role") == 0) {
		x->rpc = rpc_new(x->c, x->a->rbac, NULL);
		mf__rbac__read_role(&x->rpc->service, q, on_read, x);
	} else {
		refuse_model(x->c);
	}
}

void
auth_write(Mf__Auth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct account *x = begin(s, ctx);

	(void)reply;
	if (strcmp(q->model, "user") == 0) {
		x->rpc = rpc_new(x->c, x->a->jwt, NULL);
		mf__jwt__write_user(&x->rpc->service, q, on_written, x);
		sodium_memzero(q->data.data, q->data.len); /* it was packed; may hold a password */
	} else if (strcmp(q->model, "role") == 0) {
		x->rpc = rpc_new(x->c, x->a->rbac, NULL);
		mf__rbac__write_role(&x->rpc->service, q, on_written, x);
	} else {
		refuse_model(x->c);
	}
}

static struct account *
begin(Mf__Auth_Service *s, struct call *c)
{
	struct account *x = ARENA_NEW(call_arena(c), struct account);

	x->a = container_of(s, struct auth, service);
	x->c = c;
	return x;
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;

	if (m != NULL)
		call_reply(x->c, &m->base);
	else
		auth_pass_on(x->c, rpc_failure(x->rpc));
}

/* Also when its outcome is not known. */
static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;

	if (m != NULL || status_is_fault(rpc_failure(x->rpc)->status))
		auth_bump(x->a, "account");
	on_read(m, x);
}

static void
refuse_model(struct call *c)
{
	call_fail(c, ST_INVALID_ARGUMENT, "model: must be user or role");
}
