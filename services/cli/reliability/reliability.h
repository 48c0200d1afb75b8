/* reliability: what the commands `metafed reliability ...` share. */
#ifndef RELIABILITY_RELIABILITY_H
#define RELIABILITY_RELIABILITY_H

#include "cli/cli.h"

/* argv[0] is the verb; exit codes of cli.h */
int cli_reliability_show(struct cli *cli, int argc, char **argv);    /* show.c: running figures */
int cli_reliability_run(struct cli *cli, int argc, char **argv);     /* run.c: measures */
int cli_reliability_compare(struct cli *cli, int argc, char **argv); /* compare.c: two reports */
int cli_reliability_report(struct cli *cli, int argc, char **argv);  /* report.c: a stored one */
int cli_reliability_member(struct cli *cli, int argc, char **argv);  /* member.c: of a shape */

#endif
