/* deliver: see deliver.h. One subscription after the other, some events at a time.
 *
 * What is told and how far each subscription has come is made ready first, then the right to hear it
 * is confirmed, unless that was done a moment ago. When it is not confirmed all of it is taken back:
 * nothing is told on a permission that nobody would give any more, and nothing is lost when nobody
 * could be asked. */
#include "api/live/deliver.h"

#include <string.h>

#include "api/live/admit.h"
#include "api/live/mind.h"
#include "api/live/selection.h"
#include "base/time.h"
#include "bus/bus.h"

#define CONFIRMED_US (500 * MS)  /* so long a permission counts for what is told */
#define CONFIRM_US   (300 * SEC) /* where nothing is told it is asked for so often */
#define AGAIN_US     (1 * SEC)   /* after a source, or level 0, could not be asked */
#define FRAME_MOST   14          /* bytes around a message on its way */
#define ROOM_LEAST   512         /* below that nothing is read for the client */
#define PAGES_MOST   4           /* of one turn: others want theirs */
#define RENDER_MOST  8           /* events at a time */
#define TELL_US      (500 * MS)  /* after so long the rest is for the next turn */

struct delivery {
	struct turn *t;
	void (*done)(struct turn *t);
	size_t n, at, first; /* subscriptions; begun elsewhere each time: none is always the last */
	unsigned pages;
	const struct source *source; /* of the one that is looked at */
	const struct selection *selection;
	struct page { /* what it wants of the page that was read */
		const struct source_event **events;
		size_t n, told, rendering;
		const char *position;
		bool gap, more;
	} page;
	ProtobufCBinaryData rendered[RENDER_MOST];
	int64_t began_us;
	size_t said;                  /* messages that stood in the step before */
	Mf__LiveSubscription *before; /* as they were */
	bool *ended;                  /* to be taken out */
	const struct source *asked;   /* whose permission is being confirmed */
};

