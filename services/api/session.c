/* session: see session.h.
 *
 * Invariants: one turn at a time, any number of jobs up to `session_jobs` beside it. A message stays
 * in the inbox until the step behind it has come, so that a turn that nobody took is simply taken
 * again. The state is replaced with what came of it, or not at all. */
#include "api/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define STATE_MAX     (64u << 10)
#define INBOX_MOST    (64u << 10) /* bytes: beyond, nothing is read from the client */
#define STRANGER_MAX  (16u << 10) /* bytes of a message until it is known who it is */
#define TURN_LIMIT_US (2 * SEC)
#define RETRY_US      (100 * MS)
#define RETRY_MOST_US (2 * SEC)
#define DOUBT_US      (600 * MS)
#define GIVE_UP_US    (15 * SEC) /* without an agent for so long: the client may try elsewhere */

struct message {
	struct link link;
	bool paid;
	size_t n;
	char text[];
};

static void open_stream(struct session *, const struct live_opening *);
static void open_socket(struct session *, const struct live_opening *);
static size_t room(const struct session *);
static void on_message(void *, const char *, size_t);
static void on_room(void *);
static void on_gone(void *, int);
static void on_time(struct timer *);
static bool wants_turn(struct session *, int64_t);
static bool paid(struct session *, struct message *, int64_t);
static void arm(struct session *);
static void start_turn(struct session *);
static void fill_messages(struct session *, struct arena *, Mf__SessionTurn *);
static void on_step(const Mf__SessionStep *, void *);
static void on_turn_end(struct call *, const struct call_end *, void *);
static void turn_failed(struct session *, const struct failure *);
static bool is_sound(const struct session *, const Mf__SessionStep *);
static void take_step(struct session *, const Mf__SessionStep *);
static void drop_heard(struct session *);
static void learn(struct session *, const Mf__Principal *);
static void learn_handshake(struct session *, const Mf__SessionStep *);
static uint64_t id_hash(const char *);
static void bytes_set(struct session_bytes *, const void *, size_t);
static void account(const struct session *, int);
static void session_free(struct session *);

static const struct ws_ops ops = { on_message, on_room, on_gone };

void
session_open(struct live *l, const struct live_opening *o)
{
	struct session *s = mem_zalloc(sizeof(*s));
	struct address client = address_client(o->from);

	s->live = l;
	s->protocol = o->protocol;
	s->from = *o->from;
	s->seat = tally_add(&l->clients, &client);
	s->has_credential = o->charge->has_credential;
	memcpy(s->credential, o->charge->credential, sizeof(s->credential));
	s->begun_us = s->said_us = loop_now(l->loop);
	snprintf(s->client, sizeof(s->client), "%s", o->request->client_address);
	s->opening.n = mf__http_request__get_packed_size(o->request);
	s->opening.p = mem_zalloc(s->opening.n + 1);
	mf__http_request__pack(o->request, s->opening.p);
	uuid7(s->id);
	list_init(&s->inbox);
	jobs_init(&s->jobs);
	timer_init(&s->timer, l->loop, on_time);
	list_add(&l->all, &s->link);
	metric_set(l->open, (double)l->all.n);
	if (o->line_ops != NULL)
		open_stream(s, o);
	else
		open_socket(s, o);
}

static void
open_stream(struct session *s, const struct live_opening *o)
{
	s->line = (struct line){ o->line_ops, o->line(o->line_ctx, &ops, s) };
	s->charge = *o->charge;
	session_consider(s);
}

static void
open_socket(struct session *s, const struct live_opening *o)
{
	struct ws *w = ws_new(s->live->hub, &(const struct ws_opts){ .fd = o->fd,
						.ops = &ops,
						.owner = s,
						.message_max = STRANGER_MAX,
						.release = o->release,
						.release_ctx = o->release_ctx });

	s->line = (struct line){ &ws_line, w };
	quota_name(s->live->o.quota, str_of(s->id), &s->charge);
	session_consider(s);
	if (o->early_n != 0)
		ws_take(w, o->early, o->early_n); /* last: it may end the session */
}

