/* live_v1: metafed.v1 turn by turn, as api would ask for them, with level 0, the log of tasks and the
 * fleet's events on loop-back. The state goes from turn to turn through the test's hands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/live/agent.h"
#include "api/ops/ops.h"
#include "api/websocket/websocket.h"
#include "base/time.h"
#include "harness/test.h"

#define TASK  "0199f0c0-1234-7abc-8def-0123456789ab"
#define LOG   600 /* events at most */
#define LIMIT (5 * SEC)

static struct {
	struct loop *loop;
	struct bus *bus;
	struct target *agent;
	/* level 0 */
	bool meta_down, revoked, forbidden;
	unsigned checks;
	char permission[40], credential[40], operation[40], data[200], id[64];
	uint64_t expires_at;
	/* the log of tasks: event i has position "i" and is of task "task-i" */
	bool log_down;
	unsigned n_events, first, reads;
	/* the session */
	uint8_t state[64 << 10];
	size_t state_n;
	int64_t age_us, idle_us;
	uint32_t room;
	const char *authorization; /* of the handshake */
	bool bell, leaving;
	const char *running;
	/* of the last turn */
	char said[256 << 10]; /* a line per message */
	char listens[100], close_reason[128], dropped[40];
	unsigned messages, works;
	int close_code;
	bool more, done;
	int64_t wake_us;
	enum status failed;
	Mf__SessionWork work; /* the first one */
	uint8_t work_bytes[4096];
} t;

static Mf__Meta_Service meta_service;
static Mf__Database_Service database_service;

static void
fake_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	static char *roles[] = { (char *)(uintptr_t) "user" };
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;
	Mf__Principal p = MF__PRINCIPAL__INIT;
	Mf__Problem problem = MF__PROBLEM__INIT;

	(void)s, (void)reply;
	t.checks++;
	if (t.meta_down) {
		call_fail(ctx, ST_UNAVAILABLE, "down");
		return;
	}
	snprintf(t.permission, sizeof(t.permission), "%s", q->auth->require_permission);
	snprintf(t.credential, sizeof(t.credential), "%s", q->auth->credential);
	if (q->database != NULL) {
		snprintf(t.operation, sizeof(t.operation), "%s", q->database->operation);
		snprintf(t.id, sizeof(t.id), "%s", q->database->id);
		snprintf(t.data, sizeof(t.data), "%.*s", (int)q->database->data.len,
		    (char *)q->database->data.data);
		r.result = q->database->data;
		r.version = 1;
	}
	r.success = !(t.revoked || str_starts(q->auth->credential, "bad") ||
		      (t.forbidden && q->auth->require_permission[0] != '\0'));
	if (!r.success) {
		r.problem = &problem;
		problem.code =
		    t.forbidden && !t.revoked ? ST_PERMISSION_DENIED : ST_UNAUTHENTICATED;
		problem.reason = t.forbidden && !t.revoked ? (char *)(uintptr_t) "PERMISSION"
		                                           : (char *)(uintptr_t) "TOKEN_INVALID";
	} else if (q->auth->credential[0] != '\0') {
		r.principal = &p;
		p.id = p.name = q->auth->credential;
		p.roles = roles;
		p.n_roles = 1;
		p.expires_at = t.expires_at;
	}
	call_reply(ctx, &r.base);
}

static void
fake_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

