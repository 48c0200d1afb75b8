/* v1_deliver: events of the log become messages, one subscription after the other.
 *
 * What is told and how far each subscription has come is made ready first, then the right to hear it
 * is confirmed, unless that was done a moment ago. When it is not confirmed all of it is taken back:
 * nothing is told on a permission that nobody would give any more, and nothing is lost when nobody
 * could be asked. */
#include <string.h>

#include "api/live/admit.h"
#include "api/live/selection.h"
#include "api/live/v1.h"
#include "base/time.h"
#include "bus/bus.h"

#define CONFIRMED_US (500 * MS)  /* so long a permission counts for what is told */
#define CONFIRM_US   (300 * SEC) /* where nothing is told it is asked for so often */
#define AGAIN_US     (1 * SEC)   /* after a source, or level 0, could not be asked */
#define FRAME_MOST   14          /* bytes around a message on its way */
#define ROOM_LEAST   512         /* below that nothing is read for the client */
#define PAGES_MOST   4           /* of one turn: others want theirs */

struct delivery {
	struct turn *t;
	void (*done)(struct turn *t);
	size_t n, at, first; /* subscriptions; begun elsewhere each time: none is always the last */
	unsigned pages;
	const struct source *source; /* of the one that is looked at */
	const struct selection *selection;
	size_t said;                  /* messages that stood in the step before */
	Mf__LiveSubscription *before; /* as they were */
	bool *ended;                  /* to be taken out */
	const struct source *asked;   /* whose permission is being confirmed */
};

static Mf__LiveSubscription *current(const struct delivery *);
static size_t index_of(const struct delivery *);
static void next(struct delivery *);
static bool prepare(struct delivery *);
static void read_on(struct delivery *);
static void on_page(void *, const struct source_page *, const struct failure *);
static void on_no_page(struct delivery *, const struct failure *);
static bool tell(struct delivery *, const struct source_page *);
static bool tell_event(struct delivery *, const struct source_event *);
static bool say_in_room(struct delivery *, size_t);
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
v1_deliver(struct turn *t, void (*done)(struct turn *t))
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
		.first = (size_t)(t->q->age_us / (uint64_t)MS) % n,
		.said = t->step.n_messages,
		.before = ARENA_ARRAY(t->a, Mf__LiveSubscription, n),
		.ended = ARENA_ARRAY(t->a, bool, n) };
	for (size_t i = 0; i < n; i++)
		d->before[i] = *t->state->subscriptions[i];
	next(d);
}

void
v1_unsubscribe(struct turn *t, size_t i)
{
	Mf__LiveState *s = t->state;

	s->n_subscriptions--;
	memmove(s->subscriptions + i, s->subscriptions + i + 1,
	    (s->n_subscriptions - i) * sizeof(*s->subscriptions));
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
	if (d->t->room < ROOM_LEAST || d->pages >= PAGES_MOST) {
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
	} else if (tell(d, p)) {
		if (p->more && d->pages < PAGES_MOST) {
			read_on(d);
			return;
		}
		if (p->more)
			d->t->step.more = true;
		else
			caught_up(d);
	}
	d->at++;
	next(d);
}

/* A position that is none of the log's ends the subscription; nobody there is asked again soon. */
static void
on_no_page(struct delivery *d, const struct failure *f)
{
	if (f->status != ST_INVALID_ARGUMENT && f->status != ST_OUT_OF_RANGE) {
		look_in(d->t, AGAIN_US);
		return;
	}
	v1_error(d->t, current(d)->id, f);
	d->ended[index_of(d)] = true;
}

/* True: all of the page is behind it. */
static bool
tell(struct delivery *d, const struct source_page *p)
{
	Mf__LiveSubscription *s = current(d);

	if (s->position[0] == '\0')
		s->position = arena_strdup(d->t->a, p->position);
	if (!s->told)
		v1_note(d->t, "subscribed", s->id, s->position);
	s->told = true;
	if (p->gap)
		v1_note(d->t, "gap", s->id, s->position);
	for (size_t i = 0; i < p->n; i++)
		if (!tell_event(d, &p->events[i]))
			return false;
	s->position = arena_strdup(d->t->a, p->position);
	return true;
}

/* False: it has to wait. */
static bool
tell_event(struct delivery *d, const struct source_event *e)
{
	Mf__LiveSubscription *s = current(d);

	if (selection_takes(d->selection, e)) {
		if (s->window != 0 && s->n_unacked >= s->window)
			return false;
		v1_event(d->t, s, e);
		if (!say_in_room(d, d->t->step.messages[d->t->step.n_messages - 1].len)) {
			d->t->step.n_messages--;
			d->t->step.more = true;
			if (!s->lagging)
				v1_note(d->t, "lagging", s->id, s->position);
			s->lagging = true;
			return false;
		}
		if (s->window != 0)
			push(d->t, s, e->position);
	}
	s->position = arena_strdup(d->t->a, e->position);
	return true;
}

/* An event that is larger than all the room there ever is goes when nothing else waits: to wait on
 * would be for ever. */
static bool
say_in_room(struct delivery *d, size_t n)
{
	struct turn *t = d->t;

	if (n + FRAME_MOST > t->room && t->step.n_messages > 1)
		return false;
	t->room -= n + FRAME_MOST < t->room ? n + FRAME_MOST : t->room;
	return true;
}

static void
push(struct turn *t, Mf__LiveSubscription *s, const char *position)
{
	char **more = ARENA_ARRAY(t->a, char *, s->n_unacked + 1);

	if (s->n_unacked != 0)
		memcpy(more, s->unacked, s->n_unacked * sizeof(*more));
	more[s->n_unacked++] = arena_strdup(t->a, position);
	s->unacked = more;
}

static void
caught_up(struct delivery *d)
{
	Mf__LiveSubscription *s = current(d);

	if (!s->live || s->lagging)
		v1_note(d->t, "caught_up", s->id, s->position);
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
		confirm_next(d);
		return;
	}
	take_back(d);
	if (f->status == ST_UNAUTHENTICATED)
		v1_goodbye(
		    t, V1_UNAUTHENTICATED, f->reason, "the credential does not count any more");
	else if (f->status == ST_PERMISSION_DENIED)
		forbid(d, f);
	else
		look_in(t, AGAIN_US);
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
		v1_error(d->t, s->id, f);
		d->ended[i] = true;
	}
	d->t->step.more = true;
}

static void
finish(struct delivery *d)
{
	for (size_t i = d->n; i-- > 0;)
		if (d->ended[i])
			v1_unsubscribe(d->t, i);
	d->done(d->t);
}
