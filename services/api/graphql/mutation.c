/* mutation: the root fields that change something. Each is one operation, as REST has it. */
#include <string.h>

#include "api/graphql/serving.h"

static const struct failure broken = {
	.status = ST_INTERNAL,
	.message = "the result of a bulk create has other items than the request",
	.reason = "",
};

static struct gql_value take_tokens(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_nothing(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_created(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_bulk(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_task(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_deleted(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_restarted(struct asking *, const Mf__TaskResponse *, const json_t *);

/* --- accounts --- */

/* names: members of REST's body and our arguments for them, in pairs; NULL-ended. */
static struct gql_value
account(const struct gql_at *at, const char *path, const char *const *names, asked_fn *take)
{
	struct asking *k = ask_new(at, "POST", path);
	struct jw w;

	jw_start(&w, k->s->a, 512);
	jw_object(&w, NULL);
	for (; *names != NULL; names += 2) {
		struct gql_value v = gql_arg(at, names[1]);

		gql_value_write(&w, names[0], &v);
	}
	jw_close(&w, '}');
	ask_body(k, &w);
	return ask_meta(k, take);
}
#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct gql_value
mutation_login(const struct gql_at *at)
{
	return account(
	    at, "/auth/login", NAMES("username", "username", "password", "password"), take_tokens);
}

static struct gql_value
mutation_refresh(const struct gql_at *at)
{
	return account(at, "/auth/refresh", NAMES("refresh_token", "refreshToken"), take_tokens);
}

static struct gql_value
mutation_logout(const struct gql_at *at)
{
	return account(at, "/auth/logout", NAMES("refresh_token", "refreshToken"), take_nothing);
}

static struct gql_value
take_tokens(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, "Tokens", result);
}

static struct gql_value
take_nothing(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)k, (void)m, (void)result;
	return gql_bool(true);
}

/* --- tasks --- */

static struct gql_value
mutation_create(const struct gql_at *at)
{
	struct asking *k = ask_new(at, "POST", "/tasks");
	struct gql_value input = gql_arg(at, "input");
	struct jw w;

	gql_batch_forget(at);
	jw_start(&w, k->s->a, 512);
	gql_value_write(&w, NULL, &input);
	ask_body(k, &w);
	return ask_meta(k, take_created);
}

/* An id of the client's that was there already: what is stored when it is the same, else a conflict.
 * An id of the edge's was there because an agent died after the work. */
static struct gql_value
take_created(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	if (m->repeated && strcmp(k->task->database->id, k->op.operation_id) != 0 &&
	    !ops_same(k->op.body, result))
		return gql_failed(&ops_id_taken);
	return take_task(k, m, result);
}

static struct gql_value
take_task(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, "Task", result);
}

static struct gql_value
mutation_create_many(const struct gql_at *at)
{
	struct asking *k = ask_new(at, "POST", "/tasks:bulk");
	struct gql_value input = gql_arg(at, "input");
	struct jw w;

	gql_batch_forget(at);
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
	struct json_error e;
	struct gql_value *items;
	const json_t *list;
	json_t *v = NULL;
	size_t n;
	char *text = bulk_answer(k->s->a, &k->op, result, &n);

	(void)m;
	if (text == NULL || (v = json_read(text, n, &e)) == NULL)
		return gql_failed(&broken);
	call_own_json(k->s->c, v);
	list = json_object_get(v, "items");
	items = ARENA_ARRAY(k->s->a, struct gql_value, json_array_size(list));
	for (n = 0; n < json_array_size(list); n++)
		items[n] = thing_value(k->s->a, "CreateTaskResult", json_array_get(list, n));
	return gql_list(items, n);
}

/* The task's own id, for the path of an operation; what could be no segment of one names no task. */
static const char *
task_path(const struct gql_at *at)
{
	const char *id = id_task(gql_arena(at), gql_arg(at, "id").text);

	return arena_printf(
	    gql_arena(at), "/tasks/%s", id[0] == '\0' || strpbrk(id, "/:") != NULL ? "?" : id);
}

/* A version that none has is never what is there. */
static uint64_t
version_of(struct gql_value v)
{
	if (!gql_given(v))
		return 0;
	return v.integer < 1 ? INT64_MAX : (uint64_t)v.integer;
}

static struct gql_value
mutation_update(const struct gql_at *at)
{
	struct asking *k = ask_new(at, "PATCH", task_path(at));
	struct gql_value patch = gql_arg(at, "patch");
	struct jw w;

	gql_batch_forget(at);
	k->op.if_version = version_of(gql_arg(at, "ifVersion"));
	jw_start(&w, k->s->a, 512);
	gql_value_write(&w, NULL, &patch);
	ask_body(k, &w);
	return ask_meta(k, take_task);
}

static struct gql_value
mutation_delete(const struct gql_at *at)
{
	struct asking *k = ask_new(at, "DELETE", task_path(at));

	gql_batch_forget(at);
	k->op.if_version = version_of(gql_arg(at, "ifVersion"));
	return ask_meta(k, take_deleted);
}

static struct gql_value
take_deleted(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m, (void)result;
	return gql_string(id_global(k->s->a, "Task", k->task->database->id));
}

/* --- the fleet --- */

static struct gql_value
mutation_restart(const struct gql_at *at)
{
	const char *name = gql_arg(at, "name").text;
	struct asking *k;

	gql_batch_forget(at);
	k = ask_new(at, "POST",
	    arena_printf(gql_arena(at), "/fleet/%s:restart",
		name[0] == '\0' || strpbrk(name, "/:") != NULL ? "?" : name));
	return ask_meta(k, take_restarted);
}

static struct gql_value
take_restarted(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, "RestartedNode", result);
}

/* clang-format off */
const struct gql_binding mutation_bindings[] = {
	{ .field = "Mutation.login", .resolve = mutation_login, .cost = 5000 },
	{ .field = "Mutation.refresh", .resolve = mutation_refresh, .cost = 1000 },
	{ .field = "Mutation.logout", .resolve = mutation_logout, .cost = 1000 },
	{ .field = "Mutation.createTask", .resolve = mutation_create, .cost = 100 },
	{ .field = "Mutation.createTasks", .resolve = mutation_create_many, .cost = 100,
	  .size_args = "input" },
	{ .field = "Mutation.updateTask", .resolve = mutation_update, .cost = 100 },
	{ .field = "Mutation.deleteTask", .resolve = mutation_delete, .cost = 100 },
	{ .field = "Mutation.restartNode", .resolve = mutation_restart, .cost = 1000 },
	{ .field = NULL },
};
/* clang-format on */
