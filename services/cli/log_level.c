/* log-level NODE LEVEL [--for DURATION]: what a node logs, from now on. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"

#define LONGEST (7 * 24 * 3600 * SEC)

int
cli_log_level(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { { "for", required_argument, NULL, 'F' },
		{ NULL, 0, NULL, 0 } };
	const struct answer *a;
	int64_t us = 0;
	enum log_level level;
	const char *node, *name, *body;

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		if (o != 'F' || !time_parse_duration(str_of(optarg), &us) || us < MS ||
		    us > LONGEST) {
			cli_error("usage: metafed log-level NODE LEVEL [--for DURATION]; 10m, at "
				  "most 7d");
			return CLI_USAGE;
		}
	if (argc - optind != 2 || !str_token_ok(str_of(argv[optind])) ||
	    !log_level_from_name(argv[optind + 1], &level)) {
		cli_error(
		    "usage: metafed log-level NODE LEVEL [--for DURATION]; LEVEL is debug, info, "
		    "warn or error");
		return CLI_USAGE;
	}
	node = argv[optind];
	name = argv[optind + 1];
	body = arena_printf(cli->arena, "{\"level\":\"%s\",\"for_ms\":%" PRId64 "}", name, us / MS);
	a = cli_send(cli, &(const struct query){ .method = "POST",
			      .path = arena_printf(cli->arena, "/v1/fleet/%s:log-level", node),
			      .body = body,
			      .n = strlen(body) });
	if (!cli->json && a->problem == NULL) {
		if (us != 0)
			printf("%s logs %s and above for %" PRId64
			       " s, also when it starts anew.\n",
			    node, name, us / SEC);
		else
			printf(
			    "%s logs %s and above until it starts anew or reads its configuration "
			    "again.\n",
			    node, name);
	}
	return cli_result(cli, a);
}
