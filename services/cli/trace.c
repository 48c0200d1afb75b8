/* trace: requests whose traces were kept, and one of them as a waterfall. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"

#include "cli/cli.h"

#define BAR        40 /* columns of the waterfall */
#define LEVELS_MAX 16 /* of indentation */
#define NAME_WIDTH 34

static int list(struct cli *, int, char **);
static int show(struct cli *, const char *);
static void put_head(const json_t *);
static void put_below(const json_t *, const char *, int, bool *, int64_t);
static void put_span(const json_t *, int, int64_t);
static const json_t *next_child(const json_t *, const char *, const bool *, size_t *);
static bool is_orphan(const json_t *, const json_t *);

int
cli_trace(struct cli *cli, int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "list") == 0)
		return list(cli, argc - 1, argv + 1);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return show(cli, argv[2]);
	cli_error(
	    "usage: metafed trace list [--status error|ok] [--min-ms N] [--max-ms N] [--node N] "
	    "[--method M] [--route R] [--since TIME] [--until TIME] [--limit N] [--cursor C]\n"
	    "       metafed trace show ID");
	return CLI_USAGE;
}

static int
list(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "status", 1, NULL, 0 }, { "min-ms", 1, NULL, 0 },
		{ "max-ms", 1, NULL, 0 }, { "node", 1, NULL, 0 }, { "method", 1, NULL, 0 },
		{ "route", 1, NULL, 0 }, { "since", 1, NULL, 0 }, { "until", 1, NULL, 0 },
		{ "limit", 1, NULL, 0 }, { "cursor", 1, NULL, 0 }, { 0 } };
	static const struct column columns[] = { { "TRACE", "trace_id", 33, CELL_PLAIN },
		{ "AT", "at", 19, CELL_TIME }, { "MS", "ms", 9, CELL_PLAIN },
		{ "WHY", "why", 8, CELL_PLAIN }, { "STATUS", "code", 19, CELL_PLAIN },
		{ "SPANS", "spans", 6, CELL_PLAIN }, { "NAME", "name", 0, CELL_PLAIN }, { 0 } };
	char *params = (char *)"", name[32];
	const struct answer *a;
	const char *next;
	json_t *one;
	size_t i;

	for (int c, at = 0; (c = getopt_long(argc, argv, "", longs, &at)) != -1;) {
		if (c == '?')
			return CLI_USAGE;
		snprintf(name, sizeof(name), "%s", longs[at].name);
		for (char *p = name; *p != '\0'; p++)
			*p = *p == '-' ? '_' : *p;
		cli_encode(cli->arena, &params, name, optarg);
	}
	if (optind != argc) {
		cli_error("usage: metafed trace list [--status error|ok] ...");
		return CLI_USAGE;
	}
	a = cli_send(
	    cli, &(const struct query){ .method = "GET", .path = "/v1/traces", .params = params });
	if (cli->json || a->status != 200)
		return cli_result(cli, a);
	json_array_foreach(json_object_get(a->json, "items"), i, one)
	{
		double us = (double)json_integer_value(json_object_get(one, "duration_us"));

		json_object_set_new(
		    one, "ms", json_string(arena_printf(cli->arena, "%.1f", us / 1000)));
	}
	cli_table(json_object_get(a->json, "items"), columns, true);
	if (json_is_true(json_object_get(a->json, "degraded")))
		fputs("metafed: PostgreSQL is away: only the newest ones\n", stderr);
	next = json_string_value(json_object_get(a->json, "next_cursor"));
	if (next != NULL)
		fprintf(stderr, "more: --cursor %s\n", next);
	return CLI_OK;
}

static int
show(struct cli *cli, const char *id)
{
	char *path = arena_printf(cli->arena, "/v1/traces/%.64s", id);
	const json_t *spans, *one;
	const struct answer *a;
	int64_t most;
	bool *done;
	size_t i;

	if (strspn(id, "0123456789abcdef") != strlen(id)) {
		cli_error("%s: a trace has an id of 32 hex digits", id);
		return CLI_USAGE;
	}
	a = cli_send(cli, &(const struct query){ .method = "GET", .path = path });
	if (cli->json || a->status != 200)
		return cli_result(cli, a);
	put_head(a->json);
	most = json_integer_value(json_object_get(a->json, "duration_us"));
	spans = json_object_get(a->json, "spans");
	done = mem_zalloc(json_array_size(spans) + 1);
	json_array_foreach(spans, i, one) if (!done[i] && is_orphan(spans, one))
	{
		done[i] = true;
		put_span(one, 0, most);
		put_below(spans, json_string_value(json_object_get(one, "span_id")), 1, done, most);
	}
	json_array_foreach(spans, i, one) if (!done[i]) put_span(one, 0, most);
	free(done);
	return CLI_OK;
}

