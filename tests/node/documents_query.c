/* documents_query: random documents, filters and sorts against a plain evaluation of the same here, with indexes
 * and without, in pages. The seed is printed; METAFED_SEED repeats a run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "harness/docbed.h"

#define DOCS    260
#define QUERIES 220

static struct rng rng;
static uint64_t seed;
static json_t *docs[DOCS];
static char ids[DOCS][16];

/* --- making things up --- */

static unsigned
pick(unsigned n)
{
	return rng_below(&rng, n);
}

static json_t *
any_value(void)
{
	static const double reals[] = { 0.0, -0.0, 1.0, 1.5, -2.25, 1e300, -1e300, 5e-324,
		9007199254740992.0 };
	static const json_int_t ints[] = { 0, 1, 2, 3, -1, -2, 9007199254740993, 9007199254740992,
		INT64_MAX, INT64_MIN, INT64_MAX - 1 };
	static const char *const texts[] = { "", "a", "ab", "b", "é", "z", "\x01", "A" };
	char longer[300];

	switch (pick(9)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(pick(2));
	case 2:
	case 3:
		return json_integer(ints[pick(sizeof(ints) / sizeof(ints[0]))]);
	case 4:
		return json_real(reals[pick(sizeof(reals) / sizeof(reals[0]))]);
	case 5:
		return json_pack("[i,i]", (int)pick(2), (int)pick(2));
	case 6:
		return json_pack("{s:i}", "x", (int)pick(2));
	case 7: /* longer than what stands in an index */
		memset(longer, 'm', sizeof(longer));
		longer[126 + pick(5)] = '\0';
		longer[100] = (char)('m' + pick(2));
		return json_string(longer);
	default:
		return json_string(texts[pick(sizeof(texts) / sizeof(texts[0]))]);
	}
}

static json_t *
any_document(void)
{
	json_t *d = json_object();

	if (pick(8) != 0)
		json_object_set_new(d, "v", any_value());
	json_object_set_new(d, "k", json_integer((json_int_t)pick(6)));
	if (pick(4) != 0)
		json_object_set_new(
		    d, "o", json_pack("{s:o}", "s", json_integer((json_int_t)pick(4))));
	json_object_set_new(
	    d, "t", json_string((const char *[]){ "open", "done", "held" }[pick(3)]));
	return d;
}

static const char *const places[] = { "/v", "/k", "/o/s", "/t", "/none", "/o" };

static json_t *
value_for(const char *place)
{
	if (strcmp(place, "/t") == 0)
		return json_string((const char *[]){ "open", "done", "held" }[pick(3)]);
	if (strcmp(place, "/v") == 0 || pick(6) == 0)
		return any_value();
	return json_integer((json_int_t)pick(6));
}

static json_t *
any_condition(const char *place)
{
	static const char *const ops[] = { "eq", "ne", "lt", "le", "gt", "ge", "in", "prefix",
		"exists" };
	json_t *out = json_object();

	for (unsigned n = 1 + pick(2); n > 0; n--) {
		const char *op = ops[pick(9)];
		json_t *v = value_for(place);

		if (strcmp(op, "in") == 0) {
			json_t *list = json_array();

			for (unsigned i = 1 + pick(4); i > 0; i--)
				json_array_append_new(list, value_for(place));
			json_decref(v);
			v = list;
		} else if (strcmp(op, "exists") == 0) {
			json_decref(v);
			v = json_boolean(pick(2));
		} else if (strcmp(op, "prefix") == 0 && !json_is_string(v)) {
			json_decref(v);
			v = json_string((const char *[]){ "", "a", "op", "mmm" }[pick(4)]);
		} else if ((op[0] == 'l' || op[0] == 'g') && !json_is_number(v) &&
			   !json_is_string(v)) {
			json_decref(v);
			v = json_integer(2);
		}
		json_object_set_new(out, op, v);
	}
	return out;
}

static json_t *
any_filter(unsigned depth)
{
	json_t *out = json_object();

	for (unsigned n = 1 + pick(3); n > 0; n--) {
		unsigned kind = pick(depth > 0 ? 12 : 8);
		const char *place = places[pick(6)];
		char id[16];
		json_t *list;

		if (kind == 0) {
			snprintf(id, sizeof(id), "d%03u", pick(DOCS));
			json_object_set_new(out, "id",
			    pick(2) == 0
				? json_string(id)
				: json_pack("{s:s}", (const char *[]){ "ge", "lt" }[pick(2)], id));
		} else if (kind < 4) {
			json_t *v = value_for(place);

			json_object_set_new(
			    out, place, json_is_object(v) ? json_pack("{s:o}", "eq", v) : v);
		} else if (kind < 8) {
			json_object_set_new(out, place, any_condition(place));
		} else if (kind < 10) {
			list = json_array();
			for (unsigned i = 1 + pick(2); i > 0; i--)
				json_array_append_new(list, any_filter(depth - 1));
			json_object_set_new(out, kind == 8 ? "or" : "and", list);
		} else {
			json_object_set_new(out, "not", any_filter(depth - 1));
		}
	}
	return out;
}

