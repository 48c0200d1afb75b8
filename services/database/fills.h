/* fills: what this process has put into the cache, and what was written since. Only its own fills can be
 * read (the keys carry its epoch), so a write that nothing was filled for needs no word to the cache.
 *
 * Keys share slots by hash: too much is dropped now and then, never too little. A tag has a slot of
 * its own or none, and then nothing is filled under it. Pure: `now` is the caller's. */
#ifndef DATABASE_FILLS_H
#define DATABASE_FILLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_TAG_MOST 96 /* bytes of "task/NAMESPACE" with its NUL */

struct key_slot {
	uint32_t writes; /* of keys like it, ever */
	uint32_t out;    /* of these sent and not ended */
	uint32_t salt;   /* part of the key: another one makes what was filled unreachable */
	int64_t filled_until_us, absent_until_us; /* entries of this process may live until then */
	int64_t shut_until_us; /* no fills: a write of unknown outcome may still come */
};

struct tag_slot {
	char name[SLOT_TAG_MOST];
	uint32_t writes, salt;
	uint64_t fills, dropped; /* fills: ever; dropped: of these are gone for sure */
	int64_t filled_until_us, shut_until_us, written_us;
};

struct fill_watch { /* what had been written when a read began; exactly one of both */
	struct key_slot *key;
	struct tag_slot *tag;
	uint32_t writes, bulks;
};

void fills_open(void);
struct key_slot *fills_key(const char *model, const char *ns, const char *id);
/* NULL: has none. */
struct tag_slot *fills_tag(const char *name);
/* Makes one where there is room. NULL: there is none, or the name is too long. */
struct tag_slot *fills_tag_take(const char *name, int64_t now_us);
/* Of a namespace that has no slot: no list is kept until then. */
void fills_shut_lists(int64_t until_us);
bool fills_lists_shut(int64_t now_us);
uint32_t fills_new_salt(void);
/* Nothing that was filled can be read any more. */
void fills_emptied(void);
/* Writes of many ids at once, which are not known one by one. */
void fills_bulk(void);
bool fills_any_absent(int64_t now_us);
void fills_absent(struct key_slot *k, int64_t until_us);

void fills_watch(struct fill_watch *w, struct key_slot *k, struct tag_slot *t);
/* Nothing that concerns it was written since, and a fill may go in. */
bool fills_unwritten(const struct fill_watch *w);
bool fills_allowed(const struct fill_watch *w, int64_t now_us);
uint32_t fills_salt(const struct fill_watch *w);

#endif
