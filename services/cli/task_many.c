/* task_many: task apply, task count, task history: what matches a filter, and what happened to one. An
 * action on all that match is looked at first: how many they are, and what they look like; it is confirmed
 * by --yes, --expected, or a word on a terminal. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/str.h"
#include "cli/cli.h"

/* Of the list, with - for _. The array is what may stand more than once. */
static const struct option filters[] = { { "state", 1, NULL, 'f' }, { "priority", 1, NULL, 'f' },
	{ "type", 1, NULL, 'f' }, { "label", 1, NULL, 'm' }, { "q", 1, NULL, 'f' },
	{ "payload", 1, NULL, 'm' }, { "created-by", 1, NULL, 'f' },
	{ "created-after", 1, NULL, 'f' }, { "created-before", 1, NULL, 'f' },
	{ "updated-after", 1, NULL, 'f' }, { "updated-before", 1, NULL, 'f' },
	{ "dry-run", 0, NULL, 'n' }, { "yes", 0, NULL, 'y' }, { "expected", 1, NULL, 'e' }, { 0 } };

struct order {
	json_t *body;
	bool dry_run, yes, deleting;
	uint64_t expected;
	bool said; /* expected is */
	uint64_t done, failed, matched;
	json_t *failures;
};

static bool read_filter(struct cli *, int, char **, struct order *);
static const char *underscored(struct cli *, const char *);
static bool read_action(struct order *, int, char **);
static int preview(struct cli *, struct order *);
static bool confirmed(const struct order *);
static int carry_out(struct cli *, struct order *);
static const struct answer *send_order(struct cli *, const struct order *, bool keyed);
static void take(struct order *, const json_t *);
static int tell(struct cli *, struct order *, const char *);

int
cli_task_apply(struct cli *cli, int argc, char **argv)
{
	struct order o = { .body = json_object(), .failures = json_array() };
	int status = CLI_USAGE;

	if (!read_filter(cli, argc, argv, &o)) {
		/* was told */
	} else if (!read_action(&o, argc - optind, argv + optind)) {
		cli_error(
		    "usage: metafed task apply update KEY=VALUE...|delete [FILTER] [--dry-run "
		    "| --expected N | --yes]");
	} else {
		status = o.said ? CLI_OK : preview(cli, &o);
		if (status == CLI_OK && !o.dry_run && (o.said || o.yes || confirmed(&o)))
			status = carry_out(cli, &o);
		else if (status == CLI_OK && !o.dry_run)
			status = CLI_USAGE;
	}
	json_decref(o.body);
	json_decref(o.failures);
	return status;
}

int
cli_task_count(struct cli *cli, int argc, char **argv)
{
	struct order o = { .body = json_object() };
	char *params = arena_strdup(cli->arena, "");
	const struct answer *a;
	const char *key;
	json_t *v, *one;
	size_t i;

	if (!read_filter(cli, argc, argv, &o) || optind != argc) {
		cli_error("usage: metafed task count [FILTER]");
		json_decref(o.body);
		return CLI_USAGE;
	}
	json_object_foreach(json_object_get(o.body, "filter"), key, v)
	{
		if (json_is_string(v))
			cli_encode(cli->arena, &params, key, json_string_value(v));
		json_array_foreach(v, i, one)
		    cli_encode(cli->arena, &params, key, json_string_value(one));
	}
	json_decref(o.body);
	a = cli_send(cli,
	    &(const struct query){ .method = "GET", .path = "/v1/tasks:count", .params = params });
	if (!cli->json && a->status == 200) {
		json_object_foreach(json_object_get(a->json, "by_state"), key, v)
		    printf("%-12s %10lld\n", key, (long long)json_integer_value(v));
		printf("%-12s %10lld%s\n", "all",
		    (long long)json_integer_value(json_object_get(a->json, "count")),
		    json_is_true(json_object_get(a->json, "more")) ? " and more" : "");
	}
	return cli_result(cli, a);
}

