/* sql: the policies, without a server: groups, SQLSTATE, migrations, validation, cursors,
 * rendering. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "database/sql/filter.h"
#include "database/sql/migrate.h"
#include "database/sql/render.h"
#include "database/sql/text.h"
#include "harness/test.h"
#include "store/pg_int.h"

#define ID   "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
#define S(s) ((char *)(uintptr_t)(s))

static struct arena *arena;

static int
setup(void **state)
{
	arena = arena_new(1 << 20);
	return test_log_mark(state);
}

static int
teardown(void **state)
{
	arena_free(&arena);
	return test_log_check(state);
}

/* --- groups --- */

static void
a_lone_write_starts_at_once(void **unused)
{
	(void)unused;
	assert_true(pg_group_starts(0, 2, 1, 64, 0, MS));
	assert_false(pg_group_starts(0, 2, 0, 64, 0, MS));
}

static void
a_second_group_waits_for_company_but_not_for_long(void **unused)
{
	(void)unused;
	assert_false(pg_group_starts(1, 2, 5, 64, 200, MS));
	assert_true(pg_group_starts(1, 2, 5, 64, MS, MS));
	assert_true(pg_group_starts(1, 2, 64, 64, 0, MS));
	assert_true(pg_group_starts(1, 2, 1, 64, 0, 0));
}

static void
no_group_starts_beyond_the_connections_for_writes(void **unused)
{
	(void)unused;
	assert_false(pg_group_starts(2, 2, 1000, 64, SEC, 0));
	assert_false(pg_group_starts(0, 0, 1, 64, SEC, 0));
}

