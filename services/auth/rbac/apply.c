/* apply: an import as transactions. Up to 100 changes are one, all or nothing. More of them are several,
 * and between two of them, and after a crash, the policy permits nothing that is permitted neither before
 * nor after:
 *
 *	1. every new deny is added, and each row goes back to what it has both before and after
 *	   (permissions and roles that both lists have; what goes is deleted): that permits no more than
 *	   before, as rows only ever add to what is allowed, and all denies of before and after are there;
 *	2. each row gets what it has after: no more than after is allowed, and still all denies are there;
 *	3. denies that go are deleted.
 *
 * That holds as long as who a deny hits stays the same: in several transactions a deny is not changed,
 * and where something is denied to a role, nobody's roles are. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/import.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

#define MEMBERS_MOST 100

struct parts {
	struct import *x;
	size_t n, cap; /* members */
	Mf__StoreOp **members;
};

static bool in_parts_ok(struct import *x);
static bool denies(const json_t *row);
static bool denies_role(const json_t *row);
static void restrict_row(struct parts *p, struct alter *a);
static void finish_row(struct parts *p, const struct alter *a);
static json_t *common(const struct alter *a);
static json_t *in_both(const json_t *one, const json_t *two);
static void add_create(struct parts *p, const struct alter *a);
static void
add_update(struct parts *p, const struct alter *a, const json_t *from, const json_t *to);
static void add_delete(struct parts *p, const struct alter *a);
static Mf__StoreOp *add(struct parts *p, const struct alter *a, Mf__StoreOp__Kind kind);
static json_t *patch_of(const json_t *from, const json_t *to);
static void set_data(struct parts *p, Mf__StoreOp *op, json_t *v);
static void cut(struct parts *p);
static char *part_id(struct parts *p, const Mf__StoreOp *op);

bool
import_parts(struct import *x)
{
	struct parts p = { .x = x };

	if (x->n > MEMBERS_MOST && !in_parts_ok(x))
		return false;
	for (size_t i = 0; x->n > MEMBERS_MOST && i < x->n; i++)
		restrict_row(&p, &x->alters[i]);
	for (size_t i = 0; i < x->n; i++)
		finish_row(&p, &x->alters[i]);
	for (size_t i = 0; i < x->n; i++)
		if (x->alters[i].then == NULL && (x->n <= MEMBERS_MOST || denies(x->alters[i].now)))
			add_delete(&p, &x->alters[i]);
	cut(&p);
	return true;
}

static bool
in_parts_ok(struct import *x)
{
	bool roles_move = false, role_denied = rules_role_denied(x->r->rules);

	for (size_t i = 0; i < x->n; i++) {
		const struct alter *a = &x->alters[i];

		if (a->now != NULL && a->then != NULL && (denies(a->now) || denies(a->then))) {
			call_fail_because(x->c, ST_FAILED_PRECONDITION, "IMPORT_IN_PARTS", 0,
			    "%zu changes are more than one transaction, and %s %s changes a deny: "
			    "import denies by themselves first",
			    x->n, a->model, a->id);
			return false;
		}
		role_denied = role_denied || denies_role(a->then);
		roles_move = roles_move || strcmp(a->model, "role") == 0 ||
		             strcmp(a->model, "group") == 0 ||
		             json_array_size(json_object_get(a->now, "roles")) > 0 ||
		             json_array_size(json_object_get(a->then, "roles")) > 0;
	}
	if (!roles_move || !role_denied)
		return true;
	call_fail_because(x->c, ST_FAILED_PRECONDITION, "IMPORT_IN_PARTS", 0,
	    "%zu changes are more than one transaction, and something is denied to a role: import "
	    "roles and groups by themselves, at most %d at once",
	    x->n, MEMBERS_MOST);
	return false;
}

static bool
denies(const json_t *row)
{
	const char *effect = json_string_value(json_object_get(row, "effect"));

	return effect != NULL && strcmp(effect, "deny") == 0;
}

static bool
denies_role(const json_t *row)
{
	const char *kind = json_string_value(json_object_get(row, "subject_kind"));

	return denies(row) && kind != NULL && strcmp(kind, "role") == 0;
}

static void
restrict_row(struct parts *p, struct alter *a)
{
	json_t *both, *now;

	if (a->now == NULL && denies(a->then))
		add_create(p, a);
	if (a->now == NULL || denies(a->now))
		return;
	if (a->then == NULL) {
		add_delete(p, a);
		return;
	}
	now = document_row(a->model, a->now);
	both = common(a);
	if (!json_equal(now, both)) {
		add_update(p, a, now, both);
		a->version++;
	}
	json_decref(now);
	json_decref(both);
}

static void
finish_row(struct parts *p, const struct alter *a)
{
	bool parts = p->x->n > MEMBERS_MOST;
	json_t *from;

	if (a->then == NULL || (parts && a->now == NULL && denies(a->then)))
		return;
	if (a->now == NULL) {
		add_create(p, a);
		return;
	}
	from = parts ? common(a) : document_row(a->model, a->now);
	if (!json_equal(from, a->then))
		add_update(p, a, from, a->then);
	json_decref(from);
}

