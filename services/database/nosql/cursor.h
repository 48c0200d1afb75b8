/* cursor: the place behind a document in the answer of a query, as a client carries it. Bound to its query by a
 * hash, and to the index it went along. Pure. */
#ifndef NOSQL_CURSOR_H
#define NOSQL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"

#define CURSOR_PLACE_MOST 1024

struct cursor {
	bool in_memory;   /* place: of a sort in memory; else a member of the index */
	const char *slot; /* of the index; "": by id */
	const char *place;
	size_t n;
};

/* What a cursor belongs to. */
uint64_t cursor_hash(const char *model, const char *filter, const char *sort);
const char *cursor_write(struct arena *a, uint64_t hash, const struct cursor *c);
/* False: it is none of this query. */
bool cursor_read(struct arena *a, uint64_t hash, const char *text, struct cursor *out)
    __attribute__((warn_unused_result));

#endif
