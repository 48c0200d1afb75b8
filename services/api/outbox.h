/* outbox: bytes on their way to a client, who may take them slowly. How much may wait is its owner's to
 * say; nothing here refuses. No socket, no clock: time is passed in. */
#ifndef API_OUTBOX_H
#define API_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

struct outbox {
	struct buf bytes;
	size_t at;        /* taken of them */
	int64_t moved_us; /* the client took something, or nothing waited for it */
	bool was_full;    /* who puts into it waits to be told of room */
};

struct buf *outbox_in(struct outbox *o, int64_t now_us); /* to be put into */
size_t outbox_waits(const struct outbox *o);
const char *outbox_first(const struct outbox *o); /* of those that wait */
size_t outbox_room(const struct outbox *o, size_t most);
void outbox_look(
    struct outbox *o, size_t most); /* after something was put: is it more than half full? */
/* The client took n. True: it was, and is no more. */
bool outbox_taken(struct outbox *o, size_t n, size_t most, int64_t now_us);
void outbox_free(struct outbox *o);

#endif
