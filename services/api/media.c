/* media: values of Content-Type, Accept, Accept-Encoding and traceparent, as far as the edge has to understand them.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/http_check.h"

static struct str type_of(struct str);
static bool equal(struct str, const char *);
static bool refused(struct str);
static bool has_version(struct str, const char *);
static int weight_of(struct str);

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
media_compressible(const char *content_type)
{
	static const char *const plain[] = { "application/json", "application/x-ndjson",
		"application/javascript", "application/openmetrics-text", "image/svg+xml" };
	struct str type = type_of(str_of(content_type));

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (equal(type, plain[i]))
			return true;
	return (type.n > 5 && strncasecmp(type.p + type.n - 5, "+json", 5) == 0) ||
	       (type.n > 5 && strncasecmp(type.p, "text/", 5) == 0 &&
		   !equal(type, "text/event-stream"));
}

bool
gzip_accepted(struct str accept_encoding)
{
	int gzip = -1, any = -1, identity = -1;
	struct str rest = accept_encoding, one;

	while (rest.n != 0) {
		struct str coding;

		str_cut(rest, ',', &one, &rest);
		coding = type_of(one);
		if (equal(coding, "gzip") || equal(coding, "x-gzip"))
			gzip = weight_of(one);
		else if (equal(coding, "identity"))
			identity = weight_of(one);
		else if (equal(coding, "*"))
			any = weight_of(one);
	}
	if (gzip < 0)
		gzip = any;
	return gzip > 0 && gzip >= identity;
}

bool
openmetrics_wanted(struct str accept)
{
	int open = 0, plain = 0, weight;
	struct str rest = accept, one;

	while (rest.n != 0) {
		str_cut(rest, ',', &one, &rest);
		weight = weight_of(one);
		if (equal(type_of(one), "text/plain") && weight > plain)
			plain = weight;
		else if (equal(type_of(one), "application/openmetrics-text") && weight > open &&
			 has_version(one, "1.0.0"))
			open = weight;
	}
	return open > 0 && open >= plain;
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

static bool
refused(struct str range)
{
	return weight_of(range) == 0;
}

/* Or it says none. */
static bool
has_version(struct str item, const char *version)
{
	struct str rest = item, one, name, value;

	str_cut(rest, ';', &one, &rest);
	while (rest.n != 0) {
		str_cut(rest, ';', &one, &rest);
		if (str_cut(one, '=', &name, &value) && equal(str_trim(name), "version"))
			return equal(str_trim(value), version);
	}
	return true;
}

/* ";q=0.5" is 500; 1000 when it is not said, -1 when what is said is no weight. */
static int
weight_of(struct str item)
{
	struct str rest = item, one;
	int weight = 0, unit = 100;

	str_cut(rest, ';', &one, &rest);
	while (rest.n != 0) {
		str_cut(rest, ';', &one, &rest);
		one = str_trim(one);
		if (one.n < 3 || (one.p[0] | 0x20) != 'q' || one.p[1] != '=')
			continue;
		if (one.n > 7 || (one.p[2] != '0' && one.p[2] != '1') ||
		    (one.n > 3 && one.p[3] != '.'))
			return -1;
		weight = one.p[2] == '1' ? 1000 : 0;
		for (size_t i = 4; i < one.n; i++, unit /= 10) {
			if (one.p[i] < '0' || one.p[i] > '9')
				return -1;
			weight += (one.p[i] - '0') * unit;
		}
		return weight > 1000 ? -1 : weight;
	}
	return 1000;
}
