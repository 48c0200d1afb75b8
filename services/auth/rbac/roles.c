/* roles: reading and writing the model role for administrators. Called by auth; the permission
 * (role.create and the like) was asked for at the gate.
 *
 * Nobody gives what he does not have: a role, before and after a change, may permit nothing that the
 * one who changes it may not do himself; else role.update would be the permission to everything. The
 * role admin is fixed, so that nobody locks everybody out. A write is answered when the policy with
 * it is in force. */
#include <stdio.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/rbac.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "base/log.h"
#include "proto/database.pb-c.h"

#define FIXED "admin"

struct change {
	struct rbac *r;
	struct call *c;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	const Mf__StoreResult *stored;
};

static void on_read(const Mf__StoreResult *m, void *ctx);
static bool model_ok(struct call *c, const Mf__StoreOp *q);
static bool may_change(struct change *x);
static bool data_ok(struct change *x);
static bool permissions_ok(struct change *x, const json_t *list);
static bool inherits_ok(struct change *x, const json_t *list);
static bool covered(struct change *x, const char *permission);
static void refuse_beyond(struct change *x, const char *kind, const char *name);
static void refuse_field(struct change *x, const char *list, size_t i, const char *what);
static void on_written(const Mf__StoreResult *m, void *ctx);
static void on_reloaded(void *ctx);

void
rbac_read_role(Mf__Rbac_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct change *x = ARENA_NEW(call_arena(ctx), struct change);

	(void)reply;
	*x = (struct change){ container_of(s, struct rbac, service), ctx, q, NULL, NULL };
	if (!model_ok(x->c, q))
		return;
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__read(&x->rpc->service, q, on_read, x);
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct change *x = ctx;

	if (m == NULL)
		store_failed(x->c, rpc_failure(x->rpc));
	else
		call_reply(x->c, &m->base);
}

void
rbac_write_role(Mf__Rbac_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct change *x = ARENA_NEW(call_arena(ctx), struct change);

	(void)reply;
	*x = (struct change){ container_of(s, struct rbac, service), ctx, q, NULL, NULL };
	if (!model_ok(x->c, q) || !rbac_known(x->r, x->c) || !may_change(x) || !data_ok(x))
		return;
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__write(&x->rpc->service, q, on_written, x);
}

static bool
model_ok(struct call *c, const Mf__StoreOp *q)
{
	if (strcmp(q->model, "role") == 0)
		return true;
	call_fail(c, ST_INVALID_ARGUMENT, "model: must be role");
	return false;
}

static bool
may_change(struct change *x)
{
	const Mf__Principal *who = call_principal(x->c);

	if (x->q->kind == MF__STORE_OP__KIND__CREATE)
		return true;
	if (x->q->kind != MF__STORE_OP__KIND__UPDATE && x->q->kind != MF__STORE_OP__KIND__DELETE) {
		call_fail_because(x->c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "roles are created, updated and deleted one at a time");
		return false;
	}
	if (strcmp(x->q->id, FIXED) == 0) {
		call_fail_because(x->c, ST_FAILED_PRECONDITION, "ROLE_FIXED", 0,
		    "the role " FIXED " can't be changed");
		return false;
	}
	if (policy_covers(x->r->policy, who == NULL ? 0 : who->n_roles,
		who == NULL ? NULL : who->roles, x->q->id))
		return true;
	refuse_beyond(x, "the role", x->q->id);
	return false;
}

/* What is not looked at here is the store's to judge: the shape of the object, names, numbers. */
static bool
data_ok(struct change *x)
{
	struct json_error e;
	json_t *v;

	if (x->q->kind == MF__STORE_OP__KIND__DELETE)
		return true;
	v = json_read(x->q->data.data, x->q->data.len, &e);
	if (!json_is_object(v)) {
		json_decref(v);
		call_fail_because(
		    x->c, ST_INVALID_ARGUMENT, "VALIDATION", 0, "the role must be an object");
		return false;
	}
	call_own_json(x->c, v);
	return permissions_ok(x, json_object_get(v, "permissions")) &&
	       inherits_ok(x, json_object_get(v, "inherits"));
}

static bool
permissions_ok(struct change *x, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s == NULL || !permission_pattern_ok(s)) {
			refuse_field(x, "permissions", i, "must be like task.read, task.* or *");
			return false;
		}
		if (!covered(x, s)) {
			refuse_beyond(x, "the permission", s);
			return false;
		}
	}
	return true;
}

static bool
inherits_ok(struct change *x, const json_t *list)
{
	const Mf__Principal *who = call_principal(x->c);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s == NULL || !policy_has(x->r->policy, s)) {
			refuse_field(x, "inherits", i, "is no role");
			return false;
		}
		if (!policy_covers(x->r->policy, who == NULL ? 0 : who->n_roles,
			who == NULL ? NULL : who->roles, s)) {
			refuse_beyond(x, "the role", s);
			return false;
		}
	}
	return true;
}

static bool
covered(struct change *x, const char *permission)
{
	const Mf__Principal *who = call_principal(x->c);

	return who != NULL &&
	       policy_decide(x->r->policy, who->n_roles, who->roles, permission).allowed;
}

static void
refuse_beyond(struct change *x, const char *kind, const char *name)
{
	call_fail_because(x->c, ST_PERMISSION_DENIED, "BEYOND_OWN", 0,
	    "%s %.64s goes beyond what you may do yourself", kind, name);
}

static void
refuse_field(struct change *x, const char *list, size_t i, const char *what)
{
	struct arena *a = call_arena(x->c);
	struct violation v = { .field = arena_printf(a, "/%s/%zu", list, i), .what = what };

	call_fail_with(x->c, &(const struct failure){ .status = ST_INVALID_ARGUMENT,
				 .message = arena_printf(a, "%s: %s", v.field, what),
				 .reason = "VALIDATION",
				 .n_violations = 1,
				 .violations = &v });
}

static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct change *x = ctx;
	const Mf__Principal *who = call_principal(x->c);

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	log_info("role_changed", L_STR("role", x->q->id),
	    L_STR("kind", x->q->kind == MF__STORE_OP__KIND__CREATE   ? "create"
			  : x->q->kind == MF__STORE_OP__KIND__UPDATE ? "update"
								     : "delete"),
	    L_STR("by", who == NULL ? NULL : who->id));
	x->stored = m;
	rbac_reload(x->r, x->c, on_reloaded, x);
}

static void
on_reloaded(void *ctx)
{
	struct change *x = ctx;

	call_reply(x->c, &x->stored->base);
}