static void
fake_heartbeat(Mf__Meta_Service *s, const Mf__Beat *q, Mf__BeatAnswer_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

static void
fake_read(Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

static void
fake_write(Mf__Database_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	fake_read(s, q, reply, ctx);
}

static void
fake_events(
    Mf__Database_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx)
{
	struct arena *a = call_arena(ctx);
	Mf__EventPage p = MF__EVENT_PAGE__INIT;
	unsigned after = (unsigned)strtoul(q->position, NULL, 10);

	(void)s, (void)reply;
	t.reads++;
	if (t.log_down) {
		call_fail(ctx, ST_UNAVAILABLE, "down");
		return;
	}
	if (strcmp(q->position, "nonsense") == 0) {
		call_fail_because(ctx, ST_INVALID_ARGUMENT, "BAD_POSITION", 0, "is none");
		return;
	}
	p.events = ARENA_ARRAY(a, Mf__TaskEvent *, LOG);
	if (q->position[0] == '\0')
		after = t.n_events;
	p.gap = after < t.first;
	after = p.gap ? t.first : after;
	for (; after < t.n_events && p.n_events < q->most; after++) {
		Mf__TaskEvent *e = ARENA_NEW(a, Mf__TaskEvent);

		mf__task_event__init(e);
		e->position = arena_printf(a, "%u", after + 1);
		e->kind = (char *)(uintptr_t) "task.created";
		e->task_id = arena_printf(a, "task-%u", after + 1);
		e->state = (char *)(uintptr_t)(after % 2 == 0 ? "QUEUED" : "FAILED");
		p.events[p.n_events++] = e;
	}
	p.position = arena_printf(a, "%u", after);
	call_reply(ctx, &p.base);
}

static int
set_up(void **state)
{
	static const char *const members[] = { "websocket", NULL };
	static struct serve agent[] = { { &websocket_service.base, PRIMARY }, { NULL, 0 } },
			    meta[] = { { &meta_service.base, PRIMARY }, { NULL, 0 } },
			    database[] = { { &database_service.base, PRIMARY }, { NULL, 0 } };
	char err[200];

	memset(&t, 0, sizeof(t));
	t.room = 64 << 10;
	t.loop = loop_new();
	t.bus = bus_new(
	    t.loop, &(const struct bus_opts){ .name = "meta", .generation = 7 }, err, sizeof(err));
	meta_service = (Mf__Meta_Service)MF__META__INIT(fake_);
	database_service = (Mf__Database_Service)MF__DATABASE__INIT(fake_);
	bus_loopback(t.bus, "websocket", agent);
	bus_loopback(t.bus, "meta", meta);
	bus_loopback(t.bus, "database", database);
	ops_init(t.bus);
	agent_init(t.bus);
	t.agent = target_new(t.bus,
	    &(const struct target_def){ &mf__websocket__descriptor, members, { .failures = 3 } });
	return test_log_mark(state);
}

static int
tear_down(void **state)
{
	bus_free(&t.bus);
	loop_free(&t.loop);
	return test_log_check(state);
}

struct asking {
	struct call *c;
	struct rpc *rpc;
};

static void
on_step(const Mf__SessionStep *m, void *ctx)
{
	struct asking *x = ctx;

	if (m == NULL)
		call_fail_with(x->c, rpc_failure(x->rpc));
	else
		call_reply(x->c, &m->base);
}

static void
add_line(const ProtobufCBinaryData *m)
{
	size_t n = strlen(t.said);

	assert_true(n + m->len + 2 < sizeof(t.said));
	assert_true(str_utf8_ok(m->data, m->len));
	memcpy(t.said + n, m->data, m->len);
	t.said[n + m->len] = '\n';
	t.said[n + m->len + 1] = '\0';
	t.messages++;
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	const Mf__SessionStep *m = (const Mf__SessionStep *)(const void *)end->reply;

	(void)c, (void)ctx;
	t.done = true;
	if (end->failure != NULL) {
		t.failed = end->failure->status;
		return;
	}
	assert_true(m->state.len != 0 && m->state.len <= sizeof(t.state));
	memcpy(t.state, m->state.data, t.state_n = m->state.len);
	for (size_t i = 0; i < m->n_messages; i++)
		add_line(&m->messages[i]);
	for (size_t i = 0; i < m->n_listens; i++)
		snprintf(t.listens + strlen(t.listens), sizeof(t.listens) - strlen(t.listens),
		    "%s ", m->listens[i]);
	t.works = (unsigned)m->n_work;
	mf__session_work__init(&t.work);
	if (m->n_work != 0) {
		t.work.work = (ProtobufCBinaryData){ m->work[0]->work.len, t.work_bytes };
		memcpy(t.work_bytes, m->work[0]->work.data, m->work[0]->work.len);
	}
	if (m->n_dropped != 0)
		snprintf(t.dropped, sizeof(t.dropped), "%s", m->dropped[0]);
	t.close_code = (int)m->close_code;
	snprintf(t.close_reason, sizeof(t.close_reason), "%s", m->close_reason);
	t.more = m->more;
	t.wake_us = (int64_t)m->wake_us;
}

static bool
is_done(void *ctx)
{
	(void)ctx;
	return t.done;
}

static void
fill(Mf__SessionTurn *q, Mf__HttpRequest *opening, Mf__KeyValue *header, size_t n,
    const char *const *messages)
{
	static ProtobufCBinaryData list[32];
	static char *running[1];
	static Mf__KeyValue *headers[1];

	for (size_t i = 0; i < n; i++)
		list[i] =
		    (ProtobufCBinaryData){ strlen(messages[i]), (uint8_t *)(uintptr_t)messages[i] };
	q->session_id = (char *)(uintptr_t)TASK;
	q->protocol = (char *)(uintptr_t) "metafed.v1";
	q->state = (ProtobufCBinaryData){ t.state_n, t.state };
	q->messages = list;
	q->n_messages = n;
	q->bell = t.bell;
	q->room = t.room;
	q->age_us = (uint64_t)t.age_us;
	q->idle_us = (uint64_t)t.idle_us;
	q->leaving = t.leaving;
	running[0] = (char *)(uintptr_t)t.running;
	q->running = running;
	q->n_running = t.running != NULL;
	if (t.state_n != 0)
		return;
	q->opening = opening;
	opening->client_address = (char *)(uintptr_t) "10.0.0.1";
	header->key = (char *)(uintptr_t) "authorization";
	header->value = (char *)(uintptr_t)t.authorization;
	headers[0] = header;
	opening->headers = headers;
	opening->n_headers = t.authorization != NULL;
}

/* One turn with these messages. */
static void
turn_of(size_t n, const char *const *messages)
{
	Mf__SessionTurn q = MF__SESSION_TURN__INIT;
	Mf__HttpRequest opening = MF__HTTP_REQUEST__INIT;
	Mf__KeyValue header = MF__KEY_VALUE__INIT;
	struct asking x;

	t.said[0] = t.listens[0] = t.dropped[0] = '\0';
	t.done = t.more = false;
	t.messages = 0;
	t.failed = ST_OK;
	fill(&q, &opening, &header, n, messages);
	x.c = call_root(t.bus, &(const struct call_opts){ .limit_us = 3 * SEC, .done = on_end });
	x.rpc = rpc_new(x.c, t.agent, NULL);
	mf__websocket__turn(&x.rpc->service, &q, on_step, &x);
	loop_run_until(t.loop, is_done, NULL, LIMIT);
	assert_true(t.done);
	t.age_us += 100 * MS;
}
#define TURN(...)                                                                                  \
	turn_of(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                          \
	    (const char *const[]){ __VA_ARGS__ })

static void
ring(void)
{
	t.bell = true;
	turn_of(0, NULL);
	t.bell = false;
}

static void
on_result(const Mf__SessionResult *m, void *ctx)
{
	struct asking *x = ctx;

	t.done = true;
	if (m == NULL) {
		t.failed = rpc_failure(x->rpc)->status;
		return;
	}
	for (size_t i = 0; i < m->n_messages; i++)
		add_line(&m->messages[i]);
}

/* The first job of the last turn. */
static void
do_work(void)
{
	struct asking x;

	t.said[0] = '\0';
	t.done = false;
	t.failed = ST_OK;
	t.work.protocol = (char *)(uintptr_t) "metafed.v1";
	t.work.operation_id = (char *)(uintptr_t)TASK;
	x.c = call_root(t.bus, &(const struct call_opts){ .limit_us = 3 * SEC });
	x.rpc = rpc_new(x.c, t.agent, NULL);
	mf__websocket__work(&x.rpc->service, &t.work, on_result, &x);
	loop_run_until(t.loop, is_done, NULL, LIMIT);
	assert_true(t.done);
	call_cancel(x.c);
}

static void
assert_said(const char *text)
{
	if (strstr(t.said, text) == NULL)
		fail_msg("not said: %s\nbut: %.2000s", text, t.said);
}

static unsigned
count(const char *text)
{
	unsigned n = 0;

	for (const char *p = t.said; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

static void
open_signed(void)
{
	t.authorization = "Bearer ann";
	turn_of(0, NULL);
	assert_said("\"type\":\"authenticated\"");
}

#define SUBSCRIBE(id, more) "{\"type\":\"subscribe\",\"id\":\"" id "\",\"topic\":\"tasks\"" more "}"

static void
a_session_begins_with_hello_and_waits_for_auth(void **unused)
{
	(void)unused;
	turn_of(0, NULL);
	assert_said("{\"type\":\"hello\",\"protocol\":\"metafed.v1\",\"session\":\"" TASK "\"");
	assert_int_equal(t.messages, 1);
	assert_true(t.wake_us > 0 && t.wake_us <= 10 * SEC);
	TURN("{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "tasks\"}}",
	    SUBSCRIBE("2", ""));
	assert_int_equal(count("\"reason\":\"AUTH_REQUIRED\""), 2);
	assert_int_equal(t.works, 0);
	TURN("{\"type\":\"auth\",\"id\":\"a\",\"token\":\"ann\"}");
	assert_said("{\"type\":\"authenticated\",\"id\":\"a\",\"principal\":{\"id\":\"ann\"");
	assert_string_equal(t.credential, "ann");
}

static void
a_header_of_the_handshake_says_who_it_is(void **unused)
{
	(void)unused;
	t.authorization = "bearer ann";
	TURN("{\"type\":\"ping\",\"id\":\"p\"}");
	assert_said("\"type\":\"hello\"");
	assert_said("\"type\":\"authenticated\"");
	assert_said("{\"type\":\"pong\",\"id\":\"p\"}");
	assert_int_equal(t.close_code, 0);
}

static void
a_bad_credential_ends_the_session(void **unused)
{
	(void)unused;
	turn_of(0, NULL);
	TURN("{\"type\":\"auth\",\"token\":\"bad\"}", "{\"type\":\"ping\"}");
	assert_said("\"code\":\"UNAUTHENTICATED\",\"reason\":\"TOKEN_INVALID\"");
	assert_int_equal(t.close_code, 4401);
	assert_null(strstr(t.said, "pong"));
}

static void
when_nobody_can_judge_a_credential_the_session_goes_on_without_it(void **unused)
{
	(void)unused;
	turn_of(0, NULL);
	t.meta_down = true;
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("\"code\":\"UNAVAILABLE\"");
	assert_int_equal(t.close_code, 0);
	t.meta_down = false;
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("authenticated");
}

static void
nobody_by_its_time_is_sent_away(void **unused)
{
	(void)unused;
	turn_of(0, NULL);
	t.age_us = 10 * SEC;
	turn_of(0, NULL);
	assert_said("{\"type\":\"goodbye\",\"reason\":\"AUTH_TIMEOUT\"");
	assert_int_equal(t.close_code, 4408);
}

static void
a_session_stays_one_persons(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"auth\",\"id\":\"x\",\"token\":\"bob\"}");
	assert_said("\"reason\":\"OTHER_PRINCIPAL\"");
	assert_int_equal(t.close_code, 0);
	TURN("{\"type\":\"auth\",\"id\":\"y\",\"token\":\"ann\"}");
	assert_said("\"type\":\"authenticated\",\"id\":\"y\"");
}

static void
a_credential_that_ends_is_asked_for_and_then_missed(void **unused)
{
	(void)unused;
	t.expires_at = (uint64_t)(time_wall_us() + 30 * SEC);
	t.authorization = "Bearer ann";
	turn_of(0, NULL);
	assert_said("{\"type\":\"reauthenticate\",\"expires_at\":\"20");
	assert_true(t.wake_us <= 30 * SEC);
	TURN("{\"type\":\"ping\"}");
	assert_int_equal(count("reauthenticate"), 0);
	t.expires_at = (uint64_t)(time_wall_us() - 1);
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("{\"type\":\"goodbye\",\"reason\":\"TOKEN_EXPIRED\"");
	assert_int_equal(t.close_code, 4401);
}

static void
who_is_silent_and_wants_nothing_is_sent_away(void **unused)
{
	(void)unused;
	open_signed();
	t.idle_us = 600 * SEC;
	t.running = "job";
	turn_of(0, NULL);
	assert_int_equal(t.close_code, 0);
	t.running = NULL;
	turn_of(0, NULL);
	assert_said("\"reason\":\"IDLE\"");
	assert_int_equal(t.close_code, 1000);
}

static void
last_words_are_a_goodbye(void **unused)
{
	(void)unused;
	open_signed();
	t.leaving = true;
	turn_of(0, NULL);
	assert_said("{\"type\":\"goodbye\",\"reason\":\"GOING_AWAY\"");
}

static void
what_is_no_message_is_refused_and_the_session_goes_on(void **unused)
{
	static const char *const bad[] = { "", "{", "[]", "1", "{}", "{\"type\":1}",
		"{\"type\":\"nonsense\"}", "{\"type\":\"ping\",\"other\":1}",
		"{\"type\":\"ping\",\"id\":7}", "{\"type\":\"ping\",\"id\":\"\"}",
		"{\"type\":\"ping\",\"id\":\"a\\u0001b\"}", "{\"type\":\"auth\"}",
		"{\"type\":\"auth\",\"token\":\"\"}", "{\"type\":\"submit\",\"id\":\"1\"}",
		"{\"type\":\"submit\",\"request\":{}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"request\":{},\"api\":{}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":[]}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\"}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":"
		"\"tasks\"}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
		"tasks\",\"x\":1}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
		"tasks\",\"headers\":{\"authorization\":\"Bearer bob\"}}}",
		SUBSCRIBE("1", ",\"filter\":1"), SUBSCRIBE("1", ",\"filter\":{\"label\":\"x\"}"),
		SUBSCRIBE("1", ",\"filter\":{\"state\":[]}"),
		SUBSCRIBE("1", ",\"filter\":{\"state\":7}"), SUBSCRIBE("1", ",\"window\":0"),
		SUBSCRIBE("1", ",\"window\":257"), SUBSCRIBE("1", ",\"after\":\"\""),
		"{\"type\":\"subscribe\",\"id\":\"1\",\"topic\":\"weather\"}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"topic\":\"fleet\",\"after\":\"x\"}",
		"{\"type\":\"ack\",\"id\":\"1\"}" };

	(void)unused;
	open_signed();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		turn_of(1, &bad[i]);
		assert_int_equal(t.messages, 1);
		assert_said("\"code\":\"INVALID_ARGUMENT\"");
		assert_int_equal(t.works, 0);
		assert_int_equal(t.close_code, 0);
	}
	assert_string_equal(t.listens, "");
}

static void
a_submit_is_done_as_over_http_and_answered_under_its_id(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"submit\",\"id\":\"c\",\"api\":{\"method\":\"POST\",\"endpoint\":\"/"
	     "tasks\","
	     "\"data\":{\"title\":\"x\"}}}");
	assert_int_equal(t.messages, 0);
	assert_int_equal(t.works, 1);
	do_work();
	assert_string_equal(t.permission, "task.create");
	assert_string_equal(t.operation, "create");
	assert_string_equal(t.credential, "ann");
	assert_string_equal(t.id, TASK);
	assert_said(
	    "{\"type\":\"result\",\"id\":\"c\",\"status\":201,\"headers\":{\"Location\":\"/v1/"
	    "tasks/" TASK "\",\"ETag\":\"\\\"1\\\"\"}");
	assert_said("\"data\":{\"title\":\"x\"}");
}

