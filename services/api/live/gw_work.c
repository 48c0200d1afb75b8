/* gw_work: a query or a mutation over graphql-transport-ws, done by the code that does it for HTTP:
 * its answer, and that there is no more. */
#include "api/live/gw.h"

struct asked {
	struct call *c;
	const Mf__LiveWork *w;
	struct graphql_ask ask;
};

static void on_served(void *, const struct graphql_answer *);

void
gw_work(struct call *c, const Mf__LiveWork *w, const char *operation_id)
{
	struct asked *x = ARENA_NEW(call_arena(c), struct asked);
	json_t *own;
	bool fine;

	x->c = c;
	x->w = w;
	fine = gw_request_read(call_arena(c), w->body, &x->ask, &own);
	if (own != NULL)
		call_own_json(c, own);
	if (!fine) {
		call_fail(c, ST_INTERNAL, "work: is none of ours");
		return;
	}
	x->ask.credential = w->credential;
	x->ask.client_address = w->client_address;
	x->ask.operation_id = operation_id;
	graphql_serve(c, &x->ask, on_served, x);
}

static void
on_served(void *ctx, const struct graphql_answer *a)
{
	const struct asked *x = ctx;
	struct arena *arena = call_arena(x->c);
	Mf__SessionResult out = MF__SESSION_RESULT__INIT;
	ProtobufCBinaryData messages[2];

	graphql_count(a->outcome);
	if (a->outcome == GRAPHQL_DATA || a->outcome == GRAPHQL_PARTIAL) {
		messages[out.n_messages++] = gw_next(arena, x->w->id, a->json, a->n);
		messages[out.n_messages++] = gw_plain(arena, "complete", x->w->id);
	} else {
		messages[out.n_messages++] = gw_errors(arena, x->w->id, a->json, a->n);
	}
	out.messages = messages;
	call_reply(x->c, &out.base);
}
