/* census: what is told of the tries of our calls out, and what is not. */
#include <stdio.h>
#include <string.h>
#include "harness/busbed.h"

static struct fake sql, nosql;
static struct target *t;
static struct told { /* by all that was told so far */
	unsigned times;
	uint64_t sql_tries, sql_faults, nosql_tries, nosql_faults, failovers;
	size_t n;
	struct {
		char node[24], method[32], reason[48], message[64];
		uint32_t code;
		uint64_t count;
	} failures[100];
} told;

static void
on_tries(void *ctx, const Mf__Tries *m)
{
	(void)ctx;
	told.times++;
	assert_int_equal(m->at % (500 * MS), 0);
	for (size_t i = 0; i < m->n_members; i++) {
		const Mf__MemberTries *one = m->members[i];
		bool first = strcmp(one->node, "sql") == 0;

		*(first ? &told.sql_tries : &told.nosql_tries) += one->tries;
		*(first ? &told.sql_faults : &told.nosql_faults) += one->faults;
	}
	for (size_t i = 0; i < m->n_failovers; i++) {
		assert_string_equal(m->failovers[i]->from, "sql");
		assert_string_equal(m->failovers[i]->to, "nosql");
		told.failovers += m->failovers[i]->count;
	}
	for (size_t i = 0; i < m->n_failures && told.n < 100; i++, told.n++) {
		const Mf__FailedTries *f = m->failures[i];

		snprintf(told.failures[told.n].node, 24, "%s", f->node);
		snprintf(told.failures[told.n].method, 32, "%s", f->method);
		snprintf(told.failures[told.n].reason, 48, "%s", f->reason);
		snprintf(told.failures[told.n].message, 64, "%s", f->message);
		told.failures[told.n].code = f->code;
		told.failures[told.n].count = f->count;
	}
}

static int
start(void **state)
{
	static const struct breaker_policy p = { .failures = 3, .open_share = 1 };

	bed_start(state);
	memset(&sql, 0, sizeof sql);
	memset(&nosql, 0, sizeof nosql);
	memset(&told, 0, sizeof told);
	fake_join(&sql, "sql");
	fake_join(&nosql, "nosql");
	t = bed_target(&p, MEMBERS("sql", "nosql"));
	bus_hear_tries(bed.bus, on_tries, NULL);
	return 0;
}

static uint64_t
failures(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < told.n; i++)
		sum += told.failures[i].count;
	return sum;
}

struct wanted {
	uint64_t tries, failures;
};

static bool
is_told(void *ctx)
{
	const struct wanted *w = ctx;

	return told.sql_tries + told.nosql_tries >= w->tries && failures() >= w->failures;
}

/* A period may end between two calls. */
static void
wait_told(uint64_t n_tries, uint64_t n_failures)
{
	struct wanted w = { n_tries, n_failures };

	loop_run_until(bed.loop, is_told, &w, 5 * SEC);
	assert_int_equal(told.sql_tries + told.nosql_tries, n_tries);
	assert_int_equal(failures(), n_failures);
}

static void
a_failed_try_is_told_though_the_stand_in_masked_it(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = FAILS;
	sql.failure =
	    (struct failure){ .status = ST_UNAVAILABLE, .reason = "DOWN", .message = "no" };
	for (int i = 0; i < 3; i++) {
		ask(t, &o, NULL);
		wait_for(&o);
		assert_int_equal(o.status, ST_OK);
	}
	wait_told(6, 3);
	assert_int_equal(told.sql_tries, 3);
	assert_int_equal(told.sql_faults, 3);
	assert_int_equal(told.nosql_tries, 3);
	assert_int_equal(told.nosql_faults, 0);
	assert_int_equal(told.failovers, 3);
	assert_string_equal(told.failures[0].node, "sql");
	assert_string_equal(told.failures[0].method, "Sql.Read");
	assert_string_equal(told.failures[0].reason, "DOWN");
	assert_string_equal(told.failures[0].message, "no");
	assert_int_equal(told.failures[0].code, ST_UNAVAILABLE);
}

static void
what_is_well_is_counted_and_nothing_else_is_said_of_it(void **unused)
{
	struct outcome o;

	(void)unused;
	ask(t, &o, NULL);
	wait_for(&o);
	wait_told(1, 0);
	assert_int_equal(told.sql_tries, 1);
	assert_int_equal(told.n, 0);
	assert_int_equal(told.failovers, 0);
}

static void
who_does_nothing_says_nothing(void **unused)
{
	(void)unused;
	pass(600 * MS);
	assert_int_equal(told.times, 0);
}

static void
a_refusal_is_an_answer_and_no_failure_of_the_member(void **unused)
{
	struct outcome o;

	(void)unused;
	sql.manner = FAILS;
	sql.failure = (struct failure){ .status = ST_NOT_FOUND, .reason = "", .message = "" };
	ask(t, &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_NOT_FOUND);
	wait_told(1, 0);
	assert_int_equal(told.sql_tries, 1);
	assert_int_equal(told.sql_faults, 0);
	assert_int_equal(told.n, 0);
}

