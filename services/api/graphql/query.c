/* query: the root fields that read. */
#include "api/graphql/serving.h"

static const struct listing tasks = { "Task", "/tasks",
	(const char *const[]){
	    "state", "priority", "type", "labels", "createdBy", "q", "payload", NULL },
	true };
static const struct listing users = { "User", "/users",
	(const char *const[]){ "username", "disabled", NULL }, false };
static const struct listing roles = { "Role", "/roles", (const char *const[]){ NULL }, false };

static const struct listing blobs = { "Blob", "/blobs", NULL, false };

static struct gql_value
query_node(const struct gql_at *at)
{
	return load_node(at, gql_arg(at, "id").text);
}

static struct gql_value
query_nodes(const struct gql_at *at)
{
	struct gql_value ids = gql_arg(at, "ids");

	return load_nodes(at, &ids);
}

/* Of the field's type. */
static struct gql_value
query_one(const struct gql_at *at)
{
	return load_one(at, gql_type_name(at), gql_arg(at, "id").text);
}

static struct gql_value
query_task(const struct gql_at *at)
{
	if (!gql_given(gql_arg(at, "consistency")) && !gql_given(gql_arg(at, "maxAgeMs")))
		return query_one(at);
	return load_aged(at, "Task", gql_arg(at, "id").text);
}

static struct gql_value
query_tasks(const struct gql_at *at)
{
	return page_ask(at, &tasks);
}

static struct gql_value
query_users(const struct gql_at *at)
{
	return page_ask(at, &users);
}

static struct gql_value
query_roles(const struct gql_at *at)
{
	return page_ask(at, &roles);
}

static struct gql_value
query_blob(const struct gql_at *at)
{
	return load_blob(at, gql_arg(at, "id").text);
}

static struct gql_value
query_blobs(const struct gql_at *at)
{
	return page_ask(at, &blobs);
}

static struct gql_value
query_fleet(const struct gql_at *at)
{
	return ask_meta(ask_new(at, "GET", "/fleet"), take_thing);
}

static struct gql_value
query_health(const struct gql_at *at)
{
	return ask_meta(ask_new(at, "GET", "/health"), take_thing);
}

/* A request of nothing but authentication is answered with whom the credential names. */
static struct gql_value
query_viewer(const struct gql_at *at)
{
	struct asking *k = ask_new(at, "GET", "/health");
	Mf__TaskRequest *t = arena_alloc(k->s->a, sizeof(*t));
	Mf__AuthRequirement *r = arena_alloc(k->s->a, sizeof(*r));

	if (k->op.credential[0] == '\0')
		return gql_null();
	mf__task_request__init(t);
	mf__auth_requirement__init(r);
	r->credential = (char *)k->op.credential;
	r->client_address = (char *)k->op.client_address;
	ops_prove(r, k->op.proof);
	t->task_id = (char *)k->op.operation_id;
	t->auth = r;
	return ask_raw(k, t, take_thing);
}

/* clang-format off */
#define ONE(f)	{ .field = "Query." f, .resolve = query_one, .cost = 10 }
#define LIST(f, r)											\
	{ .field = "Query." f, .resolve = (r), .cost = 10, .size_args = "first", .sized = "edges,nodes" }
const struct gql_binding query_bindings[] = {
	{ .field = "Query.node", .resolve = query_node, .cost = 10 },
	{ .field = "Query.nodes", .resolve = query_nodes, .cost = 10, .size_args = "ids" },
	{ .field = "Query.task", .resolve = query_task, .cost = 10 },
	ONE("user"), ONE("role"),
	LIST("tasks", query_tasks), LIST("users", query_users), LIST("roles", query_roles),
	LIST("blobs", query_blobs),
	{ .field = "Query.blob", .resolve = query_blob, .cost = 10 },
	{ .field = "Query.fleet", .resolve = query_fleet, .cost = 20 },
	{ .field = "Query.viewer", .resolve = query_viewer, .cost = 10 },
	{ .field = "Query.health", .resolve = query_health, .cost = 10 },
	{ .field = NULL },
};
/* clang-format on */
