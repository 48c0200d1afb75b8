/* time: instants as text and back, durations. */
#include <string.h>
#include "base/time.h"
#include "harness/test.h"

static void
instants_are_written_in_utc_with_microseconds(void **unused)
{
	char text[TIME_RFC3339_LEN];

	(void)unused;
	time_rfc3339(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	time_rfc3339(INT64_C(951782400) * SEC + 1, text);
	assert_string_equal(text, "2000-02-29T00:00:00.000001Z");
	time_rfc3339(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
	time_rfc3339(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
	time_rfc3339(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000000Z");
}

static void
what_was_written_reads_back(void **unused)
{
	char text[TIME_RFC3339_LEN];
	int64_t back;

	(void)unused;
	for (int64_t t = -60000 * INT64_C(86400) * SEC; t < 120000 * INT64_C(86400) * SEC;
	     t += INT64_C(86399123457) * 7) {
		time_rfc3339(t, text);
		assert_true(time_parse_rfc3339(str_of(text), &back));
		assert_true(back == t);
	}
}

static void
an_offset_is_taken_off(void **unused)
{
	int64_t a, b;

	(void)unused;
	assert_true(time_parse_rfc3339(STR("2026-11-21T12:00:00+02:30"), &a));
	assert_true(time_parse_rfc3339(STR("2026-11-21t09:30:00z"), &b));
	assert_true(a == b);
	assert_true(time_parse_rfc3339(STR("2026-11-20 23:30:00.1234567-10:00"), &a));
	assert_true(a == b + 123456);
}

static void
dates_that_never_were_are_refused(void **unused)
{
	static const char *const bad[] = { "", "2026-11-21", "2026-11-21T12:00:00",
		"2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z", "2016-12-31T23:59:60Z",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00Zx", "26-01-01T00:00:00Z", "+026-01-01T00:00:00Z" };
	int64_t t;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(time_parse_rfc3339(str_of(bad[i]), &t));
	assert_false(time_parse_rfc3339(STR("2026-01-01T00:00:00\0Z"), &t));
}

static void
durations_have_units_and_plain_digits_are_milliseconds(void **unused)
{
	int64_t us;

	(void)unused;
	assert_true(time_parse_duration(STR("250ms"), &us) && us == 250 * MS);
	assert_true(time_parse_duration(STR("5s"), &us) && us == 5 * SEC);
	assert_true(time_parse_duration(STR("2m"), &us) && us == 120 * SEC);
	assert_true(time_parse_duration(STR("1h"), &us) && us == 3600 * SEC);
	assert_true(time_parse_duration(STR("30d"), &us) && us == INT64_C(2592000) * SEC);
	assert_true(time_parse_duration(STR("7"), &us) && us == 7 * MS);
	assert_true(time_parse_duration(STR("0"), &us) && us == 0);
	assert_false(time_parse_duration(STR(""), &us));
	assert_false(time_parse_duration(STR("s"), &us));
	assert_false(time_parse_duration(STR("-1s"), &us));
	assert_false(time_parse_duration(STR("1.5s"), &us));
	assert_false(time_parse_duration(STR("1 s"), &us));
	assert_false(time_parse_duration(STR("1w"), &us));
	assert_false(time_parse_duration(STR("106751992d"), &us)); /* beyond 2^63 us */
}

static void
the_monotonic_clock_never_goes_back(void **unused)
{
	int64_t last = time_now_us();

	(void)unused;
	for (int i = 0; i < 10000; i++) {
		int64_t now = time_now_us();

		assert_true(now >= last);
		last = now;
	}
	assert_true(time_wall_us() > INT64_C(1700000000) * SEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(instants_are_written_in_utc_with_microseconds),
		T(what_was_written_reads_back),
		T(an_offset_is_taken_off),
		T(dates_that_never_were_are_refused),
		T(durations_have_units_and_plain_digits_are_milliseconds),
		T(the_monotonic_clock_never_goes_back),
	};

	return TEST_RUN(tests);
}
