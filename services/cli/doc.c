/* doc, collection: documents, and what is declared of their collections. JSON comes from the command line, from
 * a file (@FILE) or from standard input (-). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"

#define PAGE 1000 /* of --all */

struct doc_options {
	json_t *fields;
	const char *sort, *cursor;
	uint64_t limit, ttl_ms, if_version;
	bool all, explain, mend, drop;
};

typedef int verb_fn(struct cli *, const struct doc_options *, int, char **);

static verb_fn doc_add, doc_get, doc_find, doc_update, doc_rm;
static verb_fn collection_add, collection_list, collection_show, collection_update,
    collection_check, collection_rm;
static bool read_options(int, char **, struct doc_options *);
static json_t *ask(struct cli *, const char *, const char *, const char *);
static json_t *json_argument(const char *);
static bool add_json(json_t *, const char *, const char *);
static void add_number(json_t *, const char *, uint64_t);
static int run_and_show(struct cli *, json_t *);
static void show(const json_t *, bool);

struct verb {
	const char *name, *usage; /* behind the name */
	int least, most;          /* arguments */
	verb_fn *run;
};

static const struct verb doc_verbs[] = {
	{ "add", "COLLECTION [ID] JSON [--ttl MS]", 2, 3, doc_add },
	{ "get", "COLLECTION ID [--field POINTER]...", 2, 2, doc_get },
	{ "find",
	    "COLLECTION [WHERE] [--sort S] [--field POINTER]... [--limit N] [--cursor C] "
	    "[--all] [--explain]",
	    1, 2, doc_find },
	{ "update", "COLLECTION ID JSON [--if-version N] [--ttl MS]", 3, 3, doc_update },
	{ "rm", "COLLECTION ID [--if-version N]", 2, 2, doc_rm },
	{ .name = NULL },
};

static const struct verb collection_verbs[] = {
	{ "add", "NAME JSON", 2, 2, collection_add },
	{ "list", "", 0, 0, collection_list },
	{ "show", "NAME", 1, 1, collection_show },
	{ "update", "NAME JSON [--if-version N]", 2, 2, collection_update },
	{ "check", "NAME [--mend]", 1, 1, collection_check },
	{ "rm", "NAME [--drop]", 1, 1, collection_rm },
	{ .name = NULL },
};

static int
run_verb(struct cli *cli, const char *command, const struct verb *verbs, int argc, char **argv)
{
	struct doc_options o = { .fields = json_array() };
	const char *names = "";
	int status = CLI_USAGE;

	for (const struct verb *v = verbs; v->name != NULL; v++) {
		names = arena_printf(cli->arena, "%s%s%s", names, v == verbs ? "" : "|", v->name);
		if (argc < 2 || strcmp(v->name, argv[1]) != 0)
			continue;
		argv[1] = arena_printf(cli->arena, "metafed %s %s", command, v->name);
		if (read_options(argc - 1, argv + 1, &o)) {
			argc -= 1 + optind;
			argv += 1 + optind;
			if (argc >= v->least && argc <= v->most)
				status = v->run(cli, &o, argc, argv);
			else
				cli_error("usage: metafed %s %s %s", command, v->name, v->usage);
		}
		json_decref(o.fields);
		return status;
	}
	json_decref(o.fields);
	cli_error("usage: metafed %s %s ...; metafed --help says more", command, names);
	return CLI_USAGE;
}

int
cli_doc(struct cli *cli, int argc, char **argv)
{
	return run_verb(cli, "doc", doc_verbs, argc, argv);
}

int
cli_collection(struct cli *cli, int argc, char **argv)
{
	return run_verb(cli, "collection", collection_verbs, argc, argv);
}

