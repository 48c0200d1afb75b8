/* login: Login and Authenticate: whose credentials these are (credentials.c), then a session and its
 * tokens, or only the answer. The same operation id again gives the same refresh token while that is
 * unused. */
#include "auth/jwt/credentials.h"
#include "auth/jwt/grant.h"
#include "base/log.h"

static void on_login(const struct proven *m, void *ctx);
static void begin(struct grant *g);
static void on_authenticated(const struct proven *m, void *ctx);

void
tokens_login(Mf__Jwt_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	struct grant *g = grant_new(t, ctx, NULL);

	(void)reply;
	g->may_begin_anew = true;
	g->session.client_address = q->client_address;
	g->session.user_agent = q->user_agent;
	if (q->stepwise || q->ticket[0] != '\0')
		call_fail(ctx, ST_INVALID_ARGUMENT, "a log-in with a session has one step");
	else
		credentials_prove(t, ctx, q, g->operation_id, on_login, g);
}

static void
on_login(const struct proven *m, void *ctx)
{
	struct grant *g = ctx;

	g->user = m->user;
	g->session.n_methods = m->n_methods;
	g->session.methods = (char **)(uintptr_t)m->methods;
	g->session.authenticated_at_us = m->at_us;
	grant_expand(g, begin);
}

static void
begin(struct grant *g)
{
	grant_begin(g, grant_reply);
}

void
tokens_authenticate(
    Mf__Jwt_Service *s, const Mf__Credentials *q, Mf__Authenticated_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	struct grant *g = grant_new(t, ctx, NULL); /* for its operation id */

	(void)reply;
	credentials_prove(t, ctx, q, g->operation_id, on_authenticated, g);
}

static void
on_authenticated(const struct proven *m, void *ctx)
{
	struct grant *g = ctx;
	Mf__Authenticated out = MF__AUTHENTICATED__INIT;

	out.username = (char *)(uintptr_t)m->user.username;
	if (m->ticket != NULL) {
		out.ticket = (char *)(uintptr_t)m->ticket;
	} else {
		out.user_id = (char *)(uintptr_t)m->user.id;
		out.user_version = m->user.version;
		out.n_methods = m->n_methods;
		out.methods = (char **)(uintptr_t)m->methods;
		out.at = (uint64_t)m->at_us;
		log_info("authenticated", L_STR("user", m->user.username));
	}
	call_reply(g->c, &out.base);
}
