/* child: who speaks with the fleet for the screen: a process of its own, so that a fleet that does not
 * answer never holds up a key. Questions go down a pipe as lines, answers come up as lines of JSON. */
#ifndef TOP_CHILD_H
#define TOP_CHILD_H

#include <sys/types.h>

#include "cli/cli.h"
#include "cli/top/model.h"

struct child {
	pid_t pid;
	int to, from; /* from: to be polled for reading */
	bool busy;    /* it has not answered all of the last questions */
	struct buf line;
};

/* Before anything else is opened: it must not inherit a way to the fleet. */
bool child_start(struct child *c, struct cli *cli);
void child_stop(struct child *c);
/* Answers come later; not while busy. */
void child_ask(struct child *c, const struct question *q, size_t n);
/* Takes what there is; true: some of it is new. False, and c->pid 0: it has ended. */
bool child_read(struct child *c, struct snapshot *s, int64_t now_us);

/* A process that does one thing and says in a line what came of it. */
struct errand {
	pid_t pid; /* 0: none */
	int from;
};
bool errand_restart(struct errand *e, struct cli *cli, const char *node);
/* True: it has ended, and text says what came of it. */
bool errand_read(struct errand *e, char *text, size_t size, bool *bad);

/* The same in this process: --once. */
void
ask_now(struct cli *cli, const struct question *q, size_t n, struct snapshot *s, int64_t now_us);

#endif
