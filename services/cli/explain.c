/* explain request FILE: what a TaskRequest would do, in which order and at which cost. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void show_strategy(const json_t *);
static void show_step(const json_t *);
static void show_names(const json_t *, const char *, const char *);
static long long integer(const json_t *, const char *);
static const char *text(const json_t *, const char *);

int
cli_explain(struct cli *cli, int argc, char **argv)
{
	const struct answer *a;
	size_t n;
	char *body;

	if (argc != 3 || strcmp(argv[1], "request") != 0) {
		cli_error("usage: metafed explain request FILE (- is standard input)");
		return CLI_USAGE;
	}
	if ((body = cli_read_request(cli, argv[2], &n)) == NULL)
		return CLI_USAGE;
	a = cli_send(
	    cli, &(const struct query){
		     .method = "POST", .path = "/v1/requests:explain", .body = body, .n = n });
	if (!cli->json && a->status == 200)
		show_strategy(a->json);
	return cli_result(cli, a);
}

static void
show_strategy(const json_t *v)
{
	const json_t *of = json_object_get(v, "score_of"), *at = json_object_get(v, "admission");
	const json_t *stage, *step;
	size_t i, k;

	printf("task %s: %s, within %lld ms\n", text(v, "task_id"), text(v, "priority"),
	    integer(v, "deadline_ms"));
	printf("score %lld = domains %lld + operations %lld + payload %lld + stages %lld; takes "
	       "%lld of the slots\n",
	    integer(v, "score"), integer(of, "domains"), integer(of, "operations"),
	    integer(of, "payload"), integer(of, "stages"), integer(v, "units"));
	printf("now: %s (%lld of %lld slots used, %lld wait, fleet %s)\n", text(at, "verdict"),
	    integer(at, "used"), integer(at, "slots"), integer(at, "waiting"), text(at, "mode"));
	show_names(json_object_get(v, "permissions"), NULL, "needs permission");
	json_array_foreach(json_object_get(v, "stages"), i, stage)
	{
		printf("stage %lld\n", integer(stage, "stage"));
		json_array_foreach(json_object_get(stage, "steps"), k, step)
		{
			show_step(step);
		}
	}
}

static void
show_step(const json_t *step)
{
	const json_t *member;
	size_t i;

	printf("  %-7s %-9s %s%s", text(step, "step"), text(step, "domain"), text(step, "calls"),
	    text(step, "operation"));
	json_array_foreach(json_object_get(step, "members"), i, member)
	{
		bool there = json_is_true(json_object_get(member, "connected"));

		printf("%s%s (%s%s)", i == 0 ? "  on " : ", ", text(member, "node"),
		    there ? "breaker " : "not connected", there ? text(member, "breaker") : "");
	}
	putchar('\n');
	show_names(json_object_get(step, "needs"), NULL, "          after");
	show_names(json_object_get(step, "agents"), "node", "          agents");
}

/* "TITLE a, b, c"; nothing when there are none. */
static void
show_names(const json_t *list, const char *key, const char *title)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *name = key != NULL ? text(v, key) : json_string_value(v);

		printf("%s ", i == 0 ? title : ",");
		cli_put(stdout, name != NULL ? name : "?");
	}
	if (json_array_size(list) > 0)
		putchar('\n');
}

static long long
integer(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}

static const char *
text(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key)) ?: "";
}
