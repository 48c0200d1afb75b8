/* streams: events and consumers against a real durable Redis, by the functions that nosql serves. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/time.h"
#include "bus/bus.h"
#include "database/nosql/streams.h"
#include "harness/sqlbed.h"

static struct stores *stores;
static struct loop *loop;
static struct bus *bus;
static struct redis *docs;

#define APPEND .kind = MF__STORE_OP__KIND__APPEND
#define TRIM   .kind = MF__STORE_OP__KIND__TRIM
#define FILTERS(...)                                                                               \
	.n_filters = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) / 2,                       \
	.filters = filters((char *[]){ __VA_ARGS__, NULL })

static bool
is_up(void *ctx)
{
	return redis_up(ctx);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static int
start(void **state)
{
	char err[100];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	log_init("test", 1, 2);
	stores = stores_new();
	stores_start_redis(stores, "docs");
	loop = loop_new();
	bus = bus_new(
	    loop, &(const struct bus_opts){ .name = "nosql", .generation = 1 }, err, sizeof(err));
	docs = redis_new(loop, &(const struct redis_opts){ .address = stores_redis(stores, "docs"),
				   .require_durable = true });
	loop_run_until(loop, is_up, docs, 10 * SEC);
	assert_true(redis_up(docs));
	streams_init(docs, 3600 * SEC);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	redis_free(&docs);
	bus_free(&bus);
	loop_run_until(loop, never, NULL, 10 * MS);
	loop_free(&loop);
	stores_free(&stores);
	return 0;
}

static Mf__KeyValue **
filters(char **words)
{
	static Mf__KeyValue kv[8], *list[8];

	for (size_t i = 0; words[2 * i] != NULL; i++) {
		mf__key_value__init(&kv[i]);
		kv[i].key = words[2 * i];
		kv[i].value = words[2 * i + 1];
		list[i] = &kv[i];
	}
	return list;
}

/* --- one operation --- */

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	const Mf__StoreResult *m = (const void *)end->reply;
	struct done *d = ctx;
	struct json_error e;

	(void)c;
	d->ended = true;
	if (end->failure != NULL) {
		d->status = end->failure->status;
		snprintf(d->reason, sizeof(d->reason), "%s", end->failure->reason);
		snprintf(d->message, sizeof(d->message), "%s", end->failure->message);
		return;
	}
	d->result = calloc(1, sizeof(*d->result));
	d->result->version = m->version;
	d->result->rows_affected = m->rows_affected;
	d->result->repeated = m->repeated;
	d->json = json_read(m->data.data, m->data.len, &e);
	if (d->json == NULL)
		fail_msg("answer is not JSON: %s", e.what);
}

static void
begin(struct done *d, const Mf__StoreOp *op)
{
	*d = (struct done){ 0 };
	d->call = call_root(
	    bus, &(const struct call_opts){ .limit_us = 5 * SEC, .done = on_end, .ctx = d });
	if (op->kind == MF__STORE_OP__KIND__READ_ONE || op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		streams_read(d->call, op);
	else
		streams_write(d->call, op);
}

static bool
has_ended(void *ctx)
{
	return ((struct done *)ctx)->ended;
}

static void
forget(struct done *d)
{
	free(d->result);
	json_decref(d->json);
	*d = (struct done){ 0 };
}

/* The answer stays until the next but seven. */
static const struct done *
run(const Mf__StoreOp *op)
{
	static struct done slot[8];
	static unsigned next;
	struct done *d = &slot[next++ % 8];

	forget(d);
	begin(d, op);
	loop_run_until(loop, has_ended, d, 10 * SEC);
	assert_true(d->ended);
	if (getenv("SHOW") != NULL)
		print_message("%s %d: %d %s %s\n", op->model, op->kind, d->status, d->message,
		    d->json != NULL ? json_dumps(d->json, JSON_COMPACT) : "");
	return d;
}

static const struct done *
ok(const struct done *d)
{
	if (d->status != ST_OK)
		fail_msg("%s: %s", status_name(d->status), d->message);
	return d;
}

static void
fails(const struct done *d, enum status s, const char *reason)
{
	if (d->status != s || strcmp(d->reason, reason) != 0)
		fail_msg("is %s %s (%s), not %s %s", status_name(d->status), d->reason, d->message,
		    status_name(s), reason);
}

static int64_t
number(const struct done *d, const char *name)
{
	return json_integer_value(json_object_get(d->json, name));
}

/* A fresh operation id each time. */
static char *
fresh(void)
{
	static char text[16][24];
	static unsigned n;
	char *p = text[n % 16];

	snprintf(p, sizeof(text[0]), "op-%u", n++);
	return p;
}

static const struct done *
append(const char *model, const char *data)
{
	return ok(run(OP(APPEND, .model = S(model), .operation_id = fresh(), .data = DATA(data))));
}

/* "1:\"a\" 2:\"b\"": what a range answered. */
static const char *
items(const struct done *d)
{
	static char text[2000];
	size_t n = 0, i;
	json_t *one;

	text[0] = '\0';
	json_array_foreach(json_object_get(ok(d)->json, "items"), i, one)
	{
		char *data =
		    json_dumps(json_object_get(one, "data"), JSON_ENCODE_ANY | JSON_COMPACT);

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld:%s", i > 0 ? " " : "",
		    json_integer_value(json_object_get(one, "position")), data);
		free(data);
	}
	return text;
}

