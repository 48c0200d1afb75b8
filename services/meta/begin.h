/* begin: everything between "the settings are good" and "a supervisor can be started": directories,
 * the lock, the public socket, the fleet's user, the log, the pipes. In this order, each with a
 * reason (begin.c). */
#ifndef META_BEGIN_H
#define META_BEGIN_H

#include <stdbool.h>
#include <stdint.h>

struct holdings;
struct conf;

/* Returns the descriptor that holds the guard's lock: it is for nobody else, the supervisor closes
 * it. Dies with the reason on standard error. detached: standard error becomes the log in the end.
 * given: the public socket, of the service manager (manager.h); -1: it is ours to make. */
int guard_begin(
    const struct conf *s, struct holdings *h, bool detached, int given, uint64_t *generation);

/* From now on lines go to log/guard.log. detached: what is said on standard error, too. */
void guard_open_log(const struct conf *s, uint64_t generation, bool detached);

/* root becomes the fleet's user, for good; dies when it can't. */
void guard_drop_privileges(const struct conf *s);

#endif