static void
a_submit_may_be_a_whole_request(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"submit\",\"id\":\"r\",\"request\":{\"task_id\":\"t\",\"requirements\":{"
	     "\"database\":{\"operation\":\"create\",\"model\":\"task\",\"data\":{\"title\":\"x\"}}"
	     "}}}");
	do_work();
	assert_said("{\"type\":\"result\",\"id\":\"r\",\"status\":200");
	assert_said("\"execution_trace\":[");
}

static void
a_refused_submit_is_an_error_with_the_problem_that_http_has(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"submit\",\"id\":\"q\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "tasks?limit=0\"}}");
	do_work();
	assert_said("{\"type\":\"error\",\"id\":\"q\",");
	assert_said("\"error\":{\"type\":\"about:blank\"");
	assert_said("\"status\":422");
	TURN("{\"type\":\"submit\",\"id\":\"n\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "nothing\"}}");
	do_work();
	assert_said("\"code\":\"NOT_FOUND\",\"reason\":\"NO_RESOURCE\"");
}

static void
an_id_that_is_under_way_is_not_taken_twice_and_can_be_cancelled(void **unused)
{
	(void)unused;
	open_signed();
	t.running = "c";
	TURN("{\"type\":\"submit\",\"id\":\"c\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "tasks\"}}");
	assert_said("\"reason\":\"ID_IN_USE\"");
	assert_int_equal(t.works, 0);
	TURN("{\"type\":\"cancel\",\"id\":\"c\"}", "{\"type\":\"cancel\",\"id\":\"d\"}");
	assert_string_equal(t.dropped, "c");
	assert_said("{\"type\":\"cancelled\",\"id\":\"c\"}");
	assert_said("\"reason\":\"NOTHING_UNDER_WAY\"");
}

