/* fault: the language, the draws, and what each fault does to a call. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/step.h"
#include "harness/busbed.h"

static char err[200];

static struct fault_set *
parse(const char *spec)
{
	struct fault_set *f = fault_parse(spec, 42, err, sizeof err);

	if (f == NULL)
		print_message("%s\n", err);
	assert_non_null(f);
	return f;
}

static double
share(struct fault_point *p, unsigned n, bool (*is)(const struct fault *))
{
	unsigned hits = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fault f = fault_draw(p);

		hits += is(&f);
	}
	return (double)hits / n;
}

static bool
is_error(const struct fault *f)
{
	return f->status != ST_OK;
}

static bool
is_delay(const struct fault *f)
{
	return f->delay_us == 50 * MS;
}

static void
shares_are_met(void **unused)
{
	struct fault_set *f = parse("Sql.Read: error=0.12,status=INTERNAL, delay=50:10%");
	struct fault_point *p = fault_point(f, "mf.Sql", "Read");

	(void)unused;
	assert_non_null(p);
	assert_true(fabs(share(p, 100000, is_error) - 0.12) < 0.005);
	assert_true(fabs(share(p, 100000, is_delay) - 0.10) < 0.005);
	fault_free(&f);
	assert_null(f);
}

static void
the_same_seed_meets_the_same_faults_whatever_others_do(void **unused)
{
	struct fault_set *a = parse("*: error=0.5"), *b = parse("*: error=0.5");
	struct fault_point *pa = fault_point(a, "mf.Sql", "Read"),
			   *pb = fault_point(b, "mf.Sql", "Read");

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		(void)fault_draw(fault_point(b, "mf.Sql", "Write"));
		assert_int_equal(fault_draw(pa).status, fault_draw(pb).status);
	}
	assert_ptr_equal(pa, fault_point(a, "mf.Sql", "Read"));
	fault_free(&a);
	fault_free(&b);
}

static void
the_most_specific_rule_decides_alone(void **unused)
{
	struct fault_set *f =
	    parse("*: error=1,status=INTERNAL; mf.Sql.*: error=1,status=ABORTED;Sql.Read: error=1");

	(void)unused;
	assert_int_equal(fault_draw(fault_point(f, "mf.Sql", "Read")).status, ST_UNAVAILABLE);
	assert_int_equal(fault_draw(fault_point(f, "mf.Sql", "Write")).status, ST_ABORTED);
	assert_int_equal(fault_draw(fault_point(f, "mf.Cache", "Get")).status, ST_INTERNAL);
	fault_free(&f);
}

static void
the_node_service_is_spared_unless_it_is_named(void **unused)
{
	struct fault_set *f = parse("*: hang=1");

	(void)unused;
	assert_null(fault_point(f, "mf.Node", "SetFaults"));
	fault_free(&f);
	f = parse("Node.Info: hang=1");
	assert_true(fault_draw(fault_point(f, "mf.Node", "Info")).hang);
	fault_free(&f);
}

static void
an_empty_spec_is_no_fault(void **unused)
{
	struct fault_set *f = parse(" ; ");

	(void)unused;
	assert_null(fault_point(f, "mf.Sql", "Read"));
	fault_free(&f);
}

static void
nodes_are_cut_off_and_the_clock_goes_wrong(void **unused)
{
	struct fault_set *f =
	    fault_parse("cut=sql; cut = nosql ;clock=-1500; Sql.*: delay=1", 1, err, sizeof err);

	(void)unused;
	assert_null(f); /* "cut " is no name of a service */
	f = fault_parse("cut=sql; cut= nosql ;clock=-1500; Sql.*: delay=1", 1, err, sizeof err);
	assert_non_null(f);
	assert_true(fault_cuts(f, "sql"));
	assert_true(fault_cuts(f, "nosql"));
	assert_false(fault_cuts(f, "cache"));
	assert_false(fault_cuts(NULL, "sql"));
	assert_int_equal(fault_clock_us(f), -1500 * MS);
	assert_int_equal(fault_clock_us(NULL), 0);
	fault_free(&f);
	assert_null(fault_parse("cut=", 1, err, sizeof err));
	assert_null(fault_parse("cut=../sql", 1, err, sizeof err));
	assert_null(fault_parse("clock=", 1, err, sizeof err));
	assert_null(fault_parse("clock=--5", 1, err, sizeof err));
	assert_null(fault_parse("clock=86400001", 1, err, sizeof err));
}

