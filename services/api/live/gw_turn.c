/* gw_turn: what happens in one turn of graphql-transport-ws, top to bottom: the session begins,
 * messages one after the other. Where something has to be asked the next step is the answer's. */
#include <string.h>

#include "api/live/admit.h"
#include "api/live/gw.h"
#include "api/live/mind.h"
#include "api/live/selection.h"
#include "api/ws_frame.h"
#include "base/time.h"

#define INIT_US    (10 * SEC)  /* for connection_init, and for somebody to judge its credential */
#define AGAIN_US   (1 * SEC)   /* after nobody could */
#define STATE_MOST (60u << 10) /* bytes, of the 64 KiB that api keeps: positions become longer */
#define REASON_ID  64          /* bytes of an id in a reason to close, which has 123 */

struct gw { /* of one turn */
	struct turn *t;
	size_t next;         /* message */
	bool look;           /* there may be events to tell */
	struct gw_message m; /* the one that something is being asked for */
	Mf__LiveSubscription *subscription;
};

static void gw_turn(struct turn *);
static bool begin(struct gw *);
static void messages(struct gw *);
static bool take(struct gw *);
static bool init(struct gw *);
static bool ask_who(struct gw *);
static void on_admitted(struct turn *, const Mf__Principal *, const struct failure *, void *);
static bool subscribe(struct gw *);
static void submit(struct gw *);
static bool hear(struct gw *);
static const struct source *prepare(struct gw *, const struct graphql_subscription *);
static bool take_filter(struct gw *, const struct source *, const json_t *, struct failure *);
static void on_permitted(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void complete(struct gw *);
static void mind_stranger(struct turn *);
static void turn_away(struct turn *);

static const struct failure full = { .status = ST_RESOURCE_EXHAUSTED,
	.reason = "TOO_MANY_SUBSCRIPTIONS",
	.message =
	    "The subscriptions of a connection, at most 32, may have 60 KiB of documents and "
	    "variables in all: open another connection." };

const struct protocol protocol_gw = {
	.name = "graphql-transport-ws",
	.refused = GW_FORBIDDEN,
	.broken = GW_INTERNAL,
	.turn = gw_turn,
	.work = gw_work,
	.error = gw_error,
	.note = gw_note,
	.render = gw_render,
	.expires = gw_expires,
	.goodbye = gw_goodbye,
};
/* Who opened a WebSocket at /graphql and did not say that he speaks this. */
const struct protocol protocol_none = { .name = "", .turn = turn_away };

static void
gw_turn(struct turn *t)
{
	struct gw *g = ARENA_NEW(t->a, struct gw);

	g->t = t;
	if (!t->begins || begin(g)) {
		if (!t->state->begun || t->state->acknowledged || ask_who(g))
			messages(g);
	} else {
		turn_end(t);
	}
}

/* Who can set header fields (browsers can't) may say there who he is; connection_init comes all the
 * same. */
static bool
begin(struct gw *g)
{
	const char *token = ops_bearer(g->t->a, turn_header(g->t, "authorization"));

	if (token == NULL) {
		turn_close(g->t, GW_FORBIDDEN, "Forbidden");
		return false;
	}
	g->t->state->credential = (char *)token;
	g->t->state->of_handshake = token[0] != '\0';
	return true;
}

static void
messages(struct gw *g)
{
	while (g->next < g->t->q->n_messages && !turn_closing(g->t))
		if (!take(g))
			return;
	if (!turn_closing(g->t))
		mind_stranger(g->t);
	mind_rest(g->t, g->look);
}

/* False: it goes on when an answer is there. */
static bool
take(struct gw *g)
{
	const ProtobufCBinaryData *text = &g->t->q->messages[g->next++];
	bool fine = gw_read(g->t->a, text->data, text->len, &g->m);

	if (g->m.own != NULL)
		call_own_json(g->t->c, g->m.own);
	if (!fine) {
		turn_close(g->t, GW_BAD_REQUEST, g->m.wrong);
		return true;
	}
	switch (g->m.type) {
	case GW_INIT:
		return init(g);
	case GW_PING:
		gw_say(g->t, "pong", g->m.payload);
		break;
	case GW_SUBSCRIBE:
		return subscribe(g);
	case GW_COMPLETE:
		complete(g);
		break;
	case GW_PONG:
	case GW_TYPES:
		break;
	}
	return true;
}

/* Without a credential it is anonymous, as a request over HTTP would be. */
static bool
init(struct gw *g)
{
	Mf__LiveState *s = g->t->state;
	const char *token = ops_bearer(g->t->a, g->m.authorization);

	if (s->begun) {
		turn_close(g->t, GW_SECOND_INIT, "Too many initialisation requests");
		return true;
	}
	s->begun = true;
	if (token == NULL) {
		turn_close(g->t, GW_FORBIDDEN, "Forbidden");
		return true;
	}
	if (token[0] != '\0') {
		s->credential = (char *)token;
		s->of_handshake = false;
	}
	return ask_who(g);
}

static bool
ask_who(struct gw *g)
{
	Mf__LiveState *s = g->t->state;

	if (s->credential[0] != '\0') {
		admit(g->t, s->credential, "", on_admitted, g);
		return false;
	}
	s->acknowledged = true;
	gw_say(g->t, "connection_ack", NULL);
	return true;
}

/* When nobody can judge, he waits: mind_stranger. */
static void
on_admitted(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	if (who != NULL) {
		mind_principal(t, t->state->credential, who);
		t->state->acknowledged = true;
		gw_say(t, "connection_ack", NULL);
	} else if (admit_refused(f)) {
		mind_refused(t);
		turn_close(t, GW_FORBIDDEN, "Forbidden");
	}
	messages(ctx);
}

static bool
subscribe(struct gw *g)
{
	const char *id = g->m.id;

	if (!g->t->state->acknowledged) {
		turn_close(g->t, GW_UNAUTHORIZED, "Unauthorized");
		return true;
	}
	if (turn_running(g->t, id) || subscription_find(g->t, id, NULL) != NULL) {
		turn_close(g->t, GW_ID_IN_USE,
		    arena_printf(g->t->a, "Subscriber for %s already exists",
			strlen(id) <= REASON_ID ? id : "this id"));
		return true;
	}
	if (graphql_is_subscription(&g->m.ask))
		return hear(g);
	submit(g);
	return true;
}

static void
submit(struct gw *g)
{
	Mf__LiveWork w = MF__LIVE_WORK__INIT;

	w.id = (char *)g->m.id;
	w.body = gw_request_write(g->t->a, &g->m.ask);
	w.credential = g->t->state->credential;
	w.client_address = g->t->state->client_address;
	turn_work(g->t, &w);
}

static bool
hear(struct gw *g)
{
	struct turn *t = g->t;
	Mf__LiveSubscription *s = ARENA_NEW(t->a, Mf__LiveSubscription);
	struct graphql_answer refused;
	const struct source *source;
	struct gw_compiled *compiled;

	mf__live_subscription__init(s);
	g->subscription = s;
	s->id = (char *)g->m.id;
	s->request = gw_request_write(t->a, &g->m.ask);
	if ((compiled = gw_compiled_get(t->a, s->request, &refused)) == NULL) {
		turn_say_text(t, gw_errors(t->a, s->id, refused.json, refused.n));
		return true;
	}
	source = prepare(g, compiled->subscription);
	gw_compiled_release(&compiled);
	if (source == NULL)
		return true;
	admit(t, t->state->credential, source->permission, on_permitted, g);
	return false;
}

/* What delivery needs of it stands in the state; NULL: it was refused. */
static const struct source *
prepare(struct gw *g, const struct graphql_subscription *compiled)
{
	struct turn *t = g->t;
	Mf__LiveSubscription *s = g->subscription;
	bool fleet = strcmp(graphql_source(compiled), "fleetEvents") == 0;
	const struct source *source = source_find(fleet ? "fleet" : "tasks");
	struct failure f = { .status = ST_OK };
	struct str text = graphql_source_text(compiled);

	s->topic = (char *)source->topic;
	s->position = arena_strdup(t->a, graphql_source_after(compiled));
	/* What this process was sent with its hash, another one need not know. */
	if (g->m.ask.query == NULL && str_starts(g->m.ask.document_id, "sha256:")) {
		g->m.ask.query = arena_strndup(t->a, text.p, text.n);
		s->request = gw_request_write(t->a, &g->m.ask);
	}
	if (s->position[0] != '\0' && !source->position_ok(str_of(s->position)))
		failure_violation(t->a, &f, "after", "must be a position that an event had");
	else if (take_filter(g, source, graphql_source_filter(compiled), &f) &&
		 !subscription_fits(t, s, STATE_MOST))
		f = full;
	if (f.status == ST_OK)
		return source;
	gw_error(t, s->id, &f);
	return NULL;
}

static bool
take_filter(struct gw *g, const struct source *source, const json_t *filter, struct failure *f)
{
	ProtobufCBinaryData *out = &g->subscription->filter;
	struct jw w;

	if (filter == NULL)
		return true;
	jw_start(&w, g->t->a, 256);
	jw_json(&w, NULL, filter);
	out->data = (uint8_t *)jw_text(&w, &out->len);
	return selection_read(g->t->a, source, filter, f) != NULL;
}

static void
on_permitted(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	struct gw *g = ctx;

	if (who != NULL) {
		subscription_add(t, g->subscription);
		g->look = true;
	} else {
		gw_error(t, g->m.id, f);
		if (f->status == ST_UNAUTHENTICATED && t->state->principal != NULL)
			turn_close(t, GW_FORBIDDEN, "Forbidden");
	}
	messages(g);
}

/* Something that has ended in the meantime is none of ours any more. */
static void
complete(struct gw *g)
{
	size_t i;

	if (subscription_find(g->t, g->m.id, &i) != NULL)
		subscription_remove(g->t, i);
	else if (turn_running(g->t, g->m.id))
		turn_drop(g->t, g->m.id);
}

static void
mind_stranger(struct turn *t)
{
	const Mf__LiveState *s = t->state;
	int64_t left = INIT_US - (int64_t)t->q->age_us;

	if (s->acknowledged)
		return;
	if (left <= 0 && s->begun)
		turn_close(t, WS_TRY_LATER, "nobody could judge the credential, try again later");
	else if (left <= 0)
		turn_close(t, GW_INIT_TIMEOUT, "Connection initialisation timeout");
	else
		turn_wake(t, s->begun && left > AGAIN_US ? AGAIN_US : left);
}

static void
turn_away(struct turn *t)
{
	turn_close(t, GW_NO_SUBPROTOCOL, "Subprotocol not acceptable");
	turn_end(t);
}