static void
a_subscription_begins_at_the_end_of_the_log(void **unused)
{
	(void)unused;
	open_signed();
	t.n_events = 5;
	TURN(SUBSCRIBE("s", ""));
	assert_said("{\"type\":\"subscribed\",\"id\":\"s\",\"position\":\"5\"}\n"
		    "{\"type\":\"caught_up\",\"id\":\"s\",\"position\":\"5\"}");
	assert_string_equal(t.permission, "task.read");
	assert_string_equal(t.listens, "task ");
	t.n_events = 7;
	ring();
	assert_int_equal(t.messages, 2);
	assert_said(
	    "{\"type\":\"event\",\"subscription\":\"s\",\"position\":\"6\",\"event\":\"task."
	    "created\",\"at\":\"1970-01-01T00:00:00.000000Z\",\"data\":{\"id\":\"task-6\"");
	ring();
	assert_int_equal(t.messages, 0);
}

static void
a_subscription_resumes_behind_the_last_event_seen(void **unused)
{
	(void)unused;
	open_signed();
	t.n_events = 5;
	TURN(SUBSCRIBE("s", ",\"after\":\"3\""));
	assert_int_equal(t.messages, 4);
	assert_said("\"type\":\"subscribed\",\"id\":\"s\",\"position\":\"3\"");
	assert_said("\"position\":\"4\"");
	assert_said("\"position\":\"5\",\"event\"");
	assert_said("\"type\":\"caught_up\",\"id\":\"s\",\"position\":\"5\"");
}