int
cli_task_history(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "limit", 1, NULL, 'n' },
		{ "cursor", 1, NULL, 'c' }, { 0 } };
	static const struct column columns[] = { { "AT", "at", 20, CELL_TIME },
		{ "EVENT", "event", 14, CELL_PLAIN }, { "VERSION", "version", 9, CELL_PLAIN },
		{ "STATE", "state", 11, CELL_PLAIN }, { "PRIORITY", "priority", 10, CELL_PLAIN },
		{ "TYPE", "type", 12, CELL_PLAIN }, { "CHANGES", "changes", 0, CELL_PLAIN },
		{ 0 } };
	char *params = arena_strdup(cli->arena, "");
	const struct answer *a;
	const char *next;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == '?')
			return CLI_USAGE;
		else
			cli_encode(cli->arena, &params, o == 'n' ? "limit" : "cursor", optarg);
	if (argc != optind + 1 || !uuid_ok(argv[optind])) {
		cli_error("usage: metafed task history ID [--limit N] [--cursor C]");
		return CLI_USAGE;
	}
	a = cli_send(
	    cli, &(const struct query){ .method = "GET",
		     .path = arena_printf(cli->arena, "/v1/tasks/%s/history", argv[optind]),
		     .params = params });
	if (!cli->json && a->status == 200) {
		cli_table(json_object_get(a->json, "items"), columns, true);
		next = json_string_value(json_object_get(a->json, "next_cursor"));
		if (next == NULL && !json_is_true(json_object_get(a->json, "complete")))
			printf("\nThe log of events does not go back further.\n");
		fflush(stdout);
		if (next != NULL)
			fprintf(stderr, "more: --cursor %s\n", next);
	}
	return cli_result(cli, a);
}

/* False: was told, or getopt told it. */
static bool
read_filter(struct cli *cli, int argc, char **argv, struct order *o)
{
	json_t *filter = json_object(), *list;

	json_object_set_new(o->body, "filter", filter);
	for (int c, at = 0; (c = getopt_long(argc, argv, "", filters, &at)) != -1;) {
		const char *name = c == '?' ? "" : underscored(cli, filters[at].name);

		if (c == 'f') {
			json_object_set_new(filter, name, json_string(optarg));
		} else if (c == 'm') {
			if ((list = json_object_get(filter, name)) == NULL)
				json_object_set_new(filter, name, list = json_array());
			json_array_append_new(list, json_string(optarg));
		} else if (c == 'n') {
			o->dry_run = true;
		} else if (c == 'y') {
			o->yes = true;
		} else if (c == 'e') {
			o->said = str_u64(str_of(optarg), INT64_MAX, &o->expected);
			if (!o->said) {
				cli_error("--expected %s: is no number", optarg);
				return false;
			}
		} else {
			return false;
		}
	}
	if (o->dry_run && (o->yes || o->said)) {
		cli_error("--dry-run does nothing: without --yes and --expected");
		return false;
	}
	return true;
}

