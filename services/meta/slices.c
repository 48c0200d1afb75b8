/* slices: see slices.h. */
#include "meta/slices.h"

#include <string.h>

#include "base/log.h"
#include "base/time.h"

const struct window_def windows[WINDOWS] = {
	[WINDOW_1M] = { "1m", SEC, 60, 0 },
	[WINDOW_1H] = { "1h", 60 * SEC, 60, 60 },
	[WINDOW_24H] = { "24h", 900 * SEC, 96, 120 },
};

enum window
window_find(const char *name)
{
	int w = 0;

	while (w < WINDOWS && strcmp(windows[w].name, name) != 0)
		w++;
	return (enum window)w;
}

void
slices_turn(struct slices *s, void *elements, size_t size, enum window w, int64_t now)
{
	const struct window_def *d = &windows[w];
	int64_t number = now / d->slice_us, gone = number - s->number[w];

	must(d->n != 0);
	if (gone > d->n)
		gone = d->n;
	for (int64_t i = 0; i < gone; i++)
		memset(
		    (char *)elements + (d->first + (size_t)((number - i) % d->n)) * size, 0, size);
	s->number[w] = number;
	s->until[w] = (number + 1) * d->slice_us;
	s->at[w] = d->first + (unsigned)(number % d->n);
}
