/* handover: what a guard leaves to the image that comes after it in the same process: the numbers of its
 * descriptors and what it knows, in a sealed memfd. All that is not in here is as after any start.
 *
 * Held apart by name, not by slot: the next image may know other nodes. Raise the format with any change
 * of struct handover_head or struct handover_slot; a size of super_note that differs only loses the notes
 * (who was given up is tried again). */
#ifndef META_HANDOVER_H
#define META_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "meta/records.h"

#define HANDOVER_FORMAT 1

struct holdings;

struct handover {                   /* without what is in the holdings */
	int lock, notes_r, words_w; /* notes_r, words_w: of the supervisor of now */
	int32_t supervisor;         /* pid; 0: none runs */
	uint64_t supervisor_generation, guard_generation;
	bool stopping, hurry;
	bool notes_differ; /* read: notes of that supervisor are none of ours */
	struct super_note memo[FLEET_SLOTS];
};

/* A sealed memfd (close-on-exec), or -1 with errno. */
int handover_write(const struct handover *o, const struct holdings *h);
/* It, and all descriptors that it names, stay open over an exec, or do so no longer. */
void handover_keep(int fd, const struct handover *o, const struct holdings *h, bool over_exec);
/* False: err says why; nothing was changed. Slots that the one before had not have -1. */
bool handover_read(int fd, struct handover *o, struct holdings *h, char *err, size_t err_size)
    __attribute__((warn_unused_result));

#endif
