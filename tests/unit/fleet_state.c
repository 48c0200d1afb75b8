/* fleet_state: reports of a supervisor, orders to it, heartbeats where there is none, and what is
 * shown of all that. */
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "harness/metabed.h"

static int reports[2], commands[2];

static int
start(void **state)
{
	int r = metabed_start(state);

	assert_int_equal(pipe(reports), 0);
	assert_int_equal(pipe(commands), 0);
	meta_close(&mb.meta);
	mb.meta = meta_open(mb.bus, NULL, &mb.config, reports[0], commands[1]);
	return r;
}

static int
stop(void **state)
{
	int r = metabed_stop(state);

	for (int i = 0; i < 2; i++) {
		close(reports[i]);
		close(commands[i]);
	}
	return r;
}

static struct contract_report
report(const char *node, enum contract_state s, uint64_t generation)
{
	struct contract_report r = { .pid = getpid(),
		.generation = generation,
		.state = s,
		.restarts = 2,
		.since_us = time_now_us() - 5 * SEC };

	snprintf(r.node, sizeof r.node, "%s", node);
	return r;
}

static void
tell(struct contract_report r)
{
	assert_int_equal(write(reports[1], &r, sizeof r), sizeof r);
	metabed_pass(5 * MS);
}

static void
what_the_supervisor_reports_is_what_the_fleet_shows(void **unused)
{
	struct contract_report r = report("sql", NODE_READY, 4);
	struct result out;
	const char *bytes = (const char *)&r;

	(void)unused;
	for (size_t i = 0; i < sizeof r; i += 7) { /* records may be read in pieces */
		size_t n = sizeof r - i < 7 ? sizeof r - i : 7;

		assert_int_equal(write(reports[1], bytes + i, n), n);
		metabed_pass(2 * MS);
	}
	tell(report("postgres", NODE_READY, 1));
	tell(report("guard", NODE_READY, 1));
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"name\":\"sql\",\"level\":2,\"domain\":\"database\""));
	assert_true(
	    result_has(&out, "\"state\":\"READY\",\"generation\":4,\"restarts\":2,\"uptime\":5."));
	assert_true(
	    result_has(&out, "\"apart\":[{\"name\":\"postgres\",\"level\":0,\"domain\":\"store\""));
	assert_true(result_has(&out, "{\"name\":\"guard\",\"level\":0,\"domain\":\"meta\""));
	assert_false(result_has(&out, "\"rss\":-"));
}

static void
nodes_that_do_not_answer_are_listed_all_the_same(void **unused)
{
	struct result out;

	(void)unused;
	tell(report("nosql", NODE_BACKOFF, 9));
	/* nobody of the name nosql is on this bus */
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"state\":\"BACKOFF\",\"generation\":9"));
	assert_true(out.took_us < SEC);
	/* details are kept for half a second */
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(out.took_us < 50 * MS);
}

static void
a_restart_is_an_order_to_the_supervisor(void **unused)
{
	struct contract_command order;
	struct result out;

	(void)unused;
	tell(report("sql", NODE_READY, 4));
	metabed_send(
	    &out, &(const struct req){ .meta = "restart", .node = "sql", .token = "admin" });
	metabed_pass(20 * MS);
	assert_int_equal(read(commands[0], &order, sizeof order), sizeof order);
	assert_int_equal(order.verb, VERB_RESTART);
	assert_string_equal(order.node, "sql");
	tell(report("sql", NODE_DRAINING, 4));
	tell(report("sql", NODE_STARTING, 5));
	assert_false(out.ended);
	tell(report("sql", NODE_READY, 5));
	metabed_wait(&out);
	assert_true(out.r->success);
	RUN(&out, .meta = "restart", .node = "guard", .token = "admin");
	assert_false(out.r->success);
}

