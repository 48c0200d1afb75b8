/* reliability: the commands `metafed reliability ...`. */
#include <string.h>

#include "cli/reliability/baseline.h"
#include "cli/reliability/reliability.h"

static const struct {
	const char *name;
	int (*run)(struct cli *, int, char **);
} verbs[] = {
	{ "show", cli_reliability_show },
	{ "run", cli_reliability_run },
	{ "compare", cli_reliability_compare },
	{ "report", cli_reliability_report },
	{ "member", cli_reliability_member },
	{ "baseline", cli_reliability_baseline },
};

int
cli_reliability(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return verbs[i].run(cli, argc - 1, argv + 1);
	cli_error(
	    "usage: metafed reliability show|run|compare|report ...; metafed --help says more");
	return CLI_USAGE;
}
