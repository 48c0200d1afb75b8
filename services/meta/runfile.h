/* runfile: run/NAME.run, the one truth about who runs. Its lock says that somebody does and dies
 * with him; its content (struct contract_run) says who: pid and start time, so that a reused pid is
 * never taken for him.
 *
 * Invariant: whoever starts NAME holds the lock from before the fork until the process and all that
 * inherited the lock are gone, so nothing ever runs twice. The content is written by the process
 * itself, so root takes its word only for processes of the user whom the directory belongs to: no
 * link is followed from the directory on, and nobody else is found or signalled. */
#ifndef META_RUNFILE_H
#define META_RUNFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "node/contract.h"

enum run_probe {
	RUN_FREE,  /* nobody; also when there is no file */
	RUN_ALIVE, /* *run is right and the process lives */
	RUN_BUSY, /* locked, but by no process that the file names: being started, or left by a dead
	             one's children */
	RUN_STRANGE, /* not to be acted on: a link stands in its place (*run is empty), or, to root, it
	                names a process of another user than the directory's */
};

/* ALIVE: *pidfd is the caller's to close, and was opened before the start time was compared. Else
 * -1. */
enum run_probe runfile_probe(const char *path, struct contract_run *run, int *pidfd);
/* The same, but waits up to a second while it is BUSY or STRANGE: between fork and exec a process has
 * the lock and no name yet, and a guard that root starts is root's until it has its socket. */
enum run_probe runfile_probe_settled(const char *path, struct contract_run *run, int *pidfd);

/* Locks, and writes the next generation without a process. The descriptor (close-on-exec) holds the
 * lock; -1 with errno: EWOULDBLOCK = somebody holds it. */
int runfile_claim(const char *path, uint64_t *generation) __attribute__((warn_unused_result));
bool runfile_enter(int fd, uint64_t generation); /* this process is it, from now on */

/* Everybody but the caller who holds the lock gets the signal; how many there were. Slow: walks
 * /proc. */
unsigned runfile_signal_holders(const char *path, int sig);

/* Field 22 of /proc/PID/stat; 0: no such process, or a zombie. *stopped (may be NULL): it is held
 * by a stop signal. */
uint64_t proc_start_ticks(pid_t pid, bool *stopped);
int64_t proc_start_us(uint64_t ticks); /* on CLOCK_MONOTONIC */

#endif