void
session_consider(struct session *s)
{
	struct live *l = s->live;

	if (s->line.ops->listen != NULL)
		s->line.ops->listen(s->line.to, s->inbox_bytes < INBOX_MOST && !l->draining);
	if (link_is_in(&s->waits))
		return;
	if (!wants_turn(s, loop_now(l->loop)))
		arm(s);
	else if (l->turns < LIVE_TURNS_MOST)
		start_turn(s);
	else
		list_add(&l->waiting, &s->waits);
}

/* Level 0 may trust for half a second what it was told before: so it is asked twice. */
void
session_revoked(struct session *s, const char *id)
{
	bool named = id == NULL;

	for (size_t i = 0; i < SESSION_WHOSE && !named; i++)
		named = s->whose[i] == id_hash(id);
	if (!named || !s->known)
		return;
	s->doubt = true;
	s->doubt_us = loop_now(s->live->loop) + DOUBT_US;
	session_consider(s);
}

void
session_say(struct session *s, size_t n, const ProtobufCBinaryData *messages)
{
	for (size_t i = 0; i < n; i++) {
		s->line.ops->say(s->line.to, messages[i].data, messages[i].len);
		metric_inc(s->live->messages_out);
		metric_add(s->live->bytes_out, (double)messages[i].len);
	}
}

void
session_close(struct session *s, int code, const char *reason)
{
	account(s, code);
	s->line.ops->close(s->line.to, code, reason);
	session_free(s);
}

static size_t
room(const struct session *s)
{
	return s->line.ops->room(s->line.to);
}

static void
on_message(void *owner, const char *p, size_t n)
{
	struct session *s = owner;
	struct message *m = mem_zalloc(sizeof(*m) + n);

	m->n = n;
	memcpy(m->text, p, n);
	list_add(&s->inbox, &m->link);
	s->inbox_bytes += sizeof(*m) + n;
	s->said_us = loop_now(s->live->loop);
	metric_inc(s->live->messages_in);
	metric_add(s->live->bytes_in, (double)n);
	session_consider(s);
}

static void
on_room(void *owner)
{
	struct session *s = owner;

	jobs_start(s);
	session_consider(s);
}

static void
on_gone(void *owner, int code)
{
	struct session *s = owner;

	account(s, code);
	session_free(s);
}

static void
on_time(struct timer *t)
{
	session_consider(container_of(t, struct session, timer));
}

/* Who has enough to do hears no more for now. */
static bool
wants_turn(struct session *s, int64_t now)
{
	struct link *first = list_first(&s->inbox);

	if (s->turn.call != NULL || now < s->retry_us)
		return false;
	if (s->doubt_us != 0 && now >= s->doubt_us) {
		s->doubt = true;
		s->doubt_us = 0;
	}
	if (s->doubt)
		return true;
	if (s->state.p == NULL || s->bell || s->jobs.undone.n != 0)
		return true;
	if (s->more && room(s) >= s->live->limits.queue_max / 2)
		return true;
	if (s->wake_us != 0 && now >= s->wake_us)
		return true;
	if (first != NULL)
		return s->jobs.waiting.n == 0 &&
		       paid(s, container_of(first, struct message, link), now);
	return s->live->draining && jobs_none(&s->jobs);
}

/* A message takes from the bucket that a request would take from; while that is empty the session
 * waits, and so does the client. */
static bool
paid(struct session *s, struct message *m, int64_t now)
{
	const struct api_settings *set = s->live->o.settings(s->live->o.ctx);

	if (m->paid)
		return true;
	if (now < s->held_us)
		return false;
	m->paid = quota_charge(s->live->o.quota, &set->limits, &s->from, str_of(s->id), M_POST,
	    "/v1/ws", now, &s->charge);
	s->held_us = m->paid ? 0 : now + charge_wait_us(&s->charge) + MS;
	return m->paid;
}