static void
what_the_log_has_lost_is_said(void **unused)
{
	(void)unused;
	open_signed();
	t.first = 3;
	t.n_events = 5;
	TURN(SUBSCRIBE("s", ",\"after\":\"1\""));
	assert_said("{\"type\":\"gap\",\"id\":\"s\"");
	assert_int_equal(count("\"type\":\"event\""), 2);
}

static void
a_position_of_no_log_ends_the_subscription(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ",\"after\":\"nonsense\""), SUBSCRIBE("t", ""));
	assert_said("{\"type\":\"error\",\"id\":\"s\"");
	assert_said("\"reason\":\"BAD_POSITION\"");
	assert_said("\"type\":\"subscribed\",\"id\":\"t\"");
	TURN("{\"type\":\"unsubscribe\",\"id\":\"s\"}");
	assert_said("\"reason\":\"NO_SUBSCRIPTION\"");
	assert_string_equal(t.listens, "task ");
}

static void
a_filter_passes_only_what_it_names(void **unused)
{
	(void)unused;
	open_signed();
	t.n_events = 10;
	TURN(SUBSCRIBE("f", ",\"after\":\"0\",\"filter\":{\"state\":\"FAILED\"}"),
	    SUBSCRIBE("b", ",\"after\":\"0\",\"filter\":{\"state\":[\"FAILED\",\"QUEUED\"],\"id\":"
			   "\"task-3\"}"));
	assert_int_equal(count("\"subscription\":\"f\""), 5);
	assert_int_equal(count("\"subscription\":\"b\""), 1);
	ring();
	assert_int_equal(t.messages, 0);
}

