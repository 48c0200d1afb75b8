/* bus: two real processes over ipc. The members are children of this test, each with a bus of its
 * own; the test kills, stops and restarts them while calls flow. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "bus/bus.h"
#include "harness/test.h"
#include "harness/unserved.h"
#include "proto/sql.pb-c.h"

static struct node_config config;
static struct loop *loop;
static struct bus *bus;

/* --- the members: a process each --- */

static void
on_slept(struct call *c, void *ctx)
{
	Mf__StoreResult r = MF__STORE_RESULT__INIT;

	(void)ctx;
	r.rows_affected = (uint64_t)getpid();
	call_reply(c, &r.base);
}

/* The limit of the query is how long it takes, in milliseconds. */
static void
sql_read(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (q->limit > 0)
		call_after(ctx, q->limit * MS, on_slept, NULL);
	else
		on_slept(ctx, NULL);
}

static void
sql_write(Mf__Sql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	sql_read(s, q, reply, ctx);
}

UNSERVED(sql_query, Sql, SqlQuery, SqlRows)
UNSERVED(sql_events, Sql, EventsAfter, EventPage)
UNSERVED(sql_keep_traces, Sql, TraceBatch, TraceKept)
UNSERVED(sql_find_traces, Sql, TraceQuery, TraceBatch)
UNSERVED(sql_migration_status, Sql, Empty, Migrations)
UNSERVED(sql_decide, Sql, DecideAsk, Decisions)
UNSERVED(sql_forget, Sql, ForgetAsk, Forgotten)
UNSERVED(sql_replay, Sql, ReplayBatch, ReplayIs)

static Mf__Sql_Service sql_service = MF__SQL__INIT(sql_);
static const struct serve serves[] = { { &sql_service.base, PRIMARY }, { NULL, PRIMARY } };

static void
publish(struct timer *t)
{
	Mf__LogLevel m = MF__LOG_LEVEL__INIT;

	bus_publish(bus, "test.beat", &m.base);
	timer_in(t, 1 * MS);
}

static void
member_main(const char *name, uint64_t generation)
{
	char err[200];
	struct timer t;

	log_init(name, generation, STDERR_FILENO);
	loop = loop_new();
	bus = bus_new(loop,
	    &(const struct bus_opts){
		.name = name, .generation = generation, .config = &config, .serves = serves },
	    err, sizeof err);
	if (bus == NULL || !bus_listen(bus, err, sizeof err))
		fatal("%s", err);
	timer_init(&t, loop, publish);
	timer_in(&t, 1 * MS);
	loop_run(loop);
	_exit(0);
}

static pid_t
member(const char *name, uint64_t generation)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60); /* should the test itself be killed */
		if (getppid() != parent)
			_exit(1);
		member_main(name, generation);
	}
	return pid;
}

/* --- the caller: this process. A process that has opened nng can't fork others that open it too:
 * members are forked by a spawner, which is forked first of all --- */

static int spawn_ask[2], spawn_tell[2];
static pid_t spawner;

struct spawn_order {
	char name[16];
	uint64_t generation;
};

static void
spawner_main(void)
{
	struct spawn_order o;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	alarm(120);
	while (read(spawn_ask[0], &o, sizeof o) == (ssize_t)sizeof o) {
		pid = member(o.name, o.generation);
		if (write(spawn_tell[1], &pid, sizeof pid) != (ssize_t)sizeof pid)
			break;
	}
	_exit(0);
}

static pid_t
spawn(const char *name, uint64_t generation)
{
	struct spawn_order o = { .generation = generation };
	pid_t pid = -1;

	snprintf(o.name, sizeof o.name, "%s", name);
	assert_int_equal(write(spawn_ask[1], &o, sizeof o), sizeof o);
	assert_int_equal(read(spawn_tell[0], &pid, sizeof pid), sizeof pid);
	return pid;
}

static pid_t sql, nosql;

static int
start(void **state)
{
	char err[200];

	(void)state;
	sql = spawn("sql", 1);
	nosql = spawn("nosql", 1);
	loop = loop_new();
	bus = bus_new(loop,
	    &(const struct bus_opts){ .name = "database", .generation = 1, .config = &config }, err,
	    sizeof err);
	if (bus == NULL)
		fatal("%s", err);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	kill(sql, SIGKILL);
	kill(nosql, SIGKILL);
	bus_free(&bus);
	loop_free(&loop);
	return 0;
}

