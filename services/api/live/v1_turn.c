/* v1_turn: what happens in one turn of metafed.v1, top to bottom: the session begins, messages one
 * after the other, what became of work that nobody did, time, events. Where something has to be asked
 * the next step is the answer's. */
#include <string.h>
#include <strings.h>

#include "api/live/admit.h"
#include "api/live/mind.h"
#include "api/live/v1.h"
#include "base/time.h"

#define AUTH_US      (10 * SEC)  /* to say who it is */
#define WINDOWS_MOST 1024        /* events of all windows: their positions stand in the state */
#define POSITION     44          /* bytes of one there */
#define STATE_MOST   (56u << 10) /* of the 64 KiB that api keeps: the next token may be longer */

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
static void submit(struct v1 *);
static bool subscribe(struct v1 *);
static void on_permitted(struct turn *, const Mf__Principal *, const struct failure *, void *);
static void unsubscribe(struct v1 *);
static void ack(struct v1 *);
static void cancel(struct v1 *);
static bool is_signed(struct v1 *);
static void refuse(struct v1 *, enum status, const char *, const char *);
static void mind_stranger(struct turn *);

const struct protocol protocol_v1 = {
	.name = "metafed.v1",
	.refused = V1_UNAUTHENTICATED,
	.turn = v1_turn,
	.work = v1_work,
	.error = v1_error,
	.note = v1_subscription_note,
	.render = v1_render,
	.expires = v1_reauthenticate,
	.goodbye = v1_goodbye,
};

static void
v1_turn(struct turn *t)
{
	struct v1 *v = ARENA_NEW(t->a, struct v1);

	v->t = t;
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
		v->t->state->of_handshake = true;
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
	mind_stranger(v->t);
	mind_rest(v->t, v->look);
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
	v->t->state->of_handshake = false;
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
		if (admit_refused(f)) {
			mind_refused(t);
			turn_close(t, V1_UNAUTHENTICATED, "the credential was refused");
		}
	} else if (before != NULL && strcmp(before->id, who->id) != 0) {
		refuse(v, ST_PERMISSION_DENIED, "OTHER_PRINCIPAL",
		    "a session belongs to one principal: open another one");
	} else {
		mind_principal(t, v->m.token, who);
		v1_authenticated(t, v->m.id);
	}
	messages(v);
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
	size_t unacked = 0;

	for (size_t i = 0; i < s->n_subscriptions; i++) {
		windows += s->subscriptions[i]->window;
		unacked += s->subscriptions[i]->n_unacked;
	}
	if (!is_signed(v))
		return true;
	if (subscription_find(v->t, v->m.id, NULL) != NULL) {
		refuse(v, ST_ALREADY_EXISTS, "ID_IN_USE", "there is a subscription with this id");
		return true;
	}
	if (windows > WINDOWS_MOST ||
	    !subscription_fits(v->t, v->m.subscribe, STATE_MOST - (windows - unacked) * POSITION)) {
		refuse(v, ST_RESOURCE_EXHAUSTED, "TOO_MANY_SUBSCRIPTIONS",
		    "a session has at most 32 subscriptions, windows of 1024 events in all, and "
		    "room for 56 KiB of filters and windows");
		return true;
	}
	admit(v->t, s->credential, v->m.source->permission, on_permitted, v);
	return false;
}

static void
on_permitted(struct turn *t, const Mf__Principal *who, const struct failure *f, void *ctx)
{
	struct v1 *v = ctx;

	if (who == NULL) {
		v1_error(t, v->m.id, f);
		if (f->status == ST_UNAUTHENTICATED)
			turn_close(t, V1_UNAUTHENTICATED, "the credential does not count any more");
	} else {
		subscription_add(t, v->m.subscribe);
		v->look = true;
	}
	messages(v);
}

static void
unsubscribe(struct v1 *v)
{
	size_t i;

	if (subscription_find(v->t, v->m.id, &i) == NULL) {
		refuse(v, ST_NOT_FOUND, "NO_SUBSCRIPTION", "there is no subscription with this id");
		return;
	}
	subscription_remove(v->t, i);
	v1_note(v->t, "unsubscribed", v->m.id, NULL);
}

/* All up to that one. What was told before the session was this one is not in its books. */
static void
ack(struct v1 *v)
{
	size_t n = 0;
	Mf__LiveSubscription *s = subscription_find(v->t, v->m.id, NULL);

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

static void
mind_stranger(struct turn *t)
{
	int64_t left = AUTH_US - (int64_t)t->q->age_us;

	if (t->state->principal != NULL)
		return;
	if (left <= 0)
		v1_goodbye(t, V1_AUTH_TIMEOUT, "AUTH_TIMEOUT", "nobody said who it is");
	else
		turn_wake(t, left);
}
