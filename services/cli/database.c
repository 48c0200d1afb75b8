/* database: migrations [--dry-run]. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int show_dry_run(const json_t *);

int
cli_database(struct cli *cli, int argc, char **argv)
{
	static const struct column columns[] = { { "NUMBER", "number", 7, CELL_PLAIN },
		{ "NAME", "name", 16, CELL_PLAIN }, { "STATE", "state", 8, CELL_PLAIN },
		{ "APPLIED", "applied_at", 24, CELL_PLAIN },
		{ "CHECKSUM", "checksum", 0, CELL_PLAIN }, { 0 } };
	bool dry_run = argc == 3 && strcmp(argv[2], "--dry-run") == 0;
	const json_t *result;
	int status;

	if ((argc != 2 && !dry_run) || strcmp(argv[1], "migrations") != 0) {
		cli_error("usage: metafed database migrations [--dry-run]");
		return CLI_USAGE;
	}
	result = cli_store(cli,
	    json_pack("{s:s, s:s, s:{s:s}}", "operation", "query", "model", "migration", "filters",
		"dry_run", dry_run ? "true" : "false"),
	    &status);
	if (result == NULL)
		return status;
	if (cli->json) {
		cli_put_json(result, JSON_COMPACT);
		putchar('\n');
	} else {
		cli_table(json_object_get(result, "items"), columns, true);
	}
	return dry_run ? show_dry_run(json_object_get(result, "dry_run")) : CLI_OK;
}

static int
show_dry_run(const json_t *tried)
{
	if (!json_is_true(json_object_get(tried, "ok"))) {
		cli_error("migration %lld would fail: %s (SQLSTATE %s)",
		    (long long)json_integer_value(json_object_get(tried, "failed")),
		    json_string_value(json_object_get(tried, "problem")) ?: "?",
		    json_string_value(json_object_get(tried, "sqlstate")) ?: "?");
		return CLI_REFUSED;
	}
	fprintf(stderr, "%zu would be applied, without a failure.\n",
	    json_array_size(json_object_get(tried, "tried")));
	return CLI_OK;
}
