/* upgrade_job: what an upgrade does on a thread of the work pool, because it waits for disks and for other
 * programs: looks at executables, checks them, writes the record. */
#ifndef META_UPGRADE_JOB_H
#define META_UPGRADE_JOB_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "meta/upgrade_plan.h"
#include "node/work.h"

struct upgrade_job {
	struct work work;
	/* the thread's until `done`, which comes on the loop, once; it frees the job */
	void (*done)(struct upgrade_job *j);
	void *ctx;
	/* PLAN: steps with node and state; LOOK: one step; CHECK: the same; SAVE: text and path; DROP:
	 * the same, of a file that is to go unless somebody has written another text */
	enum upgrade_work {
		UPGRADE_PLAN,
		UPGRADE_LOOK,
		UPGRADE_CHECK,
		UPGRADE_SAVE,
		UPGRADE_DROP
	} kind;
	struct upgrade u;
	pid_t pids[UPGRADE_STEPS]; /* 0: does not run */
	struct image now;          /* LOOK: what pids[0] runs */
	char *text, path[PATH_MAX];
	bool good;
	char wrong[UPGRADE_ERROR]; /* not good: why */
};

/* Takes j over; it lives until done has returned. */
void upgrade_job_start(struct work_pool *p, struct upgrade_job *j);

#endif