static bool
gap(const struct done *d)
{
	return json_is_true(json_object_get(d->json, "gap"));
}

/* --- tests --- */

static void
positions_have_no_gaps_and_an_array_is_several_events(void **unused)
{
	const struct done *d;

	(void)unused;
	d = append("stream.plain", "[\"a\",{\"b\":1}]");
	assert_int_equal(number(d, "first"), 1);
	assert_int_equal(number(d, "last"), 2);
	assert_int_equal(d->result->version, 2);
	assert_int_equal(d->result->rows_affected, 2);
	assert_int_equal(number(append("stream.plain", "7.5"), "first"), 3);
	append("stream.plain", "[[1,2]]");
	assert_string_equal(
	    items(run(OP(QUERY, .model = S("stream.plain")))), "1:\"a\" 2:{\"b\":1} 3:7.5 4:[1,2]");
	d = ok(run(OP(READ_ONE, .model = S("stream.plain"))));
	assert_int_equal(number(d, "first"), 1);
	assert_int_equal(number(d, "last"), 4);
	assert_int_equal(number(d, "length"), 4);
	assert_int_equal(number(d, "bytes"), 3 + 7 + 3 + 5);
	fails(run(OP(READ_ONE, .model = S("stream.none"))), ST_NOT_FOUND, "");
}

static void
the_same_append_again_answers_the_same_positions(void **unused)
{
	const Mf__StoreOp *op = OP(
	    APPEND, .model = S("stream.twice"), .operation_id = S("one"), .data = DATA("[1,2,3]"));
	const struct done *d;

	(void)unused;
	assert_false(ok(run(op))->result->repeated);
	append("stream.twice", "4");
	d = ok(run(op));
	assert_true(d->result->repeated);
	assert_int_equal(number(d, "first"), 1);
	assert_int_equal(number(d, "last"), 3);
	assert_int_equal(number(ok(run(OP(READ_ONE, .model = S("stream.twice")))), "length"), 4);
	fails(run(OP(APPEND, .model = S("stream.twice"), .data = DATA("1"))), ST_INVALID_ARGUMENT,
	    "");
}

static void
an_append_can_ask_for_the_last_position(void **unused)
{
	(void)unused;
	ok(run(OP(APPEND, .model = S("stream.cas"), .operation_id = fresh(), .data = DATA("1"),
	    FILTERS(S("last"), S("0")))));
	fails(run(OP(APPEND, .model = S("stream.cas"), .operation_id = fresh(), .data = DATA("2"),
		  FILTERS(S("last"), S("0")))),
	    ST_ABORTED, "VERSION_CONFLICT");
	ok(run(OP(APPEND, .model = S("stream.cas"), .operation_id = fresh(), .if_version = 1,
	    .data = DATA("2"))));
	fails(run(OP(APPEND, .model = S("stream.cas"), .operation_id = fresh(), .if_version = 1,
		  .data = DATA("3"))),
	    ST_ABORTED, "VERSION_CONFLICT");
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.cas")))), "1:1 2:2");
}

