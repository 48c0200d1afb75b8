/* count: what became of gets and fills, for Stats and as metrics. */
#ifndef DATABASE_CACHE_COUNT_H
#define DATABASE_CACHE_COUNT_H

#include "base/arena.h"
#include "proto/cache.pb-c.h"

enum get_outcome { GET_HIT, GET_ABSENT, GET_MISS, GET_STALE };
enum fill_outcome { FILL_STORED, FILL_OLDER, FILL_TOO_LARGE };

struct family; /* of gets that named the same kind of tag first */

void count_open(void);
struct family *count_family(const char *tag); /* NULL: without a tag */
void count_get(struct family *f, enum get_outcome o);
void count_fill(enum fill_outcome o);
void count_dropped(size_t keys, size_t tags);
void count_stats(struct arena *a, Mf__CacheStats *out);

#endif
