/* sse: see sse.h. The client says nothing but its request; what is wrong with that is answered as
 * HTTP answers it. Once the stream is open it tells events until it ends: why stands in its last
 * words, and who comes back gets it as an answer. */
#include "api/live/sse.h"

#include <string.h>

#include "api/live/admit.h"
#include "api/live/mind.h"
#include "api/rest/rest.h"
#include "api/ws_frame.h"

#define RETRY_MS 1000 /* until a client whose connection broke comes back */

struct opening { /* of a stream */
	struct turn *t;
	struct sse_wish wish;
	size_t asked; /* topics whose permission was asked for */
};

static void sse_turn(struct turn *);
static void ask(struct opening *);
static void on_permitted(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void open_stream(struct opening *, const Mf__Principal *);
static void refuse(struct turn *, const struct failure *);
static void on_refused(const Mf__HttpResponse *, void *);
static void sse_work(struct call *, const Mf__LiveWork *, const char *);
static void sse_error(struct turn *, const char *, const struct failure *);
static bool sse_note(struct turn *, const Mf__LiveSubscription *, enum note);
static void say_note(struct turn *, const Mf__LiveSubscription *, enum note);
static bool sse_render(struct turn *, const Mf__LiveSubscription *, size_t,
    const struct source_event *const *, ProtobufCBinaryData *, void (*)(void *), void *);
static void sse_goodbye(struct turn *, int, const char *, const char *);
static ProtobufCBinaryData message(struct turn *, const char *, const char *, struct jw *);

const struct protocol protocol_sse = {
	.name = "sse",
	.refused = WS_POLICY,
	.turn = sse_turn,
	.work = sse_work,
	.error = sse_error,
	.note = sse_note,
	.render = sse_render,
	.goodbye = sse_goodbye,
};

static void
sse_turn(struct turn *t)
{
	static const Mf__HttpRequest none = MF__HTTP_REQUEST__INIT;
	struct opening *o;
	struct failure f;

	if (!t->begins) {
		mind_rest(t, false);
		return;
	}
	o = ARENA_NEW(t->a, struct opening);
	o->t = t;
	if (sse_read(t->a, t->q->opening == NULL ? &none : t->q->opening, &o->wish, &f))
		ask(o);
	else
		refuse(t, &f);
}

static void
ask(struct opening *o)
{
	admit(o->t, o->wish.credential, o->wish.sources[o->asked++]->permission, on_permitted, o);
}

/* Who could not be asked is asked again: the next turn begins anew. */
static void
on_permitted(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	struct opening *o = ctx;

	if (who == NULL && admit_refused(f))
		refuse(t, f);
	else if (who == NULL)
		call_fail_with(t->c, f);
	else if (o->asked < o->wish.n)
		ask(o);
	else
		open_stream(o, who);
}

static void
open_stream(struct opening *o, const Mf__Principal *who)
{
	struct turn *t = o->t;
	char *retry = arena_printf(t->a, "retry: %d\n\n", RETRY_MS);

	mind_principal(t, o->wish.credential, who);
	for (size_t i = 0; i < o->wish.n; i++)
		subscription_add(t, o->wish.subscriptions[i]);
	turn_say_text(t, (ProtobufCBinaryData){ strlen(retry), (uint8_t *)retry });
	mind_rest(t, true);
}

static void
refuse(struct turn *t, const struct failure *f)
{
	rest_refuse_to(t->c, t->q->opening, f, on_refused, t);
	turn_end(t);
}

static void
on_refused(const Mf__HttpResponse *m, void *ctx)
{
	turn_refuse(ctx, m);
}

static void
sse_work(struct call *c, const Mf__LiveWork *w, const char *operation_id)
{
	(void)w, (void)operation_id;
	call_fail(c, ST_UNIMPLEMENTED, "protocol: a stream of events has no work");
}

/* A topic is told no longer: then the stream ends. */
static void
sse_error(struct turn *t, const char *id, const struct failure *f)
{
	(void)id;
	if (t->begins)
		rest_refuse_to(t->c, t->q->opening, f, on_refused, t);
	else
		sse_goodbye(t, WS_POLICY, f->reason, f->message);
}

/* It begins when all of its topics have a place: an id before that could not say all of them. What
 * caught up meanwhile is told behind it. */
static bool
sse_note(struct turn *t, const Mf__LiveSubscription *s, enum note what)
{
	const Mf__LiveState *state = t->state;
	bool begins = what == NOTE_SUBSCRIBED;

	if (begins || what == NOTE_CAUGHT_UP)
		for (size_t i = 0; i < state->n_subscriptions; i++)
			if (state->subscriptions[i]->position[0] == '\0')
				return true;
	say_note(t, s, what);
	for (size_t i = 0; begins && i < state->n_subscriptions; i++) {
		Mf__LiveSubscription *other = state->subscriptions[i];

		if (other != s && other->live)
			say_note(t, other, NOTE_CAUGHT_UP);
		other->told = true;
	}
	return true;
}

static void
say_note(struct turn *t, const Mf__LiveSubscription *s, enum note what)
{
	static const char *const names[] = {
		[NOTE_SUBSCRIBED] = "subscribed",
		[NOTE_GAP] = "gap",
		[NOTE_LAGGING] = "lagging",
		[NOTE_CAUGHT_UP] = "caught_up",
	};
	const Mf__LiveState *state = t->state;
	struct jw w;

	jw_start(&w, t->a, 64);
	jw_object(&w, NULL);
	if (what == NOTE_SUBSCRIBED) {
		jw_array(&w, "topics");
		for (size_t i = 0; i < state->n_subscriptions; i++)
			jw_str(&w, NULL, state->subscriptions[i]->topic);
		jw_close(&w, ']');
	} else {
		jw_str(&w, "topic", s->topic);
	}
	turn_say_text(
	    t, message(t, names[what],
		   sse_position(t->a, state->n_subscriptions, state->subscriptions, s, s->position),
		   &w));
}

static bool
sse_render(struct turn *t, const Mf__LiveSubscription *s, size_t n,
    const struct source_event *const *e, ProtobufCBinaryData *out, void (*done)(void *ctx),
    void *ctx)
{
	const Mf__LiveState *state = t->state;

	for (size_t i = 0; i < n; i++) {
		struct jw w;

		jw_start(&w, t->a, e[i]->data_n + 64);
		jw_object(&w, NULL);
		jw_time(&w, "at", e[i]->at_us);
		jw_raw(&w, "data", e[i]->data, e[i]->data_n);
		out[i] = message(t, e[i]->kind,
		    sse_position(
			t->a, state->n_subscriptions, state->subscriptions, s, e[i]->position),
		    &w);
	}
	done(ctx);
	return true;
}

static void
sse_goodbye(struct turn *t, int code, const char *reason, const char *text)
{
	struct jw w;

	if (turn_closing(t))
		return;
	jw_start(&w, t->a, 128);
	jw_object(&w, NULL);
	jw_str(&w, "reason", reason);
	jw_str(&w, "detail", text);
	turn_say_text(t, message(t, "goodbye", NULL, &w));
	turn_close(t, code, text);
}

/* JSON has no line ends of its own: one line of data. Closes w. */
static ProtobufCBinaryData
message(struct turn *t, const char *event, const char *id, struct jw *w)
{
	ProtobufCBinaryData out;
	size_t n;
	char *data;

	jw_close(w, '}');
	data = jw_text(w, &n);
	out.data = (uint8_t *)arena_printf(t->a, "%s%s%sevent: %s\ndata: %.*s\n\n",
	    id == NULL ? "" : "id: ", id == NULL ? "" : id, id == NULL ? "" : "\n", event, (int)n,
	    data);
	out.len = strlen((char *)out.data);
	return out;
}
