/* traces: the ring in which meta keeps them until they are stored and exported, and the search where
 * PostgreSQL does not answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/time.h"
#include "harness/metabed.h"
#include "meta/traces.h"
#include "proto/trace.pb-c.h"

#define RING        1024        /* of services/meta/traces.c */
#define RECORD_MOST (64u << 10) /* likewise */
#define ROOM        512u        /* of a record for all but its name */
#define MESSAGE     (4u << 20)  /* of the bus */
#define PAGE        (2u << 20)  /* of services/meta/traces_find.c */

static struct result r;
static char last[UUID_LEN];

/* Into `bytes`; the number is its trace. Each is newer than the one before. */
static size_t
record(unsigned number, bool failed, const char *name, uint8_t *bytes)
{
	Mf__Trace m = MF__TRACE__INIT;
	char trace[33];

	snprintf(trace, sizeof(trace), "%032x", number);
	uuid7(last);
	m.id = last;
	m.trace_id = trace;
	m.at = (uint64_t)time_wall_us();
	m.entry = (char *)(uintptr_t) "api";
	m.name = (char *)(uintptr_t)name;
	m.http_method = (char *)(uintptr_t) "GET";
	m.route = (char *)(uintptr_t) "/v1/tasks";
	m.failed = failed;
	m.why = failed ? MF__TRACE_WHY__TRACE_WHY_ERROR : MF__TRACE_WHY__TRACE_WHY_SAMPLED;
	return mf__trace__pack(&m, bytes);
}

static void
tell_of(const ProtobufCBinaryData *item, unsigned times)
{
	Mf__TraceBatch q = MF__TRACE_BATCH__INIT;

	q.n_items = 1;
	q.items = (ProtobufCBinaryData *)(uintptr_t)item;
	while (times-- > 0)
		traces_take(mb.meta->traces, &q);
}

/* One that is told so many times. */
static void
tell(unsigned number, bool failed, unsigned times)
{
	uint8_t bytes[ROOM];
	const ProtobufCBinaryData item = { record(number, failed, "GET /v1/tasks", bytes), bytes };

	tell_of(&item, times);
}

/* A name that makes a record as large as one may be. */
static const char *
long_name(void)
{
	static char name[RECORD_MOST - ROOM];

	memset(name, 'n', sizeof(name) - 1);
	return name;
}

static bool
is(void *ctx)
{
	const unsigned *const *pair = ctx;

	return *pair[0] >= *pair[1];
}

static void
wait_until(const unsigned *have, unsigned want)
{
	const unsigned *pair[] = { have, &want };

	loop_run_until(mb.loop, is, pair, 10 * SEC);
	assert_true(*have >= want);
}

static void
they_are_stored_and_exported_once_each_though_told_twice(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		tell(i, false, 2);
	wait_until(&mb.traces_stored, 100);
	wait_until(&mb.traces_exported, 100);
	metabed_pass(1200 * MS);
	assert_int_equal(mb.traces_stored, 100);
	assert_int_equal(mb.traces_exported, 100);
}

static void
what_the_store_does_not_take_waits_and_is_found_here(void **unused)
{
	(void)unused;
	mb.traces.fails = ST_UNAVAILABLE;
	tell(1, true, 1);
	tell(2, false, 1);
	wait_until(&mb.traces.calls, 1);
	RUN(&r, .meta = "traces", .token = "admin", .data = "{\"status\":\"error\"}");
	assert_true(r.r->success);
	assert_true(result_has(&r, "\"trace_id\":\"00000000000000000000000000000001\""));
	assert_false(result_has(&r, "\"trace_id\":\"00000000000000000000000000000002\""));
	assert_true(result_has(&r, "\"degraded\":true"));
	RUN(&r, .meta = "trace", .token = "admin", .node = "00000000000000000000000000000002");
	assert_true(result_has(&r, "\"spans\":[{"));
	RUN(&r, .meta = "trace", .token = "admin", .node = "00000000000000000000000000000003");
	assert_int_equal(r.r->status, ST_UNAVAILABLE); /* it may be among those that are stored */
	mb.traces.fails = ST_OK;
	wait_until(&mb.traces_stored, 2);
	RUN(&r, .meta = "trace", .token = "admin", .node = "00000000000000000000000000000003");
	assert_int_equal(r.r->status, ST_NOT_FOUND);
	assert_non_null(strstr(r.r->problem->message, "traceparent")); /* how to have one kept */
}

static void
what_there_is_no_room_for_does_not_come_again_nor_counts_as_stored(void **unused)
{
	static const char *const by[] = { "to", NULL };
	const char *const store = "store";
	struct metric *sent =
	    metric_get(metric_family(METRIC_COUNTER, "metafed_meta_traces_sent_total",
			   "Traces that were stored, or taken by the collector.", by),
		&store);
	double before = sent->value;

	(void)unused;
	mb.traces_refused = 30;
	for (unsigned i = 0; i < 100; i++) /* two batches */
		tell(i, false, 1);
	wait_until(&mb.traces_stored, 40);
	metabed_pass(1500 * MS);
	assert_int_equal(mb.traces.calls, 2);
	assert_int_equal(mb.traces_stored, 40);
	assert_true(sent->value == before + 40);
	mb.traces_refused = 0;
	tell(100, false, 1);
	wait_until(&mb.traces_stored, 41);
}

