/* crashes: what processes left that ended badly: a table, or one of them whole. Where nobody answers for
 * a local fleet the records themselves are read: they are files. */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "node/node.h"

#define FILES_MOST 1000
#define CALLS_MOST 16 /* of those that had ended; the JSON has all */

static bool read_options(struct cli *, int, char **, char **, const char **, const char **);
static bool has_files(struct cli *, const struct answer *);
static size_t most(const char *);
static int one(struct cli *, const char *);
static void say_name(const char *);
static void show(const json_t *);
static void show_lines(const json_t *, const char *, const char *);
static void show_calls(const json_t *);
static bool is_under_way(const json_t *);
static void table(const json_t *);
static const char *text(const json_t *, const char *);
static int from_files(struct cli *, const char *, const char *, size_t);
static void put_items(json_t *);
static json_t *read_record(const char *);
static int later_first(const void *, const void *);

int
cli_crashes(struct cli *cli, int argc, char **argv)
{
	const char *node = NULL, *limit = NULL;
	char *params = (char *)"";
	const struct answer *a;

	if (!read_options(cli, argc, argv, &params, &node, &limit) || optind + 1 < argc ||
	    (optind < argc && !str_token_ok(str_of(argv[optind])))) {
		cli_error("usage: metafed crashes [ID | [--node N] [--limit N]]");
		return CLI_USAGE;
	}
	if (optind < argc)
		return one(cli, argv[optind]);
	a = cli_send(
	    cli, &(const struct query){ .method = "GET", .path = "/v1/crashes", .params = params });
	if (has_files(cli, a) && most(limit) > 0)
		return from_files(cli, NULL, node, most(limit));
	if (!cli->json && a->status == 200)
		table(json_object_get(a->json, "items"));
	return cli_result(cli, a);
}

static bool
read_options(
    struct cli *cli, int argc, char **argv, char **params, const char **node, const char **limit)
{
	static const struct option longs[] = { { "node", 1, NULL, 'n' }, { "limit", 1, NULL, 'l' },
		{ 0 } };

	for (int c, at = 0; (c = getopt_long(argc, argv, "", longs, &at)) != -1;) {
		if (c == '?')
			return false;
		*(c == 'n' ? node : limit) = optarg;
		cli_encode(cli->arena, params, longs[at].name, optarg);
	}
	return true;
}

/* Nobody answered, and it is a local fleet whose directory is known. */
static bool
has_files(struct cli *cli, const struct answer *a)
{
	return a->status == 0 && cli->url == NULL &&
	       (cli->var_given || getenv("METAFED_CONFIG") == NULL) &&
	       access(arena_printf(cli->arena, "%s/crash", cli->var), R_OK | X_OK) == 0;
}

/* 0: it is no number from 1 on. */
static size_t
most(const char *limit)
{
	uint64_t n = FILES_MOST;

	return limit == NULL || str_u64(str_of(limit), FILES_MOST, &n) ? (size_t)n : 0;
}

static int
one(struct cli *cli, const char *id)
{
	const struct answer *a =
	    cli_send(cli, &(const struct query){ .method = "GET",
			      .path = arena_printf(cli->arena, "/v1/crashes/%s", id) });
	int status;

	if (has_files(cli, a)) {
		status = from_files(cli, id, NULL, 1);
		say_name(id);
		return status;
	}
	if (!cli->json && a->status == 200)
		show(a->json);
	status = cli_result(cli, a);
	if (status == CLI_OK || status == CLI_NOT_FOUND)
		say_name(id);
	return status;
}

/* meta-3 is a crash of meta in its third life, and a process that stands by for it. */
static void
say_name(const char *id)
{
	if (fleet_name_find(id) != NULL)
		cli_error("%s is the name of a process, too: those of it are listed by crashes "
			  "--node %s",
		    id, id);
}

static void
show(const json_t *v)
{
	const json_t *uptime = json_object_get(v, "uptime");

	printf("%s: %s\n", text(v, "id"), text(v, "how"));
	if (json_object_get(v, "generation") != NULL)
		printf("%s, generation %lld, ", text(v, "node"),
		    (long long)json_integer_value(json_object_get(v, "generation")));
	printf("at %s, process %lld", text(v, "at"),
	    (long long)json_integer_value(json_object_get(v, "pid")));
	if (json_is_number(uptime))
		printf(", %.1f s after its start", json_number_value(uptime));
	if (json_object_get(v, "thread") != NULL)
		printf(", thread %s", text(v, "thread"));
	if (json_object_get(v, "address") != NULL)
		printf(", address %s", text(v, "address"));
	if (json_object_get(v, "sender") != NULL)
		printf(", sent by process %lld",
		    (long long)json_integer_value(json_object_get(v, "sender")));
	printf("\n");
	if (json_is_string(json_object_get(v, "core")))
		printf("core file: %s\n", text(v, "core"));
	show_lines(v, "backtrace", "Backtrace");
	show_calls(json_object_get(v, "calls"));
	show_lines(v, "log", "The end of its log");
}

