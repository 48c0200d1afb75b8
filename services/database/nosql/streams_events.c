/* streams_events: what is done with a stream itself. */
#include <inttypes.h>
#include <string.h>

#include "base/time.h"
#include "database/nosql/streams_int.h"

static bool expected(struct stream_op *);
static bool events(struct stream_op *, json_t *);
static bool add_event(struct stream_op *, const json_t *);
static void write_appended(struct jw *, const struct str *);
static void write_stat(struct jw *, const struct str *);
static void write_trimmed(struct jw *, const struct str *);
static void write_deleted(struct jw *, const struct str *);
static bool arg_time(struct stream_op *, const char *, const char *);
static bool arg_flag(struct stream_op *, const char *, const char *);
static bool arg_limit(struct stream_op *, const char *, const json_t *);
static void on_range(const struct redis_reply *, void *);
static void write_event(struct jw *, const struct redis_reply *const *);

static struct str
text_of(const struct redis_reply *r)
{
	return (struct str){ r->s, r->n };
}

/* data: an array of events, or one that is no array. if_version, or "last" among the filters (it
 * can say 0), is the last position there must be. */
void
stream_append(struct call *c, const Mf__StoreOp *q)
{
	struct json_error e;
	json_t *v = json_read(q->data.data, q->data.len, &e);
	size_t n = json_is_array(v) ? json_array_size(v) : 1;
	struct stream_op *o = stream_op_new(c, q, n + 2);

	o->write = write_appended;
	if (v != NULL)
		call_own_json(c, v);
	if (v == NULL)
		stream_refuse(o, "data", e.what);
	else if (n == 0 || n > STREAM_EVENTS_MOST)
		stream_refuse(o, "data", "must be an event, or an array of 1 to 100");
	else if (expected(o) && events(o, v))
		stream_run(o, stream_append_script, NULL);
}

static bool
expected(struct stream_op *o)
{
	static const char *const known[] = { "last", NULL };
	const char *last;

	if (!stream_filters(o, known, &last) || !stream_position(o, "filters/last", last))
		return false;
	if (o->q->if_version != 0)
		stream_arg_number(o, o->q->if_version);
	else
		stream_arg(o, last);
	return true;
}

static bool
events(struct stream_op *o, json_t *v)
{
	json_t *one;
	size_t i;

	if (!json_is_array(v))
		return add_event(o, v);
	json_array_foreach(v, i, one)
	{
		if (!add_event(o, one))
			return false;
	}
	return true;
}

static bool
add_event(struct stream_op *o, const json_t *v)
{
	struct jw w;
	size_t n;
	char *p;

	jw_start(&w, call_arena(o->c), 256);
	jw_json(&w, NULL, v);
	p = jw_text(&w, &n);
	if (n > STREAM_EVENT_BYTES) {
		stream_refuse(o, "data", "an event has at most 256 KiB; a blob takes more");
		return false;
	}
	stream_argn(o, p, n);
	return true;
}

static void
write_appended(struct jw *w, const struct str *field)
{
	stream_write_number(w, "first", field[0]);
	stream_write_number(w, "last", field[1]);
}

void
stream_stat(struct call *c, const Mf__StoreOp *q)
{
	struct stream_op *o = stream_op_new(c, q, 1);

	o->write = write_stat;
	stream_run(o, stream_stat_script, NULL);
}

static void
write_stat(struct jw *w, const struct str *field)
{
	uint64_t first = 0, last = 0;

	if (str_u64(field[0], UINT64_MAX, &first) && str_u64(field[1], UINT64_MAX, &last))
		last++;
	stream_write_number(w, "first", field[0]);
	stream_write_number(w, "last", field[1]);
	jw_int(w, "length", (int64_t)(last - first));
	stream_write_number(w, "bytes", field[2]);
	stream_write_number(w, "consumers", field[3]);
	stream_write_number(w, "max_length", field[4]); /* "" becomes null */
	stream_write_number(w, "max_age_ms", field[5]);
	jw_bool(w, "force", str_eq(field[6], "1"));
}

/* data: {"max_length", "max_age_ms", "force"}, each a number or null for none: what is kept from
 * the next append on. Without force, what a consumer has not taken yet stays. */
void
stream_retain(struct call *c, const Mf__StoreOp *q)
{
	static const char *const known[] = { "max_length", "max_age_ms", "force", NULL };
	struct stream_op *o = stream_op_new(c, q, 5);
	const json_t *v[3];

	o->write = write_stat;
	if (!expected(o) || !stream_members(o, known, v) ||
	    !arg_limit(o, "data/max_length", v[0]) || !arg_limit(o, "data/max_age_ms", v[1]))
		return;
	if (v[2] != NULL && !json_is_boolean(v[2])) {
		stream_refuse(o, "data/force", "must be true or false");
		return;
	}
	stream_arg(o, v[2] == NULL ? "" : json_is_true(v[2]) ? "1" : "0");
	stream_run(o, stream_retain_script, NULL);
}

static bool
arg_limit(struct stream_op *o, const char *field, const json_t *v)
{
	if (v == NULL || json_is_null(v)) {
		stream_arg(o, v == NULL ? "" : "0");
		return true;
	}
	if (!json_is_integer(v) || json_integer_value(v) <= 0 ||
	    json_integer_value(v) > INT64_C(1) << 43) {
		stream_refuse(o, field, "must be a whole number above 0, or null");
		return false;
	}
	stream_arg_number(o, (uint64_t)json_integer_value(v));
	return true;
}

