/* csv: what the import reads from a file of somebody else's. */
#include "harness/test.h"

#include <string.h>

#include "cli/csv.h"

static struct csv_record r;
TEST_ARENA(a, 1 << 20)

static void
expect(size_t i, const char *want)
{
	assert_true(i < r.n);
	assert_int_equal(r.fields[i].n, strlen(want));
	assert_memory_equal(r.fields[i].p, want, strlen(want));
}

static struct csv
over(const char *text)
{
	struct csv c;

	csv_start(&c, text, strlen(text));
	return c;
}

static void
fields_are_split_at_commas(void **state)
{
	struct csv c = over("a,,c\n");

	(void)state;
	assert_true(csv_next(&c, a, &r));
	assert_null(r.wrong);
	assert_int_equal(r.n, 3);
	expect(0, "a");
	expect(1, "");
	expect(2, "c");
	assert_false(csv_next(&c, a, &r));
}

static void
a_quoted_field_holds_commas_line_breaks_and_quotes(void **state)
{
	struct csv c = over("\"x,\ny \"\"z\"\"\",2\r\n3,4");

	(void)state;
	assert_true(csv_next(&c, a, &r));
	assert_null(r.wrong);
	expect(0, "x,\ny \"z\"");
	expect(1, "2");
	assert_true(csv_next(&c, a, &r));
	assert_int_equal(r.line, 3);
	expect(0, "3");
	expect(1, "4");
	assert_false(csv_next(&c, a, &r));
}

static void
a_bad_record_is_said_and_the_next_is_read(void **state)
{
	struct csv c = over("\"a\"b,c\nd,e\nf\"g,h\ni,j\n");

	(void)state;
	assert_true(csv_next(&c, a, &r));
	assert_string_equal(r.wrong, "has text behind a closing quote");
	assert_int_equal(r.line, 1);
	assert_true(csv_next(&c, a, &r));
	assert_null(r.wrong);
	expect(0, "d");
	assert_true(csv_next(&c, a, &r));
	assert_string_equal(r.wrong, "has a quote inside an unquoted field");
	assert_true(csv_next(&c, a, &r));
	assert_null(r.wrong);
	assert_int_equal(r.line, 4);
}

static void
a_quote_that_is_never_closed_is_said_with_its_line(void **state)
{
	struct csv c = over("a\n\"b\nc");

	(void)state;
	assert_true(csv_next(&c, a, &r));
	assert_true(csv_next(&c, a, &r));
	assert_string_equal(r.wrong, "begins a quote that is never closed");
	assert_int_equal(r.line, 2);
	assert_false(csv_next(&c, a, &r));
}

static void
a_byte_order_mark_and_empty_lines_are_passed_over(void **state)
{
	struct csv c = over("\xef\xbb\xbf\n\r\nid\n\n");

	(void)state;
	assert_true(csv_next(&c, a, &r));
	expect(0, "id");
	assert_int_equal(r.line, 3);
	assert_false(csv_next(&c, a, &r));
}

static void
more_fields_than_a_record_holds_are_refused(void **state)
{
	char text[2 * CSV_FIELDS_MOST + 8];
	struct csv c;

	(void)state;
	memset(text, ',', sizeof(text));
	memcpy(text + sizeof(text) - 3, "\nz\n", 3);
	csv_start(&c, text, sizeof(text));
	assert_true(csv_next(&c, a, &r));
	assert_string_equal(r.wrong, "has too many fields");
	assert_true(csv_next(&c, a, &r));
	expect(0, "z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TA(fields_are_split_at_commas),
		TA(a_quoted_field_holds_commas_line_breaks_and_quotes),
		TA(a_bad_record_is_said_and_the_next_is_read),
		TA(a_quote_that_is_never_closed_is_said_with_its_line),
		TA(a_byte_order_mark_and_empty_lines_are_passed_over),
		TA(more_fields_than_a_record_holds_are_refused),
	};

	return TEST_RUN(tests);
}
