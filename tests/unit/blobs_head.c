/* The header fields of large values: Range, digests, and those of tus. */
#include <string.h>

#include "api/rest/blobs_head.h"
#include "harness/test.h"

static struct arena *a;

static int
set_up(void **unused)
{
	(void)unused;
	a = arena_new(1 << 20);
	return 0;
}

static int
tear_down(void **unused)
{
	(void)unused;
	arena_free(&a);
	return 0;
}

static void
a_range_of_bytes_is_read_and_cut_to_what_is_there(void **unused)
{
	static const struct {
		const char *field;
		bool range, there;
		uint64_t first, end;
	} cases[] = { { "bytes=0-0", true, true, 0, 1 }, { "bytes=5-", true, true, 5, 100 },
		{ "bytes=-10", true, true, 90, 100 }, { "bytes=-200", true, true, 0, 100 },
		{ "bytes=50-1000", true, true, 50, 100 }, { "bytes=100-", true, false, 100, 100 },
		{ "bytes=-0", true, false, 100, 100 }, { "bytes=5-4", false, false, 0, 0 },
		{ "bytes=", false, false, 0, 0 }, { "bytes=-", false, false, 0, 0 },
		{ "bytes=1-2,4-5", false, false, 0, 0 }, { "items=0-1", false, false, 0, 0 },
		{ "bytes=+1-2", false, false, 0, 0 },
		{ "bytes=0-9223372036854775807", true, true, 0, 100 },
		{ "bytes=0-9223372036854775808", false, false, 0, 0 }, { "", false, false, 0, 0 } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct byte_range r;
		uint64_t first, end;

		assert_int_equal(range_read(cases[i].field, &r), cases[i].range);
		if (!cases[i].range)
			continue;
		assert_int_equal(range_of(&r, 100, &first, &end), cases[i].there);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(end, cases[i].end);
	}
}

static void
the_sha_256_of_a_digest_is_found_among_others(void **unused)
{
	static const char sum[] = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
	uint8_t out[SHA256_BYTES];

	(void)unused;
	assert_int_equal(digest_read(a, sum, out), DIGEST_SHA256);
	assert_int_equal(out[0], 0xe3);
	assert_string_equal(
	    digest_text(a, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
	    sum);
	assert_int_equal(
	    digest_read(a, arena_printf(a, "md5=:AAAA:, %s", sum), out), DIGEST_SHA256);
	assert_int_equal(digest_read(a, "sha-512=:AAAA:", out), DIGEST_NONE);
	assert_int_equal(digest_read(a, "sha-256=:AAAA:", out), DIGEST_BAD);
	assert_int_equal(digest_read(a, "sha-256=abc", out), DIGEST_BAD);
	assert_int_equal(digest_read(a, "sha-256", out), DIGEST_BAD);
	assert_int_equal(digest_read(a, "", out), DIGEST_BAD);
}

static void
metadata_are_keys_once_each_with_base64(void **unused)
{
	static const char *const good[] = { "", "a", "a YQ==", "a YQ==,b",
		"a YQ==, b YmI=", "a ,b" };
	static const char *const bad[] = { ",", "a YQ==,", "a Y", "a YQ==,a", " ", "a YQ== x",
		"\x7f" };

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!metadata_ok(good[i]))
			fail_msg("\"%s\" is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (metadata_ok(bad[i]))
			fail_msg("\"%s\" is taken", bad[i]);
	assert_string_equal(
	    metadata_of(a, "x YQ==,filetype dGV4dC9wbGFpbg==", "filetype"), "text/plain");
	assert_null(metadata_of(a, "filetype DQo=", "filetype")); /* CR, LF */
	assert_null(metadata_of(a, "x YQ==", "filetype"));
}

static void
a_checksum_is_of_one_of_two_kinds_and_fits_its_bytes(void **unused)
{
	struct checksum c;

	(void)unused;
	assert_true(checksum_read("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", &c));
	assert_true(checksum_fits(&c, "", 0));
	assert_false(checksum_fits(&c, "x", 1));
	assert_true(checksum_read("sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", &c));
	assert_true(checksum_fits(&c, "", 0));
	assert_false(checksum_read("sha256 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", &c));
	assert_false(checksum_read("md5 AAAA", &c));
	assert_false(checksum_read("sha1", &c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_range_of_bytes_is_read_and_cut_to_what_is_there),
		T(the_sha_256_of_a_digest_is_found_among_others),
		T(metadata_are_keys_once_each_with_base64),
		T(a_checksum_is_of_one_of_two_kinds_and_fits_its_bytes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
