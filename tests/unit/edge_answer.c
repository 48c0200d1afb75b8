/* edge_answer: what the edge does to an answer: gzip, entity tags, origins. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "api/cors.h"
#include "api/gzip.h"
#include "base/id.h"
#include "harness/test.h"

static void
what_is_compressed_comes_out_as_it_was(void **unused)
{
	static char text[100000], back[sizeof(text)];

	(void)unused;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "{\"items\":[1,2]}\n"[i % 16];
	for (size_t n = 200; n <= sizeof(text); n *= 3) { /* one state serves them all */
		z_stream z = { .next_out = (Bytef *)back, .avail_out = sizeof(back) };
		size_t got;
		char *p = gzip(text, n, &got);

		assert_non_null(p);
		assert_true(got < n / 2);
		assert_memory_equal(p, "\x1f\x8b", 2);
		z.next_in = (Bytef *)p;
		z.avail_in = (uInt)got;
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.total_out, n);
		assert_memory_equal(back, text, n);
		inflateEnd(&z);
		free(p);
	}
}

static void
what_would_not_shrink_stays(void **unused)
{
	char noise[1000];
	size_t n;

	(void)unused;
	id_random(noise, sizeof(noise));
	assert_null(gzip(noise, sizeof(noise), &n));
	assert_null(gzip("{}", 2, &n));
}

static void
another_representation_has_another_strong_tag_and_ours_is_found_again(void **unused)
{
	char out[ETAG_MARKED], list[200];

	(void)unused;
	assert_true(etag_mark("\"3\"", out));
	assert_string_equal(out, "\"3-gzip\"");
	assert_false(etag_mark("W/\"3\"", out));
	assert_false(etag_mark("3", out));
	assert_false(etag_mark("\"", out));
	assert_false(
	    etag_mark("\"ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
		      "cccccccccccccccccccccccccccccc\"",
		out));
	assert_true(etag_is_marked("\"2\", \"3-gzip\"", 13));
	assert_false(etag_is_marked("\"2\"", 3));
	assert_false(etag_is_marked(NULL, 0));
	strcpy(list, "\"3-gzip\", W/\"4-gzip\",\"5\", \"-gzip\", \"gzip\"");
	etag_unmark(list);
	assert_string_equal(list, "\"3\", W/\"4\",\"5\", \"\", \"gzip\"");
	strcpy(list, "\"3-gzip-gzip\"");
	etag_unmark(list);
	assert_string_equal(list, "\"3\"");
}

static void
only_the_origins_that_are_named_may_read(void **unused)
{
	struct origins o;
	char room[64];

	(void)unused;
	assert_true(origins_parse(&o, "https://a.example, http://localhost:3000"));
	assert_true(origins_set(&o));
	assert_string_equal(
	    origins_allow(&o, STR("https://a.example"), room, sizeof(room)), "https://a.example");
	assert_string_equal(origins_allow(&o, STR("http://localhost:3000"), room, sizeof(room)),
	    "http://localhost:3000");
	assert_null(origins_allow(&o, STR("http://a.example"), room, sizeof(room)));
	assert_null(origins_allow(&o, STR("https://a.example.evil"), room, sizeof(room)));
	assert_null(origins_allow(&o, STR("https://a.exampl"), room, sizeof(room)));
	assert_null(origins_allow(&o, STR("https://A.example"), room, sizeof(room)));
	assert_null(origins_allow(&o, STR("null"), room, sizeof(room)));
	assert_null(origins_allow(&o, (struct str){ NULL, 0 }, room, sizeof(room)));
	assert_true(origins_parse(&o, "*"));
	assert_string_equal(origins_allow(&o, STR("https://b.example"), room, sizeof(room)), "*");
	assert_true(origins_parse(&o, ""));
	assert_false(origins_set(&o));
	assert_null(origins_allow(&o, STR("https://a.example"), room, sizeof(room)));
}

static void
an_origin_is_a_scheme_and_a_host_and_nothing_more(void **unused)
{
	static const char *const wrong[] = { "a.example", "https://", "https://a/", "https://a/b",
		"ftp://a", "https://*.a", "https://A", "null", "https://a, ,https://b",
		"https://u@a", "https://a b", "https://a?" };
	struct origins o;

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (origins_parse(&o, wrong[i]))
			fail_msg("\"%s\" was taken", wrong[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_compressed_comes_out_as_it_was),
		T(what_would_not_shrink_stays),
		T(another_representation_has_another_strong_tag_and_ours_is_found_again),
		T(only_the_origins_that_are_named_may_read),
		T(an_origin_is_a_scheme_and_a_host_and_nothing_more),
	};

	return TEST_RUN(tests);
}
