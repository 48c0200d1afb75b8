/* store: one operation of the stores, as the database requirement of a request. Its own outcome is
 * what counts here, not that of the request around it. */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "cli/cli.h"

#define DEADLINE_MS 120000 /* of a piece of a backup; most are much faster */

static int exit_of(const json_t *);

const json_t *
cli_store(struct cli *cli, json_t *database, int *status)
{
	struct refusal r;
	const json_t *result = cli_store_try(cli, database, status, &r);

	if (result == NULL)
		cli_error("%s", r.why);
	return result;
}

const json_t *
cli_store_try(struct cli *cli, json_t *database, int *status, struct refusal *r)
{
	char id[UUID_LEN];
	json_t *request;
	const struct answer *a;
	const json_t *problem;
	char *text;

	uuid7(id);
	request = json_pack("{s:s, s:i, s:{s:o}}", "task_id", id, "deadline_ms", DEADLINE_MS,
	    "requirements", "database", database);
	text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	*status = CLI_USAGE;
	*r = (struct refusal){ "arguments must be UTF-8", "" };
	if (text == NULL)
		return NULL;
	a = cli_send(
	    cli, &(const struct query){
		     .method = "POST", .path = "/v1/requests", .body = text, .n = strlen(text) });
	free(text);
	problem = json_object_get(a->json, "problem");
	if (a->status == 200 && json_is_true(json_object_get(a->json, "success"))) {
		*status = CLI_OK;
		return json_object_get(a->json, "result");
	}
	*status = a->status == 200 ? exit_of(problem) : cli_exit_of(a);
	if (a->status != 200)
		problem = a->json;
	r->why =
	    a->status == 200 ? json_string_value(json_object_get(problem, "detail")) : a->problem;
	if (r->why == NULL)
		r->why = "refused";
	r->reason = json_string_value(json_object_get(problem, "reason")) ?: "";
	return NULL;
}

static int
exit_of(const json_t *problem)
{
	const struct answer as_http = { .status = (int)json_integer_value(
					    json_object_get(problem, "status")) };
	int status = cli_exit_of(&as_http);

	return status == CLI_OK ? CLI_REFUSED : status;
}
