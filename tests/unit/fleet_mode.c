/* fleet_mode: what an API agent refuses by itself, and when it does not. What "meta" is said to have
 * published is made here. */
#include <string.h>

#include "api/ops/ops.h"
#include "base/time.h"
#include "harness/busbed.h"
#include "harness/unserved.h"

static struct {
	unsigned calls, asked;
	Mf__FleetMode mode; /* that Meta.Mode answers */
} meta;

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	Mf__TaskResponse m = MF__TASK_RESPONSE__INIT;

	(void)s, (void)q, (void)reply;
	meta.calls++;
	m.success = true;
	call_reply(ctx, &m.base);
}

static void
meta_mode(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetMode_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	meta.asked++;
	call_reply(ctx, &meta.mode.base);
}

UNSERVED(meta_fleet, Meta, Empty, FleetState)
UNSERVED(meta_take_traces, Meta, TraceBatch, Empty)
UNSERVED(meta_heartbeat, Meta, Beat, BeatAnswer)

static int
start(void **state)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static struct serve serves[] = { { &service.base, PRIMARY }, { NULL, 0 } };

	if (bed_start(state) != 0)
		return -1;
	memset(&meta, 0, sizeof(meta));
	mf__fleet_mode__init(&meta.mode);
	bus_loopback(bed.bus, "meta", serves);
	ops_init(bed.bus);
	pass(5 * MS); /* its subscription has begun */
	return 0;
}
#define MODE(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

/* The event `seq` of that generation of meta. */
static void
publish(uint64_t generation, uint64_t seq, const char *mode, uint32_t least, uint64_t number)
{
	Mf__EventBatch batch = MF__EVENT_BATCH__INIT;
	Mf__Event event = MF__EVENT__INIT, *events[] = { &event };
	Mf__FleetMode m = MF__FLEET_MODE__INIT;
	uint8_t payload[200], bytes[400];

	m.mode = (char *)(uintptr_t)mode;
	m.least_priority = least;
	m.retry_ms = 1000;
	m.number = number;
	event.seq = seq;
	event.topic = (char *)(uintptr_t) "fleet.mode";
	event.payload = (ProtobufCBinaryData){ mf__fleet_mode__pack(&m, payload), payload };
	batch.node = (char *)(uintptr_t) "meta";
	batch.generation = generation;
	batch.last_seq = seq;
	batch.n_events = 1;
	batch.events = events;
	assert_true(mf__event_batch__get_packed_size(&batch) < sizeof(bytes));
	events_receive(bed.bus, "meta", bytes, mf__event_batch__pack(&batch, bytes));
}

/* What becomes of a request for that operation of level 0 or, without, of the database. */
struct sent {
	struct call *c;
	struct rpc *rpc;
	bool done, ok;
	struct failure failure;
	char reason[32];
};

static void
on_response(const Mf__TaskResponse *m, void *ctx)
{
	struct sent *s = ctx;

	s->done = true;
	s->ok = m != NULL;
	if (m == NULL) {
		s->failure = *rpc_failure(s->rpc);
		snprintf(s->reason, sizeof(s->reason), "%s", s->failure.reason);
		call_fail_with(s->c, rpc_failure(s->rpc));
	} else {
		call_reply(s->c, &m->base);
	}
}

static struct sent
request(Mf__Priority priority, const char *own, const char *operation)
{
	struct sent s = { 0 };
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	Mf__MetaRequirement m = MF__META_REQUIREMENT__INIT;
	Mf__DatabaseRequirement d = MF__DATABASE_REQUIREMENT__INIT;

	q.priority = priority;
	m.operation = (char *)(uintptr_t)own;
	d.operation = (char *)(uintptr_t)operation;
	if (own != NULL)
		q.meta = &m;
	else
		q.database = &d;
	s.c = call_root(bed.bus, &(const struct call_opts){ .limit_us = SEC });
	s.rpc = ops_execute(s.c, &q, on_response, &s);
	for (int i = 0; i < 1000 && !s.done; i++)
		pass(MS);
	assert_true(s.done);
	return s;
}

