/* str: no parser reads beyond its text, and what comes out of one goes back into its other half. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
there_and_back(const uint8_t *data, size_t size)
{
	char *text = malloc(2 * size + 8);
	uint8_t *back = malloc(size + 1);
	size_t n;

	must(text != NULL && back != NULL);
	must(str_b64url(data, size, text) == str_b64url_len(size));
	must(str_unb64url(str_of(text), back, size, &n) && n == size &&
	     memcmp(back, data, size) == 0);
	str_hex(data, size, text);
	must(str_unhex(str_of(text), back, size) && memcmp(back, data, size) == 0);
	free(text);
	free(back);
}

/* What is taken must be the one spelling of its bytes. */
static void
one_spelling(struct str s)
{
	uint8_t *out = malloc(s.n + 1);
	char *text = malloc(2 * s.n + 8);
	size_t n;

	must(out != NULL && text != NULL);
	if (str_unb64url(s, out, s.n, &n)) {
		str_b64url(out, n, text);
		must(str_eq(s, text));
	}
	free(out);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size }, head, tail;
	char text[TIME_RFC3339_LEN];
	int64_t i, t, back;
	struct arena *a;
	uint64_t u;
	size_t n;
	double d;
	bool b;

	if (size > 65536)
		return 0;
	there_and_back(data, size);
	one_spelling(s);
	if (str_u64(s, UINT64_MAX, &u) && u <= INT64_MAX)
		must(str_i64(s, INT64_MIN, INT64_MAX, &i) && (uint64_t)i == u);
	(void)str_i64(s, -5, 5, &i);
	(void)str_double(s, &d);
	(void)str_bool(s, &b);
	(void)str_utf8_ok(data, size);
	(void)str_token_ok(s);
	(void)time_parse_duration(s, &t);
	str_cut(str_trim(s), '=', &head, &tail);
	must(head.n + tail.n <= size);
	if (time_parse_rfc3339(s, &t)) {
		time_rfc3339(t, text);
		must(time_parse_rfc3339(str_of(text), &back));
	}
	a = arena_new(1 << 20);
	if (str_percent_decode(a, s, size % 2 == 0, &n) != NULL)
		must(n <= size);
	arena_free(&a);
	return 0;
}