static void
sqlstates_become_what_the_fleet_understands(void **unused)
{
	static const struct {
		const char *sqlstate;
		enum status status;
	} t[] = {
		{ "23505", ST_ALREADY_EXISTS },
		{ "23503", ST_FAILED_PRECONDITION },
		{ "23502", ST_INVALID_ARGUMENT },
		{ "22P02", ST_INVALID_ARGUMENT },
		{ "40001", ST_ABORTED },
		{ "40P01", ST_ABORTED },
		{ "57014", ST_DEADLINE_EXCEEDED },
		{ "57P01", ST_UNAVAILABLE },
		{ "57P03", ST_UNAVAILABLE },
		{ "08006", ST_UNAVAILABLE },
		{ "53300", ST_RESOURCE_EXHAUSTED },
		{ "53100", ST_UNAVAILABLE },
		{ "25006", ST_UNAVAILABLE },
		{ "42P01", ST_INTERNAL },
		{ "0A000", ST_UNIMPLEMENTED },
		{ "XX001", ST_DATA_LOSS },
		{ "XX000", ST_INTERNAL },
		{ "MF404", ST_NOT_FOUND },
		{ "MF409", ST_ABORTED },
		{ "", ST_INTERNAL },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(pg_status_of(t[i].sqlstate), t[i].status);
}

/* --- migrations --- */

static const struct migration two[] = { { 1, "a", "A" }, { 2, "b", "B" }, { 0, NULL, NULL } };

static void
migrations_are_applied_in_order_until_none_is_left(void **unused)
{
	char a[65], b[65], why[200];
	size_t next;

	(void)unused;
	migrate_checksum("A", a);
	migrate_checksum("B", b);
	const struct applied done[] = { { 1, a }, { 2, b } };

	assert_int_equal(migrate_decide(two, done, 0, &next, why, sizeof(why)), MIGRATE_NEXT);
	assert_int_equal(next, 0);
	assert_int_equal(migrate_decide(two, done, 1, &next, why, sizeof(why)), MIGRATE_NEXT);
	assert_int_equal(next, 1);
	assert_int_equal(migrate_decide(two, done, 2, &next, why, sizeof(why)), MIGRATE_NOTHING);
}

static void
a_changed_missing_or_newer_migration_is_refused_by_number(void **unused)
{
	char a[65], b[65], why[200];
	size_t next;

	(void)unused;
	migrate_checksum("A", a);
	migrate_checksum("B", b);
	assert_int_equal(
	    migrate_decide(two, (const struct applied[]){ { 1, b } }, 1, &next, why, sizeof(why)),
	    MIGRATE_REFUSE);
	assert_non_null(strstr(why, "migration 1 (a)"));
	assert_int_equal(
	    migrate_decide(two, (const struct applied[]){ { 2, b } }, 1, &next, why, sizeof(why)),
	    MIGRATE_REFUSE);
	assert_non_null(strstr(why, "migration 1 is missing"));
	assert_int_equal(
	    migrate_decide(two, (const struct applied[]){ { 1, a }, { 2, b }, { 3, b } }, 3, &next,
		why, sizeof(why)),
	    MIGRATE_REFUSE);
	assert_non_null(strstr(why, "newer program"));
}

/* --- validation --- */

static bool
take(const char *data, struct row *row, struct complaints *e)
{
	json_t *v = json_loads(data, JSON_DECODE_ANY, NULL);
	bool ok;

	*e = (struct complaints){ .arena = arena };
	ok = intake_create(arena, model_find("task"), v,
	    &(const struct intake_op){ ID, "", "me", "2026-01-02T03:04:05.000006Z", NULL }, "", row,
	    e);
	json_decref(v);
	return ok;
}

static const char *
value(const struct row *r, const char *name)
{
	return r->values[model_field(r->model, name) - r->model->fields];
}

static void
what_is_not_given_gets_its_default(void **unused)
{
	struct complaints e;
	struct row r;

	(void)unused;
	assert_true(take("{\"title\":\"x\"}", &r, &e));
	assert_string_equal(value(&r, "id"), ID);
	assert_string_equal(value(&r, "namespace"), "default");
	assert_string_equal(value(&r, "priority"), "3");
	assert_string_equal(value(&r, "labels"), "{}");
	assert_string_equal(value(&r, "created_by"), "me");
	assert_null(value(&r, "payload"));
}

static void
a_priority_is_a_name_or_a_number(void **unused)
{
	struct complaints e;
	struct row r;

	(void)unused;
	assert_true(take("{\"title\":\"x\",\"priority\":\"CRITICAL\"}", &r, &e));
	assert_string_equal(value(&r, "priority"), "1");
	assert_true(take("{\"title\":\"x\",\"priority\":4}", &r, &e));
	assert_string_equal(value(&r, "priority"), "4");
	assert_false(take("{\"title\":\"x\",\"priority\":0}", &r, &e));
}

static void
characters_count_not_bytes(void **unused)
{
	struct complaints e;
	struct row r;
	char data[4100] = "{\"title\":\"";

	(void)unused;
	for (int i = 0; i < 1000; i++)
		strcat(data, "é");
	strcat(data, "\"}");
	assert_true(take(data, &r, &e));
	data[strlen(data) - 2] = '\0';
	strcat(data, "é\"}");
	assert_false(take(data, &r, &e));
	assert_string_equal(e.list[0].field, "/title");
}

static void
all_that_is_wrong_is_said_at_once(void **unused)
{
	struct complaints e;
	struct row r;

	(void)unused;
	assert_false(take("{\"title\":\"\",\"state\":\"x\",\"nonsense\":1,\"version\":2}", &r, &e));
	assert_int_equal(e.n, 4);
}

static void
a_patch_turns_null_into_the_default(void **unused)
{
	struct complaints e = { .arena = arena };
	json_t *v = json_loads(
	    "{\"priority\":null,\"type\":null,\"description\":null,\"state\":\"RUNNING\"}", 0,
	    NULL);
	char *out;

	(void)unused;
	assert_true(intake_patch(arena, model_find("task"), v, ID, "", &out, &e));
	assert_string_equal(out,
	    "{\"description\":null,\"type\":\"manual\",\"priority\":\"3\",\"state\":\"RUNNING\"}");
	json_decref(v);
}

static void
a_patch_may_not_touch_what_is_fixed(void **unused)
{
	struct complaints e = { .arena = arena };
	json_t *v = json_loads("{\"user_id\":\"" ID "\"}", 0, NULL);
	char *out;

	(void)unused;
	assert_false(intake_patch(arena, model_find("session"), v, ID, "", &out, &e));
	assert_string_equal(e.list[0].what, "can't be changed");
	json_decref(v);
}

/* --- queries --- */

static bool
filter(struct filter *f, const char *cursor, size_t n, Mf__KeyValue **filters)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct complaints e = { .arena = arena };

	op.cursor = S(cursor);
	op.n_filters = n;
	op.filters = filters;
	return filter_read(arena, model_find("task"), &op, f, &e);
}

static void
a_cursor_leads_back_to_its_place_in_its_query_only(void **unused)
{
	Mf__KeyValue kv = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("state"),
		S("QUEUED") };
	Mf__KeyValue *filters[] = { &kv };
	struct filter f;
	char *cursor;

	(void)unused;
	assert_true(filter(&f, "", 1, filters));
	cursor = arena_strdup(
	    arena, filter_cursor(arena, &f, &(const struct row){ .values = { ID } }, 1));
	assert_true(filter(&f, cursor, 1, filters));
	assert_string_equal(f.after, ID);
	assert_false(filter(&f, cursor, 0, NULL));
	kv.value = S("FAILED");
	assert_false(filter(&f, cursor, 1, filters));
	kv.value = S("QUEUED");
	cursor[3] ^= 1;
	assert_false(filter(&f, cursor, 1, filters));
}

