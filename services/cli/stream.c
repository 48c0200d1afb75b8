/* stream: events of a subject, and who has read how far. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"

#define FOLLOW_US 1000000 /* between two looks for more, when there was nothing */

struct follow {
	const char *subject, *consumer; /* consumer NULL: none */
	char after[24];
};

static int stream_append(struct cli *, int, char **);
static int stream_read(struct cli *, int, char **);
static int stream_follow(struct cli *, int, char **);
static int follow_turn(struct cli *, struct follow *, bool *);
static int follow_page(struct cli *, struct follow *, bool *);
static int stream_trim(struct cli *, int, char **);
static int stream_show(struct cli *, int, char **);
static int stream_keep(struct cli *, int, char **);
static int stream_rm(struct cli *, int, char **);
static int stream_consumer(struct cli *, int, char **);
static int consumer_add(struct cli *, const char *, int, char **);
static int consumer_list(struct cli *, const char *, int, char **);
static int consumer_move(struct cli *, const char *, int, char **);
static int consumer_rm(struct cli *, const char *, int, char **);
static json_t *ask(struct cli *, const char *, const char *, const char *);
static int run_and_show(struct cli *, json_t *);
static void show_object(struct cli *, const json_t *);
static bool show_events(struct cli *, const json_t *, json_int_t *);
static bool set_number(json_t *, const char *, const char *);
static json_t *event_of(const char *);
static int usage(const char *);

static const struct {
	const char *name;
	int (*run)(struct cli *, int, char **);
} verbs[] = {
	{ "append", stream_append },
	{ "read", stream_read },
	{ "follow", stream_follow },
	{ "trim", stream_trim },
	{ "show", stream_show },
	{ "keep", stream_keep },
	{ "rm", stream_rm },
	{ "consumer", stream_consumer },
};

static const struct {
	const char *name;
	int (*run)(struct cli *, const char *, int, char **);
} consumer_verbs[] = {
	{ "add", consumer_add },
	{ "list", consumer_list },
	{ "move", consumer_move },
	{ "rm", consumer_rm },
};

int
cli_stream(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0) {
			argv[1] = arena_printf(cli->arena, "metafed stream %s", verbs[i].name);
			return verbs[i].run(cli, argc - 1, argv + 1);
		}
	return usage("append|read|follow|trim|show|keep|rm|consumer SUBJECT ...");
}

/* Events from the command line go in one append, all or none; those of standard input line by
 * line. */
static int
stream_append(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "if-last", 1, NULL, 'l' }, { 0 } };
	const char *last = NULL;
	json_t *q, *events;
	int status = CLI_OK;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'l')
			last = optarg;
		else
			return CLI_USAGE;
	if (argc - optind < 2)
		return usage(
		    "append SUBJECT JSON... [--if-last N]; - reads one event from each line");
	if (strcmp(argv[optind + 1], "-") != 0) {
		q = ask(cli, "append", "stream", argv[optind]);
		events = json_array();
		for (int i = optind + 1; i < argc; i++)
			json_array_append_new(events, event_of(argv[i]));
		json_object_set_new(q, "data", events);
		if (last != NULL)
			json_object_set_new(q, "filters", json_pack("{s:s}", "last", last));
		return run_and_show(cli, q);
	}
	char *line = NULL;
	size_t size = 0;

	while (status == CLI_OK && getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0')
			continue;
		q = ask(cli, "append", "stream", argv[optind]);
		json_object_set_new(q, "data", json_pack("[o]", event_of(line)));
		status = run_and_show(cli, q);
	}
	free(line);
	return status;
}

/* Text that is no JSON is an event of that text. */
static json_t *
event_of(const char *s)
{
	json_t *v = json_loads(s, JSON_DECODE_ANY, NULL);

	return v != NULL ? v : json_string(s);
}

