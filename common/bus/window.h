/* window: how many calls there were of late and how many of them failed, counted in tenths, as
 * arithmetic: no clock. Slices that have passed are cleared when it is next looked at, so that an
 * idle one costs nothing. All zero is empty. */
#ifndef BUS_WINDOW_H
#define BUS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SLICES 10

struct window {
	int64_t slice; /* number of the newest */
	uint32_t calls[WINDOW_SLICES], failed[WINDOW_SLICES];
};

void window_count(struct window *w, int64_t span_us, bool failed, int64_t now_us);
void window_pass(struct window *w, int64_t span_us, int64_t now_us); /* nothing happened */
void window_sum(const struct window *w, uint64_t *calls, uint64_t *failed);

#endif