static void
the_same_order_again_is_the_same_restart(void **unused)
{
	struct contract_command orders[2];
	struct result a, b;

	(void)unused;
	tell(report("sql", NODE_READY, 4));
	metabed_send(
	    &a, &(const struct req){
		    .meta = "restart", .node = "sql", .token = "admin", .operation_id = "o-1" });
	metabed_pass(20 * MS);
	tell(report("sql", NODE_READY, 5));
	metabed_wait(&a);
	RUN(&b, .meta = "restart", .node = "sql", .token = "admin", .operation_id = "o-1");
	assert_true(a.r->success && b.r->success);
	assert_int_equal(read(commands[0], orders, sizeof orders), sizeof orders[0]);
}

static void
a_restart_that_takes_too_long_says_so_at_the_deadline(void **unused)
{
	struct result out;

	(void)unused;
	tell(report("sql", NODE_READY, 4));
	RUN(&out, .meta = "restart", .node = "sql", .token = "admin", .deadline_ms = 200);
	assert_int_equal(out.r->status, ST_DEADLINE_EXCEEDED);
	assert_true(out.took_us < 260 * MS);
	tell(report("sql", NODE_READY, 5)); /* nobody waits any more */
}

static void
our_own_restart_is_answered_before_it_is_ordered(void **unused)
{
	struct contract_command order;
	struct result out;

	(void)unused;
	tell(report("meta", NODE_READY, 6));
	RUN(&out, .meta = "restart", .node = "meta", .token = "admin");
	assert_true(out.r->success);
	assert_true(result_has(&out, "\"node\":\"meta\",\"state\":\"DRAINING\",\"generation\":6,"));
	assert_true(result_has(&out, "\"pid\":"));
	assert_true(result_has(&out, "\"took_ms\":"));
	metabed_pass(100 * MS);
	assert_int_equal(read(commands[0], &order, sizeof order), sizeof order);
	assert_string_equal(order.node, "meta");
}

static bool
has_stopped(void *ctx)
{
	return fleet_state_find(mb.meta->fleet, ctx)->state == NODE_STOPPED;
}

/* Guard and supervisor are gone with their end of the pipe; of the others it is seen who lives. */
static void
without_a_supervisor_the_fleet_shows_who_is_there(void **unused)
{
	struct contract_report dead = report("cache", NODE_READY, 3),
			       mortal = report("jwt", NODE_READY, 2);
	struct result out;
	pid_t child;

	(void)unused;
	child = dead.pid = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	child = mortal.pid = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(reports[1]);
		pause();
		_exit(0);
	}
	tell(report("sql", NODE_READY, 4));
	tell(report("guard", NODE_READY, 7));
	tell(dead);
	tell(mortal);
	test_expect_log(LOG_WARN, 1);
	close(reports[1]);
	reports[1] = dup(0);
	loop_run_until(mb.loop, has_stopped, (char[]){ "guard" }, 5 * SEC);
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"pid\":0,\"state\":\"STOPPED\",\"generation\":7"));
	assert_true(result_has(&out, "\"pid\":0,\"state\":\"STOPPED\",\"generation\":3"));
	assert_true(result_has(&out, "\"state\":\"READY\",\"generation\":4"));
	assert_true(result_has(&out, "\"state\":\"READY\",\"generation\":2"));
	kill(child, SIGKILL);
	loop_run_until(mb.loop, has_stopped, (char[]){ "jwt" }, 5 * SEC);
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"pid\":0,\"state\":\"STOPPED\",\"generation\":2"));
	assert_true(result_has(&out, "\"state\":\"READY\",\"generation\":4"));
	waitpid(child, NULL, 0);
}

static bool
has_warned(void *ctx)
{
	return log_count(LOG_WARN) > *(const uint64_t *)ctx;
}

