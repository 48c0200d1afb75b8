/* documents: mf.Nosql on a real Redis: documents, declarations, unique indexes, lives, bulk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "harness/docbed.h"

#define REFUSED(x, st, why)                                                                        \
	do {                                                                                       \
		const struct said *x_ = (x);                                                       \
		if (x_->status != (st) || strcmp(x_->reason, (why)) != 0)                          \
			fail_msg("%s %s: %s", status_name(x_->status), x_->reason, x_->message);   \
	} while (0)

static struct said *
create(const char *model, const char *id, const char *data)
{
	return doc_ask(DOC_ASK(CREATE, .model = model, .id = id, .data = data));
}

static struct said *
update(const char *model, const char *id, const char *data)
{
	return doc_ask(DOC_ASK(UPDATE, .model = model, .id = id, .data = data));
}

static const char *
data_of(const char *model, const char *id)
{
	struct said *x = doc_ask(DOC_ASK(READ_ONE, .model = model, .id = id));

	return x->status == ST_OK ? doc_text(x, "data") : status_name(x->status);
}

static void
a_document_lives_its_life(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	x = create(m, "a", "{\"n\": 1, \"big\": 9007199254740993, \"empty\": []}");
	assert_int_equal(x->status, ST_OK);
	assert_int_equal(x->version, 1);
	assert_false(x->repeated);
	assert_string_equal(data_of(m, "a"), "{\"n\":1,\"big\":9007199254740993,\"empty\":[]}");
	x = update(m, "a", "{\"n\": 2, \"empty\": null}");
	assert_int_equal(x->version, 2);
	assert_string_equal(data_of(m, "a"), "{\"n\":2,\"big\":9007199254740993}");
	x = update(m, "a", "{\"$inc\": {\"/n\": 40, \"/big\": 1}, \"$push\": {\"/log\": \"x\"}}");
	assert_int_equal(x->version, 3);
	assert_string_equal(data_of(m, "a"), "{\"n\":42,\"big\":9007199254740994,\"log\":[\"x\"]}");
	REFUSED(doc_ask(DOC_ASK(UPDATE, .model = m, .id = "a", .data = "{}", .if_version = 2)),
	    ST_ABORTED, "VERSION_CONFLICT");
	REFUSED(doc_ask(DOC_ASK(DELETE, .model = m, .id = "a", .if_version = 2)), ST_ABORTED,
	    "VERSION_CONFLICT");
	x = doc_done(DOC_ASK(DELETE, .model = m, .id = "a", .if_version = 3));
	assert_int_equal(x->version, 3);
	assert_string_equal(data_of(m, "a"), "NOT_FOUND");
	REFUSED(update(m, "a", "{}"), ST_NOT_FOUND, "");
	REFUSED(doc_ask(DOC_ASK(DELETE, .model = m, .id = "a")), ST_NOT_FOUND, "");
}

static void
the_same_operation_again_answers_what_it_made(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	create(m, "a", "{\"n\":0}");
	assert_true(create(m, "a", "{\"n\":0}")->repeated);
	REFUSED(create(m, "a", "{\"n\":1}"), ST_ALREADY_EXISTS, "ID_TAKEN");
	for (int i = 0; i < 3; i++) {
		x = doc_done(DOC_ASK(UPDATE, .model = m, .id = "a", .operation = "op-1",
		    .data = "{\"$inc\":{\"/n\":1}}"));
		assert_int_equal(x->version, 2);
		assert_int_equal(x->repeated, i > 0);
	}
	update(m, "a", "{\"n\":7}");
	x = doc_done(DOC_ASK(UPDATE, .model = m, .id = "a", .operation = "op-1",
	    .data = "{\"$inc\":{\"/n\":1}}", .if_version = 1));
	assert_string_equal(doc_text(x, "data"), "{\"n\":1}");
	assert_string_equal(data_of(m, "a"), "{\"n\":7}");
	for (int i = 0; i < 2; i++) {
		x = doc_done(DOC_ASK(DELETE, .model = m, .id = "a", .operation = "op-2"));
		assert_int_equal(x->version, 3);
		assert_int_equal(x->repeated, i > 0);
	}
}

static void
many_updates_of_one_document_at_once_all_count(void **unused)
{
	const char *m = doc_name();
	struct said *all[40];

	(void)unused;
	create(m, "a", "{}");
	for (int i = 0; i < 40; i++)
		all[i] = doc_start(
		    DOC_ASK(UPDATE, .model = m, .id = "a", .data = "{\"$inc\":{\"/n\":1}}"));
	for (int i = 0; i < 40; i++)
		assert_int_equal(doc_wait(all[i])->status, ST_OK);
	assert_string_equal(data_of(m, "a"), "{\"n\":40}");
}

/* What another process changed is not what was seen here. */
static void
a_guess_that_is_wrong_is_made_good(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	create(m, "a", "{\"n\":1}");
	doc_redis("SET mf:{%s}:d:a 9:{\"n\":\"theirs\"}", m);
	REFUSED(update(m, "a", "{\"$inc\":{\"/n\":1}}"), ST_INVALID_ARGUMENT, "VALIDATION");
	doc_redis("SET mf:{%s}:d:a 9:{\"n\":10}", m);
	assert_int_equal(update(m, "a", "{\"$inc\":{\"/n\":1}}")->version, 10);
	assert_string_equal(data_of(m, "a"), "{\"n\":11}");
	doc_redis("DEL mf:{%s}:d:a", m);
	REFUSED(update(m, "a", "{\"$inc\":{\"/n\":1}}"), ST_NOT_FOUND, "");
}

