/* schema_format: see schema_format.h. By the RFCs that JSON Schema names, read strictly. */
#include "base/schema_format.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/schema_pattern.h"
#include "base/time.h"

typedef bool format_fn(struct str, bool);

static format_fn is_uuid, is_date_time, is_date, is_time, is_duration, is_email, is_hostname,
    is_ipv4, is_ipv6, is_uri, is_uri_reference, is_json_pointer, is_regex;

static const struct schema_format formats[] = {
	{ "uuid", is_uuid, "must be a UUID in lower case" },
	{ "date-time", is_date_time, "must be a time as RFC 3339 writes it" },
	{ "date", is_date, "must be a date as RFC 3339 writes it" },
	{ "time", is_time, "must be a time of day as RFC 3339 writes it" },
	{ "duration", is_duration, "must be a duration as ISO 8601 writes it" },
	{ "email", is_email, "must be an e-mail address" },
	{ "hostname", is_hostname, "must be a host name" },
	{ "ipv4", is_ipv4, "must be an IPv4 address" },
	{ "ipv6", is_ipv6, "must be an IPv6 address" },
	{ "uri", is_uri, "must be a URI" },
	{ "uri-reference", is_uri_reference, "must be a URI or the end of one" },
	{ "json-pointer", is_json_pointer, "must be a JSON Pointer" },
	{ "regex", is_regex, "must be a regular expression" },
};

const struct schema_format *
schema_format_named(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool
is_uuid(struct str s, bool strict)
{
	char text[UUID_LEN];

	if (s.n != UUID_LEN - 1)
		return false;
	for (size_t i = 0; i < s.n; i++)
		text[i] =
		    !strict && s.p[i] >= 'A' && s.p[i] <= 'F' ? (char)(s.p[i] | 0x20) : s.p[i];
	text[s.n] = '\0';
	return uuid_ok(text);
}

static bool
is_date_time(struct str s, bool strict)
{
	int64_t us;

	(void)strict;
	return time_parse_rfc3339(s, &us);
}

static bool
is_date(struct str s, bool strict)
{
	char text[24];

	if (s.n != 10)
		return false;
	memcpy(text, s.p, 10);
	memcpy(text + 10, "T00:00:00Z", 11);
	return is_date_time(str_of(text), strict);
}

static bool
is_time(struct str s, bool strict)
{
	char text[64] = "2000-01-01T";

	if (s.n > 50)
		return false;
	memcpy(text + 11, s.p, s.n);
	return is_date_time((struct str){ text, 11 + s.n }, strict);
}

/* P1Y2M3DT4H5M6S, or P7W: units in their order, one at least, none missing behind a T. */
static bool
is_duration(struct str s, bool strict)
{
	const char *units = s.n > 0 && s.p[s.n - 1] == 'W' ? "W" : "YMD", *unit;
	bool time = false;
	size_t from;

	(void)strict;
	if (s.n < 3 || s.p[0] != 'P')
		return false;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == 'T') {
			if (time || units[0] == 'W')
				return false;
			time = true;
			units = "HMS";
			i++;
		}
		for (from = i; i < s.n && digit(s.p[i]);)
			i++;
		unit = i < s.n && s.p[i] != '\0' ? strchr(units, s.p[i]) : NULL;
		if (i == from || unit == NULL)
			return false;
		units = unit + 1;
	}
	return true;
}

static bool
label_ok(struct str s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!digit(s.p[i]) && !letter(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

static bool
is_hostname(struct str s, bool strict)
{
	struct str rest = s, one;
	bool more;

	(void)strict;
	if (s.n == 0 || s.n > 253)
		return false;
	do {
		more = str_cut(rest, '.', &one, &rest);
		if (!label_ok(one))
			return false;
	} while (more);
	return true;
}

static bool
is_email(struct str s, bool strict)
{
	struct str local, domain;
	bool dot = true; /* before the first and behind the last there is none */

	if (!str_cut(s, '@', &local, &domain) || local.n == 0 || local.n > 64)
		return false;
	for (size_t i = 0; i < local.n; i++) {
		char c = local.p[i];

		if (c == '.' ? dot
			     : !digit(c) && !letter(c) && strchr("!#$%&'*+/=?^_`{|}~-", c) == NULL)
			return false;
		dot = c == '.';
	}
	return !dot && is_hostname(domain, strict);
}

static bool
address_ok(int family, struct str s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr out;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, &out) == 1;
}

static bool
is_ipv4(struct str s, bool strict)
{
	(void)strict;
	return address_ok(AF_INET, s);
}

static bool
is_ipv6(struct str s, bool strict)
{
	(void)strict;
	return address_ok(AF_INET6, s);
}

/* The characters of RFC 3986, and percents with two digits behind. */
static bool
uri_chars_ok(struct str s)
{
	uint8_t byte;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			if (s.n - i < 3 || !str_unhex((struct str){ s.p + i + 1, 2 }, &byte, 1))
				return false;
			i += 2;
		} else if (!digit(c) && !letter(c) &&
			   (c == '\0' || strchr("-._~:/?#[]@!$&'()*+,;=", c) == NULL)) {
			return false;
		}
	}
	return memchr(s.p, '#', s.n) == NULL ||
	       memchr((char *)memchr(s.p, '#', s.n) + 1, '#',
		   s.n - (size_t)((char *)memchr(s.p, '#', s.n) + 1 - s.p)) == NULL;
}

static bool
scheme_ok(struct str s)
{
	if (s.n == 0 || !letter(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!letter(s.p[i]) && !digit(s.p[i]) && strchr("+-.", s.p[i]) == NULL)
			return false;
	return true;
}

/* Brackets are for addresses alone. */
static bool
brackets_ok(struct str s)
{
	const char *open = memchr(s.p, '[', s.n), *close = memchr(s.p, ']', s.n);

	if (open == NULL && close == NULL)
		return true;
	return open != NULL && close > open && s.n > 2 && strstr(s.p, "//") != NULL &&
	       (open[-1] == '/' || open[-1] == '@') &&
	       memchr(close + 1, ']', s.n - (size_t)(close + 1 - s.p)) == NULL &&
	       is_ipv6((struct str){ open + 1, (size_t)(close - open - 1) }, true);
}

static bool
is_uri(struct str s, bool strict)
{
	struct str scheme, rest;

	(void)strict;
	return uri_chars_ok(s) && str_cut(s, ':', &scheme, &rest) && scheme_ok(scheme) &&
	       rest.n > 0 && brackets_ok(s);
}

static bool
is_uri_reference(struct str s, bool strict)
{
	struct str first, rest;

	(void)strict;
	if (!uri_chars_ok(s) || !brackets_ok(s))
		return false;
	/* a colon in the first segment makes what is before it a scheme */
	for (size_t i = 0; i < s.n && strchr("/?#", s.p[i]) == NULL; i++)
		if (s.p[i] == ':')
			return str_cut(s, ':', &first, &rest) && scheme_ok(first);
	return true;
}

static bool
is_json_pointer(struct str s, bool strict)
{
	(void)strict;
	if (s.n > 0 && s.p[0] != '/')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '~' && (i + 1 == s.n || (s.p[i + 1] != '0' && s.p[i + 1] != '1')))
			return false;
	return true;
}

static bool
is_regex(struct str s, bool strict)
{
	struct arena *a = arena_new(64 << 20);
	size_t room = SCHEMA_PATTERN_STEPS;
	const char *wrong;
	bool ok =
	    s.n <= 4096 && schema_pattern(a, arena_strndup(a, s.p, s.n), &room, &wrong) != NULL;

	(void)strict;
	arena_free(&a);
	return ok;
}
