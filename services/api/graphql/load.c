/* load: objects by their ids. All tasks that a turn of a request wants are one read by a list of
 * ids, so are all users and all roles; all nodes are one look at the fleet. */
#include <string.h>

#include "api/graphql/serving.h"
#include "api/rest/contract.h"
#include "base/id.h"

#define IDS_MOST 1000 /* of one read */

struct loading { /* one fetch */
	struct serving *s;
	struct gql_batch *batch;
	size_t n, parts; /* keys; reads that are not back yet */
};

struct part { /* what one fetch wants of a collection */
	struct loading *l;
	const char *type, *path;
	const char **ids;
	size_t n;
};

static void fetch(struct gql_batch *, void *);
static void fetch_part(struct loading *, const char *);
static void ask_one(struct part *);
static void ask_many(struct part *, const char *);
static void add_filter(const struct part *, Mf__DatabaseRequirement *);
static struct gql_value take_one(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_many(struct asking *, const Mf__TaskResponse *, const json_t *);
static void on_page(struct asking *, struct gql_value);
static void on_one(struct asking *, struct gql_value);
static void ask_fleet(struct loading *);
static struct gql_value take_fleet(struct asking *, const Mf__TaskResponse *, const json_t *);
static void on_fleet(struct asking *, struct gql_value);
static void part_done(struct loading *);
static void on_aged(struct asking *, struct gql_value);

/* Keys are "Task:UUID", "FleetNode:NAME" and so on. */
static const struct gql_loader nodes = { .name = "nodes", .most = IDS_MOST, .fetch = fetch };

static const char *
key_of(struct arena *a, const struct id_kind *kind, const char *id)
{
	return id == NULL ? "" : arena_printf(a, "%s:%s", kind->type, id);
}

static const char *
key_of_global(struct arena *a, const char *global)
{
	const struct id_kind *kind = NULL;
	const char *id = id_split(a, global, &kind);

	return key_of(a, kind, id);
}

static const char *
id_in(const char *key, const char *type)
{
	size_t n = strlen(type);

	return strncmp(key, type, n) == 0 && key[n] == ':' ? key + n + 1 : NULL;
}

static struct gql_value
load(const struct gql_at *at, const char *key)
{
	return key[0] == '\0' ? gql_null() : gql_load(at, &nodes, key);
}

struct gql_value
load_node(const struct gql_at *at, const char *id)
{
	return load(at, key_of_global(gql_arena(at), id));
}

struct gql_value
load_one(const struct gql_at *at, const char *type, const char *id)
{
	const struct id_kind *kind = id_kind_of(type);
	struct arena *a = gql_arena(at);

	return load(at, key_of(a, kind, id_of(a, kind, id)));
}

struct gql_value
load_aged(const struct gql_at *at, const char *type, const char *id)
{
	const struct id_kind *kind = id_kind_of(type);
	struct arena *a = gql_arena(at);
	const char *there = id_of(a, kind, id);
	struct gql_value refused;
	struct asking *k;

	if (there == NULL)
		return gql_null();
	k = ask_new(at, "GET", arena_printf(a, "%s/%s", kind->path, there));
	k->op.params = ARENA_ARRAY(a, struct param, 2);
	page_age(at, &k->op);
	if (!ask_build(k, &refused))
		return refused;
	k->done = on_aged;
	return ask_raw(k, k->task, take_thing);
}

struct gql_value
load_blob(const struct gql_at *at, const char *id)
{
	struct arena *a = gql_arena(at);
	struct gql_value refused;
	struct asking *k;

	if (!contract_id(a, route_of(OP_BLOB_GET), id))
		return gql_null();
	k = ask_new(at, "GET", arena_printf(a, "/blobs/%s", id));
	if (!ask_build(k, &refused))
		return refused;
	k->done = on_aged;
	return ask_raw(k, k->task, take_thing);
}

static void
on_aged(struct asking *k, struct gql_value v)
{
	bool none = v.kind == GQL_FAILED && v.failure->status == ST_NOT_FOUND;

	gql_settle(k->later, none ? gql_null() : v);
}

struct gql_value
load_nodes(const struct gql_at *at, const struct gql_value *ids)
{
	const char **keys = ARENA_ARRAY(gql_arena(at), const char *, ids->n);

	for (uint32_t i = 0; i < ids->n; i++)
		keys[i] = key_of_global(gql_arena(at), ids->list[i].text);
	return gql_load_list(at, &nodes, keys, ids->n);
}

struct gql_value
load_roles(const struct gql_at *at, const json_t *names)
{
	const struct id_kind *kind = id_kind_of("Role");
	size_t n = json_array_size(names);
	const char **keys = ARENA_ARRAY(gql_arena(at), const char *, n);

	for (size_t i = 0; i < n; i++)
		keys[i] = key_of(gql_arena(at), kind,
		    id_of(gql_arena(at), kind, json_string_value(json_array_get(names, i))));
	return gql_load_list(at, &nodes, keys, n);
}

static void
fetch(struct gql_batch *b, void *host)
{
	static const char *const collections[] = { "Task", "User", "Role" };
	struct serving *s = host;
	struct loading *l = ARENA_NEW(s->a, struct loading);
	bool fleet = false;

	*l = (struct loading){ .s = s, .batch = b, .n = gql_batch_n(b), .parts = 1 };
	for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++)
		fetch_part(l, collections[i]);
	for (size_t i = 0; i < l->n; i++)
		fleet |= id_in(gql_batch_key(b, i), "FleetNode") != NULL;
	if (fleet)
		ask_fleet(l);
	part_done(l);
}