static bool
sorted(struct filter *f, const char *sort, const char *cursor)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct complaints e = { .arena = arena };

	op.sort = S(sort);
	op.cursor = S(cursor);
	return filter_read(arena, model_find("task"), &op, f, &e);
}

static void
a_sorted_query_goes_on_behind_the_values_of_its_last_row(void **unused)
{
	struct row last = { .values = { ID } };
	const char *params[QUERY_PARAMS_MOST], *cursor;
	const struct model *m = model_find("task");
	struct filter f;

	(void)unused;
	last.values[model_field(m, "created_at") - m->fields] = "2026-11-21 01:02:03.5+00";
	last.values[model_field(m, "priority") - m->fields] = "2";
	assert_true(sorted(&f, "-created_at,priority", ""));
	assert_non_null(strstr(text_query(arena, &f),
	    " WHERE true AND namespace=$1 ORDER BY created_at DESC,priority,id LIMIT $2"));
	cursor = filter_cursor(arena, &f, &last, 1);
	assert_true(sorted(&f, "-created_at,priority", cursor));
	assert_non_null(strstr(text_query(arena, &f),
	    "(created_at<$2::timestamptz OR (created_at=$2::timestamptz AND "
	    "(priority>$3::smallint OR (priority=$3::smallint AND id>$4::uuid))))"));
	assert_int_equal(text_query_params(arena, &f, params, QUERY_PARAMS_MOST), 5);
	assert_string_equal(params[1], "2026-11-21T01:02:03.500000Z");
	assert_string_equal(params[2], "2");
	assert_string_equal(params[3], ID);
	assert_false(sorted(&f, "created_at,priority", cursor));
	assert_false(sorted(&f, "", cursor));
}

static void
who_sorts_by_what_nothing_is_sorted_by_hears_what_there_is(void **unused)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct complaints e = { .arena = arena };
	struct filter f;

	(void)unused;
	op.sort = S("title");
	assert_false(filter_read(arena, model_find("task"), &op, &f, &e));
	assert_int_equal(e.n, 1);
	assert_string_equal(e.list[0].field, "sort");
	assert_string_equal(e.list[0].what,
	    "must be up to 4 different ones of type, priority, state, created_at, updated_at, "
	    "each perhaps behind a -, or, with q, relevance alone");
}

static void
a_sort_is_of_few_different_fields_that_are_short_and_never_null(void **unused)
{
	static const char *const bad[] = { ",", "-", "title", "created_by", "created_at,",
		"created_at,-created_at", "created_at desc", "--created_at", "payload",
		"created_at,updated_at,priority,state,type" };
	struct filter f;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (sorted(&f, bad[i], ""))
			fail_msg("%s is taken", bad[i]);
	assert_true(sorted(&f, "created_at,updated_at,priority,state", ""));
	for (size_t i = 0; i < sql_n_models; i++)
		for (size_t k = 0; k < sql_models[i].n_fields; k++)
			if ((sql_models[i].fields[k].flags & FIELD_SORT) != 0) {
				assert_true((sql_models[i].fields[k].flags & FIELD_REQUIRED) != 0);
				assert_true(sql_models[i].fields[k].max <= SORT_LENGTH);
			}
}

static void
times_have_bounds_each_once(void **unused)
{
	Mf__KeyValue after = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor),
		S("created_after"), S("2026-11-21T10:00:00+09:00") };
	Mf__KeyValue before = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor),
		S("updated_before"), S("2026-11-22T00:00:00Z") };
	const char *params[QUERY_PARAMS_MOST];
	struct filter f;

	(void)unused;
	assert_true(filter(&f, "", 2, (Mf__KeyValue *[]){ &before, &after }));
	assert_non_null(strstr(text_query(arena, &f),
	    " AND created_at>$2::timestamptz AND updated_at<$3::timestamptz ORDER BY id LIMIT $4"));
	assert_int_equal(text_query_params(arena, &f, params, QUERY_PARAMS_MOST), 4);
	assert_string_equal(params[1], "2026-11-21T01:00:00.000000Z");
	assert_false(filter(&f, "", 2, (Mf__KeyValue *[]){ &after, &after }));
	after.value = S("yesterday");
	assert_false(filter(&f, "", 1, (Mf__KeyValue *[]){ &after }));
}