static int
stream_read(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "after", 1, NULL, 'f' },
		{ "before", 1, NULL, 'f' }, { "since", 1, NULL, 'f' }, { "until", 1, NULL, 'f' },
		{ "consumer", 1, NULL, 'f' }, { "reverse", 0, NULL, 'r' },
		{ "limit", 1, NULL, 'n' }, { "all", 0, NULL, 'a' }, { 0 } };
	json_t *filters = json_object(), *q;
	const char *limit = "100", *next = NULL;
	const json_t *page;
	json_int_t position;
	bool all = false;
	int status;

	for (int o, at = 0; (o = getopt_long(argc, argv, "", longs, &at)) != -1;)
		switch (o) {
		case 'f':
			json_object_set_new(filters, longs[at].name, json_string(optarg));
			break;
		case 'r':
			json_object_set_new(filters, "reverse", json_string("true"));
			break;
		case 'n':
			limit = optarg;
			break;
		case 'a':
			all = true;
			break;
		default:
			json_decref(filters);
			return CLI_USAGE;
		}
	if (argc - optind != 1) {
		json_decref(filters);
		return usage("read SUBJECT [--after N] [--before N] [--since TIME] [--until TIME] "
			     "[--consumer NAME] [--reverse] [--limit N] [--all]");
	}
	do {
		q = ask(cli, "query", "stream", argv[optind]);
		json_object_set(q, "filters", filters);
		if (next != NULL)
			json_object_set_new(q, "cursor", json_string(next));
		if (!set_number(q, "limit", limit)) {
			json_decref(filters);
			return CLI_USAGE;
		}
		if ((page = cli_store(cli, q, &status)) == NULL)
			break;
		show_events(cli, page, &position);
		next = json_string_value(json_object_get(page, "next_cursor"));
		next = next != NULL ? arena_strdup(cli->arena, next) : NULL;
	} while (all && next != NULL);
	if (status == CLI_OK && next != NULL)
		fprintf(stderr, "more: %s %s\n",
		    json_object_get(filters, "reverse") != NULL ? "--before" : "--after", next);
	json_decref(filters);
	return status;
}

/* For ever. A consumer's position moves when its events are printed: after a crash some come
 * twice, none is left out. */
static int
stream_follow(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "after", 1, NULL, 'a' },
		{ "consumer", 1, NULL, 'c' }, { "until-end", 0, NULL, 'e' }, { 0 } };
	struct follow f = { .after = "" };
	bool until_end = false, any = true;
	int status = CLI_OK;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		switch (o) {
		case 'a':
			snprintf(f.after, sizeof(f.after), "%s", optarg);
			break;
		case 'c':
			f.consumer = optarg;
			break;
		case 'e':
			until_end = true;
			break;
		default:
			return CLI_USAGE;
		}
	if (argc - optind != 1 || (f.after[0] != '\0' && f.consumer != NULL))
		return usage("follow SUBJECT [--after N | --consumer NAME] [--until-end]");
	f.subject = argv[optind];
	while (status == CLI_OK && (any || !until_end)) {
		status = follow_turn(cli, &f, &any);
		if (status == CLI_OK && !any && !until_end)
			usleep(FOLLOW_US);
	}
	return status;
}

/* In an arena of its own: it goes on for months. Only a renewed token is kept. */
static int
follow_turn(struct cli *cli, struct follow *f, bool *any)
{
	struct arena *whole = cli->arena, *turn = arena_new(64u << 20);
	const char *token = cli->access_token, *var = cli->var;
	int status;

	cli->arena = turn;
	status = follow_page(cli, f, any);
	cli->arena = whole;
	cli->var = var;
	if (cli->access_token != token)
		cli->access_token = arena_strdup(whole, cli->access_token);
	arena_free(&turn);
	return status;
}

static int
follow_page(struct cli *cli, struct follow *f, bool *any)
{
	json_t *q = ask(cli, "query", "stream", f->subject);
	const json_t *page;
	json_int_t position;
	int status;

	if (f->consumer != NULL)
		json_object_set_new(q, "filters", json_pack("{s:s}", "consumer", f->consumer));
	else if (f->after[0] != '\0')
		json_object_set_new(q, "cursor", json_string(f->after));
	if ((page = cli_store(cli, q, &status)) == NULL)
		return status;
	*any = show_events(cli, page, &position);
	if (!*any)
		return CLI_OK;
	if (ferror(stdout)) { /* nobody has read them */
		cli_error("standard output: %s", strerror(errno));
		return CLI_REFUSED;
	}
	snprintf(f->after, sizeof(f->after), "%lld", (long long)position);
	if (f->consumer == NULL)
		return CLI_OK;
	q = ask(cli, "update", "consumer", f->subject);
	json_object_set_new(q, "id", json_string(f->consumer));
	json_object_set_new(q, "data", json_pack("{s:I}", "position", position));
	cli_store(cli, q, &status);
	return status;
}

