/* collection_ops: declarations shown, listed, dropped. */
#include <inttypes.h>
#include <string.h>

#include "base/step.h"
#include "base/time.h"
#include "database/nosql/collections_inside.h"
#include "database/nosql/stage.h"

#define LIST_DEFAULT 100
#define LIST_MOST    1000
#define DROP_SLICE   "200"      /* documents of one script: a millisecond or two */
#define DROP_MARGIN  (150 * MS) /* of the call's time: the answer has to get back */
#define KEEP_RESULT  "86400000"

struct listing {
	struct call *c;
	const Mf__StoreOp *q;
	size_t n, left;
	struct listed {
		struct listing *list;
		const char *name, *object;
	} * items;
	const char *next;
};

struct dropping {
	struct call *c;
	struct redis *r;
	const Mf__StoreOp *q;
	const char *prefix;
	struct collection *k;
	bool all;   /* with its documents */
	bool began; /* it was there, and marked */
	unsigned tries;
	uint64_t ends;
};

static void on_shown(const struct redis_reply *, void *);
static void on_names(const struct redis_reply *, void *);
static void on_listed(const struct redis_reply *, void *);
static void list_end(struct listing *);
static void ask_kept(struct redis *, struct call *, const char *, redis_done_fn *, void *);
static const char *object_of(
    struct arena *, const char *, const struct collection *, const struct redis_reply *, size_t *);
static void drop_ask(struct dropping *);
static void on_drop_kept(const struct redis_reply *, void *);
static void drop_mark(struct dropping *);
static void on_drop_marked(const struct redis_reply *, void *);
static void drop_slice(struct dropping *);
static void on_drop_slice(const struct redis_reply *, void *);
static void drop_forget(struct dropping *);
static void on_drop_forgotten(const struct redis_reply *, void *);

static struct redis *store; /* of the lists; there is one in a process */

void
collection_reply(struct call *c, const struct collection *k, bool repeated)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	size_t n;

	out.data.data = (uint8_t *)(uintptr_t)object_of(call_arena(c), k->name, k, NULL, &n);
	out.data.len = n;
	out.version = k->version;
	out.rows_affected = 1;
	out.repeated = repeated;
	call_reply(c, &out.base);
}

/* documents NULL: how many there are is not told. */
static const char *
object_of(struct arena *a, const char *name, const struct collection *k,
    const struct redis_reply *documents, size_t *n)
{
	json_t *shown = collection_shown(k->definition), *one;
	struct jw w;
	size_t i;

	json_array_foreach(json_object_get(shown, "indexes"), i, one)
	{
		if (documents != NULL && k->indexes[i].state == INDEX_BUILDING)
			json_object_set_new(
			    one, "built", json_integer((json_int_t)upkeep_documents_built(name)));
	}
	jw_start(&w, a, 1024);
	jw_object(&w, NULL);
	jw_str(&w, "id", name);
	jw_int(&w, "version", (int64_t)k->version);
	jw_json(&w, "data", shown);
	if (documents != NULL)
		jw_int(&w, "documents", documents->i);
	jw_close(&w, '}');
	json_decref(shown);
	return jw_text(&w, n);
}

static void
ask_kept(struct redis *r, struct call *c, const char *name, redis_done_fn *done, void *ctx)
{
	struct arena *a = call_arena(c);
	const char *prefix = collection_prefix(a, name);
	struct args x;

	args_start(&x, a, 2);
	args_text(&x, arena_printf(a, "%sdef", prefix));
	args_text(&x, prefix);
	redis_script(r, c, collection_read_script, 1, x.n, x.v, x.lens, done, ctx);
}

/* --- one --- */

void
collections_show(struct call *c, struct redis *r, const Mf__StoreOp *q)
{
	struct listing *o = ARENA_NEW(call_arena(c), struct listing);

	o->c = c;
	o->q = q;
	ask_kept(r, c, q->id, on_shown, o);
}

static void
on_shown(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct listing *o = ctx;
	struct collection *k;
	size_t n;

	if (redis_fail_call(o->c, r))
		return;
	k = collections_learn(o->c, o->q->id, r->items[0]->s, r->items[0]->n, &f);
	if (k == NULL) {
		call_fail_with(o->c, &f);
	} else if (!k->declared) {
		call_fail(o->c, ST_NOT_FOUND, "collection %s is not declared", o->q->id);
	} else {
		out.data.data =
		    (uint8_t *)(uintptr_t)object_of(call_arena(o->c), o->q->id, k, r->items[1], &n);
		out.data.len = n;
		out.version = k->version;
		call_reply(o->c, &out.base);
	}
}

/* --- all, by name; those that were never declared are none --- */