static void
filters_in_any_order_are_one_statement(void **unused)
{
	Mf__KeyValue a = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("state"),
		S("QUEUED") };
	Mf__KeyValue b = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("type"), S("x") };
	struct filter f, g;

	(void)unused;
	assert_true(filter(&f, "", 2, (Mf__KeyValue *[]){ &a, &b }));
	assert_true(filter(&g, "", 2, (Mf__KeyValue *[]){ &b, &a }));
	assert_ptr_equal(text_query(arena, &f), text_query(arena, &g));
	assert_false(filter(&f, "", 2, (Mf__KeyValue *[]){ &a, &a }));
}

static void
ids_are_uuids_in_one_list(void **unused)
{
	Mf__KeyValue a = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("id"),
		S(ID "," ID) };
	Mf__KeyValue b = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("label"),
		S("x=y") };
	static char *const bad[] = { S(""), S("x"), S(ID ","), S("," ID), S(ID " ," ID),
		S(ID ",{}") };
	const char *params[QUERY_PARAMS_MOST];
	struct filter f;

	(void)unused;
	assert_true(filter(&f, "", 2, (Mf__KeyValue *[]){ &a, &b }));
	assert_non_null(strstr(text_query(arena, &f), "AND id=ANY($4::uuid[]) ORDER"));
	assert_int_equal(text_query_params(arena, &f, params, QUERY_PARAMS_MOST), 5);
	assert_string_equal(params[3], "{\"" ID "\",\"" ID "\"}");
	assert_false(filter(&f, "", 2, (Mf__KeyValue *[]){ &a, &a }));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a.value = bad[i];
		assert_false(filter(&f, "", 1, (Mf__KeyValue *[]){ &a }));
	}
	a.value = arena_alloc(arena, 1001 * 37 + 1);
	for (size_t i = 0; i < 1001; i++)
		sprintf(a.value + 37 * i, "%s%s", ID, i < 1000 ? "," : "");
	assert_false(filter(&f, "", 1, (Mf__KeyValue *[]){ &a }));
	a.value[1000 * 37 - 1] = '\0';
	assert_true(filter(&f, "", 1, (Mf__KeyValue *[]){ &a }));
}

/* NULL is a name like any other. */
static void
ids_of_roles_are_names(void **unused)
{
	Mf__KeyValue a = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S("id"),
		S("viewer,NULL") };
	Mf__KeyValue *filters[] = { &a };
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct complaints e = { .arena = arena };
	const char *params[QUERY_PARAMS_MOST];
	struct filter f;

	(void)unused;
	op.filters = filters, op.n_filters = 1;
	assert_true(filter_read(arena, model_find("role"), &op, &f, &e));
	assert_non_null(strstr(text_query(arena, &f), "AND id=ANY($1::text[]) ORDER"));
	assert_int_equal(text_query_params(arena, &f, params, QUERY_PARAMS_MOST), 2);
	assert_string_equal(params[0], "{\"viewer\",\"NULL\"}");
	a.value = S("viewer,\"x\"");
	assert_false(filter_read(arena, model_find("role"), &op, &f, &e));
}

/* All numbers of fields, labels and NAME=VALUE labels, from the start and from a cursor. */
static void
queries_of_any_labels_are_few_statements_and_know_their_parameters(void **unused)
{
	static char *const keys[] = { S("type"), S("priority"), S("state"), S("created_by") };
	static const char *seen[1000];
	Mf__KeyValue kv[FILTERS_MOST], *filters[FILTERS_MOST];
	size_t n_seen = 0, combinations = 0;

	(void)unused;
	for (size_t i = 0; i < FILTERS_MOST; i++)
		filters[i] = &kv[i];
	for (unsigned mix = 0; mix < 16 * 17 * 17 * 2; mix++) {
		size_t labels = mix / 16 % 17, pairs = mix / 16 / 17 % 17, n = 0, i;
		const char *params[QUERY_PARAMS_MOST], *text;
		size_t most = 0, n_params;
		struct filter f;

		for (i = 0; i < 4 && n < FILTERS_MOST; i++)
			if ((mix & 1u << i) != 0)
				kv[n++] = (Mf__KeyValue){ PROTOBUF_C_MESSAGE_INIT(
							      &mf__key_value__descriptor),
					keys[i],
					i == 1   ? S("LOW")
					: i == 2 ? S("FAILED")
						 : S("x") };
		if (n + labels + pairs > FILTERS_MOST)
			continue;
		for (i = 0; i < labels + pairs; i++)
			kv[n++] =
			    (Mf__KeyValue){ PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor),
				    S("label"), i < labels ? S("a\"b\\c,{}") : S("a=1") };
		combinations++;
		assert_true(filter(&f, "", n, filters));
		f.after = mix >= 16 * 17 * 17 ? ID : NULL;
		text = text_query(arena, &f);
		n_params = text_query_params(arena, &f, params, QUERY_PARAMS_MOST);
		for (const char *p = text; (p = strchr(p, '$')) != NULL; p++)
			if (strtoul(p + 1, NULL, 10) > most)
				most = strtoul(p + 1, NULL, 10);
		assert_int_equal(most, n_params);
		assert_true(n_params <= PG_PARAMS_MOST);
		for (i = 0; i < n_seen && seen[i] != text; i++)
			;
		if (i == n_seen)
			seen[n_seen++] = text;
		assert_true(n_seen < 400);
		arena_reset(arena);
	}
	assert_true(combinations > 3000);
}