static void
a_node_that_misses_its_beats_is_isolated_and_told_to_go_when_it_is_back(void **unused)
{
	Mf__Beat b = MF__BEAT__INIT;
	uint64_t warned = log_count(LOG_WARN);
	struct result out;

	(void)unused;
	b.node = (char *)(uintptr_t) "rbac";
	b.generation = 1;
	b.state = NODE_READY;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
	test_expect_log(LOG_WARN, 1);
	loop_run_until(mb.loop, has_warned, &warned, CONTRACT_HUNG_US + 10 * SEC);
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"state\":\"FAILED\",\"generation\":1"));
	assert_true(fleet_state_beat(mb.meta->fleet, &b)); /* the same process: it was hung */
	assert_true(fleet_state_beat(mb.meta->fleet, &b));
	/* its runtime started another one */
	b.generation = 2;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"state\":\"READY\",\"generation\":2,\"restarts\":1"));
}

static void
a_meta_that_was_stopped_itself_blames_nobody(void **unused)
{
	Mf__Beat b = MF__BEAT__INIT;
	struct result out;

	(void)unused;
	b.node = (char *)(uintptr_t) "rbac";
	b.generation = 1;
	b.state = NODE_READY;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
	usleep(CONTRACT_HUNG_US + CONTRACT_BEAT_US);
	metabed_pass(2 * CONTRACT_BEAT_US);
	RUN(&out, .meta = "fleet", .token = "admin");
	assert_true(result_has(&out, "\"state\":\"READY\",\"generation\":1"));
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
}

static void
beats_of(const char *instance, uint64_t generation, enum contract_state s)
{
	Mf__Beat b = MF__BEAT__INIT;

	b.node = (char *)(uintptr_t) "rest";
	b.instance = (char *)(uintptr_t)instance;
	b.generation = generation;
	b.state = s;
	assert_false(fleet_state_beat(mb.meta->fleet, &b));
}

static bool
has_left(void *unused)
{
	(void)unused;
	beats_of("rest-b", 2, NODE_READY);
	return fleet_state_find(mb.meta->fleet, "rest-b") == NULL;
}

static void
of_several_of_a_name_each_has_a_row_and_who_stays_takes_the_one_of_the_name(void **unused)
{
	struct fleet_row *r, *rows;
	size_t n = fleet_state_rows(mb.meta->fleet, &rows);

	(void)unused;
	beats_of("rest-a", 1, NODE_READY);
	beats_of("rest-b", 2, NODE_READY);
	assert_int_equal(fleet_state_rows(mb.meta->fleet, &rows), n + 1);
	assert_string_equal(fleet_state_find(mb.meta->fleet, "rest")->instance, "rest-a");
	r = fleet_state_find(mb.meta->fleet, "rest-b");
	assert_string_equal(r->node, "rest");
	assert_int_equal(r->level, 2);
	/* it goes as it was asked to; nobody is isolated for it */
	beats_of("rest-a", 1, NODE_DRAINING);
	loop_run_until(mb.loop, has_left, NULL, CONTRACT_HUNG_US + 10 * SEC);
	assert_int_equal(fleet_state_rows(mb.meta->fleet, &rows), n);
	r = fleet_state_find(mb.meta->fleet, "rest");
	assert_string_equal(r->instance, "rest-b");
	assert_int_equal(r->generation, 2);
	assert_int_equal(r->state, NODE_READY);
}

#define WITH_SUPERVISOR(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SUPERVISOR(what_the_supervisor_reports_is_what_the_fleet_shows),
		WITH_SUPERVISOR(nodes_that_do_not_answer_are_listed_all_the_same),
		WITH_SUPERVISOR(a_restart_is_an_order_to_the_supervisor),
		WITH_SUPERVISOR(the_same_order_again_is_the_same_restart),
		WITH_SUPERVISOR(a_restart_that_takes_too_long_says_so_at_the_deadline),
		WITH_SUPERVISOR(our_own_restart_is_answered_before_it_is_ordered),
		WITH_SUPERVISOR(without_a_supervisor_the_fleet_shows_who_is_there),
		METABED(a_node_that_misses_its_beats_is_isolated_and_told_to_go_when_it_is_back),
		METABED(a_meta_that_was_stopped_itself_blames_nobody),
		METABED(
		    of_several_of_a_name_each_has_a_row_and_who_stays_takes_the_one_of_the_name),
	};

	return TEST_RUN(tests);
}