static int
start_spawner(void **state)
{
	static char bus_dir[200];

	(void)state;
	snprintf(bus_dir, sizeof bus_dir, "%s/bus", test_dir());
	config = (struct node_config){ .var = test_dir(),
		.log_level = "warn",
		.bus_dir = bus_dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "",
		.retry_budget = 0.3 };
	if (pipe(spawn_ask) != 0 || pipe(spawn_tell) != 0)
		return -1;
	spawner = fork();
	if (spawner == 0) {
		close(spawn_ask[1]);
		spawner_main();
	}
	return spawner > 0 ? 0 : -1;
}

static int
end_spawner(void **state)
{
	(void)state;
	close(spawn_ask[1]);
	return waitpid(spawner, NULL, 0) == spawner ? 0 : -1;
}

static struct target *
target_of(const char *const *members)
{
	return target_new(bus, &(const struct target_def){ .service = &mf__sql__descriptor,
				   .members = members,
				   .breaker = { .limit_us = 50 * MS } });
}

/* A load: `window` calls in flight, each answered one is followed by the next, until `total` have
 * ended. */
struct load {
	struct target *target;
	unsigned window, total, started, ended, failed;
	unsigned by_stand_in;
	int64_t limit_us, try_limit_us, worst_us;
	uint32_t takes_ms;
	unsigned at;         /* when so many have ended ... */
	void (*event)(void); /* ... this happens */
	char why[64];
};

struct one {
	struct load *load;
	struct call *call;
	struct rpc *rpc;
	int64_t began_us;
	bool called_back;
};

static void start_one(struct load *l);

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct one *o = ctx;
	struct load *l = o->load;
	int64_t took = time_now_us() - o->began_us;

	(void)c;
	l->ended++;
	if (took > l->worst_us)
		l->worst_us = took;
	if (end->failure != NULL) {
		l->failed++;
		snprintf(l->why, sizeof l->why, "%s %s", status_name(end->failure->status),
		    end->failure->reason);
	}
	if (l->event != NULL && l->ended == l->at)
		l->event();
	if (l->started < l->total)
		start_one(l);
	free(o);
}

static void
on_row(const Mf__StoreResult *m, void *ctx)
{
	struct one *o = ctx;

	assert_false(o->called_back);
	o->called_back = true;
	if (strcmp(rpc_node(o->rpc), "nosql") == 0)
		o->load->by_stand_in++;
	if (m != NULL)
		call_reply(o->call, &m->base);
	else
		call_fail_with(o->call, rpc_failure(o->rpc));
}

static void
start_one(struct load *l)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct call_opts opts = { .limit_us = l->limit_us > 0 ? l->limit_us : 5 * SEC,
		.done = on_end };
	struct one *o = calloc(1, sizeof *o);

	l->started++;
	assert_non_null(o);
	o->load = l;
	opts.ctx = o;
	o->began_us = time_now_us();
	o->call = call_root(bus, &opts);
	call_set_operation_id(o->call, "op");
	o->rpc = rpc_new(
	    o->call, l->target, &(const struct rpc_opts){ .try_limit_us = l->try_limit_us });
	op.limit = l->takes_ms;
	if (l->started % 2 == 0)
		mf__sql__write(&o->rpc->service, &op, on_row, o);
	else
		mf__sql__read(&o->rpc->service, &op, on_row, o);
}

static bool
load_over(void *ctx)
{
	const struct load *l = ctx;

	return l->ended == l->total;
}

static void
run_load(struct load *l)
{
	for (unsigned i = 0; i < l->window; i++)
		start_one(l);
	loop_run_until(loop, load_over, l, 30 * SEC);
	if (l->failed > 0)
		print_message("last failure: %s\n", l->why);
	assert_int_equal(l->ended, l->total);
}

static void
a_call_goes_to_another_process_and_back(void **unused)
{
	struct load l = {
		.target = target_of((const char *const[]){ "sql", NULL }), .window = 1, .total = 100
	};

	(void)unused;
	run_load(&l);
	assert_int_equal(l.failed, 0);
}

static void
sixty_four_calls_share_the_way(void **unused)
{
	struct load l = { .target = target_of((const char *const[]){ "sql", NULL }),
		.window = 64,
		.total = 100000 };
	int64_t before = time_now_us();

	(void)unused;
	run_load(&l);
	print_message(
	    "64 in flight: %.0f calls/s\n", l.total / ((double)(time_now_us() - before) / 1e6));
	assert_int_equal(l.failed, 0);
}

