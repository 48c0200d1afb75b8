/* page: connections, as the Relay cursor connections specification has them, over the lists of REST:
 * the same filters, orders and cursors. */
#include <ctype.h>
#include <string.h>

#include "api/graphql/serving.h"

#define SORTED_MOST 5

struct page { /* a connection */
	const char *type;
	const json_t *items, *cursors;
	bool more, after;
};
struct edge {
	const struct page *page;
	size_t i;
};

static void page_params(const struct gql_at *, const struct listing *, struct op *);
static void add_conditions(struct arena *, struct op *, struct gql_value, const char *const *);
static void add_param(struct op *, const char *, struct gql_value);
static struct gql_value lower_of(struct arena *, struct gql_value);
static struct gql_value digits_of(struct arena *, struct gql_value);
static struct gql_value sort_of(struct arena *, struct gql_value);
static struct gql_value take_page(struct asking *, const Mf__TaskResponse *, const json_t *);

struct gql_value
page_ask(const struct gql_at *at, const struct listing *l)
{
	struct asking *k = ask_new(at, "GET", l->path);
	struct gql_value refused;

	page_params(at, l, &k->op);
	k->ctx = (void *)(uintptr_t)l;
	if (!ask_build(k, &refused))
		return refused;
	k->task->database->cursors = gql_selects(at, "edges") || gql_selects(at, "pageInfo");
	return ask_raw(k, k->task, take_page);
}

static void
page_params(const struct gql_at *at, const struct listing *l, struct op *o)
{
	static const char *const of_all[] = { "createdAfter", "createdBefore", "updatedAfter",
		"updatedBefore", NULL };
	struct gql_value filter;
	struct arena *a = gql_arena(at);

	o->params = ARENA_ARRAY(a, struct param, 22 + QUERY_MOST);
	add_param(o, "limit", gql_string(arena_printf(a, "%d", (int)gql_arg(at, "first").integer)));
	add_param(o, "cursor", gql_arg(at, "after"));
	if (l->conditions == NULL)
		return;
	filter = gql_arg(at, "filter");
	add_conditions(a, o, filter, l->conditions);
	add_conditions(a, o, filter, of_all);
	add_param(o, "sort", sort_of(a, gql_arg(at, "sort")));
	if (l->may_be_old)
		page_age(at, o);
}

/* How old the answer may be: only of what has these arguments. */
void
page_age(const struct gql_at *at, struct op *o)
{
	struct arena *a = gql_arena(at);

	add_param(o, "consistency", lower_of(a, gql_arg(at, "consistency")));
	add_param(o, "max_age_ms", digits_of(a, gql_arg(at, "maxAgeMs")));
}

static struct gql_value
lower_of(struct arena *a, struct gql_value v)
{
	char *text;

	if (!gql_given(v))
		return v;
	text = arena_strdup(a, v.text);
	for (char *p = text; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return gql_string(text);
}

static struct gql_value
digits_of(struct arena *a, struct gql_value v)
{
	return gql_given(v) ? gql_string(arena_printf(a, "%d", (int)v.integer)) : v;
}

/* A list is its items, each a condition: labels, attributes. More than these are too many for the
 * store, which says so. */
static void
add_conditions(struct arena *a, struct op *o, struct gql_value filter, const char *const *names)
{
	for (; *names != NULL; names++) {
		struct gql_value v = gql_member(&filter, *names);
		const char *there = strcmp(*names, "labels") == 0 ? "label" : name_there(a, *names);

		if (v.kind == GQL_BOOL)
			v = gql_string(v.boolean ? "true" : "false");
		if (v.kind != GQL_LIST)
			add_param(o, there, v);
		else
			for (uint32_t i = 0; i < v.n && i < QUERY_MOST; i++)
				add_param(o, there, v.list[i]);
	}
}

static void
add_param(struct op *o, const char *name, struct gql_value v)
{
	struct param *p = (struct param *)(uintptr_t)o->params;

	if (gql_given(v))
		p[o->n_params++] = (struct param){ name, v.text };
}

/* "-priority,created_at", as REST has it; one too many is enough for the store to say so. */
static struct gql_value
sort_of(struct arena *a, struct gql_value list)
{
	char *text = NULL;

	for (uint32_t i = 0; list.kind == GQL_LIST && i < list.n && i < SORTED_MOST; i++) {
		bool down = gql_member(&list.list[i], "direction").text[0] == 'D';

		text = arena_printf(a, "%s%s%s%s", i == 0 ? "" : text, i == 0 ? "" : ",",
		    down ? "-" : "", gql_member(&list.list[i], "by").text);
	}
	for (char *p = text; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return gql_string(text);
}

static struct gql_value
take_page(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	const struct listing *l = k->ctx;
	struct page *p = ARENA_NEW(k->s->a, struct page);

	(void)m;
	p->type = l->type;
	p->items = json_object_get(result, "items");
	p->cursors = json_object_get(result, "cursors");
	p->more = json_is_string(json_object_get(result, "next_cursor"));
	p->after = gql_given(gql_arg(k->at, "after"));
	return gql_object(p);
}

/* --- its fields --- */

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
		items[i] = thing_value(gql_arena(at), p->type, json_array_get(p->items, i));
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

/* What is listed by its ids alone has them as cursors. */
static struct gql_value
cursor_at(const struct page *p, size_t i)
{
	const json_t *cursor = p->cursors != NULL
	                           ? json_array_get(p->cursors, i)
	                           : json_object_get(json_array_get(p->items, i), "id");

	return gql_string(json_string_value(cursor));
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

	return thing_value(gql_arena(at), e->page->type, json_array_get(e->page->items, e->i));
}

static struct gql_value
edge_cursor(const struct gql_at *at)
{
	const struct edge *e = at->object;

	return cursor_at(e->page, e->i);
}

/* clang-format off */
#define BIND(f, r)	{ .field = (f), .resolve = (r) }
#define CONNECTION(type)					\
	BIND(type "Connection.edges", page_edges),		\
	BIND(type "Connection.nodes", page_nodes),		\
	BIND(type "Connection.pageInfo", page_itself),		\
	BIND(type "Edge.node", edge_node),			\
	BIND(type "Edge.cursor", edge_cursor)
const struct gql_binding page_bindings[] = {
	CONNECTION("Task"),
	CONNECTION("User"),
	CONNECTION("Role"),
	CONNECTION("Blob"),
	BIND("PageInfo.hasNextPage", page_more),
	BIND("PageInfo.hasPreviousPage", page_before),
	BIND("PageInfo.startCursor", page_start),
	BIND("PageInfo.endCursor", page_end),
	{ .field = NULL },
};
/* clang-format on */
