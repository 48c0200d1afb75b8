/* sql_blobs: large values against a real PostgreSQL: pieces go in and come out, what is sent twice is
 * there once, what nobody needs goes. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/metrics.h"
#include "base/str.h"
#include "base/time.h"
#include "database/sql/blob.h"
#include "harness/sqlbed.h"

#define APPEND .kind = MF__STORE_OP__KIND__APPEND, .model = S("blob")
#define BLOB   .model = S("blob")
#define PIECE  (256u << 10)

static uint8_t *
noise(size_t n, uint64_t seed)
{
	uint8_t *p = malloc(n);
	struct rng r;

	rng_seed(&r, seed);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(&r);
	return p;
}

static const char *
name_of(const uint8_t *p, size_t n)
{
	static char names[8][BLOB_DIGEST + 8];
	static unsigned turn;
	char *name = names[turn++ % 8];
	uint8_t sum[32];

	crypto_hash_sha256(sum, p, n);
	strcpy(name, BLOB_PREFIX);
	str_hex(sum, 32, name + 7);
	return name;
}

static void
begin(const char *id, const char *data)
{
	struct done d = op_run(OP(CREATE, BLOB, .id = S(id), .data = DATA(data)));

	assert_int_equal(d.status, ST_OK);
	done_free(&d);
}

static struct done
append(const char *id, uint64_t offset, const uint8_t *p, size_t n)
{
	return op_run(
	    OP(APPEND, .id = S(id), .offset = offset, .raw = { n, (uint8_t *)(uintptr_t)p }));
}

static void
append_ok(const char *id, uint64_t offset, const uint8_t *p, size_t n)
{
	struct done d = append(id, offset, p, n);

	if (d.status != ST_OK)
		fail_msg("append at %llu: %s", (unsigned long long)offset, d.message);
	done_free(&d);
}

/* All of it, in pieces; the name under which it is stored. */
static const char *
put(const char *id, const uint8_t *p, size_t n)
{
	char data[64];

	snprintf(data, sizeof(data), "{\"length\":%zu,\"media_type\":\"image/png\"}", n);
	begin(id, data);
	for (size_t at = 0; at < n; at += PIECE)
		append_ok(id, at, p + at, n - at < PIECE ? n - at : PIECE);
	return name_of(p, n);
}

static enum status
status_of(const Mf__StoreOp *op, const char *reason)
{
	struct done d = op_run(op);
	enum status s = d.status;

	if (s != ST_OK)
		assert_string_equal(d.reason, reason);
	done_free(&d);
	return s;
}

static void
what_went_in_in_pieces_comes_out_from_anywhere(void **unused)
{
	static const struct {
		uint64_t at;
		uint32_t n;
	} pieces[] = { { 0, PIECE }, { 0, 1 }, { PIECE - 1, 2 }, { PIECE, PIECE }, { 1, 1u << 20 },
		{ 3 * PIECE - 5, 100 }, { 900000, 9 }, { 5, 0 } };
	size_t n = 3 * PIECE + 77;
	uint8_t *p = noise(n, 1);
	const char *name = put(new_id(), p, n);

	(void)unused;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct done d = op_run(OP(
		    READ_ONE, BLOB, .id = S(name), .offset = pieces[i].at, .limit = pieces[i].n));
		size_t left = pieces[i].at < n ? n - pieces[i].at : 0;
		size_t want = pieces[i].n < left ? pieces[i].n : left;

		assert_int_equal(d.status, ST_OK);
		assert_string_equal(done_str(&d, "id"), name);
		assert_string_equal(done_str(&d, "media_type"), "image/png");
		assert_int_equal(json_integer_value(json_object_get(d.json, "size")), n);
		assert_int_equal(d.result->raw.len, want);
		assert_memory_equal(d.result->raw.data, p + pieces[i].at, want);
		done_free(&d);
	}
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(name_of(p, 5))), ""), ST_NOT_FOUND);
	free(p);
}