static Mf__LiveSubscription *current(const struct delivery *);
static size_t first_of(const struct turn *);
static size_t index_of(const struct delivery *);
static void next(struct delivery *);
static bool prepare(struct delivery *);
static bool is_late(const struct delivery *);
static void read_on(struct delivery *);
static void on_page(void *, const struct source_page *, const struct failure *);
static void on_no_page(struct delivery *, const struct failure *);
static void keep_page(struct delivery *, const struct source_page *);
static bool begin_page(struct delivery *);
static void render(struct delivery *);
static void on_rendered(void *);
static bool tell(struct delivery *, const struct source_event *, ProtobufCBinaryData);
static void wait_for(struct delivery *);
static void end_page(struct delivery *);
static void skip(struct delivery *);
static bool say_in_room(struct delivery *, ProtobufCBinaryData);
static void push(struct turn *, Mf__LiveSubscription *, const char *);
static void caught_up(struct delivery *);
static void confirm(struct delivery *);
static void confirm_next(struct delivery *);
static void on_confirmed(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void look_in(struct turn *, int64_t);
static void take_back(struct delivery *);
static void forbid(struct delivery *, const struct failure *);
static void finish(struct delivery *);

void
deliver(struct turn *t, void (*done)(struct turn *t))
{
	struct delivery *d = ARENA_NEW(t->a, struct delivery);
	size_t n = t->state->n_subscriptions;

	t->state->look_us = 0;
	if (n == 0) {
		done(t);
		return;
	}
	*d = (struct delivery){ .t = t,
		.done = done,
		.n = n,
		.began_us = loop_now(call_loop(t->c)),
		.first = first_of(t),
		.said = t->step.n_messages,
		.before = ARENA_ARRAY(t->a, Mf__LiveSubscription, n),
		.ended = ARENA_ARRAY(t->a, bool, n) };
	for (size_t i = 0; i < n; i++)
		d->before[i] = *t->state->subscriptions[i];
	next(d);
}

/* One that has no place in the log yet gets that before others tell theirs. */
static size_t
first_of(const struct turn *t)
{
	size_t n = t->state->n_subscriptions;

	for (size_t i = 0; i < n; i++)
		if (t->state->subscriptions[i]->position[0] == '\0')
			return i;
	return (size_t)(t->q->age_us / (uint64_t)MS) % n;
}

static size_t
index_of(const struct delivery *d)
{
	return (d->first + d->at) % d->n;
}

static Mf__LiveSubscription *
current(const struct delivery *d)
{
	return d->t->state->subscriptions[index_of(d)];
}

static void
next(struct delivery *d)
{
	while (d->at < d->n && !prepare(d))
		d->at++;
	if (d->at < d->n)
		read_on(d);
	else
		confirm(d);
}

/* False: nothing can be told to it now. */
static bool
prepare(struct delivery *d)
{
	const Mf__LiveSubscription *s = current(d);
	struct failure f = { .status = ST_OK };
	struct json_error e;
	json_t *v = NULL;

	if (s->window != 0 && s->n_unacked >= s->window)
		return false; /* an ack brings us back here */
	if (d->t->room < ROOM_LEAST || d->pages >= PAGES_MOST || is_late(d)) {
		d->t->step.more = true;
		return false;
	}
	d->source = source_find(s->topic);
	if (s->filter.len != 0)
		v = json_read(s->filter.data, s->filter.len, &e);
	d->selection =
	    selection_read(d->t->a, d->source, v, &f); /* it was looked at when it came */
	json_decref(v);
	return d->selection != NULL;
}

static bool
is_late(const struct delivery *d)
{
	return loop_now(call_loop(d->t->c)) - d->began_us >= TELL_US;
}

static void
read_on(struct delivery *d)
{
	d->pages++;
	source_page_after(d->t->c, d->source, current(d)->position, on_page, d);
}

static void
on_page(void *ctx, const struct source_page *p, const struct failure *f)
{
	struct delivery *d = ctx;

	if (p == NULL) {
		on_no_page(d, f);
		skip(d);
		return;
	}
	keep_page(d, p);
	if (begin_page(d)) {
		render(d);
		return;
	}
	d->ended[index_of(d)] = true;
	skip(d);
}

/* A position that is none of the log's ends the subscription; nobody there is asked again soon. */
static void
on_no_page(struct delivery *d, const struct failure *f)
{
	if (f->status != ST_INVALID_ARGUMENT && f->status != ST_OUT_OF_RANGE) {
		look_in(d->t, AGAIN_US);
		return;
	}
	d->t->protocol->error(d->t, current(d)->id, f);
	d->ended[index_of(d)] = true;
}

/* The page goes with this callback; to make messages of its events may take longer. */
static void
keep_page(struct delivery *d, const struct source_page *p)
{
	struct arena *a = d->t->a;

	d->page = (struct page){ .events = ARENA_ARRAY(a, const struct source_event *, p->n + 1),
		.position = arena_strdup(a, p->position),
		.gap = p->gap,
		.more = p->more };
	for (size_t i = 0; i < p->n; i++) {
		const struct source_event *e = &p->events[i];
		struct source_event *own;

		if (!selection_takes(d->selection, e))
			continue;
		own = arena_dup(a, e, sizeof(*e));
		own->position = arena_strdup(a, e->position);
		own->kind = arena_strdup(a, e->kind);
		own->data = arena_dup(a, e->data, e->data_n);
		own->n_facts = 0;
		own->facts = NULL;
		d->page.events[d->page.n++] = own;
	}
}

/* False: it ends with that. */
static bool
begin_page(struct delivery *d)
{
	const struct protocol *p = d->t->protocol;
	Mf__LiveSubscription *s = current(d);

	if (s->position[0] == '\0')
		s->position = (char *)d->page.position;
	if (!s->told && !p->note(d->t, s, NOTE_SUBSCRIBED))
		return false;
	s->told = true;
	return !d->page.gap || p->note(d->t, s, NOTE_GAP);
}

/* Some more of the page, as many as its window takes. */
static void
render(struct delivery *d)
{
	const Mf__LiveSubscription *s = current(d);
	struct page *p = &d->page;
	size_t n = p->n - p->told;

	if (n == 0) {
		end_page(d);
		return;
	}
	if (n > RENDER_MOST)
		n = RENDER_MOST;
	if (s->window != 0 && n > s->window - s->n_unacked)
		n = s->window - s->n_unacked;
	if (n == 0 || is_late(d)) {
		d->t->step.more = d->t->step.more || n != 0;
		skip(d);
		return;
	}
	p->rendering = n;
	if (d->t->protocol->render(d->t, s, n, p->events + p->told, d->rendered, on_rendered, d))
		return;
	d->ended[index_of(d)] = true;
	skip(d);
}

static void
on_rendered(void *ctx)
{
	struct delivery *d = ctx;
	struct page *p = &d->page;

	if (d->rendered[0].data == NULL) {
		wait_for(d);
		return;
	}
	for (size_t i = 0; i < p->rendering; i++, p->told++)
		if (!tell(d, p->events[p->told], d->rendered[i])) {
			skip(d);
			return;
		}
	render(d);
}

/* False: it has to wait. */
static bool
tell(struct delivery *d, const struct source_event *e, ProtobufCBinaryData text)
{
	struct turn *t = d->t;
	Mf__LiveSubscription *s = current(d);

	if (text.data == NULL || !say_in_room(d, text)) {
		t->step.more = true;
		if (!s->lagging)
			(void)t->protocol->note(t, s, NOTE_LAGGING);
		s->lagging = true;
		return false;
	}
	if (s->window != 0)
		push(t, s, e->position);
	s->position = (char *)e->position;
	s->late = 0;
	return true;
}

/* The next event did not become a message in time: once more, not at once. */
static void
wait_for(struct delivery *d)
{
	current(d)->late++;
	look_in(d->t, AGAIN_US);
	skip(d);
}

/* All of it is behind the subscription. */
static void
end_page(struct delivery *d)
{
	current(d)->position = (char *)d->page.position;
	if (!d->page.more) {
		caught_up(d);
	} else if (d->pages < PAGES_MOST && !is_late(d)) {
		read_on(d);
		return;
	} else {
		d->t->step.more = true;
	}
	skip(d);
}

/* To the next subscription. */
static void
skip(struct delivery *d)
{
	d->at++;
	next(d);
}

/* An event that is larger than all the room there ever is goes when nothing else waits: to wait on
 * would be for ever. */
static bool
say_in_room(struct delivery *d, ProtobufCBinaryData text)
{
	struct turn *t = d->t;
	size_t n = text.len + FRAME_MOST;

	if (n > t->room && t->step.n_messages != 0)
		return false;
	turn_say_text(t, text);
	t->room -= n < t->room ? n : t->room;
	return true;
}

static void
push(struct turn *t, Mf__LiveSubscription *s, const char *position)
{
	char **more = ARENA_ARRAY(t->a, char *, s->n_unacked + 1);

	if (s->n_unacked != 0)
		memcpy(more, s->unacked, s->n_unacked * sizeof(*more));
	more[s->n_unacked++] = (char *)position;
	s->unacked = more;
}

static void
caught_up(struct delivery *d)
{
	Mf__LiveSubscription *s = current(d);

	if (!s->live || s->lagging)
		(void)d->t->protocol->note(d->t, s, NOTE_CAUGHT_UP);
	s->live = true;
	s->lagging = false;
}

static void
confirm(struct delivery *d)
{
	struct turn *t = d->t;
	bool tells = t->step.n_messages != d->said;
	uint64_t age = t->q->age_us - t->state->verified_us;

	if (age < (uint64_t)(tells ? CONFIRMED_US : CONFIRM_US)) {
		look_in(t, CONFIRM_US - (int64_t)age);
		finish(d);
		return;
	}
	confirm_next(d);
}

/* Each topic that somebody here listens to, once, in the order of their names. */
static void
confirm_next(struct delivery *d)
{
	struct turn *t = d->t;
	const struct source *s = NULL;

	for (size_t i = 0; i < d->n; i++) {
		const struct source *one = source_find(t->state->subscriptions[i]->topic);

		if ((d->asked == NULL || strcmp(one->topic, d->asked->topic) > 0) &&
		    (s == NULL || strcmp(one->topic, s->topic) < 0))
			s = one;
	}
	if (s == NULL) {
		t->state->verified_us = t->q->age_us;
		look_in(t, CONFIRM_US);
		finish(d);
		return;
	}
	d->asked = s;
	admit(t, t->state->credential, s->permission, on_confirmed, d);
}

static void
on_confirmed(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	struct delivery *d = ctx;

	if (who != NULL) {
		mind_still(t, who);
		confirm_next(d);
		return;
	}
	take_back(d);
	if (f->status == ST_UNAUTHENTICATED) {
		mind_refused(t);
		t->protocol->goodbye(
		    t, t->protocol->refused, f->reason, "the credential does not count any more");
	} else if (f->status == ST_PERMISSION_DENIED) {
		forbid(d, f);
	} else {
		look_in(t, AGAIN_US);
	}
	finish(d);
}

/* Then the log is looked into again, though no bell rings. The earliest one counts. */
static void
look_in(struct turn *t, int64_t us)
{
	uint64_t at = t->q->age_us + (uint64_t)us;

	if (t->state->look_us == 0 || at < t->state->look_us)
		t->state->look_us = at;
}

static void
take_back(struct delivery *d)
{
	d->t->step.n_messages = d->said;
	for (size_t i = 0; i < d->n; i++) {
		*d->t->state->subscriptions[i] = d->before[i];
		d->ended[i] = false;
	}
}

/* What remains is told in the next turn. */
static void
forbid(struct delivery *d, const struct failure *f)
{
	for (size_t i = 0; i < d->n; i++) {
		const Mf__LiveSubscription *s = d->t->state->subscriptions[i];

		if (strcmp(s->topic, d->asked->topic) != 0)
			continue;
		d->t->protocol->error(d->t, s->id, f);
		d->ended[i] = true;
	}
	d->t->step.more = true;
}

static void
finish(struct delivery *d)
{
	for (size_t i = d->n; i-- > 0;)
		if (d->ended[i])
			subscription_remove(d->t, i);
	d->done(d->t);
}