static void
an_update_costs_one_round_trip_when_its_document_was_seen(void **unused)
{
	const char *m = doc_name();
	int64_t before;

	(void)unused;
	create(m, "a", "{}");
	update(m, "a", "{\"$inc\":{\"/n\":1}}");
	doc_redis("CONFIG RESETSTAT");
	for (int i = 0; i < 10; i++)
		update(m, "a", "{\"$inc\":{\"/n\":1}}");
	before =
	    doc_redis("EVAL %s 0", "return(tonumber(string.match(redis.call('INFO','commandstats'),"
				   "'cmdstat_evalsha:calls=(%d+)')))");
	assert_int_equal(before, 10);
}

static void
a_schema_holds_for_every_write(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	doc_declare(m, "{\"schema\":{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{"
		       "\"name\":{\"type\":\"string\",\"minLength\":1},"
		       "\"n\":{\"type\":\"integer\",\"maximum\":3}}}}");
	x = create(m, "a", "{\"n\":1}");
	REFUSED(x, ST_INVALID_ARGUMENT, "VALIDATION");
	assert_string_equal(x->field, "/name");
	assert_int_equal(create(m, "a", "{\"name\":\"x\",\"n\":3}")->status, ST_OK);
	x = update(m, "a", "{\"$inc\":{\"/n\":1}}");
	REFUSED(x, ST_INVALID_ARGUMENT, "VALIDATION");
	assert_string_equal(x->field, "/n");
	REFUSED(update(m, "a", "{\"name\":null}"), ST_INVALID_ARGUMENT, "VALIDATION");
	assert_string_equal(data_of(m, "a"), "{\"name\":\"x\",\"n\":3}");
}

