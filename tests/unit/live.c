/* live: sessions between a client, who is the other end of a socketpair, and agents on loop-back that
 * do what the client says. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "api/live.h"
#include "api/session.h"
#include "base/id.h"
#include "base/time.h"
#include "harness/test.h"
#include "proto/jwt.pb-c.h"

#define LIMIT (10 * SEC) /* of a wait for what comes at once */
#define BIG   (100 << 10)

/* An agent. Of each turn it remembers what came; a message is an order:
 *   job:ID    a job; hold...: it does not end by itself, fail...: it fails
 *   drop:ID   the client does not want it any more
 *   close     4000   listen  to the fleet   wake  in 20 ms   huge  a state of 100 KiB
 *   big       a message of 100 KiB, and there is more
 *   fat       a job of 100 KiB, which fails; the next turn is kept
 *   verified, refused: the credential of the handshake was
 *   else      said back, as "said NAME TEXT"
 * Its state is how many messages there have been, the session over. */
struct agent {
	Mf__Websocket_Service service; /* first */
	struct serve serves[2];
	const char *name;
	bool down;  /* fails every call with UNAVAILABLE */
	bool holds; /* keeps the next turn */
	struct call *held, *held_job;
	const Mf__SessionTurn *held_turn;
	unsigned turns, works, cancelled, openings, bells, doubts, leavings;
	size_t messages, running; /* of the newest turn */
	char undone[40], state[20], operation_id[UUID_LEN];
	size_t told, told_most; /* undone work: how often, bytes in one turn */
	uint32_t room;
};

struct held {
	struct call_dep dep;
	struct agent *agent;
};

static struct {
	struct loop *loop;
	struct bus *bus;
	struct api_config config;
	struct api_settings settings;
	struct quota *quota;
	struct live *live;
	struct agent a, b;
	int fd;
	char heard[4 << 20]; /* texts of the frames, each with a newline */
	size_t n;
	int closed; /* code; 0: not */
} t;

static void
add(ProtobufCBinaryData *list, size_t *n, const char *p, size_t len)
{
	list[(*n)++] = (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)p };
}

static void
obey(struct agent *g, struct arena *a, Mf__SessionStep *s, const char *text)
{
	static char big[BIG], fat[BIG] = "fail";

	if (str_starts(text, "job:")) {
		s->work[s->n_work] = ARENA_NEW(a, Mf__SessionJob);
		mf__session_job__init(s->work[s->n_work]);
		s->work[s->n_work]->id = (char *)(uintptr_t)text + 4;
		s->work[s->n_work]->work =
		    (ProtobufCBinaryData){ strlen(text + 4), (uint8_t *)(uintptr_t)text + 4 };
		s->n_work++;
	} else if (str_starts(text, "drop:")) {
		s->dropped[s->n_dropped++] = (char *)(uintptr_t)text + 5;
	} else if (strcmp(text, "close") == 0) {
		s->close_code = 4000;
		s->close_reason = (char *)"as you wish";
	} else if (strcmp(text, "listen") == 0) {
		s->listens[s->n_listens++] = (char *)"fleet";
	} else if (strcmp(text, "wake") == 0) {
		s->wake_us = 20 * MS;
	} else if (strcmp(text, "huge") == 0) {
		s->state = (ProtobufCBinaryData){ BIG, (uint8_t *)big };
	} else if (strcmp(text, "big") == 0) {
		memset(big, 'b', sizeof(big));
		add(s->messages, &s->n_messages, big, sizeof(big));
		s->more = true;
	} else if (strcmp(text, "fat") == 0) {
		s->work[s->n_work] = ARENA_NEW(a, Mf__SessionJob);
		mf__session_job__init(s->work[s->n_work]);
		s->work[s->n_work++]->work = (ProtobufCBinaryData){ BIG, (uint8_t *)fat };
		g->holds = true;
	} else if (strcmp(text, "verified") == 0) {
		static Mf__Principal cron;
		static char *roles[] = { (char *)(uintptr_t) "service" };

		mf__principal__init(&cron);
		cron.id = cron.name = (char *)(uintptr_t) "cron";
		cron.roles = roles;
		cron.n_roles = 1;
		s->principal = &cron;
		s->handshake = 200;
	} else if (strcmp(text, "refused") == 0) {
		s->handshake = 401;
	} else {
		text = arena_printf(a, "said %s %s", g->name, text);
		add(s->messages, &s->n_messages, text, strlen(text));
	}
}

