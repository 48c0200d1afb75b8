/* private: what is particular to the private servers below VAR: their command lines and when they
 * are ready. */
#ifndef META_PRIVATE_H
#define META_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIVATE_ARGS 40

struct conf;

void private_argv(
    const struct conf *s, int slot, char *argv[PRIVATE_ARGS]); /* in a child that will exec */
bool private_ready(const struct conf *s, int slot, pid_t pid); /* does not block */

/* Right before the start, with the run file's lock held: what a crash left that would keep the
 * server from starting. */
void private_clean(const struct conf *s, int slot);

#endif
