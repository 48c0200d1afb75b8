/* documents: mf.Nosql on the durable Redis. A document is "<version>:<JSON>" under its own key, its
 * id stands in the collection's sorted set, and each write leaves its result under its operation id
 * and document, all by one script: a repeated operation finds its result, a version never goes
 * back. Redis answers after the append-only file is on disk. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_patch.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/call.h"
#include "database/nosql/documents.h"

/* an update without if_version that keeps losing against others gives up */
#define CAS_TRIES    8
#define LIST_DEFAULT 100
#define LIST_MOST    1000

struct doc_op {
	struct call *c;
	const Mf__StoreOp *q;
	const char *key, *index, *result_key, *keep_ms;
	unsigned tries;
	char *made; /* update: "<version>:<JSON>" that is being tried */
	size_t made_n;
};

struct doc { /* as kept */
	uint64_t version;
	const char *json;
	size_t n;
};

static struct doc_op *op_new(struct call *, const Mf__StoreOp *);
static void on_one(const struct redis_reply *, void *);
static void on_list(const struct redis_reply *, void *);
static void start_create(struct doc_op *);
static void on_created(const struct redis_reply *, void *);
static void start_update(struct doc_op *);
static void on_before_update(const struct redis_reply *, void *);
static bool merge(struct doc_op *, const struct doc *);
static void on_updated(const struct redis_reply *, void *);
static void start_delete(struct doc_op *);
static void on_deleted(const struct redis_reply *, void *);
static void run(struct doc_op *, const char *, int, const char *const *, redis_done_fn *);
static bool doc_parse(const struct redis_reply *, struct doc *);
static void reply_doc(struct doc_op *, const struct doc *, bool);
static void doc_write(struct jw *, const char *, size_t, const struct doc *);

static struct redis *server;
static int64_t keep_results_us;

void
documents_init(struct redis *r, int64_t operation_ttl_us)
{
	server = r;
	keep_results_us = operation_ttl_us;
}

/* KEYS: index. ARGV: id after which to begin, how many. Answers id, document, id, document, ... */
static const char list_script[] =
    "local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])\n"
    "local out = {}\n"
    "for _, id in ipairs(ids) do\n"
    "  local d = redis.call('GET', ARGV[3] .. id)\n"
    "  if d then out[#out+1] = id; out[#out+1] = d end\n"
    "end\n"
    "return out\n";

void
documents_read(struct call *c, const Mf__StoreOp *q)
{
	struct doc_op *o = op_new(c, q);
	struct arena *a = call_arena(c);
	unsigned limit = q->limit == 0 ? LIST_DEFAULT : q->limit;

	if (o == NULL)
		return;
	if (q->kind == MF__STORE_OP__KIND__READ_ONE) {
		redis_command(server, c, 2, (const char *const[]){ "GET", o->key },
		    (const size_t[]){ 3, strlen(o->key) }, on_one, o);
		return;
	}
	if (q->n_filters != 0 || limit > LIST_MOST) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    "documents are listed by id, at most %d, without filters", LIST_MOST);
		return;
	}
	run(o, list_script, 1,
	    (const char *const[]){ o->index,
		q->cursor[0] != '\0' ? arena_printf(a, "(%s", q->cursor) : "-",
		arena_printf(a, "%u", limit + 1), arena_printf(a, "mf:{%s}:d:", q->model), NULL },
	    on_list);
}

void
documents_write(struct call *c, const Mf__StoreOp *q)
{
	struct doc_op *o = op_new(c, q);
	struct json_error e;
	json_t *v;

	if (o == NULL)
		return;
	if (q->kind == MF__STORE_OP__KIND__DELETE) {
		start_delete(o);
		return;
	}
	v = json_read(q->data.data, q->data.len, &e);
	if (!json_is_object(v)) {
		call_fail(
		    c, ST_INVALID_ARGUMENT, "data: %s", v == NULL ? e.what : "is not an object");
		json_decref(v);
		return;
	}
	json_decref(v);
	if (q->kind == MF__STORE_OP__KIND__CREATE)
		start_create(o);
	else if (q->kind == MF__STORE_OP__KIND__UPDATE)
		start_update(o);
	else
		call_fail(c, ST_UNIMPLEMENTED,
		    "kind: documents know create, read, update, delete and query");
}

