/* gw_event: events of a subscription are executed side by side, each as the request that it is: what
 * its document asks for beyond the event is loaded with the session's credential, in a call and within
 * bounds of its own. */
#include "api/live/gw.h"
#include "base/log.h"
#include "base/time.h"

#define EVENT_LIMIT_US (700 * MS) /* beyond, it is for another turn */
#define LATE_MOST      3 /* tries beyond it; then the client hears that there was no time */

struct one { /* event */
	struct rendering *r;
	struct call *call; /* NULL: it is done */
	ProtobufCBinaryData *out;
};

struct rendering { /* in the arena of the turn */
	struct call_dep dep;
	struct turn *t;
	const char *id;
	struct gw_compiled *compiled;
	struct graphql_ask who;
	bool last_try; /* of the first event */
	size_t n, pending, bytes;
	struct one *each;
	void (*done)(void *ctx);
	void *ctx;
};

static void execute(struct one *, const struct source_event *);
static json_t *event_json(struct call *, const struct source_event *);
static void on_executed(void *, const struct graphql_answer *);
static void on_end(struct call *, const struct call_end *, void *);
static void on_cancelled(struct call_dep *);
static void settle(struct rendering *);

bool
gw_render(struct turn *t, const Mf__LiveSubscription *s, size_t n,
    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
    void *ctx)
{
	struct rendering *r = ARENA_NEW(t->a, struct rendering);
	struct graphql_answer refused;

	/* It was compiled when it came: another configuration of this process has forbidden it. */
	if ((r->compiled = gw_compiled_get(t->a, s->request, &refused)) == NULL) {
		turn_say_text(t, gw_errors(t->a, s->id, refused.json, refused.n));
		return false;
	}
	r->dep.cancel = on_cancelled;
	r->t = t;
	r->id = s->id;
	r->who = (struct graphql_ask){ .operation_name = "",
		.credential = t->state->credential,
		.client_address = t->state->client_address,
		.operation_id = t->q->session_id };
	r->last_try = s->late >= LATE_MOST;
	r->done = done;
	r->ctx = ctx;
	r->n = n;
	r->each = ARENA_ARRAY(t->a, struct one, n);
	r->pending = n + 1; /* some are done at once, but not all before they have begun */
	call_attach(t->c, &r->dep);
	for (size_t i = 0; i < n; i++) {
		out[i] = (ProtobufCBinaryData){ 0, NULL };
		r->each[i] = (struct one){ .r = r, .out = &out[i] };
		execute(&r->each[i], e[i]);
	}
	settle(r);
	return true;
}

static void
execute(struct one *x, const struct source_event *e)
{
	const struct rendering *r = x->r;

	x->call =
	    call_root(call_bus(r->t->c), &(const struct call_opts){ .limit_us = EVENT_LIMIT_US,
					     .traceparent = call_traceparent(r->t->c),
					     .done = on_end,
					     .ctx = x });
	graphql_event(
	    x->call, r->compiled->subscription, &r->who, event_json(x->call, e), on_executed, x);
}

static json_t *
event_json(struct call *c, const struct source_event *e)
{
	char at[TIME_RFC3339_LEN];
	struct json_error why;
	json_t *v = json_read(e->data, e->data_n, &why);

	must(json_is_object(v));
	call_own_json(c, v);
	time_rfc3339(e->at_us, at);
	json_object_set_new(v, "position", json_string(e->position));
	json_object_set_new(v, "kind", json_string(e->kind));
	json_object_set_new(v, "at", json_string(at));
	return v;
}

/* What there is no room for is not kept either, but for the first one: it has to come some time. */
static void
on_executed(void *ctx, const struct graphql_answer *a)
{
	static const Mf__Empty nothing = MF__EMPTY__INIT;
	const struct one *x = ctx;
	struct rendering *r = x->r;

	if (x == r->each || r->bytes + a->n <= r->t->room) {
		*x->out = gw_next(r->t->a, r->id, a->json, a->n);
		r->bytes += a->n;
	}
	call_reply(x->call, &nothing.base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	static const char no_time[] =
	    "{\"errors\":[{\"message\":\"there was no time to read what was asked of the event\","
	    "\"extensions\":{\"code\":\"DEADLINE_EXCEEDED\"}}],\"data\":null}";
	struct one *x = ctx;
	struct rendering *r = x->r;

	(void)c;
	if (x->call == NULL)
		return; /* given up by us */
	x->call = NULL;
	if (end->failure != NULL && x == r->each && r->last_try)
		*x->out = gw_next(r->t->a, r->id, no_time, sizeof(no_time) - 1);
	settle(r);
}

static void
settle(struct rendering *r)
{
	if (--r->pending != 0)
		return;
	call_detach(r->t->c, &r->dep);
	gw_compiled_release(&r->compiled);
	r->done(r->ctx);
}

/* The turn has ended. */
static void
on_cancelled(struct call_dep *d)
{
	struct rendering *r = container_of(d, struct rendering, dep);

	for (size_t i = 0; i < r->n; i++) {
		struct call *c = r->each[i].call;

		r->each[i].call = NULL;
		if (c != NULL)
			call_cancel(c);
	}
	gw_compiled_release(&r->compiled);
}
