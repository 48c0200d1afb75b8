/* query: finds documents by the plan that planner.c makes, in slices: a script looks at a few hundred documents at
 * most, so Redis is never held up by one query. Where the ranges of an index are the filter, one slice is the
 * page; otherwise each document is held against the filter here, and further slices follow.
 *
 * A page may end early, even empty, with a cursor: when the call's time is nearly over, or the page has grown
 * large. A sort that no index gives is done here, over SORT_MOST documents; beyond that it is refused, and told
 * which index would do. */
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "database/nosql/cursor.h"
#include "database/nosql/documents_inside.h"
#include "database/nosql/planner.h"
#include "database/nosql/project.h"
#include "database/nosql/stage.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MOST    1000
#define SLICE_FIRST   64
#define SLICE_MOST    500
#define SLICE_BYTES   (512u << 10)
#define PAGE_BYTES    (2u << 20)
#define SORT_MOST     10000 /* documents that a sort in memory looks at */
#define SORT_KEY_MOST (SORTS_MOST * KEY_VALUE_MOST + DOCUMENT_ID + 1)

struct found { /* kept for a sort in memory; both of malloc */
	char *key, *shown;
	size_t key_n, shown_n;
};

struct query {
	struct call *c;
	struct redis *r;
	const Mf__StoreOp *q;
	struct arena *a;
	struct collection *k;
	const struct filter *filter;
	bool filtered; /* there is one */
	size_t n_sorts;
	struct sort sorts[SORTS_MOST];
	struct projection *fields;
	size_t limit;
	uint64_t hash;
	struct cursor from; /* place NULL: from the start */
	const struct query_plan *plan;
	struct range *ranges; /* what is still to be looked at */
	size_t n_ranges, slice, seen;
	int64_t enough_us; /* of the call's time: no further slice then */
	unsigned stales;
	struct jw page, cursors;
	size_t n;          /* documents on the page */
	const char *last;  /* the cursor behind the last of them */
	struct found *top; /* ascending; NULL: no sort in memory */
	size_t n_top;
	struct call_dep dep;
	Mf__StoreResult out;
};

static bool query_read(struct query *, struct failure *);
static void query_start(struct query *, const char *);
static void send_slice(struct query *);
static void on_slice(const struct redis_reply *, void *);
static void on_stale(struct query *, const struct redis_reply *);
static bool take(struct query *, const struct redis_reply *, const struct redis_reply *);
static bool put(struct query *, const char *, const struct redis_reply *, const struct document *);
static void keep(struct query *, const char *, const struct document *, const json_t *);
static size_t sort_key(const struct query *, const char *, const json_t *, char *);
static const char *cursor_of(struct query *, bool, const char *, size_t);
static void refuse_sort(struct query *);
static void finish(struct query *, const char *);
static void finish_sorted(struct query *);
static void free_top(struct call_dep *);
static void start_explain(struct query *);
static void on_counted(const struct redis_reply *, void *);

void
query_run(struct call *c, struct redis *r, const Mf__StoreOp *q)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct query *o = ARENA_NEW(call_arena(c), struct query);

	o->c = c;
	o->r = r;
	o->q = q;
	o->a = call_arena(c);
	mf__store_result__init(&o->out);
	if (!str_starts(q->model, "doc.") || !collection_name_ok(q->model + strlen("doc."))) {
		call_fail(c, ST_INVALID_ARGUMENT, "model: must be doc.NAME");
		return;
	}
	if (!query_read(o, &f)) {
		call_fail_with(c, &f);
		return;
	}
	o->enough_us = call_left(c) / 3;
	o->k = collections_get(c, q->model + strlen("doc."));
	query_start(o, o->from.place != NULL ? o->from.slot : NULL);
}

static bool
query_read(struct query *o, struct failure *f)
{
	const Mf__StoreOp *q = o->q;
	struct json_error e;
	json_t *where = q->where.len != 0 ? json_read(q->where.data, q->where.len, &e) : NULL;
	const char *wrong = sorts_read(o->a, q->sort, o->sorts, &o->n_sorts);

	if (where != NULL)
		call_own_json(o->c, where);
	o->filtered = where != NULL;
	o->limit = q->limit == 0 ? LIMIT_DEFAULT : q->limit;
	if (q->where.len != 0 && where == NULL)
		failure_violation(o->a, f, "where", "%s", arena_strdup(o->a, e.what));
	else if ((o->filter = filter_parse(o->a, where, f)) == NULL)
		f->message = arena_printf(o->a, "where%s", f->message);
	if (wrong != NULL)
		failure_violation(o->a, f, "sort", "%s", wrong);
	if (o->limit > LIMIT_MOST)
		failure_violation(o->a, f, "limit", "must be 1 to %d", LIMIT_MOST);
	if (q->n_filters != 0)
		failure_violation(o->a, f, "filters", "documents are filtered by `where`");
	o->fields = projection_of(o->a, q->fields, q->n_fields, f);
	if (f->status != ST_OK)
		return false;
	o->hash = cursor_hash(q->model, filter_text(o->a, o->filter), q->sort);
	if (q->cursor[0] != '\0' && !cursor_read(o->a, o->hash, q->cursor, &o->from))
		failure_violation(o->a, f, "cursor", "is not a cursor of this query");
	return f->status == ST_OK;
}

