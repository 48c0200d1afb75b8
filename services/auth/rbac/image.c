/* image: rows of the store as rules in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/rbac/load.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define SCRATCH (1u << 20) /* of one row: 1000 permissions of 200 bytes, 64 roles */
/* As the store bounds it: pointers to a thousand texts of each of so many roles, and their names. */
#define BUILD_SCRATCH (256u << 20)
/* So few are never too large, whatever the store takes as one role: 60 x 60 x (1000 + 64 + 1) steps. */
#define ROLES_FEW 60

static bool sizes_ok(const json_t *roles, size_t bytes, char *err, size_t err_size);
static struct policy *build(json_t *roles, char *err, size_t err_size);
static void put_role(struct image *m, const char *id, json_t *row);
static void put_group(struct image *m, const char *id, const json_t *row);
static void put_grant(struct image *m, const char *id, const json_t *row);
static size_t role_bytes(const json_t *row);

struct image *
image_new(void)
{
	struct image *m = mem_zalloc(sizeof(*m));

	m->rules = rules_new();
	m->roles = json_object();
	return m;
}

void
image_free(struct image **mp)
{
	struct image *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	rules_free(&m->rules);
	json_decref(m->roles);
	free(m);
}

void
image_put(struct image *m, const char *model, const char *id, json_t *row)
{
	if (strcmp(model, "role") == 0)
		put_role(m, id, row);
	else if (strcmp(model, "group") == 0)
		put_group(m, id, row);
	else
		put_grant(m, id, row);
}

bool
image_build(struct image *m, char *err, size_t err_size)
{
	struct policy *p = NULL;

	if (sizes_ok(m->roles, m->role_bytes, err, err_size))
		p = build(m->roles, err, err_size);
	if (p == NULL)
		return false;
	rules_set_roles(m->rules, &p);
	return true;
}

bool
image_fits(const struct image *m, const json_t *changed, char *err, size_t err_size)
{
	json_t *roles = json_copy(m->roles), *row;
	struct policy *p;
	const char *id;
	size_t bytes = 0;
	bool ok;

	json_object_foreach((json_t *)(uintptr_t)changed, id, row)
	{
		if (json_is_null(row))
			json_object_del(roles, id);
		else
			json_object_set(roles, id, row);
	}
	json_object_foreach(roles, id, row) bytes += role_bytes(row);
	ok = sizes_ok(roles, bytes, err, err_size);
	if (ok && json_object_size(roles) > ROLES_FEW) {
		p = build(roles, err, err_size);
		ok = p != NULL;
		policy_free(&p);
	}
	json_decref(roles);
	return ok;
}

static bool
sizes_ok(const json_t *roles, size_t bytes, char *err, size_t err_size)
{
	if (json_object_size(roles) > ROLES_MAX)
		(void)snprintf(err, err_size, "there are more than %d roles", ROLES_MAX);
	else if (bytes > ROLES_BYTES)
		(void)snprintf(err, err_size, "all roles together have too many permissions");
	else
		return true;
	return false;
}

/* NULL: err says which is too much. */
static struct policy *
build(json_t *roles, char *err, size_t err_size)
{
	size_t n = 0;
	struct arena *a = arena_new(BUILD_SCRATCH);
	struct role_def *defs = ARENA_ARRAY(a, struct role_def, json_object_size(roles) + 1);
	struct policy *p;
	const char *name;
	json_t *row;

	json_object_foreach(roles, name, row)
	{
		struct role_def *d = &defs[n++];

		d->name = name;
		d->permissions =
		    texts_of_json(a, json_object_get(row, "permissions"), &d->n_permissions);
		d->inherits = texts_of_json(a, json_object_get(row, "inherits"), &d->n_inherits);
	}
	p = policy_build(defs, n, err, err_size);
	arena_free(&a);
	return p;
}

const char *const *
texts_of_json(struct arena *a, const json_t *list, size_t *n)
{
	const char **texts = ARENA_ARRAY(a, const char *, json_array_size(list) + 1);

	*n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			texts[(*n)++] = s;
	}
	return texts;
}

bool
grant_of_row(struct arena *a, const json_t *row, struct grant_def *d)
{
	const char *effect = json_string_value(json_object_get(row, "effect"));
	const char *ends = json_string_value(json_object_get(row, "expires_at"));

	*d = (struct grant_def){ .id = json_string_value(json_object_get(row, "id")),
		.deny = effect == NULL || strcmp(effect, "allow") != 0,
		.subject = json_string_value(json_object_get(row, "subject")),
		.ns = json_string_value(json_object_get(row, "namespace")),
		.resource = json_string_value(json_object_get(row, "resource")),
		.conditions = json_object_get(row, "conditions") };
	d->permissions = texts_of_json(a, json_object_get(row, "permissions"), &d->n_permissions);
	d->roles = texts_of_json(a, json_object_get(row, "roles"), &d->n_roles);
	if (json_is_null(d->conditions))
		d->conditions = NULL;
	if (ends != NULL && !time_parse_rfc3339(str_of(ends), &d->expires_us))
		return false;
	return d->id != NULL && d->subject != NULL &&
	       subject_kind_read(json_string_value(json_object_get(row, "subject_kind")), &d->kind);
}

static void
put_role(struct image *m, const char *id, json_t *row)
{
	m->role_bytes -= role_bytes(json_object_get(m->roles, id));
	if (row == NULL)
		json_object_del(m->roles, id);
	else
		json_object_set(m->roles, id, row);
	m->role_bytes += role_bytes(row);
}

/* What it takes in memory, nearly. */
static size_t
role_bytes(const json_t *row)
{
	static const char *const lists[] = { "permissions", "inherits" };
	size_t n = row == NULL ? 0 : 1000;

	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		const json_t *v = json_object_get(row, lists[k]);

		for (size_t i = 0; i < json_array_size(v); i++)
			n += json_string_length(json_array_get(v, i)) + 64;
	}
	return n;
}

static void
put_group(struct image *m, const char *id, const json_t *row)
{
	struct arena *a;
	const char *const *roles;
	size_t n;

	if (row == NULL) {
		(void)rules_drop_group(m->rules, id);
		return;
	}
	a = arena_new(SCRATCH);
	roles = texts_of_json(a, json_object_get(row, "roles"), &n);
	rules_put_group(m->rules, id, n, roles);
	arena_free(&a);
}

static void
put_grant(struct image *m, const char *id, const json_t *row)
{
	struct grant_def d;
	struct arena *a;

	if (row == NULL) {
		(void)rules_drop_grant(m->rules, id);
		return;
	}
	a = arena_new(SCRATCH);
	if (!grant_of_row(a, row, &d)) {
		log_warn("grant_not_understood", L_STR("grant", id));
		(void)rules_drop_grant(m->rules, id);
	} else if (!rules_put_grant(m->rules, &d)) {
		log_warn("conditions_not_understood", L_STR("grant", id),
		    L_STR("counts", d.deny ? "always" : "never"));
	}
	arena_free(&a);
}
