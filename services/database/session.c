/* session: the text of a session, both ways. */
#include <string.h>

#include "base/str.h"
#include "database/session.h"

#define HEX  16
#define LEAD (HEX + 1 + HEX + 1) /* before the store's part */

static bool
read_hex(const char *p, uint64_t *out)
{
	uint8_t bytes[8];

	if (!str_unhex((struct str){ p, HEX }, bytes, sizeof(bytes)))
		return false;
	*out = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		*out = *out << 8 | bytes[i];
	return true;
}

static void
put_hex(uint64_t v, char *out)
{
	for (int i = HEX - 1; i >= 0; i--, v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
}

bool
session_read(const char *text, struct session *s)
{
	uint64_t as_of;

	if (strlen(text) < LEAD || text[HEX] != '.' || text[LEAD - 1] != '.' ||
	    !read_hex(text, &s->process) || !read_hex(text + HEX + 1, &as_of) || as_of > INT64_MAX)
		return false;
	s->as_of_us = (int64_t)as_of;
	s->store = text + LEAD;
	return true;
}

char *
session_text(struct arena *a, const struct session *s)
{
	size_t n = strlen(s->store);
	char *p = arena_alloc(a, LEAD + n + 1);

	put_hex(s->process, p);
	p[HEX] = '.';
	put_hex((uint64_t)s->as_of_us, p + HEX + 1);
	p[LEAD - 1] = '.';
	memcpy(p + LEAD, s->store, n + 1);
	return p;
}
