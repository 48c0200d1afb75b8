/* task: add, get, list, update, rm; import is a file of its own. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"

#define PAGE "1000" /* of --all */

struct listing {
	char *filters;
	const char *limit, *cursor; /* NULL: none */
	bool all;
	size_t said; /* items, or pages of a table */
};

static int task_add(struct cli *, int, char **);
static int task_get(struct cli *, int, char **);
static int task_list(struct cli *, int, char **);
static int list_pages(struct cli *, struct listing *);
static const char *page_params(struct cli *, const struct listing *);
static void list_items(struct cli *, struct listing *, const json_t *);
static int task_update(struct cli *, int, char **);
static int task_rm(struct cli *, int, char **);
static int send_object(struct cli *, const char *, const char *, json_t *, const char *);
static bool set_label(json_t *, const char *);
static void show_task(const json_t *);
static const char *task_path(struct cli *, const char *);
static const char *if_match(struct cli *, const char *);

static const struct {
	const char *name;
	int (*run)(struct cli *, int, char **);
} verbs[] = {
	{ "add", task_add },
	{ "get", task_get },
	{ "list", task_list },
	{ "update", task_update },
	{ "rm", task_rm },
	{ "import", cli_task_import },
	{ "apply", cli_task_apply },
	{ "count", cli_task_count },
	{ "history", cli_task_history },
};

int
cli_task(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0) {
			/* for getopt's messages */
			argv[1] = arena_printf(cli->arena, "metafed task %s", verbs[i].name);
			return verbs[i].run(cli, argc - 1, argv + 1);
		}
	cli_error(
	    "usage: metafed task add|get|list|update|rm|import|apply|count|history ...; metafed "
	    "--help says more");
	return CLI_USAGE;
}

static int
task_add(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "type", 1, NULL, 't' },
		{ "priority", 1, NULL, 'p' }, { "label", 1, NULL, 'l' },
		{ "payload", 1, NULL, 'b' }, { "description", 1, NULL, 'd' }, { 0 } };
	json_t *task = json_object(), *labels = json_object(), *payload;
	json_error_t e;
	uint64_t number;
	bool ok = true;

	for (int o; ok && (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		switch (o) {
		case 't':
			json_object_set_new(task, "type", json_string(optarg));
			break;
		case 'p':
			json_object_set_new(task, "priority",
			    str_u64(str_of(optarg), 4, &number) ? json_integer((json_int_t)number)
								: json_string(optarg));
			break;
		case 'd':
			json_object_set_new(task, "description", json_string(optarg));
			break;
		case 'l':
			ok = set_label(labels, optarg);
			break;
		case 'b':
			payload = json_loads(optarg, JSON_DECODE_ANY, &e);
			if (!(ok = payload != NULL))
				cli_error("--payload: %s at character %d", e.text, e.position);
			json_object_set_new(task, "payload", payload);
			break;
		default:
			ok = false;
		}
	if (ok && optind != argc - 1) {
		cli_error("usage: metafed task add TITLE [--type T] [--priority P] [--label K=V] "
			  "[--payload JSON] [--description TEXT]");
		ok = false;
	}
	if (!ok) {
		json_decref(task);
		json_decref(labels);
		return CLI_USAGE;
	}
	json_object_set_new(task, "title", json_string(argv[optind]));
	if (json_object_size(labels) > 0)
		json_object_set(task, "labels", labels);
	json_decref(labels);
	return send_object(cli, "POST", "/v1/tasks", task, NULL);
}

static int
task_get(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "consistency", 1, NULL, 'y' },
		{ "max-age", 1, NULL, 'm' }, { 0 } };
	char *params = arena_strdup(cli->arena, "");
	const struct answer *a;
	const char *path;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == '?')
			return CLI_USAGE;
		else
			cli_encode(
			    cli->arena, &params, o == 'y' ? "consistency" : "max_age_ms", optarg);
	path = argc == optind + 1 ? task_path(cli, argv[optind]) : NULL;
	if (path == NULL) {
		cli_error("usage: metafed task get ID [--consistency strong|bounded|eventual] "
			  "[--max-age MS]");
		return CLI_USAGE;
	}
	a = cli_send(cli, &(const struct query){ .method = "GET", .path = path, .params = params });
	if (!cli->json && a->status == 200)
		show_task(a->json);
	return cli_result(cli, a);
}

