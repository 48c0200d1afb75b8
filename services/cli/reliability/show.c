/* show: metafed reliability show: how the requests of late ended, as the running fleet counts them. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/reliability/reliability.h"

static bool read_window(int, char **, char **, struct cli *);
static void show_window(const json_t *);
static void show_calls(const char *, const json_t *);
static void show_share(const char *, const json_t *);
static long long integer(const json_t *, const char *);

int
cli_reliability_show(struct cli *cli, int argc, char **argv)
{
	char *params = (char *)"";
	const struct answer *a;
	const json_t *one;
	size_t i;

	if (!read_window(argc, argv, &params, cli)) {
		cli_error("usage: metafed reliability show [--window 1m|1h|24h]");
		return CLI_USAGE;
	}
	a = cli_send(cli,
	    &(const struct query){ .method = "GET", .path = "/v1/reliability", .params = params });
	if (!cli->json && a->status == 200)
		json_array_foreach(json_object_get(a->json, "windows"), i, one)
		{
			if (i != 0)
				putchar('\n');
			show_window(one);
		}
	return cli_result(cli, a);
}

static bool
read_window(int argc, char **argv, char **params, struct cli *cli)
{
	static const struct option longs[] = { { "window", 1, NULL, 'w' }, { 0 } };
	const char *window = NULL;

	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c != 'w')
			return false;
		window = optarg;
	}
	if (optind != argc)
		return false;
	if (window != NULL)
		cli_encode(cli->arena, params, "window", window);
	return true;
}

static void
show_window(const json_t *w)
{
	static const char *const outcomes[] = { "success", "partial", "failed", "refused",
		"rejected", "cancelled" };
	const json_t *ci = json_object_get(w, "ci99"), *f;
	size_t i;

	printf("LAST %s: %lld requests\n", json_string_value(json_object_get(w, "window")) ?: "?",
	    integer(w, "requests"));
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		printf("%s%s %lld", i == 0 ? "  " : ", ", outcomes[i], integer(w, outcomes[i]));
	putchar('\n');
	show_share("reliability", json_object_get(w, "reliability"));
	if (json_array_size(ci) == 2)
		printf("  share of full successes %.4f to %.4f (99 %% interval)\n",
		    json_number_value(json_array_get(ci, 0)),
		    json_number_value(json_array_get(ci, 1)));
	if (json_is_number(json_object_get(w, "p50_ms")))
		printf("  time p50 %.2f ms, p99 %.2f ms\n",
		    json_number_value(json_object_get(w, "p50_ms")),
		    json_number_value(json_object_get(w, "p99_ms")));
	show_calls("domains", json_object_get(w, "domains"));
	show_calls("agents", json_object_get(w, "agents"));
	json_array_foreach(json_object_get(w, "failovers"), i, f) printf(
	    "  failover %s -> %s: %lld\n", json_string_value(json_object_get(f, "from")) ?: "?",
	    json_string_value(json_object_get(f, "to")) ?: "?", integer(f, "count"));
}

static void
show_share(const char *what, const json_t *v)
{
	if (json_is_number(v))
		printf("  %s %.4f\n", what, json_number_value(v));
}

static void
show_calls(const char *what, const json_t *members)
{
	const char *name;
	json_t *m;
	size_t n = 0;

	if (json_object_size(members) == 0)
		return;
	printf("  %s:", what);
	json_object_foreach((json_t *)(uintptr_t)members, name, m)
	{
		printf("%s %s %lld", n++ == 0 ? "" : ",", name, integer(m, "calls"));
		if (integer(m, "failed") > 0)
			printf(" (%lld failed)", integer(m, "failed"));
	}
	putchar('\n');
}

static long long
integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}
