/* gw_event: events of a subscription are executed side by side, each as the request that it is: what
 * its document asks for beyond the event is loaded with the session's credential. */
#include "api/live/gw.h"
#include "base/log.h"
#include "base/time.h"

struct rendering { /* in the arena of the turn */
	struct call_dep dep;
	struct turn *t;
	const char *id;
	struct gw_compiled *compiled;
	struct graphql_ask who;
	size_t pending;
	void (*done)(void *ctx);
	void *ctx;
};

struct one {
	struct rendering *r;
	ProtobufCBinaryData *out;
};

static json_t *event_json(struct turn *, const struct source_event *);
static void on_executed(void *, const struct graphql_answer *);
static void on_cancelled(struct call_dep *);
static void settle(struct rendering *);

bool
gw_render(struct turn *t, const Mf__LiveSubscription *s, size_t n,
    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
    void *ctx)
{
	struct rendering *r = ARENA_NEW(t->a, struct rendering);
	struct one *each = ARENA_ARRAY(t->a, struct one, n);
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
	r->done = done;
	r->ctx = ctx;
	r->pending = n + 1; /* some are done at once, but not all before they have begun */
	call_attach(t->c, &r->dep);
	for (size_t i = 0; i < n; i++) {
		each[i] = (struct one){ r, &out[i] };
		graphql_event(t->c, r->compiled->subscription, &r->who, event_json(t, e[i]),
		    on_executed, &each[i]);
	}
	settle(r);
	return true;
}

static json_t *
event_json(struct turn *t, const struct source_event *e)
{
	char at[TIME_RFC3339_LEN];
	struct json_error why;
	json_t *v = json_read(e->data, e->data_n, &why);

	must(json_is_object(v));
	call_own_json(t->c, v);
	time_rfc3339(e->at_us, at);
	json_object_set_new(v, "position", json_string(e->position));
	json_object_set_new(v, "kind", json_string(e->kind));
	json_object_set_new(v, "at", json_string(at));
	return v;
}

static void
on_executed(void *ctx, const struct graphql_answer *a)
{
	const struct one *x = ctx;

	*x->out = gw_next(x->r->t->a, x->r->id, a->json, a->n);
	settle(x->r);
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

static void
on_cancelled(struct call_dep *d)
{
	struct rendering *r = container_of(d, struct rendering, dep);

	gw_compiled_release(&r->compiled);
}