static void
the_wall_clock_is_right_again_when_the_faults_end(void **unused)
{
	int64_t before = time_wall_us();

	(void)unused;
	assert_true(bus_set_faults(bed.bus, "clock=3600000", 1, 0, err, sizeof err));
	assert_true(time_wall_us() - before > 3500 * SEC);
	assert_true(bus_set_faults(bed.bus, "", 1, 0, err, sizeof err));
	assert_true(time_wall_us() - before < 1800 * SEC);
}

static void
what_is_wrong_is_said_with_its_place(void **unused)
{
	static const char *const bad[] = { "Sql.Read", "Sql.Read:", "Sql: error=1",
		".Read: error=1", "Sql.: error=1", "Sql.Read: error=1.1", "Sql.Read: error=-1",
		"Sql.Read: error=nan", "Sql.Read: error=101%",
		"Sql.Read: error=", "Sql.Read: explode=1", "Sql.Read: error=1,status=OK",
		"Sql.Read: error=1,status=BAD", "Sql.Read: delay=x", "Sql.Read: delay=1:2",
		"Sql.Read: delay=99999999", "S ql.Read: error=1", "@", "@: kill", "@test.a",
		"@test.a:", "@test.a: kil", "@test.a: kill=0", "@test.a: kill=x",
		"@test.a: kill=", "@test.a: kill=1000001", "@test.a: kill, stop",
		"@test.none: kill", "@te st: kill" };

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err[0] = '\0';
		assert_null(fault_parse(bad[i], 1, err, sizeof err));
		assert_memory_equal(err, "faults: ", 8);
	}
}

/* --- steps --- */

static void
pass_steps(void)
{
	STEP("test.a");
	STEP("test.b");
}

static enum step_action
armed(const char *name, uint32_t *left)
{
	const struct step_place *s;
	size_t n = steps(&s);

	for (size_t i = 0; i < n; i++)
		if (strcmp(s[i].name, name) == 0) {
			*left = s[i].left;
			return s[i].action;
		}
	fail_msg("no step %s", name);
	return STEP_NONE;
}

static void
a_set_arms_the_steps_it_names_and_no_other(void **unused)
{
	struct fault_set *f = parse("@test.a: kill=3; Sql.Read: error=1 ;@test.b:stop");
	uint32_t left;

	(void)unused;
	assert_int_equal(armed("test.a", &left), STEP_NONE); /* parsed is not armed */
	fault_arm_steps(f);
	assert_int_equal(armed("test.a", &left), STEP_KILL);
	assert_int_equal(left, 3);
	assert_int_equal(armed("test.b", &left), STEP_STOP);
	assert_int_equal(left, 1);
	assert_non_null(fault_point(f, "mf.Sql", "Read"));
	fault_free(&f);
	f = parse("@test.a: stop=2");
	fault_arm_steps(f);
	assert_int_equal(armed("test.a", &left), STEP_STOP);
	assert_int_equal(armed("test.b", &left), STEP_NONE);
	fault_arm_steps(NULL);
	assert_int_equal(armed("test.a", &left), STEP_NONE);
	pass_steps(); /* and lives */
	fault_free(&f);
}