static int
stream_trim(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "before", 1, NULL, 'f' }, { "keep", 1, NULL, 'f' },
		{ "until", 1, NULL, 'f' }, { "force", 0, NULL, 'F' }, { 0 } };
	json_t *filters = json_object(), *q;
	const json_t *r;
	bool more;
	int status;

	for (int o, at = 0; (o = getopt_long(argc, argv, "", longs, &at)) != -1;)
		if (o == 'f' || o == 'F') {
			json_object_set_new(
			    filters, longs[at].name, json_string(o == 'F' ? "true" : optarg));
		} else {
			json_decref(filters);
			return CLI_USAGE;
		}
	if (argc - optind != 1) {
		json_decref(filters);
		return usage("trim SUBJECT [--before N] [--keep N] [--until TIME] [--force]");
	}
	do {
		q = ask(cli, "trim", "stream", argv[optind]);
		json_object_set(q, "filters", filters);
		r = cli_store(cli, q, &status);
		more = r != NULL && json_is_true(json_object_get(r, "more"));
	} while (more);
	json_decref(filters);
	if (r != NULL)
		show_object(cli, r);
	return status;
}

static int
stream_show(struct cli *cli, int argc, char **argv)
{
	if (argc != 2)
		return usage("show SUBJECT");
	return run_and_show(cli, ask(cli, "read", "stream", argv[1]));
}

static int
stream_keep(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "max-length", 1, NULL, 'l' },
		{ "max-age-ms", 1, NULL, 'a' }, { "force", 1, NULL, 'f' }, { 0 } };
	json_t *data = json_object(), *q;
	bool ok = true, on;

	for (int o; ok && (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		switch (o) {
		case 'l':
		case 'a':
			if (strcmp(optarg, "none") == 0)
				json_object_set_new(
				    data, o == 'l' ? "max_length" : "max_age_ms", json_null());
			else
				ok = set_number(
				    data, o == 'l' ? "max_length" : "max_age_ms", optarg);
			break;
		case 'f':
			ok = str_bool(str_of(optarg), &on);
			json_object_set_new(data, "force", json_boolean(on));
			break;
		default:
			ok = false;
		}
	if (!ok || argc - optind != 1 || json_object_size(data) == 0) {
		json_decref(data);
		return usage("keep SUBJECT [--max-length N|none] [--max-age-ms N|none] "
			     "[--force yes|no]");
	}
	q = ask(cli, "update", "stream", argv[optind]);
	json_object_set_new(q, "data", data);
	return run_and_show(cli, q);
}

static int
stream_rm(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "force", 0, NULL, 'F' }, { 0 } };
	bool force = false;
	json_t *q;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == 'F')
			force = true;
		else
			return CLI_USAGE;
	if (argc - optind != 1)
		return usage("rm SUBJECT [--force]");
	q = ask(cli, "delete", "stream", argv[optind]);
	if (force)
		json_object_set_new(q, "filters", json_pack("{s:s}", "force", "true"));
	return run_and_show(cli, q);
}

/* --- consumers --- */

static int
stream_consumer(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(consumer_verbs) / sizeof(consumer_verbs[0]); i++)
		if (strcmp(consumer_verbs[i].name, argv[2]) == 0)
			return consumer_verbs[i].run(cli, argv[1], argc - 2, argv + 2);
	return usage("consumer SUBJECT add|list|move|rm ...");
}

static int
consumer_add(struct cli *cli, const char *subject, int argc, char **argv)
{
	json_t *q, *data;
	bool word = argc == 3 && (strcmp(argv[2], "first") == 0 || strcmp(argv[2], "last") == 0);

	if (argc != 2 && argc != 3)
		return usage("consumer SUBJECT add NAME [first|last|POSITION]");
	data = json_object();
	if (argc == 3 && word)
		json_object_set_new(data, "start", json_string(argv[2]));
	else if (argc == 3 && !set_number(data, "start", argv[2])) {
		json_decref(data);
		return CLI_USAGE;
	}
	q = ask(cli, "create", "consumer", subject);
	json_object_set_new(q, "id", json_string(argv[1]));
	json_object_set_new(q, "data", data);
	return run_and_show(cli, q);
}