static void
kill_sql(void)
{
	kill(sql, SIGKILL);
}

static void
kill_and_restart_sql(void)
{
	kill(sql, SIGKILL);
	sql = spawn("sql", 2);
}

static void
stop_sql(void)
{
	kill(sql, SIGSTOP);
}

static void
killing_a_member_under_load_fails_no_call_because_its_stand_in_takes_over(void **unused)
{
	struct load l = { .target = target_of((const char *const[]){ "sql", "nosql", NULL }),
		.window = 64,
		.total = 4000,
		.takes_ms = 2,
		.at = 1000,
		.event = kill_sql };

	(void)unused;
	run_load(&l);
	assert_int_equal(l.failed, 0);
	assert_true(l.by_stand_in >= 2900);
	assert_true(l.worst_us < 300 * MS);
}

static void
killing_the_only_member_fails_no_call_when_it_is_back_soon(void **unused)
{
	struct load l = { .target = target_of((const char *const[]){ "sql", NULL }),
		.window = 64,
		.total = 4000,
		.takes_ms = 2,
		.at = 1000,
		.event = kill_and_restart_sql };

	(void)unused;
	run_load(&l);
	assert_int_equal(l.failed, 0);
	assert_true(l.worst_us < 900 * MS);
}

static void
a_stopped_member_costs_its_callers_their_try_limit_and_no_more(void **unused)
{
	struct load l = { .target = target_of((const char *const[]){ "sql", "nosql", NULL }),
		.window = 16,
		.total = 3000,
		.takes_ms = 2,
		.try_limit_us = 100 * MS,
		.at = 500,
		.event = stop_sql };

	(void)unused;
	run_load(&l);
	assert_int_equal(l.failed, 0);
	assert_true(l.by_stand_in >= 2000);
	assert_true(l.worst_us < 500 * MS);
}

static void
a_stopped_member_is_found_out_without_any_try_limit(void **unused)
{
	struct load l = { .target = target_of((const char *const[]){ "sql", "nosql", NULL }),
		.window = 16,
		.total = 3000,
		.takes_ms = 2,
		.at = 500,
		.event = stop_sql };

	(void)unused;
	run_load(&l);
	assert_int_equal(l.failed, 0);
	assert_true(l.by_stand_in >= 2000);
	assert_true(l.worst_us < 1500 * MS);
}

static uint64_t next_event;
static unsigned events, gaps, losses;

static void
on_event(void *ctx, const char *node, const Mf__Event *e)
{
	(void)ctx;
	assert_string_equal(node, "nosql");
	assert_string_equal(e->topic, "test.beat");
	if (next_event != 0 && e->seq != next_event)
		gaps++;
	next_event = e->seq + 1;
	events++;
}

static void
on_lost(void *ctx, const char *node)
{
	(void)ctx, (void)node;
	losses++;
	next_event = 0;
}

static bool
enough_events(void *ctx)
{
	return events >= *(unsigned *)ctx;
}

static void
events_arrive_in_order_and_a_restart_is_told(void **unused)
{
	unsigned want = 200;

	(void)unused;
	events = gaps = losses = 0;
	next_event = 0;
	bus_subscribe(bus, "nosql", "test.", on_event, on_lost, NULL);
	loop_run_until(loop, enough_events, &want, 10 * SEC);
	assert_true(events >= want);
	assert_int_equal(gaps, 0);
	assert_int_equal(losses, 1); /* the first contact */
	kill(nosql, SIGKILL);
	nosql = spawn("nosql", 2);
	want = events + 200;
	loop_run_until(loop, enough_events, &want, 10 * SEC);
	assert_true(events >= want);
	assert_int_equal(gaps, 0);
	assert_int_equal(losses, 2);
}

#define TWO(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TWO(a_call_goes_to_another_process_and_back),
		TWO(sixty_four_calls_share_the_way),
		TWO(killing_a_member_under_load_fails_no_call_because_its_stand_in_takes_over),
		TWO(killing_the_only_member_fails_no_call_when_it_is_back_soon),
		TWO(a_stopped_member_costs_its_callers_their_try_limit_and_no_more),
		TWO(a_stopped_member_is_found_out_without_any_try_limit),
		TWO(events_arrive_in_order_and_a_restart_is_told),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, start_spawner, end_spawner);
}