/* A grant whose scope, conditions or end change has nothing in common. */
static json_t *
common(const struct alter *a)
{
	static const char *const lists[] = { "permissions", "inherits", "roles" };
	static const char *const where[] = { "namespace", "resource", "conditions", "expires_at" };
	json_t *row = document_row(a->model, a->now);
	bool nothing = false;

	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		const json_t *now = json_object_get(row, where[i]),
			     *then = json_object_get(a->then, where[i]);

		nothing = nothing || (now != then && !json_equal(now, then));
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *both = in_both(json_object_get(row, lists[i]),
		    nothing ? NULL : json_object_get(a->then, lists[i]));

		if (json_array_size(both) > 0)
			json_object_set(row, lists[i], both);
		else
			json_object_del(row, lists[i]);
		json_decref(both);
	}
	return row;
}

static json_t *
in_both(const json_t *one, const json_t *two)
{
	json_t *both = json_array();

	for (size_t i = 0; i < json_array_size(one); i++)
		for (size_t k = 0; k < json_array_size(two); k++)
			if (json_equal(json_array_get(one, i), json_array_get(two, k))) {
				json_array_append(both, json_array_get(one, i));
				break;
			}
	return both;
}

/* --- members --- */

static void
add_create(struct parts *p, const struct alter *a)
{
	set_data(p, add(p, a, MF__STORE_OP__KIND__CREATE), json_incref(a->then));
}

static void
add_update(struct parts *p, const struct alter *a, const json_t *from, const json_t *to)
{
	Mf__StoreOp *op = add(p, a, MF__STORE_OP__KIND__UPDATE);

	op->if_version = a->version;
	set_data(p, op, patch_of(from, to));
}

static void
add_delete(struct parts *p, const struct alter *a)
{
	add(p, a, MF__STORE_OP__KIND__DELETE)->if_version = a->version;
}

static Mf__StoreOp *
add(struct parts *p, const struct alter *a, Mf__StoreOp__Kind kind)
{
	struct arena *arena = call_arena(p->x->c);
	Mf__StoreOp *op = ARENA_NEW(arena, Mf__StoreOp);

	mf__store_op__init(op);
	op->kind = kind;
	op->model = (char *)(uintptr_t)a->model;
	op->id = (char *)(uintptr_t)a->id;
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 64 : 2 * p->cap;
		Mf__StoreOp **more = ARENA_ARRAY(arena, Mf__StoreOp *, cap);

		if (p->n > 0)
			memcpy(more, p->members, p->n * sizeof(*more));
		p->members = more;
		p->cap = cap;
	}
	p->members[p->n++] = op;
	return op;
}

/* The merge patch that makes one of the other: what goes is null, a list that goes is empty. */
static json_t *
patch_of(const json_t *from, const json_t *to)
{
	json_t *patch = json_object(), *v;
	const char *name;

	json_object_foreach(
	    (json_t *)(uintptr_t)from, name, v) if (json_object_get(to, name) == NULL)
	    json_object_set_new(patch, name, json_is_array(v) ? json_array() : json_null());
	json_object_foreach((json_t *)(uintptr_t)to, name, v)
	{
		const json_t *old = json_object_get(from, name);

		if (json_equal(old, v))
			continue;
		if (json_is_object(old) && json_is_object(v))
			json_object_set_new(patch, name, patch_of(old, v));
		else
			json_object_set(patch, name, v);
	}
	return patch;
}

static void
set_data(struct parts *p, Mf__StoreOp *op, json_t *v)
{
	struct jw w;

	jw_start(&w, call_arena(p->x->c), 500);
	jw_json(&w, NULL, v);
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	json_decref(v);
}

/* --- transactions --- */

static void
cut(struct parts *p)
{
	struct arena *a = call_arena(p->x->c);
	struct import *x = p->x;

	x->n_parts = (p->n + MEMBERS_MOST - 1) / MEMBERS_MOST;
	x->parts = ARENA_ARRAY(a, Mf__StoreOp *, x->n_parts + 1);
	for (size_t i = 0; i < x->n_parts; i++) {
		Mf__StoreOp *op = ARENA_NEW(a, Mf__StoreOp);
		size_t left = p->n - i * MEMBERS_MOST;

		mf__store_op__init(op);
		op->kind = MF__STORE_OP__KIND__TRANSACTION;
		op->n_members = left < MEMBERS_MOST ? left : MEMBERS_MOST;
		op->members = p->members + i * MEMBERS_MOST;
		op->operation_id = part_id(p, op);
		x->parts[i] = op;
	}
}

/* Of the operation and of what is in the part: the same call again repeats what it did, and one that
 * finds other differences does something else. */
static char *
part_id(struct parts *p, const Mf__StoreOp *op)
{
	const Mf__StoreOp *q = p->x->q;
	size_t n = mf__store_op__get_packed_size(op);
	uint8_t *bytes = mem_zalloc(n + 1), h[16];
	char *id = arena_alloc(call_arena(p->x->c), UUID_LEN);

	mf__store_op__pack(op, bytes);
	(void)crypto_generichash(h, sizeof(h), bytes, n, (const uint8_t *)q->operation_id,
	    strlen(q->operation_id) < 64 ? strlen(q->operation_id) : 64);
	free(bytes);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x80);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	(void)snprintf(id, UUID_LEN,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1],
	    h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14],
	    h[15]);
	return id;
}