static void
a_range_has_bounds_pages_and_two_directions(void **unused)
{
	const struct done *d;

	(void)unused;
	append("stream.range", "[1,2,3,4,5,6,7]");
	d = ok(run(OP(QUERY, .model = S("stream.range"), .limit = 3)));
	assert_string_equal(items(d), "1:1 2:2 3:3");
	assert_string_equal(done_str(d, "next_cursor"), "3");
	d = ok(run(OP(QUERY, .model = S("stream.range"), .limit = 4, .cursor = S("3"))));
	assert_string_equal(items(d), "4:4 5:5 6:6 7:7");
	assert_true(json_is_null(json_object_get(d->json, "next_cursor")));
	d = run(OP(
	    QUERY, .model = S("stream.range"), FILTERS(S("after"), S("2"), S("before"), S("5"))));
	assert_string_equal(items(d), "3:3 4:4");
	d = ok(run(OP(QUERY, .model = S("stream.range"), .limit = 3,
	    FILTERS(S("reverse"), S("true"), S("before"), S("7")))));
	assert_string_equal(items(d), "6:6 5:5 4:4");
	assert_string_equal(done_str(d, "next_cursor"), "4");
	d = run(OP(
	    QUERY, .model = S("stream.range"), .cursor = S("4"), FILTERS(S("reverse"), S("true"))));
	assert_string_equal(items(d), "3:3 2:2 1:1");
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.nothing")))), "");
}

static void
a_range_can_begin_and_end_at_a_time(void **unused)
{
	char middle[TIME_RFC3339_LEN];
	const struct done *d;

	(void)unused;
	append("stream.times", "[1,2]");
	loop_run_until(loop, never, NULL, 20 * MS);
	time_rfc3339(time_wall_us(), middle);
	loop_run_until(loop, never, NULL, 20 * MS);
	append("stream.times", "[3]");
	append("stream.times", "[4]");
	d = run(OP(QUERY, .model = S("stream.times"), FILTERS(S("since"), middle)));
	assert_string_equal(items(d), "3:3 4:4");
	d = run(OP(QUERY, .model = S("stream.times"), FILTERS(S("until"), middle)));
	assert_string_equal(items(d), "1:1 2:2");
	d = run(
	    OP(QUERY, .model = S("stream.times"), FILTERS(S("until"), S("2001-01-01T00:00:00Z"))));
	assert_string_equal(items(d), "");
	d = run(
	    OP(QUERY, .model = S("stream.times"), FILTERS(S("since"), S("2101-01-01T00:00:00Z"))));
	assert_string_equal(items(d), "");
	d = ok(run(OP(TRIM, .model = S("stream.times"), .operation_id = fresh(),
	    FILTERS(S("until"), middle))));
	assert_int_equal(d->result->rows_affected, 2);
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.times")))), "3:3 4:4");
}

static void
an_answer_is_bounded_in_bytes_but_never_empty(void **unused)
{
	size_t n = 250 << 10;
	char *big = malloc(n + 3);
	const struct done *d;
	char cursor[24] = "";
	int seen = 0, answers = 0;

	(void)unused;
	memset(big, 'x', n + 2);
	big[0] = big[n + 1] = '"';
	big[n + 2] = '\0';
	for (int i = 0; i < 10; i++)
		append("stream.big", big);
	do {
		d = ok(run(OP(QUERY, .model = S("stream.big"), .cursor = cursor)));
		assert_in_range(json_array_size(json_object_get(d->json, "items")), 1, 4);
		seen += (int)json_array_size(json_object_get(d->json, "items"));
		answers++;
		snprintf(cursor, sizeof(cursor), "%s", done_str(d, "next_cursor"));
	} while (!json_is_null(json_object_get(d->json, "next_cursor")));
	assert_int_equal(seen, 10);
	assert_int_equal(answers, 3);
	free(big);
	big = malloc(300 << 10);
	memset(big, '1', 300 << 10);
	big[0] = big[(300 << 10) - 2] = '"';
	big[(300 << 10) - 1] = '\0';
	fails(run(OP(APPEND, .model = S("stream.big"), .operation_id = fresh(), .data = DATA(big))),
	    ST_INVALID_ARGUMENT, "");
	free(big);
}