/* slot NULL: any plan will do. */
static void
query_start(struct query *o, const char *slot)
{
	o->plan = plan_query(o->a, o->k, o->filter, o->sorts, o->n_sorts, slot);
	if (o->plan == NULL || (o->from.place != NULL && o->from.in_memory == o->plan->sorted)) {
		call_fail_because(o->c, ST_ABORTED, "CURSOR_EXPIRED", 0,
		    "the index that this cursor went along is gone: begin again");
		return;
	}
	if (o->q->explain) {
		start_explain(o);
		return;
	}
	if (o->from.place != NULL && o->plan->sorted) {
		o->n_ranges =
		    plan_ranges_after(o->a, o->plan, o->from.place, o->from.n, &o->ranges);
	} else {
		o->ranges = o->plan->ranges;
		o->n_ranges = o->plan->n_ranges;
	}
	if (!o->plan->sorted && o->top == NULL) {
		o->top = mem_zalloc((o->limit + 2) * sizeof(*o->top));
		o->dep.cancel = free_top;
		call_attach(o->c, &o->dep);
	}
	o->slice = SLICE_FIRST;
	if (o->plan->exact && o->plan->sorted)
		o->slice = o->limit + 1 < SLICE_MOST ? o->limit + 1 : SLICE_MOST;
	jw_start(&o->page, o->a, 4096);
	jw_object(&o->page, NULL);
	jw_array(&o->page, "items");
	jw_start(&o->cursors, o->a, 64);
	jw_array(&o->cursors, NULL);
	send_slice(o);
}

static const char *
source_of(const struct query *o)
{
	const char *prefix = collection_prefix(o->a, o->q->model + strlen("doc."));

	return o->plan->index == NULL ? arena_printf(o->a, "%sids", prefix)
	                              : arena_printf(o->a, "%sx:%s", prefix, o->plan->index->slot);
}

static void
send_slice(struct query *o)
{
	struct args x;

	args_start(&x, o->a, 7 + 2 * o->n_ranges);
	args_text(&x, source_of(o));
	args_text(&x, collection_prefix(o->a, o->q->model + strlen("doc.")));
	args_text(&x, o->k->epoch);
	args_text(&x, o->plan->index != NULL ? o->plan->index->slot : "");
	args_text(&x, o->plan->reverse ? "1" : "0");
	args_text(&x, arena_printf(o->a, "%zu", o->slice));
	args_text(&x, arena_printf(o->a, "%u", SLICE_BYTES));
	for (size_t i = 0; i < o->n_ranges; i++) {
		const struct range *r = &o->ranges[o->plan->reverse ? o->n_ranges - 1 - i : i];

		args_add(&x, r->from, r->n_from);
		args_add(&x, r->to, r->n_to);
	}
	redis_script(o->r, o->c, document_slice_script, 1, x.n, x.v, x.lens, on_slice, o);
}

static void
on_slice(const struct redis_reply *r, void *ctx)
{
	struct query *o = ctx;
	const char *last;
	bool more;

	if (redis_fail_call(o->c, r))
		return;
	if (script_says(r, "stale")) {
		on_stale(o, r->items[1]);
		return;
	}
	o->seen += (size_t)r->items[1]->i;
	stage_named(o->a, r->items[4], &o->out);
	for (size_t i = 5; i + 1 < r->n_items; i += 2)
		if (!take(o, r->items[i], r->items[i + 1])) {
			if (o->top == NULL) /* there is one more than the page holds */
				finish(o, o->last);
			return;
		}
	more = r->items[3]->s[0] == '0' && r->items[2]->n != 0;
	if (!more) {
		if (o->top != NULL)
			finish_sorted(o);
		else
			finish(o, NULL);
		return;
	}
	last = arena_dup(o->a, r->items[2]->s, r->items[2]->n);
	if (o->top != NULL && (o->seen >= SORT_MOST || call_left(o->c) < o->enough_us)) {
		refuse_sort(o);
		return;
	}
	if (o->top == NULL && (call_left(o->c) < o->enough_us || o->page.n > PAGE_BYTES)) {
		finish(o, cursor_of(o, false, last, r->items[2]->n));
		return;
	}
	o->n_ranges = plan_ranges_after(o->a, o->plan, last, r->items[2]->n, &o->ranges);
	o->slice = SLICE_MOST;
	send_slice(o);
}

