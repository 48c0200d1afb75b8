/* renew: Refresh and Logout: jwt's work (or oauth's in its place), the sequence that tells everybody who
 * keeps grants that something was revoked, and the audit log. */
#include <string.h>
#include "auth/auth.h"
#include "base/str.h"
#include "proto/jwt.pb-c.h"

struct renew {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	const Mf__RefreshToken *q;
	const ProtobufCMessage *answer; /* NULL: failure */
};

static struct renew *begin(Mf__Auth_Service *s, const Mf__RefreshToken *q, struct call *c);
static void on_refreshed(const Mf__TokenPair *m, void *ctx);
static void on_logged_out(const Mf__Empty *m, void *ctx);
static void record(struct renew *r, const char *kind);
static void on_recorded(bool durable, void *ctx);
static const char *session_of(struct arena *a, const char *token);

void
auth_refresh(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__TokenPair_Closure reply, void *ctx)
{
	struct renew *r = begin(s, q, ctx);

	(void)reply;
	mf__jwt__refresh(&r->rpc->service, q, on_refreshed, r);
}

/* One that succeeds is counted; one that doesn't is recorded. */
static void
on_refreshed(const Mf__TokenPair *m, void *ctx)
{
	struct renew *r = ctx;

	if (m != NULL) {
		(void)audit_count_add(r->a->counts, "refresh", "ok",
		    m->principal != NULL ? m->principal->id : "", "refresh", 1);
		call_reply(r->c, &m->base);
		return;
	}
	if (strcmp(rpc_failure(r->rpc)->reason, "REFRESH_REUSED") == 0)
		auth_bump(r->a, "reuse");
	record(r, "refresh");
}

void
auth_logout(Mf__Auth_Service *s, const Mf__RefreshToken *q, Mf__Empty_Closure reply, void *ctx)
{
	struct renew *r = begin(s, q, ctx);

	(void)reply;
	mf__jwt__logout(&r->rpc->service, q, on_logged_out, r);
}

static void
on_logged_out(const Mf__Empty *m, void *ctx)
{
	struct renew *r = ctx;

	auth_bump(r->a, "logout"); /* also when its outcome is not known */
	r->answer = m != NULL ? &m->base : NULL;
	record(r, "logout");
}

static struct renew *
begin(Mf__Auth_Service *s, const Mf__RefreshToken *q, struct call *c)
{
	struct renew *r = ARENA_NEW(call_arena(c), struct renew);

	r->a = container_of(s, struct auth, service);
	r->c = c;
	r->q = q;
	r->rpc = rpc_new(c, r->a->jwt, NULL);
	return r;
}

/* Refusals of tokens cost their sender nothing: beyond so many a second they are counts. */
static void
record(struct renew *r, const char *kind)
{
	const struct failure *f = r->answer == NULL ? rpc_failure(r->rpc) : NULL;
	bool refused = f != NULL && !status_is_fault(f->status);
	struct audit_event e = { .kind = kind,
		.outcome = f == NULL ? "ok"
		           : refused ? "refused"
		                     : "failed",
		.cause = f == NULL              ? NULL
		         : f->reason[0] != '\0' ? f->reason
		                                : status_name(f->status),
		.agent = rpc_node(r->rpc),
		.address = r->q->client_address,
		.user_agent = r->q->user_agent,
		.operation_id = call_operation_id(r->c) };

	/* of a wrong token it is anything */
	if (f == NULL || strcmp(f->reason, "REFRESH_REUSED") == 0)
		e.session = session_of(call_arena(r->c), r->q->refresh_token);
	if (f == NULL || audit_count_spare(r->a->counts)) {
		audit_await(r->a->audit, r->c, &e, AUDIT_REFUSAL, on_recorded, r);
		return;
	}
	(void)audit_count_add(r->a->counts, kind, e.outcome, e.address, e.cause, 1);
	auth_pass_on(r->c, f);
}

static void
on_recorded(bool durable, void *ctx)
{
	struct renew *r = ctx;

	(void)durable;
	if (r->answer != NULL)
		call_reply(r->c, r->answer);
	else
		auth_pass_on(r->c, rpc_failure(r->rpc));
}

/* The id that a token of ours begins with (jwt/session.h). NULL: it is another kind. */
static const char *
session_of(struct arena *a, const char *token)
{
	uint8_t bytes[64];
	char hex[33];
	size_t n;

	if (!str_unb64url(str_of(token), bytes, sizeof(bytes), &n) || n < 16)
		return NULL;
	(void)str_hex(bytes, 16, hex);
	return arena_printf(
	    a, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