/* For the first of what only time brings. */
static void
arm(struct session *s)
{
	int64_t at = s->wake_us;

	if (s->turn.call != NULL)
		return;
	if (s->held_us != 0 && (at == 0 || s->held_us < at))
		at = s->held_us;
	if (s->doubt_us != 0 && (at == 0 || s->doubt_us < at))
		at = s->doubt_us;
	if (s->retry_us > loop_now(s->live->loop))
		at = s->retry_us;
	if (at != 0)
		timer_at(&s->timer, at);
	else
		timer_stop(&s->timer);
}

static void
start_turn(struct session *s)
{
	struct live *l = s->live;
	int64_t now = loop_now(l->loop);
	Mf__SessionTurn q = MF__SESSION_TURN__INIT;
	struct arena *a;

	l->turns++;
	timer_stop(&s->timer);
	s->turn = (struct session_turn){
		.serial = l->serial, .bell = s->bell || s->more, .doubt = s->doubt
	};
	s->turn.call = call_root(l->o.bus,
	    &(const struct call_opts){ .limit_us = TURN_LIMIT_US, .done = on_turn_end, .ctx = s });
	s->turn.rpc = rpc_new(s->turn.call, l->agents, NULL);
	s->turn.began_us = now;
	a = call_arena(s->turn.call);
	q.session_id = s->id;
	q.protocol = (char *)s->protocol;
	q.state = (ProtobufCBinaryData){ s->state.n, s->state.p };
	if (s->state.p == NULL)
		q.opening =
		    mf__http_request__unpack(arena_allocator(a), s->opening.n, s->opening.p);
	q.bell = s->turn.bell;
	q.doubt = s->turn.doubt;
	s->bell = s->doubt = false;
	q.room = (uint32_t)room(s);
	q.idle_us = (uint64_t)(now - s->said_us);
	q.age_us = (uint64_t)(now - s->begun_us);
	q.want_principal = !s->known || s->charge.ask;
	fill_messages(s, a, &q);
	jobs_tell(&s->jobs, a, &q);
	s->turn.undone = q.n_undone;
	q.leaving = s->turn.leaving = l->draining && s->inbox.n == 0 && jobs_none(&s->jobs);
	mf__websocket__turn(&s->turn.rpc->service, &q, on_step, s);
}

static void
fill_messages(struct session *s, struct arena *a, Mf__SessionTurn *q)
{
	int64_t now = loop_now(s->live->loop);
	size_t bytes = 0;

	q->messages = ARENA_ARRAY(a, ProtobufCBinaryData, s->inbox.n + 1);
	if (s->jobs.waiting.n != 0)
		return;
	LIST_EACH(&s->inbox, k) {
		struct message *m = container_of(k, struct message, link);

		bytes += m->n;
		if ((q->n_messages != 0 && bytes > TURN_MOST) || !paid(s, m, now))
			break;
		q->messages[q->n_messages++] = (ProtobufCBinaryData){ m->n, (uint8_t *)m->text };
	}
	s->turn.messages = q->n_messages;
}

static void
on_step(const Mf__SessionStep *m, void *ctx)
{
	struct session *s = ctx;

	if (m == NULL)
		call_fail_with(s->turn.call, rpc_failure(s->turn.rpc));
	else
		call_reply(s->turn.call, &m->base);
}

/* The next session first: this one may end in here. */
static void
on_turn_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct session *s = ctx;
	struct live *l = s->live;

	s->turn.call = NULL;
	metric_time(l->turn_seconds, loop_now(l->loop) - s->turn.began_us);
	(void)c;
	if (s->over) {
		live_turn_over(l);
		return;
	}
	if (end->failure != NULL)
		turn_failed(s, end->failure);
	else
		take_step(s, (const Mf__SessionStep *)(const void *)end->reply);
	live_turn_over(l);
}

