/* streams: which operation, and the way through Redis that all of them take. What a script refuses
 * it says in one word: words[] says what the client hears. */
#include <inttypes.h>
#include <string.h>

#include "base/step.h"
#include "base/time.h"
#include "database/nosql/streams_int.h"

#define KEYS 4

typedef void run_fn(struct call *, const Mf__StoreOp *);

static const struct kind {
	const char *prefix;
	Mf__StoreOp__Kind kind;
	run_fn *run;
} kinds[] = {
	{ "stream.", MF__STORE_OP__KIND__READ_ONE, stream_stat },
	{ "stream.", MF__STORE_OP__KIND__QUERY_MANY, stream_query },
	{ "stream.", MF__STORE_OP__KIND__APPEND, stream_append },
	{ "stream.", MF__STORE_OP__KIND__UPDATE, stream_retain },
	{ "stream.", MF__STORE_OP__KIND__TRIM, stream_trim },
	{ "stream.", MF__STORE_OP__KIND__DELETE, stream_delete },
	{ "consumer.", MF__STORE_OP__KIND__READ_ONE, consumer_read },
	{ "consumer.", MF__STORE_OP__KIND__QUERY_MANY, consumer_list },
	{ "consumer.", MF__STORE_OP__KIND__CREATE, consumer_create },
	{ "consumer.", MF__STORE_OP__KIND__UPDATE, consumer_update },
	{ "consumer.", MF__STORE_OP__KIND__DELETE, consumer_delete },
};

static const struct word {
	const char *word;
	enum status status;
	const char *reason, *message;
} words[] = {
	{ "missing", ST_NOT_FOUND, "", "the stream does not exist" },
	{ "no_consumer", ST_NOT_FOUND, "", "the stream has no such consumer" },
	{ "version", ST_ABORTED, "VERSION_CONFLICT", "the version is" },
	{ "exists", ST_ALREADY_EXISTS, "", "the consumer exists with another start" },
	{ "consumers", ST_FAILED_PRECONDITION, "HAS_CONSUMERS",
	    "the stream has consumers; delete them, or force it" },
	{ "backwards", ST_FAILED_PRECONDITION, "BACKWARDS",
	    "a position goes back only with \"reset\": true; it is" },
	{ "beyond", ST_OUT_OF_RANGE, "", "the stream ends before, at" },
	{ "full", ST_RESOURCE_EXHAUSTED, "TOO_MANY", "the stream has 1000 consumers already" },
};

static const struct kind *kind_of(const Mf__StoreOp *);
static void start(struct call *, const Mf__StoreOp *);
static bool needs_operation(Mf__StoreOp__Kind);
static void on_result(const struct redis_reply *, void *);

static struct redis *server;
static const char *keep_ms;

void
streams_init(struct redis *r, int64_t operation_ttl_us)
{
	static char text[24];

	server = r;
	snprintf(text, sizeof(text), "%" PRId64, operation_ttl_us / MS);
	keep_ms = text;
}

bool
streams_own(const Mf__StoreOp *q)
{
	return str_starts(q->model, "stream.") || str_starts(q->model, "consumer.");
}

void
streams_read(struct call *c, const Mf__StoreOp *q)
{
	start(c, q);
}

void
streams_write(struct call *c, const Mf__StoreOp *q)
{
	start(c, q);
}

static void
start(struct call *c, const Mf__StoreOp *q)
{
	const struct kind *k = kind_of(q);
	const char *dot = strchr(q->model, '.');

	if (k == NULL)
		call_fail(c, ST_UNIMPLEMENTED,
		    "kind: streams know read, query, append, update (of their retention), trim and "
		    "delete; consumers create, read, query, update and delete");
	else if (!str_token_ok(str_of(dot + 1)))
		call_fail(c, ST_INVALID_ARGUMENT, "model: must be %sSUBJECT, a token", k->prefix);
	else if (needs_operation(q->kind) && q->operation_id[0] == '\0' &&
		 call_operation_id(c)[0] == '\0')
		call_fail(c, ST_INVALID_ARGUMENT, "operation_id: is missing");
	else
		k->run(c, q);
}

static const struct kind *
kind_of(const Mf__StoreOp *q)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == q->kind && str_starts(q->model, kinds[i].prefix))
			return &kinds[i];
	return NULL;
}

/* What has no id of its own to be recognised by. */
static bool
needs_operation(Mf__StoreOp__Kind kind)
{
	return kind == MF__STORE_OP__KIND__APPEND || kind == MF__STORE_OP__KIND__UPDATE ||
	       kind == MF__STORE_OP__KIND__TRIM || kind == MF__STORE_OP__KIND__DELETE;
}

/* One hash tag per subject, of its stream and its consumers: all keys lie on one node of a
 * cluster. */
struct stream_op *
stream_op_new(struct call *c, const Mf__StoreOp *q, size_t n_arguments)
{
	struct arena *a = call_arena(c);
	struct stream_op *o = ARENA_NEW(a, struct stream_op);
	const char *operation = q->operation_id[0] != '\0' ? q->operation_id : call_operation_id(c);

	o->c = c;
	o->q = q;
	o->subject = strchr(q->model, '.') + 1;
	o->argv = ARENA_ARRAY(a, const char *, n_arguments + KEYS + 1);
	o->argv_n = ARENA_ARRAY(a, size_t, n_arguments + KEYS + 1);
	stream_arg(o, arena_printf(a, "mf:{stream.%s}:s", o->subject));
	stream_arg(o, arena_printf(a, "mf:{stream.%s}:m", o->subject));
	stream_arg(o, arena_printf(a, "mf:{stream.%s}:c", o->subject));
	stream_arg(o, arena_printf(a, "mf:{stream.%s}:op:%s:%s:%d:%s", o->subject, operation,
			  q->model, q->kind, q->id));
	stream_arg(o, keep_ms);
	return o;
}

