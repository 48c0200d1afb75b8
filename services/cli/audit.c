/* audit: verify, search and export of the audit log. What is verified is verified here, not by the
 * fleet: of that, only the keys and the end of the log are taken as it says them. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/audit_chain.h"
#include "base/str.h"
#include "cli/cli.h"

#define PAGE         500
#define SEARCH_LIMIT 50
#define LINE_MAX_LEN (1u << 20) /* of an export */

struct audit_options {
	const char *filters[8][2]; /* name, value */
	size_t n_filters;
	const char *keys, *head, *output;
	uint64_t limit;
	bool all, oldest_first;
};

typedef int verb_fn(struct cli *, const struct audit_options *, int, char **);

static verb_fn audit_verify, audit_search, audit_export;
static bool read_options(int, char **, struct audit_options *);
static bool add_option(struct audit_options *, int, const char *);
typedef bool item_fn(void *ctx, json_t *item);
static int
each_row(struct cli *, const struct audit_options *, const char *, uint64_t, item_fn *, void *);
static json_t *question(const struct audit_options *, const char *, uint64_t, const char *);
static const json_t *ask_head(struct cli *, int *);
static bool take_head(struct audit_chain *, const char *);
static bool verify_row(void *, json_t *);
static int verify_file(struct cli *, struct audit_chain *, const char *);
static int tell(struct cli *, struct audit_chain *);
static bool gather(void *, json_t *);
static void show(const json_t *);
static bool put_line(void *, json_t *);

static const struct {
	const char *name, *usage;
	int most; /* arguments */
	verb_fn *run;
} verbs[] = {
	{ "verify", "[FILE] [--keys FILE] [--head NUMBER:HASH]", 1, audit_verify },
	{ "search",
	    "[--kind K] [--outcome O] [--actor ID] [--subject ID] [--address A] [--since TIME] "
	    "[--until TIME] [--limit N] [--all] [--oldest-first]",
	    0, audit_search },
	{ "export", "[-o FILE] [--since TIME] [--until TIME]", 0, audit_export },
};

int
cli_audit(struct cli *cli, int argc, char **argv)
{
	struct audit_options o = { .limit = SEARCH_LIMIT };

	for (size_t i = 0; argc >= 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, argv[1]) != 0)
			continue;
		argv[1] = arena_printf(cli->arena, "metafed audit %s", verbs[i].name);
		if (!read_options(argc - 1, argv + 1, &o))
			return CLI_USAGE;
		argc -= 1 + optind;
		argv += 1 + optind;
		if (argc <= verbs[i].most)
			return verbs[i].run(cli, &o, argc, argv);
		cli_error("usage: metafed audit %s %s", verbs[i].name, verbs[i].usage);
		return CLI_USAGE;
	}
	cli_error("usage: metafed audit verify|search|export ...; metafed --help says more");
	return CLI_USAGE;
}

/* What an option filters by, where it does. */
static const struct {
	int option;
	const char *filter;
} filters[] = { { 'k', "kind" }, { 'u', "outcome" }, { 'a', "actor" }, { 's', "subject" },
	{ 'd', "address" }, { 'f', "created_after" }, { 't', "created_before" } };

static bool
read_options(int argc, char **argv, struct audit_options *o)
{
	static const struct option longs[] = { { "kind", 1, NULL, 'k' },
		{ "outcome", 1, NULL, 'u' }, { "actor", 1, NULL, 'a' }, { "subject", 1, NULL, 's' },
		{ "address", 1, NULL, 'd' }, { "since", 1, NULL, 'f' }, { "until", 1, NULL, 't' },
		{ "limit", 1, NULL, 'n' }, { "all", 0, NULL, 'l' },
		{ "oldest-first", 0, NULL, 'r' }, { "keys", 1, NULL, 'y' },
		{ "head", 1, NULL, 'h' }, { 0 } };
	bool ok = true;

	for (int c, at = 0; ok && (c = getopt_long(argc, argv, "o:", longs, &at)) != -1;)
		ok = add_option(o, c, optarg);
	return ok;
}

static bool
add_option(struct audit_options *o, int c, const char *value)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (filters[i].option == c && o->n_filters < 8) {
			o->filters[o->n_filters][0] = filters[i].filter;
			o->filters[o->n_filters++][1] = value;
			return true;
		}
	switch (c) {
	case 'n':
		if (str_u64(str_of(value), 1000000, &o->limit) && o->limit > 0)
			return true;
		cli_error("--limit %s: must be 1 to 1000000", value);
		return false;
	case 'l':
		o->all = true;
		return true;
	case 'r':
		o->oldest_first = true;
		return true;
	case 'y':
		o->keys = value;
		return true;
	case 'h':
		o->head = value;
		return true;
	case 'o':
		o->output = value;
		return true;
	default:
		return false;
	}
}

/* --- pages --- */