static void
show_lines(const json_t *v, const char *key, const char *title)
{
	const json_t *line;
	size_t i;

	if (json_array_size(json_object_get(v, key)) == 0)
		return;
	printf("\n%s\n", title);
	json_array_foreach(json_object_get(v, key), i, line)
	{
		printf("  ");
		cli_put_text(json_string_value(line) ?: "");
	}
}

/* Those that were under way before those that had ended. */
static void
show_calls(const json_t *calls)
{
	size_t n = json_array_size(calls), ended = 0, shown = 0, i;
	const json_t *line;

	if (n == 0)
		return;
	json_array_foreach(calls, i, line)
	{
		if (!is_under_way(line)) {
			ended++;
			continue;
		}
		printf("%s  ", shown++ == 0 ? "\nCalls that were under way\n" : "");
		cli_put_text(json_string_value(line));
	}
	if (shown == 0)
		printf("\nNo call was under way.\n");
	printf("\nCalls that it served before, the last at the end%s\n",
	    ended > CALLS_MOST ? " (--json has more)" : "");
	json_array_foreach(calls, i, line)
	{
		if (is_under_way(line) || ended-- > CALLS_MOST)
			continue;
		printf("  ");
		cli_put_text(json_string_value(line) ?: "");
	}
}

static bool
is_under_way(const json_t *line)
{
	const char *s = json_string_value(line), *last = s != NULL ? strrchr(s, ',') : NULL;

	return last != NULL && strcmp(last, ", running") == 0;
}

static void
table(const json_t *items)
{
	static const struct column columns[] = { { "ID", "id", 18, CELL_PLAIN },
		{ "AT", "at", 19, CELL_TIME }, { "PID", "pid", 9, CELL_PLAIN },
		{ "UPTIME", "uptime", 9, CELL_SECONDS }, { "HOW", "how", 0, CELL_PLAIN }, { 0 } };

	cli_table(items, columns, true);
}

static const char *
text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key)) ?: "";
}

/* id NULL: the list, node NULL: of all. */
static int
from_files(struct cli *cli, const char *id, const char *node, size_t limit)
{
	struct dirent **names = NULL;
	json_t *items = json_array(), *v;
	char *dir = arena_printf(cli->arena, "%s/crash", cli->var);
	int n = id != NULL ? 0 : scandir(dir, &names, NULL, NULL), status = CLI_OK;

	fputs("metafed: no fleet answers there; this is what its directory holds\n", stderr);
	if (id != NULL) {
		v = read_record(arena_printf(cli->arena, "%s/%s.json", dir, id));
		if (v == NULL)
			cli_error("there is no crash of this id");
		else if (cli->json)
			cli_put_json(v, JSON_COMPACT);
		else
			show(v);
		status = v == NULL ? CLI_NOT_FOUND : CLI_OK;
		json_decref(v);
	}
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]->d_name);

		v = len > 5 && strcmp(names[i]->d_name + len - 5, ".json") == 0
		        ? read_record(arena_printf(cli->arena, "%s/%s", dir, names[i]->d_name))
		        : NULL;
		if (v != NULL && json_array_size(items) < FILES_MOST &&
		    (node == NULL || strcmp(text(v, "node"), node) == 0))
			json_array_append(items, v);
		json_decref(v);
		free(names[i]);
	}
	free(names);
	if (id == NULL) {
		size_t count = json_array_size(items);
		json_t **order = arena_alloc(cli->arena, (count + 1) * sizeof(*order)),
		       *sorted = json_array();

		for (size_t i = 0; i < count; i++)
			order[i] = json_array_get(items, i);
		qsort(order, count, sizeof(*order), later_first);
		for (size_t i = 0; i < count && i < limit; i++)
			json_array_append(sorted, order[i]);
		if (cli->json)
			put_items(sorted);
		else
			table(sorted);
		json_decref(sorted);
	}
	json_decref(items);
	return status;
}

static void
put_items(json_t *items)
{
	json_t *page = json_pack("{s:O}", "items", items);

	cli_put_json(page, JSON_COMPACT);
	putchar('\n');
	json_decref(page);
}

static json_t *
read_record(const char *path)
{
	json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(v))
		return v;
	json_decref(v);
	return NULL;
}

static int
later_first(const void *a, const void *b)
{
	return strcmp(text(*(json_t *const *)b, "at"), text(*(json_t *const *)a, "at"));
}
