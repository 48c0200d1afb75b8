/* check: see check.h. */
#include <stdio.h>
#include <string.h>
#include "auth/permission.h"
#include "auth/rbac/check.h"
#include "auth/rbac/load.h"
#include "base/id.h"
#include "base/time.h"

#define CROWD_MOST 1000 /* grants to one subject in one scope: a decision looks at each */

static bool wrong(struct checking *k, const char *field, const char *what);
static bool beyond(struct checking *k, const char *kind, const char *name);
static bool fixed(struct checking *k, const char *message);
static bool patterns_ok(struct checking *k, const json_t *list);
static bool roles_ok(struct checking *k, const json_t *list, const char *field);
static bool role_there(const struct checking *k, const char *name);
static bool subject_ok(struct checking *k, const struct grant_def *d);
static bool scope_ok(struct checking *k, const json_t *object, const struct grant_def *d);
static bool resource_ok(const char *s);
static bool conditions_ok(struct checking *k, const json_t *object);
static bool lists_ok(struct checking *k, const json_t *object, const struct grant_def *d);

bool
check_role(struct checking *k, const char *id, const json_t *object)
{
	const json_t *permissions = json_object_get(object, "permissions"),
		     *inherits = json_object_get(object, "inherits");
	struct rights *rights;
	const char *cycle, *missing = NULL;

	if (strcmp(id, ROLE_FIXED) == 0)
		return fixed(k, "the role " ROLE_FIXED " can't be changed");
	if (!patterns_ok(k, permissions))
		return false;
	rights = rules_rights(k->rules, k->who, NULL, NULL);
	for (size_t i = 0; i < json_array_size(permissions) && missing == NULL; i++) {
		const char *s = json_string_value(json_array_get(permissions, i));

		missing = rights_hold(rights, s) ? NULL : s;
	}
	rights_free(&rights);
	if (missing != NULL)
		return beyond(k, "the permission", missing);
	if (!roles_ok(k, inherits, "inherits"))
		return false;
	if (!rules_may_give_role(k->rules, k->who, id))
		return beyond(k, "the role", id);
	cycle = k->roles != NULL ? NULL : role_cycle(k, id, inherits); /* an import looks itself */
	if (cycle == NULL)
		return true;
	wrong(k, "/inherits", arena_printf(k->a, "closes a cycle: %s", cycle));
	k->reason = "ROLE_CYCLE";
	return false;
}

bool
check_role_now(struct checking *k, const char *id)
{
	if (strcmp(id, ROLE_FIXED) == 0)
		return fixed(k, "the role " ROLE_FIXED " can't be changed");
	return rules_may_give_role(k->rules, k->who, id) || beyond(k, "the role", id);
}

bool
check_group(struct checking *k, const char *id, const json_t *object)
{
	return check_group_now(k, id) && roles_ok(k, json_object_get(object, "roles"), "roles");
}

bool
check_group_now(struct checking *k, const char *id)
{
	return rules_may_give_group(k->rules, k->who, id) || beyond(k, "the group", id);
}

bool
check_grant(struct checking *k, const char *id, const json_t *object)
{
	const char *effect = json_string_value(json_object_get(object, "effect"));
	json_t *row = json_copy((json_t *)(uintptr_t)object);
	struct grant_def d;
	bool ok = false;

	json_object_set_new(row, "id", json_string(id));
	if (effect == NULL)
		json_object_set_new(row, "effect", json_string(effect = "allow"));
	if (!uuid_ok(id))
		(void)wrong(k, "/id", "must be a UUID");
	else if (strcmp(effect, "allow") != 0 && strcmp(effect, "deny") != 0)
		(void)wrong(k, "/effect", "must be allow or deny");
	else if (!json_is_string(json_object_get(row, "subject")))
		(void)wrong(k, "/subject", "is needed: an id, a name, or * for everyone");
	else if (!subject_kind_read(
		     json_string_value(json_object_get(row, "subject_kind")), &d.kind))
		(void)wrong(k, "/subject_kind", "must be user, group, role or everyone");
	else if (!grant_of_row(k->a, row, &d))
		(void)wrong(k, "/expires_at", "must be a time like 2026-11-21T08:00:00Z");
	else
		ok = subject_ok(k, &d) && lists_ok(k, object, &d) && scope_ok(k, object, &d) &&
		     conditions_ok(k, object);
	if (ok && !rules_may_give_grant(k->rules, k->who, &d))
		ok = beyond(k, "the grant", id);
	json_decref(row);
	return ok;
}

bool
check_grant_now(struct checking *k, const json_t *row)
{
	struct grant_def d;

	return !grant_of_row(k->a, row, &d) || rules_may_give_grant(k->rules, k->who, &d) ||
	       beyond(k, "the grant", d.id);
}

/* What the parent inherits holds the role: then the way from the parent to it is the cycle's rest. */
const char *
role_cycle(struct checking *k, const char *id, const json_t *inherits)
{
	const struct policy *p = rules_roles(k->rules);

	for (size_t i = 0; i < json_array_size(inherits); i++) {
		const char *name = json_string_value(json_array_get(inherits, i)), *way = id;
		const struct role *parent = policy_role(p, name);
		size_t at = 0;

		if (strcmp(name, id) == 0)
			return arena_printf(k->a, "%s, %s", id, id);
		while (parent != NULL && at < parent->n_above &&
		       strcmp(parent->above[at]->name, id) != 0)
			at++;
		if (parent == NULL || at == parent->n_above)
			continue;
		for (at = parent->via[at]; at != 0; at = parent->via[at])
			way = arena_printf(k->a, "%s, %s", parent->above[at]->name, way);
		return arena_printf(k->a, "%s, %s, %s", id, name, way);
	}
	return NULL;
}

