/* credentials: see credentials.h. Find the user, verify the password (also of nobody), then the second
 * factor. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/credentials.h"
#include "auth/jwt/factor.h"
#include "auth/jwt/grant.h"
#include "auth/jwt/ticket.h"
#include "base/log.h"
#include "base/time.h"

struct prove {
	struct tokens *t;
	struct call *c;
	const Mf__Credentials *q; /* in the request's own memory: password and otp can be wiped */
	struct rpc *rpc;
	const char *operation_id, *first; /* how the first step was made */
	struct call_dep dep;              /* wipes what was not used */
	bool found;
	struct proven proven;
	proven_fn *done;
	void *ctx;
};

static void forget(struct call_dep *d);
static void on_user(const Mf__StoreResult *m, void *ctx);
static void judge_ticket(struct prove *p);
static void verify_password(struct prove *p);
static void on_verified(struct call *c, bool ok, const char *hash, void *ctx);
static void rehash(struct prove *p, const char *hash);
static void on_rehashed(const Mf__StoreResult *m, void *ctx);
static void ask_second(struct prove *p);
static void on_second(enum second v, void *ctx);
static void finish(struct prove *p, bool second);
static void say_failed(const struct prove *p, const char *cause);

void
credentials_prove(struct tokens *t, struct call *c, const Mf__Credentials *q,
    const char *operation_id, proven_fn *done, void *ctx)
{
	struct prove *p = ARENA_NEW(call_arena(c), struct prove);
	bool ticket = q->ticket[0] != '\0';

	*p = (struct prove){ .t = t,
		.c = c,
		.q = q,
		.operation_id = operation_id,
		.first = "pwd",
		.dep.cancel = forget,
		.done = done,
		.ctx = ctx };
	call_attach(c, &p->dep);
	if (ticket != (q->password[0] == '\0') || strlen(q->password) > PASSWORD_MAX) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "password: must have 1 to %d bytes", PASSWORD_MAX);
		return;
	}
	if (!str_token_ok(str_of(q->username)) || strlen(q->username) > USERNAME_MAX) {
		if (ticket)
			judge_ticket(p);
		else
			verify_password(p); /* nobody can have that name; it costs the same */
		return;
	}
	p->rpc = rpc_new(c, t->database, NULL);
	mf__database__read(
	    &p->rpc->service, op_user_by_name(call_arena(c), q->username), on_user, p);
}

static void
forget(struct call_dep *d)
{
	const Mf__Credentials *q = container_of(d, struct prove, dep)->q;

	sodium_memzero(q->password, strlen(q->password));
	sodium_memzero(q->otp, strlen(q->otp));
}

static void
on_user(const Mf__StoreResult *m, void *ctx)
{
	struct prove *p = ctx;
	const struct failure *f;

	if (m == NULL && (f = rpc_failure(p->rpc))->status != ST_NOT_FOUND) {
		store_failed(p->c, f);
		return;
	}
	if (m != NULL)
		p->found = user_row_read(call_arena(p->c), &m->data, &p->proven.user);
	if (p->q->ticket[0] != '\0')
		judge_ticket(p);
	else
		verify_password(p);
}

/* --- the first step --- */

static void
judge_ticket(struct prove *p)
{
	const struct user_row *u = &p->proven.user;
	struct ticket ticket;

	if (!p->found ||
	    !ticket_read(call_arena(p->c), p->t->seal, p->q->username, p->q->ticket, time_wall_us(),
		&ticket) ||
	    strcmp(ticket.user_id, u->id) != 0 || ticket.user_version != u->version ||
	    u->disabled || u->service) {
		say_failed(p, "ticket");
		call_fail_because(p->c, ST_UNAUTHENTICATED, "TICKET_INVALID", 0,
		    "the log-in took too long: it begins again with the password");
		return;
	}
	p->first = ticket.method;
	ask_second(p);
}

static void
verify_password(struct prove *p)
{
	bool ok;

	ok = password_verify(&p->t->passwords, p->c, p->q->password,
	    p->found && !p->proven.user.service ? p->proven.user.password_hash : NULL, on_verified,
	    p);
	sodium_memzero(p->q->password, strlen(p->q->password));
	if (!ok)
		call_fail_because(p->c, ST_RESOURCE_EXHAUSTED, "LOGIN_QUEUE_FULL", 1000,
		    "too many log-ins at once");
}

static void
on_verified(struct call *c, bool ok, const char *hash, void *ctx)
{
	struct prove *p = ctx;

	if (!ok || !p->found || p->proven.user.disabled) {
		say_failed(p, !p->found ? "unknown_user" : !ok ? "wrong_password" : "disabled");
		grant_refuse_login(c);
	} else if (hash != NULL) {
		rehash(p, hash);
	} else {
		ask_second(p);
	}
}

/* The cost of hashing was changed since: unknown names cost that of today, and so shall this one.
 * It goes on whatever becomes of it. */
static void
rehash(struct prove *p, const char *hash)
{
	p->rpc = rpc_new(p->c, p->t->database, NULL);
	mf__database__write(&p->rpc->service, op_user_hash(call_arena(p->c), &p->proven.user, hash),
	    on_rehashed, p);
}

static void
on_rehashed(const Mf__StoreResult *m, void *ctx)
{
	struct prove *p = ctx;

	if (m != NULL)
		p->proven.user.version = m->version;
	log_info("password_rehashed", L_STR("user", p->proven.user.username),
	    L_STR("status", m != NULL ? "OK" : status_name(rpc_failure(p->rpc)->status)));
	ask_second(p);
}

/* --- the second step --- */

static void
ask_second(struct prove *p)
{
	second_check(p->t, p->c, p->proven.user.id, p->q->otp, p->operation_id, on_second, p);
}

static void
on_second(enum second v, void *ctx)
{
	struct prove *p = ctx;
	const struct ticket first = { .user_id = p->proven.user.id,
		.user_version = p->proven.user.version,
		.method = p->first,
		.at_us = time_wall_us() };

	switch (v) {
	case SECOND_NONE:
		if (!p->q->demand_factor) {
			finish(p, false);
			return;
		}
		say_failed(p, "no_second_factor");
		call_fail_because(p->c, ST_PERMISSION_DENIED, "FACTOR_UNAVAILABLE", 0,
		    "this log-in needs a second factor, and the account has none");
		break;
	case SECOND_EMPTY:
		if (p->q->stepwise) {
			p->proven.ticket =
			    ticket_write(call_arena(p->c), p->t->seal, p->q->username, &first);
			p->done(&p->proven, p->ctx);
			return;
		}
		call_fail_because(p->c, ST_UNAUTHENTICATED, "SECOND_FACTOR", 0,
		    "the second factor is needed too: otp");
		break;
	case SECOND_WRONG:
		say_failed(p, "wrong_second_factor");
		call_fail_because(p->c, ST_UNAUTHENTICATED, "BAD_OTP", 0,
		    "the code is wrong, or was used before");
		break;
	case SECOND_RIGHT:
		finish(p, true);
		break;
	}
}

static void
finish(struct prove *p, bool second)
{
	struct proven *out = &p->proven;

	out->methods[out->n_methods++] = p->first;
	if (second) {
		out->methods[out->n_methods++] = "otp";
		out->methods[out->n_methods++] = "mfa";
	}
	out->at_us = time_wall_us();
	p->done(out, p->ctx);
}

/* A name that nobody has is not logged: people type passwords into the wrong field. */
static void
say_failed(const struct prove *p, const char *cause)
{
	log_info("login_failed", L_STR("user", p->found ? p->proven.user.username : NULL),
	    L_STR("address", p->q->client_address), L_STR("cause", cause));
}