void
stream_trim(struct call *c, const Mf__StoreOp *q)
{
	static const char *const known[] = { "before", "keep", "until", "force", NULL };
	struct stream_op *o = stream_op_new(c, q, 5);
	const char *v[4];

	o->write = write_trimmed;
	if (!stream_filters(o, known, v) || !stream_position(o, "filters/before", v[0]) ||
	    !stream_position(o, "filters/keep", v[1]))
		return;
	if (v[0][0] == '\0' && v[1][0] == '\0' && v[2][0] == '\0') {
		stream_refuse(o, "filters", "one of before, keep and until says what goes");
		return;
	}
	stream_arg(o, v[0]);
	stream_arg(o, v[1]);
	if (arg_time(o, "filters/until", v[2]) && arg_flag(o, "filters/force", v[3]))
		stream_run(o, stream_trim_script, NULL);
}

static void
write_trimmed(struct jw *w, const struct str *field)
{
	stream_write_number(w, "first", field[0]);
	stream_write_number(w, "last", field[1]);
	jw_bool(w, "more", str_eq(field[2], "1"));
	if (field[3].n > 0)
		jw_strn(w, "held_by", field[3].p, field[3].n);
	else
		jw_null(w, "held_by");
}

void
stream_delete(struct call *c, const Mf__StoreOp *q)
{
	static const char *const known[] = { "force", NULL };
	struct stream_op *o = stream_op_new(c, q, 3);
	const char *force;

	o->write = write_deleted;
	if (!stream_filters(o, known, &force))
		return;
	if (q->if_version != 0)
		stream_arg_number(o, q->if_version);
	else
		stream_arg(o, "");
	if (arg_flag(o, "filters/force", force))
		stream_run(o, stream_delete_script, NULL);
}

static void
write_deleted(struct jw *w, const struct str *field)
{
	stream_write_number(w, "last", field[0]);
}

static bool
arg_time(struct stream_op *o, const char *field, const char *s)
{
	int64_t us;

	if (s[0] == '\0') {
		stream_arg(o, "");
		return true;
	}
	if (!time_parse_rfc3339(str_of(s), &us) || us < 0) {
		stream_refuse(o, field, "must be a time as in RFC 3339");
		return false;
	}
	stream_arg_number(o, (uint64_t)us);
	return true;
}

static bool
arg_flag(struct stream_op *o, const char *field, const char *s)
{
	bool on = false;

	if (s[0] != '\0' && !str_bool(str_of(s), &on)) {
		stream_refuse(o, field, "must be true or false");
		return false;
	}
	stream_arg(o, on ? "1" : "");
	return true;
}

/* --- a range --- */

void
stream_query(struct call *c, const Mf__StoreOp *q)
{
	static const char *const known[] = { "after", "before", "since", "until", "consumer",
		"reverse", NULL };
	struct stream_op *o = stream_op_new(c, q, 10);
	const char *v[6];

	if (!stream_filters(o, known, v) || !stream_limit(o) ||
	    !stream_position(o, "cursor", q->cursor) ||
	    !stream_position(o, "filters/after", v[0]) ||
	    !stream_position(o, "filters/before", v[1]))
		return;
	stream_arg(o, q->cursor);
	stream_arg(o, v[0]);
	stream_arg(o, v[1]);
	if (!arg_time(o, "filters/since", v[2]) || !arg_time(o, "filters/until", v[3]))
		return;
	stream_arg(o, v[4]);
	if (!arg_flag(o, "filters/reverse", v[5]))
		return;
	stream_arg_number(o, o->limit);
	stream_arg_number(o, STREAM_ANSWER_BYTES);
	stream_run(o, stream_range_script, on_range);
}

static void
on_range(const struct redis_reply *r, void *ctx)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	struct stream_op *o = ctx;
	struct jw w;
	size_t last;

	if (stream_failed(o, r))
		return;
	if (r->n_items < 4 || r->n_items % 3 != 1 ||
	    !str_u64(text_of(r->items[1]), UINT64_MAX, &out.version)) {
		call_fail(o->c, ST_DATA_LOSS, "%s is kept in a form that is not ours", o->q->model);
		return;
	}
	last = r->n_items - 3;
	jw_start(&w, call_arena(o->c), 4096);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (size_t i = 4; i + 2 < r->n_items; i += 3)
		write_event(&w, &r->items[i]);
	jw_close(&w, ']');
	if (r->items[3]->i == 1 && last >= 4)
		jw_strn(&w, "next_cursor", r->items[last]->s, r->items[last]->n);
	else
		jw_null(&w, "next_cursor");
	jw_bool(&w, "gap", r->items[2]->i == 1);
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	call_reply(o->c, &out.base);
}

static void
write_event(struct jw *w, const struct redis_reply *const *e)
{
	int64_t at = 0;

	jw_object(w, NULL);
	stream_write_number(w, "position", text_of(e[0]));
	if (str_i64(text_of(e[1]), 0, INT64_MAX, &at))
		jw_time(w, "at", at);
	jw_raw(w, "data", e[2]->s, e[2]->n);
	jw_close(w, '}');
}
