/* fleet: fleet, restart NODE, keys init. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "bus/secure.h"
#include "cli/cli.h"

#define RESTART_LIMIT (30 * SEC)
#define RESTART_LOOK  (20 * MS)

static void show_reasons(const json_t *);
static void show_stores(const char *);
static void show_leader(const json_t *);
static void show_mode(const json_t *);
static int await_back(struct cli *, json_t *);
static const json_t *fleet_row(const json_t *, const char *);
static bool is_ready(const json_t *);
static long long integer(const json_t *, const char *);

int
cli_fleet(struct cli *cli, int argc, char **argv)
{
	static const struct column columns[] = { { "NODE", "name", 12, CELL_PLAIN },
		{ "LEVEL", "level", 6, CELL_PLAIN }, { "DOMAIN", "domain", 10, CELL_PLAIN },
		{ "STATE", "state", 10, CELL_PLAIN }, { "PID", "pid", 9, CELL_PLAIN },
		{ "GEN", "generation", 5, CELL_PLAIN }, { "RESTARTS", "restarts", 9, CELL_PLAIN },
		{ "UPTIME", "uptime", 9, CELL_SECONDS },
		{ "IN FLIGHT", "in_flight", 10, CELL_PLAIN }, { "RSS", "rss", 0, CELL_BYTES },
		{ 0 } };
	const struct answer *a;

	if (argc > 1 && strcmp(argv[1], "calls") == 0)
		return cli_fleet_calls(cli, argc, argv);
	if (argc != 1) {
		cli_error("usage: metafed fleet [calls]");
		return CLI_USAGE;
	}
	a = cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/fleet" });
	if (!cli->json && a->status == 200) {
		cli_table(json_object_get(a->json, "nodes"), columns, true);
		if (json_array_size(json_object_get(a->json, "apart")) > 0) {
			printf("\n");
			cli_table(json_object_get(a->json, "apart"), columns, true);
		}
		show_reasons(json_object_get(a->json, "nodes"));
		show_reasons(json_object_get(a->json, "apart"));
		show_leader(json_object_get(a->json, "nodes"));
		show_mode(a->json);
		show_stores(json_string_value(json_object_get(a->json, "stores")));
	}
	return cli_result(cli, a);
}

/* Where others stand by. */
static void
show_leader(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (json_is_true(json_object_get(row, "leads")))
			printf("\n%s leads.\n",
			    json_string_value(json_object_get(row, "name")) ?: "?");
	}
}

static void
show_mode(const json_t *fleet)
{
	const char *mode = json_string_value(json_object_get(fleet, "mode"));
	const json_t *isolated = json_object_get(fleet, "isolated"), *one;
	size_t i;

	if (mode != NULL && strcmp(mode, "normal") != 0)
		printf("\nThe fleet is in mode %s: %s\n", mode,
		    strcmp(mode, "essential") == 0
			? "it does reads, verification and what brings it back, no more."
			: "it refuses what matters least, with a delay to try again after.");
	json_array_foreach(isolated, i, one)
	{
		printf("%s%s", i == 0 ? "\nIsolated, calls to it fail at once: " : ", ",
		    json_string_value(one) ?: "?");
	}
	if (json_array_size(isolated) > 0)
		printf(".\n");
}

static void
show_stores(const char *mode)
{
	if (mode != NULL && strcmp(mode, "degraded") == 0)
		printf("\nThe stores are degraded: PostgreSQL is away, writes of tasks wait in the "
		       "journal.\n");
	else if (mode != NULL && strcmp(mode, "replaying") == 0)
		printf("\nThe stores are replaying: PostgreSQL is back, the journal is being "
		       "applied.\n");
}

/* Of whom does not run and should. */
static void
show_reasons(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *reason = json_string_value(json_object_get(row, "reason"));

		if (reason != NULL)
			printf("\n%s is %s: %s\n",
			    json_string_value(json_object_get(row, "name")) ?: "?",
			    json_string_value(json_object_get(row, "state")) ?: "?", reason);
	}
}

/* A node that carried this very request answers before it goes: then we look until another one is
 * there, and say the same as where the fleet could wait for it. */
int
cli_restart(struct cli *cli, int argc, char **argv)
{
	const struct answer *a;
	json_t *said;
	int status = CLI_OK;

	if (argc != 2 || !str_token_ok(str_of(argv[1]))) {
		cli_error("usage: metafed restart NODE");
		return CLI_USAGE;
	}
	a = cli_send(cli, &(const struct query){ .method = "POST",
			      .path = arena_printf(cli->arena, "/v1/fleet/%s:restart", argv[1]) });
	if (a->problem != NULL)
		return cli_result(cli, a);
	said = json_deep_copy(a->json);
	if (!is_ready(said))
		status = await_back(cli, said);
	if (status == CLI_OK && cli->json) {
		cli_put_json(said, JSON_COMPACT);
		putchar('\n');
	} else if (status == CLI_OK) {
		printf("Restarted %s in %lld ms: pid %lld, generation %lld.\n", argv[1],
		    integer(said, "took_ms"), integer(said, "pid"), integer(said, "generation"));
	}
	json_decref(said);
	return status;
}

/* `said` becomes what is said of the new process. */
static int
await_back(struct cli *cli, json_t *said)
{
	const char *node = json_string_value(json_object_get(said, "node")) ?: "";
	int64_t began = time_now_us();

	while (time_now_us() - began < RESTART_LIMIT) {
		const struct answer *a =
		    cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/fleet" });
		const json_t *row = fleet_row(a->json, node);

		if (row != NULL && is_ready(row) &&
		    integer(row, "generation") != integer(said, "generation")) {
			json_object_set(said, "state", json_object_get(row, "state"));
			json_object_set(said, "generation", json_object_get(row, "generation"));
			json_object_set(said, "pid", json_object_get(row, "pid"));
			json_object_set_new(
			    said, "took_ms", json_integer((time_now_us() - began) / MS));
			return CLI_OK;
		}
		usleep(RESTART_LOOK);
	}
	cli_error("%s was told to restart, but is not READY again after %d s", node,
	    (int)(RESTART_LIMIT / SEC));
	return CLI_UNAVAILABLE;
}

static const json_t *
fleet_row(const json_t *fleet, const char *node)
{
	static const char *const lists[] = { "nodes", "apart" };
	const json_t *row;
	size_t i;

	for (int k = 0; k < 2; k++)
		json_array_foreach(json_object_get(fleet, lists[k]), i, row)
		{
			const char *name = json_string_value(json_object_get(row, "name"));

			if (name != NULL && strcmp(name, node) == 0)
				return row;
		}
	return NULL;
}

static bool
is_ready(const json_t *process)
{
	const char *state = json_string_value(json_object_get(process, "state"));

	return state != NULL && strcmp(state, "READY") == 0;
}

static long long
integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* keys init DIR NAME...: an X25519 key per node, and the list of public keys that all of them
 * read. */
int
cli_keys(struct cli *cli, int argc, char **argv)
{
	char err[256];
	size_t made;

	(void)cli;
	if (argc < 4 || strcmp(argv[1], "init") != 0) {
		cli_error("usage: metafed keys init DIR NAME...");
		return CLI_USAGE;
	}
	if (!keys_generate(argv[2], (const char *const *)argv + 3, (size_t)argc - 3, &made, err,
		sizeof(err))) {
		cli_error("%s", err);
		return CLI_REFUSED;
	}
	printf("%zu keys made in %s\n", made, argv[2]);
	return CLI_OK;
}
