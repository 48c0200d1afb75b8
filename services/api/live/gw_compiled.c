/* gw_compiled: documents of subscriptions that this process has compiled, so that not each event of
 * each session is one more time. A session's state has all that is needed to do it again: what was
 * not used for longest goes, as soon as nobody holds it. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "api/live/gw.h"
#include "base/mem.h"

#define ENTRIES_MOST 256
#define BYTES_MOST   (16u << 20)

struct entry {
	struct gw_compiled compiled; /* the first member: what is given out is an entry */
	size_t bytes, key_n;
	UT_hash_handle hh; /* by key; the oldest first */
	char key[];
};

static struct entry *find(ProtobufCBinaryData);
static struct entry *add(ProtobufCBinaryData, struct graphql_subscription *);
static void forget(size_t, size_t);

static struct entry *entries;
static size_t bytes;
static unsigned generation;

struct gw_compiled *
gw_compiled_get(struct arena *a, ProtobufCBinaryData request, struct graphql_answer *refused)
{
	static const char text[] =
	    "{\"errors\":[{\"message\":\"The subscription is not readable.\"}]}";
	static const struct graphql_answer unreadable = {
		.outcome = GRAPHQL_INVALID, .json = text, .n = sizeof(text) - 1
	};
	struct graphql_subscription *s;
	struct graphql_ask ask;
	struct entry *x;
	json_t *own;

	if (generation != graphql_generation())
		forget(0, 0);
	generation = graphql_generation();
	if ((x = find(request)) == NULL) {
		*refused = unreadable;
		s = gw_request_read(a, request, &ask, &own) ? graphql_subscribe(a, &ask, refused)
		                                            : NULL;
		json_decref(own);
		if (s == NULL)
			return NULL;
		x = add(request, s);
	}
	x->compiled.holders++;
	forget(ENTRIES_MOST, BYTES_MOST);
	return &x->compiled;
}

void
gw_compiled_release(struct gw_compiled **pg)
{
	struct gw_compiled *g = *pg;

	*pg = NULL;
	if (--g->holders != 0)
		return;
	graphql_unsubscribe(&g->subscription);
	free(container_of(g, struct entry, compiled));
}

static struct entry *
find(ProtobufCBinaryData request)
{
	struct entry *x = NULL;

	HASH_FIND(hh, entries, request.data, request.len, x);
	if (x != NULL) { /* it is young again */
		HASH_DEL(entries, x);
		HASH_ADD_KEYPTR(hh, entries, x->key, x->key_n, x);
	}
	return x;
}

static struct entry *
add(ProtobufCBinaryData request, struct graphql_subscription *s)
{
	struct entry *x = mem_zalloc(sizeof(*x) + request.len);

	x->compiled = (struct gw_compiled){ .subscription = s, .holders = 1 };
	x->key_n = request.len;
	memcpy(x->key, request.data, request.len);
	x->bytes = sizeof(*x) + request.len + graphql_source_bytes(s);
	bytes += x->bytes;
	HASH_ADD_KEYPTR(hh, entries, x->key, x->key_n, x);
	return x;
}

/* The oldest, until no more are left than this. */
static void
forget(size_t most, size_t most_bytes)
{
	struct entry *x = NULL, *next = NULL;

	HASH_ITER(hh, entries, x, next) {
		struct gw_compiled *gone = &x->compiled;

		if (HASH_COUNT(entries) <= most && bytes <= most_bytes)
			return;
		HASH_DEL(entries, x);
		bytes -= x->bytes;
		gw_compiled_release(&gone);
	}
}
