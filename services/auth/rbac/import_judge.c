/* import_judge: how a document differs from what is stored, and whether whoever imports may change just
 * that. Nothing is written before all of it is judged. */
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/import.h"
#include "base/mem.h"

#define ALTERS_MOST 5000

static bool compare_row(struct import *x, const char *model, const char *id);
static void add_alter(struct import *x, const struct alter *a);
static void names_after(struct import *x);
static bool may_alter(struct import *x, const struct alter *a);
static bool cycles_ok(struct import *x);
static bool roles_fit(struct import *x);
static const json_t *inherits_after(const struct import *x, const char *role);
static bool reaches(struct import *x, const char *from, const char *to, json_t *seen);

bool
import_judge(struct import *x)
{
	for (size_t m = 0; document_models[m] != NULL; m++) {
		const char *model = document_models[m], *id;
		json_t *now = json_object_get(x->stored, model),
		       *then = json_object_get(x->doc.rows, model), *row;

		json_object_foreach(then, id, row) if (!compare_row(x, model, id)) return false;
		json_object_foreach(
		    now, id, row) if (x->replace && json_object_get(then, id) == NULL &&
				      !(m == 0 && strcmp(id, ROLE_FIXED) == 0)) add_alter(x,
		    &(struct alter){ model, id, row, NULL,
			(uint64_t)json_integer_value(json_object_get(row, "version")) });
	}
	if (x->n > ALTERS_MOST) {
		call_fail_because(x->c, ST_FAILED_PRECONDITION, "POLICY_TOO_LARGE", 0,
		    "%zu changes: at most %d at once", x->n, ALTERS_MOST);
		return false;
	}
	names_after(x);
	for (size_t i = 0; i < x->n; i++)
		if (!may_alter(x, &x->alters[i]))
			return false;
	return cycles_ok(x) && roles_fit(x);
}

static bool
compare_row(struct import *x, const char *model, const char *id)
{
	json_t *now = json_object_get(json_object_get(x->stored, model), id),
	       *then = json_object_get(json_object_get(x->doc.rows, model), id), *as;
	bool same;

	if (now == NULL) {
		add_alter(x, &(struct alter){ model, id, NULL, then, 0 });
		return true;
	}
	as = document_row(model, now);
	same = json_equal(as, then);
	json_decref(as);
	if (same) {
		x->unchanged++;
		return true;
	}
	for (int i = 0; i < 2; i++) {
		const char *field = i == 0 ? "subject_kind" : "subject";

		if (!json_equal(json_object_get(now, field), json_object_get(then, field)) &&
		    strcmp(model, "grant") == 0) {
			import_refuse(x, ST_INVALID_ARGUMENT, "VALIDATION",
			    document_line(
				&x->doc, model, id, arena_printf(call_arena(x->c), "/%s", field)),
			    field, "a grant keeps its subject: use another id");
			return false;
		}
	}
	add_alter(x, &(struct alter){ model, id, now, then,
			 (uint64_t)json_integer_value(json_object_get(now, "version")) });
	return true;
}

static void
add_alter(struct import *x, const struct alter *a)
{
	if (x->n == x->cap) {
		size_t cap = x->cap == 0 ? 64 : 2 * x->cap;
		struct alter *more = ARENA_ARRAY(call_arena(x->c), struct alter, cap);

		if (x->n > 0)
			memcpy(more, x->alters, x->n * sizeof(*more));
		x->alters = more;
		x->cap = cap;
	}
	x->alters[x->n++] = *a;
}

/* Names of roles and groups as they will be; a group that neither text names stays where it merges. */
static void
names_after(struct import *x)
{
	for (size_t m = 0; m < 2; m++) {
		json_t *names = json_object(), *row;
		const char *id;

		call_own_json(x->c, names);
		x->after[m] = names;
		if (m == 0 && !x->replace)
			json_object_update(names, x->r->image->roles);
		if (m == 0)
			json_object_set_new(names, ROLE_FIXED, json_true());
		json_object_foreach(json_object_get(x->doc.rows, document_models[m]), id, row)
		    json_object_set(names, id, row);
	}
	/* what merges may name any group that there is */
	for (size_t i = 0; !x->replace && i < x->n; i++) {
		const char *subject =
		    json_string_value(json_object_get(x->alters[i].then, "subject"));

		if (subject != NULL && rules_has_group(x->r->rules, subject))
			json_object_set_new(x->after[1], subject, json_true());
	}
}

