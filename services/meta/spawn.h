/* spawn: fork and exec of one process of the fleet, with the descriptors and the environment of
 * node/contract.h. */
#ifndef META_SPAWN_H
#define META_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

struct holdings;
struct conf;

/* run_fd holds the lock of the run file (the caller closes its copy). image: the executable, or -1: the
 * one that stands in its place. -1: errno of fork. No thread may exist. */
pid_t spawn_process(const struct conf *s, const struct holdings *h, int slot, int run_fd,
    uint64_t generation, int image);

#endif
