/* undo: see undo.h. The fleet may be hurt, or `meta` on its way back: it is tried for a while. */
#include "cli/reliability/undo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/scenario.h"

#define LIMIT_US (60 * SEC)
#define AGAIN_US (200 * MS)
#define PAGE     100 /* of what is deleted; a bulk has at most so many members */

static bool end_experiment(struct cli *, const char *, int64_t);
static bool empty_space(struct cli *, struct undo *, const char *, int64_t);
static int delete_page(struct cli *, const struct undo *, const char *, size_t *);
static json_t *requirement(const struct undo *, const char *, const char *);
static bool later(int64_t);

struct undo *
undo_new(void)
{
	struct undo *u =
	    mmap(NULL, sizeof(*u), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t bytes[4];

	must(u != MAP_FAILED);
	id_random(bytes, sizeof(bytes));
	snprintf(u->space, sizeof(u->space), UNDO_SPACE "%02x%02x%02x%02x", bytes[0], bytes[1],
	    bytes[2], bytes[3]);
	return u;
}

char *
undo_note(struct undo *u, const char *id)
{
	for (size_t i = 0; i < UNDO_EXPERIMENTS; i++)
		if (u->experiments[i][0] == '\0') {
			memcpy(u->experiments[i], id, UUID_LEN);
			return u->experiments[i];
		}
	return NULL;
}

int
undo_all(struct cli *cli, struct undo *u)
{
	static const char *const models[] = { "task", SCENARIO_COLLECTION };
	int64_t until = time_now_us() + LIMIT_US;
	int status = CLI_OK;

	for (size_t i = 0; i < UNDO_EXPERIMENTS; i++)
		if (u->experiments[i][0] != '\0' &&
		    !end_experiment(cli, u->experiments[i], until)) {
			cli_error("experiment %s could not be ended: it ends when its time is over",
			    u->experiments[i]);
			status = CLI_PARTIAL;
		}
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (u->wrote && !empty_space(cli, u, models[i], until)) {
			cli_error(
			    "namespace %s: not all of %s could be removed", u->space, models[i]);
			status = CLI_PARTIAL;
		}
	return status;
}

/* Twice: an order of someone who was killed may arrive behind the first one. */
static bool
end_experiment(struct cli *cli, const char *id, int64_t until)
{
	const struct query q = { .method = "DELETE",
		.path = arena_printf(cli->arena, "/v1/chaos/%s", id) };
	unsigned gone = 0;

	do {
		int status = cli_send(cli, &q)->status;

		gone += status == 204 || status == 404;
	} while (gone < 2 && later(until));
	return gone == 2;
}

/* Empty twice, for the same reason. */
static bool
empty_space(struct cli *cli, struct undo *u, const char *model, int64_t until)
{
	unsigned empty = 0;

	do {
		size_t n = 1;

		while (n > 0 && time_now_us() < until && delete_page(cli, u, model, &n) == CLI_OK)
			;
		empty = n == 0 ? empty + 1 : 0;
	} while (empty < 2 && later(until));
	return empty == 2;
}

/* *n: how many were there; as it was when it can't be told. */
static int
delete_page(struct cli *cli, const struct undo *u, const char *model, size_t *n)
{
	json_t *q = requirement(u, "query", model), *members = json_array();
	const json_t *items, *one;
	struct refusal refused;
	int status;
	size_t i;

	json_object_set_new(q, "limit", json_integer(PAGE));
	items = json_object_get(cli_store_try(cli, q, &status, &refused), "items");
	json_array_foreach(items, i, one)
	{
		json_array_append_new(
		    members, json_pack("{s:s, s:s, s:O}", "operation", "delete", "model", model,
				 "id", json_object_get(one, "id")));
	}
	if (status == CLI_OK)
		*n = json_array_size(members);
	if (status == CLI_OK && *n > 0) {
		q = requirement(u, "bulk", "");
		json_object_set(q, "data", members);
		(void)cli_store_try(cli, q, &status, &refused);
	}
	json_decref(members);
	return status;
}

static json_t *
requirement(const struct undo *u, const char *operation, const char *model)
{
	return json_pack(
	    "{s:s, s:s, s:s}", "operation", operation, "model", model, "namespace", u->space);
}

static bool
later(int64_t until)
{
	usleep(AGAIN_US);
	return time_now_us() < until;
}
