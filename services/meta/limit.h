/* limit: what a process takes, and whether that is too much. limit_look reads /proc, the rest is pure. */
#ifndef META_LIMIT_H
#define META_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "node/contract.h"
#include "node/supervise.h"

struct limit_use {
	int64_t age_us; /* the caller's */
	int64_t rss;    /* bytes */
	int64_t files;
};

bool limit_look(pid_t pid, struct limit_use *u); /* false: it can't be seen */
bool limit_exceeded(const struct supervise *s, const struct limit_use *u);
/* id: of the process; what is added to recycle_after follows from it, so that a fleet that started at
 * once is not renewed at once. */
enum contract_due limit_due(const struct supervise *s, const struct limit_use *u, uint64_t id);

/* Between fork and exec: descriptors; and what nothing but we enforce, so that everybody can read it
 * (`/proc/PID/limits`, "Max resident set": recycle_rss and memory_max). */
void limit_impose(const struct supervise *s);

#endif
