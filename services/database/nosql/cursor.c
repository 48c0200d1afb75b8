/* cursor: see cursor.h. base64url of version (1), hash (8), kind (1), slot (8, blanks: none), place. */
#include "database/nosql/cursor.h"

#include <string.h>

#include "base/str.h"

#define VERSION 1
#define SLOT    8
#define HEAD    (1 + 8 + 1 + SLOT)

static uint64_t
add(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3); /* FNV-1a, with the NUL */
	} while (*s++ != '\0');
	return h;
}

uint64_t
cursor_hash(const char *model, const char *filter, const char *sort)
{
	return add(add(add(UINT64_C(0xcbf29ce484222325), model), filter), sort);
}

const char *
cursor_write(struct arena *a, uint64_t hash, const struct cursor *c)
{
	uint8_t *raw = arena_alloc(a, HEAD + c->n);
	char *out = arena_alloc(a, str_b64url_len(HEAD + c->n) + 1);

	raw[0] = VERSION;
	memcpy(raw + 1, &hash, 8);
	raw[9] = c->in_memory ? 'm' : 'x';
	memset(raw + 10, ' ', SLOT);
	memcpy(raw + 10, c->slot, strnlen(c->slot, SLOT));
	memcpy(raw + HEAD, c->place, c->n);
	str_b64url(raw, HEAD + c->n, out);
	return out;
}

bool
cursor_read(struct arena *a, uint64_t hash, const char *text, struct cursor *out)
{
	uint8_t *raw = arena_alloc(a, HEAD + CURSOR_PLACE_MOST);
	size_t n;

	if (!str_unb64url(str_of(text), raw, HEAD + CURSOR_PLACE_MOST, &n) || n <= HEAD ||
	    raw[0] != VERSION || memcmp(raw + 1, &hash, 8) != 0 || (raw[9] != 'm' && raw[9] != 'x'))
		return false;
	*out = (struct cursor){ .in_memory = raw[9] == 'm',
		.slot = arena_strndup(a, (char *)raw + 10, raw[10] == ' ' ? 0 : SLOT),
		.place = (char *)raw + HEAD,
		.n = n - HEAD };
	return true;
}
