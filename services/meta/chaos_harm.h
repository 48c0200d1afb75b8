/* chaos_harm: what an experiment does to its target where it is not the bus that does it, and how that
 * is undone. Called by chaos. */
#ifndef META_CHAOS_HARM_H
#define META_CHAOS_HARM_H

#include "meta/chaos_order.h"

struct meta;

struct harm {
	int pidfd;   /* STOP; -1: none */
	int ballast; /* DISK_FULL; -1: none */
};

void harm_init(struct harm *h);
/* The faults (bus/fault.h) that the target shall have; NULL: harm_begin does it. In `a`. */
const char *harm_faults(const struct meta *m, const struct chaos_order *o, struct arena *a);
/* Not ST_OK: harm_begin would do nothing here, *why says why. For a dry run; harm_begin looks itself. */
enum status harm_can(const struct meta *m, const struct chaos_order *o, const char **why);
/* said: what was done. Not ST_OK: *why says why not, and nothing was. */
enum status harm_begin(struct harm *h, struct meta *m, const struct chaos_order *o, char *said,
    size_t said_size, const char **why);
void harm_end(struct harm *h, struct meta *m, const struct chaos_order *o);
/* A file or directory below VAR; "" is VAR itself. */
void harm_path(const struct meta *m, const char *below, char *out, size_t out_size);

#endif