static void
what_is_wrong_with_a_declaration_is_said_with_its_place(void **unused)
{
	static const struct {
		const char *data, *field;
	} bad[] = {
		{ "{\"indices\":[]}", "/indices" },
		{ "{\"ttl_ms\":0}", "/ttl_ms" },
		{ "{\"indexes\":{}}", "/indexes" },
		{ "{\"indexes\":[{\"name\":\"a\"}]}", "/indexes/0/fields" },
		{ "{\"indexes\":[{\"name\":\"a\",\"fields\":[\"x\"]}]}", "/indexes/0/fields/0" },
		{ "{\"indexes\":[{\"name\":\"a\",\"fields\":[\"/x\"],\"sparse\":true}]}",
		    "/indexes/0/sparse" },
		{ "{\"indexes\":[{\"name\":\"a\",\"fields\":[\"/x\"]},"
		  "{\"name\":\"a\",\"fields\":[\"/y\"]}]}",
		    "/indexes/1" },
		{ "{\"schema\":{\"typ\":\"object\"}}", "/schema" },
		{ "{\"schema\":7}", "/schema" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct said *x = doc_ask(
		    DOC_ASK(CREATE, .model = "collection", .id = "bad", .data = bad[i].data));

		assert_int_equal(x->status, ST_INVALID_ARGUMENT);
		assert_string_equal(x->field, bad[i].field);
	}
	assert_int_equal(
	    doc_ask(DOC_ASK(READ_ONE, .model = "collection", .id = "bad"))->status, ST_NOT_FOUND);
}

static void
a_declaration_is_made_read_changed_listed_and_dropped(void **unused)
{
	const char *m = doc_name(), *name = m + 4;
	struct said *x;

	(void)unused;
	REFUSED(doc_ask(DOC_ASK(UPDATE, .model = "collection", .id = name, .data = "{}")),
	    ST_NOT_FOUND, "");
	doc_declare(m, "{\"indexes\":[{\"name\":\"by_n\",\"fields\":[\"/n\"]}]}");
	x = doc_done(DOC_ASK(CREATE, .model = "collection", .id = name,
	    .data = "{\"indexes\":[{\"name\":\"by_n\",\"fields\":[\"/n\"]}]}"));
	assert_true(x->repeated);
	REFUSED(doc_ask(DOC_ASK(CREATE, .model = "collection", .id = name, .data = "{}")),
	    ST_ALREADY_EXISTS, "ID_TAKEN");
	create(m, "a", "{\"n\":1}");
	x = doc_done(DOC_ASK(READ_ONE, .model = "collection", .id = name));
	assert_string_equal(doc_text(x, "documents"), "1");
	assert_string_equal(doc_text(x, "data"),
	    "{\"indexes\":[{\"name\":\"by_n\",\"fields\":[\"/n\"],\"unique\":false,"
	    "\"state\":\"ready\"}]}");
	x = doc_done(DOC_ASK(UPDATE, .model = "collection", .id = name, .if_version = 1,
	    .data = "{\"ttl_ms\":3600000,\"indexes\":[]}"));
	assert_int_equal(x->version, 2);
	assert_string_equal(doc_text(x, "data"), "{\"indexes\":[],\"ttl_ms\":3600000}");
	x = doc_done(DOC_ASK(QUERY_MANY, .model = "collection", .limit = 1000));
	assert_non_null(strstr(x->text, name));
	REFUSED(doc_ask(DOC_ASK(DELETE, .model = "collection", .id = name)), ST_FAILED_PRECONDITION,
	    "NOT_EMPTY");
	doc_done(DOC_ASK(
	    DELETE, .model = "collection", .id = name, .filter = "drop", .operation = "drop-1"));
	x = doc_done(DOC_ASK(
	    DELETE, .model = "collection", .id = name, .filter = "drop", .operation = "drop-1"));
	assert_true(x->repeated);
	assert_string_equal(data_of(m, "a"), "NOT_FOUND");
	REFUSED(doc_ask(DOC_ASK(DELETE, .model = "collection", .id = name)), ST_NOT_FOUND, "");
	assert_int_equal(create(m, "a", "{\"n\":1}")->status, ST_OK);
}

static void
a_unique_index_takes_a_key_once(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"by_mail\",\"fields\":[\"/org\",\"/mail\"],"
		       "\"unique\":true}]}");
	create(m, "a", "{\"org\":1,\"mail\":\"x\"}");
	x = create(m, "b", "{\"org\":1.0,\"mail\":\"x\"}");
	REFUSED(x, ST_ALREADY_EXISTS, "UNIQUE");
	assert_non_null(strstr(x->message, "by_mail"));
	assert_non_null(strstr(x->message, "/org, /mail"));
	assert_int_equal(create(m, "b", "{\"org\":2,\"mail\":\"x\"}")->status, ST_OK);
	REFUSED(update(m, "b", "{\"org\":1}"), ST_ALREADY_EXISTS, "UNIQUE");
	assert_int_equal(update(m, "a", "{\"seen\":true}")->status, ST_OK);
	/* as in SQL, what is missing or null is nobody's */
	assert_int_equal(create(m, "c", "{\"org\":1}")->status, ST_OK);
	assert_int_equal(create(m, "d", "{\"org\":1,\"mail\":null}")->status, ST_OK);
	assert_int_equal(create(m, "e", "{\"org\":1}")->status, ST_OK);
	doc_done(DOC_ASK(DELETE, .model = m, .id = "a"));
	assert_int_equal(update(m, "b", "{\"org\":1}")->status, ST_OK);
}

