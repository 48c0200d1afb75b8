/* query: "a=1&b=two" into parameters. Foreign bytes: what is not a well-formed, decodable UTF-8
 * text is refused here. */
#include <string.h>

#include "api/ops/ops.h"

static bool param_parse(struct arena *, struct str, struct param *);
static char *text_decode(struct arena *, struct str);

bool
query_parse(struct arena *a, const char *query, struct param **out, size_t *n, struct failure *f)
{
	struct str rest = str_of(query), one;

	*n = 0;
	*out = NULL;
	if (rest.n == 0)
		return true;
	*out = ARENA_ARRAY(a, struct param, QUERY_MOST);
	while (rest.n != 0) {
		str_cut(rest, '&', &one, &rest);
		if (one.n == 0)
			continue;
		if (*n == QUERY_MOST) {
			failure_violation(a, f, "query", "has more than %d parameters", QUERY_MOST);
			return false;
		}
		if (!param_parse(a, one, &(*out)[*n])) {
			failure_violation(a, f, "query",
			    "has a bad escape, or a parameter that is no UTF-8 text");
			return false;
		}
		++*n;
	}
	return true;
}

static bool
param_parse(struct arena *a, struct str s, struct param *p)
{
	struct str name, value;

	str_cut(s, '=', &name, &value);
	p->name = text_decode(a, name);
	p->value = text_decode(a, value);
	return p->name != NULL && p->name[0] != '\0' && p->value != NULL;
}

static char *
text_decode(struct arena *a, struct str s)
{
	size_t n;
	char *t = str_percent_decode(a, s, true, &n);

	if (t == NULL || !str_utf8_ok(t, n))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)t[i] < 0x20 || t[i] == 0x7f)
			return NULL;
	return t;
}
