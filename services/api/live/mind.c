/* mind: see mind.h. */
#include "api/live/mind.h"

#include <string.h>

#include "api/live/admit.h"
#include "api/live/deliver.h"
#include "api/live/source.h"
#include "api/ops/ops.h"
#include "api/ws_frame.h"
#include "base/time.h"

#define IDLE_US (600 * SEC) /* without a word, a subscription and work */
#define WARN_US (60 * SEC)  /* before the credential ends */

struct doubt {
	struct turn *t;
	bool look;
};

static void undone(struct turn *);
static void rest(struct turn *, bool);
static void on_judged(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void mind_silence(struct turn *);
static void mind_credential(struct turn *);
static void end(struct turn *);

void
mind_principal(struct turn *t, const char *credential, const Mf__Principal *who)
{
	Mf__LiveState *s = t->state;

	s->credential = (char *)credential;
	t->renewed = true;
	mind_still(t, who);
	/* What may be heard was not asked for. */
	if (s->n_subscriptions == 0)
		s->verified_us = t->q->age_us;
	s->warned = false;
	if (s->of_handshake)
		t->step.handshake = 200;
}

void
mind_still(struct turn *t, const Mf__Principal *who)
{
	t->state->principal = arena_dup(t->a, who, sizeof(*who));
	t->state->principal->n_permissions = 0; /* level 0 is asked for those, each time */
}

void
mind_refused(struct turn *t)
{
	if (t->state->of_handshake)
		t->step.handshake = 401;
}

Mf__LiveSubscription *
subscription_find(const struct turn *t, const char *id, size_t *at)
{
	for (size_t i = 0; i < t->state->n_subscriptions; i++)
		if (strcmp(t->state->subscriptions[i]->id, id) == 0) {
			if (at != NULL)
				*at = i;
			return t->state->subscriptions[i];
		}
	return NULL;
}

void
subscription_add(struct turn *t, Mf__LiveSubscription *sub)
{
	Mf__LiveState *s = t->state;
	Mf__LiveSubscription **all =
	    ARENA_ARRAY(t->a, Mf__LiveSubscription *, s->n_subscriptions + 1);

	if (s->n_subscriptions != 0)
		memcpy(all, s->subscriptions, s->n_subscriptions * sizeof(*all));
	all[s->n_subscriptions++] = sub;
	s->subscriptions = all;
}

bool
subscription_fits(const struct turn *t, const Mf__LiveSubscription *more, size_t bytes)
{
	const Mf__LiveState *s = t->state;

	return s->n_subscriptions < SUBSCRIPTIONS_MOST &&
	       mf__live_state__get_packed_size(s) + mf__live_subscription__get_packed_size(more) <=
	           bytes;
}

void
subscription_remove(struct turn *t, size_t i)
{
	Mf__LiveState *s = t->state;

	s->n_subscriptions--;
	memmove(s->subscriptions + i, s->subscriptions + i + 1,
	    (s->n_subscriptions - i) * sizeof(*s->subscriptions));
}

void
mind_rest(struct turn *t, bool look)
{
	struct doubt *d;

	if (!t->q->doubt || t->state->principal == NULL || turn_closing(t)) {
		rest(t, look);
		return;
	}
	d = ARENA_NEW(t->a, struct doubt);
	*d = (struct doubt){ t, look };
	admit(t, t->state->credential, "", on_judged, d);
}

/* While nobody can judge, nothing is told: the turn is taken again. */
static void
on_judged(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	const struct doubt *d = ctx;

	if (who == NULL && !admit_refused(f)) {
		call_fail_because(t->c, ST_UNAVAILABLE, "UNJUDGED", 0,
		    "whether the credential still counts can't be asked now");
		return;
	}
	if (who == NULL) {
		mind_refused(t);
		t->protocol->goodbye(
		    t, t->protocol->refused, f->reason, "the credential does not count any more");
	}
	rest(t, d->look);
}

static void
rest(struct turn *t, bool look)
{
	const Mf__LiveState *s = t->state;

	undone(t);
	if (t->q->leaving)
		t->protocol->goodbye(t, WS_GOING_AWAY, "GOING_AWAY", "the server is going away");
	if (!turn_closing(t))
		mind_credential(t);
	if (!turn_closing(t))
		mind_silence(t);
	look = look || t->q->bell || (s->look_us != 0 && t->q->age_us >= s->look_us);
	if (look && !turn_closing(t))
		deliver(t, end);
	else
		end(t);
}

/* It may have been done all the same: its answer was lost. */
static void
undone(struct turn *t)
{
	struct failure f;

	for (size_t i = 0; i < t->q->n_undone; i++) {
		const Mf__SessionUndone *u = t->q->undone[i];
		const Mf__LiveWork *w =
		    mf__live_work__unpack(arena_allocator(t->a), u->work.len, u->work.data);

		if (w == NULL || u->problem == NULL)
			continue;
		problem_from(t->a, u->problem, &f);
		t->protocol->error(t, w->id, &f);
	}
}

static void
mind_silence(struct turn *t)
{
	bool busy = t->state->n_subscriptions != 0 || t->q->n_running != 0 || t->step.n_work != 0;
	int64_t left = IDLE_US - (int64_t)t->q->idle_us;

	if (busy)
		return;
	if (left <= 0)
		t->protocol->goodbye(t, WS_NORMAL, "IDLE", "nothing was said for ten minutes");
	else
		turn_wake(t, left);
}

static void
mind_credential(struct turn *t)
{
	Mf__LiveState *s = t->state;
	int64_t expires = s->principal == NULL ? 0 : (int64_t)s->principal->expires_at;
	int64_t left = expires - time_wall_us();

	if (expires == 0)
		return;
	if (left <= 0) {
		t->protocol->goodbye(
		    t, t->protocol->refused, "TOKEN_EXPIRED", "the credential has expired");
		return;
	}
	if (left <= WARN_US && !s->warned) {
		s->warned = true;
		if (t->protocol->expires != NULL)
			t->protocol->expires(t, expires);
	}
	turn_wake(t, s->warned ? left : left - WARN_US);
}

/* Whatever this turn was about: the bell goes on ringing for what is subscribed to. */
static void
end(struct turn *t)
{
	const Mf__LiveState *s = t->state;

	for (size_t i = 0; i < s->n_subscriptions; i++)
		turn_listen(t, source_find(s->subscriptions[i]->topic)->bell);
	if (s->look_us != 0)
		turn_wake(t, (int64_t)s->look_us - (int64_t)t->q->age_us);
	turn_end(t);
}