/* --- fields --- */

static bool
patterns_ok(struct checking *k, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s == NULL || !permission_pattern_ok(s))
			return wrong(k, arena_printf(k->a, "/permissions/%zu", i),
			    "must be like task.read, task.*, *.read or *");
	}
	return true;
}

static bool
roles_ok(struct checking *k, const json_t *list, const char *field)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s == NULL || !role_there(k, s))
			return wrong(k, arena_printf(k->a, "/%s/%zu", field, i), "is no role");
		if (!rules_may_give_role(k->rules, k->who, s))
			return beyond(k, "the role", s);
	}
	return true;
}

static bool
role_there(const struct checking *k, const char *name)
{
	return k->roles != NULL ? json_object_get(k->roles, name) != NULL
	                        : policy_has(rules_roles(k->rules), name);
}

static bool
subject_ok(struct checking *k, const struct grant_def *d)
{
	switch (d->kind) {
	case SUBJECT_USER:
		return uuid_ok(d->subject) || wrong(k, "/subject", "must be the id of a user");
	case SUBJECT_GROUP:
		return (k->groups != NULL ? json_object_get(k->groups, d->subject) != NULL
					  : rules_has_group(k->rules, d->subject)) ||
		       wrong(k, "/subject", "is no group");
	case SUBJECT_ROLE:
		if (d->deny && strcmp(d->subject, ROLE_FIXED) == 0)
			return fixed(k, "nothing can be denied to the role " ROLE_FIXED);
		return role_there(k, d->subject) || wrong(k, "/subject", "is no role");
	case SUBJECT_EVERYONE:
		break;
	}
	return strcmp(d->subject, "*") == 0 || wrong(k, "/subject", "of everyone must be *");
}

static bool
lists_ok(struct checking *k, const json_t *object, const struct grant_def *d)
{
	const json_t *roles = json_object_get(object, "roles");

	if (!patterns_ok(k, json_object_get(object, "permissions")))
		return false;
	if (d->deny && json_array_size(roles) > 0)
		return wrong(k, "/roles", "a deny names permissions, not roles");
	if (json_array_size(roles) + d->n_permissions == 0)
		return wrong(k, "/permissions", "a grant names permissions or roles");
	return roles_ok(k, roles, "roles");
}

static bool
scope_ok(struct checking *k, const json_t *object, const struct grant_def *d)
{
	const json_t *resource = json_object_get(object, "resource");

	if (resource != NULL && !json_is_null(resource) &&
	    (d->resource == NULL || !resource_ok(d->resource)))
		return wrong(k, "/resource", "must be MODEL, MODEL/ID or MODEL/*, like task/*");
	if (rules_crowd(k->rules, d) < CROWD_MOST)
		return true;
	k->status = ST_RESOURCE_EXHAUSTED;
	k->reason = "TOO_MANY_GRANTS";
	k->field = NULL;
	k->message = arena_printf(k->a,
	    "there are %d grants to the %s %.64s in this scope: put permissions together, or use a "
	    "role",
	    CROWD_MOST, subject_kinds[d->kind], d->subject);
	return false;
}

/* A model is a word, with a name behind a dot where it has one: "task", "doc.orders". */
static bool
resource_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

	if (n == 0)
		return false;
	if (s[n] == '.') {
		size_t m = strcspn(s + n + 1, "/*");

		if (m == 0)
			return false;
		n += 1 + m;
	}
	if (s[n] == '\0')
		return true;
	return s[n] == '/' && s[n + 1] != '\0' &&
	       (strchr(s + n + 1, '*') == NULL || strcmp(s + n + 1, "*") == 0);
}

static bool
conditions_ok(struct checking *k, const json_t *object)
{
	const json_t *v = json_object_get(object, "conditions");
	struct condition_error e;
	struct conditions *c;

	if (v == NULL || json_is_null(v))
		return true;
	c = conditions_read(v, &e);
	if (c == NULL)
		return wrong(
		    k, arena_printf(k->a, "/conditions%s", e.field), arena_strdup(k->a, e.what));
	conditions_free(&c);
	return true;
}

/* --- refusals --- */

static bool
wrong(struct checking *k, const char *field, const char *what)
{
	k->status = ST_INVALID_ARGUMENT;
	k->reason = "VALIDATION";
	k->field = field;
	k->message = what;
	return false;
}

static bool
beyond(struct checking *k, const char *kind, const char *name)
{
	k->status = ST_PERMISSION_DENIED;
	k->reason = "BEYOND_OWN";
	k->field = NULL;
	k->message =
	    arena_printf(k->a, "%s %.64s goes beyond what you may do yourself", kind, name);
	return false;
}

bool
roles_too_large(struct checking *k, const char *why)
{
	k->status = ST_RESOURCE_EXHAUSTED;
	k->reason = "ROLES_TOO_LARGE";
	k->field = NULL;
	k->message = arena_strdup(k->a, why);
	return false;
}

static bool
fixed(struct checking *k, const char *message)
{
	k->status = ST_FAILED_PRECONDITION;
	k->reason = "ROLE_FIXED";
	k->field = NULL;
	k->message = message;
	return false;
}