static void
who_reads_behind_a_trim_is_told_of_the_gap(void **unused)
{
	const struct done *d;

	(void)unused;
	append("stream.trim", "[1,2,3,4,5,6]");
	d = ok(run(OP(TRIM, .model = S("stream.trim"), .operation_id = S("t"),
	    FILTERS(S("before"), S("4")))));
	assert_int_equal(d->result->rows_affected, 3);
	assert_int_equal(number(d, "first"), 4);
	d = ok(run(OP(TRIM, .model = S("stream.trim"), .operation_id = S("t"),
	    FILTERS(S("before"), S("4")))));
	assert_true(d->result->repeated);
	d = ok(run(OP(QUERY, .model = S("stream.trim"), .cursor = S("1"))));
	assert_string_equal(items(d), "4:4 5:5 6:6");
	assert_true(gap(d));
	assert_false(gap(ok(run(OP(QUERY, .model = S("stream.trim"), .cursor = S("3"))))));
	assert_false(gap(ok(run(OP(QUERY, .model = S("stream.trim"))))));
	d = ok(run(OP(
	    TRIM, .model = S("stream.trim"), .operation_id = fresh(), FILTERS(S("keep"), S("0")))));
	assert_int_equal(number(d, "first"), 7);
	assert_int_equal(number(ok(run(OP(READ_ONE, .model = S("stream.trim")))), "bytes"), 0);
	assert_int_equal(number(append("stream.trim", "7"), "first"), 7);
	fails(run(OP(TRIM, .model = S("stream.trim"), .operation_id = fresh())),
	    ST_INVALID_ARGUMENT, "");
}

static void
a_trim_waits_for_the_slowest_consumer_unless_forced(void **unused)
{
	const struct done *d;

	(void)unused;
	append("stream.held", "[1,2,3,4,5]");
	ok(run(OP(
	    CREATE, .model = S("consumer.held"), .id = S("slow"), .data = DATA("{\"start\":2}"))));
	ok(run(OP(CREATE, .model = S("consumer.held"), .id = S("fast"), .data = DATA("{}"))));
	d = ok(run(OP(
	    TRIM, .model = S("stream.held"), .operation_id = fresh(), FILTERS(S("keep"), S("1")))));
	assert_int_equal(number(d, "first"), 3);
	assert_string_equal(done_str(d, "held_by"), "slow");
	d = ok(run(OP(TRIM, .model = S("stream.held"), .operation_id = fresh(),
	    FILTERS(S("keep"), S("1"), S("force"), S("true")))));
	assert_int_equal(number(d, "first"), 5);
	d = ok(run(OP(READ_ONE, .model = S("consumer.held"), .id = S("slow"))));
	assert_true(gap(d));
	d = ok(run(OP(QUERY, .model = S("stream.held"), FILTERS(S("consumer"), S("slow")))));
	assert_string_equal(items(d), "5:5");
	assert_true(gap(d));
}

static void
declared_retention_is_held_at_each_append(void **unused)
{
	const struct done *d;

	(void)unused;
	d = ok(run(OP(UPDATE, .model = S("stream.kept"), .operation_id = fresh(),
	    .data = DATA("{\"max_length\":3}"))));
	assert_int_equal(number(d, "max_length"), 3);
	append("stream.kept", "[1,2,3,4,5]");
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.kept")))), "3:3 4:4 5:5");
	d = ok(run(OP(UPDATE, .model = S("stream.kept"), .operation_id = fresh(),
	    .data = DATA("{\"max_length\":null,\"max_age_ms\":30}"))));
	assert_true(json_is_null(json_object_get(d->json, "max_length")));
	loop_run_until(loop, never, NULL, 60 * MS);
	append("stream.kept", "6");
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.kept")))), "6:6");
	ok(run(OP(CREATE, .model = S("consumer.kept"), .id = S("c"), .data = DATA("{}"))));
	ok(run(OP(UPDATE, .model = S("stream.kept"), .operation_id = fresh(),
	    .data = DATA("{\"max_length\":1,\"max_age_ms\":null}"))));
	append("stream.kept", "[7,8]");
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.kept")))), "7:7 8:8");
	ok(run(OP(UPDATE, .model = S("stream.kept"), .operation_id = fresh(),
	    .data = DATA("{\"force\":true}"))));
	assert_string_equal(items(run(OP(QUERY, .model = S("stream.kept")))), "8:8");
	fails(run(OP(UPDATE, .model = S("stream.kept"), .operation_id = fresh(),
		  .data = DATA("{\"max_length\":-1}"))),
	    ST_INVALID_ARGUMENT, "");
}

