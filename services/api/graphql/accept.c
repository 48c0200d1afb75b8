/* accept: which media type an answer gets (RFC 9110, 12.5.1; GraphQL over HTTP, "Body"). Of types that
 * are liked equally well, one that is named beats one that only a wildcard takes, and of those that
 * are named the newer; a client that says nothing, or takes anything, gets application/json. */
#include <string.h>
#include <strings.h>

#include "api/graphql/http.h"

struct liking {
	double q;   /* 0: refused */
	int detail; /* of the range that says so: 0 none, 1 any, 2 TYPE, 3 itself */
};

static void consider(struct str, const char *, struct liking *);
static double weight_of(struct str);
static bool utf8_or_silent(struct str);

static bool
same(struct str s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

enum media
accept_choose(const char *accept, bool html)
{
	static const struct {
		enum media media;
		const char *name;
	} types[] = { { MEDIA_GRAPHQL, "application/graphql-response+json" },
		{ MEDIA_JSON, "application/json" }, { MEDIA_HTML, "text/html" } };
	struct liking best = { 0, 0 };
	enum media chosen = MEDIA_NONE;

	if (accept[0] == '\0')
		return MEDIA_JSON;
	for (size_t i = 0; i < (html ? 3 : 2); i++) {
		struct str rest = str_of(accept), one;
		struct liking l = { 0, 0 };

		while (rest.n != 0) {
			str_cut(rest, ',', &one, &rest);
			consider(one, types[i].name, &l);
		}
		/* Anything is fine: that is how those ask who know JSON only, and browsers for
		 * what is no page. */
		if (l.detail < 3 && types[i].media != MEDIA_JSON)
			continue;
		if (l.q > best.q || (l.q >= best.q && l.q > 0 && l.detail > best.detail)) {
			best = l;
			chosen = types[i].media;
		}
	}
	return chosen;
}

/* The most specific range decides. */
static void
consider(struct str range, const char *type, struct liking *l)
{
	struct str name, parameters;
	size_t slash = strcspn(type, "/");
	int detail = 0;

	str_cut(range, ';', &name, &parameters);
	name = str_trim(name);
	if (same(name, type) && utf8_or_silent(parameters))
		detail = 3;
	else if (name.n == slash + 2 && strncasecmp(name.p, type, slash + 1) == 0 &&
		 name.p[slash + 1] == '*')
		detail = 2;
	else if (same(name, "*/*"))
		detail = 1;
	if (detail > l->detail)
		*l = (struct liking){ weight_of(parameters), detail };
}

static double
weight_of(struct str parameters)
{
	struct str one;
	double q;

	while (parameters.n != 0) {
		str_cut(parameters, ';', &one, &parameters);
		one = str_trim(one);
		if (one.n > 2 && (one.p[0] | 0x20) == 'q' && one.p[1] == '=')
			return str_double((struct str){ one.p + 2, one.n - 2 }, &q) && q >= 0 &&
			               q <= 1
			           ? q
			           : 0;
	}
	return 1;
}

static bool
utf8_or_silent(struct str parameters)
{
	struct str one, name, value;

	while (parameters.n != 0) {
		str_cut(parameters, ';', &one, &parameters);
		if (!str_cut(one, '=', &name, &value) || !same(str_trim(name), "charset"))
			continue;
		value = str_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = (struct str){ value.p + 1, value.n - 2 };
		return same(value, "utf-8");
	}
	return true;
}

bool
content_is_json(const char *content_type)
{
	struct str type, parameters;

	str_cut(str_of(content_type), ';', &type, &parameters);
	return same(str_trim(type), "application/json") && utf8_or_silent(parameters);
}