static void
a_piece_sent_again_is_no_error_and_another_one_there_is(void **unused)
{
	size_t n = PIECE + 10;
	uint8_t *p = noise(n, 2), *q = noise(PIECE, 3);
	const char *id = new_id();
	struct done d;

	(void)unused;
	begin(id, "{\"length\":262154}");
	append_ok(id, 0, p, PIECE);
	d = append(id, 0, p, PIECE);
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->repeated);
	assert_int_equal(json_integer_value(json_object_get(d.json, "offset")), PIECE);
	done_free(&d);
	d = append(id, 0, q, PIECE);
	assert_int_equal(d.status, ST_ABORTED);
	assert_string_equal(d.reason, "OFFSET");
	assert_non_null(strstr(d.message, "262144"));
	done_free(&d);
	d = append(id, PIECE + 1, p, 1);
	assert_string_equal(d.reason, "OFFSET");
	done_free(&d);
	d = append(id, PIECE, p, 11);
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	done_free(&d);
	append_ok(id, PIECE, p + PIECE, 10);
	d = append(id, PIECE, p + PIECE, 10);
	assert_true(d.result->repeated);
	assert_string_equal(done_str(&d, "id"), name_of(p, n));
	done_free(&d);
	free(p);
	free(q);
}

static void
of_two_that_bring_the_same_piece_at_once_both_succeed_and_it_is_there_once(void **unused)
{
	uint8_t *p = noise(2 * PIECE, 4);
	const char *id = new_id();
	struct done d[2] = { 0 };

	(void)unused;
	begin(id, "{\"length\":524288}");
	for (int i = 0; i < 2; i++)
		op_start(&d[i], OP(APPEND, .id = S(id), .raw = { PIECE, p }), 5 * SEC);
	for (int i = 0; i < 2; i++) {
		op_wait(&d[i]);
		assert_int_equal(d[i].status, ST_OK);
	}
	assert_int_equal(d[0].result->repeated + d[1].result->repeated, 1);
	done_free(&d[0]);
	done_free(&d[1]);
	append_ok(id, PIECE, p + PIECE, PIECE);
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(name_of(p, 2 * PIECE))), ""), ST_OK);
	free(p);
}

static void
other_bytes_than_were_announced_are_refused_and_thrown_away(void **unused)
{
	uint8_t *p = noise(100, 5);
	const char *id = new_id();
	char data[120];
	struct done d;

	(void)unused;
	snprintf(data, sizeof(data), "{\"length\":100,\"sha256\":\"%s\"}", name_of(p, 99));
	begin(id, data);
	d = append(id, 0, p, 100);
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.reason, "DIGEST_MISMATCH");
	done_free(&d);
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(id)), ""), ST_NOT_FOUND);
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(name_of(p, 100))), ""), ST_NOT_FOUND);
	free(p);
}

static void
an_upload_of_unknown_length_ends_when_it_is_said(void **unused)
{
	uint8_t *p = noise(1000, 6);
	const char *id = new_id(), *empty = new_id();
	struct done d;

	(void)unused;
	begin(id, "{}");
	append_ok(id, 0, p, 1000);
	d = op_run(OP(UPDATE, BLOB, .id = S(id), .data = DATA("{\"finish\":true}")));
	assert_string_equal(done_str(&d, "id"), name_of(p, 1000));
	done_free(&d);
	d = op_run(OP(UPDATE, BLOB, .id = S(id), .data = DATA("{\"finish\":true}")));
	assert_true(d.result->repeated);
	done_free(&d);
	begin(empty, "{\"length\":0}");
	d = op_run(OP(UPDATE, BLOB, .id = S(empty), .data = DATA("{\"finish\":true}")));
	assert_string_equal(done_str(&d, "id"), name_of(p, 0));
	done_free(&d);
	id = new_id();
	begin(id, "{\"length\":3}");
	assert_int_equal(status_of(OP(UPDATE, BLOB, .id = S(id), .data = DATA("{\"finish\":true}")),
			     "INCOMPLETE"),
	    ST_FAILED_PRECONDITION);
	free(p);
}

static bool
none(void *statement)
{
	return bed_count(statement) == 0;
}

/* A round of upkeep, until this counts nothing any more. */
static void
tidy_until_none(const char *statement)
{
	upkeep_start(0);
	bed_until(none, (void *)(uintptr_t)statement, 10 * SEC);
	bed_open_anew(); /* ends what of it is under way */
}