/* The same again, until nobody has been there for too long. */
static void
turn_failed(struct session *s, const struct failure *f)
{
	int64_t now = loop_now(s->live->loop), wait = RETRY_US << s->failures;

	metric_inc(s->live->turn_failures);
	if (f->status != ST_UNAVAILABLE && f->status != ST_DEADLINE_EXCEEDED &&
	    f->status != ST_RESOURCE_EXHAUSTED) {
		log_error("session_turn_failed", L_STR("session", s->id),
		    L_STR("code", status_name(f->status)), L_STR("message", f->message));
		session_close(s, WS_INTERNAL, "internal error");
		return;
	}
	if (s->failing_us == 0)
		s->failing_us = now;
	if (s->turn.leaving || now - s->failing_us >= GIVE_UP_US) {
		session_close(s, s->turn.leaving ? WS_GOING_AWAY : WS_TRY_LATER,
		    s->turn.leaving ? "going away" : "no agent is there, try again later");
		return;
	}
	s->bell = s->bell || s->turn.bell;
	s->doubt = s->doubt || s->turn.doubt;
	s->failures++;
	s->retry_us = now + (wait < RETRY_MOST_US ? wait : RETRY_MOST_US);
	session_consider(s);
}

static bool
is_sound(const struct session *s, const Mf__SessionStep *m)
{
	return m->state.len != 0 && m->state.len <= STATE_MAX &&
	       (m->close_code == 0 || ws_code_ok((int)m->close_code)) &&
	       (m->refusal == NULL || (s->state.p == NULL && s->line.ops->refuse != NULL));
}

static void
take_step(struct session *s, const Mf__SessionStep *m)
{
	struct live *l = s->live;
	bool leaving = s->turn.leaving;

	if (!is_sound(s, m)) {
		log_error("session_step_broken", L_STR("session", s->id),
		    L_INT("state", m->state.len), L_INT("close_code", m->close_code));
		session_close(s, WS_INTERNAL, "internal error");
		return;
	}
	s->failures = 0;
	s->failing_us = s->retry_us = 0;
	learn(s, m->principal);
	learn_handshake(s, m);
	if (m->refusal != NULL) {
		s->line.ops->refuse(s->line.to, m->refusal);
		session_free(s);
		return;
	}
	if (s->state.p == NULL && s->line.ops->begin != NULL && m->close_code == 0 && !leaving)
		s->line.ops->begin(s->line.to, &s->charge);
	session_say(s, m->n_messages, m->messages);
	if (m->close_code != 0 || leaving) {
		session_close(s, leaving ? WS_GOING_AWAY : (int)m->close_code,
		    leaving ? "going away" : m->close_reason);
		return;
	}
	bytes_set(&s->state, m->state.data, m->state.len);
	bytes_set(&s->opening, NULL, 0);
	drop_heard(s);
	for (size_t i = 0; i < m->n_dropped; i++)
		jobs_drop(&s->jobs, m->dropped[i]);
	for (size_t i = 0; i < m->n_work; i++)
		jobs_add(s, m->work[i]);
	s->listens = live_topics(m->n_listens, m->listens);
	s->bell = s->bell || live_heard(l, s->listens, s->turn.serial);
	s->more = m->more;
	s->wake_us = m->wake_us == 0 ? 0 : loop_now(l->loop) + (int64_t)m->wake_us;
	jobs_start(s);
	session_consider(s);
}

static void
drop_heard(struct session *s)
{
	struct link *k;

	for (; s->turn.messages > 0 && (k = list_pop(&s->inbox)) != NULL; s->turn.messages--) {
		struct message *m = container_of(k, struct message, link);

		s->inbox_bytes -= sizeof(*m) + m->n;
		free(m);
	}
	jobs_told(&s->jobs, s->turn.undone);
}

/* From now on it takes from its own bucket, and may say more at once. Who was revoked while nobody knew
 * that it is him, or so shortly before that whoever verified him may not have heard it, is in doubt. */
