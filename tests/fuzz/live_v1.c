/* fuzz: what a client may say in metafed.v1. What passes has what its type needs, and what goes into
 * the state can be read out of it again. */
#include <stdlib.h>
#include <string.h>
#include "api/live/selection.h"
#include "api/live/v1_read.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check_subscription(struct arena *a, const struct v1_message *m)
{
	const Mf__LiveSubscription *s = m->subscribe;
	struct failure f = { .status = ST_OK };
	struct json_error e;
	json_t *v;

	must(m->source != NULL && strcmp(m->source->topic, s->topic) == 0);
	must(s->position[0] == '\0' || m->source->position_ok(str_of(s->position)));
	must(s->window <= V1_WINDOW_MOST);
	if (s->filter.len == 0)
		return;
	v = json_read(s->filter.data, s->filter.len, &e);
	must(v != NULL && selection_read(a, m->source, v, &f) != NULL);
	json_decref(v);
}

static void
check_work(const struct v1_message *m)
{
	must(m->work->id[0] != '\0' && strcmp(m->work->id, m->id) == 0);
	must(m->work->method[0] != '\0' && str_starts(m->work->path, "/v1/"));
	for (size_t i = 0; i < m->work->n_headers; i++)
		must(strcmp(m->work->headers[i]->key, "authorization") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new(64 << 20);
	struct v1_message m;
	struct failure f;

	if (v1_read(a, p, n, &m, &f)) {
		must(m.type < V1_TYPES && strlen(m.id) <= V1_ID_MOST);
		if (m.type == V1_SUBSCRIBE)
			check_subscription(a, &m);
		else if (m.type == V1_SUBMIT)
			check_work(&m);
		else if (m.type == V1_AUTH)
			must(m.token[0] != '\0');
		else if (m.type == V1_ACK)
			must(m.position[0] != '\0');
	} else {
		must(f.status == ST_INVALID_ARGUMENT && f.message[0] != '\0');
	}
	arena_free(&a);
	return 0;
}
