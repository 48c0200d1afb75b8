/* rbac: the methods that decide, and the node's state. Reading the policy is load.c, writing it
 * write.c, deciding decide.c. */
#include <stddef.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/load.h"
#include "base/time.h"
#include "proto/database.pb-c.h"

#define READY_WAIT (1 * SEC)

const struct config_key rbac_keys[] = {
	{ "roles_poll", CONFIG_DURATION, offsetof(struct rbac_config, roles_poll_us), "5s",
	    100 * MS, 60 * SEC, false, false,
	    "changes of policy that others stored are looked for this often; every 500 ms while "
	    "decisions are asked for" },
	{ .name = NULL },
};

static void ready_now(struct timer *timer);
static void names_take(char **into, size_t *n, char *name);

/* While decisions are asked for, what others may have changed is looked for twice a second: that they
 * did is not waited for, this decision is by what is known. */
void
rbac_check(Mf__Rbac_Service *s, const Mf__PermissionCheck *q, Mf__PermissionAnswer_Closure reply,
    void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	Mf__PermissionAnswer m = MF__PERMISSION_ANSWER__INIT;
	struct call *c = ctx;
	struct question ask = { .who = q->principal,
		.permission = q->permission,
		.resource = q->resource,
		.ns = q->namespace_,
		.at = { time_wall_us(), q->client_address, q->principal } };
	struct verdict v;

	(void)reply;
	if (q->principal == NULL || q->permission[0] == '\0' ||
	    strlen(q->permission) > PERMISSION_LEN_MAX) {
		call_fail(c, ST_INVALID_ARGUMENT, "principal, permission: both are needed");
		return;
	}
	if (!rbac_known(r, c))
		return;
	rbac_load_soon(r);
	v = rules_decide(r->rules, &ask, NULL);
	m.allowed = v.allowed;
	m.once = v.once;
	m.everywhere = v.everywhere;
	m.rule = (char *)(uintptr_t)verdict_text(&v, call_arena(c));
	call_reply(c, &m.base);
}

void
rbac_expand(
    Mf__Rbac_Service *s, const Mf__RoleNames *q, Mf__PermissionList_Closure reply, void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	Mf__PermissionList m = MF__PERMISSION_LIST__INIT;
	Mf__Principal who = MF__PRINCIPAL__INIT;
	struct call *c = ctx;
	struct rights *rights;
	bool fits;

	(void)reply;
	if (!rbac_known(r, c))
		return;
	who.id = q->user_id;
	who.n_roles = q->n_roles;
	who.roles = q->roles;
	who.n_groups = q->n_groups;
	who.groups = q->groups;
	rights = rules_rights(r->rules, &who, NULL, NULL);
	fits = rights_list(rights, call_arena(c), &m.permissions, &m.n_permissions);
	rights_free(&rights);
	if (fits)
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
	const Mf__Principal *acts = call_principal(ctx);
	Mf__Principal who = MF__PRINCIPAL__INIT;
	struct call *c = ctx;

	(void)reply;
	if (!rbac_known(r, c))
		return;
	if (acts != NULL)
		who = *acts;
	who.n_roles = q->n_holder;
	who.roles = q->holder;
	m.beyond = ARENA_ARRAY(call_arena(c), char *, q->n_roles + 1);
	m.unknown = ARENA_ARRAY(call_arena(c), char *, q->n_roles + 1);
	m.beyond_groups = ARENA_ARRAY(call_arena(c), char *, q->n_groups + 1);
	m.unknown_groups = ARENA_ARRAY(call_arena(c), char *, q->n_groups + 1);
	for (size_t i = 0; i < q->n_roles; i++) {
		if (!policy_has(rules_roles(r->rules), q->roles[i]))
			names_take(m.unknown, &m.n_unknown, q->roles[i]);
		if (!rules_may_give_role(r->rules, &who, q->roles[i]))
			names_take(m.beyond, &m.n_beyond, q->roles[i]);
	}
	for (size_t i = 0; i < q->n_groups; i++) {
		if (!rules_has_group(r->rules, q->groups[i]))
			names_take(m.unknown_groups, &m.n_unknown_groups, q->groups[i]);
		if (!rules_may_give_group(r->rules, &who, q->groups[i]))
			names_take(m.beyond_groups, &m.n_beyond_groups, q->groups[i]);
	}
	m.beyond_user =
	    q->user_id[0] != '\0' && !rules_may_act_for_user(r->rules, &who, q->user_id);
	call_reply(c, &m.base);
}

static void
names_take(char **into, size_t *n, char *name)
{
	into[(*n)++] = name;
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
	r->roles = metric_simple(METRIC_GAUGE, "metafed_rbac_roles", "Roles in force.");
	r->grants = metric_simple(METRIC_GAUGE, "metafed_rbac_grants", "Grants in force.");
	list_init(&r->waiters);
	timer_init(&r->ready_timer, r->loop, ready_now);
	timer_in(&r->ready_timer, READY_WAIT);
	rbac_load(r);
}

void
rbac_stop(struct rbac *r)
{
	timer_stop(&r->ready_timer);
	rbac_load_stop(r);
}

bool
rbac_known(const struct rbac *r, struct call *c)
{
	if (r->rules != NULL)
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
