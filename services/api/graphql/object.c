/* object: fields of the objects that queries and mutations find. Most are a member of a JSON object,
 * as the other domains answered it. */
#include <ctype.h>
#include <string.h>

#include "api/graphql/serving.h"
#include "base/log.h"

static struct gql_value value_of(const struct gql_at *, const json_t *);
static struct gql_value list_of(const struct gql_at *, const json_t *);

static const json_t *
json_of(const struct gql_at *at)
{
	return ((const struct thing *)at->object)->v;
}

static const char *
text_of(const struct gql_at *at, const char *key)
{
	const char *s = json_string_value(json_object_get(json_of(at), key));

	return s == NULL ? "" : s;
}

struct gql_value
object_member(const struct gql_at *at)
{
	return value_of(at, json_object_get(json_of(at), name_there(gql_arena(at), gql_key(at))));
}

/* A leaf as it is; an object as a thing of the field's type. */
static struct gql_value
value_of(const struct gql_at *at, const json_t *v)
{
	if (v == NULL || json_is_null(v))
		return gql_null();
	if (strcmp(gql_type_name(at), "JSON") == 0)
		return gql_json(v);
	switch (json_typeof(v)) {
	case JSON_STRING:
		return gql_stringn(json_string_value(v), json_string_length(v));
	case JSON_INTEGER:
		return gql_int(json_integer_value(v));
	case JSON_REAL:
		return gql_float(json_real_value(v));
	case JSON_TRUE:
	case JSON_FALSE:
		return gql_bool(json_is_true(v));
	case JSON_ARRAY:
		return list_of(at, v);
	case JSON_OBJECT:
		return thing_value(gql_arena(at), gql_type_name(at), v);
	case JSON_NULL:
		break;
	}
	return gql_null();
}

static struct gql_value
list_of(const struct gql_at *at, const json_t *v)
{
	size_t n = json_array_size(v);
	struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, n);

	for (size_t i = 0; i < n; i++)
		items[i] = value_of(at, json_array_get(v, i));
	return gql_list(items, n);
}

/* The other domains write some words in small letters; enum values are large. */
static struct gql_value
large_letters(const struct gql_at *at)
{
	char *s = arena_strdup(gql_arena(at), text_of(at, gql_key(at)));

	for (char *p = s; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return s[0] == '\0' ? gql_null() : gql_string(s);
}

/* gql_key is the type. */
static struct gql_value
global_id(const struct gql_at *at)
{
	bool node = strcmp(gql_key(at), "FleetNode") == 0;

	return gql_string(id_global(gql_arena(at), gql_key(at), text_of(at, node ? "name" : "id")));
}

static struct gql_value
creator(const struct gql_at *at)
{
	return load_one(at, "User", text_of(at, "created_by"));
}

static struct gql_value
blob_url(const struct gql_at *at)
{
	return gql_string(arena_printf(gql_arena(at), "/v1/blobs/%s", text_of(at, "id")));
}

static struct gql_value
user_roles(const struct gql_at *at)
{
	return load_roles(at, json_object_get(json_of(at), "roles"));
}

static bool
is_same(const json_t *has, struct gql_value want)
{
	if (!gql_given(want))
		return true;
	if (want.kind == GQL_INT)
		return json_is_integer(has) && json_integer_value(has) == want.integer;
	return json_is_string(has) && strcmp(json_string_value(has), want.text) == 0;
}

static bool
is_wanted(const json_t *node, const struct gql_value *filter)
{
	static const char *const names[] = { "name", "level", "domain", "state" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!is_same(json_object_get(node, names[i]), gql_member(filter, names[i])))
			return false;
	return true;
}

static struct gql_value
fleet_nodes(const struct gql_at *at)
{
	const json_t *all = json_object_get(json_of(at), gql_key(at));
	struct gql_value filter = gql_arg(at, "filter");
	struct gql_value *items =
	    ARENA_ARRAY(gql_arena(at), struct gql_value, json_array_size(all));
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(all); i++)
		if (is_wanted(json_array_get(all, i), &filter))
			items[n++] = value_of(at, json_array_get(all, i));
	return gql_list(items, n);
}

