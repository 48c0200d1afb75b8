/* outbox: see outbox.h. */
#include "api/outbox.h"

#include <string.h>

struct buf *
outbox_in(struct outbox *o, int64_t now)
{
	if (o->bytes.n == 0)
		o->moved_us = now;
	return &o->bytes;
}

size_t
outbox_waits(const struct outbox *o)
{
	return o->bytes.n - o->at;
}

const char *
outbox_first(const struct outbox *o)
{
	return o->bytes.p + o->at;
}

size_t
outbox_room(const struct outbox *o, size_t most)
{
	size_t waits = outbox_waits(o);

	return waits < most ? most - waits : 0;
}

void
outbox_look(struct outbox *o, size_t most)
{
	o->was_full = o->was_full || outbox_room(o, most) < most / 2;
}

bool
outbox_taken(struct outbox *o, size_t n, size_t most, int64_t now)
{
	o->moved_us = now;
	o->at += n;
	if (o->at == o->bytes.n) { /* most have nothing to say most of the time */
		outbox_free(o);
	} else if (o->at > o->bytes.n / 2) {
		memmove(o->bytes.p, o->bytes.p + o->at, o->bytes.n - o->at);
		o->bytes.n -= o->at;
		o->at = 0;
	}
	if (!o->was_full || outbox_room(o, most) < most / 2)
		return false;
	o->was_full = false;
	return true;
}

void
outbox_free(struct outbox *o)
{
	buf_free(&o->bytes);
	o->at = 0;
}
