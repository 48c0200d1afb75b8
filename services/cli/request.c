/* request: a raw TaskRequest; the way that it took, and what came of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define REQUEST_MAX (4u << 20)

static void show_trace(const json_t *);
static void show_result(const json_t *);
static int told(const json_t *);

/* request FILE */
int
cli_request(struct cli *cli, int argc, char **argv)
{
	const struct answer *a;
	size_t n;
	char *text;

	if (argc != 2) {
		cli_error("usage: metafed request FILE (- is standard input)");
		return CLI_USAGE;
	}
	if ((text = cli_read_request(cli, argv[1], &n)) == NULL)
		return CLI_USAGE;
	a = cli_send(cli, &(const struct query){
			      .method = "POST", .path = "/v1/requests", .body = text, .n = n });
	if (a->status != 200 || cli->json) {
		int status;

		if (!cli->json && json_object_get(a->json, "response") != NULL)
			show_trace(json_object_get(a->json, "response"));
		fflush(stdout);
		status = cli_result(cli, a);

		return status == CLI_OK ? told(a->json) : status;
	}
	show_trace(a->json);
	show_result(json_object_get(a->json, "result"));
	if (a->degraded)
		cli_note_degraded();
	return told(a->json);
}

static void
show_trace(const json_t *r)
{
	const json_t *level, *hop;
	size_t i, k;

	printf("task %s: %s\n", json_string_value(json_object_get(r, "task_id")) ?: "?",
	    json_is_true(json_object_get(r, "success"))           ? "success"
	    : json_is_true(json_object_get(r, "partial_success")) ? "partial success"
								  : "failed");
	json_array_foreach(json_object_get(r, "execution_trace"), i, level)
	{
		printf(
		    "level %lld\n", (long long)json_integer_value(json_object_get(level, "level")));
		json_array_foreach(json_object_get(level, "hops"), k, hop)
		{
			const char *outcome = json_string_value(json_object_get(hop, "outcome")),
				   *reason = json_string_value(json_object_get(hop, "reason"));

			printf("  %-10s %-18s try %lld  at %7lld us  took %7lld us  %s%s%s\n",
			    json_string_value(json_object_get(hop, "node")) ?: "?",
			    json_string_value(json_object_get(hop, "method")) ?: "",
			    (long long)json_integer_value(json_object_get(hop, "attempt")),
			    (long long)json_integer_value(json_object_get(hop, "start_us")),
			    (long long)json_integer_value(json_object_get(hop, "duration_us")),
			    outcome != NULL ? outcome : "?", reason != NULL ? ": " : "",
			    reason != NULL ? reason : "");
		}
	}
}

static void
show_result(const json_t *result)
{
	if (result == NULL || json_is_null(result))
		return;
	puts("result");
	cli_put_json(result, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

/* The problem of a request that was taken and did not do all, on standard error. */
static int
told(const json_t *r)
{
	const json_t *problem = json_object_get(r, "problem");
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	const struct answer as_http = { .status = (int)json_integer_value(
					    json_object_get(problem, "status")) };

	if (json_is_true(json_object_get(r, "success")))
		return CLI_OK;
	fflush(stdout);
	cli_error(
	    "%s (status %d)", detail != NULL ? detail : "not all of it was done", as_http.status);
	if (json_is_true(json_object_get(r, "partial_success")))
		return CLI_PARTIAL;
	return cli_exit_of(&as_http) != CLI_OK ? cli_exit_of(&as_http) : CLI_REFUSED;
}

char *
cli_read_request(struct cli *cli, const char *file, size_t *n)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *f = standard ? stdin : fopen(file, "re");
	char *text;

	if (f == NULL) {
		cli_error("%s: %s", file, strerror(errno));
		return NULL;
	}
	text = arena_alloc(cli->arena, REQUEST_MAX + 1);
	*n = fread(text, 1, REQUEST_MAX + 1, f);
	if (!standard)
		fclose(f);
	if (*n > REQUEST_MAX) {
		cli_error("%s: longer than %u bytes", file, REQUEST_MAX);
		return NULL;
	}
	return text;
}