static void
the_same_bytes_are_kept_once_and_the_others_thrown_away(void **unused)
{
	uint8_t *p = noise(2 * PIECE, 7);
	const char *name = put(new_id(), p, 2 * PIECE);
	uint64_t before = bed_count("SELECT coalesce(sum(delta),0) FROM blob_ledger");

	(void)unused;
	assert_string_equal(put(new_id(), p, 2 * PIECE), name);
	assert_int_equal(bed_count("SELECT coalesce(sum(delta),0) FROM blob_ledger"), before);
	assert_int_equal(bed_count("SELECT count(*) FROM blob_garbage"), 1 + 1);
	tidy_until_none("SELECT count(*) FROM blob_garbage g JOIN blob_chunks c USING (content)");
	tidy_until_none("SELECT count(*) FROM blob_garbage");
	assert_int_equal(
	    bed_count("SELECT count(*) FROM blob_chunks c WHERE NOT EXISTS(SELECT FROM "
		      "blobs WHERE content=c.content) AND NOT EXISTS(SELECT FROM "
		      "blob_uploads WHERE id=c.content)"),
	    0);
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(name), .limit = 1), ""), ST_OK);
	free(p);
}

static void
a_blob_that_a_task_refers_to_stays_and_another_goes_after_its_time(void **unused)
{
	uint8_t *p = noise(300, 8);
	const char *used = put(new_id(), p, 300), *unused_one = put(new_id(), p, 200);
	const char *task = new_id();
	char data[200];

	(void)unused;
	snprintf(data, sizeof(data),
	    "{\"title\":\"t\",\"payload\":{\"$blob\":{\"id\":\"%s\",\"size\":300}}}", used);
	bed_create(task, data);
	assert_int_equal(
	    status_of(OP(DELETE, BLOB, .id = S(used)), "BLOB_IN_USE"), ST_FAILED_PRECONDITION);
	(void)bed_count("WITH x AS (UPDATE blobs SET used_at=now()-interval '31 days' RETURNING 1)"
			" SELECT count(*) FROM x");
	tidy_until_none("SELECT count(*) FROM blobs WHERE used_at<now()-interval '30 days'");
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(used)), ""), ST_OK);
	assert_int_equal(status_of(OP(READ_ONE, BLOB, .id = S(unused_one)), ""), ST_NOT_FOUND);
	assert_int_equal(status_of(OP(DELETE, .id = S(task), .operation_id = S("d1")), ""), ST_OK);
	assert_int_equal(
	    status_of(OP(DELETE, BLOB, .id = S(used), .operation_id = S("d2")), ""), ST_OK);
	assert_int_equal(
	    status_of(OP(DELETE, BLOB, .id = S(used), .operation_id = S("d2")), ""), ST_OK);
	assert_int_equal(
	    status_of(OP(DELETE, BLOB, .id = S(used), .operation_id = S("d3")), ""), ST_NOT_FOUND);
	free(p);
}

static void
uploads_of_one_principal_and_bytes_of_all_are_bounded(void **unused)
{
	const char *ids[] = { new_id(), new_id(), new_id() };
	struct done d;

	(void)unused;
	sqlbed.config.blob_uploads = 2;
	bed_open_anew();
	for (int i = 0; i < 3; i++) {
		d = op_run(OP(CREATE, BLOB, .id = S(ids[i]), .actor = S("ann"),
		    .data = DATA("{\"length\":10}")));
		assert_int_equal(d.status, i < 2 ? ST_OK : ST_RESOURCE_EXHAUSTED);
		done_free(&d);
	}
	d = op_run(
	    OP(CREATE, BLOB, .id = S(ids[0]), .actor = S("ann"), .data = DATA("{\"length\":10}")));
	assert_true(d.result->repeated);
	done_free(&d);
	assert_int_equal(status_of(OP(DELETE, BLOB, .id = S(ids[0])), ""), ST_OK);
	sqlbed.config.blob_uploads = 64;
	sqlbed.config.blob_store_max = 100000000;
	test_expect_log(LOG_WARN, 1);
	bed_open_anew();
	assert_int_equal(
	    status_of(OP(CREATE, BLOB, .id = S(ids[2]), .data = DATA("{\"length\":60000000}")), ""),
	    ST_OK);
	assert_int_equal(
	    status_of(OP(CREATE, BLOB, .id = S(new_id()), .data = DATA("{\"length\":60000000}")),
		"BLOB_STORE_FULL"),
	    ST_RESOURCE_EXHAUSTED);
	assert_int_equal(
	    status_of(OP(CREATE, BLOB, .id = S(new_id()), .data = DATA("{\"length\":2000000000}")),
		"TOO_LARGE"),
	    ST_INVALID_ARGUMENT);
	sqlbed.config.blob_store_max = 0;
	bed_open_anew();
}

