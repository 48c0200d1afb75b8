/* issue: see issue.h. The account is read, then what it may do, then the session begins as one of a
 * log-in does (begin.c). */
#include <string.h>
#include "auth/jwt/grant.h"
#include "auth/jwt/issue.h"
#include "base/time.h"

struct issuing {
	struct grant *g;
	uint64_t user_version;
	issue_done_fn *done;
	void *ctx;
};

struct looking {
	struct call *c;
	struct rpc *rpc;
	struct session_token token;
	session_look_fn *done;
	void *ctx;
};

static const struct failure no_account = {
	.status = ST_UNAUTHENTICATED,
	.reason = "ACCOUNT_CHANGED",
	.message = "the account is gone, disabled, or was changed since",
};

static char **copy_list(struct arena *a, size_t n, const char *const *items);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void begin(struct grant *g);
static void answer(struct grant *g);
static void failed(struct grant *g, const struct failure *f);
static void on_session(const Mf__StoreResult *m, void *ctx);

void
tokens_issue(
    struct tokens *t, struct call *c, const struct issue *i, issue_done_fn *done, void *ctx)
{
	struct arena *a = call_arena(c);
	struct issuing *x = ARENA_NEW(a, struct issuing);
	struct grant *g = grant_new(t, c, x);
	struct session_facts *s = &g->session;

	*x = (struct issuing){ .g = g, .user_version = i->user_version, .done = done, .ctx = ctx };
	if (i->operation_id != NULL)
		g->operation_id = arena_strdup(a, i->operation_id);
	g->failed = failed;
	g->sessionless = !i->refreshable;
	g->issuer = i->issuer == NULL ? NULL : arena_strdup(a, i->issuer);
	g->scopes = (struct grant_list){ i->n_scopes, copy_list(a, i->n_scopes, i->scopes) };
	s->kind = i->kind;
	s->client_id = i->client_id;
	s->audience = i->audience;
	s->proof_key = i->proof_key;
	s->client_address = i->client_address;
	s->user_agent = i->user_agent;
	s->limited = i->limited;
	s->scopes = g->scopes.items;
	s->n_scopes = g->scopes.n;
	s->methods = copy_list(a, i->n_methods, i->methods);
	s->n_methods = i->n_methods;
	s->authenticated_at_us = i->authenticated_at_us;
	s->expires_us = i->ttl_us == 0 ? 0 : time_wall_us() + i->ttl_us;
	g->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(&g->rpc->service, op_read(a, "user", i->user_id), on_user, x);
}

static char **
copy_list(struct arena *a, size_t n, const char *const *items)
{
	char **out = ARENA_ARRAY(a, char *, n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = arena_strdup(a, items[i]);
	return out;
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct issuing *x = ctx;
	struct grant *g = x->g;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND)
		grant_store_failed(g);
	else if (m == NULL || !user_row_read(call_arena(g->c), &m->data, &g->user) ||
		 g->user.disabled || (x->user_version != 0 && x->user_version != g->user.version))
		grant_fail(g, &no_account);
	else
		grant_expand(g, begin);
}

static void
begin(struct grant *g)
{
	if (g->sessionless)
		answer(g);
	else
		grant_begin(g, answer);
}

static void
answer(struct grant *g)
{
	struct issuing *x = g->owner;
	struct issued m = { .pair = MF__TOKEN_PAIR__INIT,
		.session_id = g->sessionless ? "" : g->token.id,
		.authenticated_at_us = g->session.authenticated_at_us };

	if (grant_pair(g, &m.pair))
		x->done(&m, NULL, x->ctx);
}

static void
failed(struct grant *g, const struct failure *f)
{
	struct issuing *x = g->owner;

	x->done(NULL, f, x->ctx);
}

/* --- looking --- */

void
tokens_look_session(
    struct tokens *t, struct call *c, const char *refresh_token, session_look_fn *done, void *ctx)
{
	struct looking *x = ARENA_NEW(call_arena(c), struct looking);

	*x = (struct looking){ .c = c, .done = done, .ctx = ctx };
	if (!session_token_read(keyring_secret(t->keys), refresh_token, &x->token)) {
		done(NULL, &grant_bad_token, ctx);
		return;
	}
	x->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(call_arena(c), "session", x->token.id), on_session, x);
}

static void
on_session(const Mf__StoreResult *m, void *ctx)
{
	struct looking *x = ctx;
	struct session_facts s;
	bool live;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		const struct failure f = store_failure(rpc_failure(x->rpc));

		x->done(NULL, &f, x->ctx);
		return;
	}
	live = m != NULL && session_facts_read(call_arena(x->c), &m->data, &s) &&
	       s.expires_us > time_wall_us() && x->token.number <= s.version &&
	       (x->token.number == s.version || strcmp(s.kind, SESSION_KIND_BROWSER) == 0);
	if (live)
		x->done(&s, NULL, x->ctx);
	else
		x->done(NULL, &grant_bad_token, x->ctx);
}