/* --- the plain evaluation --- */

static const json_t *
at(const json_t *d, const char *place)
{
	if (strncmp(place, "/o/", 3) == 0)
		return json_object_get(json_object_get(d, "o"), place + 3);
	return json_object_get(d, place + 1);
}

static int
rank(const json_t *v)
{
	return v == NULL           ? 0
	       : json_is_null(v)   ? 1
	       : json_is_false(v)  ? 2
	       : json_is_true(v)   ? 3
	       : json_is_number(v) ? 4
	       : json_is_string(v) ? 5
	       : json_is_array(v)  ? 6
	                           : 7;
}

static int
compare(const json_t *a, const json_t *b)
{
	if (rank(a) != rank(b))
		return rank(a) < rank(b) ? -1 : 1;
	if (rank(a) == 4) { /* 64 bits of mantissa hold both kinds */
		long double x = json_is_integer(a) ? (long double)json_integer_value(a)
		                                   : (long double)json_real_value(a),
			    y = json_is_integer(b) ? (long double)json_integer_value(b)
		                                   : (long double)json_real_value(b);

		return (x > y) - (x < y);
	}
	return rank(a) == 5 ? strcmp(json_string_value(a), json_string_value(b)) : 0;
}

static bool
equal(const json_t *a, const json_t *b)
{
	return rank(a) < 6 ? compare(a, b) == 0 : a != NULL && b != NULL && json_equal(a, b);
}

static bool
one_holds(const char *op, const json_t *want, const json_t *have)
{
	bool same = have != NULL && rank(have) == rank(want);
	const json_t *one;
	size_t i;

	if (strcmp(op, "eq") == 0)
		return have != NULL && equal(have, want);
	if (strcmp(op, "ne") == 0)
		return have == NULL || !equal(have, want);
	if (strcmp(op, "exists") == 0)
		return (have != NULL) == json_is_true(want);
	if (strcmp(op, "prefix") == 0)
		return same && strncmp(json_string_value(have), json_string_value(want),
				   json_string_length(want)) == 0;
	if (strcmp(op, "in") == 0) {
		json_array_foreach(want, i, one)
		{
			if (have != NULL && equal(have, one))
				return true;
		}
		return false;
	}
	if (!same)
		return false;
	if (op[0] == 'l')
		return compare(have, want) < (op[1] == 'e');
	return compare(have, want) > (op[1] == 'e' ? -1 : 0);
}

static bool
holds(json_t *filter, const char *id, const json_t *d)
{
	const char *key, *op;
	json_t *v, *one;
	size_t i;

	json_object_foreach(filter, key, v)
	{
		json_t *have = strcmp(key, "id") == 0 ? json_string(id)
		               : key[0] == '/'        ? json_incref((json_t *)(uintptr_t)at(d, key))
		                                      : NULL;
		bool ok = true;

		if (strcmp(key, "and") == 0) {
			json_array_foreach(v, i, one) ok &= holds(one, id, d);
		} else if (strcmp(key, "or") == 0) {
			ok = false;
			json_array_foreach(v, i, one) ok |= holds(one, id, d);
		} else if (strcmp(key, "not") == 0) {
			ok = !holds(v, id, d);
		} else if (json_is_object(v)) {
			json_object_foreach(v, op, one) ok &= one_holds(op, one, have);
		} else {
			ok = one_holds("eq", v, have);
		}
		json_decref(have);
		if (!ok)
			return false;
	}
	return true;
}

/* --- a query, page by page, against it --- */

struct order {
	char text[40];
	const char *place[2];
	bool down[2];
	unsigned n;
};

static struct order
any_order(void)
{
	struct order o = { .text = "" };

	for (o.n = 0; o.n < 2 && pick(3) != 0; o.n++) {
		o.place[o.n] = places[pick(4)];
		o.down[o.n] = pick(2);
		snprintf(o.text + strlen(o.text), sizeof(o.text) - strlen(o.text), "%s%s%s",
		    o.n > 0 ? "," : "", o.down[o.n] ? "-" : "", o.place[o.n]);
	}
	return o;
}

/* Long strings are in order by their beginning alone: such neighbours prove nothing. */
static bool
in_order(const struct order *o, const json_t *a, const json_t *b)
{
	for (unsigned i = 0; i < o->n; i++) {
		const json_t *x = at(a, o->place[i]), *y = at(b, o->place[i]);
		int way = compare(x, y);

		if (rank(x) == 5 && rank(y) == 5 && json_string_length(x) > 128 &&
		    json_string_length(y) > 128)
			return true;
		if (rank(x) >= 6 && rank(x) == rank(y))
			return true;
		if (way != 0)
			return o->down[i] ? way > 0 : way < 0;
	}
	return true;
}