static void
a_consumer_goes_forward_and_back_only_when_asked(void **unused)
{
	const struct done *d;

	(void)unused;
	append("stream.cons", "[1,2,3,4,5]");
	d = ok(run(OP(CREATE, .model = S("consumer.cons"), .id = S("a"),
	    .data = DATA("{\"start\":\"first\"}"))));
	assert_int_equal(number(d, "position"), 0);
	assert_int_equal(number(d, "lag"), 5);
	assert_true(ok(run(OP(CREATE, .model = S("consumer.cons"), .id = S("a"),
			   .data = DATA("{\"start\":\"first\"}"))))
			->result->repeated);
	fails(run(OP(CREATE, .model = S("consumer.cons"), .id = S("a"), .data = DATA("{}"))),
	    ST_ALREADY_EXISTS, "");
	d = ok(run(OP(UPDATE, .model = S("consumer.cons"), .id = S("a"), .operation_id = S("u"),
	    .if_version = 1, .data = DATA("{\"position\":3}"))));
	assert_int_equal(number(d, "lag"), 2);
	assert_int_equal(d->result->version, 2);
	assert_string_equal(
	    items(run(OP(QUERY, .model = S("stream.cons"), FILTERS(S("consumer"), S("a"))))),
	    "4:4 5:5");
	assert_true(
	    ok(run(OP(UPDATE, .model = S("consumer.cons"), .id = S("a"), .operation_id = S("u"),
		   .if_version = 1, .data = DATA("{\"position\":3}"))))
		->result->repeated);
	fails(run(OP(UPDATE, .model = S("consumer.cons"), .id = S("a"), .operation_id = fresh(),
		  .if_version = 1, .data = DATA("{\"position\":4}"))),
	    ST_ABORTED, "VERSION_CONFLICT");
	fails(run(OP(UPDATE, .model = S("consumer.cons"), .id = S("a"), .operation_id = fresh(),
		  .data = DATA("{\"position\":1}"))),
	    ST_FAILED_PRECONDITION, "BACKWARDS");
	fails(run(OP(UPDATE, .model = S("consumer.cons"), .id = S("a"), .operation_id = fresh(),
		  .data = DATA("{\"position\":6}"))),
	    ST_OUT_OF_RANGE, "");
	d = ok(run(OP(UPDATE, .model = S("consumer.cons"), .id = S("a"), .operation_id = fresh(),
	    .data = DATA("{\"position\":1,\"reset\":true}"))));
	assert_int_equal(number(d, "position"), 1);
	ok(run(OP(DELETE, .model = S("consumer.cons"), .id = S("a"), .operation_id = S("d"))));
	assert_true(
	    ok(run(OP(DELETE, .model = S("consumer.cons"), .id = S("a"), .operation_id = S("d"))))
		->result->repeated);
	fails(run(OP(READ_ONE, .model = S("consumer.cons"), .id = S("a"))), ST_NOT_FOUND, "");
	fails(run(OP(QUERY, .model = S("stream.cons"), FILTERS(S("consumer"), S("a")))),
	    ST_NOT_FOUND, "");
}

static void
consumers_are_listed_by_name_in_pages(void **unused)
{
	const struct done *d;

	(void)unused;
	append("stream.list", "[1,2]");
	for (const char *n = "cab"; *n != '\0'; n++)
		ok(run(OP(CREATE, .model = S("consumer.list"), .id = ((char[]){ *n, '\0' }),
		    .data = DATA("{\"start\":\"first\"}"))));
	d = ok(run(OP(QUERY, .model = S("consumer.list"), .limit = 2)));
	assert_string_equal(done_str(d, "next_cursor"), "b");
	d = ok(run(OP(QUERY, .model = S("consumer.list"), .limit = 2, .cursor = S("b"))));
	assert_true(json_is_null(json_object_get(d->json, "next_cursor")));
	assert_int_equal(json_array_size(json_object_get(d->json, "items")), 1);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(json_object_get(d->json, "items"), 0), "lag")),
	    2);
}

static void
a_deleted_stream_begins_again_behind_its_end(void **unused)
{
	(void)unused;
	append("stream.gone", "[1,2]");
	ok(run(OP(CREATE, .model = S("consumer.gone"), .id = S("c"), .data = DATA("{}"))));
	fails(run(OP(DELETE, .model = S("stream.gone"), .operation_id = fresh())),
	    ST_FAILED_PRECONDITION, "HAS_CONSUMERS");
	ok(run(OP(DELETE, .model = S("stream.gone"), .operation_id = fresh(),
	    FILTERS(S("force"), S("true")))));
	fails(run(OP(READ_ONE, .model = S("stream.gone"))), ST_NOT_FOUND, "");
	fails(run(OP(READ_ONE, .model = S("consumer.gone"), .id = S("c"))), ST_NOT_FOUND, "");
	assert_int_equal(number(append("stream.gone", "3"), "first"), 3);
}

