/* entry: the text of an entry, both ways. Pure. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "database/cache/entry.h"

#define TAG_TEXT 32 /* hash and generation in hex */

static bool parse_tags(struct str, struct entry *);
static bool parse_hex(const char *, uint64_t *);

bool
entry_parse(const char *p, size_t n, struct entry *e)
{
	struct str rest, version, stored, stamp, tags;

	if (n < 6 || (p[0] != ENTRY_VALUE && p[0] != ENTRY_ABSENT && p[0] != ENTRY_TOMBSTONE))
		return false;
	rest = (struct str){ p + 1, n - 1 };
	if (!str_cut(rest, ':', &version, &rest) || !str_cut(rest, ':', &stored, &rest) ||
	    !str_cut(rest, ':', &stamp, &rest) || !str_cut(rest, ':', &tags, &rest) ||
	    !str_u64(version, UINT64_MAX, &e->version) ||
	    !str_u64(stored, UINT64_MAX, &e->stored_at) || !str_u64(stamp, UINT64_MAX, &e->stamp) ||
	    !parse_tags(tags, e))
		return false;
	e->kind = (enum entry_kind)p[0];
	e->value = rest.p;
	e->n = rest.n;
	return true;
}

static bool
parse_tags(struct str s, struct entry *e)
{
	e->n_tags = s.n / TAG_TEXT;
	if (s.n % TAG_TEXT != 0 || e->n_tags > ENTRY_TAGS_MOST)
		return false;
	for (size_t i = 0; i < e->n_tags; i++)
		if (!parse_hex(s.p + i * TAG_TEXT, &e->tags[i].hash) ||
		    !parse_hex(s.p + i * TAG_TEXT + 16, &e->tags[i].generation))
			return false;
	return true;
}

static bool
parse_hex(const char *p, uint64_t *out)
{
	uint8_t bytes[8];

	if (!str_unhex((struct str){ p, 16 }, bytes, sizeof(bytes)))
		return false;
	*out = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		*out = *out << 8 | bytes[i];
	return true;
}

char *
entry_text(struct arena *a, const Mf__CacheSet *q, int64_t stored_at, size_t *n)
{
	size_t cap = 80 + q->n_tags * TAG_TEXT + q->value.len, at;
	char *p = arena_alloc(a, cap);

	at = (size_t)snprintf(p, cap, "%c%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":",
	    q->absent ? ENTRY_ABSENT : ENTRY_VALUE, q->version,
	    stored_at > 0 ? (uint64_t)stored_at : 0, q->stamp);
	for (size_t i = 0; i < q->n_tags; i++)
		at += (size_t)snprintf(p + at, cap - at, "%016" PRIx64 "%016" PRIx64,
		    entry_tag_hash(q->tags[i]->name), q->tags[i]->generation);
	p[at++] = ':';
	if (q->value.len != 0)
		memcpy(p + at, q->value.data, q->value.len);
	*n = at + q->value.len;
	return p;
}

uint64_t
entry_tag_hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (const char *p = name; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
	return h;
}

bool
entry_current(const struct entry *e, const struct entry_tag *now, size_t n)
{
	for (size_t i = 0; i < e->n_tags; i++) {
		size_t k = 0;

		while (k < n && now[k].hash != e->tags[i].hash)
			k++;
		if (k == n || now[k].generation != e->tags[i].generation)
			return false;
	}
	return true;
}
