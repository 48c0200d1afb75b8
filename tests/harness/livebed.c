/* livebed: see livebed.h. */
#include "harness/livebed.h"
#include "harness/unserved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ops/ops.h"
#include "api/websocket/websocket.h"

#define LIMIT (5 * SEC)

struct livebed live;

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
	live.checks++;
	if (live.meta_down) {
		call_fail(ctx, ST_UNAVAILABLE, "down");
		return;
	}
	snprintf(live.permission, sizeof(live.permission), "%s", q->auth->require_permission);
	snprintf(live.credential, sizeof(live.credential), "%s", q->auth->credential);
	if (q->database != NULL) {
		snprintf(live.operation, sizeof(live.operation), "%s", q->database->operation);
		snprintf(live.id, sizeof(live.id), "%s", q->database->id);
		snprintf(live.data, sizeof(live.data), "%.*s", (int)q->database->data.len,
		    (char *)q->database->data.data);
		r.result = q->database->data;
		r.version = 1;
		if (live.hangs)
			return;
	}
	r.success = !(live.revoked || str_starts(q->auth->credential, "bad") ||
		      (live.forbidden && q->auth->require_permission[0] != '\0'));
	if (!r.success) {
		r.problem = &problem;
		problem.code =
		    live.forbidden && !live.revoked ? ST_PERMISSION_DENIED : ST_UNAUTHENTICATED;
		problem.reason = live.forbidden && !live.revoked
		                     ? (char *)(uintptr_t) "PERMISSION"
		                     : (char *)(uintptr_t) "TOKEN_INVALID";
	} else if (q->auth->credential[0] != '\0') {
		r.principal = &p;
		p.id = p.name = q->auth->credential;
		p.roles = roles;
		p.n_roles = 1;
		p.expires_at = live.expires_at;
	}
	call_reply(ctx, &r.base);
}

static void
fake_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

UNSERVED(fake_heartbeat, Meta, Beat, BeatAnswer)
UNSERVED(fake_take_traces, Meta, TraceBatch, Empty)
UNSERVED(fake_keep_traces, Database, TraceBatch, TraceKept)
UNSERVED(fake_find_traces, Database, TraceQuery, TraceBatch)

static void
fake_mode(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetMode_Closure reply, void *ctx)
{
	static const Mf__FleetMode normal = MF__FLEET_MODE__INIT;

	(void)s, (void)q, (void)reply;
	if (live.stand_by == 0) {
		call_reply(ctx, &normal.base);
		return;
	}
	live.stand_by--;
	call_fail_because(ctx, ST_UNAVAILABLE, "NOT_LEADING", 0, "another one leads");
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
	live.reads++;
	if (live.log_down) {
		call_fail(ctx, ST_UNAVAILABLE, "down");
		return;
	}
	if (strcmp(q->position, "nonsense") == 0) {
		call_fail_because(ctx, ST_INVALID_ARGUMENT, "BAD_POSITION", 0, "is none");
		return;
	}
	p.events = ARENA_ARRAY(a, Mf__TaskEvent *, LOG);
	if (q->position[0] == '\0')
		after = live.n_events;
	p.gap = after < live.first;
	after = p.gap ? live.first : after;
	for (; after < live.n_events && p.n_events < q->most; after++) {
		Mf__TaskEvent *e = ARENA_NEW(a, Mf__TaskEvent);

		mf__task_event__init(e);
		e->position = arena_printf(a, "%u", after + 1);
		e->kind = (char *)(uintptr_t) "task.created";
		e->task_id = live.task != NULL ? arena_strdup(a, live.task)
		                               : arena_printf(a, "task-%u", after + 1);
		e->state = (char *)(uintptr_t)(after % 2 == 0 ? "QUEUED" : "FAILED");
		p.events[p.n_events++] = e;
	}
	p.position = arena_printf(a, "%u", after);
	call_reply(ctx, &p.base);
}

int
livebed_start(void **state)
{
	static const char *const members[] = { "websocket", NULL };
	static struct serve agent[] = { { &websocket_service.base, PRIMARY }, { NULL, 0 } },
			    meta[] = { { &meta_service.base, PRIMARY }, { NULL, 0 } },
			    database[] = { { &database_service.base, PRIMARY }, { NULL, 0 } };
	char err[200];

	memset(&live, 0, sizeof(live));
	live.room = 64 << 10;
	live.protocol = "metafed.v1";
	live.loop = loop_new();
	live.bus = bus_new(live.loop, &(const struct bus_opts){ .name = "meta", .generation = 7 },
	    err, sizeof(err));
	meta_service = (Mf__Meta_Service)MF__META__INIT(fake_);
	database_service = (Mf__Database_Service)MF__DATABASE__INIT(fake_);
	bus_loopback(live.bus, "websocket", agent);
	bus_loopback(live.bus, "meta", meta);
	bus_loopback(live.bus, "meta-2", meta);
	bus_loopback(live.bus, "database", database);
	ops_init(live.bus);
	agent_init(live.bus);
	live.agent = target_new(live.bus,
	    &(const struct target_def){ &mf__websocket__descriptor, members, { .failures = 3 } });
	return test_log_mark(state);
}

