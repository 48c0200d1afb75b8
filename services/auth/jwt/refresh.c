/* refresh: Refresh and Logout. session.h says how tokens follow each other; here are the steps.
 *
 * Refresh: read the token's row; live -> read the user, ask for permissions, then ONE transaction
 * that marks the row used (on condition of its version) and creates the successor. Used -> the
 * successor of this operation is there: a repeat, the same pair again; else somebody else had the
 * token: the session is revoked. Whoever is slower of two finds the version changed and judges the
 * row anew. */
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
	bool repeat;
	unsigned round;
};

static void read_token(struct refresh *r);
static void on_token(const Mf__StoreResult *m, void *ctx);
static void on_successor(const Mf__StoreResult *m, void *ctx);
static void read_user(struct refresh *r);
static void on_owner(const Mf__StoreResult *m, void *ctx);
static void rotate(struct grant *g);
static void on_rotated(const Mf__StoreResult *m, void *ctx);
static void on_reuse_revoked(struct call *c, void *ctx);
static void on_logout_token(const Mf__StoreResult *m, void *ctx);
static void on_logged_out(struct call *c, void *ctx);

void
tokens_refresh(
    Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	struct call *c = ctx;
	struct refresh *r = ARENA_NEW(call_arena(c), struct refresh);

	(void)reply;
	r->g = grant_new(t, c, r);
	if (!session_token_read(q->refresh_token, &r->used)) {
		grant_refuse_token(c);
		return;
	}
	session_next(keyring_secret(t->keys), r->g->operation_id, &r->used, &r->g->token);
	read_token(r);
}

static void
read_token(struct refresh *r)
{
	struct grant *g = r->g;

	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__read(
	    &g->rpc->service, op_read(call_arena(g->c), "refresh_token", r->used.row), on_token, r);
}

static void
on_token(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;
	enum session_verdict v;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND) {
		grant_store_failed(g->c, rpc_failure(g->rpc));
		return;
	}
	if (m == NULL || !session_row_read(&m->data, &r->row))
		v = SESSION_UNKNOWN;
	else
		v = session_judge(&r->row, &r->used, time_wall_us());
	switch (v) {
	case SESSION_ROTATE:
		read_user(r);
		break;
	case SESSION_ASK:
		g->rpc = rpc_new(g->c, g->t->database, NULL);
		mf__database__read(&g->rpc->service,
		    op_read(call_arena(g->c), "refresh_token", g->token.row), on_successor, r);
		break;
	case SESSION_ENDED:
	case SESSION_EXPIRED:
	case SESSION_UNKNOWN:
		grant_refuse_token(g->c);
		break;
	}
}

static void
on_successor(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;
	struct session_row next;
	bool there;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND) {
		grant_store_failed(g->c, rpc_failure(g->rpc));
		return;
	}
	there = m != NULL && session_row_read(&m->data, &next);
	if (session_is_repeat(&r->row, there ? &next : NULL, time_wall_us())) {
		r->repeat = true;
		read_user(r);
		return;
	}
	log_warn("refresh_token_reused", L_STR("session", r->row.family),
	    L_STR("user_id", r->row.user_id));
	revoke_session(g->t, g->c, r->row.family, on_reuse_revoked, g);
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

	memcpy(g->family, r->row.family, sizeof(g->family));
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
		grant_store_failed(g->c, rpc_failure(g->rpc));
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
	struct arena *a = call_arena(g->c);
	Mf__StoreOp *op = op_transaction(a, arena_printf(a, "refresh:%s", r->g->token.row), 2);

	op_add(op, op_token_end(a, r->used.row, r->row.version, time_wall_us(), op->operation_id));
	op_add(op, op_token_create(a, &g->token, g->family, g->user.id, grant_refresh_expiry(g)));
	g->rpc = rpc_new(g->c, g->t->database, NULL);
	mf__database__write(&g->rpc->service, op, on_rotated, r);
}

static void
on_rotated(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;
	const Mf__Problem *problem = m == NULL ? NULL : result_problem(m);
	enum status s = problem != NULL ? (enum status)problem->code
	                : m == NULL     ? rpc_failure(g->rpc)->status
	                                : ST_OK;

	if ((s == ST_ABORTED || s == ST_ALREADY_EXISTS) && ++r->round < ROUNDS_MOST)
		read_token(r); /* somebody was faster, perhaps this very operation: what is it now? */
	else if (m == NULL)
		grant_store_failed(g->c, rpc_failure(g->rpc));
	else if (problem != NULL)
		call_fail_because(
		    g->c, ST_UNAVAILABLE, "REFRESH_CONTENDED", 100, "the session is busy");
	else
		grant_reply(g);
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
	r->g = grant_new(t, c, r);
	if (!session_token_read(q->refresh_token, &r->used)) {
		call_reply(c, &done.base);
		return;
	}
	r->g->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(&r->g->rpc->service,
	    op_read(call_arena(c), "refresh_token", r->used.row), on_logout_token, r);
}

static void
on_logout_token(const Mf__StoreResult *m, void *ctx)
{
	struct refresh *r = ctx;
	struct grant *g = r->g;
	Mf__Empty done = MF__EMPTY__INIT;

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND)
		grant_store_failed(g->c, rpc_failure(g->rpc));
	else if (m == NULL || !session_row_read(&m->data, &r->row) ||
		 session_judge(&r->row, &r->used, time_wall_us()) == SESSION_UNKNOWN)
		call_reply(g->c, &done.base);
	else
		revoke_session(g->t, g->c, r->row.family, on_logged_out, g);
}

static void
on_logged_out(struct call *c, void *ctx)
{
	Mf__Empty done = MF__EMPTY__INIT;

	(void)ctx;
	call_reply(c, &done.base);
}