static void
what_is_no_stream_operation_is_refused(void **unused)
{
	static const char *const bad[] = { "1.5", "-1", "x", "99999999999999999999", "1 " };

	(void)unused;
	fails(run(OP(CREATE, .model = S("stream.bad"), .data = DATA("{}"))), ST_UNIMPLEMENTED, "");
	fails(run(OP(READ_ONE, .model = S("stream.a}b"))), ST_INVALID_ARGUMENT, "");
	fails(run(OP(READ_ONE, .model = S("stream."))), ST_INVALID_ARGUMENT, "");
	fails(run(OP(READ_ONE, .model = S("consumer.x"), .id = S("a:b"))), ST_INVALID_ARGUMENT, "");
	fails(
	    run(OP(APPEND, .model = S("stream.bad"), .operation_id = fresh(), .data = DATA("[]"))),
	    ST_INVALID_ARGUMENT, "");
	fails(run(OP(APPEND, .model = S("stream.bad"), .operation_id = fresh(), .data = DATA("{"))),
	    ST_INVALID_ARGUMENT, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fails(run(OP(QUERY, .model = S("stream.bad"), .cursor = S(bad[i]))),
		    ST_INVALID_ARGUMENT, "");
		fails(run(OP(QUERY, .model = S("stream.bad"), FILTERS(S("since"), S(bad[i])))),
		    ST_INVALID_ARGUMENT, "");
		fails(run(OP(TRIM, .model = S("stream.bad"), .operation_id = fresh(),
			  FILTERS(S("keep"), S(bad[i])))),
		    ST_INVALID_ARGUMENT, "");
	}
	fails(run(OP(QUERY, .model = S("stream.bad"), FILTERS(S("color"), S("red")))),
	    ST_INVALID_ARGUMENT, "");
	fails(run(OP(QUERY, .model = S("stream.bad"), .limit = 1001)), ST_INVALID_ARGUMENT, "");
}

/* Last: the server is killed, and starts again from its file. */
static void
what_was_acknowledged_is_there_after_kill_9_of_the_server(void **unused)
{
	const struct done *d;
	struct done last;

	(void)unused;
	for (int i = 0; i < 20; i++)
		append("stream.kill", "[1,2,3]");
	begin(&last, OP(APPEND, .model = S("stream.kill"), .operation_id = S("last"),
			 .data = DATA("[4,5]")));
	test_expect_log(LOG_WARN, 1);
	stores_kill_redis(stores, "docs");
	loop_run_until(loop, has_ended, &last, 10 * SEC);
	stores_start_redis(stores, "docs");
	loop_run_until(loop, is_up, docs, 10 * SEC);
	ok(run(OP(
	    APPEND, .model = S("stream.kill"), .operation_id = S("last"), .data = DATA("[4,5]"))));
	d = ok(run(OP(READ_ONE, .model = S("stream.kill"))));
	assert_int_equal(number(d, "first"), 1);
	assert_int_equal(number(d, "last"), 62);
	assert_int_equal(number(d, "bytes"), 62);
	forget(&last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(positions_have_no_gaps_and_an_array_is_several_events),
		T(the_same_append_again_answers_the_same_positions),
		T(an_append_can_ask_for_the_last_position),
		T(a_range_has_bounds_pages_and_two_directions),
		T(a_range_can_begin_and_end_at_a_time),
		T(an_answer_is_bounded_in_bytes_but_never_empty),
		T(who_reads_behind_a_trim_is_told_of_the_gap),
		T(a_trim_waits_for_the_slowest_consumer_unless_forced),
		T(declared_retention_is_held_at_each_append),
		T(a_consumer_goes_forward_and_back_only_when_asked),
		T(consumers_are_listed_by_name_in_pages),
		T(a_deleted_stream_begins_again_behind_its_end),
		T(what_is_no_stream_operation_is_refused),
		T(what_was_acknowledged_is_there_after_kill_9_of_the_server),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, start, stop);
}