static struct doc_op *
op_new(struct call *c, const Mf__StoreOp *q)
{
	struct arena *a = call_arena(c);
	struct doc_op *o = ARENA_NEW(a, struct doc_op);
	bool list = q->kind == MF__STORE_OP__KIND__QUERY_MANY;
	const char *operation = q->operation_id[0] != '\0' ? q->operation_id : call_operation_id(c);

	if (!str_starts(q->model, "doc.") || !str_token_ok(str_of(q->model)) ||
	    (!list && !str_token_ok(str_of(q->id)))) {
		call_fail(c, ST_INVALID_ARGUMENT, "model: must be doc.NAME; id: must be a token");
		return NULL;
	}
	/* Without one, all such writes of a document would share a result. */
	if (operation[0] == '\0' &&
	    (q->kind == MF__STORE_OP__KIND__UPDATE || q->kind == MF__STORE_OP__KIND__DELETE)) {
		call_fail(c, ST_INVALID_ARGUMENT, "operation_id: is missing");
		return NULL;
	}
	o->c = c;
	o->q = q;
	/* One hash tag per collection: all keys of a script lie on one node of a cluster. */
	o->key = arena_printf(a, "mf:{%s}:d:%s", q->model, q->id);
	o->index = arena_printf(a, "mf:{%s}:ids", q->model);
	o->result_key = arena_printf(a, "mf:{%s}:op:%s:%s", q->model, operation, q->id);
	o->keep_ms = arena_printf(a, "%" PRId64, operation[0] != '\0' ? keep_results_us / MS : 0);
	return o;
}

static void
on_one(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;
	struct doc d;

	if (redis_fail_call(o->c, r))
		return;
	if (!doc_parse(r, &d))
		call_fail(o->c, ST_NOT_FOUND, "%s %s does not exist", o->q->model, o->q->id);
	else
		reply_doc(o, &d, false);
}

static void
on_list(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	size_t limit = o->q->limit == 0 ? LIST_DEFAULT : o->q->limit, n = r->n_items / 2, last;
	struct jw w;
	struct doc d;

	if (redis_fail_call(o->c, r))
		return;
	last = n > limit ? limit : n;
	jw_start(&w, call_arena(o->c), 4096);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 0; i < last; i++)
		if (doc_parse(r->items[2 * i + 1], &d))
			doc_write(&w, r->items[2 * i]->s, r->items[2 * i]->n, &d);
	jw_close(&w, ']');
	if (n > limit)
		jw_strn(
		    &w, "next_cursor", r->items[2 * (last - 1)]->s, r->items[2 * (last - 1)]->n);
	else
		jw_null(&w, "next_cursor");
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	call_reply(o->c, &out.base);
}

/* KEYS: document, index, result. ARGV: id, document, life of the result or 0. */
static const char create_script[] =
    "local have = redis.call('GET', KEYS[3]) or redis.call('GET', KEYS[1])\n"
    "if have then return have end\n"
    "redis.call('SET', KEYS[1], ARGV[2])\n"
    "redis.call('ZADD', KEYS[2], 0, ARGV[1])\n"
    "if ARGV[3] ~= '0' then redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3]) end\n"
    "return ARGV[2]\n";

static void
start_create(struct doc_op *o)
{
	o->made = arena_printf(
	    call_arena(o->c), "1:%.*s", (int)o->q->data.len, (const char *)o->q->data.data);
	o->made_n = strlen(o->made);
	run(o, create_script, 3,
	    (const char *const[]){
		o->key, o->index, o->result_key, o->q->id, o->made, o->keep_ms, NULL },
	    on_created);
}

static void
on_created(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;
	struct doc d;

	if (redis_fail_call(o->c, r))
		return;
	if (!doc_parse(r, &d))
		call_fail(o->c, ST_DATA_LOSS, "%s %s is kept in a form that is not ours",
		    o->q->model, o->q->id);
	else if (d.n != o->q->data.len || memcmp(d.json, o->q->data.data, d.n) != 0)
		call_fail(o->c, ST_ALREADY_EXISTS, "%s %s exists with other content", o->q->model,
		    o->q->id);
	else
		reply_doc(o, &d, false);
}

static void
start_update(struct doc_op *o)
{
	redis_command(server, o->c, 3, (const char *const[]){ "MGET", o->key, o->result_key },
	    (const size_t[]){ 4, strlen(o->key), strlen(o->result_key) }, on_before_update, o);
}

/* KEYS: document, result of the operation. ARGV: expected document, new document, life of the
 * result in ms. */
static const char update_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
				    "redis.call('SET', KEYS[1], ARGV[2])\n"
				    "redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])\n"
				    "return 1\n";

static void
on_before_update(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;
	struct doc d;
	const char *argv[5];
	size_t lens[5];

	if (redis_fail_call(o->c, r))
		return;
	if (doc_parse(r->items[1], &d)) {
		reply_doc(o, &d, true);
		return;
	}
	if (!doc_parse(r->items[0], &d)) {
		call_fail(o->c, ST_NOT_FOUND, "%s %s does not exist", o->q->model, o->q->id);
		return;
	}
	if (o->q->if_version != 0 && o->q->if_version != d.version) {
		call_fail_because(o->c, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "version is %" PRIu64 ", not %" PRIu64, d.version, o->q->if_version);
		return;
	}
	if (!merge(o, &d))
		return;
	argv[0] = o->key;
	argv[1] = o->result_key;
	argv[2] = r->items[0]->s;
	argv[3] = o->made;
	argv[4] = o->keep_ms;
	for (int i = 0; i < 5; i++)
		lens[i] = strlen(argv[i]);
	lens[2] = r->items[0]->n;
	lens[3] = o->made_n;
	redis_script(server, o->c, update_script, 2, 5, argv, lens, on_updated, o);
}

