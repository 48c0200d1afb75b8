/* login: Login, step by step: find the user, verify the password (also of nobody), ask for
 * permissions, write the session's row, answer. The same operation id again gives the same refresh
 * token while that is unused. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/grant.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "base/log.h"
#include "base/time.h"

#define USERNAME_MAX 64

struct login {
	struct grant *g;
	char *password; /* in the request's own memory; wiped as soon as a job has it */
	const char *address;
	bool found;
	bool fresh; /* second attempt at a row, under an id nobody has seen */
};

static void on_user(const Mf__StoreResult *m, void *ctx);
static void start_verify(struct login *l);
static void on_verified(struct call *c, bool ok, const char *hash, void *ctx);
static void rehash(struct login *l, const char *hash);
static void on_rehashed(const Mf__StoreResult *m, void *ctx);
static void write_row(struct grant *g);
static void on_row(const Mf__StoreResult *m, void *ctx);
static bool is_usable(const struct grant *g, const Mf__StoreResult *m);
static void on_user_again(const Mf__StoreResult *m, void *ctx);
static void on_withdrawn(const Mf__StoreResult *m, void *ctx);

void
tokens_login(Mf__Jwt_Service *s, const Mf__Credentials *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	struct call *c = ctx;
	struct login *l = ARENA_NEW(call_arena(c), struct login);

	(void)reply;
	if (q->password[0] == '\0' || strlen(q->password) > PASSWORD_MAX) {
		call_fail(
		    c, ST_INVALID_ARGUMENT, "password: must have 1 to %d bytes", PASSWORD_MAX);
		return;
	}
	l->g = grant_new(t, c, l);
	l->password = q->password;
	l->address = q->client_address;
	if (!str_token_ok(str_of(q->username)) || strlen(q->username) > USERNAME_MAX) {
		start_verify(l); /* nobody can have that name; it costs the same */
		return;
	}
	l->g->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(
	    &l->g->rpc->service, op_user_by_name(call_arena(c), q->username), on_user, l);
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;
	struct grant *g = l->g;
	const struct failure *f;

	if (m == NULL && (f = rpc_failure(g->rpc))->status != ST_NOT_FOUND) {
		sodium_memzero(l->password, strlen(l->password));
		store_failed(g->c, f);
		return;
	}
	if (m != NULL)
		l->found = user_row_read(call_arena(g->c), &m->data, &g->user);
	start_verify(l);
}

static void
start_verify(struct login *l)
{
	struct grant *g = l->g;
	bool ok;

	ok = password_verify(&g->t->passwords, g->c, l->password,
	    l->found ? g->user.password_hash : NULL, on_verified, l);
	sodium_memzero(l->password, strlen(l->password));
	if (!ok)
		call_fail_because(g->c, ST_RESOURCE_EXHAUSTED, "LOGIN_QUEUE_FULL", 1000,
		    "too many log-ins at once");
}

/* A name that nobody has is not logged: people type passwords into the wrong field. */
static void
on_verified(struct call *c, bool ok, const char *hash, void *ctx)
{
	struct login *l = ctx;
	struct grant *g = l->g;

	if (!ok || !l->found || g->user.disabled) {
		log_info("login_failed", L_STR("user", l->found ? g->user.username : NULL),
		    L_STR("address", l->address),
		    L_STR("cause", !l->found ? "unknown_user"
				   : !ok     ? "wrong_password"
					     : "disabled"));
		grant_refuse_login(c);
	} else if (hash != NULL) {
		rehash(l, hash);
	} else {
		grant_expand(g, write_row);
	}
}

/* The cost of hashing was changed since: unknown names cost that of today, and so shall this one.
 * It goes on whatever becomes of it. */
static void
rehash(struct login *l, const char *hash)
{
	struct grant *g = l->g;

	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(
	    &g->rpc->service, op_user_hash(call_arena(g->c), &g->user, hash), on_rehashed, l);
}

static void
on_rehashed(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;

	if (m != NULL)
		l->g->user.version = m->version;
	log_info("password_rehashed", L_STR("user", l->g->user.username),
	    L_STR("status", m != NULL ? "OK" : status_name(rpc_failure(l->g->rpc)->status)));
	grant_expand(l->g, write_row);
}

static void
write_row(struct grant *g)
{
	session_id(keyring_secret(g->t->keys), g->operation_id, g->user.id, g->token.id);
	g->token.number = 1;
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(&g->rpc->service,
	    op_session_create(call_arena(g->c), g->token.id, g->user.id, grant_refresh_expiry(g)),
	    on_row, g->owner);
}

/* Under this operation id there may have been a log-in whose session was refreshed or ended since:
 * then it is no repeat of ours. */
static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;
	struct grant *g = l->g;
	char id[UUID_LEN];

	if (m == NULL) {
		store_failed(g->c, rpc_failure(g->rpc));
		return;
	}
	if (m->repeated && !is_usable(g, m)) {
		if (l->fresh) {
			call_fail(g->c, ST_INTERNAL, "a new session was there already");
			return;
		}
		l->fresh = true;
		uuid7(id);
		g->operation_id = arena_strdup(call_arena(g->c), id);
		write_row(g);
		return;
	}
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__read(
	    &g->rpc->service, op_read(call_arena(g->c), "user", g->user.id), on_user_again, l);
}

/* Whoever changes an account ends the sessions that he finds then. Either he found ours, or we find
 * the change here: nobody keeps a session that a password of yesterday began. */
static void
on_user_again(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;
	struct grant *g = l->g;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND) {
		store_failed(g->c, rpc_failure(g->rpc));
		return;
	}
	if (m != NULL && m->version == g->user.version) {
		log_info("login", L_STR("user", g->user.username), L_STR("session", g->token.id));
		grant_reply(g);
		return;
	}
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(&g->rpc->service,
	    op_session_end(call_arena(g->c), g->token.id, "withdrawn"), on_withdrawn, l);
}

static void
on_withdrawn(const Mf__StoreResult *m, void *ctx)
{
	struct login *l = ctx;

	(void)m; /* if it was not ended: nobody has its token */
	call_fail_because(l->g->c, ST_UNAVAILABLE, "ACCOUNT_CHANGED", 100,
	    "the account was changed during the log-in");
}

static bool
is_usable(const struct grant *g, const Mf__StoreResult *m)
{
	struct session_row row;

	return session_row_read(&m->data, &row) &&
	       session_judge(&row, &g->token, 0, time_wall_us()) == SESSION_LIVE;
}
