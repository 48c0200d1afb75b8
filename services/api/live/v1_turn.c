/* v1_turn: what happens in one turn of metafed.v1, top to bottom: the session begins, messages one
 * after the other, what became of work that nobody did, time, events. Where something has to be asked
 * the next step is the answer's. */
#include <string.h>
#include <strings.h>

#include "api/live/admit.h"
#include "api/live/v1.h"
#include "base/time.h"

#define AUTH_US      (10 * SEC)  /* to say who it is */
#define IDLE_US      (600 * SEC) /* without a word, a subscription and work */
#define WARN_US      (60 * SEC)  /* before the credential ends */
#define WINDOWS_MOST 1024        /* events of all windows: their positions stand in the state */

struct v1 { /* of one turn */
	struct turn *t;
	size_t next;         /* message */
	bool look;           /* there may be events to tell */
	struct v1_message m; /* the one that something is being asked for */
};

static void v1_turn(struct turn *);
static void begin(struct v1 *);
static void messages(struct v1 *);
static bool take(struct v1 *);
static bool take_auth(struct v1 *);
static void on_auth(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void sign(struct turn *, const char *, const Mf__Principal *, const char *);
static void submit(struct v1 *);
static bool subscribe(struct v1 *);
static void on_permitted(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void unsubscribe(struct v1 *);
static void ack(struct v1 *);
static void cancel(struct v1 *);
static Mf__LiveSubscription *subscription(const struct turn *, const char *, size_t *);
static bool is_signed(struct v1 *);
static void refuse(struct v1 *, enum status, const char *, const char *);
static void undone(struct v1 *);
static void rest(struct v1 *);
static void mind_time(struct turn *);
static void mind_credential(struct turn *);
static void end(struct turn *);

const struct protocol protocol_v1 = { "metafed.v1", v1_turn, v1_work };

static void
v1_turn(struct turn *t)
{
	struct v1 *v = ARENA_NEW(t->a, struct v1);

	v->t = t;
	v->look = t->q->bell || (t->state->look_us != 0 && t->q->age_us >= t->state->look_us);
	if (t->begins)
		begin(v);
	else
		messages(v);
}

/* Who can set header fields (browsers can't) has said there who he is. */
static void
begin(struct v1 *v)
{
	const char *header = turn_header(v->t, "authorization");

	v1_hello(v->t);
	if (strncasecmp(header, "Bearer ", 7) == 0) {
		v->m.token = arena_strdup(v->t->a, header + 7);
		v->m.id = "";
		admit(v->t, v->m.token, "", on_auth, v);
	} else {
		messages(v);
	}
}

static void
messages(struct v1 *v)
{
	while (v->next < v->t->q->n_messages && !turn_closing(v->t))
		if (!take(v))
			return;
	undone(v);
	rest(v);
}

/* False: it goes on when an answer is there. */
static bool
take(struct v1 *v)
{
	const ProtobufCBinaryData *text = &v->t->q->messages[v->next++];
	struct failure f;

	if (!v1_read(v->t->a, text->data, text->len, &v->m, &f)) {
		v1_error(v->t, v->m.id, &f);
		return true;
	}
	switch (v->m.type) {
	case V1_AUTH:
		return take_auth(v);
	case V1_SUBMIT:
		submit(v);
		break;
	case V1_SUBSCRIBE:
		return subscribe(v);
	case V1_UNSUBSCRIBE:
		unsubscribe(v);
		break;
	case V1_ACK:
		ack(v);
		break;
	case V1_CANCEL:
		cancel(v);
		break;
	case V1_PING:
		v1_note(v->t, "pong", v->m.id, NULL);
		break;
	case V1_TYPES:
		break;
	}
	return true;
}

static bool
take_auth(struct v1 *v)
{
	admit(v->t, v->m.token, "", on_auth, v);
	return false;
}

/* A session is one person's from its beginning to its end. */
static void
on_auth(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	struct v1 *v = ctx;
	const Mf__Principal *before = t->state->principal;

	if (who == NULL) {
		v1_error(t, v->m.id, f);
		if (admit_refused(f))
			turn_close(t, V1_UNAUTHENTICATED, "the credential was refused");
	} else if (before != NULL && strcmp(before->id, who->id) != 0) {
		refuse(v, ST_PERMISSION_DENIED, "OTHER_PRINCIPAL",
		    "a session belongs to one principal: open another one");
	} else {
		sign(t, v->m.token, who, v->m.id);
	}
	messages(v);
}

static void
sign(struct turn *t, const char *token, const Mf__Principal *who, const char *id)
{
	Mf__LiveState *s = t->state;

	s->credential = (char *)token;
	s->principal = arena_dup(t->a, who, sizeof(*who));
	s->principal->n_permissions = 0; /* level 0 is asked for those, each time */
	s->verified_us = t->q->age_us;
	s->warned = false;
	v1_authenticated(t, id);
}

static void
submit(struct v1 *v)
{
	Mf__LiveWork *w = v->m.work;

	if (!is_signed(v))
		return;
	if (turn_running(v->t, v->m.id)) {
		refuse(
		    v, ST_ALREADY_EXISTS, "ID_IN_USE", "something else is under way with this id");
		return;
	}
	w->credential = v->t->state->credential;
	w->client_address = v->t->state->client_address;
	turn_work(v->t, w);
}

static bool
subscribe(struct v1 *v)
{
	const Mf__LiveState *s = v->t->state;
	uint32_t windows = v->m.subscribe->window;
	size_t unused;

	for (size_t i = 0; i < s->n_subscriptions; i++)
		windows += s->subscriptions[i]->window;
	if (!is_signed(v))
		return true;
	if (subscription(v->t, v->m.id, &unused) != NULL) {
		refuse(v, ST_ALREADY_EXISTS, "ID_IN_USE", "there is a subscription with this id");
		return true;
	}
	if (s->n_subscriptions >= V1_SUBSCRIPTIONS_MOST || windows > WINDOWS_MOST) {
		refuse(v, ST_RESOURCE_EXHAUSTED, "TOO_MANY_SUBSCRIPTIONS",
		    "a session has at most 32 subscriptions, and windows of 1024 events in all");
		return true;
	}
	admit(v->t, s->credential, v->m.source->permission, on_permitted, v);
	return false;
}

static void
on_permitted(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	struct v1 *v = ctx;
	Mf__LiveState *s = t->state;
	Mf__LiveSubscription **all =
	    ARENA_ARRAY(t->a, Mf__LiveSubscription *, s->n_subscriptions + 1);

	if (who == NULL) {
		v1_error(t, v->m.id, f);
		if (f->status == ST_UNAUTHENTICATED)
			turn_close(t, V1_UNAUTHENTICATED, "the credential does not count any more");
	} else {
		if (s->n_subscriptions != 0)
			memcpy(all, s->subscriptions, s->n_subscriptions * sizeof(*all));
		all[s->n_subscriptions++] = v->m.subscribe;
		s->subscriptions = all;
		v->look = true;
	}
	messages(v);
}

static void
unsubscribe(struct v1 *v)
{
	size_t i;

	if (subscription(v->t, v->m.id, &i) == NULL) {
		refuse(v, ST_NOT_FOUND, "NO_SUBSCRIPTION", "there is no subscription with this id");
		return;
	}
	v1_unsubscribe(v->t, i);
	v1_note(v->t, "unsubscribed", v->m.id, NULL);
}

/* All up to that one. What was told before the session was this one is not in its books. */
static void
ack(struct v1 *v)
{
	size_t unused, n = 0;
	Mf__LiveSubscription *s = subscription(v->t, v->m.id, &unused);

	if (s == NULL) {
		refuse(v, ST_NOT_FOUND, "NO_SUBSCRIPTION", "there is no subscription with this id");
		return;
	}
	while (n < s->n_unacked && strcmp(s->unacked[n], v->m.position) != 0)
		n++;
	if (n == s->n_unacked)
		return;
	s->unacked += n + 1;
	s->n_unacked -= n + 1;
	v->look = true;
}

static void
cancel(struct v1 *v)
{
	if (!turn_running(v->t, v->m.id)) {
		refuse(v, ST_NOT_FOUND, "NOTHING_UNDER_WAY", "nothing is under way with this id");
		return;
	}
	turn_drop(v->t, v->m.id);
	v1_note(v->t, "cancelled", v->m.id, NULL);
}

static Mf__LiveSubscription *
subscription(const struct turn *t, const char *id, size_t *i)
{
	for (*i = 0; *i < t->state->n_subscriptions; ++*i)
		if (strcmp(t->state->subscriptions[*i]->id, id) == 0)
			return t->state->subscriptions[*i];
	return NULL;
}

static bool
is_signed(struct v1 *v)
{
	if (v->t->state->principal != NULL)
		return true;
	refuse(
	    v, ST_UNAUTHENTICATED, "AUTH_REQUIRED", "say who you are first: {\"type\":\"auth\"}");
	return false;
}

static void
refuse(struct v1 *v, enum status s, const char *reason, const char *message)
{
	v1_error(v->t, v->m.id,
	    &(const struct failure){ .status = s, .reason = reason, .message = message });
}

/* It may have been done all the same: its answer was lost. */
static void
undone(struct v1 *v)
{
	struct turn *t = v->t;
	struct failure f;

	for (size_t i = 0; i < t->q->n_undone; i++) {
		const Mf__SessionUndone *u = t->q->undone[i];
		const Mf__LiveWork *w =
		    mf__live_work__unpack(arena_allocator(t->a), u->work.len, u->work.data);

		if (w == NULL || u->problem == NULL)
			continue;
		problem_from(t->a, u->problem, &f);
		v1_error(t, w->id, &f);
	}
}

static void
rest(struct v1 *v)
{
	struct turn *t = v->t;

	if (t->q->leaving)
		v1_goodbye(t, WS_GOING_AWAY, "GOING_AWAY", "the server is going away");
	if (!turn_closing(t))
		mind_time(t);
	if (v->look && !turn_closing(t))
		v1_deliver(t, end);
	else
		end(t);
}

/* Of who it is, or has to be; of the credential; and of silence. */
static void
mind_time(struct turn *t)
{
	const Mf__LiveState *s = t->state;
	bool busy = s->n_subscriptions != 0 || t->q->n_running != 0 || t->step.n_work != 0;
	int64_t left = AUTH_US - (int64_t)t->q->age_us;

	if (s->principal != NULL)
		mind_credential(t);
	else if (left <= 0)
		v1_goodbye(t, V1_AUTH_TIMEOUT, "AUTH_TIMEOUT", "nobody said who it is");
	else
		turn_wake(t, left);
	left = IDLE_US - (int64_t)t->q->idle_us;
	if (!busy && left <= 0)
		v1_goodbye(t, WS_NORMAL, "IDLE", "nothing was said for ten minutes");
	else if (!busy)
		turn_wake(t, left);
}

static void
mind_credential(struct turn *t)
{
	Mf__LiveState *s = t->state;
	int64_t expires = (int64_t)s->principal->expires_at, left = expires - time_wall_us();

	if (expires == 0)
		return;
	if (left <= 0) {
		v1_goodbye(t, V1_UNAUTHENTICATED, "TOKEN_EXPIRED", "the credential has expired");
		return;
	}
	if (left <= WARN_US && !s->warned) {
		s->warned = true;
		v1_reauthenticate(t, expires);
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