static void
fetch_part(struct loading *l, const char *type)
{
	struct part *p = ARENA_NEW(l->s->a, struct part);

	*p = (struct part){ .l = l, .type = type, .path = id_kind_of(type)->path };
	p->ids = ARENA_ARRAY(l->s->a, const char *, l->n);
	for (size_t i = 0; i < l->n; i++)
		if ((p->ids[p->n] = id_in(gql_batch_key(l->batch, i), type)) != NULL)
			p->n++;
	if (p->n == 1)
		ask_one(p);
	else if (p->n > 1)
		ask_many(p, "");
}

static void
part_done(struct loading *l)
{
	if (--l->parts == 0)
		gql_batch_done(l->batch);
}

/* For all of the batch that are of this type. */
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

/* --- one: the read that may come from a cache --- */

static struct asking *
ask_part(struct part *p, const char *path, void (*done)(struct asking *, struct gql_value))
{
	struct asking *k = ask_of(p->l->s, "GET", path);

	k->ctx = p;
	k->done = done;
	p->l->parts++;
	return k;
}

static void
ask_one(struct part *p)
{
	ask_for(
	    ask_part(p, arena_printf(p->l->s->a, "%s/%s", p->path, p->ids[0]), on_one), take_one);
}

static struct gql_value
take_one(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	struct part *p = k->ctx;

	(void)m;
	set(p->l, p->type, p->ids[0], result);
	return gql_null();
}

static void
on_one(struct asking *k, struct gql_value v)
{
	struct part *p = k->ctx;

	if (v.kind == GQL_FAILED && v.failure->status != ST_NOT_FOUND)
		set_all(p->l, p->type, v);
	part_done(p->l);
}

/* --- many: a query by their ids, page by page when they are large --- */

static void
ask_many(struct part *p, const char *cursor)
{
	struct arena *a = p->l->s->a;
	struct asking *k = ask_part(p, p->path, on_page);
	struct param *params = ARENA_ARRAY(a, struct param, 2);
	struct failure f;

	params[0] = (struct param){ "limit", arena_printf(a, "%zu", p->n) };
	params[1] = (struct param){ "cursor", cursor };
	k->op.params = params;
	k->op.n_params = cursor[0] == '\0' ? 1 : 2;
	k->task = ops_build(a, &k->op, &f);
	if (k->task != NULL)
		add_filter(p, k->task->database);
	ask_for(k, take_many);
}

static void
add_filter(const struct part *p, Mf__DatabaseRequirement *r)
{
	Mf__KeyValue *kv = arena_alloc(p->l->s->a, sizeof(*kv));
	size_t bytes = 1;
	char *list, *at;

	for (size_t i = 0; i < p->n; i++)
		bytes += strlen(p->ids[i]) + 1;
	list = at = arena_alloc(p->l->s->a, bytes);
	for (size_t i = 0; i < p->n; i++) {
		if (i != 0)
			*at++ = ',';
		at = stpcpy(at, p->ids[i]);
	}
	mf__key_value__init(kv);
	kv->key = (char *)"id";
	kv->value = list;
	r->filters = ARENA_ARRAY(p->l->s->a, Mf__KeyValue *, 1);
	r->filters[0] = kv;
	r->n_filters = 1;
}

static struct gql_value
take_many(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	const json_t *items = json_object_get(result, "items"),
		     *next = json_object_get(result, "next_cursor");
	struct part *p = k->ctx;

	(void)m;
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *v = json_array_get(items, i);
		const char *id = json_string_value(json_object_get(v, "id"));

		if (id != NULL)
			set(p->l, p->type, id, v);
	}
	if (json_is_string(next))
		ask_many(p, json_string_value(next));
	return gql_null();
}

static void
on_page(struct asking *k, struct gql_value v)
{
	struct part *p = k->ctx;

	if (v.kind == GQL_FAILED)
		set_all(p->l, p->type, v);
	part_done(p->l);
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