static void
steps_of_a_bus_are_disarmed_when_its_faults_end(void **unused)
{
	uint32_t left;

	(void)unused;
	assert_true(bus_set_faults(bed.bus, "@test.a: kill=5", 1, 10 * MS, err, sizeof err));
	assert_int_equal(armed("test.a", &left), STEP_KILL);
	assert_false(bus_set_faults(bed.bus, "@test.zz: kill", 1, 0, err, sizeof err));
	assert_string_equal(err, "faults: this program has no step \"test.zz\"");
	assert_int_equal(armed("test.a", &left), STEP_KILL); /* as it was */
	pass(20 * MS);
	assert_int_equal(armed("test.a", &left), STEP_NONE);
}

/* --- on a call --- */

static struct fake sql;

static void
one_call(struct outcome *o, const char *spec, int64_t limit_us)
{
	memset(&sql, 0, sizeof sql);
	fake_join(&sql, "sql");
	assert_true(bus_set_faults(bed.bus, spec, 1, 0, err, sizeof err));
	ask(bed_target(NULL, MEMBERS("sql")), o,
	    &(struct ask){ .limit_us = limit_us, .opts.once = true });
	wait_for(o);
}

static void
an_error_answers_without_running_the_handler(void **unused)
{
	struct outcome o;

	(void)unused;
	one_call(&o, "Sql.Read: error=1,status=RESOURCE_EXHAUSTED", 0);
	assert_int_equal(o.status, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(o.reason, "FAULT_INJECTED");
	assert_int_equal(sql.calls, 0);
}

static void
a_delay_delays(void **unused)
{
	struct outcome o;

	(void)unused;
	one_call(&o, "Sql.Read: delay=20", 0);
	assert_int_equal(o.status, ST_OK);
	assert_true(o.took_us >= 19 * MS);
}

static void
a_hang_never_answers(void **unused)
{
	struct outcome o;

	(void)unused;
	one_call(&o, "Sql.Read: hang=1", 30 * MS);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(sql.calls, 0);
}

static void
a_drop_does_the_work_and_loses_the_answer(void **unused)
{
	struct outcome o;

	(void)unused;
	one_call(&o, "Sql.Read: drop=1", 30 * MS);
	assert_int_equal(o.status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(sql.calls, 1);
}

static void
a_corrupt_answer_is_an_internal_failure_not_a_crash(void **unused)
{
	struct outcome o;

	(void)unused;
	one_call(&o, "Sql.Read: corrupt=1", 0);
	assert_int_equal(o.status, ST_INTERNAL);
	assert_string_equal(o.reason, "BAD_ANSWER");
}

static void
faults_end_by_themselves(void **unused)
{
	struct outcome o;

	(void)unused;
	one_call(&o, "Sql.Read: error=1", 0);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	assert_true(bus_set_faults(bed.bus, "Sql.Read: error=1", 1, 10 * MS, err, sizeof err));
	pass(20 * MS);
	ask(bed_target(NULL, MEMBERS("sql")), &o, NULL);
	wait_for(&o);
	assert_int_equal(o.status, ST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(shares_are_met),
		T(the_same_seed_meets_the_same_faults_whatever_others_do),
		T(the_most_specific_rule_decides_alone),
		T(the_node_service_is_spared_unless_it_is_named),
		T(an_empty_spec_is_no_fault),
		T(what_is_wrong_is_said_with_its_place),
		T(nodes_are_cut_off_and_the_clock_goes_wrong),
		BED(the_wall_clock_is_right_again_when_the_faults_end),
		T(a_set_arms_the_steps_it_names_and_no_other),
		BED(steps_of_a_bus_are_disarmed_when_its_faults_end),
		BED(an_error_answers_without_running_the_handler),
		BED(a_delay_delays),
		BED(a_hang_never_answers),
		BED(a_drop_does_the_work_and_loses_the_answer),
		BED(a_corrupt_answer_is_an_internal_failure_not_a_crash),
		BED(faults_end_by_themselves),
	};

	return TEST_RUN(tests);
}