static void
subscriptions_at_the_same_position_share_a_read(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("a", ""), SUBSCRIBE("b", ""), SUBSCRIBE("c", ""));
	t.n_events = 1;
	t.reads = 0;
	ring();
	assert_int_equal(t.messages, 3);
	assert_true(t.reads <= 3);
}

static void
who_has_no_room_lags_and_loses_nothing(void **unused)
{
	unsigned turns = 0, events = 0;

	(void)unused;
	open_signed();
	t.n_events = 300;
	t.room = 4000;
	TURN(SUBSCRIBE("s", ",\"after\":\"0\""));
	assert_int_equal(count("\"type\":\"lagging\""), 1);
	assert_true(t.more);
	assert_true(strlen(t.said) <= 4000 + 200);
	for (events = count("\"type\":\"event\""); t.more; turns++) {
		ring();
		assert_int_equal(count("\"type\":\"lagging\""), 0);
		events += count("\"type\":\"event\"");
		assert_true(turns < 100);
	}
	assert_int_equal(events, 300);
	assert_said("{\"type\":\"caught_up\",\"id\":\"s\",\"position\":\"300\"}");
	t.room = 100;
	t.n_events = 301;
	ring();
	assert_int_equal(t.messages, 0);
	assert_true(t.more);
}

static void
a_long_way_is_gone_in_several_turns(void **unused)
{
	(void)unused;
	open_signed();
	t.n_events = 600;
	t.room = 250 << 10;
	TURN(SUBSCRIBE("s", ",\"after\":\"0\",\"filter\":{\"id\":\"task-600\"}"));
	assert_int_equal(count("\"type\":\"event\""), 1);
	assert_int_equal(t.reads, 3);
}

static void
a_window_holds_events_until_they_are_acknowledged(void **unused)
{
	(void)unused;
	open_signed();
	t.n_events = 10;
	TURN(SUBSCRIBE("w", ",\"after\":\"0\",\"window\":3"));
	assert_int_equal(count("\"type\":\"event\""), 3);
	assert_false(t.more);
	ring();
	assert_int_equal(t.messages, 0);
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"nothing of ours\"}");
	assert_int_equal(t.messages, 0);
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"2\"}");
	assert_int_equal(count("\"type\":\"event\""), 2);
	assert_said("\"position\":\"5\"");
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"5\"}");
	assert_int_equal(count("\"type\":\"event\""), 3);
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"8\"}");
	assert_said("\"position\":\"10\"");
	assert_said("caught_up");
}

