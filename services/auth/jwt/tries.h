/* tries: how often something may go wrong, by whom, before he has to wait: a table of fixed size with
 * one number for each (the generic cell rate algorithm). Who shares a place with another by chance,
 * under a key of this process, shares its wait: that is what a table of fixed size costs. */
#ifndef JWT_TRIES_H
#define JWT_TRIES_H

#include <stdbool.h>
#include <stdint.h>

struct tries;

/* So many at once, and one more each `every_us`. */
struct tries *tries_new(unsigned burst, int64_t every_us);
void tries_free(struct tries **t);
/* How long `who` has to wait; 0: he may try. Monotonic time. */
int64_t tries_wait(const struct tries *t, const char *who, int64_t now_us);
void tries_failed(struct tries *t, const char *who, int64_t now_us);

#endif