/* Declared anew: before the first slice any plan will do, later only that by which it went on. */
static void
on_stale(struct query *o, const struct redis_reply *kept)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	const char *slot = o->from.place != NULL ? o->from.slot : NULL;

	o->k = collections_learn(o->c, o->q->model + strlen("doc."), kept->s, kept->n, &f);
	if (o->k == NULL)
		call_fail_with(o->c, &f);
	else if (o->stales++ == STALE_TRIES)
		call_fail_because(o->c, ST_ABORTED, "COLLECTION_CHANGED", 10,
		    "the collection is declared anew all the time");
	else { /* what was found so far is found again */
		if (o->top != NULL) {
			call_detach(o->c, &o->dep);
			free_top(&o->dep);
		}
		o->n = o->seen = 0;
		query_start(o, slot);
	}
}

/* False: the page is full, and this one is beyond it. */
static bool
take(struct query *o, const struct redis_reply *member, const struct redis_reply *kept)
{
	size_t n = member->n;
	const char *id = member->s;
	struct json_error e;
	struct document d;
	json_t *doc = NULL;
	bool ok = true;

	if (o->plan->index != NULL) { /* KEY ID NUL length of ID */
		n = (unsigned char)member->s[member->n - 1];
		id = member->s + member->n - 2 - n;
	}
	id = arena_strndup(o->a, id, n);
	if (!document_parse(kept->s, kept->n, &d))
		return true; /* not ours: a read of it says so */
	if ((o->filtered && !o->plan->exact) || o->top != NULL)
		doc = json_read(d.json, d.n, &e);
	if (doc != NULL && o->filtered && !filter_holds(o->filter, id, doc))
		ok = true;
	else if (o->top != NULL)
		keep(o, id, &d, doc);
	else
		ok = put(o, id, member, &d);
	json_decref(doc);
	return ok;
}

static void
show(const struct query *o, struct jw *w, const char *id, const struct document *d)
{
	jw_object(w, NULL);
	jw_str(w, "id", id);
	jw_int(w, "version", (int64_t)d->version);
	projection_write(o->fields, w, "data", d->json, d->n);
	jw_close(w, '}');
}

static bool
put(struct query *o, const char *id, const struct redis_reply *member, const struct document *d)
{
	if (o->n == o->limit)
		return false;
	o->n++;
	show(o, &o->page, id, d);
	if (o->q->cursors || o->n == o->limit)
		o->last = cursor_of(o, false, member->s, member->n);
	if (o->q->cursors)
		jw_str(&o->cursors, NULL, o->last);
	return true;
}

/* --- a sort in memory: the first limit + 1 behind the cursor stay --- */

static void
keep(struct query *o, const char *id, const struct document *d, const json_t *doc)
{
	char key[SORT_KEY_MOST];
	size_t n = sort_key(o, id, doc, key), low = 0, high = o->n_top;
	struct found *x;
	struct jw w;

	if (o->from.place != NULL) {
		size_t m = o->from.n < n ? o->from.n : n;
		int way = memcmp(key, o->from.place, m);

		if (way < 0 || (way == 0 && n <= o->from.n))
			return;
	}
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct found *y = &o->top[mid];
		int way = memcmp(key, y->key, n < y->key_n ? n : y->key_n);

		if (way < 0)
			high = mid;
		else
			low = mid + 1;
	}
	if (low > o->limit)
		return;
	memmove(&o->top[low + 1], &o->top[low], (o->n_top - low) * sizeof(*o->top));
	x = &o->top[low];
	jw_start(&w, o->a, d->n + 96);
	show(o, &w, id, d);
	x->key = mem_zalloc(n);
	memcpy(x->key, key, n);
	x->key_n = n;
	x->shown_n = w.n;
	x->shown = mem_zalloc(w.n);
	memcpy(x->shown, w.p, w.n);
	if (++o->n_top == o->limit + 2) {
		o->n_top--;
		free(o->top[o->n_top].key);
		free(o->top[o->n_top].shown);
	}
}

/* Bytes that compare as the sorts say; those of a descending one are turned over. */
static size_t
sort_key(const struct query *o, const char *id, const json_t *doc, char *out)
{
	size_t n = 0, from;
	bool down = false;

	for (size_t i = 0; i < o->n_sorts; i++) {
		down = o->sorts[i].descending;
		if (o->sorts[i].of_id)
			break;
		from = n;
		n += value_key(pointer_get(&o->sorts[i].place, doc), out + n);
		for (; down && from < n; from++)
			out[from] = (char)~out[from];
	}
	from = n;
	n += strlen(id) + 1;
	memcpy(out + from, id, n - from);
	for (; down && from < n; from++)
		out[from] = (char)~out[from];
	return n;
}

