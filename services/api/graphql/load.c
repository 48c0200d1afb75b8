/* load: objects by their ids. All tasks that a turn of a request wants are one read by a list of
 * ids; all nodes are one look at the fleet. */
#include <string.h>

#include "api/graphql/serving.h"
#include "base/id.h"

#define TASKS_MOST 1000 /* ids of one read */

struct loading { /* one fetch */
	struct serving *s;
	struct gql_batch *batch;
	size_t n, parts; /* keys; reads that are not back yet */
	size_t n_tasks;
};

static void fetch(struct gql_batch *, void *);
static void ask_one(struct loading *);
static void ask_many(struct loading *, const char *);
static void add_filter(struct loading *, Mf__DatabaseRequirement *);
static struct gql_value take_one(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_many(struct asking *, const Mf__TaskResponse *, const json_t *);
static void on_page(struct asking *, struct gql_value);
static void on_one(struct asking *, struct gql_value);
static void ask_fleet(struct loading *);
static struct gql_value take_fleet(struct asking *, const Mf__TaskResponse *, const json_t *);
static void on_fleet(struct asking *, struct gql_value);
static void part_done(struct loading *);

/* Keys are "Task:UUID" and "FleetNode:NAME". */
static const struct gql_loader nodes = { .name = "nodes", .most = TASKS_MOST, .fetch = fetch };

static const char *
key_of(struct arena *a, const char *global)
{
	const char *type;
	char *id = id_split(a, global, &type);

	if (id == NULL)
		return "";
	if (strcmp(type, "Task") == 0 && !uuid_ok(id = (char *)(uintptr_t)id_task(a, id)))
		return "";
	return arena_printf(a, "%s:%s", type, id);
}

static const char *
id_in(const char *key, const char *type)
{
	size_t n = strlen(type);

	return strncmp(key, type, n) == 0 && key[n] == ':' ? key + n + 1 : NULL;
}

struct gql_value
load_node(const struct gql_at *at, const char *id)
{
	const char *key = key_of(gql_arena(at), id);

	return key[0] == '\0' ? gql_null() : gql_load(at, &nodes, key);
}

struct gql_value
load_nodes(const struct gql_at *at, const struct gql_value *ids)
{
	const char **keys = ARENA_ARRAY(gql_arena(at), const char *, ids->n);

	for (uint32_t i = 0; i < ids->n; i++)
		keys[i] = key_of(gql_arena(at), ids->list[i].text);
	return gql_load_list(at, &nodes, keys, ids->n);
}

struct gql_value
load_task(const struct gql_at *at, const char *id)
{
	const char *raw = id_task(gql_arena(at), id);

	if (!uuid_ok(raw))
		return gql_null();
	return gql_load(at, &nodes, arena_printf(gql_arena(at), "Task:%s", raw));
}

static void
fetch(struct gql_batch *b, void *host)
{
	struct serving *s = host;
	struct loading *l = ARENA_NEW(s->a, struct loading);
	bool fleet = false;

	*l = (struct loading){ .s = s, .batch = b, .n = gql_batch_n(b), .parts = 1 };
	for (size_t i = 0; i < l->n; i++) {
		l->n_tasks += id_in(gql_batch_key(b, i), "Task") != NULL;
		fleet |= id_in(gql_batch_key(b, i), "FleetNode") != NULL;
	}
	if (l->n_tasks == 1)
		ask_one(l);
	else if (l->n_tasks > 1)
		ask_many(l, "");
	if (fleet)
		ask_fleet(l);
	part_done(l);
}

static void
part_done(struct loading *l)
{
	if (--l->parts == 0)
		gql_batch_done(l->batch);
}

/* For all tasks, or for the nodes, of the batch. */
static void
set_all(struct loading *l, const char *type, struct gql_value v)
{
	for (size_t i = 0; i < l->n; i++)
		if (id_in(gql_batch_key(l->batch, i), type) != NULL)
			gql_batch_set(l->batch, i, v);
}

static void
set(struct loading *l, const char *type, const char *id, const json_t *v)
{
	gql_batch_give(
	    l->batch, arena_printf(l->s->a, "%s:%s", type, id), thing_value(l->s->a, type, v));
}

/* --- one task: the read that may come from a cache --- */

static void
ask_one(struct loading *l)
{
	const char *id = NULL;
	struct asking *k;

	for (size_t i = 0; id == NULL; i++)
		id = id_in(gql_batch_key(l->batch, i), "Task");
	k = ask_of(l->s, "GET", arena_printf(l->s->a, "/tasks/%s", id));
	k->ctx = l;
	k->done = on_one;
	l->parts++;
	ask_for(k, take_one);
}

static struct gql_value
take_one(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	struct loading *l = k->ctx;

	(void)m;
	set(l, "Task", k->op.id, result);
	return gql_null();
}

static void
on_one(struct asking *k, struct gql_value v)
{
	struct loading *l = k->ctx;

	if (v.kind == GQL_FAILED && v.failure->status != ST_NOT_FOUND)
		set_all(l, "Task", v);
	part_done(l);
}

/* --- many tasks: a query by their ids, page by page when they are large --- */

static void
ask_many(struct loading *l, const char *cursor)
{
	struct asking *k = ask_of(l->s, "GET", "/tasks");
	struct param *params = ARENA_ARRAY(l->s->a, struct param, 2);
	struct failure f;

	params[0] = (struct param){ "limit", arena_printf(l->s->a, "%zu", l->n_tasks) };
	params[1] = (struct param){ "cursor", cursor };
	k->op.params = params;
	k->op.n_params = cursor[0] == '\0' ? 1 : 2;
	k->ctx = l;
	k->done = on_page;
	k->task = ops_build(l->s->a, &k->op, &f);
	if (k->task != NULL)
		add_filter(l, k->task->database);
	l->parts++;
	ask_for(k, take_many);
}

static void
add_filter(struct loading *l, Mf__DatabaseRequirement *r)
{
	Mf__KeyValue *kv = arena_alloc(l->s->a, sizeof(*kv));
	char *list = arena_alloc(l->s->a, l->n_tasks * UUID_LEN + 1), *p = list;

	for (size_t i = 0; i < l->n; i++) {
		const char *id = id_in(gql_batch_key(l->batch, i), "Task");

		if (id == NULL)
			continue;
		if (p != list)
			*p++ = ',';
		p = stpcpy(p, id);
	}
	mf__key_value__init(kv);
	kv->key = (char *)"id";
	kv->value = list;
	r->filters = ARENA_ARRAY(l->s->a, Mf__KeyValue *, 1);
	r->filters[0] = kv;
	r->n_filters = 1;
}

static struct gql_value
take_many(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	const json_t *items = json_object_get(result, "items"),
		     *next = json_object_get(result, "next_cursor");
	struct loading *l = k->ctx;

	(void)m;
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *t = json_array_get(items, i);
		const char *id = json_string_value(json_object_get(t, "id"));

		if (id != NULL)
			set(l, "Task", id, t);
	}
	if (json_is_string(next))
		ask_many(l, json_string_value(next));
	return gql_null();
}

static void
on_page(struct asking *k, struct gql_value v)
{
	struct loading *l = k->ctx;

	if (v.kind == GQL_FAILED)
		set_all(l, "Task", v);
	part_done(l);
}

/* --- nodes --- */

static void
ask_fleet(struct loading *l)
{
	struct asking *k = ask_of(l->s, "GET", "/fleet");

	k->ctx = l;
	k->done = on_fleet;
	l->parts++;
	ask_for(k, take_fleet);
}

static struct gql_value
take_fleet(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	static const char *const lists[] = { "nodes", "apart" };
	struct loading *l = k->ctx;

	(void)m;
	for (size_t i = 0; i < 2; i++) {
		const json_t *list = json_object_get(result, lists[i]);

		for (size_t n = 0; n < json_array_size(list); n++) {
			const json_t *v = json_array_get(list, n);
			const char *name = json_string_value(json_object_get(v, "name"));

			if (name != NULL)
				set(l, "FleetNode", name, v);
		}
	}
	return gql_null();
}

static void
on_fleet(struct asking *k, struct gql_value v)
{
	struct loading *l = k->ctx;

	if (v.kind == GQL_FAILED)
		set_all(l, "FleetNode", v);
	part_done(l);
}
