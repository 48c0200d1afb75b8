/* otlp: what goes to a collector, in both forms, and what it answers. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "api/rest/otlp.h"
#include "base/json.h"
#include "base/status.h"
#include "harness/test.h"
#include "proto/otlp.pb-c.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static struct arena *a;

static int
start(void **state)
{
	(void)state;
	a = arena_new(64u << 20);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	arena_free(&a);
	return 0;
}
#define OTLP(f) cmocka_unit_test_setup_teardown(f, start, stop)

static void
add(Mf__TraceBatch *q, const Mf__Trace *m)
{
	ProtobufCBinaryData *b = &q->items[q->n_items++];

	b->data = arena_alloc(a, mf__trace__get_packed_size(m));
	b->len = mf__trace__pack(m, b->data);
}

/* A request at api, a try of sql below it that failed, and one of nosql. */
static void
make(Mf__TraceBatch *q, size_t n, size_t hops)
{
	Mf__Trace m = MF__TRACE__INIT;

	mf__trace_batch__init(q);
	q->items = ARENA_ARRAY(a, ProtobufCBinaryData, n + 2);
	m.id = (char *)(uintptr_t) "0199f0c0-1234-7abc-8def-0123456789ab";
	m.trace_id = (char *)(uintptr_t)TRACE;
	m.span_id = 0x0102030405060708;
	m.parent_id = UINT64_C(0xf067aa0ba902b7);
	m.at = 1763700000000000;
	m.duration_us = 1500;
	m.entry = (char *)(uintptr_t) "api";
	m.name = (char *)(uintptr_t) "GET /v1/tasks/{id}";
	m.http_method = (char *)(uintptr_t) "GET";
	m.route = (char *)(uintptr_t) "/v1/tasks/{id}";
	m.http_status = 200;
	m.why = MF__TRACE_WHY__TRACE_WHY_ERROR;
	m.hops = ARENA_ARRAY(a, Mf__Hop *, hops);
	for (; m.n_hops < hops; m.n_hops++) {
		Mf__Hop *h = m.hops[m.n_hops] = ARENA_NEW(a, Mf__Hop);

		mf__hop__init(h);
		h->node = (char *)(uintptr_t)(m.n_hops % 2 == 0 ? "sql" : "nosql");
		h->method = (char *)(uintptr_t) "Sql.Read";
		h->attempt = (uint32_t)m.n_hops + 1;
		h->start_us = 100;
		h->duration_us = 200;
		h->span_id = 0x10 + m.n_hops;
		h->parent_id = m.span_id;
		h->code = m.n_hops == 0 ? ST_UNAVAILABLE : ST_OK;
		h->reason = (char *)(uintptr_t)(m.n_hops == 0 ? "PEER_LOST" : "");
	}
	for (size_t i = 0; i < n; i++)
		add(q, &m);
}

static const char *
text(const Mf__Otlp__Span *s, const char *key)
{
	for (size_t i = 0; i < s->n_attributes; i++)
		if (strcmp(s->attributes[i]->key, key) == 0)
			return s->attributes[i]->value->string_value;
	return NULL;
}

static void
a_trace_is_spans_of_the_nodes_that_were_called(void **unused)
{
	Mf__TraceBatch q;
	struct otlp_body body;
	const Mf__Otlp__ExportRequest *m;
	const Mf__Otlp__Span *root, *lost;

	(void)unused;
	make(&q, 1, 2);
	otlp_write(a, OTLP_PROTOBUF, &q, &body);
	assert_int_equal(body.spans, 3);
	m = mf__otlp__export_request__unpack(
	    arena_allocator(a), body.bytes.n, (const uint8_t *)body.bytes.p);
	assert_non_null(m);
	assert_int_equal(m->n_resource_spans, 3);
	assert_string_equal(
	    m->resource_spans[0]->resource->attributes[0]->value->string_value, "api");
	root = m->resource_spans[0]->scope_spans[0]->spans[0];
	lost = m->resource_spans[1]->scope_spans[0]->spans[0];
	assert_memory_equal(root->trace_id.data, "\x4b\xf9\x2f\x35", 4);
	assert_memory_equal(root->span_id.data, "\1\2\3\4\5\6\7\10", 8);
	assert_int_equal(root->parent_span_id.len, 8);
	assert_int_equal(root->end_time_unix_nano - root->start_time_unix_nano, 1500000);
	assert_null(root->status); /* the request itself was fine */
	assert_string_equal(text(root, "http.route"), "/v1/tasks/{id}");
	assert_string_equal(text(root, "metafed.why"), "error");
	assert_string_equal(text(lost, "rpc.service"), "Sql");
	assert_string_equal(text(lost, "rpc.method"), "Read");
	assert_string_equal(text(lost, "server.address"), "sql");
	assert_string_equal(text(lost, "error.type"), "PEER_LOST");
	assert_int_equal(lost->status->code, 2);
	assert_memory_equal(lost->parent_span_id.data, root->span_id.data, 8);
	assert_int_equal(lost->start_time_unix_nano - root->start_time_unix_nano, 100000);
}