static void
times_of_postgresql_become_rfc_3339(void **unused)
{
	struct row r = { .model = model_find("role"),
		.values = { "admin", "[\"*\"]", "[]", "7", "2026-01-02 03:04:05.5+00",
		    "2026-01-02 03:04:05+00" } };
	struct jw w;

	(void)unused;
	jw_start(&w, arena, 10);
	render_row(&w, &r);
	assert_string_equal(jw_text(&w, NULL),
	    "{\"id\":\"admin\",\"permissions\":[\"*\"],\"inherits\":[],\"version\":7,"
	    "\"created_at\":\"2026-01-02T03:04:05.500000Z\",\"updated_at\":\"2026-01-02T03:04:05."
	    "000000Z\"}");
	assert_int_equal(row_version(&r), 7);
}

static void
every_model_keeps_the_promises_that_the_code_relies_on(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sql_n_models; i++) {
		const struct model *m = &sql_models[i];

		assert_true(m->n_fields <= MODEL_FIELDS_MOST && m->n_fields <= PG_PARAMS_MOST);
		assert_string_equal(m->fields[0].name, "id");
		assert_true(!m->namespaced ||
			    m->fields + 1 == model_field(m, "namespace")); /* text_read's params */
		assert_string_equal(m->fields[m->n_fields - 3].name, "version");
		assert_string_equal(m->fields[m->n_fields - 2].name, "created_at");
		assert_string_equal(m->fields[m->n_fields - 1].name, "updated_at");
		for (size_t j = 0; j < m->n_fields; j++)
			if (m->fields[j].type == FIELD_STRINGS)
				assert_non_null(m->fields[j].def);
	}
}

#define A(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void
what_must_be_unique_is_told_by_the_name_of_its_field(void **state)
{
	(void)state;
	assert_string_equal(model_unique(model_find("user"), "users_username_key"), "username");
	assert_string_equal(model_unique(model_find("user"), "users_pkey"), "id");
	assert_string_equal(model_unique(model_find("role"), "roles_pkey"), "id");
	assert_string_equal(
	    model_unique(model_find("revocation"), "revocations_kind_value_key"), "fields");
	assert_string_equal(model_unique(model_find("user"), "sessions_pkey"), "fields");
	assert_string_equal(model_unique(model_find("user"), "users_username"), "fields");
	assert_string_equal(model_unique(model_find("user"), ""), "fields");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		A(a_lone_write_starts_at_once),
		A(a_second_group_waits_for_company_but_not_for_long),
		A(no_group_starts_beyond_the_connections_for_writes),
		A(sqlstates_become_what_the_fleet_understands),
		A(migrations_are_applied_in_order_until_none_is_left),
		A(a_changed_missing_or_newer_migration_is_refused_by_number),
		A(what_is_not_given_gets_its_default),
		A(a_priority_is_a_name_or_a_number),
		A(characters_count_not_bytes),
		A(all_that_is_wrong_is_said_at_once),
		A(a_patch_turns_null_into_the_default),
		A(a_patch_may_not_touch_what_is_fixed),
		A(a_cursor_leads_back_to_its_place_in_its_query_only),
		A(filters_in_any_order_are_one_statement),
		A(a_sorted_query_goes_on_behind_the_values_of_its_last_row),
		A(who_sorts_by_what_nothing_is_sorted_by_hears_what_there_is),
		A(a_sort_is_of_few_different_fields_that_are_short_and_never_null),
		A(times_have_bounds_each_once),
		A(ids_are_uuids_in_one_list),
		A(ids_of_roles_are_names),
		A(queries_of_any_labels_are_few_statements_and_know_their_parameters),
		A(times_of_postgresql_become_rfc_3339),
		A(what_must_be_unique_is_told_by_the_name_of_its_field),
		A(every_model_keeps_the_promises_that_the_code_relies_on),
	};

	return TEST_RUN(tests);
}
