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
#include "auth/jwt/issue.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "auth/jwt/sighting.h"
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
	const struct issue_refresh *as; /* of a client; NULL: first-party */
	const char *client_address;
	issue_done_fn *done;
	void *ctx;
};

static const struct failure reused = {
	.status = ST_UNAUTHENTICATED,
	.reason = "REFRESH_REUSED",
	.message = "the refresh token was used before: the session has been ended",
};

static struct refresh *refresh_new(struct tokens *t, struct call *c, const char *token);

static void read_session(struct refresh *r, Mf__StoreResult_Closure then);
static void on_session(const Mf__StoreResult *m, void *ctx);
static bool is_theirs(const struct refresh *r);
static bool scopes_ok(struct refresh *r);
static void revoke_reused(struct refresh *r);
static void on_reuse_revoked(struct call *c, void *ctx);
static void read_user(struct refresh *r);
static void on_owner(const Mf__StoreResult *m, void *ctx);
static void rotate(struct grant *g);
static void on_rotated(const Mf__StoreResult *m, void *ctx);
static void answer(struct grant *g);
static void issue_failed(struct grant *g, const struct failure *f);
static void on_logout_session(const Mf__StoreResult *m, void *ctx);
static void on_logged_out(struct call *c, void *ctx);

void
tokens_refresh(
    Mf__Jwt_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct refresh *r =
	    refresh_new(container_of(s, struct tokens, service), ctx, q->refresh_token);

	(void)reply;
	if (r == NULL) {
		grant_refuse_token(ctx);
		return;
	}
	r->client_address = q->client_address;
	read_session(r, on_session);
}

void
tokens_issue_refresh(
    struct tokens *t, struct call *c, const struct issue_refresh *i, issue_done_fn *done, void *ctx)
{
	struct refresh *r = refresh_new(t, c, i->refresh_token);
	struct issue_refresh *as;

	if (r == NULL) {
		done(NULL, &grant_bad_token, ctx);
		return;
	}
	as = ARENA_NEW(call_arena(c), struct issue_refresh);
	*as = *i;
	r->as = as;
	r->done = done;
	r->ctx = ctx;
	r->client_address = i->client_address;
	r->g->failed = issue_failed;
	r->g->issuer = i->issuer;
	read_session(r, on_session);
}

/* NULL: the token is nothing that we made. */
static struct refresh *
refresh_new(struct tokens *t, struct call *c, const char *token)
{
	struct refresh *r = ARENA_NEW(call_arena(c), struct refresh);

	if (!session_token_read(keyring_secret(t->keys), token, &r->used))
		return NULL;
	r->g = grant_new(t, c, r);
	r->g->token = r->used;
	r->g->token.number++;
	return r;
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
		grant_store_failed(g);
		return;
	}
	if (m == NULL || !session_row_read(&m->data, &r->row) ||
	    !session_facts_read(call_arena(g->c), &m->data, &g->session) || !is_theirs(r)) {
		grant_fail(g, &grant_bad_token);
		return;
	}
	if (!scopes_ok(r)) {
		grant_fail(g, &(const struct failure){ .status = ST_INVALID_ARGUMENT,
				  .reason = "INVALID_SCOPE",
				  .message = "scope: is more than was granted" });
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
		grant_fail(g, &grant_bad_token);
		break;
	}
}

/* A token is refreshed by whom it was given to: a first-party log-in's here, a client's by that
 * client with the key that it is bound to; of a browser's cookie there is no refresh at all. */
static bool
is_theirs(const struct refresh *r)
{
	const struct session_facts *s = &r->g->session;

	if (r->as == NULL)
		return s->client_id == NULL && strcmp(s->kind, SESSION_KIND_API) == 0;
	return s->client_id != NULL && r->as->client_id != NULL &&
	       strcmp(s->client_id, r->as->client_id) == 0 &&
	       strcmp(s->proof_key != NULL ? s->proof_key : "",
		   r->as->proof_key != NULL ? r->as->proof_key : "") == 0;
}

/* Fewer than were granted may be asked for (RFC 6749, section 6); the session keeps what it has. */
static bool
scopes_ok(struct refresh *r)
{
	struct grant *g = r->g;
	const struct session_facts *s = &g->session;

	g->scopes = (struct grant_list){ s->n_scopes, s->scopes };
	if (r->as == NULL || r->as->n_scopes == 0)
		return true;
	g->scopes =
	    (struct grant_list){ 0, ARENA_ARRAY(call_arena(g->c), char *, r->as->n_scopes) };
	for (size_t i = 0; i < r->as->n_scopes; i++) {
		size_t j = 0;

		while (j < s->n_scopes && strcmp(s->scopes[j], r->as->scopes[i]) != 0)
			j++;
		if (j == s->n_scopes)
			return false;
		g->scopes.items[g->scopes.n++] = s->scopes[j];
	}
	return true;
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
	struct refresh *r = ctx;

	sight(r->g->t, c,
	    &(const struct sighting){ .kind = "refresh_reuse",
		.user_id = r->row.user_id,
		.client_id = r->g->session.client_id,
		.client_address = r->client_address,
		.operation_id = r->g->operation_id });
	grant_fail(r->g, &reused);
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

	if (m == NULL && rpc_failure(g->rpc)->status != ST_NOT_FOUND)
		grant_store_failed(g);
	else if (m == NULL || !user_row_read(call_arena(g->c), &m->data, &g->user) ||
		 g->user.disabled)
		grant_fail(g, &grant_bad_token);
	else
		grant_expand(g, r->repeat ? answer : rotate);
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
		answer(g);
	else if (f->status == ST_ABORTED && r->used_up)
		revoke_reused(r);
	else if (f->status == ST_ABORTED && ++r->round < ROUNDS_MOST)
		read_session(r, on_session); /* somebody was faster: what is it now? */
	else if (f->status == ST_ABORTED)
		grant_fail(g, &(const struct failure){ .status = ST_UNAVAILABLE,
				  .reason = "REFRESH_CONTENDED",
				  .retry_ms = 100,
				  .message = "the session is busy" });
	else if (f->status == ST_NOT_FOUND)
		grant_fail(g, &grant_bad_token);
	else
		grant_store_failed(g);
}

static void
answer(struct grant *g)
{
	struct refresh *r = g->owner;
	struct issued m = { .pair = MF__TOKEN_PAIR__INIT,
		.session_id = g->token.id,
		.authenticated_at_us = g->session.authenticated_at_us };

	if (r->as == NULL)
		grant_reply(g);
	else if (grant_pair(g, &m.pair))
		r->done(&m, NULL, r->ctx);
}

static void
issue_failed(struct grant *g, const struct failure *f)
{
	struct refresh *r = g->owner;

	r->done(NULL, f, r->ctx);
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
