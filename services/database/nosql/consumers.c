/* consumers: how far those who read a stream have come. A position is that of the last event taken;
 * it goes forward, and back only when asked to. */
#include <string.h>

#include "database/nosql/streams_int.h"

static struct stream_op *consumer_op(struct call *, const Mf__StoreOp *, size_t);
static bool take_start(struct stream_op *, const json_t *);
static void write_consumer(struct jw *, const struct str *);
static void on_list(const struct redis_reply *, void *);

/* data: {"start": "first", "last" (also when absent), or the position after which} */
void
consumer_create(struct call *c, const Mf__StoreOp *q)
{
	static const char *const known[] = { "start", NULL };
	struct stream_op *o = consumer_op(c, q, 3);
	const json_t *start;

	if (o != NULL && stream_members(o, known, &start) && take_start(o, start))
		stream_run(o, consumer_create_script, NULL);
}

static bool
take_start(struct stream_op *o, const json_t *v)
{
	const char *s = v == NULL ? "last" : json_string_value(v);

	if (json_is_integer(v) && json_integer_value(v) >= 0 &&
	    json_integer_value(v) <= INT64_C(1) << 53) {
		stream_arg_number(o, (uint64_t)json_integer_value(v));
		return true;
	}
	if (s == NULL || (strcmp(s, "first") != 0 && strcmp(s, "last") != 0)) {
		stream_refuse(o, "data/start", "must be first, last or a position");
		return false;
	}
	stream_arg(o, s);
	return true;
}

void
consumer_read(struct call *c, const Mf__StoreOp *q)
{
	struct stream_op *o = consumer_op(c, q, 2);

	if (o != NULL)
		stream_run(o, consumer_read_script, NULL);
}

/* data: {"position", "reset": true to go back} */
void
consumer_update(struct call *c, const Mf__StoreOp *q)
{
	static const char *const known[] = { "position", "reset", NULL };
	struct stream_op *o = consumer_op(c, q, 5);
	const json_t *v[2];

	if (o == NULL || !stream_members(o, known, v))
		return;
	if (!json_is_integer(v[0]) || json_integer_value(v[0]) < 0) {
		stream_refuse(o, "data/position", "must be a whole number");
		return;
	}
	stream_arg_number(o, (uint64_t)json_integer_value(v[0]));
	stream_arg_number(o, q->if_version);
	stream_arg(o, json_is_true(v[1]) ? "1" : "");
	stream_run(o, consumer_update_script, NULL);
}

void
consumer_delete(struct call *c, const Mf__StoreOp *q)
{
	struct stream_op *o = consumer_op(c, q, 3);

	if (o == NULL)
		return;
	stream_arg_number(o, q->if_version);
	stream_run(o, consumer_delete_script, NULL);
}

static struct stream_op *
consumer_op(struct call *c, const Mf__StoreOp *q, size_t n)
{
	struct stream_op *o = stream_op_new(c, q, n);

	o->write = write_consumer;
	if (!str_token_ok(str_of(q->id))) {
		stream_refuse(o, "id", "must be the consumer's name, a token");
		return NULL;
	}
	stream_arg(o, q->id);
	return o;
}

/* Fields: name, position, last, first, start, time. */
static void
write_consumer(struct jw *w, const struct str *field)
{
	uint64_t position = 0, last = 0, first = 0;
	int64_t at = 0;

	jw_strn(w, "name", field[0].p, field[0].n);
	stream_write_number(w, "position", field[1]);
	if (str_u64(field[1], UINT64_MAX, &position) && str_u64(field[2], UINT64_MAX, &last) &&
	    str_u64(field[3], UINT64_MAX, &first))
		jw_int(w, "lag", (int64_t)(last - position));
	jw_bool(w, "gap", position + 1 < first);
	if (str_i64(field[5], 0, INT64_MAX, &at))
		jw_time(w, "at", at);
}

void
consumer_list(struct call *c, const Mf__StoreOp *q)
{
	static const char *const none[] = { NULL };
	struct stream_op *o = stream_op_new(c, q, 3);

	if (!stream_filters(o, none, NULL) || !stream_limit(o))
		return;
	stream_arg(o, q->cursor);
	stream_arg_number(o, o->limit + 1);
	stream_run(o, consumer_list_script, on_list);
}

static void
on_list(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct stream_op *o = ctx;
	struct str field[STREAM_FIELDS] = { 0 }, cursor = { NULL, 0 };
	struct jw w;

	if (stream_failed(o, r))
		return;
	jw_start(&w, call_arena(o->c), 4096);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 1; i < r->n_items && i <= o->limit; i++) {
		if (!stream_fields(r->items[i], field))
			continue;
		cursor = field[2];
		jw_object(&w, NULL);
		stream_write_number(&w, "version", field[0]);
		write_consumer(&w, field + 2);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	if (r->n_items > o->limit + 1)
		jw_strn(&w, "next_cursor", cursor.p, cursor.n);
	else
		jw_null(&w, "next_cursor");
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	call_reply(o->c, &out.base);
}