static void
what_is_shed_is_refused_without_a_hop(void **unused)
{
	struct sent s;

	(void)unused;
	assert_true(request(MF__PRIORITY__LOW, NULL, "read").ok);
	publish(7, 1, "shedding", MF__PRIORITY__MEDIUM, 1);
	s = request(MF__PRIORITY__LOW, NULL, "read");
	assert_false(s.ok);
	assert_int_equal(s.failure.status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(s.reason, "SHED");
	assert_in_range(s.failure.retry_ms, 1000, 1500);
	assert_int_equal(problem_http(&(const struct failure){
			     .status = ST_RESOURCE_EXHAUSTED, .reason = "SHED", .message = "" }),
	    503);
	assert_int_equal(meta.calls, 1);
	assert_true(request(MF__PRIORITY__PRIORITY_NONE, NULL, "create").ok); /* MEDIUM */
	assert_true(request(MF__PRIORITY__LOW, "fleet", NULL).ok);
	publish(7, 2, "normal", MF__PRIORITY__LOW, 2);
	assert_true(request(MF__PRIORITY__LOW, NULL, "read").ok);
}

static void
reads_and_the_way_out_go_on_when_only_essential_services_do(void **unused)
{
	(void)unused;
	publish(7, 1, "essential", MF__PRIORITY__LOW, 1);
	assert_string_equal(
	    request(MF__PRIORITY__CRITICAL, NULL, "create").reason, "ESSENTIAL_ONLY");
	assert_string_equal(
	    request(MF__PRIORITY__CRITICAL, "chaos", NULL).reason, "ESSENTIAL_ONLY");
	assert_int_equal(meta.calls, 0);
	assert_true(request(MF__PRIORITY__LOW, NULL, "read").ok);
	assert_true(request(MF__PRIORITY__LOW, "health", NULL).ok);
	assert_true(request(MF__PRIORITY__LOW, "restart", NULL).ok);
}

static void
an_older_word_does_not_undo_a_newer_one(void **unused)
{
	(void)unused;
	publish(7, 1, "throttled", MF__PRIORITY__CRITICAL, 5);
	publish(7, 2, "normal", MF__PRIORITY__LOW, 4);
	assert_string_equal(request(MF__PRIORITY__HIGH, NULL, "read").reason, "THROTTLED");
}

static void
another_meta_is_asked_and_what_the_one_before_said_is_forgotten(void **unused)
{
	unsigned asked = meta.asked;

	(void)unused;
	publish(7, 1, "essential", MF__PRIORITY__LOW, 9);
	meta.mode.mode = (char *)(uintptr_t) "shedding";
	meta.mode.least_priority = MF__PRIORITY__HIGH;
	meta.mode.number = 2;
	/* its first word that we hear is of something else */
	publish(8, 1, "normal", MF__PRIORITY__LOW, 0);
	for (int i = 0; i < 1000 && meta.asked == asked; i++)
		pass(MS);
	pass(5 * MS);
	assert_int_equal(meta.asked, asked + 1);
	assert_true(request(MF__PRIORITY__HIGH, NULL, "create").ok);
	assert_string_equal(request(MF__PRIORITY__MEDIUM, NULL, "read").reason, "SHED");
}

static void
who_has_lost_meta_refuses_nothing_by_what_it_said(void **unused)
{
	struct sent s;

	(void)unused;
	publish(7, 1, "shedding", MF__PRIORITY__CRITICAL, 1);
	peer_down(peer_get(bed.bus, "meta"));
	s = request(MF__PRIORITY__LOW, NULL, "read");
	assert_int_equal(s.failure.status, ST_UNAVAILABLE); /* as without any mode */
	peer_up(peer_get(bed.bus, "meta"));
	pass(5 * MS);
}

static void
what_is_no_mode_refuses_nothing(void **unused)
{
	(void)unused;
	publish(7, 1, "?", 77, 1);
	assert_true(request(MF__PRIORITY__LOW, NULL, "create").ok);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MODE(what_is_shed_is_refused_without_a_hop),
		MODE(reads_and_the_way_out_go_on_when_only_essential_services_do),
		MODE(an_older_word_does_not_undo_a_newer_one),
		MODE(another_meta_is_asked_and_what_the_one_before_said_is_forgotten),
		MODE(who_has_lost_meta_refuses_nothing_by_what_it_said),
		MODE(what_is_no_mode_refuses_nothing),
	};

	return TEST_RUN(tests);
}