static void
an_unsubscribed_one_hears_no_more(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""), SUBSCRIBE("t", ""));
	TURN("{\"type\":\"unsubscribe\",\"id\":\"s\"}", SUBSCRIBE("t", ""));
	assert_said("{\"type\":\"unsubscribed\",\"id\":\"s\"}");
	assert_said("\"reason\":\"ID_IN_USE\"");
	t.n_events = 1;
	ring();
	assert_int_equal(t.messages, 1);
	assert_said("\"subscription\":\"t\"");
	TURN("{\"type\":\"unsubscribe\",\"id\":\"t\"}");
	assert_string_equal(t.listens, "");
}

static void
a_session_has_at_most_thirty_two_subscriptions(void **unused)
{
	char one[100];
	const char *text = one;

	(void)unused;
	open_signed();
	for (int i = 0; i < 32; i++) {
		snprintf(one, sizeof(one),
		    "{\"type\":\"subscribe\",\"id\":\"%d\",\"topic\":\"tasks\"}", i);
		turn_of(1, &text);
		assert_int_equal(count("error"), 0);
	}
	TURN(SUBSCRIBE("one more", ""));
	assert_said("\"reason\":\"TOO_MANY_SUBSCRIPTIONS\"");
}

static void
without_the_permission_there_is_no_subscription(void **unused)
{
	(void)unused;
	open_signed();
	t.forbidden = true;
	TURN(SUBSCRIBE("s", ""));
	assert_said("\"code\":\"PERMISSION_DENIED\"");
	assert_string_equal(t.listens, "");
	assert_int_equal(t.close_code, 0);
}

static void
a_permission_that_was_taken_away_ends_what_it_was_for(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	t.age_us += 1 * SEC;
	t.forbidden = true;
	t.n_events = 2;
	ring();
	assert_int_equal(count("\"type\":\"event\""), 0);
	assert_said("{\"type\":\"error\",\"id\":\"s\"");
	assert_string_equal(t.listens, "");
	assert_int_equal(t.close_code, 0);
}

static void
a_revoked_credential_hears_nothing_more(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	t.age_us += 1 * SEC;
	t.revoked = true;
	t.n_events = 2;
	ring();
	assert_int_equal(count("\"type\":\"event\""), 0);
	assert_said("{\"type\":\"goodbye\",\"reason\":\"TOKEN_INVALID\"");
	assert_int_equal(t.close_code, 4401);
}

static void
a_revoked_credential_ends_a_session_to_which_nothing_is_told_too(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	assert_true(t.wake_us <= 300 * SEC);
	t.revoked = true;
	t.age_us += 301 * SEC;
	turn_of(0, NULL);
	assert_int_equal(t.close_code, 4401);
}

static void
when_nobody_can_judge_nothing_is_told_and_nothing_is_lost(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	t.age_us += 1 * SEC;
	t.meta_down = true;
	t.n_events = 2;
	ring();
	assert_int_equal(t.messages, 0);
	assert_int_equal(t.failed, ST_OK);
	assert_true(t.wake_us > 0 && t.wake_us <= 1 * SEC);
	t.meta_down = false;
	t.age_us += 1 * SEC;
	turn_of(0, NULL);
	assert_int_equal(count("\"type\":\"event\""), 2);
}

static void
while_the_log_can_not_be_read_it_is_asked_again(void **unused)
{
	(void)unused;
	open_signed();
	t.log_down = true;
	TURN(SUBSCRIBE("s", ",\"after\":\"0\""));
	assert_int_equal(t.messages, 0);
	assert_true(t.wake_us > 0 && t.wake_us <= 1 * SEC);
	TURN("{\"type\":\"ping\"}");
	assert_true(t.wake_us > 0 && t.wake_us <= 1 * SEC);
	t.log_down = false;
	t.n_events = 1;
	t.age_us += 1 * SEC;
	turn_of(0, NULL);
	assert_said("subscribed");
	assert_int_equal(count("\"type\":\"event\""), 1);
}

static void
publish_node(const char *name, const char *state)
{
	Mf__FleetNode n = MF__FLEET_NODE__INIT;

	n.name = (char *)(uintptr_t)name;
	n.state = (char *)(uintptr_t)state;
	n.domain = (char *)(uintptr_t) "database";
	bus_publish(t.bus, "fleet.node", &n.base);
}