void
collections_list(struct call *c, struct redis *r, const Mf__StoreOp *q)
{
	struct arena *a = call_arena(c);
	struct listing *o = ARENA_NEW(a, struct listing);
	size_t limit = q->limit == 0 ? LIST_DEFAULT : q->limit;
	const char *from = q->cursor[0] != '\0' ? arena_printf(a, "(%s", q->cursor) : "-";
	const char *count = arena_printf(a, "%zu", limit + 1);
	const char *argv[] = { "ZRANGEBYLEX", REGISTRY, from, "+", "LIMIT", "0", count };
	size_t lens[7];

	if (limit > LIST_MOST || q->n_filters != 0 || q->where.len != 0 || q->sort[0] != '\0' ||
	    (q->cursor[0] != '\0' && !collection_name_ok(q->cursor))) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    "collections are listed by name, at most %d, without filters", LIST_MOST);
		return;
	}
	for (size_t i = 0; i < 7; i++)
		lens[i] = strlen(argv[i]);
	o->c = c;
	o->q = q;
	store = r;
	redis_command(r, c, 7, argv, lens, on_names, o);
}

static void
on_names(const struct redis_reply *r, void *ctx)
{
	struct listing *o = ctx;
	struct arena *a = call_arena(o->c);
	size_t limit = o->q->limit == 0 ? LIST_DEFAULT : o->q->limit;

	if (redis_fail_call(o->c, r))
		return;
	o->n = o->left = r->n_items > limit ? limit : r->n_items;
	o->items = ARENA_ARRAY(a, struct listed, o->n + 1);
	for (size_t i = 0; i < o->n; i++)
		o->items[i] =
		    (struct listed){ o, arena_strndup(a, r->items[i]->s, r->items[i]->n), NULL };
	o->next = r->n_items > limit ? o->items[o->n - 1].name : NULL;
	for (size_t i = 0; i < o->n; i++)
		ask_kept(store, o->c, o->items[i].name, on_listed, &o->items[i]);
	if (o->n == 0)
		list_end(o);
}

static void
on_listed(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct listed *x = ctx;
	struct collection *k;

	if (redis_fail_call(x->list->c, r))
		return;
	if (r->items[0]->type == REDIS_STRING) {
		k = collections_learn(x->list->c, x->name, r->items[0]->s, r->items[0]->n, &f);
		if (k == NULL) {
			call_fail_with(x->list->c, &f);
			return;
		}
		x->object =
		    object_of(call_arena(x->list->c), x->name, k, r->items[1], &(size_t){ 0 });
	}
	if (--x->list->left == 0)
		list_end(x->list);
}

static void
list_end(struct listing *o)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct jw w;

	jw_start(&w, call_arena(o->c), 4096);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; i < o->n; i++)
		if (o->items[i].object != NULL)
			jw_raw(&w, NULL, o->items[i].object, strlen(o->items[i].object));
	jw_close(&w, ']');
	jw_str(&w, "next_cursor", o->next);
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	call_reply(o->c, &out.base);
}

/* --- drop: only what is empty, or, with the filter drop=true, documents and all. It is marked first, so that
 * nothing new comes in, and gone slice by slice; what the call has no time for, upkeep goes on with. --- */

void
collections_drop(struct call *c, struct redis *r, const Mf__StoreOp *q)
{
	struct dropping *o = ARENA_NEW(call_arena(c), struct dropping);

	o->c = c;
	o->r = r;
	o->q = q;
	o->prefix = collection_prefix(call_arena(c), q->id);
	for (size_t i = 0; i < q->n_filters; i++) {
		if (strcmp(q->filters[i]->key, "drop") != 0) {
			call_fail(c, ST_INVALID_ARGUMENT, "filters: only drop=true");
			return;
		}
		o->all = strcmp(q->filters[i]->value, "true") == 0;
	}
	o->k = collections_get(c, q->id);
	if (o->k->declared)
		drop_mark(o);
	else
		drop_ask(o);
}

static void
drop_ask(struct dropping *o)
{
	ask_kept(o->r, o->c, o->q->id, on_drop_kept, o);
}

static void
on_drop_kept(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct dropping *o = ctx;

	if (redis_fail_call(o->c, r))
		return;
	o->k = collections_learn(o->c, o->q->id, r->items[0]->s, r->items[0]->n, &f);
	if (o->k == NULL)
		call_fail_with(o->c, &f);
	else if (o->tries++ == STALE_TRIES)
		call_fail_because(o->c, ST_ABORTED, "COLLECTION_CHANGED", 10,
		    "the collection is declared anew all the time");
	else if (!o->k->declared)
		drop_slice(o); /* this same operation may have dropped it before */
	else if (o->q->if_version != 0 && o->q->if_version != o->k->version)
		call_fail_because(o->c, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "version is %" PRIu64 ", not %" PRIu64, o->k->version, o->q->if_version);
	else
		drop_mark(o);
}

