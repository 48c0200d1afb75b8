/* traces: what is kept of requests, on its way: from where they entered the fleet into PostgreSQL, and to a
 * collector where one is configured; and how people look for it.
 *
 * A ring of the newest ones, packed as they came. Two marks move along it, each at its own pace: what is
 * stored, and what is exported. Where one can't move (PostgreSQL or the collector is away) the ring waits;
 * full, it forgets the oldest, counts that, and moves the mark. Nothing here delays a request. */
#ifndef META_TRACES_H
#define META_TRACES_H

#include <stdint.h>

#include "bus/call.h"
#include "proto/trace.pb-c.h"

struct meta;
struct traces;

struct traces *traces_new(struct meta *m);
void traces_free(struct traces **t);

/* The newest ones; a batch that comes again changes nothing. */
void traces_take(struct traces *t, const Mf__TraceBatch *q);

/* --- for the search (traces_find.c) --- */
struct trace_kept {
	char id[37];
	size_t n;
	uint8_t record[];
};
/* Number of the oldest that is not known to be stored. */
uint64_t traces_mark(const struct traces *t);
/* Those from that number on that are still here (0: all); the newest first. */
size_t
traces_kept(const struct traces *t, uint64_t from, struct arena *a, const struct trace_kept ***out);

#endif