static void
a_list_goes_from_page_to_page(void **unused)
{
	uint8_t *p = noise(64, 9);
	size_t seen = 0;
	char cursor[BLOB_DIGEST + 8] = "";

	(void)unused;
	for (size_t i = 1; i <= 5; i++)
		put(new_id(), p, i);
	do {
		struct done d = op_run(OP(QUERY, BLOB, .limit = 2, .cursor = cursor));
		const char *next = json_string_value(json_object_get(d.json, "next_cursor"));

		assert_int_equal(d.status, ST_OK);
		seen += json_array_size(json_object_get(d.json, "items"));
		snprintf(cursor, sizeof(cursor), "%s", next == NULL ? "" : next);
		done_free(&d);
	} while (cursor[0] != '\0');
	assert_int_equal(seen, bed_count("SELECT count(*) FROM blobs"));
	assert_true(seen >= 5);
	free(p);
}

/* {"title":"t","payload":BEFORExxx...AFTER} */
static const char *
large(const char *before, size_t n, const char *after)
{
	static char texts[4][700000];
	static unsigned turn;
	char *p = texts[turn++ % 4], *at = p;

	at = stpcpy(stpcpy(at, "{\"title\":\"t\",\"payload\":"), before);
	memset(at, 'x', n);
	strcpy(stpcpy(at + n, after), "}");
	return p;
}

/* What the payload of an object is kept as; the text of it is there under this name. */
static void
assert_kept(const json_t *object, const char *before, size_t n, const char *after)
{
	const json_t *ref = json_object_get(json_object_get(object, "payload"), "$blob");
	size_t size = strlen(before) + n + strlen(after);
	char *text = malloc(size + 1);
	struct done d;

	strcpy(text, before);
	memset(text + strlen(before), 'x', n);
	strcpy(text + strlen(before) + n, after);
	assert_non_null(ref);
	assert_string_equal(
	    json_string_value(json_object_get(ref, "id")), name_of((uint8_t *)text, size));
	assert_int_equal(json_integer_value(json_object_get(ref, "size")), size);
	d = op_run(OP(READ_ONE, BLOB, .id = S(json_string_value(json_object_get(ref, "id"))),
	    .limit = 1u << 20));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->raw.len, size);
	assert_memory_equal(d.result->raw.data, text, size);
	done_free(&d);
	free(text);
}

static void
a_payload_beyond_its_limit_is_kept_as_a_blob(void **unused)
{
	const char *id = new_id(), *data = large("{\"a\":\"", 300000, "\"}");
	struct done d = op_run(OP(CREATE, .id = S(id), .data = DATA(data)));
	uint64_t blobs;

	(void)unused;
	assert_int_equal(d.status, ST_OK);
	assert_false(d.result->repeated);
	assert_int_equal(d.result->n_warnings, 1);
	assert_string_equal(d.result->warnings[0], "\"payload\";size=300008;limit=262144");
	assert_kept(d.json, "{\"a\":\"", 300000, "\"}");
	done_free(&d);
	blobs = bed_count("SELECT count(*) FROM blobs");
	d = op_run(OP(CREATE, .id = S(id), .data = DATA(data)));
	assert_int_equal(d.status, ST_OK);
	assert_true(d.result->repeated);
	done_free(&d);
	assert_int_equal(bed_count("SELECT count(*) FROM blobs"), blobs);
	/* a task that is refused leaves no blob */
	assert_int_equal(
	    status_of(
		OP(CREATE, .id = S("x"), .data = DATA(large("\"", 300001, "\""))), "VALIDATION"),
	    ST_INVALID_ARGUMENT);
	assert_int_equal(bed_count("SELECT count(*) FROM blobs"), blobs);
}

