/* checker: the executable that stands in our place by now, run with --check in a process of its own, so
 * that the guard's loop goes on meanwhile. What it says is kept for whoever must be told. */
#ifndef META_CHECKER_H
#define META_CHECKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/str.h"
#include "meta/conf.h"

#define CHECKER_ARGS (8 + 2 * CONF_SETS_MOST)

struct checker {
	pid_t pid;       /* 0: none is under way */
	int out;         /* what it says; -1: none is under way */
	int64_t late_us; /* killed then */
	struct buf said;
};

#define CHECKER_NONE                                                                               \
	{                                                                                          \
		.out = -1                                                                          \
	}

/* args: as of guard_arguments. before (may be NULL) runs in the new process, right before its exec.
 * False: *why says why. */
bool checker_start(struct checker *c, char *const *args, void (*before)(void *ctx), void *ctx,
    int64_t now, const char **why) __attribute__((warn_unused_result));
void checker_read(struct checker *c);              /* `out` can be read */
void checker_tick(struct checker *c, int64_t now); /* whatever the time demands */
/* It was reaped, status as of waitpid; true: all is good. */
bool checker_ended(struct checker *c, int status) __attribute__((warn_unused_result));
/* Each line of what it said. */
void checker_each(const struct checker *c, void (*fn)(const char *line));

/* The command line of this guard once more, and `more` (up to three words, NULL-ended) before it.
 * args[0] is the path of the executable. Valid until the next call. */
char *const *guard_arguments(const struct conf *s, const char *const *more);

#endif