static void
an_index_over_documents_that_are_there_is_built_beside_them(void **unused)
{
	const char *m = doc_name();
	char id[20], data[60];
	struct said *x;

	(void)unused;
	for (int i = 0; i < 700; i++) {
		snprintf(id, sizeof(id), "d%03d", i);
		snprintf(data, sizeof(data), "{\"n\":%d,\"half\":%d}", i, i / 2);
		create(m, id, data);
	}
	doc_declare(m, "{\"indexes\":[{\"name\":\"by_n\",\"fields\":[\"/n\"],\"unique\":true},"
		       "{\"name\":\"by_half\",\"fields\":[\"/half\"],\"unique\":true}]}");
	create(m, "new", "{\"n\":1000,\"half\":1000}");
	update(m, "d001", "{\"n\":1001}");
	doc_until_built(m);
	x = doc_done(DOC_ASK(READ_ONE, .model = "collection", .id = m + 4));
	assert_non_null(strstr(x->text, "\"name\":\"by_n\",\"fields\":[\"/n\"],\"unique\":true,"
					"\"state\":\"ready\""));
	assert_non_null(strstr(x->text, "have the same key")); /* by_half can't be */
	x = doc_done(
	    DOC_ASK(UPDATE, .model = "collection", .id = m + 4, .data = "{\"check\":true}"));
	assert_string_equal(x->text, "{\"documents\":701,\"missing\":0,\"unfit\":0,\"taken\":0,"
				     "\"entries\":701,\"strays\":0,\"mended\":false,"
				     "\"next_cursor\":null}");
	REFUSED(create(m, "other", "{\"n\":1001}"), ST_ALREADY_EXISTS, "UNIQUE");
}

static void
a_check_finds_planted_damage_and_mends_it(void **unused)
{
	const char *m = doc_name();
	char id[20], data[40];
	struct said *x;

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"by_n\",\"fields\":[\"/n\"]}]}");
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "d%02d", i);
		snprintf(data, sizeof(data), "{\"n\":%d}", i);
		create(m, id, data);
	}
	doc_redis("DEL mf:{%s}:d:d07", m);               /* entries without a document */
	doc_redis("DEL mf:{%s}:k:d08", m);               /* a document that does not know its own */
	doc_redis("SET mf:{%s}:d:d09 5:{\"n\":999}", m); /* one changed behind our back */
	x = doc_done(DOC_ASK(
	    UPDATE, .model = "collection", .id = m + 4, .data = "{\"check\":{\"mend\":false}}"));
	assert_string_equal(doc_text(x, "missing"), "2");
	assert_string_equal(doc_text(x, "strays"), "2");
	x = doc_done(DOC_ASK(
	    UPDATE, .model = "collection", .id = m + 4, .data = "{\"check\":{\"mend\":true}}"));
	assert_string_equal(doc_text(x, "mended"), "true");
	x = doc_done(
	    DOC_ASK(UPDATE, .model = "collection", .id = m + 4, .data = "{\"check\":true}"));
	assert_string_equal(doc_text(x, "missing"), "0");
	assert_string_equal(doc_text(x, "strays"), "0");
	assert_string_equal(doc_text(x, "entries"), "49");
	x = doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":999}"));
	assert_non_null(strstr(x->text, "\"d09\""));
}

/* Thrown away, not only no longer shown. */
static void
await_swept(const char *model, const char *id)
{
	int64_t began = time_now_us();

	while (doc_redis("EXISTS mf:{%s}:d:%s", model, id) == 1) {
		assert_true(time_now_us() - began < 20 * SEC);
		doc_pass(20 * MS);
	}
}

