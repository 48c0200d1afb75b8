/* rbac: the methods that decide, and the node's state. Reading the roles is load.c, writing them
 * roles.c, deciding policy.c. */
#include <stddef.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/rbac.h"
#include "base/time.h"
#include "proto/database.pb-c.h"

#define READY_WAIT (1 * SEC)

const struct config_key rbac_keys[] = {
	{ "roles_poll", CONFIG_DURATION, offsetof(struct rbac_config, roles_poll_us), "5s",
	    100 * MS, 60 * SEC, false, false, "roles are read this often" },
	{ .name = NULL },
};

static void ready_now(struct timer *timer);

void
rbac_check(Mf__Rbac_Service *s, const Mf__PermissionCheck *q, Mf__PermissionAnswer_Closure reply,
    void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	Mf__PermissionAnswer m = MF__PERMISSION_ANSWER__INIT;
	struct call *c = ctx;
	struct decision d;

	(void)reply;
	if (q->principal == NULL || q->permission[0] == '\0' ||
	    strlen(q->permission) > PERMISSION_LEN_MAX) {
		call_fail(c, ST_INVALID_ARGUMENT, "principal, permission: both are needed");
		return;
	}
	if (!rbac_known(r, c))
		return;
	d = policy_decide(r->policy, q->principal->n_roles, q->principal->roles, q->permission);
	m.allowed = d.allowed;
	m.rule = d.allowed ? arena_printf(call_arena(c), "%s: %s", d.role, d.pattern)
	                   : arena_strdup(call_arena(c), "no role of the principal permits it");
	call_reply(c, &m.base);
}

void
rbac_expand(
    Mf__Rbac_Service *s, const Mf__RoleNames *q, Mf__PermissionList_Closure reply, void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	Mf__PermissionList m = MF__PERMISSION_LIST__INIT;
	struct call *c = ctx;

	(void)reply;
	if (!rbac_known(r, c))
		return;
	if (policy_expand(
		r->policy, call_arena(c), q->n_roles, q->roles, &m.permissions, &m.n_permissions))
		call_reply(c, &m.base);
	else
		call_fail_because(c, ST_FAILED_PRECONDITION, "TOO_MANY_PERMISSIONS", 0,
		    "the roles permit more than %d things: more than a token can carry",
		    POLICY_EXPAND_MAX);
}

void
rbac_covers(
    Mf__Rbac_Service *s, const Mf__RoleCover *q, Mf__RoleCoverAnswer_Closure reply, void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	Mf__RoleCoverAnswer m = MF__ROLE_COVER_ANSWER__INIT;
	struct call *c = ctx;

	(void)reply;
	if (!rbac_known(r, c))
		return;
	m.beyond = ARENA_ARRAY(call_arena(c), char *, q->n_roles + 1);
	m.unknown = ARENA_ARRAY(call_arena(c), char *, q->n_roles + 1);
	for (size_t i = 0; i < q->n_roles; i++) {
		if (!policy_has(r->policy, q->roles[i]))
			m.unknown[m.n_unknown++] = q->roles[i];
		else if (!policy_covers(r->policy, q->n_holder, q->holder, q->roles[i]))
			m.beyond[m.n_beyond++] = q->roles[i];
	}
	call_reply(c, &m.base);
}

void
rbac_start(struct rbac *r, struct bus *b, const struct rbac_config *config,
    void (*ready)(void *ctx), void *ctx)
{
	static const char *const database[] = { "database", NULL };

	r->bus = b;
	r->loop = bus_loop(b);
	r->config = config;
	r->ready = ready;
	r->ready_ctx = ctx;
	r->database = target_new(b,
	    &(const struct target_def){
		.service = &mf__database__descriptor, .members = database, .breaker.failures = 5 });
	r->roles = metric_simple(METRIC_GAUGE, "metafed_rbac_roles", "Roles in force");
	list_init(&r->waiters);
	timer_init(&r->ready_timer, r->loop, ready_now);
	timer_in(&r->ready_timer, READY_WAIT);
	rbac_load(r);
}

void
rbac_stop(struct rbac *r)
{
	timer_stop(&r->poll_timer);
	timer_stop(&r->ready_timer);
	policy_free(&r->policy);
}

bool
rbac_known(const struct rbac *r, struct call *c)
{
	if (r->policy != NULL)
		return true;
	call_fail_because(
	    c, ST_UNAVAILABLE, "ROLES_UNKNOWN", 200, "the roles have not been read yet");
	return false;
}

static void
ready_now(struct timer *timer)
{
	struct rbac *r = container_of(timer, struct rbac, ready_timer);
	void (*ready)(void *ctx) = r->ready;

	r->ready = NULL;
	if (ready != NULL)
		ready(r->ready_ctx);
}