static bool
may_alter(struct import *x, const struct alter *a)
{
	struct checking k = { .rules = x->r->rules,
		.who = acting(x->c),
		.a = call_arena(x->c),
		.roles = x->after[0],
		.groups = x->after[1] };
	bool ok = true;

	if (strcmp(a->model, "role") == 0)
		ok = (a->now == NULL || check_role_now(&k, a->id)) &&
		     (a->then == NULL || check_role(&k, a->id, a->then));
	else if (strcmp(a->model, "group") == 0)
		ok = (a->now == NULL || check_group_now(&k, a->id)) &&
		     (a->then == NULL || check_group(&k, a->id, a->then));
	else
		ok = (a->now == NULL || check_grant_now(&k, a->now)) &&
		     (a->then == NULL || check_grant(&k, a->id, a->then));
	if (!ok)
		import_refuse(x, k.status, k.reason,
		    a->then == NULL ? 0 : document_line(&x->doc, a->model, a->id, k.field),
		    arena_printf(k.a, "/%s %s%s", a->model, a->id, k.field == NULL ? "" : k.field),
		    k.message);
	return ok;
}

/* A cycle goes through a role that changed. */
static bool
cycles_ok(struct import *x)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct alter *a = &x->alters[i];
		const json_t *inherits = json_object_get(a->then, "inherits");
		json_t *seen = json_object();
		bool cycle = false;

		if (strcmp(a->model, "role") == 0)
			for (size_t k = 0; !cycle && k < json_array_size(inherits); k++)
				cycle = reaches(
				    x, json_string_value(json_array_get(inherits, k)), a->id, seen);
		json_decref(seen);
		if (!cycle)
			continue;
		import_refuse(x, ST_INVALID_ARGUMENT, "ROLE_CYCLE",
		    document_line(&x->doc, "role", a->id, "/inherits"), "inherits",
		    arena_printf(call_arena(x->c), "closes a cycle through %.64s", a->id));
		return false;
	}
	return true;
}

static bool
roles_fit(struct import *x)
{
	json_t *changed = json_object();
	char err[200];
	bool ok;

	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->alters[i].model, "role") == 0)
			json_object_set_new(changed, x->alters[i].id,
			    x->alters[i].then == NULL ? json_null()
						      : json_incref(x->alters[i].then));
	ok = json_object_size(changed) == 0 || image_fits(x->r->image, changed, err, sizeof(err));
	json_decref(changed);
	if (!ok)
		import_refuse(x, ST_RESOURCE_EXHAUSTED, "ROLES_TOO_LARGE", 0, "",
		    arena_strdup(call_arena(x->c), err));
	return ok;
}

static const json_t *
inherits_after(const struct import *x, const char *role)
{
	return json_object_get(json_object_get(x->after[0], role), "inherits");
}

/* No recursion: `seen` is the queue, in the order in which names were added. */
static bool
reaches(struct import *x, const char *from, const char *to, json_t *seen)
{
	const char **queue = mem_zalloc((json_object_size(x->after[0]) + 2) * sizeof(char *));
	size_t n = 0;
	bool found = false;

	queue[n++] = from;
	json_object_set_new(seen, from, json_true());
	for (size_t i = 0; i < n && !found; i++) {
		const json_t *list = inherits_after(x, queue[i]);

		found = strcmp(queue[i], to) == 0;
		for (size_t k = 0; k < json_array_size(list); k++) {
			const char *s = json_string_value(json_array_get(list, k));

			if (json_object_get(seen, s) != NULL ||
			    json_object_get(x->after[0], s) == NULL)
				continue;
			json_object_set_new(seen, s, json_true());
			queue[n++] = s;
		}
	}
	free(queue);
	return found;
}