static void
a_document_is_gone_when_its_time_is_over(void **unused)
{
	const char *m = doc_name();
	struct said *x;
	int64_t began;

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"by_n\",\"fields\":[\"/n\"],\"unique\":true}]}");
	doc_done(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{\"n\":1}", .ttl_ms = 60));
	began = time_now_us();
	doc_done(DOC_ASK(CREATE, .model = m, .id = "b", .data = "{\"n\":2}", .ttl_ms = 60000));
	x = doc_done(DOC_ASK(READ_ONE, .model = m, .id = "b"));
	assert_non_null(strstr(x->text, "\"expires_at\""));
	while (time_now_us() - began < 70 * MS)
		doc_pass(5 * MS);
	/* at once, whether or not it was thrown away */
	assert_string_equal(data_of(m, "a"), "NOT_FOUND");
	x = doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":{\"gt\":0}}"));
	assert_null(strstr(x->text, "\"a\""));
	REFUSED(update(m, "a", "{}"), ST_NOT_FOUND, "");
	assert_int_equal(update(m, "b", "{\"n\":1}")->status, ST_OK);
	await_swept(m, "a");
	assert_int_equal(doc_redis("EXISTS mf:{%s}:k:a", m), 0);
	assert_int_equal(doc_redis("ZCARD mf:{%s}:ids", m), 1);
	/* and its id begins anew */
	x = create(m, "a", "{\"n\":5}");
	assert_int_equal(x->version, 1);
}

static void
a_collection_may_give_all_its_documents_a_life(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	doc_declare(m, "{\"ttl_ms\":50}");
	create(m, "a", "{}");
	docbed_reopen(); /* another process finds what this one leaves */
	await_swept(m, "a");
}

static void
what_is_made_while_others_are_thrown_away_has_its_turn_too(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	doc_declare(m, "{}");
	doc_pass(50 * MS); /* in which upkeep has looked at it */
	doc_done(DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 30));
	stores_pause_redis(docbed.stores, "docs", true);
	doc_pass(200 * MS); /* its time is over, and that was sent */
	x = doc_start(DOC_ASK(CREATE, .model = m, .id = "b", .data = "{}", .ttl_ms = 30));
	doc_pass(10 * MS);
	stores_pause_redis(docbed.stores, "docs", false);
	assert_int_equal(doc_wait(x)->status, ST_OK);
	await_swept(m, "a");
	await_swept(m, "b");
}

static void
the_life_of_what_was_staged_begins_when_it_is_settled(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	doc_declare(m, "{}");
	doc_stage(m, "tx", DOC_ASK(CREATE, .model = m, .id = "a", .data = "{}", .ttl_ms = 30));
	doc_pass(200 * MS);
	doc_settle(m, "tx", true);
	assert_int_equal(doc_redis("ZCARD mf:{%s}:ttl", m), 1);
	await_swept(m, "a");
}

static void
members_of_a_bulk_end_each_on_its_own(void **unused)
{
	const char *m = doc_name();
	const struct ask members[] = {
		{ .kind = MF__STORE_OP__KIND__CREATE, .model = m, .id = "a", .data = "{\"n\":1}" },
		{ .kind = MF__STORE_OP__KIND__CREATE, .model = m, .id = "b", .data = "{\"n\":1}" },
		{ .kind = MF__STORE_OP__KIND__UPDATE,
		    .model = m,
		    .id = "a",
		    .data = "{\"$inc\":{\"/n\":1}}" },
		{ .kind = MF__STORE_OP__KIND__DELETE, .model = m, .id = "nobody" },
		{ .kind = MF__STORE_OP__KIND__CREATE, .model = m, .id = "", .data = "{}" },
		{ .kind = MF__STORE_OP__KIND__CREATE, .model = m, .id = "c", .data = "[]" },
	};
	struct said *x;

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"u\",\"fields\":[\"/n\"],\"unique\":true}]}");
	x = doc_done(DOC_ASK(BULK, .model = m, .members = members, .n_members = 6));
	assert_int_equal(x->n_items, 6);
	assert_int_equal(x->rows, 2);
	assert_int_equal(x->items[0].code, 0);
	assert_string_equal(x->items[1].reason, "UNIQUE");
	assert_int_equal(x->items[2].version, 2);
	assert_int_equal(x->items[3].code, ST_NOT_FOUND);
	assert_int_equal(x->items[4].code, ST_INVALID_ARGUMENT);
	assert_int_equal(x->items[5].code, ST_INVALID_ARGUMENT);
	x = doc_done(DOC_ASK(
	    BULK_CREATE, .model = m, .data = "[{\"id\":\"x\",\"n\":10},{\"id\":\"y\",\"n\":10}]"));
	assert_int_equal(x->items[0].code, 0);
	assert_string_equal(x->items[1].reason, "UNIQUE");
	assert_string_equal(data_of(m, "x"), "{\"n\":10}");
}

