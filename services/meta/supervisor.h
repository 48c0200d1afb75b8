/* supervisor: starts, watches and restarts the processes of the fleet table. Forked by the guard,
 * never execs, has no threads, opens no bus socket and reads nothing but records of fixed size.
 *
 * It may die at any moment: what it knows is in the run files, in the pipes and in its notes to the
 * guard. */
#ifndef META_SUPERVISOR_H
#define META_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>
#include "meta/records.h"

struct holdings;
struct conf;

struct super_start {
	const struct conf *settings;
	const struct holdings *holdings;
	struct super_note memo[FLEET_SLOTS]; /* kind 0: nothing is known */
	int notes_w, words_r;
	int run_fd; /* of run/supervisor.run, locked */
	uint64_t generation, guard_generation;
	pid_t guard;
	bool stopping; /* the one before us was stopping the fleet */
};

/* Runs in the forked child. Exits 0 when the fleet was stopped, and only then. */
void supervisor_run(const struct super_start *start) __attribute__((noreturn));

#endif
