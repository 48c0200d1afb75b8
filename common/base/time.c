/* time: reading the two clocks, and the text forms of instants and durations. Proleptic Gregorian
 * calendar, UTC. */
#include "base/time.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t days_from_civil(int64_t y, unsigned m, unsigned d);
static void civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d);
static bool digits(struct str *s, unsigned n, unsigned *out);
static bool literal(struct str *s, const char *any_of);
static bool parse_fraction(struct str *s, int64_t *us);
static bool parse_offset(struct str *s, int64_t *us);

static _Atomic int64_t wall_step; /* log lines of other threads read the clock, too */

static int64_t
clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SEC + ts.tv_nsec / 1000;
}

int64_t
time_now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t
time_wall_us(void)
{
	return clock_us(CLOCK_REALTIME) + atomic_load_explicit(&wall_step, memory_order_relaxed);
}

void
time_wall_step(int64_t us)
{
	atomic_store_explicit(&wall_step, us, memory_order_relaxed);
}

/* Years outside 0 to 9999 have no RFC 3339 form: the nearest instant that has one is written. */
void
time_rfc3339(int64_t wall_us, char out[TIME_RFC3339_LEN])
{
	const int64_t first = days_from_civil(0, 1, 1) * 86400 * SEC;
	const int64_t last = days_from_civil(10000, 1, 1) * 86400 * SEC - 1;
	int64_t t = wall_us < first ? first : wall_us > last ? last : wall_us;
	int64_t days = t / (86400 * SEC), rest = t % (86400 * SEC), y;
	unsigned m, d, s;

	if (rest < 0) {
		rest += 86400 * SEC;
		days--;
	}
	civil_from_days(days, &y, &m, &d);
	s = (unsigned)(rest / SEC);
	snprintf(out, TIME_RFC3339_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)y % 10000,
	    m % 100, d % 100, s / 3600 % 100, s / 60 % 60, s % 60, (unsigned)(rest % SEC));
}

bool
time_parse_rfc3339(struct str s, int64_t *wall_us)
{
	static const unsigned char month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	unsigned y, mo, d, h, mi, sec, longest;
	int64_t fraction, offset;

	if (!digits(&s, 4, &y) || !literal(&s, "-") || !digits(&s, 2, &mo) || !literal(&s, "-") ||
	    !digits(&s, 2, &d) || !literal(&s, "Tt ") || !digits(&s, 2, &h) || !literal(&s, ":") ||
	    !digits(&s, 2, &mi) || !literal(&s, ":") || !digits(&s, 2, &sec) ||
	    !parse_fraction(&s, &fraction) || !parse_offset(&s, &offset) || s.n != 0)
		return false;
	if (mo < 1 || mo > 12 || h > 23 || mi > 59 || sec > 59)
		return false;
	longest = month_days[mo - 1];
	if (mo == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)))
		longest = 29;
	if (d < 1 || d > longest)
		return false;
	*wall_us = (days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec) * SEC + fraction -
	           offset;
	return true;
}

bool
time_parse_duration(struct str s, int64_t *us)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "", MS }, { "us", 1 }, { "ms", MS }, { "s", SEC }, { "m", 60 * SEC },
		{ "h", 3600 * SEC }, { "d", 86400 * SEC } };
	struct str number = s, unit;
	uint64_t v;

	number.n = 0;
	while (number.n < s.n && s.p[number.n] >= '0' && s.p[number.n] <= '9')
		number.n++;
	unit = (struct str){ s.p + number.n, s.n - number.n };
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!str_eq(unit, units[i].unit))
			continue;
		if (!str_u64(number, (uint64_t)(INT64_MAX / units[i].us), &v))
			return false;
		*us = (int64_t)v * units[i].us;
		return true;
	}
	return false;
}

/* Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last. */
static int64_t
days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

static void
civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;

	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp < 10 ? mp + 3 : mp - 9;
	*y = (int64_t)yoe + era * 400 + (*m <= 2);
}

static bool
digits(struct str *s, unsigned n, unsigned *out)
{
	uint64_t v;

	if (s->n < n || !str_u64((struct str){ s->p, n }, 9999, &v))
		return false;
	*out = (unsigned)v;
	s->p += n;
	s->n -= n;
	return true;
}

static bool
literal(struct str *s, const char *any_of)
{
	if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL)
		return false;
	s->p++;
	s->n--;
	return true;
}

/* Optional; beyond microseconds digits are read and cut. */
static bool
parse_fraction(struct str *s, int64_t *us)
{
	int64_t scale = SEC / 10;
	size_t n = 0;

	*us = 0;
	if (!literal(s, "."))
		return true;
	for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->n--, n++, scale /= 10)
		*us += (s->p[0] - '0') * scale;
	return n > 0;
}

static bool
parse_offset(struct str *s, int64_t *us)
{
	unsigned h, m;
	bool minus;

	*us = 0;
	if (literal(s, "Zz"))
		return true;
	minus = s->n > 0 && s->p[0] == '-';
	if (!literal(s, "+-") || !digits(s, 2, &h) || !literal(s, ":") || !digits(s, 2, &m) ||
	    h > 23 || m > 59)
		return false;
	*us = (h * INT64_C(3600) + m * 60) * SEC * (minus ? -1 : 1);
	return true;
}