static int
task_list(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "state", 1, NULL, 's' },
		{ "priority", 1, NULL, 'p' }, { "type", 1, NULL, 't' }, { "label", 1, NULL, 'l' },
		{ "q", 1, NULL, 'q' }, { "payload", 1, NULL, 'j' }, { "sort", 1, NULL, 'o' },
		{ "consistency", 1, NULL, 'y' }, { "max-age", 1, NULL, 'm' },
		{ "limit", 1, NULL, 'n' }, { "cursor", 1, NULL, 'c' }, { "all", 0, NULL, 'a' },
		{ 0 } };
	struct listing l = { .filters = arena_strdup(cli->arena, "") };

	for (int o, at = 0; (o = getopt_long(argc, argv, "", longs, &at)) != -1;)
		switch (o) {
		case 's':
		case 'p':
		case 't':
		case 'l':
		case 'q':
		case 'j':
		case 'o':
		case 'y':
			cli_encode(cli->arena, &l.filters, longs[at].name, optarg);
			break;
		case 'm':
			cli_encode(cli->arena, &l.filters, "max_age_ms", optarg);
			break;
		case 'n':
			l.limit = optarg;
			break;
		case 'c':
			l.cursor = optarg;
			break;
		case 'a':
			l.all = true;
			break;
		default:
			return CLI_USAGE;
		}
	return list_pages(cli, &l);
}

/* With --json, one page is what the fleet answered, and all pages are one object of the same form.
 * Should a later page fail, that object stays unfinished, so that nobody takes it for the whole. */
static int
list_pages(struct cli *cli, struct listing *l)
{
	const char *next;

	if (l->all && l->limit == NULL)
		l->limit = PAGE;
	do {
		const struct answer *a = cli_send(
		    cli, &(const struct query){
			     .method = "GET", .path = "/v1/tasks", .params = page_params(cli, l) });

		if (a->status != 200) {
			cli->json &= l->said == 0;
			return cli_result(cli, a);
		}
		if (cli->json && !l->all)
			cli_result(cli, a);
		else
			list_items(cli, l, json_object_get(a->json, "items"));
		next = json_string_value(json_object_get(a->json, "next_cursor"));
		l->cursor = next != NULL ? arena_strdup(cli->arena, next) : NULL;
	} while (l->all && l->cursor != NULL);
	if (cli->json && l->all)
		puts(l->said == 0 ? "{\"items\":[]}" : "]}");
	fflush(stdout);
	if (l->cursor != NULL && !cli->json)
		fprintf(stderr, "more: --cursor %s\n", l->cursor);
	return CLI_OK;
}

static const char *
page_params(struct cli *cli, const struct listing *l)
{
	char *params = l->filters;

	if (l->limit != NULL)
		cli_encode(cli->arena, &params, "limit", l->limit);
	if (l->cursor != NULL)
		cli_encode(cli->arena, &params, "cursor", l->cursor);
	return params;
}

static void
list_items(struct cli *cli, struct listing *l, const json_t *items)
{
	static const struct column columns[] = { { "ID", "id", 38, CELL_PLAIN },
		{ "STATE", "state", 11, CELL_PLAIN }, { "PRIORITY", "priority", 10, CELL_PLAIN },
		{ "TYPE", "type", 10, CELL_PLAIN }, { "TITLE", "title", 0, CELL_PLAIN }, { 0 } };
	json_t *item;
	size_t i;

	if (!cli->json) {
		cli_table(items, columns, l->said == 0);
		l->said++;
		return;
	}
	json_array_foreach(items, i, item)
	{
		fputs(l->said++ == 0 ? "{\"items\":[\n" : ",\n", stdout);
		cli_put_json(item, JSON_COMPACT);
	}
}

