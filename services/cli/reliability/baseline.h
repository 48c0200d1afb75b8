/* baseline: what a federation is compared with: one process that does the same work. It serves
 * Meta.Execute over one socket of the bus, verifies the token itself, looks at the permission in it, and
 * runs the same statements on the same stores, all in one loop.
 *
 * A fault takes the whole request down; one that is a crash takes the process down, with all that was
 * under way in it. Which requests meet one stands in their task_id (load.h). */
#ifndef RELIABILITY_BASELINE_H
#define RELIABILITY_BASELINE_H

#define BASELINE_NODE  "baseline" /* its name on the bus */
#define BASELINE_CRASH 3          /* how it exits then */

struct cli;

/* metafed reliability baseline VAR JWKS: the process itself; hidden. Runs until it is killed. */
int cli_reliability_baseline(struct cli *cli, int argc, char **argv);

#endif