static void
what_is_stored_while_it_is_looked_for_is_found(void **unused)
{
	(void)unused;
	mb.find_waits = true;
	tell(1, false, 1);
	RUN(&r, .meta = "trace", .token = "admin", .node = "00000000000000000000000000000001");
	assert_int_equal(mb.traces_stored, 1);
	assert_true(result_has(&r, "\"spans\":[{"));
}

static void
a_full_ring_forgets_the_oldest_and_goes_on(void **unused)
{
	(void)unused;
	mb.traces.fails = ST_UNAVAILABLE;
	mb.exports.again = true;
	for (unsigned i = 0; i < RING + 500; i++)
		tell(i, false, 1);
	RUN(&r, .meta = "traces", .token = "admin", .data = "{\"limit\":1000}");
	assert_true(result_has(&r, "0000000000005f3\"")); /* the newest */
	mb.traces.fails = ST_OK;
	mb.exports.again = false;
	wait_until(&mb.traces_stored, RING);
	wait_until(&mb.traces_exported, RING);
	metabed_pass(700 * MS);
	assert_int_equal(mb.traces_stored, RING);
	assert_int_equal(mb.traces_exported, RING);
}

static void
no_batch_is_larger_than_a_message_may_be(void **unused)
{
	static uint8_t bytes[RECORD_MOST];

	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		const ProtobufCBinaryData item = { record(i, false, long_name(), bytes), bytes };

		tell_of(&item, 1);
	}
	wait_until(&mb.traces_stored, 100);
	wait_until(&mb.traces_exported, 100);
	assert_int_equal(mb.traces_stored, 100);
	assert_int_equal(mb.traces_exported, 100);
	assert_in_range(mb.traces_bytes, RECORD_MOST, MESSAGE / 2);
	assert_in_range(mb.traces.calls, 2, 10); /* and not one by one */
}

static void
one_of_too_many_hops_or_bytes_is_not_taken(void **unused)
{
	static uint8_t bytes[2 * RECORD_MOST];
	static char name[RECORD_MOST + 1];
	static const uint8_t hop[] = { 15 << 3 | 2, 0 };
	ProtobufCBinaryData item = { 0, bytes };

	(void)unused;
	mb.traces.fails = ST_UNAVAILABLE;
	for (unsigned hops = 64; hops <= 65; hops++) {
		item.len = record(hops, false, "GET /v1/tasks", bytes);
		for (unsigned i = 0; i < hops; i++, item.len += sizeof(hop))
			memcpy(bytes + item.len, hop, sizeof(hop));
		tell_of(&item, 1);
	}
	memset(name, 'n', RECORD_MOST);
	item.len = record(1, false, name, bytes);
	tell_of(&item, 1);
	RUN(&r, .meta = "traces", .token = "admin");
	assert_true(result_has(&r, "\"trace_id\":\"00000000000000000000000000000040\""));
	assert_true(result_has(&r, "\"spans\":65"));
	assert_false(result_has(&r, "\"trace_id\":\"00000000000000000000000000000041\""));
	assert_false(result_has(&r, "\"trace_id\":\"00000000000000000000000000000001\""));
}

static void
an_error_is_found_though_sampled_ones_fill_the_ring(void **unused)
{
	(void)unused;
	mb.traces.fails = ST_UNAVAILABLE;
	mb.exports.again = true;
	for (unsigned i = 0; i < 2 * RING; i++)
		tell(i, false, 1);
	tell(9999, true, 1);
	RUN(&r, .meta = "traces", .token = "admin", .data = "{\"status\":\"error\"}");
	assert_true(result_has(&r, "\"trace_id\":\"0000000000000000000000000000270f\""));
	assert_true(result_has(&r, "\"why\":\"error\""));
	mb.traces.fails = ST_OK;
	wait_until(&mb.traces_stored, RING);
}

/* --- pages --- */

/* What comes after `cursor`: how many traces, each of which is marked; the next cursor, "" at the end. */
static unsigned
page(char cursor[UUID_LEN], bool seen[], unsigned n_seen)
{
	char data[128];
	struct json_error e;
	json_t *v, *one;
	unsigned number;
	size_t i, n;

	snprintf(data, sizeof(data), "{\"limit\":1000%s%s%s}",
	    cursor[0] != '\0' ? ",\"cursor\":\"" : "", cursor, cursor[0] != '\0' ? "\"" : "");
	RUN(&r, .meta = "traces", .token = "admin", .data = data);
	assert_true(r.r->success);
	assert_in_range(r.r->result.len, 1, MESSAGE - 1);
	v = json_read(r.r->result.data, r.r->result.len, &e);
	assert_non_null(v);
	n = json_array_size(json_object_get(v, "items"));
	json_array_foreach(json_object_get(v, "items"), i, one)
	{
		const char *id = json_string_value(json_object_get(one, "trace_id"));

		number = (unsigned)strtoul(id, NULL, 16);
		assert_in_range(number, 0, n_seen - 1);
		assert_false(seen[number]);
		seen[number] = true;
	}
	snprintf(
	    cursor, UUID_LEN, "%s", json_string_value(json_object_get(v, "next_cursor")) ?: "");
	json_decref(v);
	return (unsigned)n;
}

