/* errors: the error patterns that meta keeps. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"

#include "cli/cli.h"

#define OFTEN 0.5 /* a share of seconds, each of the other's, from which on two come together */

static bool read_options(struct cli *, int, char **, char **);
static bool is_status(struct cli *, const char *);
static bool mark_groups(json_t *);
static bool together(const json_t *, const json_t *);
static double share(const json_t *, const json_t *);

int
cli_errors(struct cli *cli, int argc, char **argv)
{
	static const struct column columns[] = { { "NODE", "node", 12, CELL_PLAIN },
		{ "METHOD", "method", 20, CELL_PLAIN }, { "STATUS", "status", 19, CELL_PLAIN },
		{ "CAUSE", "cause", 17, CELL_PLAIN }, { "1M", "in_1m", 6, CELL_PLAIN },
		{ "1H", "in_1h", 7, CELL_PLAIN }, { "24H", "in_24h", 8, CELL_PLAIN },
		{ "LAST", "last_at", 19, CELL_TIME }, { "GROUP", "group", 7, CELL_PLAIN },
		{ "MESSAGE", "message", 0, CELL_PLAIN }, { 0 } };
	char *params = (char *)"";
	const struct answer *a;

	if (!read_options(cli, argc, argv, &params)) {
		cli_error("usage: metafed errors [--node N] [--status S] [--window 1m|1h|24h] "
			  "[--limit N]");
		return CLI_USAGE;
	}
	a = cli_send(
	    cli, &(const struct query){ .method = "GET", .path = "/v1/errors", .params = params });
	if (!cli->json && a->status == 200) {
		json_t *items = json_object_get(a->json, "items");
		bool any = mark_groups(items);

		cli_table(items, columns, true);
		if (any)
			puts("\nThose of one group come together: each in at least half of the "
			     "seconds of another.");
	}
	return cli_result(cli, a);
}

/* What they say is the fleet's to judge, but for a status: one that is none would only find nothing. */
static bool
read_options(struct cli *cli, int argc, char **argv, char **params)
{
	static const struct option longs[] = { { "node", 1, NULL, 'o' }, { "status", 1, NULL, 's' },
		{ "window", 1, NULL, 'w' }, { "limit", 1, NULL, 'l' }, { 0 } };

	for (int c, at = 0; (c = getopt_long(argc, argv, "", longs, &at)) != -1;) {
		if (c == '?')
			return false;
		for (char *p = optarg; c == 's' && *p != '\0'; p++)
			*p = (char)toupper((unsigned char)*p);
		if (c == 's' && !is_status(cli, optarg))
			return false;
		cli_encode(cli->arena, params, longs[at].name, optarg);
	}
	return optind == argc;
}

static bool
is_status(struct cli *cli, const char *name)
{
	const char *all = "";

	for (int s = ST_CANCELLED; s <= ST_UNAUTHENTICATED; s++) {
		if (strcmp(name, status_name((enum status)s)) == 0)
			return true;
		all = arena_printf(cli->arena, "%s%s%s", all, *all == '\0' ? "" : ", ",
		    status_name((enum status)s));
	}
	cli_error("--status %s: is none of %s", name, all);
	return false;
}

/* Each item's group, from 1; none: it comes alone. False: all do. */
static bool
mark_groups(json_t *items)
{
	size_t n = json_array_size(items), groups = 0;
	size_t *of = mem_zalloc((n + 1) * sizeof(*of)), *next = mem_zalloc((n + 1) * sizeof(*next));

	for (size_t i = 0; i < n; i++) {
		size_t waiting = 1;

		if (of[i] != 0)
			continue;
		next[0] = i;
		of[i] = groups + 1;
		for (size_t k = 0; k < waiting; k++)
			for (size_t other = 0; other < n; other++)
				if (of[other] == 0 && together(json_array_get(items, next[k]),
							  json_array_get(items, other))) {
					of[other] = groups + 1;
					next[waiting++] = other;
				}
		groups += waiting > 1;
		if (waiting == 1)
			of[i] = 0;
	}
	for (size_t i = 0; i < n; i++)
		if (of[i] != 0)
			json_object_set_new(
			    json_array_get(items, i), "group", json_integer((json_int_t)of[i]));
	free(of);
	free(next);
	return groups > 0;
}

static bool
together(const json_t *a, const json_t *b)
{
	return share(a, b) >= OFTEN && share(b, a) >= OFTEN;
}

/* Of a's seconds, those in which b came, too. */
static double
share(const json_t *a, const json_t *b)
{
	const char *whom = json_string_value(json_object_get(b, "fingerprint"));
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(a, "with"), i, one)
	{
		const char *s = json_string_value(json_object_get(one, "fingerprint"));

		if (s != NULL && whom != NULL && strcmp(s, whom) == 0)
			return json_number_value(json_object_get(one, "share"));
	}
	return 0;
}
