/* fills: two tables of fixed size. */
#include <string.h>

#include "base/id.h"
#include "database/fills.h"

#define KEY_SLOTS 4096
#define TAG_SLOTS 256
#define TAG_NEAR  8 /* places where a tag may be, from its hash on */

static struct key_slot keys[KEY_SLOTS];
static struct tag_slot tags[TAG_SLOTS];
static uint32_t seed; /* so that nobody outside can choose who shares a slot */
static uint32_t bulks, salts;
static int64_t absent_until_us; /* the latest of all */
static int64_t lists_shut_until_us;

static uint32_t hash(uint32_t h, const char *s);

void
fills_open(void)
{
	memset(keys, 0, sizeof(keys));
	memset(tags, 0, sizeof(tags));
	seed = (uint32_t)id_random_u64();
	absent_until_us = lists_shut_until_us = 0;
}

/* FNV-1a, and a bar between the parts. */
static uint32_t
hash(uint32_t h, const char *s)
{
	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return (h ^ 0xff) * 16777619u;
}

struct key_slot *
fills_key(const char *model, const char *ns, const char *id)
{
	uint32_t h = hash(hash(hash(2166136261u ^ seed, model), ns), id);

	return &keys[(h ^ h >> 16) % KEY_SLOTS];
}

struct tag_slot *
fills_tag(const char *name)
{
	uint32_t h = hash(2166136261u ^ seed, name);

	for (uint32_t i = 0; i < TAG_NEAR; i++) {
		struct tag_slot *t = &tags[(h + i) % TAG_SLOTS];

		if (strcmp(t->name, name) == 0)
			return t;
	}
	return NULL;
}

struct tag_slot *
fills_tag_take(const char *name, int64_t now_us)
{
	struct tag_slot *t = fills_tag(name);
	uint32_t h = hash(2166136261u ^ seed, name);

	if (t != NULL || strlen(name) >= sizeof(t->name))
		return t;
	for (uint32_t i = 0; i < TAG_NEAR; i++) {
		t = &tags[(h + i) % TAG_SLOTS];
		if ((t->fills != t->dropped && now_us < t->filled_until_us) ||
		    now_us < t->shut_until_us)
			continue;
		/* who watches it for the tag before sees that it is not the same any more */
		*t = (struct tag_slot){ .writes = t->writes + 1, .salt = fills_new_salt() };
		strcpy(t->name, name);
		return t;
	}
	return NULL;
}

void
fills_emptied(void)
{
	for (size_t i = 0; i < KEY_SLOTS; i++)
		keys[i].filled_until_us = keys[i].absent_until_us = 0;
	for (size_t i = 0; i < TAG_SLOTS; i++)
		tags[i].dropped = tags[i].fills;
	absent_until_us = 0;
}

void
fills_shut_lists(int64_t until_us)
{
	lists_shut_until_us = until_us;
}

bool
fills_lists_shut(int64_t now_us)
{
	return now_us < lists_shut_until_us;
}

/* Never the same twice, whatever slot a tag comes to live in. */
uint32_t
fills_new_salt(void)
{
	return ++salts;
}

void
fills_bulk(void)
{
	bulks++;
}

bool
fills_any_absent(int64_t now_us)
{
	return now_us < absent_until_us;
}

void
fills_absent(struct key_slot *k, int64_t until_us)
{
	if (until_us > k->absent_until_us)
		k->absent_until_us = until_us;
	if (until_us > absent_until_us)
		absent_until_us = until_us;
}

void
fills_watch(struct fill_watch *w, struct key_slot *k, struct tag_slot *t)
{
	*w = (struct fill_watch){ k, t, k != NULL ? k->writes : t->writes, bulks };
}

bool
fills_unwritten(const struct fill_watch *w)
{
	if (w->key != NULL)
		return w->key->writes == w->writes && w->bulks == bulks;
	return w->tag->writes == w->writes;
}

bool
fills_allowed(const struct fill_watch *w, int64_t now_us)
{
	return fills_unwritten(w) &&
	       now_us >= (w->key != NULL ? w->key->shut_until_us : w->tag->shut_until_us);
}

uint32_t
fills_salt(const struct fill_watch *w)
{
	return w->key != NULL ? w->key->salt : w->tag->salt;
}
