/* sweep: goes through a collection's documents and computes their index entries: to build indexes that were
 * declared, to check those that are there, to mend what a check finds. In slices, beside all writes: a document
 * that changes meanwhile is passed over, as whoever changed it entered it. */
#ifndef NOSQL_SWEEP_H
#define NOSQL_SWEEP_H

#include <jansson.h>
#include "bus/call.h"
#include "database/nosql/collection.h"
#include "store/redis.h"

struct sweep_counts {
	uint64_t documents, missing; /* looked at; whose entries were not all there */
	uint64_t entries, strays;    /* looked at; of no document */
	uint64_t unfit;              /* documents that the schema would refuse now */
	uint64_t taken;              /* documents whose unique key another one has */
};

/* Ends the call. {"mend": true, "after": CURSOR}; answers {"documents": n, ..., "next_cursor": CURSOR}: what was
 * looked at in the call's time. */
void sweep_check(struct call *c, struct redis *r, const char *name, const json_t *spec);

enum sweep_end { SWEEP_DONE, SWEEP_STALE, SWEEP_FAILED };
struct build {
	struct redis *r;
	struct loop *loop;
	struct collection *k; /* held */
	void (*slice)(const struct sweep_counts *);
	/* Once, unless stopped. why[i], of k's index i: whose key is there twice; NULL: of nobody */
	void (*done)(enum sweep_end end, const struct collection *k, const char *const *why);
};
/* One at a time. Half of the server's time is left to others. */
void sweep_build(const struct build *b);
void sweep_stop(void); /* after redis_free */

#endif