static void
put_head(const json_t *t)
{
	const char *reason = json_string_value(json_object_get(t, "reason")) ?: "";

	printf("trace %s  ", json_string_value(json_object_get(t, "trace_id")) ?: "?");
	cli_put(stdout, json_string_value(json_object_get(t, "name")) ?: "?");
	printf("  %s%s%s  %.1f ms  kept: %s\n",
	    json_string_value(json_object_get(t, "code")) ?: "?", reason[0] != '\0' ? ": " : "",
	    reason, (double)json_integer_value(json_object_get(t, "duration_us")) / 1000,
	    json_string_value(json_object_get(t, "why")) ?: "?");
}

/* In the order in which they came. What claims to be above itself is printed at the end. */
static void
put_below(const json_t *spans, const char *parent, int depth, bool *done, int64_t most)
{
	const json_t *one;
	size_t i = 0;

	if (parent == NULL || depth == LEVELS_MAX)
		return;
	while ((one = next_child(spans, parent, done, &i)) != NULL) {
		done[i] = true;
		put_span(one, depth, most);
		put_below(spans, json_string_value(json_object_get(one, "span_id")), depth + 1,
		    done, most);
	}
}

static const json_t *
next_child(const json_t *spans, const char *parent, const bool *done, size_t *i)
{
	for (; *i < json_array_size(spans); (*i)++) {
		const json_t *one = json_array_get(spans, *i);
		const char *above = json_string_value(json_object_get(one, "parent_id"));

		if (!done[*i] && above != NULL && strcmp(above, parent) == 0)
			return one;
	}
	return NULL;
}

/* Nobody here is above it: a request, or its parent is not told. */
static bool
is_orphan(const json_t *spans, const json_t *span)
{
	const char *parent = json_string_value(json_object_get(span, "parent_id"));

	for (size_t i = 0; parent != NULL && i < json_array_size(spans); i++) {
		const char *id =
		    json_string_value(json_object_get(json_array_get(spans, i), "span_id"));

		if (id != NULL && strcmp(id, parent) == 0)
			return false;
	}
	return true;
}

static void
put_span(const json_t *s, int depth, int64_t most)
{
	const char *node = json_string_value(json_object_get(s, "node")) ?: "?",
		   *method = json_string_value(json_object_get(s, "method")) ?: "",
		   *code = json_string_value(json_object_get(s, "code")) ?: "",
		   *reason = json_string_value(json_object_get(s, "reason")) ?: "";
	int64_t start = json_integer_value(json_object_get(s, "start_us")),
		took = json_integer_value(json_object_get(s, "duration_us")),
		attempt = json_integer_value(json_object_get(s, "attempt"));
	int from = most > 0 ? (int)(start * BAR / most) : 0,
	    n = most > 0 ? (int)(took * BAR / most) : 0;
	char name[128], bar[BAR + 1];

	from = from < 0 ? 0 : from >= BAR ? BAR - 1 : from;
	n = n < 1 ? 1 : n > BAR - from ? BAR - from : n;
	memset(bar, ' ', BAR);
	memset(bar + from, strcmp(code, "OK") == 0 ? '=' : '!', (size_t)n);
	bar[BAR] = '\0';
	snprintf(name, sizeof(name), "%*s%s %s", 2 * depth, "", node, method);
	cli_put(stdout, name);
	printf("%*s |%s| %9.1f ms  ",
	    strlen(name) < NAME_WIDTH ? (int)(NAME_WIDTH - strlen(name)) : 0, "", bar,
	    (double)took / 1000);
	cli_put(stdout, code);
	if (reason[0] != '\0') {
		fputs(": ", stdout);
		cli_put(stdout, reason);
	}
	if (attempt > 1)
		printf(", try %lld", (long long)attempt);
	else if (attempt == 0)
		fputs(", passed over", stdout);
	putchar('\n');
}