static void
a_page_ends_where_a_message_would_be_too_large(void **unused)
{
	static uint8_t bytes[RECORD_MOST];
	bool seen[100] = { false };
	char cursor[UUID_LEN] = "";
	unsigned n = 0, pages = 0;

	(void)unused;
	mb.traces.fails = ST_UNAVAILABLE;
	for (unsigned i = 0; i < 100; i++) {
		const ProtobufCBinaryData item = { record(i, false, long_name(), bytes), bytes };

		tell_of(&item, 1);
	}
	do {
		n += page(cursor, seen, 100);
		pages++;
		assert_true(r.r->result.len >= PAGE || cursor[0] == '\0');
	} while (cursor[0] != '\0');
	assert_int_equal(n, 100);
	assert_in_range(pages, 3, 4);
}

/* The store has the even ones and says four of them at a time; the odd ones wait here since before. */
static void
what_waits_among_what_the_store_left_out_is_on_the_page_of_that(void **unused)
{
	static uint8_t bytes[20][ROOM];
	ProtobufCBinaryData items[20], stored[10];
	char ids[20][UUID_LEN], cursor[UUID_LEN] = "";
	bool seen[20] = { false };

	(void)unused;
	mb.traces_wait = true;
	for (unsigned i = 0; i < 20; i++) {
		items[i] =
		    (ProtobufCBinaryData){ record(i, false, "GET /v1/tasks", bytes[i]), bytes[i] };
		memcpy(ids[i], last, UUID_LEN);
		if (i % 2 == 1)
			tell_of(&items[i], 1);
		else
			stored[9 - i / 2] = items[i];
	}
	mb.found.items = stored;
	mb.found.n_items = 4; /* 18, 16, 14, 12 */
	mb.found.more = true;
	assert_int_equal(page(cursor, seen, 20), 8);
	assert_string_equal(cursor, ids[12]);
	mb.found.items = stored + 4;
	mb.found.n_items = 6; /* 10 to 0 */
	mb.found.more = false;
	assert_int_equal(page(cursor, seen, 20), 12);
	assert_string_equal(cursor, "");
	for (unsigned i = 0; i < 20; i++)
		assert_true(seen[i]);
}

static void
without_a_collector_nothing_is_handed_on_but_one_question(void **unused)
{
	(void)unused;
	mb.exports.off = true;
	tell(1, false, 1);
	wait_until(&mb.traces_stored, 1);
	metabed_pass(700 * MS);
	mb.exports.off = false;
	tell(2, false, 1);
	wait_until(&mb.traces_stored, 2);
	metabed_pass(700 * MS);
	assert_int_equal(mb.traces_exported, 0); /* it is not asked again for a minute */
}

static void
a_search_says_what_is_wrong_with_it_and_who_may_not_is_refused(void **unused)
{
	static const char *const bad[] = { "{\"status\":\"x\"}", "{\"limit\":0}",
		"{\"limit\":1001}", "{\"min_ms\":\"-1\"}", "{\"since\":\"now\"}",
		"{\"cursor\":\"1\"}", "{\"trace_id\":\"ABC\"}" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		RUN(&r, .meta = "traces", .token = "admin", .data = bad[i]);
		assert_int_equal(r.r->status, ST_INVALID_ARGUMENT);
	}
	RUN(&r, .meta = "traces", .token = "bob");
	assert_int_equal(r.r->status, ST_PERMISSION_DENIED);
	RUN(&r, .meta = "trace", .token = "admin", .node = "../etc/passwd");
	assert_int_equal(r.r->status, ST_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		METABED(they_are_stored_and_exported_once_each_though_told_twice),
		METABED(what_the_store_does_not_take_waits_and_is_found_here),
		METABED(what_there_is_no_room_for_does_not_come_again_nor_counts_as_stored),
		METABED(what_is_stored_while_it_is_looked_for_is_found),
		METABED(a_full_ring_forgets_the_oldest_and_goes_on),
		METABED(no_batch_is_larger_than_a_message_may_be),
		METABED(one_of_too_many_hops_or_bytes_is_not_taken),
		METABED(an_error_is_found_though_sampled_ones_fill_the_ring),
		METABED(a_page_ends_where_a_message_would_be_too_large),
		METABED(what_waits_among_what_the_store_left_out_is_on_the_page_of_that),
		METABED(without_a_collector_nothing_is_handed_on_but_one_question),
		METABED(a_search_says_what_is_wrong_with_it_and_who_may_not_is_refused),
	};

	return TEST_RUN(tests);
}
