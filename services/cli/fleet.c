/* fleet: fleet, restart NODE, request FILE, keys init, completion. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "bus/secure.h"
#include "cli/cli.h"

#define REQUEST_MAX   (4u << 20)
#define RESTART_LIMIT (30 * SEC)
#define RESTART_LOOK  (20 * MS)

static void show_reasons(const json_t *);
static int await_back(struct cli *, json_t *);
static const json_t *fleet_row(const json_t *, const char *);
static bool is_ready(const json_t *);
static long long integer(const json_t *, const char *);
static void show_trace(const json_t *);
static char *read_all(struct cli *, const char *, size_t *);

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

	(void)argv;
	if (argc != 1) {
		cli_error("usage: metafed fleet");
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
	}
	return cli_result(cli, a);
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
		json_dumpf(said, stdout, JSON_COMPACT);
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

int
cli_request(struct cli *cli, int argc, char **argv)
{
	const struct answer *a;
	size_t n;
	char *text;

	if (argc != 2) {
		cli_error("usage: metafed request FILE (- is standard input)");
		return CLI_USAGE;
	}
	if ((text = read_all(cli, argv[1], &n)) == NULL)
		return CLI_USAGE;
	a = cli_send(cli, &(const struct query){
			      .method = "POST", .path = "/v1/requests", .body = text, .n = n });
	if (!cli->json && a->status == 200)
		show_trace(a->json);
	if (a->status == 200 && !json_is_true(json_object_get(a->json, "success"))) {
		cli_result(cli, a);
		return json_is_true(json_object_get(a->json, "partial_success")) ? CLI_PARTIAL
		                                                                 : CLI_REFUSED;
	}
	return cli_result(cli, a);
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

int
cli_completion(struct cli *cli, int argc, char **argv)
{
	static const char bash[] =
	    "_metafed() {\n"
	    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} list=\n"
	    "  local nodes='meta api database auth rest graphql websocket sql nosql cache jwt "
	    "oauth rbac'\n"
	    "  local stores='postgres redis-docs redis-cache'\n"
	    "  case $before in\n"
	    "  task) list='add get list update rm import' ;;\n"
	    "  restart) list=\"$nodes $stores\" ;;\n"
	    "  logs) list=\"$nodes $stores guard supervisor -f -n\" ;;\n"
	    "  keys) list='init' ;;\n"
	    "  completion) list='bash' ;;\n"
	    "  --priority) list='CRITICAL HIGH MEDIUM LOW' ;;\n"
	    "  --state) list='SCHEDULED QUEUED RUNNING RETRYING COMPLETED FAILED CANCELLED' ;;\n"
	    "  request|import|--var|--token-file) COMPREPLY=($(compgen -f -- \"$word\")); return "
	    ";;\n"
	    "  *) case $word in\n"
	    "    -*) list='--var --url --token-file --json --type --priority --label --payload "
	    "--description --state --limit"
	    " --cursor --all --if-version --map --dry-run --password-stdin --help --version' ;;\n"
	    "    *) list='login task request fleet restart logs keys completion' ;;\n"
	    "    esac ;;\n"
	    "  esac\n"
	    "  COMPREPLY=($(compgen -W \"$list\" -- \"$word\"))\n"
	    "}\n"
	    "complete -F _metafed metafed\n";

	(void)cli;
	if (argc != 2 || strcmp(argv[1], "bash") != 0) {
		cli_error("usage: metafed completion bash");
		return CLI_USAGE;
	}
	fputs(bash, stdout);
	return CLI_OK;
}

static void
show_trace(const json_t *r)
{
	const json_t *problem = json_object_get(r, "problem"), *level, *hop;
	size_t i, k;

	printf("task %s: %s%s%s\n", json_string_value(json_object_get(r, "task_id")) ?: "?",
	    json_is_true(json_object_get(r, "success"))           ? "success"
	    : json_is_true(json_object_get(r, "partial_success")) ? "partial success"
								  : "failed",
	    problem != NULL ? ": " : "",
	    json_string_value(json_object_get(problem, "message")) ?: "");
	json_array_foreach(json_object_get(r, "execution_trace"), i, level)
	{
		printf(
		    "level %lld\n", (long long)json_integer_value(json_object_get(level, "level")));
		json_array_foreach(json_object_get(level, "hops"), k, hop)
		{
			json_int_t code = json_integer_value(json_object_get(hop, "code"));

			printf("  %-10s %-18s try %lld  at %7lld us  took %7lld us  %s\n",
			    json_string_value(json_object_get(hop, "node")) ?: "?",
			    json_string_value(json_object_get(hop, "method")) ?: "",
			    (long long)json_integer_value(json_object_get(hop, "attempt")),
			    (long long)json_integer_value(json_object_get(hop, "start_us")),
			    (long long)json_integer_value(json_object_get(hop, "duration_us")),
			    code == 0 ? "ok" : json_string_value(json_object_get(hop, "reason")) ?: "failed");
		}
	}
}

static char *
read_all(struct cli *cli, const char *file, size_t *n)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *f = standard ? stdin : fopen(file, "re");
	char *text;

	if (f == NULL) {
		cli_error("%s: %s", file, strerror(errno));
		return NULL;
	}
	text = arena_alloc(cli->arena, REQUEST_MAX + 1);
	*n = fread(text, 1, REQUEST_MAX + 1, f);
	if (!standard)
		fclose(f);
	if (*n > REQUEST_MAX) {
		cli_error("%s: longer than %u bytes", file, REQUEST_MAX);
		return NULL;
	}
	return text;
}