static void
drop_mark(struct dropping *o)
{
	struct arena *a = call_arena(o->c);
	json_t *kept;
	struct args x;

	if (!o->all || o->k->dropping) {
		o->began = o->k->dropping;
		drop_slice(o);
		return;
	}
	kept = collection_marked(o->k->definition);
	call_own_json(o->c, kept);
	args_start(&x, a, 6);
	args_text(&x, arena_printf(a, "%sdef", o->prefix));
	args_text(&x, o->prefix);
	args_text(&x, o->k->epoch);
	args_text(&x, json_string_value(json_object_get(kept, "epoch")));
	args_json(&x, a, kept);
	args_json(&x, a, kept);
	upkeep_documents_look(o->q->id); /* behind the script, whoever hears of it */
	redis_script(o->r, o->c, collection_declare_script, 1, x.n, x.v, x.lens, on_drop_marked, o);
}

static void
on_drop_marked(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct dropping *o = ctx;

	if (redis_fail_call(o->c, r) || stage_refused(o->c, r))
		return;
	if (!script_says(r, "ok")) {
		drop_ask(o);
		return;
	}
	STEP("nosql.drop.marked");
	o->k = collections_learn(o->c, o->q->id, r->items[1]->s, r->items[1]->n, &f);
	if (o->k == NULL) {
		call_fail_with(o->c, &f);
		return;
	}
	upkeep_documents_look(o->k->name);
	o->began = true;
	drop_slice(o);
}

static void
drop_slice(struct dropping *o)
{
	struct arena *a = call_arena(o->c);
	const char *operation = o->q->operation_id;
	struct args x;

	if (call_left(o->c) < DROP_MARGIN) {
		call_fail_because(o->c, ST_UNAVAILABLE, "DROP_GOES_ON", 1000,
		    "the collection is being dropped; it has many documents");
		return;
	}
	args_start(&x, a, 6 + INDEXES_MOST);
	args_text(&x, arena_printf(a, "%sdef", o->prefix));
	args_text(&x, arena_printf(a, "%sop:%s:", o->prefix, operation));
	args_text(&x, o->prefix);
	args_text(&x, o->k->declared ? o->k->epoch : "?");
	args_text(&x, o->all ? DROP_SLICE : "0");
	args_text(&x, operation[0] != '\0' ? KEEP_RESULT : "0");
	for (size_t i = 0; i < o->k->n_indexes; i++)
		args_text(&x, o->k->indexes[i].slot);
	o->ends = upkeep_documents_ends(o->q->id);
	redis_script(o->r, o->c, collection_drop_script, 2, x.n, x.v, x.lens, on_drop_slice, o);
}

static void
on_drop_slice(const struct redis_reply *r, void *ctx)
{
	struct dropping *o = ctx;
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	if (redis_fail_call(o->c, r) || stage_refused(o->c, r))
		return;
	if (script_says(r, "done")) {
		collections_forget(o->q->id);
		out.rows_affected = 1;
		out.repeated = true;
		call_reply(o->c, &out.base);
	} else if (script_says(r, "stale") && !o->k->declared && o->began) {
		drop_forget(o); /* upkeep had the last of it */
	} else if (script_says(r, "stale") && !o->k->declared) {
		call_fail(o->c, ST_NOT_FOUND, "collection %s is not declared", o->q->id);
	} else if (script_says(r, "stale")) {
		drop_ask(o);
	} else if (r->items[1]->i > 0 && o->all) {
		drop_slice(o);
	} else if (r->items[1]->i > 0) {
		call_fail_because(o->c, ST_FAILED_PRECONDITION, "NOT_EMPTY", 0,
		    "collection %s has %" PRId64 " documents; the filter drop=true drops them too",
		    o->q->id, r->items[1]->i);
	} else {
		STEP("nosql.drop.durable");
		drop_forget(o);
	}
}

static void
drop_forget(struct dropping *o)
{
	const char *argv[] = { "ZREM", REGISTRY, o->q->id };

	collections_forget(o->q->id);
	redis_command(o->r, o->c, 3, argv,
	    (const size_t[]){ 4, strlen(REGISTRY), strlen(o->q->id) }, on_drop_forgotten, o);
	upkeep_documents_unlisted(o->q->id, o->ends);
}

static void
on_drop_forgotten(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct dropping *o = ctx;

	(void)r; /* a name too many in the registry harms nobody */
	out.rows_affected = 1;
	call_reply(o->c, &out.base);
}