static void
names_and_values_are_never_taken_for_script(void **unused)
{
	static const char *const evil[] = { "x' .. redis.call('FLUSHALL') .. '", "a}b", "{x}",
		"a b", "\"]])", "a\nb", "", "../x" };
	const char *m = doc_name();
	char model[100];

	(void)unused;
	create(m, "stays", "{}");
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		snprintf(model, sizeof(model), "doc.%s", evil[i]);
		assert_int_equal(create(model, "a", "{}")->status, ST_INVALID_ARGUMENT);
		assert_int_equal(create(m, evil[i], "{}")->status, ST_INVALID_ARGUMENT);
		assert_int_equal(
		    doc_ask(DOC_ASK(QUERY_MANY, .model = model))->status, ST_INVALID_ARGUMENT);
	}
	create(m, "v", "{\"a\":\"'); redis.call('FLUSHALL') --\",\"'\\\"]]\":1}");
	doc_done(DOC_ASK(QUERY_MANY, .model = m,
	    .where = "{\"/a\":\"'); redis.call('FLUSHALL') --\",\"/'\\\"]]\":{\"gt\":0}}"));
	assert_string_equal(data_of(m, "stays"), "{}");
}

static void
a_read_shows_only_the_fields_that_are_asked_for(void **unused)
{
	const char *m = doc_name();
	struct said *x;

	(void)unused;
	create(m, "a", "{\"a\":{\"b\":1,\"c\":2},\"d\":[1,2],\"e/f\":3}");
	x = doc_done(DOC_ASK(
	    READ_ONE, .model = m, .id = "a", .fields = { "/a/b", "/e~1f", "/none", "/d/0" }));
	assert_string_equal(doc_text(x, "data"), "{\"a\":{\"b\":1},\"e/f\":3,\"d\":[1,2]}");
	x = doc_ask(DOC_ASK(READ_ONE, .model = m, .id = "a", .fields = { "a" }));
	assert_int_equal(x->status, ST_INVALID_ARGUMENT);
	assert_string_equal(x->field, "fields/0");
}

#define TX(...)                                                                                    \
	.members = (const struct ask[]){ __VA_ARGS__ },                                            \
	.n_members = sizeof((const struct ask[]){ __VA_ARGS__ }) / sizeof(struct ask)

