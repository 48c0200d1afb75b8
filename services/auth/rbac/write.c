/* write: reading and writing the models role, group and grant for administrators. Called by auth; the
 * permission (role.create and the like) was asked for at the gate.
 *
 * Nobody gives what he does not have: what is stored, before and after a change, may permit and deny
 * nothing that the one who changes it may not do himself; else grant.create would be the permission to
 * everything. The role admin is fixed, so that nobody locks everybody out. What was checked is what is
 * changed: a grant is written at the version that was read. A write is answered when the policy with it
 * is in force. */
#include <string.h>
#include "auth/judged.h"
#include "auth/rbac/load.h"
#include "auth/rbac/write.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "base/json_patch.h"
#include "base/log.h"

#define TRIES 4 /* of a change that others get ahead of */

struct change {
	struct rbac *r;
	struct call *c;
	const Mf__StoreOp *q;
	Mf__StoreOp op; /* as it goes to the store */
	struct checking k;
	json_t *data; /* NULL: a delete */
	struct rpc *rpc;
	const Mf__StoreResult *stored;
	int tries;
};

static void on_read(const Mf__StoreResult *m, void *ctx);
static bool kind_ok(struct change *x);
static bool data_read(struct change *x);
static void write_named(struct change *x);
static bool role_fits(struct change *x, json_t *as);
static json_t *with_what_is_there(const struct change *x);
static void read_grant(struct change *x);
static void on_grant(const Mf__StoreResult *m, void *ctx);
static void store_it(struct change *x);
static void on_written(const Mf__StoreResult *m, void *ctx);
static void on_in_force(void *ctx, bool ok);

void
rbac_read(Mf__Rbac_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	struct change *x;

	(void)reply;
	if (strcmp(q->model, "decision") == 0) {
		decision_read(r, ctx, q);
		return;
	}
	if (strcmp(q->model, "policy") == 0) {
		policy_read(r, ctx, q);
		return;
	}
	x = ARENA_NEW(call_arena(ctx), struct change);
	*x = (struct change){ .r = r, .c = ctx, .q = q };
	if (strcmp(q->model, "role") != 0 && strcmp(q->model, "group") != 0 &&
	    strcmp(q->model, "grant") != 0) {
		call_fail(ctx, ST_INVALID_ARGUMENT, "model: is none of rbac");
		return;
	}
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
rbac_write(Mf__Rbac_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	struct rbac *r = container_of(s, struct rbac, service);
	struct change *x;

	(void)reply;
	if (!rbac_known(r, ctx))
		return;
	if (strcmp(q->model, "policy") == 0) {
		policy_write(r, ctx, q);
		return;
	}
	x = ARENA_NEW(call_arena(ctx), struct change);
	*x = (struct change){ .r = r, .c = ctx, .q = q, .op = *q };
	x->k = (struct checking){ .rules = r->rules, .who = acting(ctx), .a = call_arena(ctx) };
	if (!kind_ok(x) || !data_read(x))
		return;
	if (strcmp(q->model, "role") == 0 || strcmp(q->model, "group") == 0)
		write_named(x);
	else if (strcmp(q->model, "grant") != 0)
		call_fail(ctx, ST_INVALID_ARGUMENT, "model: is none of rbac's that are written");
	else if (q->kind != MF__STORE_OP__KIND__CREATE)
		read_grant(x);
	else if (check_grant(&x->k, q->id, x->data))
		store_it(x);
	else
		check_failed(x->c, &x->k);
}

const Mf__Principal *
acting(struct call *c)
{
	static const Mf__Principal nobody = MF__PRINCIPAL__INIT;
	const Mf__Principal *who = call_principal(c);

	return who != NULL ? who : &nobody;
}

void
check_failed(struct call *c, const struct checking *k)
{
	struct arena *a = call_arena(c);
	struct violation v = { .field = k->field, .what = k->message };

	call_fail_with(
	    c, &(const struct failure){ .status = k->status,
		   .reason = k->reason,
		   .message = k->field == NULL ? k->message
	                                       : arena_printf(a, "%s: %s", k->field, k->message),
		   .n_violations = k->field != NULL,
		   .violations = &v });
}

static bool
kind_ok(struct change *x)
{
	if (x->q->kind == MF__STORE_OP__KIND__CREATE || x->q->kind == MF__STORE_OP__KIND__UPDATE ||
	    x->q->kind == MF__STORE_OP__KIND__DELETE)
		return true;
	call_fail_because(x->c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
	    "roles, groups and grants are created, updated and deleted one at a time");
	return false;
}

static bool
data_read(struct change *x)
{
	struct json_error e;

	if (x->q->kind == MF__STORE_OP__KIND__DELETE)
		return true;
	x->data = json_read(x->q->data.data, x->q->data.len, &e);
	if (json_is_object(x->data)) {
		call_own_json(x->c, x->data);
		return true;
	}
	json_decref(x->data);
	call_fail_because(
	    x->c, ST_INVALID_ARGUMENT, "VALIDATION", 0, "the %s must be an object", x->q->model);
	return false;
}

/* A role or a group: what is there is in memory. */
static void
write_named(struct change *x)
{
	bool role = strcmp(x->q->model, "role") == 0, ok = true;
	const char *id = x->q->id;

	if (x->q->kind != MF__STORE_OP__KIND__CREATE)
		ok = role ? check_role_now(&x->k, id) : check_group_now(&x->k, id);
	if (ok && x->data != NULL) {
		json_t *as = role ? with_what_is_there(x) : x->data;

		ok = role ? check_role(&x->k, id, as) && role_fits(x, as)
		          : check_group(&x->k, id, as);
		if (as != x->data)
			json_decref(as);
	}
	if (ok)
		store_it(x);
	else
		check_failed(x->c, &x->k);
}

static bool
role_fits(struct change *x, json_t *as)
{
	json_t *changed = json_pack("{s:O}", x->q->id, as);
	char err[200];
	bool ok = image_fits(x->r->image, changed, err, sizeof(err));

	json_decref(changed);
	return ok || roles_too_large(&x->k, err);
}

/* As it will be: a change is a merge patch. */
static json_t *
with_what_is_there(const struct change *x)
{
	json_t *row, *as;

	if (x->q->kind != MF__STORE_OP__KIND__UPDATE)
		return x->data;
	row = json_object_get(x->r->image->roles, x->q->id);
	as = row == NULL ? json_object() : json_deep_copy(row);
	json_patch_merge(as, x->data);
	return as;
}

static void
read_grant(struct change *x)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;

	op.kind = MF__STORE_OP__KIND__READ_ONE;
	op.model = x->q->model;
	op.id = x->q->id;
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__read(&x->rpc->service, &op, on_grant, x);
}