static int
task_update(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "if-version", 1, NULL, 'v' }, { 0 } };
	const char *version = NULL, *path;
	json_t *patch;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'v')
			version = optarg;
		else
			return CLI_USAGE;
	path = argc - optind >= 2 ? task_path(cli, argv[optind]) : NULL;
	if (path == NULL) {
		cli_error("usage: metafed task update ID KEY=VALUE... [--if-version N]");
		return CLI_USAGE;
	}
	patch = json_object();
	for (int i = optind + 1; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		json_t *value;

		if (eq == NULL || eq == argv[i]) {
			cli_error("%s: is not KEY=VALUE", argv[i]);
			json_decref(patch);
			return CLI_USAGE;
		}
		*eq = '\0';
		value = json_loads(eq + 1, JSON_DECODE_ANY, NULL);
		json_object_set_new(patch, argv[i], value != NULL ? value : json_string(eq + 1));
	}
	return send_object(cli, "PATCH", path, patch, if_match(cli, version));
}

static int
task_rm(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "if-version", 1, NULL, 'v' }, { 0 } };
	const char *version = NULL, *path;
	const struct answer *a;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'v')
			version = optarg;
		else
			return CLI_USAGE;
	path = argc - optind == 1 ? task_path(cli, argv[optind]) : NULL;
	if (path == NULL) {
		cli_error("usage: metafed task rm ID [--if-version N]");
		return CLI_USAGE;
	}
	a = cli_send(
	    cli, &(const struct query){
		     .method = "DELETE", .path = path, .if_match = if_match(cli, version) });
	if (!cli->json && a->status == 204)
		printf("Deleted %s.\n", argv[optind]);
	return cli_result(cli, a);
}

/* Takes the object over. */
static int
send_object(struct cli *cli, const char *method, const char *path, json_t *v, const char *match)
{
	char *text = json_dumps(v, JSON_COMPACT);
	const struct answer *a;
	int status;

	json_decref(v);
	if (text == NULL) {
		cli_error("arguments must be UTF-8");
		return CLI_USAGE;
	}
	a = cli_send(
	    cli, &(const struct query){ .method = method,
		     .path = path,
		     .body = text,
		     .n = strlen(text),
		     .if_match = match,
		     .content_type =
			 strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : NULL });
	if (!cli->json && a->problem == NULL)
		show_task(a->json);
	status = cli_result(cli, a);
	free(text);
	return status;
}

static bool
set_label(json_t *labels, const char *s)
{
	const char *eq = strchr(s, '=');

	if (eq == NULL || eq == s) {
		cli_error("--label %s: is not NAME=VALUE", s);
		return false;
	}
	char name[256];

	snprintf(name, sizeof(name), "%.*s", (int)(eq - s), s);
	json_object_set_new(labels, name, json_string(eq + 1));
	return true;
}

static void
show_task(const json_t *task)
{
	const char *key;
	json_t *v;
	char *text;

	json_object_foreach((json_t *)(uintptr_t)task, key, v)
	{
		text = json_is_string(v) ? strdup(json_string_value(v))
		                         : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		printf("%-12s ", key);
		cli_put(stdout, text != NULL ? text : "");
		putchar('\n');
		free(text);
	}
}

/* NULL: the id would change the path. The fleet decides what else an id may be. */
static const char *
task_path(struct cli *cli, const char *id)
{
	if (id[0] == '\0' || strpbrk(id, "/?#% ") != NULL)
		return NULL;
	return arena_printf(cli->arena, "/v1/tasks/%s", id);
}

static const char *
if_match(struct cli *cli, const char *version)
{
	return version == NULL ? NULL : arena_printf(cli->arena, "\"%s\"", version);
}