void
stream_arg(struct stream_op *o, const char *s)
{
	stream_argn(o, s, strlen(s));
}

void
stream_argn(struct stream_op *o, const void *p, size_t n)
{
	o->argv[o->n] = p;
	o->argv_n[o->n++] = n;
}

void
stream_arg_number(struct stream_op *o, uint64_t v)
{
	stream_arg(o, arena_printf(call_arena(o->c), "%" PRIu64, v));
}

void
stream_run(struct stream_op *o, const char *script, redis_done_fn *done)
{
	redis_script(server, o->c, script, KEYS, o->n, o->argv, o->argv_n,
	    done != NULL ? done : on_result, o);
}

bool
stream_failed(struct stream_op *o, const struct redis_reply *r)
{
	const char *word = r->type == REDIS_ARRAY && r->n_items > 0 ? r->items[0]->s : "";

	if (redis_fail_call(o->c, r))
		return true;
	for (const struct word *w = words; w < words + sizeof(words) / sizeof(words[0]); w++)
		if (strcmp(w->word, word) == 0) {
			call_fail_because(o->c, w->status, w->reason, 0, "%s: %s%s%s", o->q->model,
			    w->message, r->n_items > 1 ? " " : "",
			    r->n_items > 1 ? r->items[1]->s : "");
			return true;
		}
	if (strcmp(word, "ok") == 0 || strcmp(word, "repeated") == 0)
		return false;
	call_fail(o->c, ST_DATA_LOSS, "%s is kept in a form that is not ours", o->q->model);
	return true;
}

static void
on_result(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct stream_op *o = ctx;
	struct str field[STREAM_FIELDS] = { 0 };
	struct jw w;

	if (stream_failed(o, r))
		return;
	STEP("nosql.stream.done");
	if (r->n_items < 2 || !stream_fields(r->items[1], field) ||
	    !str_u64(field[0], UINT64_MAX, &out.version) ||
	    !str_u64(field[1], UINT64_MAX, &out.rows_affected)) {
		call_fail(o->c, ST_DATA_LOSS, "%s is kept in a form that is not ours", o->q->model);
		return;
	}
	jw_start(&w, call_arena(o->c), 256);
	jw_object(&w, NULL);
	o->write(&w, field + 2);
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	out.repeated = strcmp(r->items[0]->s, "repeated") == 0;
	call_reply(o->c, &out.base);
}

bool
stream_fields(const struct redis_reply *r, struct str *out)
{
	struct str rest = { r->s, r->n };
	size_t n = 0;

	while (n < STREAM_FIELDS && str_cut(rest, ':', &out[n], &rest))
		n++;
	return n >= 2 && n < STREAM_FIELDS;
}

void
stream_write_number(struct jw *w, const char *key, struct str s)
{
	jw_raw(w, key, s.p, s.n);
}

bool
stream_filters(struct stream_op *o, const char *const *known, const char **values)
{
	for (size_t i = 0; known[i] != NULL; i++)
		values[i] = "";
	for (size_t f = 0; f < o->q->n_filters; f++) {
		const Mf__KeyValue *kv = o->q->filters[f];
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], kv->key) != 0)
			i++;
		if (known[i] == NULL || values[i][0] != '\0') {
			stream_refuse(o, arena_printf(call_arena(o->c), "filters/%s", kv->key),
			    known[i] == NULL ? "is no filter of this operation" : "is there twice");
			return false;
		}
		values[i] = kv->value;
	}
	return true;
}

bool
stream_position(struct stream_op *o, const char *field, const char *s)
{
	uint64_t v;

	if (s[0] == '\0' || str_u64(str_of(s), INT64_C(1) << 53, &v))
		return true;
	stream_refuse(o, field, "must be a position, a whole number");
	return false;
}

bool
stream_limit(struct stream_op *o)
{
	o->limit = o->q->limit == 0 ? STREAM_LIST_DEFAULT : o->q->limit;
	if (o->limit <= STREAM_LIST_MOST)
		return true;
	stream_refuse(o, "limit", "must be at most 1000");
	return false;
}

bool
stream_members(struct stream_op *o, const char *const *known, const json_t **values)
{
	struct json_error e = { .what = "" };
	json_t *v = o->q->data.len == 0 ? json_object()
	                                : json_read(o->q->data.data, o->q->data.len, &e),
	       *one;
	const char *key;
	size_t i;

	if (v != NULL)
		call_own_json(o->c, v);
	if (!json_is_object(v)) {
		stream_refuse(o, "data", v == NULL ? e.what : "must be an object");
		return false;
	}
	json_object_foreach(v, key, one)
	{
		for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0; i++)
			;
		if (known[i] == NULL) {
			stream_refuse(o, arena_printf(call_arena(o->c), "data/%s", key),
			    "is no member of this operation");
			return false;
		}
	}
	for (i = 0; known[i] != NULL; i++)
		values[i] = json_object_get(v, known[i]);
	return true;
}

void
stream_refuse(struct stream_op *o, const char *field, const char *what)
{
	call_fail(o->c, ST_INVALID_ARGUMENT, "%s: %s", field, what);
}
