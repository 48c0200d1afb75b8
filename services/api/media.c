/* media: values of Content-Type, Accept and traceparent, as far as the edge has to understand them.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/http_check.h"

static struct str type_of(struct str);
static bool equal(struct str, const char *);
static bool refused(struct str);

bool
media_is(struct str content_type, const char *type)
{
	return equal(type_of(content_type), type);
}

/* The most specific range decides (RFC 9110, 12.5.1): "application/json;q=0, * / *" does not take
 * it. */
bool
media_accepted(struct str accept, const char *type)
{
	int best = 0;
	bool taken = false;
	struct str rest = accept, one;
	char main_range[64];

	snprintf(main_range, sizeof(main_range), "%.*s/*", (int)strcspn(type, "/"), type);
	while (rest.n != 0) {
		struct str range;
		int weight;

		str_cut(rest, ',', &one, &rest);
		range = type_of(one);
		weight = equal(range, type)         ? 3
		         : equal(range, main_range) ? 2
		         : equal(range, "*/*")      ? 1
		                                    : 0;
		if (weight > best) {
			best = weight;
			taken = !refused(one);
		}
	}
	return taken;
}

bool
traceparent_ok(struct str s)
{
	static const char form[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

	if (s.n != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool hex = (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f');

		if (form[i] == 'h' ? !hex : s.p[i] != form[i])
			return false;
	}
	return strspn(s.p + 3, "0") < 32 && strspn(s.p + 36, "0") < 16;
}

static struct str
type_of(struct str s)
{
	struct str type, parameters;

	str_cut(s, ';', &type, &parameters);
	return str_trim(type);
}

static bool
equal(struct str s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

/* q=0, q=0.0, q=0.00, q=0.000 */
static bool
refused(struct str range)
{
	struct str rest = range, one;

	str_cut(rest, ';', &one, &rest);
	while (rest.n != 0) {
		size_t zeros = 0;

		str_cut(rest, ';', &one, &rest);
		one = str_trim(one);
		if (one.n < 3 || (one.p[0] | 0x20) != 'q' || one.p[1] != '=')
			continue;
		for (size_t i = 2; i < one.n; i++)
			zeros += one.p[i] == '0' || one.p[i] == '.';
		return zeros == one.n - 2;
	}
	return false;
}
