/* begin: a session begins: its row is written, then the account is read again. The same operation id
 * again gives the same session while its first token is unused. */
#include <string.h>
#include "auth/jwt/grant.h"
#include "base/log.h"
#include "base/time.h"

#define USER_AGENT_MAX 300
#define ADDRESS_MAX    64

static void write_row(struct grant *g);
static const char *printable(struct arena *a, const char *s, size_t most);
static void on_row(const Mf__StoreResult *m, void *ctx);
static bool is_usable(const struct grant *g, const Mf__StoreResult *m);
static bool same(const char *a, const char *b); /* NULL: none */
static void on_user_again(const Mf__StoreResult *m, void *ctx);
static void on_withdrawn(const Mf__StoreResult *m, void *ctx);

void
grant_begin(struct grant *g, grant_fn *then)
{
	struct session_facts *s = &g->session;
	struct arena *a = call_arena(g->c);

	g->then = then;
	s->user_id = g->user.id;
	s->client_address = printable(a, s->client_address, ADDRESS_MAX);
	s->user_agent = printable(a, s->user_agent, USER_AGENT_MAX);
	if (s->expires_us == 0)
		s->expires_us = grant_refresh_expiry(g);
	write_row(g);
}

/* What a client says of itself is cut to what the row takes: it is for people to read. */
static const char *
printable(struct arena *a, const char *s, size_t most)
{
	char *out;

	if (s == NULL)
		return NULL;
	out = arena_strndup(a, s, strnlen(s, most));
	for (char *p = out; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return out;
}

static void
write_row(struct grant *g)
{
	session_id(keyring_secret(g->t->keys), g->operation_id, g->user.id, g->token.id);
	g->session.id = g->token.id;
	g->token.number = 1;
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(
	    &g->rpc->service, op_session_create(call_arena(g->c), &g->session), on_row, g);
}

/* Under this operation id there may have been a session that was refreshed or ended since: then it is
 * no repeat of ours. */
static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct grant *g = ctx;
	char id[UUID_LEN];

	if (m == NULL) {
		grant_store_failed(g);
		return;
	}
	if (m->repeated && !is_usable(g, m)) {
		if (!g->may_begin_anew) {
			grant_fail(g, &grant_bad_token);
			return;
		}
		g->may_begin_anew = false;
		uuid7(id);
		g->operation_id = arena_strdup(call_arena(g->c), id);
		write_row(g);
		return;
	}
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__read(
	    &g->rpc->service, op_read(call_arena(g->c), "user", g->user.id), on_user_again, g);
}

static bool
is_usable(const struct grant *g, const Mf__StoreResult *m)
{
	struct session_facts is;
	struct session_row row;

	return session_row_read(&m->data, &row) &&
	       session_facts_read(call_arena(g->c), &m->data, &is) &&
	       session_judge(&row, &g->token, 0, time_wall_us()) == SESSION_LIVE &&
	       strcmp(is.kind, g->session.kind) == 0 && same(is.client_id, g->session.client_id) &&
	       same(is.proof_key, g->session.proof_key);
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
on_user_again(const Mf__StoreResult *m, void *ctx)
{
	struct grant *g = ctx;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND) {
		grant_store_failed(g);
		return;
	}
	if (m != NULL && m->version == g->user.version) {
		log_info("session_begun", L_STR("user", g->user.username),
		    L_STR("session", g->token.id), L_STR("kind", g->session.kind),
		    L_STR("client", g->session.client_id));
		g->then(g);
		return;
	}
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(&g->rpc->service,
	    op_session_end(call_arena(g->c), g->token.id, "withdrawn"), on_withdrawn, g);
}

static void
on_withdrawn(const Mf__StoreResult *m, void *ctx)
{
	struct grant *g = ctx;

	(void)m; /* if it was not ended: nobody has its token */
	grant_fail(g, &(const struct failure){ .status = ST_UNAVAILABLE,
			  .reason = "ACCOUNT_CHANGED",
			  .retry_ms = 100,
			  .message = "the account was changed during the log-in" });
}
