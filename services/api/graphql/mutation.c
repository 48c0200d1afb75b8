/* mutation: the root fields that change something. Each is one operation, as REST has it. */
#include <ctype.h>
#include <string.h>

#include "api/graphql/serving.h"
#include "api/rest/contract.h"

static const struct failure broken = {
	.status = ST_INTERNAL,
	.message = "the result of a bulk create has other items than the request",
	.reason = "",
};

static struct asking *change(const struct gql_at *, const char *, const char *);
static void body_argument(struct asking *, const char *);
static void body_arguments(struct asking *, const char *const *);
static const char *path_of(const struct gql_at *);
static const char *node_path(const struct gql_at *, const char *, const char *);
static uint64_t version_of(struct gql_value);
static const json_t *parsed(struct asking *, const char *, size_t);
static struct gql_value take_nothing(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_created(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_bulk(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_deleted(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_gone(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_response(struct asking *, const Mf__TaskResponse *, const json_t *);

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* --- accounts --- */

static struct gql_value
account(const struct gql_at *at, const char *path, const char *const *names, asked_fn *take)
{
	struct asking *k = change(at, "POST", path);

	body_arguments(k, names);
	return ask_meta(k, take);
}

static struct gql_value
mutation_login(const struct gql_at *at)
{
	return account(at, "/auth/login", NAMES("username", "password", "otp"), take_thing);
}

static struct gql_value
mutation_refresh(const struct gql_at *at)
{
	return account(at, "/auth/refresh", NAMES("refreshToken"), take_thing);
}

static struct gql_value
mutation_logout(const struct gql_at *at)
{
	return account(at, "/auth/logout", NAMES("refreshToken"), take_nothing);
}

static struct gql_value
take_nothing(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)k, (void)m, (void)result;
	return gql_bool(true);
}

/* --- members of collections: gql_key is their type --- */

static struct gql_value
create(const struct gql_at *at)
{
	struct asking *k = change(at, "POST", id_kind_of(gql_key(at))->path);

	body_argument(k, "input");
	return ask_meta(k, take_created);
}

static struct gql_value
update(const struct gql_at *at)
{
	struct asking *k = change(at, "PATCH", path_of(at));

	k->op.if_version = version_of(gql_arg(at, "ifVersion"));
	body_argument(k, "patch");
	return ask_meta(k, take_thing);
}

static struct gql_value delete (const struct gql_at *at)
{
	struct asking *k = change(at, "DELETE", path_of(at));

	k->op.if_version = version_of(gql_arg(at, "ifVersion"));
	return ask_meta(k, take_deleted);
}

/* An id of the client's that was there already: what is stored when it is the same, else a conflict.
 * An id of the edge's was there because an agent died after the work. */
static struct gql_value
take_created(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	if (m->repeated && strcmp(k->task->database->id, k->op.operation_id) != 0 &&
	    !ops_same(k->op.body, result))
		return gql_failed(ops_taken(m));
	return take_thing(k, m, result);
}

static struct gql_value
take_deleted(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m, (void)result;
	return gql_string(id_global(k->s->a, gql_key(k->at), k->task->database->id));
}

static struct gql_value
mutation_create_tasks(const struct gql_at *at)
{
	struct asking *k = change(at, "POST", "/tasks:bulk");
	struct gql_value input = gql_arg(at, "input");
	struct jw w;

	jw_start(&w, k->s->a, 512);
	jw_object(&w, NULL);
	gql_value_write(&w, "tasks", &input);
	jw_close(&w, '}');
	ask_body(k, &w);
	return ask_meta(k, take_bulk);
}

static struct gql_value
take_bulk(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	struct gql_value *items;
	const json_t *list;
	size_t n;
	const char *text = bulk_answer(k->s->a, &k->op, m, result, &n);

	(void)m;
	if (text == NULL)
		return gql_failed(&broken);
	list = json_object_get(parsed(k, text, n), "items");
	items = ARENA_ARRAY(k->s->a, struct gql_value, json_array_size(list));
	for (n = 0; n < json_array_size(list); n++)
		items[n] = thing_value(k->s->a, "CreateTaskResult", json_array_get(list, n));
	return gql_list(items, n);
}

/* --- large values: their bytes go over HTTP alone --- */

static struct gql_value
mutation_delete_blob(const struct gql_at *at)
{
	static const struct failure none = {
		.status = ST_NOT_FOUND, .message = "there is nothing of this name", .reason = ""
	};
	const char *id = gql_arg(at, "id").text;

	if (!contract_id(gql_arena(at), route_of(OP_BLOB_DELETE), id))
		return gql_failed(&none);
	return ask_meta(
	    change(at, "DELETE", arena_printf(gql_arena(at), "/blobs/%s", id)), take_gone);
}

static struct gql_value
take_gone(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m, (void)result;
	return gql_string(k->task->database->id);
}

/* --- requests as they are --- */

static struct gql_value
mutation_execute(const struct gql_at *at)
{
	struct asking *k = change(at, "POST", "/requests");

	body_argument(k, "request");
	return ask_meta(k, take_response);
}

static struct gql_value
take_response(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	const char *text;
	struct jw w;
	size_t n;

	(void)result;
	jw_start(&w, k->s->a, 2048);
	raw_response(&w, NULL, m);
	text = jw_text(&w, &n);
	return take_thing(k, m, parsed(k, text, n));
}

/* --- the fleet --- */

static struct gql_value
mutation_restart(const struct gql_at *at)
{
	return ask_meta(change(at, "POST", node_path(at, "name", "restart")), take_thing);
}

static struct gql_value
mutation_faults(const struct gql_at *at)
{
	struct asking *k = change(at, "POST", node_path(at, "node", "faults"));

	body_arguments(k, NAMES("spec", "seed", "forMs"));
	return ask_meta(k, take_thing);
}

static struct gql_value
mutation_log_level(const struct gql_at *at)
{
	struct asking *k = change(at, "POST", node_path(at, "node", "log-level"));
	char *level = arena_strdup(k->s->a, gql_arg(at, "level").text);
	struct gql_value for_ms = gql_arg(at, "forMs");
	struct jw w;

	for (char *p = level; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	jw_start(&w, k->s->a, 64);
	jw_object(&w, NULL);
	jw_str(&w, "level", level);
	if (gql_given(for_ms))
		gql_value_write(&w, "for_ms", &for_ms);
	jw_close(&w, '}');
	ask_body(k, &w);
	return ask_meta(k, take_thing);
}

/* --- helpers --- */

/* METHOD PATH of REST; what was loaded before is old now. */
static struct asking *
change(const struct gql_at *at, const char *method, const char *path)
{
	gql_batch_forget(at);
	return ask_new(at, method, path);
}

static void
body_argument(struct asking *k, const char *name)
{
	struct gql_value v = gql_arg(k->at, name);
	struct jw w;

	jw_start(&w, k->s->a, 512);
	gql_value_write_as(&w, NULL, &v, name_there);
	ask_body(k, &w);
}

/* An object of those that were given; NULL-ended. */
static void
body_arguments(struct asking *k, const char *const *names)
{
	struct jw w;

	jw_start(&w, k->s->a, 512);
	jw_object(&w, NULL);
	for (; *names != NULL; names++) {
		struct gql_value v = gql_arg(k->at, *names);

		if (gql_given(v))
			gql_value_write(&w, name_there(k->s->a, *names), &v);
	}
	jw_close(&w, '}');
	ask_body(k, &w);
}

/* What can be no id names nothing: so is "?". */
static const char *
path_of(const struct gql_at *at)
{
	const struct id_kind *kind = id_kind_of(gql_key(at));
	const char *id = id_of(gql_arena(at), kind, gql_arg(at, "id").text);

	return arena_printf(gql_arena(at), "%s/%s", kind->path, id == NULL ? "?" : id);
}

static const char *
node_path(const struct gql_at *at, const char *name, const char *verb)
{
	const char *node = gql_arg(at, name).text;

	return arena_printf(gql_arena(at), "/fleet/%s:%s",
	    node[0] == '\0' || strpbrk(node, "/:") != NULL ? "?" : node, verb);
}

/* A version that none has is never what is there. */
static uint64_t
version_of(struct gql_value v)
{
	if (!gql_given(v))
		return 0;
	return v.integer < 1 ? INT64_MAX : (uint64_t)v.integer;
}

static const json_t *
parsed(struct asking *k, const char *text, size_t n)
{
	struct json_error e;
	json_t *v = json_read(text, n, &e);

	if (v != NULL)
		call_own_json(k->s->c, v);
	return v;
}

/* clang-format off */
#define COLLECTION(type, c)									\
	{ .field = "Mutation.create" type, .resolve = create, .key = type, .cost = (c) },	\
	{ .field = "Mutation.update" type, .resolve = update, .key = type, .cost = (c) },	\
	{ .field = "Mutation.delete" type, .resolve = delete, .key = type, .cost = (c) }
const struct gql_binding mutation_bindings[] = {
	{ .field = "Mutation.login", .resolve = mutation_login, .cost = 5000 },
	{ .field = "Mutation.refresh", .resolve = mutation_refresh, .cost = 1000 },
	{ .field = "Mutation.logout", .resolve = mutation_logout, .cost = 1000 },
	COLLECTION("Task", 100),
	{ .field = "Mutation.createTasks", .resolve = mutation_create_tasks, .cost = 100,
	  .size_args = "input" },
	COLLECTION("User", 5000), /* a password is hashed */
	COLLECTION("Role", 100),
	{ .field = "Mutation.deleteBlob", .resolve = mutation_delete_blob, .cost = 100 },
	{ .field = "Mutation.execute", .resolve = mutation_execute, .cost = 5000 },
	{ .field = "Mutation.restartNode", .resolve = mutation_restart, .cost = 1000 },
	{ .field = "Mutation.setFaults", .resolve = mutation_faults, .cost = 1000 },
	{ .field = "Mutation.setLogLevel", .resolve = mutation_log_level, .cost = 1000 },
	{ .field = NULL },
};
/* clang-format on */