/* Transactions go by the same rules: schema, indexes, unique keys, operators. */
static void
a_transaction_keeps_indexes_and_unique_keys(void **unused)
{
	const char *m = doc_name();
	const struct ask swap_a = { .kind = MF__STORE_OP__KIND__UPDATE,
		.model = m,
		.id = "a",
		.data = "{\"n\":2}" },
			 swap_b = { .kind = MF__STORE_OP__KIND__UPDATE,
				 .model = m,
				 .id = "b",
				 .data = "{\"$inc\":{\"/n\":-1}}" },
			 third = { .kind = MF__STORE_OP__KIND__CREATE,
				 .model = m,
				 .id = "c",
				 .data = "{\"n\":2}" },
			 wrong = { .kind = MF__STORE_OP__KIND__CREATE,
				 .model = m,
				 .id = "d",
				 .data = "{\"n\":\"x\"}" };
	struct said *x;

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"],\"unique\":true}],"
		       "\"schema\":{\"properties\":{\"n\":{\"type\":\"integer\"}}}}");
	create(m, "a", "{\"n\":1}");
	create(m, "b", "{\"n\":2}");
	REFUSED(doc_ask(DOC_ASK(TRANSACTION, .model = m, .operation = "x-1", TX(swap_a))),
	    ST_ALREADY_EXISTS, "UNIQUE");
	REFUSED(doc_ask(DOC_ASK(
		    TRANSACTION, .model = m, .operation = "x-2", TX(swap_a, swap_b, third))),
	    ST_ALREADY_EXISTS, "UNIQUE");
	REFUSED(doc_ask(DOC_ASK(TRANSACTION, .model = m, .operation = "x-3", TX(wrong))),
	    ST_INVALID_ARGUMENT, "VALIDATION");
	x = doc_done(DOC_ASK(TRANSACTION, .model = m, .operation = "x-4", TX(swap_a, swap_b)));
	assert_int_equal(x->items[0].version, 2);
	x = doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":2}"));
	assert_non_null(strstr(x->text, "\"id\":\"a\""));
	x = doc_done(
	    DOC_ASK(UPDATE, .model = "collection", .id = m + 4, .data = "{\"check\":true}"));
	assert_string_equal(doc_text(x, "missing"), "0");
	assert_string_equal(doc_text(x, "strays"), "0");
}

/* A key that is staged is nobody else's until it is settled. */
static void
a_staged_key_is_reserved(void **unused)
{
	const char *m = doc_name();

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"],\"unique\":true}]}");
	for (int commit = 0; commit < 2; commit++) {
		doc_stage(
		    m, "tx", DOC_ASK(CREATE, .model = m, .id = "staged", .data = "{\"n\":1}"));
		REFUSED(create(m, "other", "{\"n\":1}"), ST_ABORTED, "STAGED");
		REFUSED(update(m, "staged", "{}"), ST_ABORTED, "STAGED");
		REFUSED(doc_ask(DOC_ASK(UPDATE, .model = "collection", .id = m + 4,
			    .data = "{\"indexes\":[]}")),
		    ST_ABORTED, "STAGED");
		doc_settle(m, "tx", commit == 1);
		if (commit == 0) {
			assert_int_equal(create(m, "other", "{\"n\":1}")->status, ST_OK);
			doc_done(DOC_ASK(DELETE, .model = m, .id = "other"));
		}
	}
	REFUSED(create(m, "other", "{\"n\":1}"), ST_ALREADY_EXISTS, "UNIQUE");
	assert_int_equal(doc_redis("EXISTS mf:{%s}:rs", m), 0);
	assert_non_null(strstr(
	    doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":1}"))->text, "\"staged\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_document_lives_its_life),
		T(the_same_operation_again_answers_what_it_made),
		T(many_updates_of_one_document_at_once_all_count),
		T(a_guess_that_is_wrong_is_made_good),
		T(an_update_costs_one_round_trip_when_its_document_was_seen),
		T(a_schema_holds_for_every_write),
		T(what_is_wrong_with_a_declaration_is_said_with_its_place),
		T(a_declaration_is_made_read_changed_listed_and_dropped),
		T(a_unique_index_takes_a_key_once),
		T(an_index_over_documents_that_are_there_is_built_beside_them),
		T(a_check_finds_planted_damage_and_mends_it),
		T(a_document_is_gone_when_its_time_is_over),
		T(a_collection_may_give_all_its_documents_a_life),
		T(what_is_made_while_others_are_thrown_away_has_its_turn_too),
		T(the_life_of_what_was_staged_begins_when_it_is_settled),
		T(members_of_a_bulk_end_each_on_its_own),
		T(a_transaction_keeps_indexes_and_unique_keys),
		T(a_staged_key_is_reserved),
		T(names_and_values_are_never_taken_for_script),
		T(a_read_shows_only_the_fields_that_are_asked_for),
	};

	return cmocka_run_group_tests_name("documents", tests, docbed_start, docbed_stop);
}
