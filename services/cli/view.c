/* view: fleet calls, settings: what goes between the nodes, and how they are configured. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static json_t *busy_first(const json_t *);
static int by_rate(const void *, const void *);
static json_t *changed_only(const json_t *);

/* fleet calls: ways on which nothing went are left out. */
int
cli_fleet_calls(struct cli *cli, int argc, char **argv)
{
	static const struct column columns[] = { { "FROM", "from", 11, CELL_PLAIN },
		{ "TO", "to", 11, CELL_PLAIN }, { "SERVICE", "service", 11, CELL_PLAIN },
		{ "PER S", "per_s", 10, CELL_PLAIN },
		{ "ERRORS/S", "errors_per_s", 10, CELL_PLAIN },
		{ "P50 MS", "p50_ms", 10, CELL_PLAIN }, { "P99 MS", "p99_ms", 10, CELL_PLAIN },
		{ "BREAKER", "breaker", 0, CELL_PLAIN }, { 0 } };
	const struct answer *a;
	json_t *rows;

	(void)argv;
	if (argc != 2) {
		cli_error("usage: metafed fleet calls");
		return CLI_USAGE;
	}
	a = cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/fleet/calls" });
	if (!cli->json && a->status == 200) {
		rows = busy_first(json_object_get(a->json, "items"));
		cli_table(rows, columns, true);
		printf(
		    "\nTries of the last %lld s. Not shown: %zu ways without one, their breakers "
		    "closed.\n",
		    (long long)json_integer_value(json_object_get(a->json, "window_s")),
		    json_array_size(json_object_get(a->json, "items")) - json_array_size(rows));
		json_decref(rows);
	}
	return cli_result(cli, a);
}

static json_t *
busy_first(const json_t *items)
{
	size_t n = 0, most = json_array_size(items), i;
	const json_t **rows = calloc(most + 1, sizeof(const json_t *));
	json_t *one, *out = json_array();

	if (rows == NULL)
		abort();
	json_array_foreach(items, i, one)
	{
		const char *breaker = json_string_value(json_object_get(one, "breaker"));

		if (json_number_value(json_object_get(one, "per_s")) > 0 ||
		    (breaker != NULL && strcmp(breaker, "closed") != 0))
			rows[n++] = one;
	}
	qsort(rows, n, sizeof(rows[0]), by_rate);
	for (i = 0; i < n; i++)
		json_array_append(out, (json_t *)(uintptr_t)rows[i]);
	free(rows);
	return out;
}

static int
by_rate(const void *a, const void *b)
{
	double x = json_number_value(json_object_get(*(const json_t *const *)a, "per_s")),
	       y = json_number_value(json_object_get(*(const json_t *const *)b, "per_s"));

	return x > y ? -1 : x < y;
}

/* settings [NODE] [--changed] */
int
cli_settings(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "changed", 0, NULL, 'c' }, { 0 } };
	struct column columns[] = { { "NODE", "node", 11, CELL_PLAIN },
		{ "KEY", "key", 24, CELL_PLAIN }, { "VALUE", "value", 28, CELL_PLAIN },
		{ "SOURCE", "source", 14, CELL_PLAIN }, { "WHAT IT IS", "help", 0, CELL_PLAIN },
		{ 0 } };
	struct column *value = &columns[2];
	char *params = arena_strdup(cli->arena, "");
	const struct answer *a;
	bool changed = false;
	json_t *rows, *one;
	size_t i;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == '?')
			return CLI_USAGE;
		else
			changed = true;
	if (argc - optind > 1) {
		cli_error("usage: metafed settings [NODE] [--changed]");
		return CLI_USAGE;
	}
	if (optind < argc)
		cli_encode(cli->arena, &params, "node", argv[optind]);
	a = cli_send(cli,
	    &(const struct query){ .method = "GET", .path = "/v1/settings", .params = params });
	if (!cli->json && a->status == 200) {
		rows = json_incref(json_object_get(a->json, "items"));
		if (changed) {
			json_decref(rows);
			rows = changed_only(json_object_get(a->json, "items"));
		}
		json_array_foreach(rows, i, one)
		{
			size_t n;

			if (json_is_true(json_object_get(one, "secret")))
				json_object_set_new(one, "value", json_string("(secret)"));
			n = json_string_length(json_object_get(one, "value")) + 1;
			if (n > (size_t)value->width) /* half a path is none */
				value->width = (int)n;
		}
		cli_table(rows, columns, true);
		json_decref(rows);
		json_array_foreach(json_object_get(a->json, "unanswered"), i, one)
		    cli_error("%s did not answer", json_string_value(one) ?: "?");
	}
	return cli_result(cli, a);
}

static json_t *
changed_only(const json_t *items)
{
	json_t *out = json_array(), *one;
	size_t i;

	json_array_foreach(items, i, one)
	{
		const char *source = json_string_value(json_object_get(one, "source"));

		if (source != NULL && strcmp(source, "default") != 0)
			json_array_append(out, one);
	}
	return out;
}