static void
the_fleets_events_are_numbered_by_meta(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	(void)unused;
	open_signed();
	publish_node("sql", "READY");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"filter\":{\"name\":"
	     "\"sql\"}}");
	assert_said("{\"type\":\"subscribed\",\"id\":\"f\",\"position\":\"7.1\"}");
	assert_string_equal(t.permission, "fleet.read");
	assert_string_equal(t.listens, "fleet ");
	publish_node("rest", "READY");
	bus_publish(t.bus, "breaker", &nothing.base);
	publish_node("sql", "DRAINING");
	ring();
	assert_int_equal(t.messages, 1);
	assert_said("\"position\":\"7.4\",\"event\":\"fleet.node\"");
	assert_said("\"name\":\"sql\",\"level\":0,\"domain\":\"database\",\"pid\":0,\"state\":"
		    "\"DRAINING\"");
	TURN("{\"type\":\"subscribe\",\"id\":\"g\",\"topic\":\"fleet\",\"after\":\"7.1\"}");
	assert_int_equal(count("\"subscription\":\"g\""), 2);
	assert_int_equal(count("\"type\":\"gap\""), 0);
}

static void
events_of_a_meta_that_is_gone_are_a_gap(void **unused)
{
	(void)unused;
	open_signed();
	publish_node("sql", "READY");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"after\":\"6.123\"}");
	assert_said("{\"type\":\"gap\",\"id\":\"f\"");
	assert_said("\"position\":\"7.1\",\"event\"");
	assert_said("{\"type\":\"caught_up\",\"id\":\"f\",\"position\":\"7.1\"}");
}

static void
what_the_ring_has_lost_is_a_gap(void **unused)
{
	(void)unused;
	open_signed();
	for (int i = 0; i < 4100; i++)
		publish_node("sql", i % 2 ? "READY" : "DRAINING");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"after\":\"7.1\"}");
	assert_said("{\"type\":\"gap\",\"id\":\"f\"");
	assert_said("\"position\":\"7.5\",\"event\"");
}

static void
a_state_that_is_none_is_refused(void **unused)
{
	(void)unused;
	t.state[0] = 0xff;
	t.state_n = 1;
	turn_of(0, NULL);
	assert_int_equal(t.failed, ST_INTERNAL);
}

int
main(void)
{
#define V(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		V(a_session_begins_with_hello_and_waits_for_auth),
		V(a_header_of_the_handshake_says_who_it_is),
		V(a_bad_credential_ends_the_session),
		V(when_nobody_can_judge_a_credential_the_session_goes_on_without_it),
		V(nobody_by_its_time_is_sent_away),
		V(a_session_stays_one_persons),
		V(a_credential_that_ends_is_asked_for_and_then_missed),
		V(who_is_silent_and_wants_nothing_is_sent_away),
		V(last_words_are_a_goodbye),
		V(what_is_no_message_is_refused_and_the_session_goes_on),
		V(a_submit_is_done_as_over_http_and_answered_under_its_id),
		V(a_submit_may_be_a_whole_request),
		V(a_refused_submit_is_an_error_with_the_problem_that_http_has),
		V(an_id_that_is_under_way_is_not_taken_twice_and_can_be_cancelled),
		V(a_subscription_begins_at_the_end_of_the_log),
		V(a_subscription_resumes_behind_the_last_event_seen),
		V(what_the_log_has_lost_is_said),
		V(a_position_of_no_log_ends_the_subscription),
		V(a_filter_passes_only_what_it_names),
		V(subscriptions_at_the_same_position_share_a_read),
		V(who_has_no_room_lags_and_loses_nothing),
		V(a_long_way_is_gone_in_several_turns),
		V(a_window_holds_events_until_they_are_acknowledged),
		V(an_unsubscribed_one_hears_no_more),
		V(a_session_has_at_most_thirty_two_subscriptions),
		V(without_the_permission_there_is_no_subscription),
		V(a_permission_that_was_taken_away_ends_what_it_was_for),
		V(a_revoked_credential_hears_nothing_more),
		V(a_revoked_credential_ends_a_session_to_which_nothing_is_told_too),
		V(when_nobody_can_judge_nothing_is_told_and_nothing_is_lost),
		V(while_the_log_can_not_be_read_it_is_asked_again),
		V(the_fleets_events_are_numbered_by_meta),
		V(events_of_a_meta_that_is_gone_are_a_gap),
		V(what_the_ring_has_lost_is_a_gap),
		V(a_state_that_is_none_is_refused),
	};

	return TEST_RUN(tests);
}