static bool
read_options(int argc, char **argv, struct doc_options *o)
{
	static const struct option longs[] = { { "field", 1, NULL, 'f' }, { "sort", 1, NULL, 's' },
		{ "cursor", 1, NULL, 'c' }, { "limit", 1, NULL, 'n' }, { "ttl", 1, NULL, 't' },
		{ "if-version", 1, NULL, 'v' }, { "all", 0, NULL, 'a' },
		{ "explain", 0, NULL, 'e' }, { "mend", 0, NULL, 'm' }, { "drop", 0, NULL, 'd' },
		{ 0 } };
	bool ok = true;

	for (int c, at = 0; ok && (c = getopt_long(argc, argv, "", longs, &at)) != -1;)
		switch (c) {
		case 'f':
			json_array_append_new(o->fields, json_string(optarg));
			break;
		case 's':
			o->sort = optarg;
			break;
		case 'c':
			o->cursor = optarg;
			break;
		case 'n':
		case 't':
		case 'v':
			ok = str_u64(str_of(optarg), INT64_MAX,
			    c == 'n'   ? &o->limit
			    : c == 't' ? &o->ttl_ms
				       : &o->if_version);
			if (!ok)
				cli_error(
				    "--%s %s: must be a whole number", longs[at].name, optarg);
			break;
		case 'a':
			o->all = true;
			break;
		case 'e':
			o->explain = true;
			break;
		case 'm':
			o->mend = true;
			break;
		case 'd':
			o->drop = true;
			break;
		default:
			ok = false;
		}
	return ok;
}

/* --- doc --- */

static json_t *
ask_doc(struct cli *cli, const char *operation, const char *collection, const char *id)
{
	return ask(cli, operation, arena_printf(cli->arena, "doc.%s", collection), id);
}

static int
doc_add(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask_doc(cli, "create", argv[0], argc == 3 ? argv[1] : NULL);

	if (!add_json(q, "data", argv[argc - 1]))
		return CLI_USAGE;
	add_number(q, "ttl_ms", o->ttl_ms);
	return run_and_show(cli, q);
}

static int
doc_get(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask_doc(cli, "read", argv[0], argv[1]);

	(void)argc;
	json_object_set(q, "fields", o->fields);
	return run_and_show(cli, q);
}

static json_t *
find_page(struct cli *cli, const struct doc_options *o, int argc, char **argv, const char *cursor)
{
	json_t *q = ask_doc(cli, "query", argv[0], NULL);

	if (argc == 2 && !add_json(q, "where", argv[1]))
		return NULL;
	if (o->sort != NULL)
		json_object_set_new(q, "sort", json_string(o->sort));
	if (cursor != NULL)
		json_object_set_new(q, "cursor", json_string(cursor));
	if (o->explain)
		json_object_set_new(q, "explain", json_true());
	add_number(q, "limit", o->limit == 0 && o->all ? PAGE : o->limit);
	json_object_set(q, "fields", o->fields);
	return q;
}

/* One document a line, so that other programs can take them one by one. */
static int
doc_find(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	const char *cursor = o->cursor;
	const json_t *page, *item;
	int status = CLI_OK;
	json_t *q;
	size_t i;

	do {
		if ((q = find_page(cli, o, argc, argv, cursor)) == NULL)
			return CLI_USAGE;
		if ((page = cli_store(cli, q, &status)) == NULL)
			return status;
		if (o->explain || (cli->json && !o->all)) {
			show(page, cli->json);
			return status;
		}
		json_array_foreach(json_object_get(page, "items"), i, item)
		{
			cli_put_json(item, JSON_COMPACT);
			putchar('\n');
		}
		cursor = json_string_value(json_object_get(page, "next_cursor"));
		cursor = cursor != NULL ? arena_strdup(cli->arena, cursor) : NULL;
	} while (o->all && cursor != NULL);
	fflush(stdout);
	if (cursor != NULL)
		fprintf(stderr, "more: --cursor %s\n", cursor);
	return status;
}

static int
doc_update(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask_doc(cli, "update", argv[0], argv[1]);

	(void)argc;
	if (!add_json(q, "data", argv[2]))
		return CLI_USAGE;
	add_number(q, "if_version", o->if_version);
	add_number(q, "ttl_ms", o->ttl_ms);
	return run_and_show(cli, q);
}

static int
doc_rm(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask_doc(cli, "delete", argv[0], argv[1]);

	(void)argc;
	add_number(q, "if_version", o->if_version);
	return run_and_show(cli, q);
}

/* --- collection --- */

static int
collection_add(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask(cli, "create", "collection", argv[0]);

	(void)o, (void)argc;
	return add_json(q, "data", argv[1]) ? run_and_show(cli, q) : CLI_USAGE;
}

static int
collection_update(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask(cli, "update", "collection", argv[0]);

	(void)argc;
	if (!add_json(q, "data", argv[1]))
		return CLI_USAGE;
	add_number(q, "if_version", o->if_version);
	return run_and_show(cli, q);
}

