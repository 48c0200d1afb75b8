/* chaos_order: what an experiment must say, and where it is refused. */
#include <string.h>

#include "base/json.h"
#include "bus/fault.h"
#include "harness/test.h"
#include "meta/chaos_harm.h"
#include "meta/chaos_order.h"

static struct arena *arena;
static struct failure wrong;
static struct chaos_order order;
static struct fleet_row rows[] = {
	{ .name = "meta", .level = 0, .domain = "meta", .pid = 1, .state = NODE_READY },
	{ .name = "database", .level = 1, .domain = "database", .pid = 2, .state = NODE_READY },
	{ .name = "sql", .level = 2, .domain = "database", .pid = 3, .state = NODE_READY },
	{ .name = "rest", .level = 2, .domain = "api", .pid = 4, .state = NODE_READY },
	{ .name = "redis-cache", .level = -1, .domain = "store", .pid = 5, .state = NODE_READY },
	{ .name = "meta-2", .level = -1, .domain = "store", .pid = 7, .state = NODE_READY },
	{ .name = "guard", .level = -1, .domain = "meta", .pid = 6, .state = NODE_READY },
};
static struct chaos_view view;

static bool
reads(const char *text)
{
	struct json_error e;
	json_t *v = json_read(text, strlen(text), &e);
	bool ok;

	assert_non_null(v);
	arena_free(&arena);
	arena = arena_new(4096);
	wrong = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	ok = chaos_read(arena, v, &order, &wrong);
	json_decref(v);
	view = (struct chaos_view){ .rows = rows,
		.n_rows = sizeof(rows) / sizeof(rows[0]),
		.stores = "normal",
		.local = true,
		.self = "meta-2" };
	return ok;
}

static void
assert_wrong(const char *text, const char *field)
{
	assert_false(reads(text));
	assert_int_equal(wrong.n_violations, 1);
	assert_string_equal(wrong.violations[0].field, field);
}

static void
assert_refused(enum status expected, const char *word)
{
	enum status s;
	const char *why = chaos_refuse(arena, &order, &view, &s);

	assert_non_null(why);
	assert_int_equal(s, expected);
	assert_non_null(strstr(why, word));
}

static void
assert_allowed(void)
{
	enum status s;
	const char *why = chaos_refuse(arena, &order, &view, &s);

	if (why != NULL)
		fail_msg("%s", why);
}

static void
what_is_not_said_has_a_value(void **unused)
{
	(void)unused;
	assert_true(reads("{\"action\":\"delay\",\"target\":\"sql\",\"for_ms\":1000}"));
	assert_int_equal(order.action, CHAOS_DELAY);
	assert_int_equal(order.delay_ms, 200);
	assert_true(order.probability == 1);
	assert_int_equal(order.seed, 1);
	assert_false(order.dry_run);
	assert_allowed();
}

static void
each_wrong_argument_is_named(void **unused)
{
	(void)unused;
	assert_wrong("{\"action\":\"burn\",\"target\":\"sql\",\"for_ms\":1000}", "/action");
	assert_wrong("{\"target\":\"sql\",\"for_ms\":1000}", "/action");
	assert_wrong("{\"action\":\"kill\",\"for_ms\":1000}", "/target");
	assert_wrong("{\"action\":\"kill\",\"target\":\"../sql\",\"for_ms\":1000}", "/target");
	assert_wrong("{\"action\":\"kill\",\"target\":\"sql\"}", "/for_ms");
	assert_wrong("{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":99}", "/for_ms");
	assert_wrong("{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":600001}", "/for_ms");
	assert_wrong("{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":\"1000\"}", "/for_ms");
	assert_wrong("{\"action\":\"drop\",\"target\":\"sql\",\"for_ms\":1000,\"probability\":0}",
	    "/probability");
	assert_wrong("{\"action\":\"drop\",\"target\":\"sql\",\"for_ms\":1000,\"probability\":1.5}",
	    "/probability");
	assert_wrong("{\"action\":\"partition\",\"target\":\"sql\",\"for_ms\":1000}", "/peer");
	assert_wrong(
	    "{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":1000,\"peer\":\"rest\"}", "/peer");
	assert_wrong("{\"action\":\"clock_step\",\"target\":\"sql\",\"for_ms\":1000}", "/step_ms");
	assert_wrong("{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":1000,\"forever\":true}",
	    "/forever");
}

static void
what_would_change_nothing_is_wrong(void **unused)
{
	(void)unused;
	assert_wrong("{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":1000,\"probability\":0.5}",
	    "/probability");
	assert_wrong(
	    "{\"action\":\"stop\",\"target\":\"sql\",\"for_ms\":1000,\"seed\":7}", "/seed");
	assert_wrong(
	    "{\"action\":\"drop\",\"target\":\"sql\",\"for_ms\":1000,\"delay_ms\":5}", "/delay_ms");
	assert_wrong(
	    "{\"action\":\"delay\",\"target\":\"sql\",\"for_ms\":1000,\"step_ms\":5}", "/step_ms");
}

static void
it_is_told_what_an_experiment_does(void **unused)
{
	(void)unused;
	assert_true(reads("{\"action\":\"delay\",\"target\":\"sql\",\"for_ms\":1000,"
			  "\"delay_ms\":50,\"probability\":0.25}"));
	assert_string_equal(
	    chaos_tell(arena, &order), "25 % of the calls to sql take 50 ms longer");
	assert_true(reads(
	    "{\"action\":\"partition\",\"target\":\"sql\",\"peer\":\"meta\",\"for_ms\":1000}"));
	assert_string_equal(chaos_tell(arena, &order), "sql does not reach meta, nor hear it");
	assert_true(reads("{\"action\":\"error\",\"target\":\"sql\",\"for_ms\":1000,"
			  "\"probability\":0.5}"));
	assert_string_equal(chaos_tell(arena, &order), "50 % of the calls to sql fail at once");
	for (order.action = 0; order.action < CHAOS_ACTIONS; order.action++)
		assert_true(strlen(chaos_tell(arena, &order)) > 10);
}