static void
as_json_ids_are_digits_and_large_numbers_texts(void **unused)
{
	Mf__TraceBatch q;
	struct otlp_body body;
	struct json_error e;
	json_t *v;
	const json_t *s;

	(void)unused;
	make(&q, 1, 1);
	otlp_write(a, OTLP_JSON, &q, &body);
	v = json_read(body.bytes.p, body.bytes.n, &e);
	assert_non_null(v);
	s = json_array_get(
	    json_object_get(
		json_array_get(
		    json_object_get(
			json_array_get(json_object_get(v, "resourceSpans"), 0), "scopeSpans"),
		    0),
		"spans"),
	    0);
	assert_string_equal(json_string_value(json_object_get(s, "traceId")), TRACE);
	assert_string_equal(json_string_value(json_object_get(s, "spanId")), "0102030405060708");
	assert_string_equal(
	    json_string_value(json_object_get(s, "parentSpanId")), "00f067aa0ba902b7");
	assert_string_equal(
	    json_string_value(json_object_get(s, "startTimeUnixNano")), "1763700000000000000");
	assert_int_equal(json_integer_value(json_object_get(s, "kind")), 2);
	json_decref(v);
}

static void
the_largest_batch_is_written_whole_and_what_is_no_trace_left_out(void **unused)
{
	Mf__TraceBatch q;
	struct otlp_body body;

	(void)unused;
	make(&q, 64, 64);
	q.items[64] = (ProtobufCBinaryData){ 3, (uint8_t *)(uintptr_t) "\377\377\377" };
	q.items[65] = (ProtobufCBinaryData){ 0, (uint8_t *)(uintptr_t) "" };
	q.n_items = 66;
	otlp_write(a, OTLP_PROTOBUF, &q, &body);
	assert_int_equal(body.spans, 64 * 65);
	otlp_write(a, OTLP_JSON, &q, &body);
	assert_int_equal(body.spans, 64 * 65);
}

static void
what_a_collector_did_not_take_is_read_in_both_forms(void **unused)
{
	static const struct {
		enum otlp_form form;
		const char *body;
		size_t n;
		uint32_t rejected;
		const char *why;
	} cases[] = {
		{ OTLP_PROTOBUF, "", 0, 0, "" },
		{ OTLP_PROTOBUF,
		    "\x0a\x08\x08\x05\x12\x04"
		    "full",
		    10, 5, "full" },
		{ OTLP_PROTOBUF, "\x0a\xff", 2, 0, "" },
		{ OTLP_PROTOBUF, "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, 0,
		    "" },
		{ OTLP_JSON, "{}", 0, 0, "" },
		{ OTLP_JSON,
		    "{\"partialSuccess\":{\"rejectedSpans\":\"7\",\"errorMessage\":\"no\"}}", 61, 7,
		    "no" },
		{ OTLP_JSON, "{\"partialSuccess\":{\"rejectedSpans\":3}}", 0, 3, "" },
		{ OTLP_JSON, "{\"partialSuccess\":[]}", 0, 0, "" },
		{ OTLP_JSON, "<html>", 0, 0, "" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t rejected = 99;
		const char *why = NULL;

		otlp_read_answer(a, cases[i].form,
		    cases[i].form == OTLP_JSON ? str_of(cases[i].body)
					       : (struct str){ cases[i].body, cases[i].n },
		    &rejected, &why);
		assert_int_equal(rejected, cases[i].rejected);
		assert_string_equal(why, cases[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OTLP(a_trace_is_spans_of_the_nodes_that_were_called),
		OTLP(as_json_ids_are_digits_and_large_numbers_texts),
		OTLP(the_largest_batch_is_written_whole_and_what_is_no_trace_left_out),
		OTLP(what_a_collector_did_not_take_is_read_in_both_forms),
	};

	return TEST_RUN(tests);
}
