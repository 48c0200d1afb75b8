/* chaos: experiments on a running fleet: begin one, list them, end one. Harm is confirmed: by --yes, or
 * by the word at a terminal. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"

static const char usage[] =
    "usage: metafed chaos ACTION TARGET --for MS [--peer NODE] [--probability P] [--delay MS]\n"
    "                    [--step MS] [--seed N] [--dry-run | --yes]\n"
    "       metafed chaos list\n"
    "       metafed chaos end ID\n"
    "ACTION is kill, stop, delay, drop, error, partition, store_down, disk_full or clock_step;\n"
    "MS is a number of milliseconds from 100 to 600000. man metafed says what each does.";

static int begin(struct cli *, int, char **);
static int list(struct cli *);
static int end(struct cli *, const char *);
static bool read_options(int, char **, json_t *);
static bool set_number(json_t *, const char *, const char *, bool);
static bool confirmed(const json_t *);
static void show_effects(const json_t *);
static const char *text(const json_t *, const char *);

int
cli_chaos(struct cli *cli, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list(cli);
	if (argc == 3 && strcmp(argv[1], "end") == 0)
		return end(cli, argv[2]);
	return begin(cli, argc, argv);
}

static int
begin(struct cli *cli, int argc, char **argv)
{
	json_t *order = json_object();
	bool yes;
	const struct answer *a;
	char *body;

	if (!read_options(argc, argv, order) || argc - optind != 2 ||
	    json_object_get(order, "for_ms") == NULL) {
		cli_error("%s", usage);
		json_decref(order);
		return CLI_USAGE;
	}
	json_object_set_new(order, "action", json_string(argv[optind]));
	json_object_set_new(order, "target", json_string(argv[optind + 1]));
	yes = json_is_true(json_object_get(order, "yes")) ||
	      json_is_true(json_object_get(order, "dry_run"));
	json_object_del(order, "yes");
	if (!yes && !confirmed(order)) {
		json_decref(order);
		return CLI_USAGE;
	}
	body = json_dumps(order, JSON_COMPACT);
	a = cli_send(
	    cli, &(const struct query){
		     .method = "POST", .path = "/v1/chaos", .body = body, .n = strlen(body) });
	free(body);
	json_decref(order);
	if (!cli->json && a->status == 201) {
		if (strcmp(text(a->json, "state"), "planned") == 0)
			printf("Nothing was done. What it would do:\n");
		else
			printf("%s %s of %s %s, until %s\n", text(a->json, "id"),
			    text(a->json, "action"), text(a->json, "target"),
			    text(a->json, "state"), text(a->json, "ends_at"));
		show_effects(a->json);
	}
	return cli_result(cli, a);
}

static int
list(struct cli *cli)
{
	static const struct column columns[] = { { "ID", "id", 37, CELL_PLAIN },
		{ "ACTION", "action", 11, CELL_PLAIN }, { "TARGET", "target", 12, CELL_PLAIN },
		{ "STATE", "state", 8, CELL_PLAIN }, { "ENDS", "ends_at", 28, CELL_PLAIN },
		{ "BY", "by", 0, CELL_PLAIN }, { 0 } };
	const struct answer *a =
	    cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/chaos" });

	if (!cli->json && a->status == 200)
		cli_table(json_object_get(a->json, "items"), columns, true);
	return cli_result(cli, a);
}

static int
end(struct cli *cli, const char *id)
{
	if (!str_token_ok(str_of(id))) {
		cli_error("%s", usage);
		return CLI_USAGE;
	}
	return cli_result(
	    cli, cli_send(cli, &(const struct query){ .method = "DELETE",
				   .path = arena_printf(cli->arena, "/v1/chaos/%s", id) }));
}

static bool
read_options(int argc, char **argv, json_t *order)
{
	static const struct option longs[] = { { "for", 1, NULL, 'f' }, { "peer", 1, NULL, 'p' },
		{ "probability", 1, NULL, 'P' }, { "delay", 1, NULL, 'd' },
		{ "step", 1, NULL, 's' }, { "seed", 1, NULL, 'S' }, { "dry-run", 0, NULL, 'n' },
		{ "yes", 0, NULL, 'y' }, { 0 } };
	bool good = true;
	int c;

	optind = 0;
	while (good && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'f')
			good = set_number(order, "for_ms", optarg, false);
		else if (c == 'd')
			good = set_number(order, "delay_ms", optarg, false);
		else if (c == 's')
			good = set_number(order, "step_ms", optarg, false);
		else if (c == 'S')
			good = set_number(order, "seed", optarg, false);
		else if (c == 'P')
			good = set_number(order, "probability", optarg, true);
		else if (c == 'p')
			json_object_set_new(order, "peer", json_string(optarg));
		else if (c == 'n' || c == 'y')
			json_object_set_new(order, c == 'n' ? "dry_run" : "yes", json_true());
		else
			good = false;
	}
	return good;
}

static bool
set_number(json_t *order, const char *key, const char *s, bool real)
{
	char *rest;

	if (real)
		json_object_set_new(order, key, json_real(strtod(s, &rest)));
	else
		json_object_set_new(order, key, json_integer(strtoll(s, &rest, 10)));
	return s[0] != '\0' && *rest == '\0';
}

static bool
confirmed(const json_t *order)
{
	char said[16] = "";

	if (!isatty(STDIN_FILENO)) {
		cli_error("this does harm to %s: say --yes, or --dry-run to see what it would do",
		    text(order, "target"));
		return false;
	}
	fprintf(stderr, "This does harm to %s. Type yes to go on: ", text(order, "target"));
	if (fgets(said, sizeof(said), stdin) != NULL && strcmp(said, "yes\n") == 0)
		return true;
	cli_error("nothing was done");
	return false;
}

static void
show_effects(const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(v, "effects"), i, one)
	{
		printf("  ");
		cli_put(stdout, json_string_value(one) ?: "?");
		putchar('\n');
	}
}

static const char *
text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key)) ?: "";
}
