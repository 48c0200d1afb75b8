/* What it costs to hold a body against the document, beside reading it as JSON: both are paid once per
 * request, in the agent. `contract N` does N rounds of one body (contract N create|raw|bulk) and says
 * nothing: for callgrind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/rest/contract.h"
#include "base/log.h"
#include "base/time.h"

#define ROUNDS 100000

static const struct {
	const char *name, *path, *text;
} bodies[] = {
	{ "create", "/tasks",
	    "{\"title\":\"Rotate the signing key\",\"description\":\"Before the old one runs "
	    "out.\","
	    "\"priority\":\"HIGH\",\"type\":\"manual\",\"labels\":{\"team\":\"platform\",\"env\":"
	    "\"prod\"},"
	    "\"payload\":{\"key\":\"2026-11\"}}" },
	{ "raw", "/requests",
	    "{\"task_id\":\"nightly-2026-11-21\",\"priority\":\"HIGH\",\"requirements\":{"
	    "\"database\":{"
	    "\"operation\":\"create\",\"model\":\"task\",\"data\":{\"title\":\"Nightly "
	    "report\"}},\"auth\":{"
	    "\"require_permission\":\"task.create\"}},\"deadline_ms\":30000}" },
	{ "bulk", "/tasks:bulk", "[{\"title\":\"one\"},{\"title\":\"two\",\"priority\":1}]" },
};
#define N_BODIES (sizeof(bodies) / sizeof(bodies[0]))

static void
hold(struct arena *a, const struct route *r, const json_t *body)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	const struct failure *refused[2] = { NULL };

	must(contract_body(a, r, body, &f));
	if (r->kind == OP_BULK)
		contract_members(a, r, body, refused);
}

static json_t *
read_body(size_t i)
{
	struct json_error e;
	json_t *v = json_read(bodies[i].text, strlen(bodies[i].text), &e);

	must(v != NULL);
	return v;
}

static void
measure(struct arena *a, size_t i, long rounds, bool quiet)
{
	const struct route *r = route_find(a, "POST", bodies[i].path).route;
	json_t *body = read_body(i);
	int64_t start = time_now_us(), read, held;

	for (long k = 0; k < rounds; k++)
		json_decref(read_body(i));
	read = time_now_us();
	for (long k = 0; k < rounds; k++)
		hold(a, r, body);
	held = time_now_us();
	if (!quiet)
		printf(
		    "%-8s read as JSON %5.0f ns, held against the document %5.0f ns: %.2f of it\n",
		    bodies[i].name, (double)(read - start) * 1000 / (double)rounds,
		    (double)(held - read) * 1000 / (double)rounds,
		    (double)(held - read) / (double)(read - start));
	json_decref(body);
}

int
main(int argc, char **argv)
{
	struct arena *a = arena_new(64 << 20);
	long rounds = argc > 1 ? atol(argv[1]) : ROUNDS;
	int64_t start = time_now_us();

	contract_load();
	if (argc < 2)
		printf("compiled in %.1f ms\n", (double)(time_now_us() - start) / 1000);
	for (size_t i = 0; i < N_BODIES; i++)
		if (argc < 3 || strcmp(argv[2], bodies[i].name) == 0)
			measure(a, i, rounds, argc > 1);
	arena_free(&a);
	return 0;
}