static int
consumer_list(struct cli *cli, const char *subject, int argc, char **argv)
{
	static const struct column columns[] = { { "NAME", "name", 24, CELL_PLAIN },
		{ "POSITION", "position", 12, CELL_PLAIN }, { "LAG", "lag", 10, CELL_PLAIN },
		{ "GAP", "gap", 6, CELL_PLAIN }, { "MOVED", "at", 0, CELL_PLAIN }, { 0 } };
	const json_t *page;
	json_t *q = ask(cli, "query", "consumer", subject);
	int status;

	(void)argv;
	if (argc != 1) {
		json_decref(q);
		return usage("consumer SUBJECT list");
	}
	json_object_set_new(q, "limit", json_integer(1000));
	if ((page = cli_store(cli, q, &status)) == NULL)
		return status;
	if (cli->json)
		show_object(cli, page);
	else
		cli_table(json_object_get(page, "items"), columns, true);
	return status;
}

static int
consumer_move(struct cli *cli, const char *subject, int argc, char **argv)
{
	bool reset = argc == 4 && strcmp(argv[3], "--reset") == 0;
	json_t *q, *data = json_object();

	if ((argc != 3 && !reset) || !set_number(data, "position", argv[2])) {
		json_decref(data);
		return usage("consumer SUBJECT move NAME POSITION [--reset]");
	}
	if (reset)
		json_object_set_new(data, "reset", json_true());
	q = ask(cli, "update", "consumer", subject);
	json_object_set_new(q, "id", json_string(argv[1]));
	json_object_set_new(q, "data", data);
	return run_and_show(cli, q);
}

static int
consumer_rm(struct cli *cli, const char *subject, int argc, char **argv)
{
	json_t *q;

	if (argc != 2)
		return usage("consumer SUBJECT rm NAME");
	q = ask(cli, "delete", "consumer", subject);
	json_object_set_new(q, "id", json_string(argv[1]));
	return run_and_show(cli, q);
}

/* --- common --- */

static json_t *
ask(struct cli *cli, const char *operation, const char *kind, const char *subject)
{
	return json_pack("{s:s, s:s}", "operation", operation, "model",
	    arena_printf(cli->arena, "%s.%s", kind, subject));
}

static int
run_and_show(struct cli *cli, json_t *q)
{
	int status;
	const json_t *r = cli_store(cli, q, &status);

	if (r != NULL)
		show_object(cli, r);
	return status;
}

static void
show_object(struct cli *cli, const json_t *r)
{
	const char *key;
	json_t *v;

	if (cli->json) {
		cli_put_json(r, JSON_COMPACT);
		putchar('\n');
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)r, key, v)
	{
		char *text = json_is_string(v) ? strdup(json_string_value(v))
		                               : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

		printf("%-12s ", key);
		cli_put(stdout, text != NULL ? text : "");
		putchar('\n');
		free(text);
	}
}

/* One line each, JSON or not. False: there were none. */
static bool
show_events(struct cli *cli, const json_t *page, json_int_t *position)
{
	const json_t *items = json_object_get(page, "items"), *one;
	size_t i;

	if (json_is_true(json_object_get(page, "gap")))
		fprintf(stderr, "gap: events behind that position were trimmed\n");
	json_array_foreach(items, i, one)
	{
		*position = json_integer_value(json_object_get(one, "position"));
		if (!cli->json)
			printf("%lld\t%s\t", (long long)*position,
			    json_string_value(json_object_get(one, "at")) ?: "");
		cli_put_json(
		    cli->json ? one : json_object_get(one, "data"), JSON_ENCODE_ANY | JSON_COMPACT);
		putchar('\n');
	}
	fflush(stdout);
	return i > 0;
}

static bool
set_number(json_t *o, const char *key, const char *s)
{
	uint64_t v;

	if (!str_u64(str_of(s), INT64_MAX, &v)) {
		cli_error("%s: is not a whole number", s);
		return false;
	}
	json_object_set_new(o, key, json_integer((json_int_t)v));
	return true;
}

static int
usage(const char *what)
{
	cli_error("usage: metafed stream %s", what);
	return CLI_USAGE;
}