static int
collection_list(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	static const struct column columns[] = { { "NAME", "id", 40, CELL_PLAIN },
		{ "VERSION", "version", 9, CELL_PLAIN },
		{ "DOCUMENTS", "documents", 0, CELL_PLAIN }, { 0 } };
	json_t *q = ask(cli, "query", "collection", NULL);
	const json_t *page;
	int status;

	(void)o, (void)argc, (void)argv;
	add_number(q, "limit", PAGE);
	if ((page = cli_store(cli, q, &status)) == NULL)
		return status;
	if (cli->json)
		show(page, true);
	else
		cli_table(json_object_get(page, "items"), columns, true);
	return status;
}

static int
collection_show(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	(void)o, (void)argc;
	return run_and_show(cli, ask(cli, "read", "collection", argv[0]));
}

/* As often as it takes; what was counted is added up. */
static int
collection_check(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *sum = json_object(), *v;
	const char *after = NULL, *key;
	const json_t *r;
	int status;

	(void)argc;
	do {
		json_t *q = ask(cli, "update", "collection", argv[0]),
		       *check = json_pack("{s:b}", "mend", o->mend);

		if (after != NULL)
			json_object_set_new(check, "after", json_string(after));
		json_object_set_new(q, "data", json_pack("{s:o}", "check", check));
		if ((r = cli_store(cli, q, &status)) == NULL)
			break;
		json_object_foreach((json_t *)(uintptr_t)r, key, v) if (json_is_integer(v))
		    json_object_set_new(sum, key,
			json_integer(
			    json_integer_value(v) + json_integer_value(json_object_get(sum, key))));
		after = json_string_value(json_object_get(r, "next_cursor"));
		after = after != NULL ? arena_strdup(cli->arena, after) : NULL;
	} while (after != NULL);
	if (status == CLI_OK)
		show(sum, cli->json);
	if (status == CLI_OK && !o->mend &&
	    json_integer_value(json_object_get(sum, "missing")) +
		    json_integer_value(json_object_get(sum, "strays")) >
		0) {
		cli_error("the indexes are damaged: collection check %s --mend", argv[0]);
		status = CLI_REFUSED;
	}
	json_decref(sum);
	return status;
}

static int
collection_rm(struct cli *cli, const struct doc_options *o, int argc, char **argv)
{
	json_t *q = ask(cli, "delete", "collection", argv[0]);

	(void)argc;
	if (o->drop)
		json_object_set_new(q, "filters", json_pack("{s:s}", "drop", "true"));
	return run_and_show(cli, q);
}

/* --- both --- */

static json_t *
ask(struct cli *cli, const char *operation, const char *model, const char *id)
{
	json_t *q = json_pack("{s:s, s:s}", "operation", operation, "model", model);

	(void)cli;
	if (q != NULL && id != NULL)
		json_object_set_new(q, "id", json_string(id));
	return q;
}

static json_t *
json_argument(const char *s)
{
	json_error_t e;
	json_t *v = strcmp(s, "-") == 0 ? json_loadf(stdin, JSON_DECODE_ANY, &e)
	            : s[0] == '@'       ? json_load_file(s + 1, JSON_DECODE_ANY, &e)
	                                : json_loads(s, JSON_DECODE_ANY, &e);

	if (v == NULL)
		cli_error("%.60s: %s", s, e.text);
	return v;
}

/* False: it is no JSON, and q is gone. */
static bool
add_json(json_t *q, const char *key, const char *s)
{
	json_t *v = json_argument(s);

	if (v != NULL && json_object_set_new(q, key, v) == 0)
		return true;
	json_decref(q);
	return false;
}

static void
add_number(json_t *q, const char *key, uint64_t n)
{
	if (n != 0)
		json_object_set_new(q, key, json_integer((json_int_t)n));
}

static int
run_and_show(struct cli *cli, json_t *q)
{
	int status;
	const json_t *r = cli_store(cli, q, &status);

	if (json_is_object(r))
		show(r, cli->json);
	else if (status == CLI_OK && !cli->json)
		puts("Done.");
	return status;
}

static void
show(const json_t *r, bool compact)
{
	cli_put_json(r, compact ? JSON_COMPACT : JSON_INDENT(2));
	putchar('\n');
}