static void
answer(struct agent *g, struct call *c, const Mf__SessionTurn *q)
{
	struct arena *a = call_arena(c);
	Mf__SessionStep s = MF__SESSION_STEP__INIT;
	char state[20] = "";

	s.messages = ARENA_ARRAY(a, ProtobufCBinaryData, q->n_messages + 1);
	s.work = ARENA_ARRAY(a, Mf__SessionJob *, q->n_messages + 1);
	s.dropped = ARENA_ARRAY(a, char *, q->n_messages + 1);
	s.listens = ARENA_ARRAY(a, char *, q->n_messages + 2);
	if (q->bell)
		s.listens[s.n_listens++] = (char *)"fleet";
	if (q->state.len != 0)
		memcpy(state, q->state.data, q->state.len);
	s.state.data = (uint8_t *)arena_printf(a, "%zu", strtoul(state, NULL, 10) + q->n_messages);
	s.state.len = strlen((char *)s.state.data);
	for (size_t i = 0; i < q->n_messages; i++)
		obey(g, a, &s, arena_strndup(a, (char *)q->messages[i].data, q->messages[i].len));
	call_reply(c, &s.base);
}

static void
on_cancelled(struct call_dep *d)
{
	container_of(d, struct held, dep)->agent->cancelled++;
}

static void
hold(struct agent *g, struct call *c)
{
	struct held *h = ARENA_NEW(call_arena(c), struct held);

	*h = (struct held){ .dep = { .cancel = on_cancelled }, .agent = g };
	call_attach(c, &h->dep);
}

static void
fake_turn(
    Mf__Websocket_Service *s, const Mf__SessionTurn *q, Mf__SessionStep_Closure reply, void *ctx)
{
	struct agent *g = (struct agent *)(void *)s;

	(void)reply;
	g->turns++;
	if (g->down) {
		call_fail(ctx, ST_UNAVAILABLE, "down");
		return;
	}
	g->openings += q->opening != NULL;
	g->bells += q->bell;
	g->doubts += q->doubt;
	g->leavings += q->leaving;
	g->messages = q->n_messages;
	g->running = q->n_running;
	g->room = q->room;
	snprintf(g->state, sizeof(g->state), "%.*s", (int)q->state.len, (char *)q->state.data);
	g->told += q->n_undone;
	for (size_t i = 0, n = 0; i < q->n_undone; i++)
		if ((n += q->undone[i]->work.len) > g->told_most)
			g->told_most = n;
	if (q->n_undone != 0)
		snprintf(g->undone, sizeof(g->undone), "%.*s %s", (int)q->undone[0]->work.len,
		    (char *)q->undone[0]->work.data,
		    status_name((enum status)q->undone[0]->problem->code));
	if (!g->holds) {
		answer(g, ctx, q);
		return;
	}
	g->holds = false;
	g->held = ctx;
	g->held_turn = q;
	hold(g, ctx);
}

static void
fake_work(
    Mf__Websocket_Service *s, const Mf__SessionWork *q, Mf__SessionResult_Closure reply, void *ctx)
{
	struct agent *g = (struct agent *)(void *)s;
	Mf__SessionResult r = MF__SESSION_RESULT__INIT;
	ProtobufCBinaryData message;

	(void)reply;
	g->works++;
	snprintf(g->operation_id, sizeof(g->operation_id), "%s", q->operation_id);
	if (g->down) {
		call_fail(ctx, ST_UNAVAILABLE, "down");
	} else if (q->work.len >= 4 && memcmp(q->work.data, "fail", 4) == 0) {
		call_fail(ctx, ST_INTERNAL, "as you wish");
	} else if (q->work.len >= 4 && memcmp(q->work.data, "hold", 4) == 0) {
		g->held_job = ctx;
		hold(g, ctx);
	} else {
		message.data = (uint8_t *)arena_printf(
		    call_arena(ctx), "done %.*s", (int)q->work.len, (char *)q->work.data);
		message.len = strlen((char *)message.data);
		r.messages = &message;
		r.n_messages = 1;
		call_reply(ctx, &r.base);
	}
}

