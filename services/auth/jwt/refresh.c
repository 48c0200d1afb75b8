/* refresh: Refresh and Logout. session.h says how tokens follow each other; here are the steps.
 *
 * Refresh: read the session's row; live -> read the user, ask for permissions, then ONE update on
 * condition of the row's version. The same refresh again, by whomever, within refresh_repeat: the
 * same successor. The token before the live one later than that: the update all the same, which the
 * store knows if it was this very operation that used the token up, and only then the same successor.
 * Any other used token: the session is revoked. Whoever is slower of two finds another version and
 * judges the row anew. */
#include <string.h>
#include "auth/jwt/grant.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "base/log.h"
#include "base/time.h"

#define ROUNDS_MOST 3

struct refresh {
	struct grant *g;
	struct session_token used; /* what was presented */
	struct session_row row;
	bool repeat;  /* the token was used up, and its successor is answered again */
	bool used_up; /* it was; by this operation? */
	unsigned round;
};

static void read_session(struct refresh *r, Mf__StoreResult_Closure then);
static void on_session(const Mf__StoreResult *m, void *ctx);
static void revoke_reused(struct refresh *r);
static void on_reuse_revoked(struct call *c, void *ctx);
static void read_user(struct refresh *r);
static void on_owner(const Mf__StoreResult *m, void *ctx);
static void rotate(struct grant *g);
static void on_rotated(const Mf__StoreResult *m, void *ctx);
static void on_logout_session(const Mf__StoreResult *m, void *ctx);
static void on_logged_out(struct call *c, void *ctx);

void
tokens_refresh(
    Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	struct call *c = ctx;
	struct refresh *r = ARENA_NEW(call_arena(c), struct refresh);

	(void)reply;
	if (!session_token_read(keyring_secret(t->keys), q->refresh_token, &r->used)) {
		grant_refuse_token(c);
		return;
	}
	r->g = grant_new(t, c, r);
	r->g->token = r->used;
	r->g->token.number++;
	read_session(r, on_session);
}

static void
read_session(struct refresh *r, Mf__StoreResult_Closure then)
{
	struct grant *g = r->g;

	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__read(
	    &g->rpc->service, op_read(call_arena(g->c), "session", r->used.id), then, r);
}

static void
on_session(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND) {
		store_failed(g->c, rpc_failure(g->rpc));
		return;
	}
	if (m == NULL || !session_row_read(&m->data, &r->row)) {
		grant_refuse_token(g->c);
		return;
	}
	switch (session_judge(&r->row, &r->used, g->t->config->refresh_repeat_us, time_wall_us())) {
	case SESSION_LIVE:
		read_user(r);
		break;
	case SESSION_REPEAT:
		r->repeat = true;
		read_user(r);
		break;
	case SESSION_REUSED:
		r->used_up = true;
		if (r->used.number + 1 == r->row.version)
			rotate(g);
		else
			revoke_reused(r);
		break;
	case SESSION_ENDED:
		grant_refuse_token(g->c);
		break;
	}
}

static void
revoke_reused(struct refresh *r)
{
	log_warn(
	    "refresh_token_reused", L_STR("session", r->row.id), L_STR("user_id", r->row.user_id));
	revoke_session(r->g->t, r->g->c, r->row.id, on_reuse_revoked, r);
}

static void
on_reuse_revoked(struct call *c, void *ctx)
{
	(void)ctx;
	call_fail_because(c, ST_UNAUTHENTICATED, "REFRESH_REUSED", 0,
	    "the refresh token was used before: the session has been ended");
}

static void
read_user(struct refresh *r)
{
	struct grant *g = r->g;

	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__read(
	    &g->rpc->service, op_read(call_arena(g->c), "user", r->row.user_id), on_owner, r);
}

static void
on_owner(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND) {
		store_failed(g->c, rpc_failure(g->rpc));
		return;
	}
	if (m == NULL || !user_row_read(call_arena(g->c), &m->data, &g->user) || g->user.disabled) {
		grant_refuse_token(g->c);
		return;
	}
	grant_expand(g, r->repeat ? grant_reply : rotate);
}

static void
rotate(struct grant *g)
{
	struct refresh *r = g->owner;

	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(&g->rpc->service,
	    op_session_refresh(
		call_arena(g->c), &r->used, g->operation_id, grant_refresh_expiry(g)),
	    on_rotated, r);
}

static void
on_rotated(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;
	const struct failure *f = rpc_failure(g->rpc);

	if (m != NULL && r->used_up) {
		r->repeat = true;
		read_user(r);
	} else if (m != NULL)
		grant_reply(g);
	else if (f->status == ST_ABORTED && r->used_up)
		revoke_reused(r);
	else if (f->status == ST_ABORTED && ++r->round < ROUNDS_MOST)
		read_session(r, on_session); /* somebody was faster: what is it now? */
	else if (f->status == ST_ABORTED)
		call_fail_because(
		    g->c, ST_UNAVAILABLE, "REFRESH_CONTENDED", 100, "the session is busy");
	else if (f->status == ST_NOT_FOUND)
		grant_refuse_token(g->c);
	else
		store_failed(g->c, f);
}

/* --- Logout: a token that is not ours any more has nothing to end, and that is fine (RFC
 * 7009, 2.2) --- */

void
tokens_logout(Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	struct call *c = ctx;
	struct refresh *r = ARENA_NEW(call_arena(c), struct refresh);
	Mf__Empty done = MF__EMPTY__INIT;

	(void)reply;
	if (!session_token_read(keyring_secret(t->keys), q->refresh_token, &r->used)) {
		call_reply(c, &done.base);
		return;
	}
	r->g = grant_new(t, c, r);
	read_session(r, on_logout_session);
}

static void
on_logout_session(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;
	Mf__Empty done = MF__EMPTY__INIT;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND)
		store_failed(g->c, rpc_failure(g->rpc));
	else if (m == NULL)
		call_reply(g->c, &done.base);
	else
		revoke_session(g->t, g->c, r->used.id, on_logged_out, g);
}

static void
on_logged_out(struct call *c, void *ctx)
{
	Mf__Empty done = MF__EMPTY__INIT;

	(void)ctx;
	call_reply(c, &done.base);
}
