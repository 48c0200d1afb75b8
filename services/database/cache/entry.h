/* entry: how an entry is kept: "<kind><version>:<stored_at us>:<stamp>:<tags>:" and the value. Kind 'v'
 * value, 'n' there is no such object, 't' tombstone. Tags: for each the hash of its name and its
 * generation, 16 hex digits each, by name order of the Set. The version stands first because Lua
 * compares it inside Redis. */
#ifndef DATABASE_CACHE_ENTRY_H
#define DATABASE_CACHE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "proto/cache.pb-c.h"

#define ENTRY_TAGS_MOST 8

enum entry_kind { ENTRY_VALUE = 'v', ENTRY_ABSENT = 'n', ENTRY_TOMBSTONE = 't' };

struct entry_tag {
	uint64_t hash, generation;
};

struct entry {
	enum entry_kind kind;
	uint64_t version, stored_at, stamp;
	size_t n_tags;
	struct entry_tag tags[ENTRY_TAGS_MOST];
	const char *value; /* within the text that was parsed */
	size_t n;
};

/* false: none of ours */
bool entry_parse(const char *p, size_t n, struct entry *e) __attribute__((warn_unused_result));
/* As much of q as an entry keeps; stored_at in us of the wall clock. */
char *entry_text(struct arena *a, const Mf__CacheSet *q, int64_t stored_at, size_t *n);

/* By which a tag is known within an entry: two of one hash only make a miss. */
uint64_t entry_tag_hash(const char *name);
/* Every tag of the entry is among these, with the same generation? */
bool entry_current(const struct entry *e, const struct entry_tag *now, size_t n);

#endif
