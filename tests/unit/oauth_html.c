/* Pages from templates: what is put in can't become markup; what templates must be. */
#include <string.h>
#include "auth/oauth/html.h"
#include "base/str.h"
#include "harness/test.h"

static struct arena *a;

static int
begin(void **state)
{
	(void)state;
	a = arena_new(1 << 22);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	arena_free(&a);
	return 0;
}

static const char *
escape(const char *s)
{
	size_t n;

	return html_escape(a, s, strlen(s), &n);
}

static const char *
page(const struct view *v, const char *file)
{
	size_t n;
	const char *p = html_page(v, file, &n);

	assert_int_equal(strlen(p), n);
	return p;
}

static void
markup_in_a_text_is_text(void **unused)
{
	(void)unused;
	assert_string_equal(escape("<script>alert('1' & \"2\")</script>"),
	    "&lt;script&gt;alert(&#39;1&#39; &amp; &#34;2&#34;)&lt;/script&gt;");
	assert_string_equal(escape("plain, \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x84\n"),
	    "plain, \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x84\n");
}

static void
what_is_no_text_is_replaced(void **unused)
{
	static const char *const bad[] = { "\x01", "\x7f", "\r", "\xff", "\xc0\xaf", "\xed\xa0\x80",
		"\xc2\x85", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8f", "\xd8\x9c" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *s = escape(bad[i]);

		assert_int_equal(strncmp(s, "\xef\xbf\xbd", 3), 0);
		assert_int_equal(strlen(s) % 3, 0);
	}
	/* beside them: not theirs */
	assert_string_equal(
	    escape("\xe2\x80\x90\xe2\x81\xaa\xc2\xa0"), "\xe2\x80\x90\xe2\x81\xaa\xc2\xa0");
}

static void
a_text_that_is_cut_within_a_character_reads_no_further(void **unused)
{
	size_t n;

	(void)unused;
	(void)html_escape(a, "\xe2\x82\xac", 2, &n);
	assert_int_equal(n, 6); /* one U+FFFD for each of its bytes */
}

static void
a_name_stands_for_its_text_and_a_section_for_its_rows(void **unused)
{
	struct view *v = view_new(a);
	const char *p;

	(void)unused;
	view_set(v, "title", "<t>");
	view_set(v, "client", "a client");
	view_set(v, "user", "a user");
	view_set(v, "host", "client.example");
	for (int i = 0; i < 2; i++) {
		struct view *row = view_add(view_add(v, "scopes"), "scope");

		view_setf(row, "words", "words %d \"&", i);
		view_set(row, "name", i == 0 ? "task.read" : NULL);
	}
	p = page(v, "consent.html");
	assert_non_null(strstr(p, "<h1>&lt;t&gt;</h1>"));
	assert_non_null(strstr(p, "<li>words 0 &#34;&amp; <code>task.read</code></li>"));
	assert_non_null(strstr(p, "<li>words 1 &#34;&amp;</li>"));
	assert_null(strstr(p, "not verified"));
	assert_null(strstr(p, "{{"));
	assert_null(strstr(p, "Error: "));
}

static void
an_inverted_section_is_there_without_its_name(void **unused)
{
	struct view *v = view_new(a);

	(void)unused;
	view_set(v, "username", "");
	assert_null(strstr(page(v, "login.html"), "value=\"\" required autofocus"));
	assert_non_null(strstr(page(v, "factor.html"), "inputmode=\"numeric\""));
	view_set(v, "recovery", "1");
	assert_null(strstr(page(v, "factor.html"), "inputmode=\"numeric\""));
}

/* What escaping relies on: names only in text and between double quotes, no scripts, no styles, no
 * address of elsewhere. */
static void
templates_hold_no_place_where_escaped_text_could_act(void **unused)
{
	static const char *const never[] = { "<script", "<style", "style=", " onclick",
		"javascript:", "src=", "http:", "https:", "='", "<a href=\"{{", "<iframe",
		"<base" };
	size_t n = 0;

	(void)unused;
	for (const struct file *f = oauth_files; f->name != NULL; f++) {
		const char *dot = strrchr(f->name, '.');
		bool quoted = false, in_tag = false;

		if (strcmp(dot, ".html") != 0)
			continue;
		n++;
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			if (strstr(f->bytes, never[i]) != NULL)
				fail_msg("%s: %s", f->name, never[i]);
		for (const char *s = f->bytes; *s != '\0'; s++) {
			quoted ^= *s == '"';
			if (!quoted && (*s == '<' || *s == '>'))
				in_tag = *s == '<';
			if (strncmp(s, "{{", 2) != 0)
				continue;
			if (in_tag && !quoted && strchr("#^/", s[2]) == NULL)
				fail_msg("%s: %.30s", f->name, s);
			s = strstr(s, "}}");
		}
		assert_false(quoted || in_tag);
	}
	assert_true(n >= 11);
}

static void
every_template_is_a_whole_page_or_a_part_of_one(void **unused)
{
	struct view *v = view_new(a);

	(void)unused;
	for (const struct file *f = oauth_files; f->name != NULL; f++) {
		const char *p;

		if (strstr(f->name, ".html") == NULL)
			continue;
		p = page(v, f->name);
		assert_null(strstr(p, "{{"));
		if (strstr(f->bytes, "{{>head}}") == NULL)
			continue;
		assert_non_null(strstr(p, "<html lang=\"en\">"));
		assert_non_null(strstr(p, "</main>"));
		assert_non_null(strstr(p, "</html>"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_in_a_text_is_text),
		cmocka_unit_test(what_is_no_text_is_replaced),
		cmocka_unit_test(a_text_that_is_cut_within_a_character_reads_no_further),
		cmocka_unit_test(a_name_stands_for_its_text_and_a_section_for_its_rows),
		cmocka_unit_test(an_inverted_section_is_there_without_its_name),
		cmocka_unit_test(templates_hold_no_place_where_escaped_text_could_act),
		cmocka_unit_test(every_template_is_a_whole_page_or_a_part_of_one),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
