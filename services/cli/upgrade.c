/* upgrade: orders the rolling upgrade and follows it to its end, over the restart of everybody who
 * answers. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"

#define LOOK       (200 * MS)
#define LOST_LIMIT (60 * SEC) /* without any answer: whoever answers may be the one that goes */

static bool order(int argc, char **argv, json_t *o, bool *dry);
static int follow(struct cli *cli, json_t **last);
static void tell(const struct cli *cli, const json_t *steps, size_t *told);
static const char *text(const json_t *o, const char *key);

int
cli_upgrade(struct cli *cli, int argc, char **argv)
{
	static const struct column columns[] = { { "NODE", "node", 12, CELL_PLAIN },
		{ "STATE", "state", 11, CELL_PLAIN }, { "FROM", "from", 20, CELL_PLAIN },
		{ "TO", "to", 20, CELL_PLAIN }, { "MS", "took_ms", 7, CELL_PLAIN },
		{ "ERROR", "error", 0, CELL_PLAIN }, { 0 } };
	json_t *o = json_object(), *last;
	const struct answer *a;
	bool dry, failed, any = false, same = true;
	int status = CLI_OK;
	const json_t *step;
	char *body;
	size_t i;

	if (!order(argc, argv, o, &dry)) {
		json_decref(o);
		cli_error("usage: metafed upgrade [NODE...] [--dry-run]");
		return CLI_USAGE;
	}
	body = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	a = cli_send(
	    cli, &(const struct query){
		     .method = "POST", .path = "/v1/upgrade", .body = body, .n = strlen(body) });
	free(body);
	if (a->problem != NULL)
		return cli_result(cli, a);
	last = json_deep_copy(a->json);
	if (strcmp(text(last, "state"), "running") == 0)
		status = follow(cli, &last);
	failed = strcmp(text(last, "state"), "failed") == 0 ||
	         (dry && json_is_string(json_object_get(last, "error")));
	json_array_foreach(json_object_get(last, "steps"), i, step)
	{
		any |= strcmp(text(step, "state"), "done") == 0;
		same &= strcmp(text(step, "state"), "unchanged") == 0;
	}
	if (cli->json) {
		cli_put_json(last, JSON_COMPACT);
		putchar('\n');
	} else if (status == CLI_OK) {
		cli_table(json_object_get(last, "steps"), columns, true);
		if (same)
			puts("\nNothing to do: they run from the executables in their places.");
	}
	if (status == CLI_OK && failed)
		cli_error("%s", text(last, "error"));
	json_decref(last);
	return status != CLI_OK ? status : !failed ? CLI_OK : any ? CLI_PARTIAL : CLI_REFUSED;
}

static bool
order(int argc, char **argv, json_t *o, bool *dry)
{
	static const struct option longs[] = { { "dry-run", 0, NULL, 'd' }, { 0 } };
	json_t *nodes = json_array();

	*dry = false;
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == '?') {
			json_decref(nodes);
			return false;
		}
		*dry = true;
	}
	for (; optind < argc; optind++)
		json_array_append_new(nodes, json_string(argv[optind]));
	if (json_array_size(nodes) > 0)
		json_object_set(o, "nodes", nodes);
	json_decref(nodes);
	json_object_set_new(o, "dry_run", json_boolean(*dry));
	return true;
}

/* Until it has ended. It goes on without us: who has waited in vain looks again later. */
static int
follow(struct cli *cli, json_t **last)
{
	int64_t heard = time_now_us();
	size_t told = 0;

	while (strcmp(text(*last, "state"), "running") == 0) {
		const struct answer *a;

		tell(cli, json_object_get(*last, "steps"), &told);
		usleep(LOOK);
		a = cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/upgrade" });
		if (a->status == 200) {
			json_decref(*last);
			*last = json_deep_copy(a->json);
			heard = time_now_us();
		} else if (time_now_us() - heard > LOST_LIMIT ||
			   (a->status >= 400 && a->status < 500)) {
			return cli_result(cli, a);
		}
	}
	tell(cli, json_object_get(*last, "steps"), &told);
	return CLI_OK;
}

/* A line for each step that has ended since the last time. */
static void
tell(const struct cli *cli, const json_t *steps, size_t *told)
{
	for (; *told < json_array_size(steps); (*told)++) {
		const json_t *s = json_array_get(steps, *told);
		const char *state = text(s, "state");

		if (strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0)
			return;
		if (!cli->json && strcmp(state, "done") == 0)
			fprintf(stderr, "%s: %s -> %s in %lld ms\n", text(s, "node"),
			    text(s, "from")[0] != '\0' ? text(s, "from") : "(down)", text(s, "to"),
			    (long long)json_integer_value(json_object_get(s, "took_ms")));
	}
}

static const char *
text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}
