/* undo: what a measurement of a fleet that is in use has to take back: experiments that may run, and
 * the namespace of what it made. Kept in memory that the processes of the command share, so that
 * whichever of them is left can do it (run.c). */
#ifndef RELIABILITY_UNDO_H
#define RELIABILITY_UNDO_H

#include "base/id.h"
#include "cli/cli.h"

#define UNDO_EXPERIMENTS 16
#define UNDO_SPACE       "reliability-" /* and eight hex digits */

struct undo {
	char space[32];
	bool wrote;                                   /* something may be in it */
	char experiments[UNDO_EXPERIMENTS][UUID_LEN]; /* "": none */
};

struct undo *undo_new(void); /* before any fork */
/* A place that has the id; the caller empties it. NULL: there is none left. */
char *undo_note(struct undo *u, const char *id);
/* In a process that has no client yet. CLI_OK: nothing is left; else it was told what. */
int undo_all(struct cli *cli, struct undo *u);

#endif