static void
a_member_that_is_passed_over_is_told_of_without_a_try(void **unused)
{
	struct outcome o;

	(void)unused;
	peer_down(bed_peer("sql"));
	ask(t, &o, NULL);
	wait_for(&o);
	assert_string_equal(o.node, "nosql");
	wait_told(1, 1);
	assert_int_equal(told.sql_tries, 0);
	assert_int_equal(told.failovers, 1);
	assert_int_equal(told.n, 1);
	assert_string_equal(told.failures[0].node, "sql");
	assert_string_equal(told.failures[0].reason, "NOT_CONNECTED");
}

static void
what_nobody_waits_for_any_more_is_not_told(void **unused)
{
	struct outcome o, other;

	(void)unused;
	sql.manner = HOLDS;
	ask(t, &o, NULL);
	pass(5 * MS);
	call_cancel(o.call);
	wait_for(&o);
	sql.manner = ANSWERS;
	ask(t, &other, NULL);
	wait_for(&other);
	wait_told(1, 0);
	assert_int_equal(told.sql_tries, 1);
	assert_int_equal(told.n, 0);
}

/* More kinds than the table has room for, and a failure of our own among them. */
static void
no_failure_is_left_out_however_many_kinds_there_are(void **unused)
{
	static char reasons[80][16];

	(void)unused;
	for (int i = 0; i < 80; i++) {
		snprintf(reasons[i], sizeof reasons[i], "REASON_%d", i);
		bus_tell_failure(bed.bus, "Meta.Execute",
		    &(struct failure){
			.status = ST_UNAVAILABLE, .reason = reasons[i], .message = "" });
	}
	wait_told(0, 80);
	assert_string_equal(told.failures[0].node, bus_name(bed.bus));
	assert_string_equal(told.failures[79].reason, "REASON_79");
}

static void
a_breaker_that_opens_is_told_as_a_failure_of_whom_it_is_about(void **unused)
{
	(void)unused;
	target_trip(bed_peer("sql"));
	test_expect_log(LOG_WARN, 1);
	wait_told(0, 1);
	assert_string_equal(told.failures[0].node, "sql");
	assert_string_equal(told.failures[0].method, "mf.Sql");
	assert_string_equal(told.failures[0].reason, "BREAKER_OPENED");
	assert_memory_equal(told.failures[0].message, "the breaker of ", 15);
	target_peer_up(bed_peer("sql")); /* it closes: that is no failure */
	pass(600 * MS);
	assert_int_equal(told.times, 1);
}

static enum status heard;

static void
on_heard(const Mf__Empty *m, void *ctx)
{
	struct rpc **r = ctx;

	heard = m != NULL ? ST_OK : rpc_failure(*r)->status;
}

static bool
is_heard(void *unused)
{
	(void)unused;
	return heard != ST_UNKNOWN;
}

/* As another node does. */
static void
tell(void)
{
	Mf__MemberTries one = MF__MEMBER_TRIES__INIT, *members[] = { &one };
	Mf__Tries m = MF__TRIES__INIT;
	struct call *c = call_root(bed.bus, &(const struct call_opts){ .limit_us = SEC });
	struct rpc *r =
	    rpc_new(c, bus_node_target(bed.bus, "nosql"), &(const struct rpc_opts){ .once = true });

	one.node = (char *)(uintptr_t) "sql";
	one.tries = 3;
	m.members = members;
	m.n_members = 1;
	heard = ST_UNKNOWN;
	mf__node__tell(&r->service, &m, on_heard, &r);
	loop_run_until(bed.loop, is_heard, NULL, 2 * SEC);
	call_cancel(c);
}

static void
what_others_tell_is_heard_where_somebody_wants_to_know(void **unused)
{
	(void)unused;
	tell();
	assert_int_equal(heard, ST_OK);
	assert_int_equal(told.sql_tries, 3);
	bus_hear_tries(bed.bus, NULL, NULL);
	tell();
	assert_int_equal(heard, ST_FAILED_PRECONDITION);
	assert_int_equal(told.sql_tries, 3);
}

#define CENSUS(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CENSUS(a_failed_try_is_told_though_the_stand_in_masked_it),
		CENSUS(what_is_well_is_counted_and_nothing_else_is_said_of_it),
		CENSUS(who_does_nothing_says_nothing),
		CENSUS(a_refusal_is_an_answer_and_no_failure_of_the_member),
		CENSUS(a_member_that_is_passed_over_is_told_of_without_a_try),
		CENSUS(what_nobody_waits_for_any_more_is_not_told),
		CENSUS(no_failure_is_left_out_however_many_kinds_there_are),
		CENSUS(a_breaker_that_opens_is_told_as_a_failure_of_whom_it_is_about),
		CENSUS(what_others_tell_is_heard_where_somebody_wants_to_know),
	};

	return TEST_RUN(tests);
}
