/* idset: linear probing; a deletion moves later members of the run back, so there are no
 * tombstones. Used by lane.c. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/idset.h"

#define IDSET_FIRST 64u

static size_t home(const struct idset *s, uint64_t id);
static void grow(struct idset *s);
static void close_gap(struct idset *s, size_t gap);

bool
idset_add(struct idset *s, uint64_t id)
{
	size_t i;

	if (id == 0) {
		if (s->has_zero)
			return false;
		s->has_zero = true;
		s->n++;
		return true;
	}
	if ((s->n + 1) * 2 > s->cap)
		grow(s);
	for (i = home(s, id); s->slot[i] != 0; i = (i + 1) & (s->cap - 1))
		if (s->slot[i] == id)
			return false;
	s->slot[i] = id;
	s->n++;
	return true;
}

bool
idset_del(struct idset *s, uint64_t id)
{
	if (id == 0) {
		bool had = s->has_zero;

		s->has_zero = false;
		s->n -= had;
		return had;
	}
	if (s->cap == 0)
		return false;
	for (size_t i = home(s, id); s->slot[i] != 0; i = (i + 1) & (s->cap - 1)) {
		if (s->slot[i] == id) {
			close_gap(s, i);
			s->n--;
			return true;
		}
	}
	return false;
}

void
idset_clear(struct idset *s)
{
	if (s->n > 0 && s->cap > 0)
		memset(s->slot, 0, s->cap * sizeof(*s->slot));
	s->n = 0;
	s->has_zero = false;
}

void
idset_free(struct idset *s)
{
	free(s->slot);
	*s = (struct idset){ 0 };
}

/* Fibonacci hashing: consecutive ids spread over the table. */
static size_t
home(const struct idset *s, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (s->cap - 1);
}

static void
grow(struct idset *s)
{
	uint64_t *old = s->slot;
	size_t n = s->cap;

	s->cap = n == 0 ? IDSET_FIRST : n * 2;
	s->slot = calloc(s->cap, sizeof(*s->slot));
	must(s->slot != NULL);
	for (size_t k = 0; k < n; k++) {
		size_t i;

		if (old[k] == 0)
			continue;
		for (i = home(s, old[k]); s->slot[i] != 0; i = (i + 1) & (s->cap - 1))
			continue;
		s->slot[i] = old[k];
	}
	free(old);
}

static void
close_gap(struct idset *s, size_t gap)
{
	size_t mask = s->cap - 1;

	for (size_t i = (gap + 1) & mask; s->slot[i] != 0; i = (i + 1) & mask) {
		if (((i - home(s, s->slot[i])) & mask) >= ((i - gap) & mask)) {
			s->slot[gap] = s->slot[i];
			gap = i;
		}
	}
	s->slot[gap] = 0;
}
