/* heap: see heap.h.
 *
 * What one burst of requests gives back the next one takes again: to fetch those pages from the kernel
 * anew each time was a tenth to a fifth of a request's CPU (scripts/bench-http). So free memory stays;
 * and one small block above it keeps all below from going by itself. What a peak has left behind goes
 * when somebody looks who has nothing to do. */
#include "node/heap.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#include "base/time.h"
#include "node/inside.h"

#define KEEP    ((size_t)16 << 20) /* free, for the next burst */
#define LOOK_US (5 * SEC)

static void on_look(struct timer *t);
static size_t resident(void);

void
heap_set_up(void)
{
	mallopt(M_ARENA_MAX, 2); /* one per thread would cost each node megabytes for nothing */
	mallopt(M_TRIM_THRESHOLD, 2 << 20);
	mallopt(M_TOP_PAD, 256 << 10);
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* more than an arena's largest block */
}

bool
heap_give_back(void)
{
	size_t here = resident();
	struct mallinfo2 now;

	if (here <= KEEP) /* most nodes, always: what is in use need not be counted */
		return false;
	now = mallinfo2();
	if (here <= now.uordblks + now.hblkhd + KEEP)
		return false;
	return malloc_trim(0) == 1;
}

void
heap_start(struct node *n)
{
	timer_init(&n->heap_look, n->loop, on_look);
	timer_in(&n->heap_look, LOOK_US);
}

static void
on_look(struct timer *t)
{
	struct node *n = container_of(t, struct node, heap_look);

	if (bus_in_flight(n->bus) == 0)
		(void)heap_give_back();
	timer_in(t, LOOK_US);
}

/* Bytes of our own; what of the executable and its libraries is in memory is shared. */
static size_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t pages = 0, shared = 0;
	bool known;

	if (f == NULL)
		return 0;
	known = fscanf(f, "%*u %zu %zu", &pages, &shared) == 2 && pages > shared;
	fclose(f);
	return known ? (pages - shared) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}
