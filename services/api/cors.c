/* cors: see cors.h. */
#include "api/cors.h"

#include <string.h>
#include <strings.h>

bool
origins_parse(struct origins *out, const char *text)
{
	struct str rest = str_trim(str_of(text)), one;

	*out = (struct origins){ .any = str_eq(rest, "*") };
	while (!out->any && rest.n != 0) {
		str_cut(rest, ',', &one, &rest);
		one = str_trim(one);
		if (out->n == ORIGINS_MOST || !origin_valid(one))
			return false;
		out->all[out->n++] = one;
	}
	return true;
}

bool
origins_set(const struct origins *o)
{
	return o->any || o->n != 0;
}

/* Byte by byte: browsers send an origin in its one form. */
const char *
origins_allow(const struct origins *o, struct str origin, char *room, size_t size)
{
	if (origin.n == 0 || origin.n >= size)
		return NULL;
	if (o->any)
		return "*";
	for (size_t i = 0; i < o->n; i++)
		if (o->all[i].n == origin.n && memcmp(o->all[i].p, origin.p, origin.n) == 0) {
			memcpy(room, origin.p, origin.n);
			room[origin.n] = '\0';
			return room;
		}
	return NULL;
}

bool
origin_valid(struct str s)
{
	size_t scheme = s.n > 7 && memcmp(s.p, "http://", 7) == 0    ? 7
	                : s.n > 8 && memcmp(s.p, "https://", 8) == 0 ? 8
	                                                             : 0;

	for (size_t i = scheme; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		    strchr("/?#@\\\"*", s.p[i]) != NULL)
			return false;
	return scheme != 0;
}
