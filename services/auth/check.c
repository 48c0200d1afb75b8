/* check: may the bearer of this credential do that? Verify (jwt, or oauth in its place), then
 * permission (rbac, or the claims of the token in its place), one after the other: rbac is asked
 * about nobody who was not verified.
 *
 * Another agent is asked only when one was unavailable, never after a refusal. The sequence of the
 * answer is the one from before the first question, so that a revocation in between makes the grant
 * stale. */
#include <string.h>
#include "auth/auth.h"
#include "auth/permission.h"
#include "auth/scope.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/jwt.pb-c.h"
#include "proto/rbac.pb-c.h"

struct check {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	const char *permission, *resource, *ns, *client_address;
	Mf__Principal *principal;
	bool once, everywhere; /* of the answer */
	uint64_t sequence;
	bool anonymous;
};

static void check_anonymous(struct check *k);
static void on_verified(const Mf__VerifiedToken *m, void *ctx);
static void ask_rbac(struct check *k, bool once, Mf__PermissionAnswer_Closure then);
static void on_permission(const Mf__PermissionAnswer *m, void *ctx);
static void on_permission_again(const Mf__PermissionAnswer *m, void *ctx);
static void decide_by_claims(struct check *k);
static bool claims_serve(const struct check *k);
static bool claims_cover(const struct check *k);
static void decide(struct check *k, bool allowed, const char *method);
static void refuse_scope(struct check *k);
static void grant(struct check *k, const char *method);
static void count(struct check *k, const char *outcome, const char *method);
static void record_refusal(struct check *k, const char *cause, const char *agent);
static void record_grant(struct check *k, const char *method);

void
auth_check(Mf__Auth_Service *s, const Mf__AuthCheck *q, Mf__AuthGrant_Closure reply, void *ctx)
{
	struct auth *a = container_of(s, struct auth, service);
	struct call *c = ctx;
	struct check *k = ARENA_NEW(call_arena(c), struct check);
	Mf__TokenText token = MF__TOKEN_TEXT__INIT;

	(void)reply;
	auth_heard(a);
	*k = (struct check){ .a = a,
		.c = c,
		.permission = q->permission,
		.resource = q->resource,
		.ns = q->namespace_,
		.client_address = q->client_address,
		.sequence = a->sequence };
	if (strlen(q->permission) > PERMISSION_LEN_MAX) {
		call_fail(c, ST_INVALID_ARGUMENT, "permission: is longer than %d bytes",
		    PERMISSION_LEN_MAX);
		return;
	}
	if (q->credential[0] == '\0') {
		check_anonymous(k);
		return;
	}
	token.token = q->credential;
	token.proof = q->proof;
	token.client_address = q->client_address;
	token.max_age_us = auth_max_age_us(a);
	k->rpc = rpc_new(
	    c, a->jwt, &(const struct rpc_opts){ .try_limit_us = a->config->verify_try_us });
	mf__jwt__verify(&k->rpc->service, &token, on_verified, k);
}

/* What the role "anonymous" permits; there is no such role unless somebody makes one. */
static void
check_anonymous(struct check *k)
{
	static char *roles[] = { (char *)(uintptr_t) "anonymous" };

	k->anonymous = true;
	k->principal = ARENA_NEW(call_arena(k->c), Mf__Principal);
	mf__principal__init(k->principal);
	k->principal->n_roles = 1;
	k->principal->roles = roles;
	if (k->permission[0] == '\0')
		decide(k, false, "rbac");
	else
		ask_rbac(k, false, on_permission_again);
}

static void
on_verified(const Mf__VerifiedToken *m, void *ctx)
{
	struct check *k = ctx;

	if (m == NULL) {
		count(k, status_is_fault(rpc_failure(k->rpc)->status) ? "unavailable" : "refused",
		    "jwt");
		if (!status_is_fault(rpc_failure(k->rpc)->status))
			record_refusal(k, rpc_failure(k->rpc)->reason, rpc_node(k->rpc));
		auth_pass_on(k->c, rpc_failure(k->rpc));
		return;
	}
	if (m->principal == NULL || m->principal->id[0] == '\0') {
		call_fail(k->c, ST_INTERNAL, "a verified token names nobody");
		return;
	}
	k->principal = m->principal;
	k->once = m->once;
	if (k->permission[0] == '\0') {
		k->everywhere = true;
		grant(k, "jwt");
	} else if (!scope_permits(k->principal, k->permission)) {
		refuse_scope(k);
	} else {
		ask_rbac(k, claims_serve(k), on_permission);
	}
}

/* once: where the claims could decide, rbac gets one try and nobody waits for its return. */
static void
ask_rbac(struct check *k, bool once, Mf__PermissionAnswer_Closure then)
{
	Mf__PermissionCheck q = MF__PERMISSION_CHECK__INIT;
	struct rpc_opts o = { .once = once, .limit_us = once ? k->a->config->check_try_us : 0 };

	q.principal = k->principal;
	q.permission = (char *)(uintptr_t)k->permission;
	q.resource = (char *)(uintptr_t)k->resource;
	q.namespace_ = (char *)(uintptr_t)k->ns;
	q.client_address = (char *)(uintptr_t)k->client_address;
	k->rpc = rpc_new(k->c, k->a->rbac, &o);
	mf__rbac__check(&k->rpc->service, &q, then, k);
}