static const char *
underscored(struct cli *cli, const char *name)
{
	char *out = arena_strdup(cli->arena, name);

	for (char *p = out; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	return out;
}

static bool
read_action(struct order *o, int argc, char **argv)
{
	json_t *changes = json_object(), *value;

	o->deleting = argc == 1 && strcmp(argv[0], "delete") == 0;
	json_object_set_new(o->body, "action", json_string(o->deleting ? "delete" : "update"));
	if (!o->deleting)
		json_object_set(o->body, "changes", changes);
	json_decref(changes);
	if (o->deleting)
		return true;
	for (int i = 1; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (eq == NULL || eq == argv[i])
			return false;
		*eq = '\0';
		value = json_loads(eq + 1, JSON_DECODE_ANY, NULL);
		json_object_set_new(changes, argv[i], value != NULL ? value : json_string(eq + 1));
	}
	return argc > 1 && strcmp(argv[0], "update") == 0;
}

static int
preview(struct cli *cli, struct order *o)
{
	static const struct column columns[] = { { "ID", "id", 38, CELL_PLAIN },
		{ "STATE", "state", 11, CELL_PLAIN }, { "PRIORITY", "priority", 10, CELL_PLAIN },
		{ "TITLE", "title", 0, CELL_PLAIN }, { 0 } };
	const struct answer *a;
	const json_t *sample;

	json_object_set_new(o->body, "dry_run", json_true());
	a = send_order(cli, o, false);
	json_object_del(o->body, "dry_run");
	if (a->status != 200)
		return cli_result(cli, a);
	o->expected = (uint64_t)json_integer_value(json_object_get(a->json, "matched"));
	if (o->dry_run && cli->json)
		return cli_result(cli, a);
	if (cli->json)
		return CLI_OK;
	sample = json_object_get(a->json, "sample");
	cli_table(sample, columns, json_array_size(sample) > 0);
	printf("%s%llu task%s would be %s%s.\n", json_array_size(sample) > 0 ? "\n" : "",
	    (unsigned long long)o->expected, o->expected == 1 ? "" : "s",
	    o->deleting ? "deleted" : "changed",
	    o->expected > json_array_size(sample) ? ", these and others" : "");
	fflush(stdout);
	return CLI_OK;
}

static bool
confirmed(const struct order *o)
{
	char said[16] = "";

	if (o->expected == 0)
		return true;
	if (!isatty(STDIN_FILENO)) {
		cli_error("nothing was done: say --yes, or --expected %llu",
		    (unsigned long long)o->expected);
		return false;
	}
	fprintf(stderr, "Type yes to %s them: ", o->deleting ? "delete" : "change");
	if (fgets(said, sizeof(said), stdin) != NULL && strcmp(said, "yes\n") == 0)
		return true;
	cli_error("nothing was done");
	return false;
}

/* Request after request, each with a key of its own, until all that were expected are done. */
static int
carry_out(struct cli *cli, struct order *o)
{
	const struct answer *a;
	const char *cursor;

	for (;;) {
		json_object_set_new(o->body, "expected", json_integer((json_int_t)o->expected));
		a = send_order(cli, o, true);
		if (a->status != 200)
			break;
		take(o, a->json);
		cursor = json_string_value(json_object_get(a->json, "cursor"));
		if (!json_is_true(json_object_get(a->json, "more")) || o->expected == 0 ||
		    cursor == NULL || json_object_get(a->json, "problem") != NULL)
			break;
		json_object_set_new(o->body, "cursor", json_string(cursor));
	}
	if (a->status != 200 && o->done + o->failed == 0)
		return cli_result(cli, a);
	return tell(cli, o,
	    a->status != 200 ? a->problem
			     : json_string_value(
				   json_object_get(json_object_get(a->json, "problem"), "detail")));
}

static const struct answer *
send_order(struct cli *cli, const struct order *o, bool keyed)
{
	char id[UUID_LEN], *text = json_dumps(o->body, JSON_COMPACT);
	const char *headers[] = { "Idempotency-Key", NULL, NULL };
	const struct answer *a;

	if (text == NULL)
		abort();
	uuid7(id);
	headers[1] = arena_printf(cli->arena, "\"%s\"", id);
	a = cli_send(cli, &(const struct query){ .method = "POST",
			      .path = "/v1/tasks:apply",
			      .headers = keyed ? headers : NULL,
			      .body = text,
			      .n = strlen(text) });
	free(text);
	return a;
}

static void
take(struct order *o, const json_t *v)
{
	uint64_t done = (uint64_t)json_integer_value(json_object_get(v, "done")),
		 failed = json_array_size(json_object_get(v, "failed"));

	if (o->matched == 0)
		o->matched = (uint64_t)json_integer_value(json_object_get(v, "matched"));
	o->done += done;
	o->failed += failed;
	o->expected -= done + failed < o->expected ? done + failed : o->expected;
	json_array_extend(o->failures, json_object_get(v, "failed"));
}

/* why NULL: it went to the end. */
static int
tell(struct cli *cli, struct order *o, const char *why)
{
	json_t *one, *all;
	size_t i;

	if (cli->json) {
		all = json_pack("{s:I,s:I,s:O}", "matched", (json_int_t)o->matched, "done",
		    (json_int_t)o->done, "failed", o->failures);
		cli_put_json(all, JSON_COMPACT);
		putchar('\n');
		json_decref(all);
	} else {
		printf(
		    "%s %llu.\n", o->deleting ? "Deleted" : "Changed", (unsigned long long)o->done);
	}
	fflush(stdout);
	json_array_foreach(o->failures, i, one)
	    cli_error("%s: %s", json_string_value(json_object_get(one, "id")) ?: "?",
		json_string_value(json_object_get(json_object_get(one, "problem"), "detail"))
		    ?: "failed");
	if (why != NULL)
		cli_error("stopped: %s", why);
	if (why == NULL && o->failed == 0)
		return CLI_OK;
	return o->done > 0 ? CLI_PARTIAL : CLI_REFUSED;
}
