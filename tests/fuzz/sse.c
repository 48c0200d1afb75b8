/* fuzz: what a request for a stream of events may say: its query, and behind the first line end its
 * Last-Event-ID. What passes has a position that its topic takes, and filters that can be read out of
 * the state again; and the id that is made of it is read as the same. */
#include <string.h>
#include "api/live/selection.h"
#include "api/live/sse.h"
#include "api/ops/ops.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check(struct arena *a, const struct sse_wish *w)
{
	must(w->n >= 1 && w->n <= SSE_TOPICS_MOST);
	for (size_t i = 0; i < w->n; i++) {
		const Mf__LiveSubscription *s = w->subscriptions[i];
		struct failure f = { .status = ST_OK };
		struct json_error e;
		json_t *v;

		must(strcmp(s->topic, w->sources[i]->topic) == 0);
		must(s->position[0] == '\0' || w->sources[i]->position_ok(str_of(s->position)));
		if (s->filter.len == 0)
			continue;
		v = json_read(s->filter.data, s->filter.len, &e);
		must(v != NULL && selection_read(a, w->sources[i], v, &f) != NULL);
		json_decref(v);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new(8 << 20);
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	Mf__KeyValue last = MF__KEY_VALUE__INIT, *headers[] = { &last };
	const uint8_t *end = memchr(p, '\n', n);
	struct sse_wish w;
	struct failure f;

	q.query = arena_strndup(a, (const char *)p, end == NULL ? n : (size_t)(end - p));
	last.key = (char *)"last-event-id";
	last.value = end == NULL
	                 ? (char *)""
	                 : arena_strndup(a, (const char *)end + 1, n - (size_t)(end - p) - 1);
	q.headers = headers;
	q.n_headers = 1;
	if (n <= 8192 && sse_read(a, &q, &w, &f)) {
		check(a, &w);
		last.value = (char *)sse_position(a, w.n, w.subscriptions, NULL, "");
		must(strpbrk(last.value, "\r\n") == NULL);
		must(sse_read(a, &q, &w, &f));
		check(a, &w);
	} else if (n <= 8192) {
		must(f.status == ST_INVALID_ARGUMENT && f.message[0] != '\0');
	}
	arena_free(&a);
	return 0;
}