static void
check_query(const char *model, json_t *filter, const struct order *o)
{
	char *where = json_dumps(filter, JSON_COMPACT), cursor[2000] = "";
	bool found[DOCS] = { false };
	int last = -1, pages = 0;

	do {
		struct said *x = doc_ask(DOC_ASK(QUERY_MANY, .model = model, .where = where,
		    .sort = o->text, .cursor = cursor, .limit = 1 + pick(90)));
		const char *next;
		json_t *item;
		size_t i;

		if (x->status != ST_OK)
			fail_msg(
			    "seed %" PRIu64 ": %s sort %s: %s", seed, where, o->text, x->message);
		json_array_foreach(json_object_get(x->json, "items"), i, item)
		{
			int n = atoi(json_string_value(json_object_get(item, "id")) + 1);

			if (found[n])
				fail_msg("seed %" PRIu64 ": %s sort %s: d%03d comes twice", seed,
				    where, o->text, n);
			if (last >= 0 && !in_order(o, docs[last], docs[n]))
				fail_msg("seed %" PRIu64 ": %s sort %s: d%03d before d%03d", seed,
				    where, o->text, last, n);
			found[n] = true;
			last = n;
		}
		next = json_string_value(json_object_get(x->json, "next_cursor"));
		snprintf(cursor, sizeof(cursor), "%s", next != NULL ? next : "");
	} while (cursor[0] != '\0' && ++pages < 2 * DOCS);
	for (int i = 0; i < DOCS; i++)
		if (found[i] != holds(filter, ids[i], docs[i]))
			fail_msg("seed %" PRIu64 ": %s sort %s: d%03d is %s", seed, where, o->text,
			    i, found[i] ? "there" : "missing");
	free(where);
}

static void
fill(const char *model)
{
	struct ask members[DOCS];
	char *texts[DOCS];

	for (int from = 0; from < DOCS; from += 100) {
		size_t n = DOCS - from < 100 ? (size_t)(DOCS - from) : 100;

		for (size_t i = 0; i < n; i++) {
			texts[i] = json_dumps(docs[from + (int)i], JSON_COMPACT);
			members[i] = (struct ask){ .kind = MF__STORE_OP__KIND__CREATE,
				.model = model,
				.id = ids[from + (int)i],
				.data = texts[i] };
		}
		doc_done(DOC_ASK(BULK, .model = model, .members = members, .n_members = n));
		for (size_t i = 0; i < n; i++)
			free(texts[i]);
	}
}

static void
queries_find_what_a_plain_evaluation_finds(void **unused)
{
	static const char indexes[] = "{\"indexes\":[{\"name\":\"v\",\"fields\":[\"/v\"]},"
				      "{\"name\":\"kv\",\"fields\":[\"/k\",\"/v\"]},"
				      "{\"name\":\"tos\",\"fields\":[\"/t\",\"/o/s\",\"/k\"]},"
				      "{\"name\":\"o\",\"fields\":[\"/o\"]}]}";
	const char *plain = doc_name(), *indexed = doc_name();

	(void)unused;
	for (int i = 0; i < DOCS; i++) {
		docs[i] = any_document();
		snprintf(ids[i], sizeof(ids[i]), "d%03d", i);
	}
	doc_declare(indexed, indexes);
	fill(plain);
	fill(indexed);
	for (int i = 0; i < QUERIES; i++) {
		json_t *filter = any_filter(2);
		struct order o = any_order();

		check_query(plain, filter, &o);
		check_query(indexed, filter, &o);
		json_decref(filter);
	}
	for (int i = 0; i < DOCS; i++)
		json_decref(docs[i]);
}