/* Every row that the options ask for, up to `most` (0: all), in that order, page by page. */
static int
each_row(struct cli *cli, const struct audit_options *o, const char *sort, uint64_t most,
    item_fn *take, void *ctx)
{
	char *cursor = NULL;
	int status = CLI_OK;
	bool more = true;

	for (uint64_t n = 0; more;) {
		uint64_t page = most != 0 && most - n < PAGE ? most - n : PAGE;
		const json_t *r = cli_store(cli, question(o, sort, page, cursor), &status);
		const char *next;
		json_t *item;
		size_t i;

		free(cursor);
		cursor = NULL;
		if (r == NULL)
			return status;
		json_array_foreach(json_object_get(r, "items"), i, item)
		{
			n++;
			if (!take(ctx, item))
				return CLI_OK;
		}
		next = json_string_value(json_object_get(r, "next_cursor"));
		more = next != NULL && (most == 0 || n < most);
		if (more)
			cursor = strdup(next);
	}
	return status;
}

static json_t *
question(const struct audit_options *o, const char *sort, uint64_t limit, const char *cursor)
{
	json_t *by = json_object();
	json_t *q = json_pack("{s:s, s:s, s:I, s:o}", "operation", "query", "model", "audit",
	    "limit", (json_int_t)limit, "filters", by);

	for (size_t i = 0; i < o->n_filters; i++)
		json_object_set_new(by, o->filters[i][0], json_string(o->filters[i][1]));
	if (sort != NULL)
		json_object_set_new(q, "sort", json_string(sort));
	if (cursor != NULL)
		json_object_set_new(q, "cursor", json_string(cursor));
	return q;
}

/* --- verify --- */

static int
audit_verify(struct cli *cli, const struct audit_options *o, int argc, char **argv)
{
	static const struct audit_options all = { 0 };
	struct audit_chain c;
	const json_t *head = NULL, *number;
	json_t *jwks = NULL;
	int status = CLI_OK;

	if (o->keys != NULL && (jwks = json_load_file(o->keys, 0, NULL)) == NULL) {
		cli_error("%s: is no JSON", o->keys);
		return CLI_USAGE;
	}
	if ((jwks == NULL || argc == 0) && (head = ask_head(cli, &status)) == NULL) {
		if (argc > 0)
			cli_error("without a fleet, --keys FILE must be its keys (jwks.json)");
		json_decref(jwks);
		return status;
	}
	if (!audit_chain_start(&c, jwks != NULL ? jwks : json_object_get(head, "keys")) ||
	    (o->head != NULL && !take_head(&c, o->head))) {
		cli_error("%s", c.n_keys == 0 ? "the keys are no key set (RFC 7517)"
					      : "--head must be NUMBER:HASH");
		json_decref(jwks);
		return CLI_USAGE;
	}
	c.must_be_signed = true;
	number = json_object_get(head, "number");
	if (argc == 0 && c.head == 0) {
		c.head = (uint64_t)json_integer_value(number);
		(void)snprintf(c.head_hash, sizeof(c.head_hash), "%s",
		    json_string_value(json_object_get(head, "hash")) ?: "");
	}
	json_decref(jwks);
	status = argc == 0 ? each_row(cli, &all, NULL, 0, verify_row, &c)
	                   : verify_file(cli, &c, argv[0]);
	if (status == CLI_OK)
		status = tell(cli, &c);
	audit_chain_free(&c);
	return status;
}

static const json_t *
ask_head(struct cli *cli, int *status)
{
	return cli_store(cli,
	    json_pack("{s:s, s:s, s:s}", "operation", "read", "model", "audit", "id", "head"),
	    status);
}

static bool
take_head(struct audit_chain *c, const char *s)
{
	struct str number, hash;

	if (!str_cut(str_of(s), ':', &number, &hash) || hash.n != AUDIT_HASH_LEN - 1 ||
	    !str_u64(number, INT64_MAX, &c->head))
		return false;
	memcpy(c->head_hash, hash.p, hash.n);
	return true;
}

static bool
verify_row(void *ctx, json_t *item)
{
	return audit_chain_take(ctx, item);
}

static int
verify_file(struct cli *cli, struct audit_chain *c, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	bool more = true;

	(void)cli;
	if (f == NULL) {
		cli_error("%s: %s", path, strerror(errno));
		return CLI_USAGE;
	}
	while (more && (n = getline(&line, &cap, f)) > 0) {
		json_t *row = (size_t)n <= LINE_MAX_LEN
		                  ? json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, NULL)
		                  : NULL;

		more = audit_chain_take(c, row);
		json_decref(row);
	}
	free(line);
	if (f != stdin)
		(void)fclose(f);
	return CLI_OK;
}

