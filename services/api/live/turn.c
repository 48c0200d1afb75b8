/* turn: see turn.h. */
#include "api/live/turn.h"

#include <string.h>

#include "api/live/source.h"
#include "api/ops/ops.h"
#include "base/log.h"

#define STATE_VERSION 1

static bool is_ours(const Mf__LiveState *);
static void refuse(struct call *, const struct protocol *);
static bool has(size_t, char *const *, const char *);
static void *grown(struct arena *, void *, size_t, size_t);

struct turn *
turn_begin(struct call *c, const struct protocol *p, const Mf__SessionTurn *q)
{
	struct turn *t = ARENA_NEW(call_arena(c), struct turn);

	*t = (struct turn){ .c = c, .protocol = p, .a = call_arena(c), .q = q, .room = q->room };
	mf__session_step__init(&t->step);
	t->begins = q->state.len == 0;
	if (t->begins) {
		t->state = ARENA_NEW(t->a, Mf__LiveState);
		mf__live_state__init(t->state);
		t->state->version = STATE_VERSION;
		t->state->client_address =
		    q->opening == NULL ? (char *)"" : q->opening->client_address;
	} else {
		t->state =
		    mf__live_state__unpack(arena_allocator(t->a), q->state.len, q->state.data);
	}
	if (t->state != NULL && is_ours(t->state))
		return t;
	refuse(c, p);
	return NULL;
}

static bool
is_ours(const Mf__LiveState *s)
{
	for (size_t i = 0; i < s->n_subscriptions; i++)
		if (source_find(s->subscriptions[i]->topic) == NULL)
			return false;
	return s->version == STATE_VERSION;
}

/* Of a program that is older than what its state has, or a bug. */
static void
refuse(struct call *c, const struct protocol *p)
{
	Mf__SessionStep step = MF__SESSION_STEP__INIT;
	uint8_t nothing = 0;

	if (p->broken == 0) {
		call_fail(c, ST_INTERNAL, "state: is none of ours");
		return;
	}
	log_error("session_state_broken", L_STR("protocol", p->name));
	step.state = (ProtobufCBinaryData){ 1, &nothing };
	step.close_code = (uint32_t)p->broken;
	step.close_reason = (char *)"Internal server error";
	call_reply(c, &step.base);
}

void
turn_say(struct turn *t, struct jw *w)
{
	ProtobufCBinaryData text;

	text.data = (uint8_t *)jw_text(w, &text.len);
	turn_say_text(t, text);
}

void
turn_say_text(struct turn *t, ProtobufCBinaryData text)
{
	Mf__SessionStep *s = &t->step;

	s->messages = grown(t->a, s->messages, s->n_messages, sizeof(*s->messages));
	s->messages[s->n_messages++] = text;
}

bool
turn_running(const struct turn *t, const char *id)
{
	if (has(t->q->n_running, t->q->running, id) && !has(t->step.n_dropped, t->step.dropped, id))
		return true;
	for (size_t i = 0; i < t->step.n_work; i++)
		if (strcmp(t->step.work[i]->id, id) == 0)
			return true;
	return false;
}

void
turn_work(struct turn *t, const Mf__LiveWork *w)
{
	Mf__SessionStep *s = &t->step;
	Mf__SessionJob *job = ARENA_NEW(t->a, Mf__SessionJob);

	mf__session_job__init(job);
	job->id = w->id;
	job->work.data = arena_alloc(t->a, mf__live_work__get_packed_size(w) + 1);
	job->work.len = mf__live_work__pack(w, job->work.data);
	s->work = grown(t->a, s->work, s->n_work, sizeof(*s->work));
	s->work[s->n_work++] = job;
}

void
turn_drop(struct turn *t, const char *id)
{
	Mf__SessionStep *s = &t->step;

	for (size_t i = 0; i < s->n_work; i++)
		if (strcmp(s->work[i]->id, id) == 0) {
			s->work[i] = s->work[--s->n_work]; /* it does not even begin */
			return;
		}
	s->dropped = grown(t->a, s->dropped, s->n_dropped, sizeof(*s->dropped));
	s->dropped[s->n_dropped++] = arena_strdup(t->a, id);
}

void
turn_close(struct turn *t, int code, const char *reason)
{
	if (turn_closing(t))
		return;
	t->step.close_code = (uint32_t)code;
	t->step.close_reason = (char *)reason;
}

void
turn_refuse(struct turn *t, const Mf__HttpResponse *m)
{
	t->step.refusal = (Mf__HttpResponse *)m;
}

bool
turn_closing(const struct turn *t)
{
	return t->step.close_code != 0 || t->step.refusal != NULL;
}

void
turn_wake(struct turn *t, int64_t in_us)
{
	uint64_t in = in_us > 0 ? (uint64_t)in_us : 1;

	if (t->step.wake_us == 0 || in < t->step.wake_us)
		t->step.wake_us = in;
}

void
turn_listen(struct turn *t, const char *topic)
{
	Mf__SessionStep *s = &t->step;

	if (has(s->n_listens, s->listens, topic))
		return;
	s->listens = grown(t->a, s->listens, s->n_listens, sizeof(*s->listens));
	s->listens[s->n_listens++] = (char *)topic;
}

const char *
turn_header(const struct turn *t, const char *name)
{
	return t->q->opening == NULL ? "" : ops_header(t->q->opening, name);
}

void
turn_end(struct turn *t)
{
	t->step.state.len = mf__live_state__get_packed_size(t->state);
	t->step.state.data = arena_alloc(t->a, t->step.state.len);
	mf__live_state__pack(t->state, t->step.state.data);
	if ((t->q->want_principal || t->renewed) && t->state->principal != NULL) {
		t->step.principal =
		    arena_dup(t->a, t->state->principal, sizeof(*t->state->principal));
		t->step.principal->n_permissions = 0;
	}
	call_reply(t->c, &t->step.base);
}

static bool
has(size_t n, char *const *names, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Room for one more, twice as much whenever it is full. */
static void *
grown(struct arena *a, void *p, size_t n, size_t size)
{
	void *more;

	if (n != 0 && (n & (n - 1)) != 0)
		return p;
	more = arena_alloc(a, (n == 0 ? 1 : 2 * n) * size);
	if (n != 0)
		memcpy(more, p, n * size);
	return more;
}