static void
targets_are_processes_that_the_action_fits(void **unused)
{
	(void)unused;
	assert_true(reads("{\"action\":\"kill\",\"target\":\"nobody\",\"for_ms\":1000}"));
	assert_refused(ST_NOT_FOUND, "no process nobody");
	assert_true(reads("{\"action\":\"kill\",\"target\":\"guard\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "guard");
	assert_true(reads("{\"action\":\"store_down\",\"target\":\"sql\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "store_down is for a store, and sql is a node");
	assert_true(reads("{\"action\":\"delay\",\"target\":\"redis-cache\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "delay is for a node, and redis-cache is a store");
	assert_true(reads("{\"action\":\"stop\",\"target\":\"meta\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "meta");
	assert_true(reads("{\"action\":\"stop\",\"target\":\"meta-2\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "meta"); /* it leads: it is the one that is asked */
	view.self = "meta";
	assert_allowed();
	assert_true(reads("{\"action\":\"store_down\",\"target\":\"meta-2\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "for a store");
	assert_true(reads(
	    "{\"action\":\"partition\",\"target\":\"sql\",\"peer\":\"sql\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "own peer");
	assert_true(reads(
	    "{\"action\":\"partition\",\"target\":\"sql\",\"peer\":\"nobody\",\"for_ms\":1000}"));
	assert_refused(ST_NOT_FOUND, "no process nobody");
	assert_true(reads(
	    "{\"action\":\"partition\",\"target\":\"sql\",\"peer\":\"guard\",\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "must be a node");
	assert_true(reads("{\"action\":\"partition\",\"target\":\"sql\",\"peer\":\"redis-cache\","
			  "\"for_ms\":1000}"));
	assert_refused(ST_INVALID_ARGUMENT, "must be a node");
	assert_true(reads(
	    "{\"action\":\"partition\",\"target\":\"sql\",\"peer\":\"meta-2\",\"for_ms\":1000}"));
	assert_allowed();
	assert_true(
	    reads("{\"action\":\"store_down\",\"target\":\"redis-cache\",\"for_ms\":1000}"));
	assert_allowed();
}

static void
who_is_hurt_already_is_not_hurt_more(void **unused)
{
	struct chaos_order running = { .action = CHAOS_DELAY, .target = "database" };

	(void)unused;
	assert_true(reads("{\"action\":\"kill\",\"target\":\"sql\",\"for_ms\":1000}"));
	assert_allowed();
	rows[3].state = NODE_BACKOFF;
	assert_refused(ST_FAILED_PRECONDITION, "not whole: rest is not READY");
	rows[3].state = NODE_READY;
	rows[2].state = NODE_STARTING; /* the target itself may be down already */
	assert_allowed();
	rows[2].state = NODE_READY;
	view.stores = "degraded";
	assert_refused(ST_FAILED_PRECONDITION, "the stores are degraded");
	view.stores = "normal";
	view.running = &running;
	view.n_running = 1;
	assert_refused(ST_FAILED_PRECONDITION, "domain database: delay of database");
	running = (struct chaos_order){ .action = CHAOS_DELAY, .target = "rest" };
	assert_allowed();
	view.n_running = CHAOS_AT_ONCE;
	assert_refused(ST_FAILED_PRECONDITION, "3 experiments run already");
}

static void
a_store_that_is_not_ours_stays_alone(void **unused)
{
	(void)unused;
	assert_true(
	    reads("{\"action\":\"store_down\",\"target\":\"redis-cache\",\"for_ms\":1000}"));
	rows[4].state = NODE_STOPPED;
	rows[4].pid = 0;
	view.local = false;
	assert_refused(ST_FAILED_PRECONDITION, "redis-cache is not this fleet's own");
	rows[4].state = NODE_READY;
	rows[4].pid = 5;
	assert_true(reads("{\"action\":\"stop\",\"target\":\"sql\",\"for_ms\":1000}"));
	view.local = false;
	assert_refused(ST_FAILED_PRECONDITION, "machine");
}

static void
a_small_probability_is_not_none(void **unused)
{
	struct fault_set *f;
	const char *spec;
	char err[160];

	(void)unused;
	assert_true(reads("{\"action\":\"drop\",\"target\":\"sql\",\"for_ms\":1000,"
			  "\"probability\":1e-9}"));
	spec = harm_faults(NULL, &order, arena);
	assert_string_equal(spec, "*: drop=1e-09");
	assert_non_null(f = fault_parse(spec, 1, err, sizeof(err)));
	fault_free(&f);
	assert_true(reads("{\"action\":\"error\",\"target\":\"sql\",\"for_ms\":1000,"
			  "\"probability\":0.25,\"seed\":9}"));
	assert_string_equal(harm_faults(NULL, &order, arena), "*: error=0.25");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_a_value),
		cmocka_unit_test(each_wrong_argument_is_named),
		cmocka_unit_test(what_would_change_nothing_is_wrong),
		cmocka_unit_test(it_is_told_what_an_experiment_does),
		cmocka_unit_test(targets_are_processes_that_the_action_fits),
		cmocka_unit_test(who_is_hurt_already_is_not_hurt_more),
		cmocka_unit_test(a_store_that_is_not_ours_stays_alone),
		cmocka_unit_test(a_small_probability_is_not_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
