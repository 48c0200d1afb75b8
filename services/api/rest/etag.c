/* etag: entity tags are versions: "12". If-Match compares strongly, If-None-Match weakly (RFC
 * 9110, 13.1). */
#include <string.h>

#include "api/rest/rest.h"
#include "base/str.h"

struct etag {
	bool weak;
	struct str text;
};

static int tag_next(struct str *, struct etag *);
static bool is_any(const char *);

enum etag_verdict
etag_if_match(const char *header, uint64_t *version)
{
	struct str s = str_of(header);
	struct etag e;
	size_t versions = 0, tags = 0;
	int got;

	if (header[0] == '\0')
		return ETAG_NONE;
	if (is_any(header))
		return ETAG_ANY;
	while ((got = tag_next(&s, &e)) > 0) {
		uint64_t v;

		tags++;
		if (!e.weak && str_u64(e.text, INT64_MAX, &v) && v != 0) {
			*version = v;
			versions++;
		}
	}
	if (got < 0 || tags == 0 || versions > 1)
		return ETAG_BAD;
	return versions == 1 ? ETAG_VERSION : ETAG_NEVER;
}

bool
etag_if_none_match(const char *header, const char *tag)
{
	struct str s = str_of(header);
	struct etag e;

	if (is_any(header))
		return true;
	while (tag_next(&s, &e) > 0)
		if (str_eq(e.text, tag))
			return true;
	return false;
}

/* 1: one was taken off the front; 0: the end; -1: that is no entity tag. */
static int
tag_next(struct str *s, struct etag *e)
{
	size_t i = 0;

	while (s->n != 0 && (s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == ','))
		*s = (struct str){ s->p + 1, s->n - 1 };
	if (s->n == 0)
		return 0;
	e->weak = s->n >= 2 && s->p[0] == 'W' && s->p[1] == '/';
	if (e->weak)
		*s = (struct str){ s->p + 2, s->n - 2 };
	if (s->n == 0 || s->p[0] != '"')
		return -1;
	*s = (struct str){ s->p + 1, s->n - 1 };
	while (i < s->n && s->p[i] != '"')
		i++;
	if (i == s->n)
		return -1;
	e->text = (struct str){ s->p, i };
	*s = (struct str){ s->p + i + 1, s->n - i - 1 };
	return s->n == 0 || strchr(" \t,", s->p[0]) != NULL ? 1 : -1;
}

static bool
is_any(const char *header)
{
	struct str s = str_trim(str_of(header));

	return str_eq(s, "*");
}