int
livebed_stop(void **state)
{
	bus_free(&live.bus);
	loop_free(&live.loop);
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
	size_t n = strlen(live.said);

	assert_true(n + m->len + 2 < sizeof(live.said));
	assert_true(str_utf8_ok(m->data, m->len));
	memcpy(live.said + n, m->data, m->len);
	live.said[n + m->len] = '\n';
	live.said[n + m->len + 1] = '\0';
	live.messages++;
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	const Mf__SessionStep *m = (const Mf__SessionStep *)(const void *)end->reply;

	(void)c, (void)ctx;
	live.done = true;
	if (end->failure != NULL) {
		live.failed = end->failure->status;
		return;
	}
	assert_true(m->state.len != 0 && m->state.len <= sizeof(live.state));
	memcpy(live.state, m->state.data, live.state_n = m->state.len);
	for (size_t i = 0; i < m->n_messages; i++)
		add_line(&m->messages[i]);
	for (size_t i = 0; i < m->n_listens; i++)
		snprintf(live.listens + strlen(live.listens),
		    sizeof(live.listens) - strlen(live.listens), "%s ", m->listens[i]);
	live.works = (unsigned)m->n_work;
	mf__session_work__init(&live.work);
	if (m->n_work != 0) {
		live.work.work = (ProtobufCBinaryData){ m->work[0]->work.len, live.work_bytes };
		memcpy(live.work_bytes, m->work[0]->work.data, m->work[0]->work.len);
	}
	if (m->n_dropped != 0)
		snprintf(live.dropped, sizeof(live.dropped), "%s", m->dropped[0]);
	live.close_code = (int)m->close_code;
	live.handshake = m->handshake;
	live.refused = m->refusal == NULL ? 0 : (int)m->refusal->status;
	snprintf(live.close_reason, sizeof(live.close_reason), "%s", m->close_reason);
	live.more = m->more;
	live.wake_us = (int64_t)m->wake_us;
}

static bool
is_done(void *ctx)
{
	(void)ctx;
	return live.done;
}

static void
add_header(Mf__HttpRequest *q, Mf__KeyValue *h, const char *name, const char *value)
{
	mf__key_value__init(h);
	h->key = (char *)(uintptr_t)name;
	h->value = (char *)(uintptr_t)value;
	if (value != NULL)
		q->headers[q->n_headers++] = h;
}

static void
fill(Mf__SessionTurn *q, Mf__HttpRequest *opening, Mf__KeyValue *header, size_t n,
    const char *const *messages)
{
	static ProtobufCBinaryData list[32];
	static char *running[1];
	static Mf__KeyValue *headers[2];

	for (size_t i = 0; i < n; i++)
		list[i] =
		    (ProtobufCBinaryData){ strlen(messages[i]), (uint8_t *)(uintptr_t)messages[i] };
	q->session_id = (char *)(uintptr_t)TASK;
	q->protocol = (char *)(uintptr_t)live.protocol;
	q->state = (ProtobufCBinaryData){ live.state_n, live.state };
	q->messages = list;
	q->n_messages = n;
	q->bell = live.bell;
	q->room = live.room;
	q->age_us = (uint64_t)live.age_us;
	q->idle_us = (uint64_t)live.idle_us;
	q->leaving = live.leaving;
	running[0] = (char *)(uintptr_t)live.running;
	q->running = running;
	q->n_running = live.running != NULL;
	if (live.state_n != 0)
		return;
	q->opening = opening;
	opening->client_address = (char *)(uintptr_t) "10.0.0.1";
	if (live.query != NULL)
		opening->query = (char *)(uintptr_t)live.query;
	opening->headers = headers;
	add_header(opening, &header[0], "authorization", live.authorization);
	add_header(opening, &header[1], "last-event-id", live.last);
}

void
livebed_turn(size_t n, const char *const *messages)
{
	Mf__SessionTurn q = MF__SESSION_TURN__INIT;
	Mf__HttpRequest opening = MF__HTTP_REQUEST__INIT;
	Mf__KeyValue headers[2];
	struct asking x;

	live.said[0] = live.listens[0] = live.dropped[0] = '\0';
	live.done = live.more = false;
	live.messages = 0;
	live.failed = ST_OK;
	fill(&q, &opening, headers, n, messages);
	x.c = call_root(live.bus, &(const struct call_opts){ .limit_us = 3 * SEC, .done = on_end });
	x.rpc = rpc_new(x.c, live.agent, NULL);
	mf__websocket__turn(&x.rpc->service, &q, on_step, &x);
	loop_run_until(live.loop, is_done, NULL, LIMIT);
	assert_true(live.done);
	live.age_us += 100 * MS;
}
void
livebed_ring(void)
{
	live.bell = true;
	livebed_turn(0, NULL);
	live.bell = false;
}

static void
on_result(const Mf__SessionResult *m, void *ctx)
{
	struct asking *x = ctx;

	live.done = true;
	if (m == NULL) {
		live.failed = rpc_failure(x->rpc)->status;
		return;
	}
	for (size_t i = 0; i < m->n_messages; i++)
		add_line(&m->messages[i]);
}

void
livebed_work(void)
{
	struct asking x;

	live.said[0] = '\0';
	live.done = false;
	live.failed = ST_OK;
	live.work.protocol = (char *)(uintptr_t)live.protocol;
	live.work.operation_id = (char *)(uintptr_t)TASK;
	x.c = call_root(live.bus, &(const struct call_opts){ .limit_us = 3 * SEC });
	x.rpc = rpc_new(x.c, live.agent, NULL);
	mf__websocket__work(&x.rpc->service, &live.work, on_result, &x);
	loop_run_until(live.loop, is_done, NULL, LIMIT);
	assert_true(live.done);
	call_cancel(x.c);
}

void
livebed_assert_said(const char *text)
{
	if (strstr(live.said, text) == NULL)
		fail_msg("not said: %s\nbut: %.2000s", text, live.said);
}

unsigned
livebed_count(const char *text)
{
	unsigned n = 0;

	for (const char *p = live.said; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

void
livebed_publish(const char *name, const char *state)
{
	Mf__FleetNode n = MF__FLEET_NODE__INIT;

	n.name = (char *)(uintptr_t)name;
	n.state = (char *)(uintptr_t)state;
	n.domain = (char *)(uintptr_t) "database";
	bus_publish(live.bus, "fleet.node", &n.base);
}