static void
learn(struct session *s, const Mf__Principal *p)
{
	const struct api_settings *set = s->live->o.settings(s->live->o.ctx);
	int64_t sure_us = s->live->revoked_us + DOUBT_US;
	uint64_t whose[SESSION_WHOSE];

	if (p == NULL)
		return;
	whose[0] = id_hash(p->id);
	whose[1] = id_hash(p->session_id);
	whose[2] = id_hash(p->token_id);
	if ((!s->known || memcmp(whose, s->whose, sizeof(whose)) != 0) &&
	    sure_us >= s->turn.began_us)
		s->doubt_us = sure_us;
	memcpy(s->whose, whose, sizeof(whose));
	s->known = true;
	if (s->line.ops->set_message_max != NULL)
		s->line.ops->set_message_max(s->line.to, (size_t)set->c->body_limit);
	quota_learn(s->live->o.quota, &set->limits, &s->charge, p, 200, loop_now(s->live->loop));
	s->charge.ask = false;
	s->held_us = 0;
}

/* So that the next handshake with that credential takes from its principal's bucket too. */
static void
learn_handshake(struct session *s, const Mf__SessionStep *m)
{
	const struct api_settings *set = s->live->o.settings(s->live->o.ctx);
	struct charge c = { .has_credential = s->has_credential };

	if (m->handshake == 0)
		return;
	memcpy(c.credential, s->credential, sizeof(c.credential));
	quota_learn(s->live->o.quota, &set->limits, &c, m->principal, (int)m->handshake,
	    loop_now(s->live->loop));
	if (s->charge.name[0] == '\0')
		memcpy(s->charge.name, c.name, sizeof(c.name)); /* for the log */
}

/* FNV-1a; two ids of one hash: somebody is asked in vain. */
static uint64_t
id_hash(const char *id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *id != '\0'; id++)
		h = (h ^ (uint8_t)*id) * UINT64_C(1099511628211);
	return h;
}

static void
bytes_set(struct session_bytes *b, const void *p, size_t n)
{
	if (b->n != n) {
		free(b->p);
		b->p = n == 0 ? NULL : mem_zalloc(n);
		b->n = n;
	}
	if (n != 0)
		memcpy(b->p, p, n);
}

/* One line per session, as the access log has one per request. */
static void
account(const struct session *s, int code)
{
	enum access_log want = s->live->o.settings(s->live->o.ctx)->access_log;
	const struct ws_stats *st = s->line.ops->stats(s->line.to);
	bool fault = code == WS_INTERNAL || code == WS_TRY_LATER;

	if (want == ACCESS_OFF || (want == ACCESS_ERRORS && !fault) || !log_on(LOG_INFO))
		return;
	log_write(LOG_INFO, NULL, "session",
	    (const struct log_field[]){ L_STR("client", s->client),
		L_STR("principal", s->charge.name[0] == '\0' ? NULL : s->charge.name),
		L_STR("protocol", s->protocol), L_STR("session", s->id), L_INT("code", code),
		L_INT("duration_us", loop_now(s->live->loop) - s->begun_us),
		L_INT("messages_in", st->messages_in), L_INT("messages_out", st->messages_out),
		L_INT("bytes_in", st->bytes_in), L_INT("bytes_out", st->bytes_out),
		{ .key = NULL } });
}

/* Nobody waits any more: what is under way for it is cancelled. */
static void
session_free(struct session *s)
{
	struct live *l = s->live;
	struct link *k;

	s->over = true;
	if (s->turn.call != NULL)
		call_cancel(s->turn.call);
	jobs_free(&s->jobs);
	timer_stop(&s->timer);
	if (link_is_in(&s->waits))
		list_del(&l->waiting, &s->waits);
	list_del(&l->all, &s->link);
	metric_set(l->open, (double)l->all.n);
	tally_sub(&l->clients, s->seat);
	while ((k = list_pop(&s->inbox)) != NULL)
		free(container_of(k, struct message, link));
	bytes_set(&s->state, NULL, 0);
	bytes_set(&s->opening, NULL, 0);
	free(s);
}