static void
on_permission(const Mf__PermissionAnswer *m, void *ctx)
{
	struct check *k = ctx;

	if (m == NULL && status_is_fault(rpc_failure(k->rpc)->status) && claims_serve(k))
		decide_by_claims(k);
	else
		on_permission_again(m, k);
}

static void
on_permission_again(const Mf__PermissionAnswer *m, void *ctx)
{
	struct check *k = ctx;

	if (m == NULL) {
		count(k, "unavailable", "rbac");
		auth_pass_on(k->c, rpc_failure(k->rpc));
		return;
	}
	k->once |= m->once;
	k->everywhere = m->everywhere;
	decide(k, m->allowed, "rbac");
}

/* What is in the snapshot is permitted everywhere. What is not may be, of this resource or in this
 * namespace alone: the snapshot can't say, and so nobody does. */
static void
decide_by_claims(struct check *k)
{
	bool covered = claims_cover(k);
	bool is_scoped =
	    k->resource[0] != '\0' || (k->ns[0] != '\0' && strcmp(k->ns, "default") != 0);

	if (!covered && is_scoped) {
		count(k, "unavailable", "claims");
		auth_pass_on(k->c, rpc_failure(k->rpc));
		return;
	}
	k->everywhere = true;
	decide(k, covered, "claims");
}

/* A snapshot from before a change of policy may permit what was taken since. */
static bool
claims_serve(const struct check *k)
{
	int64_t taken = (int64_t)k->principal->snapshot_at;

	return !k->anonymous && taken != 0 && taken > k->a->policy_us &&
	       time_wall_us() - taken < k->a->config->claims_max_age_us;
}

static bool
claims_cover(const struct check *k)
{
	for (size_t i = 0; i < k->principal->n_permissions; i++)
		if (permission_covers(k->principal->permissions[i], k->permission))
			return true;
	return false;
}

static void
decide(struct check *k, bool allowed, const char *method)
{
	if (allowed) {
		grant(k, method);
		return;
	}
	count(k, "refused", method);
	record_refusal(k, k->anonymous ? "NO_CREDENTIAL" : "PERMISSION", method);
	if (k->anonymous)
		call_fail_because(
		    k->c, ST_UNAUTHENTICATED, "NO_CREDENTIAL", 0, "this needs a credential");
	else
		call_fail_because(k->c, ST_PERMISSION_DENIED, "PERMISSION", 0,
		    "this needs the permission %s", k->permission);
}

/* Whoever may: this credential is for less. */
static void
refuse_scope(struct check *k)
{
	count(k, "refused", "scope");
	record_refusal(k, "SCOPE", "auth");
	call_fail_because(k->c, ST_PERMISSION_DENIED, "SCOPE", 0,
	    "the credential is not for the permission %s", k->permission);
}

static void
grant(struct check *k, const char *method)
{
	Mf__AuthGrant m = MF__AUTH_GRANT__INIT;

	count(k, "granted", method);
	record_grant(k, method);
	m.principal = k->principal;
	m.sequence = k->sequence;
	m.sequence_epoch = k->a->epoch;
	m.method = (char *)(uintptr_t)method;
	m.once = k->once;
	m.everywhere = k->everywhere;
	call_reply(k->c, &m.base);
}

static void
count(struct check *k, const char *outcome, const char *method)
{
	metric_inc(metric_get(k->a->decisions, (const char *const[]){ outcome, method }));
}

/* One by one, up to so many a second: asking costs nothing. Nobody waits for it: nothing happened. */
static void
record_refusal(struct check *k, const char *cause, const char *agent)
{
	const Mf__Principal *p = k->principal;
	const char *who = p != NULL && p->id[0] != '\0' ? p->id : "";
	struct audit_event e = { .kind = "check",
		.outcome = "refused",
		.cause = cause,
		.agent = agent,
		.actor = who,
		.name = p != NULL ? p->name : NULL,
		.client_id = p != NULL ? p->client_id : NULL,
		.session = p != NULL ? p->session_id : NULL,
		.permission = k->permission,
		.resource = k->resource,
		.address = k->client_address };

	if (audit_count_spare(k->a->counts))
		audit_note(k->a->audit, &e);
	else
		(void)audit_count_add(k->a->counts, "check", "refused",
		    who[0] != '\0' ? who : k->client_address, cause, 1);
}

/* What makes others' data or the fleet one's own. */
static bool
is_elevated(const char *permission)
{
	static const char *const elevated[] = { "store.", "node.", "fault.", "signing_key.",
		"policy.", "audit.", NULL };

	for (size_t i = 0; elevated[i] != NULL; i++)
		if (strncmp(permission, elevated[i], strlen(elevated[i])) == 0)
			return true;
	return false;
}

/* Counted; something elevated is also recorded, the first time in ten seconds. */
static void
record_grant(struct check *k, const char *method)
{
	const Mf__Principal *p = k->principal;
	bool first = audit_count_add(k->a->counts, "decisions", "ok", p->id, k->permission, 1);
	struct audit_event e = { .kind = "elevated",
		.outcome = "ok",
		.agent = method,
		.actor = p->id,
		.name = p->name,
		.client_id = p->client_id,
		.session = p->session_id,
		.permission = k->permission,
		.resource = k->resource,
		.address = k->client_address };

	if (first && is_elevated(k->permission))
		audit_note(k->a->audit, &e);
}