static int
tell(struct cli *cli, struct audit_chain *c)
{
	bool ok = audit_chain_end(c);

	if (cli->json) {
		json_t *v = json_pack("{s:b, s:I, s:I, s:s, s:I, s:I, s:I}", "ok", ok, "first",
		    (json_int_t)c->first, "last", (json_int_t)c->last, "hash", c->hash, "records",
		    (json_int_t)c->records, "checkpoints", (json_int_t)c->checkpoints,
		    "signed_upto", (json_int_t)c->signed_upto);

		if (!ok) {
			json_object_set_new(v, "bad", json_integer((json_int_t)c->bad));
			json_object_set_new(v, "problem", json_string(c->what));
		}
		cli_put_json(v, JSON_COMPACT);
		putchar('\n');
		json_decref(v);
	} else if (ok) {
		printf("%" PRIu64 " to %" PRIu64 ": whole. %" PRIu64 " records, %" PRIu64
		       " checkpoints, signed up to %" PRIu64 ".\n",
		    c->first, c->last, c->records, c->checkpoints, c->signed_upto);
		if (c->signed_upto < c->last)
			printf("%" PRIu64 " behind it are not signed yet.\n",
			    c->last - c->signed_upto);
		printf("The end: %" PRIu64 ":%s\n", c->last, c->hash);
	}
	if (!ok)
		cli_error("record %" PRIu64 " %s", c->bad, c->what);
	return ok ? CLI_OK : CLI_REFUSED;
}

/* --- search and export --- */

static int
audit_search(struct cli *cli, const struct audit_options *o, int argc, char **argv)
{
	json_t *rows = json_array();
	int status =
	    each_row(cli, o, o->oldest_first ? NULL : "-id", o->all ? 0 : o->limit, gather, rows);

	(void)argc, (void)argv;
	if (status == CLI_OK && cli->json) {
		cli_put_json(rows, JSON_COMPACT);
		putchar('\n');
	} else if (status == CLI_OK) {
		show(rows);
	}
	json_decref(rows);
	return status;
}

static bool
gather(void *ctx, json_t *item)
{
	json_array_append(ctx, item);
	return true;
}

/* What an event says, flat, as a table has it. */
static void
show(const json_t *rows)
{
	static const struct column columns[] = { { "NUMBER", "number", 8, CELL_PLAIN },
		{ "TIME", "at", 20, CELL_PLAIN }, { "KIND", "kind", 11, CELL_PLAIN },
		{ "OUTCOME", "outcome", 9, CELL_PLAIN }, { "RISK", "risk", 5, CELL_PLAIN },
		{ "WHO", "who", 20, CELL_PLAIN }, { "ADDRESS", "address", 15, CELL_PLAIN },
		{ "WHAT", "what", 0, CELL_PLAIN }, { 0 } };
	static const char *const whats[] = { "cause", "operation", "model", "object", "permission",
		"policy", "count", "detail" };
	json_t *lines = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_t *line =
		    json_deep_copy(json_object_get(json_object_get(row, "record"), "event"));
		const json_t *number = json_object_get(json_object_get(row, "record"), "number");
		char what[400] = "", at[21];
		size_t n = 0;

		for (size_t k = 0; k < sizeof(whats) / sizeof(whats[0]); k++) {
			const json_t *v = json_object_get(line, whats[k]);

			if (v == NULL || n >= sizeof(what))
				continue;
			n += (size_t)(json_is_integer(v)
					  ? snprintf(what + n, sizeof(what) - n, "%s%lld",
						n > 0 ? " " : "", json_integer_value(v))
					  : snprintf(what + n, sizeof(what) - n, "%s%s",
						n > 0 ? " " : "", json_string_value(v) ?: ""));
		}
		(void)snprintf(
		    at, sizeof(at), "%.19sZ", json_string_value(json_object_get(line, "at")) ?: "");
		json_object_set_new(line, "number", json_deep_copy(number));
		json_object_set_new(line, "at", json_string(at));
		json_object_set(line, "who",
		    json_object_get(line, "name") ?: json_object_get(line, "actor")
					      ?: json_object_get(line, "subject"));
		json_object_set_new(line, "what", json_string(what));
		json_array_append_new(lines, line);
	}
	cli_table(lines, columns, true);
	json_decref(lines);
}

/* A row a line, as it is stored: verify takes it. Everything is signed before. */
static int
audit_export(struct cli *cli, const struct audit_options *o, int argc, char **argv)
{
	FILE *f = stdout;
	int status;

	(void)argc, (void)argv;
	if (ask_head(cli, &status) == NULL)
		return status;
	if (o->output != NULL && (f = fopen(o->output, "w")) == NULL) {
		cli_error("%s: %s", o->output, strerror(errno));
		return CLI_USAGE;
	}
	status = each_row(cli, o, NULL, 0, put_line, f);
	if (ferror(f) || (o->output != NULL && fclose(f) != 0)) {
		cli_error(
		    "%s: %s", o->output != NULL ? o->output : "standard output", strerror(errno));
		return CLI_REFUSED;
	}
	return status;
}

static bool
put_line(void *ctx, json_t *item)
{
	return json_dumpf(item, ctx, JSON_COMPACT) == 0 && fputc('\n', ctx) != EOF;
}