static void
fake_handle(
    Mf__Websocket_Service *s, const Mf__HttpRequest *q, Mf__HttpResponse_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

static void
join(struct agent *g, const char *name)
{
	*g = (struct agent){ .service = MF__WEBSOCKET__INIT(fake_), .name = name };
	g->serves[0] = (struct serve){ &g->service.base, PRIMARY };
	bus_loopback(t.bus, name, g->serves);
}

static const struct api_settings *
settings(void *ctx)
{
	(void)ctx;
	return &t.settings;
}

/* A request from an address of its own. */
static bool
take_as(const char *credential, struct charge *out)
{
	struct address from;

	assert_true(address_parse(STR("10.9.9.9"), &from));
	return quota_charge(t.quota, &t.settings.limits, &from, str_of(credential), M_GET, "/v1/ws",
	    time_now_us(), out);
}

static int
open_from(const char *address)
{
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	struct address from;
	int both[2], small = 8192;
	struct charge charge;

	assert_true(address_parse(str_of(address), &from));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
	assert_int_equal(setsockopt(both[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	q.client_address = (char *)(uintptr_t)address;
	assert_true(take_as("Bearer cron", &charge));
	live_open(t.live, &(const struct live_opening){ .fd = both[0],
			      .protocol = "test",
			      .request = &q,
			      .from = &from,
			      .charge = &charge });
	return both[1];
}

static int
set_up_as(const char *name, void **state)
{
	char err[200];

	memset(&t, 0, sizeof(t));
	t.config = (struct api_config){ .sessions = 4,
		.address_sessions = 2,
		.session_queue = 64 << 10,
		.session_jobs = 2,
		.ping_time_us = 60 * SEC,
		.body_time_us = 60 * SEC,
		.send_time_us = 60 * SEC,
		.request_time_us = 5 * SEC,
		.body_limit = 1 << 20,
		.connections = 100,
		.tls_cert = "" };
	t.settings = (struct api_settings){ .c = &t.config };
	assert_true(limits_parse(&t.settings.limits, "1000/100", "", "", err, sizeof(err)));
	t.loop = loop_new();
	t.bus = bus_new(
	    t.loop, &(const struct bus_opts){ .name = name, .generation = 1 }, err, sizeof(err));
	join(&t.a, "websocket");
	join(&t.b, "graphql");
	t.quota = quota_new(64, 64, 300 * SEC);
	t.live = live_new(
	    &(const struct live_opts){ .bus = t.bus, .settings = settings, .quota = t.quota });
	t.fd = open_from("10.0.0.1");
	return test_log_mark(state);
}

static int
set_up(void **state)
{
	return set_up_as("meta", state);
}

static int
set_up_as_jwt(void **state)
{
	return set_up_as("jwt", state);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static void
pass(int64_t us)
{
	loop_run_until(t.loop, never, NULL, us);
}

static int
tear_down(void **state)
{
	close(t.fd);
	live_free(&t.live);
	quota_free(&t.quota);
	pass(1 * MS);
	bus_free(&t.bus);
	loop_free(&t.loop);
	return test_log_check(state);
}

/* A masked frame of less than 126 bytes; the mask is zero. */
static void
say(const char *body)
{
	uint8_t out[140] = { 0x81, (uint8_t)(0x80 | strlen(body)) };
	size_t n = strlen(body) + 6;

	memcpy(out + 6, body, n - 6);
	assert_int_equal(send(t.fd, out, n, 0), n);
}

/* What has come, without frames. */
static void
hear(void)
{
	static uint8_t in[4 << 20];
	static size_t n;
	size_t at = 0, body, head;
	ssize_t k;

	if (t.n == 0)
		n = 0;
	while ((k = recv(t.fd, in + n, sizeof(in) - n, MSG_DONTWAIT)) > 0)
		n += (size_t)k;
	for (; n - at >= 2; at += head + body) {
		body = in[at + 1];
		head = body < 126 ? 2 : body == 126 ? 4 : 10;
		if (n - at < head)
			break;
		if (head == 4)
			body = (size_t)in[at + 2] << 8 | in[at + 3];
		else if (head == 10)
			body = (size_t)in[at + 7] << 16 | (size_t)in[at + 8] << 8 | in[at + 9];
		if (n - at < head + body)
			break;
		if (in[at] == 0x88)
			t.closed = in[at + 2] << 8 | in[at + 3];
		memcpy(t.heard + t.n, in + at + head, body);
		t.n += body;
		t.heard[t.n++] = '\n';
		t.heard[t.n] = '\0';
	}
	memmove(in, in + at, n - at);
	n -= at;
}

static bool
has_heard(void *text)
{
	hear();
	return strstr(t.heard, text) != NULL;
}

static bool
is_closed(void *ctx)
{
	(void)ctx;
	hear();
	return t.closed != 0;
}

static bool
at_least(void *ctx)
{
	unsigned **x = ctx;

	hear();
	return *x[0] >= *x[1];
}

static bool
is_empty(void *ctx)
{
	(void)ctx;
	return live_empty(t.live);
}

static void
until(bool (*fn)(void *), void *ctx)
{
	loop_run_until(t.loop, fn, ctx, LIMIT);
	if (!fn(ctx))
		fail_msg("did not come; heard: %.500s", t.heard);
}

static void
until_heard(const char *text)
{
	until(has_heard, (void *)(uintptr_t)text);
}

static void
until_count(unsigned *counter, unsigned value)
{
	unsigned *both[2] = { counter, &value };

	until(at_least, both);
}

static void
a_session_begins_with_its_handshake_and_goes_on_with_its_state(void **unused)
{
	(void)unused;
	until_count(&t.a.turns, 1);
	assert_int_equal(t.a.openings, 1);
	assert_string_equal(t.a.state, "");
	pass(2 * MS);
	say("one");
	until_heard("said websocket one");
	assert_string_equal(t.a.state, "0");
	say("two");
	until_heard("said websocket two");
	assert_string_equal(t.a.state, "1");
	assert_int_equal(t.a.openings, 1);
	assert_int_equal(t.b.turns, 0);
}

static void
what_is_said_during_a_turn_comes_together_in_the_next(void **unused)
{
	(void)unused;
	until_count(&t.a.turns, 1);
	pass(2 * MS);
	t.a.holds = true;
	say("first");
	until_count(&t.a.turns, 2);
	for (int i = 0; i < 5; i++)
		say("more words");
	pass(5 * MS);
	assert_int_equal(t.a.turns, 2);
	answer(&t.a, t.a.held, t.a.held_turn);
	until_count(&t.a.turns, 3);
	assert_int_equal(t.a.messages, 5);
	assert_string_equal(t.a.state, "1");
}

static void
a_turn_that_one_agent_does_not_take_is_anothers(void **unused)
{
	(void)unused;
	say("one");
	until_heard("said websocket one");
	t.a.down = true;
	say("two");
	until_heard("said graphql two");
	assert_string_equal(t.b.state, "1");
	t.a.down = false;
}

static void
what_is_said_while_no_agent_is_there_waits_for_one(void **unused)
{
	unsigned before;

	(void)unused;
	say("one");
	until_heard("said websocket one");
	t.a.down = t.b.down = true;
	before = t.a.turns;
	say("two");
	until_count(&t.a.turns, before + 2);
	t.a.down = t.b.down = false;
	until_heard("two");
	assert_null(strstr(strstr(t.heard, "two") + 1, "two"));
}

static void
jobs_run_side_by_side_up_to_their_number(void **unused)
{
	struct call *first;

	(void)unused;
	say("job:hold1");
	until_count(&t.a.works, 1);
	first = t.a.held_job;
	say("job:hold2");
	until_count(&t.a.works, 2);
	say("job:three");
	say("words that have to wait");
	pass(20 * MS);
	assert_int_equal(t.a.works, 2);
	assert_null(strstr(t.heard, "wait"));
	call_fail(first, ST_NOT_FOUND, "enough");
	until_heard("done three");
	until_heard("said websocket words that have to wait");
}

static void
a_job_has_an_operation_id_that_its_stand_in_gets_too(void **unused)
{
	char id[UUID_LEN];

	(void)unused;
	say("one");
	until_heard("one");
	t.a.down = true;
	say("job:x");
	until_heard("done x");
	memcpy(id, t.b.operation_id, sizeof(id));
	assert_true(uuid_ok(id));
	assert_true(t.a.works == 0 || strcmp(t.a.operation_id, id) == 0);
	t.a.down = false;
}

static void
a_job_that_nobody_did_is_told_to_the_next_turn(void **unused)
{
	(void)unused;
	say("job:fail7");
	until_count(&t.a.works, 1);
	until_count(&t.a.turns, 3);
	assert_string_equal(t.a.undone, "fail7 INTERNAL");
	t.a.undone[0] = '\0';
	say("next");
	until_heard("said websocket next");
	assert_string_equal(t.a.undone, "");
}

static bool
has_heard_of_eight(void *ctx)
{
	(void)ctx;
	return t.a.told >= 8;
}

static void
however_much_is_undone_a_turn_hears_of_some(void **unused)
{
	unsigned before;

	(void)unused;
	say("one");
	until_heard("said websocket one");
	before = t.a.turns;
	t.a.holds = true;
	say("two");
	until_count(&t.a.turns, before + 1);
	for (int i = 0; i < 8; i++)
		say("fat");
	pass(20 * MS);
	answer(&t.a, t.a.held, t.a.held_turn);
	until_count(&t.a.works, 8);
	pass(20 * MS);
	assert_int_equal(t.a.told, 1);
	answer(&t.a, t.a.held, t.a.held_turn);
	until(has_heard_of_eight, NULL);
	assert_int_equal(t.a.told_most, 2 * BIG);
	say("next");
	until_heard("said websocket next");
	assert_int_equal(t.a.told, 8);
}

static void
a_job_that_is_dropped_is_cancelled_and_makes_room(void **unused)
{
	(void)unused;
	say("job:hold1");
	until_count(&t.a.works, 1);
	say("look");
	until_heard("look");
	assert_int_equal(t.a.running, 1);
	say("drop:hold1");
	until_count(&t.a.cancelled, 1);
	say("again");
	until_heard("again");
	assert_int_equal(t.a.running, 0);
}

static void
the_bell_rings_for_who_listens(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	(void)unused;
	until_count(&t.a.turns, 1);
	pass(5 * MS);
	bus_publish(t.bus, "fleet.node", &nothing.base);
	pass(60 * MS);
	assert_int_equal(t.a.bells, 0);
	say("listen");
	until_count(&t.a.turns, 2);
	pass(5 * MS);
	bus_publish(t.bus, "other", &nothing.base);
	pass(60 * MS);
	assert_int_equal(t.a.bells, 0);
	bus_publish(t.bus, "fleet.node", &nothing.base);
	until_count(&t.a.bells, 1);
}

static void
a_bell_during_a_turn_is_not_missed(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	(void)unused;
	until_count(&t.a.turns, 1);
	pass(5 * MS);
	t.a.holds = true;
	say("listen");
	until_count(&t.a.turns, 2);
	bus_publish(t.bus, "fleet.node", &nothing.base);
	pass(50 * MS);
	assert_int_equal(t.a.bells, 0);
	answer(&t.a, t.a.held, t.a.held_turn);
	until_count(&t.a.bells, 1);
}

static bool
is_counted(void *ctx)
{
	(void)ctx;
	return t.live->serial > 0;
}

/* The event was there before the turn, its bell was not: the agent has looked at nothing. */
static void
a_bell_during_a_turn_that_began_behind_its_event_is_not_missed(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;
	int64_t began;

	(void)unused;
	say("listen");
	until_count(&t.a.turns, 2);
	pass(5 * MS);
	bus_publish(t.bus, "fleet.node", &nothing.base);
	until(is_counted, NULL);
	timer_in(&t.live->bell, 30 * MS); /* however slow we are */
	t.a.holds = true;
	say("listen");
	until_count(&t.a.turns, 3);
	pass(50 * MS);
	assert_int_equal(t.a.bells, 0);
	began = time_now_us();
	answer(&t.a, t.a.held, t.a.held_turn);
	until_count(&t.a.bells, 1);
	assert_true(time_now_us() - began < 100 * MS); /* it is not the echo */
}

static bool
has_failed(void *ctx)
{
	(void)ctx;
	return container_of(list_first(&t.live->all), struct session, link)->failures > 0;
}

static bool
is_heard_again(void *before)
{
	return t.a.messages != *(size_t *)before;
}

static void
a_bell_during_a_turn_that_fails_comes_with_the_next(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;
	size_t none = 99;

	(void)unused;
	say("listen");
	until_count(&t.a.turns, 2);
	pass(5 * MS);
	t.b.down = true;
	t.a.holds = true;
	say("listen");
	until_count(&t.a.turns, 3);
	bus_publish(t.bus, "fleet.node", &nothing.base);
	until(is_counted, NULL);
	pass(20 * MS);
	assert_int_equal(t.a.bells, 0);
	t.a.messages = none;
	t.a.down = true;
	call_fail(t.a.held, ST_UNAVAILABLE, "down");
	until(has_failed, NULL);
	t.a.down = t.b.down = false;
	until(is_heard_again, &none);
	assert_int_equal(t.a.bells, 1);
}

/* Whoever verified it may have looked before. */
static void
who_is_revoked_while_it_is_found_out_who_he_is_is_asked_for_again(void **unused)
{
	Mf__Revoked revoked = MF__REVOKED__INIT;

	(void)unused;
	until_count(&t.a.turns, 1);
	pass(5 * MS);
	t.a.holds = true;
	say("verified");
	until_count(&t.a.turns, 2);
	revoked.id = (char *)(uintptr_t) "cron";
	bus_publish(t.bus, "auth.revoked", &revoked.base);
	pass(50 * MS);
	assert_int_equal(t.a.doubts, 0);
	answer(&t.a, t.a.held, t.a.held_turn);
	pass(700 * MS);
	assert_int_equal(t.a.doubts, 1);
}

static void
a_bell_echoes_for_what_becomes_readable_late(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	(void)unused;
	say("listen");
	until_count(&t.a.turns, 2);
	pass(5 * MS);
	bus_publish(t.bus, "fleet.node", &nothing.base);
	until_count(&t.a.bells, 2);
}

static void
an_agent_is_woken_when_it_asked_for_it(void **unused)
{
	(void)unused;
	say("wake");
	until_count(&t.a.turns, 3);
	assert_int_equal(t.a.messages, 0);
	assert_int_equal(t.a.bells, 0);
}

static void
who_has_no_room_is_told_more_when_he_has(void **unused)
{
	(void)unused;
	say("big");
	until_count(&t.a.turns, 2);
	loop_run_until(t.loop, never, NULL, 20 * MS); /* and nobody hears */
	assert_int_equal(t.a.bells, 0);
	until_count(&t.a.bells, 1);
	assert_true(t.a.room > 16 << 10);
}

static void
the_agents_close_reaches_the_client(void **unused)
{
	(void)unused;
	say("close");
	until(is_closed, NULL);
	assert_int_equal(t.closed, 4000);
	assert_non_null(strstr(t.heard, "as you wish"));
}

static void
a_state_that_is_too_large_ends_the_session(void **unused)
{
	(void)unused;
	test_expect_log(LOG_ERROR, 1);
	say("huge");
	until(is_closed, NULL);
	assert_int_equal(t.closed, 1011);
}

static void
a_client_that_leaves_takes_its_work_along(void **unused)
{
	(void)unused;
	say("job:hold1");
	until_count(&t.a.works, 1);
	t.a.holds = true;
	say("turn");
	until_count(&t.a.turns, 3);
	shutdown(t.fd, SHUT_RDWR);
	until(is_empty, NULL);
	assert_int_equal(t.a.cancelled, 2);
}

static void
draining_answers_what_was_said_and_then_says_goodbye(void **unused)
{
	struct address from = { .bytes = { 1 } };

	(void)unused;
	say("job:hold1");
	until_count(&t.a.works, 1);
	live_drain(t.live);
	assert_string_equal(live_refuses(t.live, &from)->reason, "DRAINING");
	pass(20 * MS);
	assert_int_equal(t.closed, 0);
	call_fail(t.a.held_job, ST_NOT_FOUND, "enough");
	until(is_closed, NULL);
	assert_int_equal(t.closed, 1001);
	assert_int_equal(t.a.leavings, 1);
	assert_string_equal(t.a.undone, "hold1 NOT_FOUND");
	close(t.fd);
	t.fd = -1;
	until(is_empty, NULL);
}

static void
draining_ends_even_when_no_agent_is_there(void **unused)
{
	(void)unused;
	until_count(&t.a.turns, 1);
	pass(5 * MS);
	t.a.down = t.b.down = true;
	live_drain(t.live);
	until(is_closed, NULL);
	assert_int_equal(t.closed, 1001);
}

static void
there_are_as_many_sessions_as_there_may_be(void **unused)
{
	struct address one, other, local;
	int fds[3];

	(void)unused;
	assert_true(address_parse(STR("10.0.0.1"), &one));
	assert_true(address_parse(STR("10.0.0.2"), &other));
	assert_true(address_parse(STR("127.0.0.1"), &local));
	assert_null(live_refuses(t.live, &one));
	fds[0] = open_from("10.0.0.1");
	assert_int_equal(live_refuses(t.live, &one)->http, 503);
	assert_null(live_refuses(t.live, &other));
	fds[1] = open_from("127.0.0.1");
	fds[2] = open_from("127.0.0.1");
	assert_int_equal(live_refuses(t.live, &local)->http, 503);
	assert_int_equal(live_refuses(t.live, &other)->http, 503);
	close(fds[0]);
	pass(20 * MS);
	assert_null(live_refuses(t.live, &one));
	assert_null(live_refuses(t.live, &other));
	close(fds[1]);
	close(fds[2]);
}

static void
with_an_empty_bucket_words_wait(void **unused)
{
	char err[200];
	int64_t began = time_now_us();

	(void)unused;
	assert_true(limits_parse(&t.settings.limits, "2/10", "", "", err, sizeof(err)));
	for (int i = 0; i < 4; i++)
		say("w");
	say("the last one");
	until_heard("the last one");
	assert_true(time_now_us() - began >= 250 * MS);
}

static void
the_next_handshake_with_a_verified_credential_is_its_principals(void **unused)
{
	struct charge c;
	char err[200];

	(void)unused;
	assert_true(
	    limits_parse(&t.settings.limits, "2/0.01", "service=off", "", err, sizeof(err)));
	say("verified");
	say("and");
	until_heard("said websocket and");
	for (int i = 0; i < 5; i++)
		assert_true(take_as("Bearer cron", &c));
	assert_string_equal(c.name, "cron");
	assert_true(take_as("Bearer other", &c));
	assert_string_equal(c.name, "");
	assert_true(
	    limits_parse(&t.settings.limits, "20/0.01", "service=off", "", err, sizeof(err)));
	say("refused");
	say("at last");
	until_heard("at last");
	(void)take_as("Bearer cron", &c);
	assert_string_equal(c.name, "");
}

int
main(void)
{
#define L(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		L(a_session_begins_with_its_handshake_and_goes_on_with_its_state),
		L(what_is_said_during_a_turn_comes_together_in_the_next),
		L(a_turn_that_one_agent_does_not_take_is_anothers),
		L(what_is_said_while_no_agent_is_there_waits_for_one),
		L(jobs_run_side_by_side_up_to_their_number),
		L(a_job_has_an_operation_id_that_its_stand_in_gets_too),
		L(a_job_that_nobody_did_is_told_to_the_next_turn),
		L(however_much_is_undone_a_turn_hears_of_some),
		L(a_job_that_is_dropped_is_cancelled_and_makes_room),
		L(the_bell_rings_for_who_listens),
		L(a_bell_during_a_turn_is_not_missed),
		L(a_bell_during_a_turn_that_began_behind_its_event_is_not_missed),
		L(a_bell_during_a_turn_that_fails_comes_with_the_next),
		cmocka_unit_test_setup_teardown(
		    who_is_revoked_while_it_is_found_out_who_he_is_is_asked_for_again,
		    set_up_as_jwt, tear_down),
		L(a_bell_echoes_for_what_becomes_readable_late),
		L(an_agent_is_woken_when_it_asked_for_it),
		L(who_has_no_room_is_told_more_when_he_has),
		L(the_agents_close_reaches_the_client),
		L(a_state_that_is_too_large_ends_the_session),
		L(a_client_that_leaves_takes_its_work_along),
		L(draining_answers_what_was_said_and_then_says_goodbye),
		L(draining_ends_even_when_no_agent_is_there),
		L(there_are_as_many_sessions_as_there_may_be),
		L(with_an_empty_bucket_words_wait),
		L(the_next_handshake_with_a_verified_credential_is_its_principals),
	};

	return TEST_RUN(tests);
}
