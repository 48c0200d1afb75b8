/* sf: the reader of structured fields, beside the vectors of the HTTP working group. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/sf.h"
#include "harness/test.h"
#include <jansson.h>

TEST_ARENA(a, 16 << 20)

static void
an_item_is_a_value_and_its_parameters(void **unused)
{
	struct sf_item i;

	(void)unused;
	assert_true(sf_item_read(a, STR("  \"a \\\"b\\\\\";x;y=-1.5; z=tok/en;x=@7  "), &i));
	assert_int_equal(i.value.type, SF_STRING);
	assert_true(str_eq(i.value.text, "a \"b\\"));
	assert_int_equal(i.n, 3);
	assert_true(str_eq(i.params[0].key, "x"));
	assert_int_equal(i.params[0].value.type, SF_DATE);
	assert_int_equal(i.params[0].value.number, 7);
	assert_int_equal(i.params[1].value.type, SF_DECIMAL);
	assert_int_equal(i.params[1].value.number, -1500);
	assert_true(str_eq(i.params[2].value.text, "tok/en"));
}

static void
as_many_parameters_are_read_as_the_rfc_wants_and_no_more(void **unused)
{
	char text[8 * (SF_PARAMS_MOST + 2)];
	struct sf_item i;
	size_t n = (size_t)snprintf(text, sizeof(text), "1");

	(void)unused;
	for (int k = 0; k < SF_PARAMS_MOST; k++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ";k%d=%d", k, k % 10);
	assert_true(sf_item_read(a, (struct str){ text, n }, &i));
	assert_int_equal(i.n, SF_PARAMS_MOST);
	assert_true(str_eq(i.params[255].key, "k255"));
	assert_int_equal(i.params[200].value.number, 0);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ";more");
	assert_false(sf_item_read(a, (struct str){ text, n }, &i));
}

/* --- the vectors --- */

static bool
text_is(const json_t *v, struct str s)
{
	return json_is_string(v) && json_string_length(v) == s.n &&
	       memcmp(json_string_value(v), s.p, s.n) == 0;
}

static bool
value_is(const json_t *want, const struct sf_value *v)
{
	const char *kind = json_string_value(json_object_get(want, "__type"));
	const json_t *inner = json_object_get(want, "value");

	switch (v->type) {
	case SF_INTEGER:
		return json_is_integer(want) && json_integer_value(want) == v->number;
	case SF_DECIMAL: /* the vectors write some as integers */
		return json_is_number(want) && llround(json_number_value(want) * 1000) == v->number;
	case SF_BOOLEAN:
		return json_is_boolean(want) && json_is_true(want) == (v->number == 1);
	case SF_STRING:
		return text_is(want, v->text);
	case SF_TOKEN:
		return kind != NULL && strcmp(kind, "token") == 0 && text_is(inner, v->text);
	case SF_DISPLAY:
		return kind != NULL && strcmp(kind, "displaystring") == 0 &&
		       text_is(inner, v->text);
	case SF_DATE:
		return kind != NULL && strcmp(kind, "date") == 0 &&
		       json_integer_value(inner) == v->number;
	case SF_BYTES: /* theirs is base32 of the same: five bits a letter */
		return kind != NULL && strcmp(kind, "binary") == 0 &&
		       strcspn(json_string_value(inner), "=") * 5 / 8 == v->text.n * 6 / 8;
	}
	return false;
}

static bool
item_is(const json_t *want, const struct sf_item *i)
{
	const json_t *params = json_array_get(want, 1), *one;
	size_t k;

	if (!value_is(json_array_get(want, 0), &i->value) || json_array_size(params) != i->n)
		return false;
	json_array_foreach(params, k, one)
	{
		if (!text_is(json_array_get(one, 0), i->params[k].key) ||
		    !value_is(json_array_get(one, 1), &i->params[k].value))
			return false;
	}
	return true;
}

/* A list of one item is written as that item is. NULL: the vector is of something else. */
static const json_t *
item_of(const json_t *one, const json_t **want)
{
	const char *type = json_string_value(json_object_get(one, "header_type"));
	const json_t *raw = json_object_get(one, "raw"), *text = json_array_get(raw, 0);
	const char *list = strcmp(type, "list") == 0 ? json_string_value(text) : NULL;

	*want = json_object_get(one, "expected");
	if (json_array_size(raw) != 1 || strcmp(type, "dictionary") == 0)
		return NULL;
	if (list == NULL)
		return text;
	if (list[strspn(list, " ")] == '(' || memchr(list, ',', json_string_length(text)) != NULL ||
	    list[strspn(list, " ")] == '\0')
		return NULL;
	*want = json_array_get(*want, 0);
	return text;
}

static unsigned
check_file(const char *dir, const char *name)
{
	json_t *all =
	    json_load_file(arena_printf(a, "%s/http/structured-field-tests/%s.json", dir, name),
		JSON_ALLOW_NUL, NULL);
	const json_t *want, *text;
	struct sf_item i;
	unsigned n = 0;
	json_t *one;
	size_t at;
	bool ok;

	assert_true(json_array_size(all) != 0);
	json_array_foreach(all, at, one)
	{
		if ((text = item_of(one, &want)) == NULL)
			continue;
		n++;
		ok = sf_item_read(
		    a, (struct str){ json_string_value(text), json_string_length(text) }, &i);
		if (ok ? json_is_true(json_object_get(one, "must_fail")) || !item_is(want, &i)
		       : want != NULL && !json_is_true(json_object_get(one, "can_fail")))
			fail_msg("%s: %s: %s", name,
			    json_string_value(json_object_get(one, "name")),
			    ok ? "is read, or as something else" : "is not read");
	}
	json_decref(all);
	return n;
}

static void
items_are_read_as_the_vectors_have_them(void **unused)
{
	static const char *const files[] = { "binary", "boolean", "date", "display-string",
		"examples", "item", "key-generated", "large-generated", "list", "number",
		"number-generated", "param-list", "string", "string-generated", "token",
		"token-generated" };
	const char *dir = getenv("METAFED_TEST_DATA");
	unsigned n = 0;

	(void)unused;
	if (dir == NULL) {
		print_message("METAFED_TEST_DATA is not set: the vectors are not there\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		n += check_file(dir, files[i]);
	assert_true(n > 1000);
}

#define S(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(an_item_is_a_value_and_its_parameters),
		TA(as_many_parameters_are_read_as_the_rfc_wants_and_no_more),
		TA(items_are_read_as_the_vectors_have_them),
	};

	return TEST_RUN(tests);
}