static void
a_query_says_how_it_finds_its_documents(void **unused)
{
	static const struct {
		const char *where, *sort, *access, *index, *order, *after;
	} table[] = {
		{ "{}", "", "\"scan\"", "null", "null", "false" },
		{ "{\"id\":\"x\"}", "", "\"id\"", "null", "null", "false" },
		{ "{\"/mail\":\"x\",\"/n\":1}", "", "\"index\"", "\"mail\"", "null", "true" },
		{ "{\"/n\":1}", "", "\"index\"", "\"n_t\"", "null", "false" },
		{ "{\"/n\":1,\"/t\":{\"gt\":\"a\"}}", "/t", "\"index\"", "\"n_t\"", "\"index\"",
		    "false" },
		{ "{\"/n\":1}", "-/t", "\"index\"", "\"n_t\"", "\"index\"", "false" },
		{ "{}", "/n,/t,id", "\"index_order\"", "\"n_t\"", "\"index\"", "false" },
		{ "{}", "/n,-/t", "\"scan\"", "null", "\"memory\"", "false" },
		{ "{\"/n\":{\"in\":[1,2,2]}}", "/n", "\"index\"", "\"n_t\"", "\"index\"", "false" },
		{ "{\"or\":[{\"/n\":1}]}", "", "\"scan\"", "null", "null", "true" },
		{ "{\"/x\":1}", "/t", "\"scan\"", "null", "\"memory\"", "true" },
	};
	const char *m = doc_name();

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"n_t\",\"fields\":[\"/n\",\"/t\"]},"
		       "{\"name\":\"mail\",\"fields\":[\"/mail\"],\"unique\":true}]}");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct said *x = doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = table[i].where,
		    .sort = table[i].sort, .explain = true));

		if (strcmp(doc_text(x, "access"), table[i].access) != 0 ||
		    strcmp(doc_text(x, "index"), table[i].index) != 0 ||
		    strcmp(doc_text(x, "sort"), table[i].order) != 0 ||
		    strcmp(doc_text(x, "filter_after"), table[i].after) != 0)
			fail_msg("%s sort %s: %s", table[i].where, table[i].sort, x->text);
	}
}

static void
what_is_wrong_with_a_query_is_said_with_its_place(void **unused)
{
	static const struct {
		const char *where, *sort, *cursor, *field;
	} bad[] = {
		{ "[]", "", "", "" },
		{ "{\"n\":1}", "", "", "/n" },
		{ "{\"/n\":{\"near\":1}}", "", "", "/~1n/near" },
		{ "{\"/n\":{}}", "", "", "/~1n" },
		{ "{\"/n\":{\"lt\":null}}", "", "", "/~1n/lt" },
		{ "{\"or\":[{\"/n\":{\"in\":[]}}]}", "", "", "/or/0/~1n/in" },
		{ "{\"not\":7}", "", "", "/not" },
		{ "{\"/a~2\":1}", "", "", "/~1a~02" },
		{ "{", "", "", "where" },
		{ "{}", "n", "", "sort" },
		{ "{}", "/a,/b,/c,/d,/e", "", "sort" },
		{ "{}", "id,/a", "", "sort" },
		{ "{}", "", "AAAA", "cursor" },
	};
	const char *m = doc_name();

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct said *x = doc_ask(DOC_ASK(QUERY_MANY, .model = m, .where = bad[i].where,
		    .sort = bad[i].sort, .cursor = bad[i].cursor));

		assert_int_equal(x->status, ST_INVALID_ARGUMENT);
		if (strcmp(x->field, bad[i].field) != 0)
			fail_msg("%s: %s: %s", bad[i].where, x->field, x->message);
	}
}

static void
a_cursor_belongs_to_its_query_and_its_index(void **unused)
{
	const char *m = doc_name();
	char cursor[500], id[8], data[20];
	struct said *x;

	(void)unused;
	doc_declare(m, "{\"indexes\":[{\"name\":\"n\",\"fields\":[\"/n\"]}]}");
	for (int i = 0; i < 9; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		snprintf(data, sizeof(data), "{\"n\":%d}", i);
		doc_done(DOC_ASK(CREATE, .model = m, .id = id, .data = data));
	}
	x = doc_done(DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":{\"ge\":1}}", .limit = 3));
	snprintf(cursor, sizeof(cursor), "%s",
	    json_string_value(json_object_get(x->json, "next_cursor")));
	x = doc_ask(
	    DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":{\"ge\":2}}", .cursor = cursor));
	assert_string_equal(x->field, "cursor");
	x = doc_done(
	    DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":{\"ge\":1}}", .cursor = cursor));
	assert_int_equal(json_array_size(json_object_get(x->json, "items")), 5);
	doc_done(DOC_ASK(UPDATE, .model = "collection", .id = m + 4, .data = "{\"indexes\":[]}"));
	x = doc_ask(
	    DOC_ASK(QUERY_MANY, .model = m, .where = "{\"/n\":{\"ge\":1}}", .cursor = cursor));
	assert_int_equal(x->status, ST_ABORTED);
	assert_string_equal(x->reason, "CURSOR_EXPIRED");
}

static int
start(void **state)
{
	const char *given = getenv("METAFED_SEED");

	seed = given != NULL ? strtoull(given, NULL, 10) : id_random_u64() % 1000000;
	rng_seed(&rng, seed);
	printf("METAFED_SEED=%" PRIu64 "\n", seed);
	return docbed_start(state);
}

static int
stop(void **state)
{
	return docbed_stop(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(queries_find_what_a_plain_evaluation_finds),
		T(a_query_says_how_it_finds_its_documents),
		T(what_is_wrong_with_a_query_is_said_with_its_place),
		T(a_cursor_belongs_to_its_query_and_its_index),
	};

	return cmocka_run_group_tests_name("documents_query", tests, start, stop);
}