static void
a_change_replaces_by_a_blob_what_it_does_not_merge(void **unused)
{
	const char *id = new_id(), *name = name_of((const uint8_t *)"", 0);
	char patch[200];
	struct done d;

	(void)unused;
	bed_create(id, "{\"title\":\"t\",\"payload\":{\"k\":1}}");
	assert_int_equal(
	    status_of(OP(UPDATE, .id = S(id), .data = DATA(large("{\"a\":\"", 300000, "\"}"))),
		"VALIDATION"),
	    ST_INVALID_ARGUMENT);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA(large("[\"", 290000, "\"]"))));
	assert_int_equal(d.status, ST_OK);
	assert_kept(d.json, "[\"", 290000, "\"]");
	done_free(&d);
	/* a reference is merged neither with what is there nor with what comes */
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA("{\"payload\":{\"n\":2}}")));
	done_assert_json(&d, "payload", "{\"n\":2}");
	done_free(&d);
	snprintf(patch, sizeof(patch), "{\"payload\":{\"$blob\":{\"id\":\"%s\"}}}", name);
	d = op_run(OP(UPDATE, .id = S(id), .data = DATA(patch)));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(json_object_size(json_object_get(d.json, "payload")), 1);
	done_free(&d);
}

static void
many_at_once_and_transactions_have_their_blobs_in_the_same_commit(void **unused)
{
	const char *ids[] = { new_id(), new_id(), new_id() };
	uint64_t blobs = bed_count("SELECT count(*) FROM blobs");
	const char *one = large("\"1", 270000, "\"");
	Mf__StoreOp *members[] = { (Mf__StoreOp *)(uintptr_t)OP(
				       CREATE, .id = S(ids[0]), .data = DATA(one)),
		(Mf__StoreOp *)(uintptr_t)OP(
		    CREATE, .id = S(ids[1]), .data = DATA("{\"title\":\"t\"}")),
		(Mf__StoreOp *)(uintptr_t)OP(
		    UPDATE, .id = S(ids[1]), .data = DATA(large("\"2", 280000, "\""))),
		(Mf__StoreOp *)(uintptr_t)OP(DELETE, .id = S(ids[2])) };
	struct done d;
	json_t *v;
	char *bulk;

	(void)unused;
	assert_int_equal(status_of(OP(TRANSACTION, .n_members = 4, .members = members,
				       .operation_id = S("spill-1")),
			     ""),
	    ST_NOT_FOUND);
	assert_int_equal(bed_count("SELECT count(*) FROM blobs"), blobs);
	for (int round = 0; round < 2; round++) {
		d = op_run(OP(
		    TRANSACTION, .n_members = 3, .members = members, .operation_id = S("spill-1")));
		assert_int_equal(d.status, ST_OK);
		assert_int_equal(d.result->repeated, round);
		for (int i = 0; i < 3; i += 2) {
			struct json_error e;

			v = json_read(
			    d.result->items[i]->data.data, d.result->items[i]->data.len, &e);
			assert_kept(v, i == 0 ? "\"1" : "\"2", i == 0 ? 270000 : 280000, "\"");
			json_decref(v);
		}
		done_free(&d);
	}
	assert_int_equal(bed_count("SELECT count(*) FROM blobs"), blobs + 2);
	bulk = malloc(700000);
	sprintf(bulk, "[{\"id\":\"%s\",%s,{\"title\":\"small\"}]", ids[2],
	    large("\"3", 290000, "\"") + 1);
	d = op_run(OP(BULK, .data = DATA(bulk)));
	assert_int_equal(d.status, ST_OK);
	assert_int_equal(d.result->n_warnings, 1);
	assert_null(d.result->items[0]->problem);
	done_free(&d);
	d = op_run(OP(READ_ONE, .id = S(ids[2])));
	assert_kept(d.json, "\"3", 290000, "\"");
	done_free(&d);
	free(bulk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_payload_beyond_its_limit_is_kept_as_a_blob),
		T(a_change_replaces_by_a_blob_what_it_does_not_merge),
		T(many_at_once_and_transactions_have_their_blobs_in_the_same_commit),
		T(what_went_in_in_pieces_comes_out_from_anywhere),
		T(a_piece_sent_again_is_no_error_and_another_one_there_is),
		T(of_two_that_bring_the_same_piece_at_once_both_succeed_and_it_is_there_once),
		T(other_bytes_than_were_announced_are_refused_and_thrown_away),
		T(an_upload_of_unknown_length_ends_when_it_is_said),
		T(the_same_bytes_are_kept_once_and_the_others_thrown_away),
		T(a_blob_that_a_task_refers_to_stays_and_another_goes_after_its_time),
		T(uploads_of_one_principal_and_bytes_of_all_are_bounded),
		T(a_list_goes_from_page_to_page),
	};

	return cmocka_run_group_tests(tests, sqlbed_start, sqlbed_stop);
}
