/* query: the root fields that read. */
#include <ctype.h>
#include <string.h>

#include "api/graphql/serving.h"

#define FIRST_MOST 1000
#define SORTS_MOST 4

struct page { /* a TaskConnection */
	const json_t *items, *cursors;
	bool more, after;
};
struct edge {
	const struct page *page;
	size_t i;
};

static const struct failure *page_params(const struct gql_at *, struct op *);
static struct gql_value take_page(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_fleet(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_health(struct asking *, const Mf__TaskResponse *, const json_t *);
static struct gql_value take_viewer(struct asking *, const Mf__TaskResponse *, const json_t *);

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

static struct gql_value
query_task(const struct gql_at *at)
{
	return load_task(at, gql_arg(at, "id").text);
}

static struct gql_value
query_tasks(const struct gql_at *at)
{
	struct asking *k = ask_new(at, "GET", "/tasks");
	const struct failure *wrong = page_params(at, &k->op);
	struct failure f;

	if (wrong != NULL)
		return gql_failed(wrong);
	k->ctx = gql_given(gql_arg(at, "after")) ? k : NULL;
	if ((k->task = ops_build(k->s->a, &k->op, &f)) == NULL)
		return ask_failed(k->s, &f);
	k->task->database->cursors = gql_selects(at, "edges") || gql_selects(at, "pageInfo");
	return ask_raw(k, k->task, take_page);
}

static void
add_param(struct op *o, const char *name, struct gql_value v)
{
	struct param *p = (struct param *)(uintptr_t)o->params;

	if (gql_given(v))
		p[o->n_params++] = (struct param){ name, v.text };
}

/* "-priority,created_at", as REST has it. */
static struct gql_value
sort_of(struct arena *a, struct gql_value list)
{
	char *text = NULL;

	for (uint32_t i = 0; list.kind == GQL_LIST && i < list.n; i++) {
		bool down = gql_member(&list.list[i], "direction").text[0] == 'D';

		text = arena_printf(a, "%s%s%s%s", i == 0 ? "" : text, i == 0 ? "" : ",",
		    down ? "-" : "", gql_member(&list.list[i], "by").text);
	}
	for (char *p = text; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return gql_string(text);
}

static const struct failure *
page_params(const struct gql_at *at, struct op *o)
{
	struct gql_value filter = gql_arg(at, "filter"), first = gql_arg(at, "first"),
			 labels = gql_member(&filter, "labels");
	struct arena *a = gql_arena(at);
	struct failure f = { .status = ST_OK };

	if (first.integer < 1 || first.integer > FIRST_MOST) {
		ops_violation(a, &f, "first", "must be 1 to %d", FIRST_MOST);
		return arena_dup(a, &f, sizeof(f));
	}
	if (gql_arg(at, "sort").n > SORTS_MOST) {
		ops_violation(a, &f, "sort", "has more than %d fields", SORTS_MOST);
		return arena_dup(a, &f, sizeof(f));
	}
	o->params = ARENA_ARRAY(a, struct param, 11 + labels.n);
	add_param(o, "limit", gql_string(arena_printf(a, "%d", (int)first.integer)));
	add_param(o, "cursor", gql_arg(at, "after"));
	add_param(o, "state", gql_member(&filter, "state"));
	add_param(o, "priority", gql_member(&filter, "priority"));
	add_param(o, "type", gql_member(&filter, "type"));
	add_param(o, "created_by", gql_member(&filter, "createdBy"));
	add_param(o, "created_after", gql_member(&filter, "createdAfter"));
	add_param(o, "created_before", gql_member(&filter, "createdBefore"));
	add_param(o, "updated_after", gql_member(&filter, "updatedAfter"));
	add_param(o, "updated_before", gql_member(&filter, "updatedBefore"));
	add_param(o, "sort", sort_of(a, gql_arg(at, "sort")));
	for (uint32_t i = 0; labels.kind == GQL_LIST && i < labels.n; i++)
		add_param(o, "label", labels.list[i]);
	return NULL;
}

static struct gql_value
take_page(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	struct page *p = ARENA_NEW(k->s->a, struct page);

	(void)m;
	p->items = json_object_get(result, "items");
	p->cursors = json_object_get(result, "cursors");
	p->more = json_is_string(json_object_get(result, "next_cursor"));
	p->after = k->ctx != NULL;
	return gql_object(p);
}

static struct gql_value
page_edges(const struct gql_at *at)
{
	const struct page *p = at->object;
	size_t n = json_array_size(p->items);
	struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, n);
	struct edge *edges = ARENA_ARRAY(gql_arena(at), struct edge, n);

	for (size_t i = 0; i < n; i++) {
		edges[i] = (struct edge){ p, i };
		items[i] = gql_object(&edges[i]);
	}
	return gql_list(items, n);
}

static struct gql_value
page_nodes(const struct gql_at *at)
{
	const struct page *p = at->object;
	size_t n = json_array_size(p->items);
	struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, n);

	for (size_t i = 0; i < n; i++)
		items[i] = thing_value(gql_arena(at), "Task", json_array_get(p->items, i));
	return gql_list(items, n);
}

static struct gql_value
page_itself(const struct gql_at *at)
{
	return gql_object(at->object);
}

static struct gql_value
page_more(const struct gql_at *at)
{
	return gql_bool(((const struct page *)at->object)->more);
}

static struct gql_value
page_before(const struct gql_at *at)
{
	return gql_bool(((const struct page *)at->object)->after);
}

static struct gql_value
cursor_at(const struct page *p, size_t i)
{
	return gql_string(json_string_value(json_array_get(p->cursors, i)));
}

static struct gql_value
page_start(const struct gql_at *at)
{
	return cursor_at(at->object, 0);
}

static struct gql_value
page_end(const struct gql_at *at)
{
	const struct page *p = at->object;

	return cursor_at(p, json_array_size(p->items) - 1);
}

static struct gql_value
edge_node(const struct gql_at *at)
{
	const struct edge *e = at->object;

	return thing_value(gql_arena(at), "Task", json_array_get(e->page->items, e->i));
}

static struct gql_value
edge_cursor(const struct gql_at *at)
{
	const struct edge *e = at->object;

	return cursor_at(e->page, e->i);
}

static struct gql_value
query_fleet(const struct gql_at *at)
{
	return ask_meta(ask_new(at, "GET", "/fleet"), take_fleet);
}

static struct gql_value
take_fleet(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, "Fleet", result);
}

