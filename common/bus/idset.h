/* idset: a set of 64-bit numbers, for the calls that are out on a lane. Open addressing, at most
 * half full. */
#ifndef BUS_IDSET_H
#define BUS_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset { /* zeroed: empty. 0 is kept apart, it marks a free slot */
	uint64_t *slot;
	size_t cap; /* a power of two */
	size_t n;
	bool has_zero;
};

bool idset_add(struct idset *s, uint64_t id); /* false: it was in already */
bool idset_del(struct idset *s, uint64_t id); /* false: it was not in */
void idset_clear(struct idset *s);            /* keeps the memory */
void idset_free(struct idset *s);

#endif
