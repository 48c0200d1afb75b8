/* takeover: what a new guard gets from those who outlived the last one, before it makes anything of
 * its own. */
#ifndef META_TAKEOVER_H
#define META_TAKEOVER_H

#include <stdbool.h>

struct conf;

struct takeover {
	int listener; /* -1: nobody had one, or it could not be had */
	bool denied;  /* `api` has it and the system does not let us fetch it ... */
	int error;    /* ... for this reason (errno) */
	int evicted;  /* pid of the `api` that had to go for it, or 0 */
	bool given;   /* it is the one that the service manager handed down */
};

/* Fetches the public socket, then ends a supervisor without a guard: ours adopts everybody. */
void takeover_run(struct takeover *t, const struct conf *s);
void takeover_fetch_again(struct takeover *t, const struct conf *s); /* as the fleet's own user */
void takeover_evict(
    struct takeover *t, const struct conf *s); /* `api` must go so that its address is free */

#endif