static bool
merge(struct doc_op *o, const struct doc *d)
{
	struct json_error e;
	json_t *have = json_read(d->json, d->n, &e),
	       *patch = json_read(o->q->data.data, o->q->data.len, &e);
	char *text;

	if (have == NULL || patch == NULL) {
		json_decref(have);
		json_decref(patch);
		call_fail(o->c, ST_DATA_LOSS, "%s %s: %s", o->q->model, o->q->id, e.what);
		return false;
	}
	json_patch_merge(have, patch);
	text = json_dumps(have, JSON_COMPACT);
	o->made = arena_printf(call_arena(o->c), "%" PRIu64 ":%s", d->version + 1, text);
	o->made_n = strlen(o->made);
	free(text);
	json_decref(have);
	json_decref(patch);
	return true;
}

static void
on_updated(const struct redis_reply *r, void *ctx)
{
	struct doc_op *o = ctx;
	struct redis_reply made = { .type = REDIS_STRING, .s = o->made, .n = o->made_n };
	struct doc d;

	if (redis_fail_call(o->c, r))
		return;
	if (r->i == 1 && doc_parse(&made, &d))
		reply_doc(o, &d, false);
	else if (++o->tries < CAS_TRIES)
		start_update(o);
	else
		call_fail_because(o->c, ST_ABORTED, "VERSION_CONFLICT", 10,
		    "%s %s changes too fast", o->q->model, o->q->id);
}

/* KEYS: document, index, result. ARGV: id, version or 0, life of the result. Answers the document
 * that went. */
static const char delete_script[] =
    "local done = redis.call('GET', KEYS[3])\n"
    "if done then return done end\n"
    "local have = redis.call('GET', KEYS[1])\n"
    "if not have then return false end\n"
    "if ARGV[2] ~= '0' and string.match(have, '^(%d+):') ~= ARGV[2] then return 0 end\n"
    "redis.call('DEL', KEYS[1])\n"
    "redis.call('ZREM', KEYS[2], ARGV[1])\n"
    "redis.call('SET', KEYS[3], have, 'PX', ARGV[3])\n"
    "return have\n";

static void
start_delete(struct doc_op *o)
{
	struct arena *a = call_arena(o->c);

	run(o, delete_script, 3,
	    (const char *const[]){ o->key, o->index, o->result_key, o->q->id,
		arena_printf(a, "%" PRIu64, o->q->if_version), o->keep_ms, NULL },
	    on_deleted);
}

static void
on_deleted(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct doc_op *o = ctx;
	struct doc d;

	if (redis_fail_call(o->c, r))
		return;
	if (r->type == REDIS_INTEGER) {
		call_fail_because(o->c, ST_ABORTED, "VERSION_CONFLICT", 0,
		    "version is not %" PRIu64, o->q->if_version);
	} else if (!doc_parse(r, &d)) {
		call_fail(o->c, ST_NOT_FOUND, "%s %s does not exist", o->q->model, o->q->id);
	} else {
		out.version = d.version;
		out.rows_affected = 1;
		call_reply(o->c, &out.base);
	}
}

/* argv: keys, then arguments, all texts, NULL-ended. */
static void
run(struct doc_op *o, const char *script, int n_keys, const char *const *argv, redis_done_fn *done)
{
	size_t lens[8];
	int n = 0;

	for (; argv[n] != NULL; n++)
		lens[n] = strlen(argv[n]);
	redis_script(server, o->c, script, n_keys, n, argv, lens, done, o);
}

static bool
doc_parse(const struct redis_reply *r, struct doc *d)
{
	struct str version, json;

	if (r->type != REDIS_STRING || !str_cut((struct str){ r->s, r->n }, ':', &version, &json) ||
	    !str_u64(version, UINT64_MAX, &d->version))
		return false;
	d->json = json.p;
	d->n = json.n;
	return true;
}

static void
reply_doc(struct doc_op *o, const struct doc *d, bool repeated)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct jw w;

	jw_start(&w, call_arena(o->c), d->n + 128);
	doc_write(&w, o->q->id, strlen(o->q->id), d);
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	out.version = d->version;
	out.rows_affected = o->q->kind == MF__STORE_OP__KIND__READ_ONE ? 0 : 1;
	out.repeated = repeated;
	call_reply(o->c, &out.base);
}

static void
doc_write(struct jw *w, const char *id, size_t id_n, const struct doc *d)
{
	jw_object(w, NULL);
	jw_strn(w, "id", id, id_n);
	jw_int(w, "version", (int64_t)d->version);
	jw_raw(w, "data", d->json, d->n);
	jw_close(w, '}');
}