/* {"mf.Sql -> nosql": "closed"} or {"api": "up"} as a list: each a thing whose type is the name. */
static struct gql_value
list_of_named(const struct gql_at *at)
{
	const json_t *of = json_object_get(json_of(at), gql_key(at));
	struct gql_value *items =
	    ARENA_ARRAY(gql_arena(at), struct gql_value, json_object_size(of));
	size_t n = 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)of, key, v) items[n++] =
	    thing_value(gql_arena(at), key, v);
	return gql_list(items, n);
}

static struct gql_value
name_of_named(const struct gql_at *at)
{
	return gql_string(((const struct thing *)at->object)->type);
}

static struct gql_value
breaker_state(const struct gql_at *at)
{
	const char *s = json_string_value(json_of(at));

	if (s != NULL && strcmp(s, "open") == 0)
		return gql_string("OPEN");
	return gql_string(s != NULL && strcmp(s, "half_open") == 0 ? "HALF_OPEN" : "CLOSED");
}

static struct gql_value
domain_up(const struct gql_at *at)
{
	const char *s = json_string_value(json_of(at));

	return gql_bool(s != NULL && strcmp(s, "up") == 0);
}

static struct gql_value
problem_errors(const struct gql_at *at)
{
	const json_t *v = json_object_get(json_of(at), "errors");

	return v == NULL ? gql_list(NULL, 0) : list_of(at, v);
}

/* "#/title" */
static struct gql_value
violation_pointer(const struct gql_at *at)
{
	const char *p = text_of(at, "pointer");

	return p[0] == '\0' ? gql_null()
	                    : gql_string(arena_printf(
				  gql_arena(at), "#%s", name_of_violation(gql_arena(at), p + 1)));
}

static struct gql_value
event_kind(const struct gql_at *at)
{
	const char *kind = text_of(at, "kind"); /* "task.created" */
	const char *dot = strrchr(kind, '.');
	char *s = arena_strdup(gql_arena(at), dot == NULL ? kind : dot + 1);

	for (char *p = s; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return gql_string(s);
}

static struct gql_value
event_task(const struct gql_at *at)
{
	return load_one(at, "Task", text_of(at, "id"));
}

static struct gql_value
event_itself(const struct gql_at *at)
{
	return gql_object(at->object);
}

/* clang-format off */
#define KEY(f, k)	{ .field = (f), .key = (k) }
#define BIND(f, r)	{ .field = (f), .resolve = (r) }
#define ID(type)	{ .field = type ".id", .resolve = global_id, .key = (type) }
const struct gql_binding object_bindings[] = {
	ID("Task"),
	KEY("Task.taskId", "id"),
	{ .field = "Task.creator", .resolve = creator, .cost = 2 },
	{ .field = "Blob.creator", .resolve = creator, .cost = 2 },
	BIND("Blob.url", blob_url),
	ID("User"),
	KEY("User.userId", "id"),
	{ .field = "User.roleDetails", .resolve = user_roles, .cost = 2, .size = 2 },
	ID("Role"),
	KEY("Role.name", "id"),
	ID("FleetNode"),
	BIND("FleetNode.breakers", list_of_named),
	BIND("Breaker.name", name_of_named),
	BIND("Breaker.state", breaker_state),
	{ .field = "Fleet.nodes", .resolve = fleet_nodes, .size = 13 },
	{ .field = "Fleet.apart", .resolve = fleet_nodes, .size = 5 },
	BIND("Fleet.mode", large_letters),
	BIND("Fleet.stores", large_letters),
	KEY("Viewer.userId", "id"),
	BIND("Health.status", large_letters),
	BIND("Health.stores", large_letters),
	BIND("Health.domains", list_of_named),
	BIND("DomainHealth.name", name_of_named),
	BIND("DomainHealth.up", domain_up),
	BIND("Problem.errors", problem_errors),
	BIND("Violation.pointer", violation_pointer),
	BIND("LogLevelSet.level", large_letters),
	{ .field = "TaskResponse.executionTrace", .size = 3 },
	BIND("TaskEvent.kind", event_kind),
	KEY("TaskEvent.taskId", "id"),
	BIND("TaskEvent.task", event_task),
	BIND("Subscription.taskEvents", event_itself),
	BIND("Subscription.fleetEvents", event_itself),
	{ .field = NULL },
};
/* clang-format on */