static void
free_top(struct call_dep *dep)
{
	struct query *o = container_of(dep, struct query, dep);

	for (size_t i = 0; i < o->n_top; i++) {
		free(o->top[i].key);
		free(o->top[i].shown);
	}
	free(o->top);
	o->top = NULL;
	o->n_top = 0;
}

static void
refuse_sort(struct query *o)
{
	const char *fields = "";

	for (size_t i = 0; o->plan->index != NULL && i < o->plan->n_equal; i++)
		fields = arena_printf(
		    o->a, "%s%s\"%s\"", fields, i == 0 ? "" : ", ", o->plan->index->fields[i].text);
	for (size_t i = 0; i < o->n_sorts && !o->sorts[i].of_id; i++)
		fields = arena_printf(o->a, "%s%s\"%s\"", fields, fields[0] == '\0' ? "" : ", ",
		    o->sorts[i].place.text);
	call_fail_because(o->c, ST_FAILED_PRECONDITION, "INDEX_NEEDED", 0,
	    "sort: without an index it may look at %d documents, and there are more: declare one "
	    "with the fields [%s]",
	    SORT_MOST, fields);
}

static void
finish_sorted(struct query *o)
{
	const char *next = NULL;
	size_t n = o->n_top > o->limit ? o->limit : o->n_top;

	for (size_t i = 0; i < n; i++) {
		jw_raw(&o->page, NULL, o->top[i].shown, o->top[i].shown_n);
		if (o->q->cursors || i + 1 == n)
			next = cursor_of(o, true, o->top[i].key, o->top[i].key_n);
		if (o->q->cursors)
			jw_str(&o->cursors, NULL, next);
	}
	finish(o, o->n_top > o->limit ? next : NULL);
}

static const char *
cursor_of(struct query *o, bool in_memory, const char *place, size_t n)
{
	return cursor_write(o->a, o->hash,
	    &(const struct cursor){
		in_memory, o->plan->index != NULL ? o->plan->index->slot : "", place, n });
}

static void
finish(struct query *o, const char *next)
{
	jw_close(&o->page, ']');
	if (o->q->cursors) {
		jw_close(&o->cursors, ']');
		jw_raw(&o->page, "cursors", o->cursors.p, o->cursors.n);
	}
	jw_str(&o->page, "next_cursor", next);
	jw_close(&o->page, '}');
	o->out.data.data = (uint8_t *)jw_text(&o->page, &o->out.data.len);
	call_reply(o->c, &o->out.base);
}

/* --- explain --- */

static void
start_explain(struct query *o)
{
	struct args x;

	args_start(&x, o->a, 4 + 2 * o->plan->n_ranges);
	args_text(&x, source_of(o));
	args_text(&x, collection_prefix(o->a, o->q->model + strlen("doc.")));
	args_text(&x, o->k->epoch);
	args_text(&x, o->plan->index != NULL ? o->plan->index->slot : "");
	for (size_t i = 0; i < o->plan->n_ranges; i++) {
		args_add(&x, o->plan->ranges[i].from, o->plan->ranges[i].n_from);
		args_add(&x, o->plan->ranges[i].to, o->plan->ranges[i].n_to);
	}
	redis_script(o->r, o->c, document_count_script, 1, x.n, x.v, x.lens, on_counted, o);
}

static void
on_counted(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct query *o = ctx;
	const struct query_plan *p = o->plan;
	bool by_key = p->n_equal > 0 || p->next != FILTER_AND;
	struct jw w;

	if (redis_fail_call(o->c, r))
		return;
	if (script_says(r, "stale")) {
		on_stale(o, r->items[1]);
		return;
	}
	jw_start(&w, o->a, 512);
	jw_object(&w, NULL);
	jw_str(&w, "store", "nosql");
	jw_str(&w, "access",
	    p->index == NULL ? (p->by_id ? "id" : "scan")
	    : by_key         ? "index"
			     : "index_order");
	jw_str(&w, "index", p->index != NULL ? p->index->name : NULL);
	jw_array(&w, "equal");
	for (size_t i = 0; i < p->n_equal; i++)
		jw_str(&w, NULL, p->index->fields[i].text);
	jw_close(&w, ']');
	jw_str(&w, "next", p->next == FILTER_AND ? NULL : filter_op_name(p->next));
	jw_int(&w, "ranges", (int64_t)p->n_ranges);
	jw_bool(&w, "filter_after", o->filtered && !p->exact);
	jw_str(&w, "sort", o->n_sorts == 0 ? NULL : p->sorted ? "index" : "memory");
	jw_str(&w, "direction", p->reverse ? "descending" : "ascending");
	jw_int(&w, "looks_at", r->items[1]->i);
	jw_int(&w, "documents", r->items[2]->i);
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	call_reply(o->c, &out.base);
}
