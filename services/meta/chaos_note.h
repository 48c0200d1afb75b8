/* chaos_note: experiments that outlive who began them, on disk, for the orchestrator that comes next:
 * faults, which end at their nodes, and stores that somebody must start again. Called by chaos. */
#ifndef META_CHAOS_NOTE_H
#define META_CHAOS_NOTE_H

#include "base/id.h"
#include "meta/chaos_order.h"

struct chaos_noted {
	char id[UUID_LEN], by[64];
	struct chaos_order order;
	int64_t began, ends; /* wall */
	uint64_t generation; /* of the target when it began */
};

/* Whole or not at all; none: the file goes. False: it is not on disk. */
bool chaos_note_write(const char *path, const struct chaos_noted *of, size_t n);
/* How many; no file: 0. False: it is damaged, nobody knows what it said. */
bool chaos_note_read(const char *path, struct chaos_noted *out, size_t most, size_t *n);

#endif