static struct gql_value
query_health(const struct gql_at *at)
{
	return ask_meta(ask_new(at, "GET", "/health"), take_health);
}

static struct gql_value
take_health(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, "Health", result);
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
	t->task_id = (char *)k->op.operation_id;
	t->auth = r;
	return ask_raw(k, t, take_viewer);
}

static struct gql_value
take_viewer(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, "Viewer", result);
}

/* clang-format off */
#define BIND(f, r)	{ .field = (f), .resolve = (r) }
const struct gql_binding query_bindings[] = {
	{ .field = "Query.node", .resolve = query_node, .cost = 10 },
	{ .field = "Query.nodes", .resolve = query_nodes, .cost = 10, .size_args = "ids" },
	{ .field = "Query.task", .resolve = query_task, .cost = 10 },
	{ .field = "Query.tasks", .resolve = query_tasks, .cost = 10, .size_args = "first",
	  .sized = "edges,nodes" },
	BIND("TaskConnection.edges", page_edges),
	BIND("TaskConnection.nodes", page_nodes),
	BIND("TaskConnection.pageInfo", page_itself),
	BIND("TaskEdge.node", edge_node),
	BIND("TaskEdge.cursor", edge_cursor),
	BIND("PageInfo.hasNextPage", page_more),
	BIND("PageInfo.hasPreviousPage", page_before),
	BIND("PageInfo.startCursor", page_start),
	BIND("PageInfo.endCursor", page_end),
	{ .field = "Query.fleet", .resolve = query_fleet, .cost = 20 },
	{ .field = "Query.viewer", .resolve = query_viewer, .cost = 10 },
	{ .field = "Query.health", .resolve = query_health, .cost = 10 },
	{ .field = NULL },
};
/* clang-format on */