/* One that is not there: the store knows whether this very operation deleted it. If it is there by then it
 * was not judged, and nothing is written. What is in force may be another policy by now. */
static void
on_grant(const Mf__StoreResult *m, void *ctx)
{
	struct change *x = ctx;
	struct json_error e;
	json_t *row;

	if (m == NULL && rpc_failure(x->rpc)->status == ST_NOT_FOUND) {
		x->op.if_version = NO_VERSION;
		store_it(x);
		return;
	}
	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	row = json_read(m->data.data, m->data.len, &e);
	if (!json_is_object(row)) {
		json_decref(row);
		call_fail(x->c, ST_DATA_LOSS, "the grant can't be read");
		return;
	}
	call_own_json(x->c, row);
	x->k.rules = x->r->rules;
	if (!check_grant_now(&x->k, row)) {
		check_failed(x->c, &x->k);
		return;
	}
	if (x->data != NULL) {
		json_patch_merge(row, x->data);
		if (!check_grant(&x->k, x->q->id, row)) {
			check_failed(x->c, &x->k);
			return;
		}
	}
	x->op.if_version = judged_version(x->q->if_version, m->version);
	store_it(x);
}

static void
store_it(struct change *x)
{
	x->rpc = rpc_new(x->c, x->r->database, NULL);
	mf__database__write(&x->rpc->service, &x->op, on_written, x);
}

static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct change *x = ctx;

	if (m == NULL && rpc_failure(x->rpc)->status == ST_ABORTED && x->q->if_version == 0 &&
	    x->op.if_version != 0 && ++x->tries < TRIES) {
		read_grant(x);
		return;
	}
	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	log_info("policy_written", L_STR("model", x->q->model), L_STR("id", x->q->id),
	    L_STR("kind", x->q->kind == MF__STORE_OP__KIND__CREATE   ? "create"
			  : x->q->kind == MF__STORE_OP__KIND__UPDATE ? "update"
								     : "delete"),
	    L_STR("by", x->k.who->id));
	x->stored = m;
	rbac_reload(x->r, x->c, on_in_force, x);
}

static void
on_in_force(void *ctx, bool ok)
{
	struct change *x = ctx;

	if (ok)
		call_reply(x->c, &x->stored->base);
	else
		call_fail_because(x->c, ST_UNAVAILABLE, "NOT_IN_FORCE", STORE_RETRY_MS,
		    "it is stored, and not in force yet: ask again");
}
