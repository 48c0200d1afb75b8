/* gauges: the table of processes, the slots and the directories, as who scrapes sees them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "harness/metabed.h"

static int reports[2];

static int
start(void **state)
{
	int r = metabed_start(state);

	assert_int_equal(pipe(reports), 0);
	meta_close(&mb.meta);
	mb.meta = meta_open(mb.bus, NULL, &mb.config, reports[0], -1);
	return r;
}

static int
stop(void **state)
{
	int r = metabed_stop(state);

	close(reports[0]);
	close(reports[1]);
	return r;
}

struct shown {
	const char *name, *label; /* label NULL: it has none */
	unsigned n;
	double value;
};

static void
look_for(void *ctx, enum metric_kind kind, const char *name, const char *help, size_t n_labels,
    const char *const *names, const char *const *values, const struct metric *m)
{
	struct shown *s = ctx;

	(void)kind, (void)help, (void)names;
	if (strcmp(name, s->name) != 0 ||
	    (s->label != NULL && (n_labels == 0 || strcmp(values[0], s->label) != 0)))
		return;
	s->n++;
	s->value = m->value;
}

static struct shown
shown(const char *name, const char *label)
{
	struct shown s = { .name = name, .label = label };

	metric_each(look_for, &s);
	return s;
}

static void
report(const char *node, enum contract_state state, uint32_t restarts, uint32_t exits)
{
	struct contract_report r = { .pid = getpid(),
		.generation = exits + 1,
		.state = state,
		.restarts = restarts,
		.exits = exits,
		.since_us = time_now_us() };

	snprintf(r.node, sizeof(r.node), "%s", node);
	assert_int_equal(write(reports[1], &r, sizeof(r)), sizeof(r));
	metabed_pass(5 * MS);
}

static void
a_process_is_shown_from_its_first_report_on(void **unused)
{
	(void)unused;
	assert_int_equal(shown("metafed_process_state", NULL).n, 0);
	report("sql", NODE_READY, 2, 7);
	assert_true(shown("metafed_process_state", "sql").value == NODE_READY);
	assert_true(shown("metafed_process_restarts", "sql").value == 2);
	assert_true(shown("metafed_process_exits_total", "sql").value == 7);
	test_expect_log(LOG_WARN, 1);
	report("sql", NODE_FAILED, 5, 9);
	report("postgres", NODE_READY, 0, 0);
	assert_true(shown("metafed_process_state", "sql").value == NODE_FAILED);
	assert_true(shown("metafed_process_exits_total", "sql").value == 9);
	assert_int_equal(shown("metafed_process_state", NULL).n, 2);
}

static Mf__Beat
beat(const char *instance, enum contract_state state)
{
	Mf__Beat b = MF__BEAT__INIT;

	b.node = (char *)(uintptr_t) "rest";
	b.instance = (char *)(uintptr_t)instance;
	b.state = state;
	b.generation = 1;
	return b;
}

static bool
has_left(const char *process)
{
	return shown("metafed_process_state", process).n == 0;
}

/* Names of containers never come again: their series must not stay. */
static void
one_of_several_that_has_left_is_shown_no_more(void **unused)
{
	Mf__Beat first = beat("rest-a", NODE_READY), other = beat("rest-b", NODE_READY);
	int64_t limit = time_now_us() + 20 * SEC;

	(void)unused;
	fleet_state_beat(mb.meta->fleet, &first);
	fleet_state_beat(mb.meta->fleet, &other);
	assert_int_equal(shown("metafed_process_state", "rest").n, 1);
	assert_int_equal(shown("metafed_process_state", "rest-b").n, 1);
	other.state = NODE_DRAINING;
	fleet_state_beat(mb.meta->fleet, &other);
	while (!has_left("rest-b")) {
		fleet_state_beat(mb.meta->fleet, &first);
		metabed_pass(100 * MS);
		assert_true(time_now_us() < limit);
	}
	assert_int_equal(shown("metafed_process_state", "rest").n, 1);
}

static void
slots_are_shown_beside_their_number_and_who_stands_alone_leads(void **unused)
{
	(void)unused;
	assert_true(shown("metafed_meta_slots", NULL).value == (double)mb.config.slots);
	assert_true(shown("metafed_meta_slots_used", NULL).value == 0);
	assert_true(shown("metafed_meta_queue", NULL).value == (double)mb.config.queue);
	assert_true(shown("metafed_meta_leads", NULL).value == 1);
	assert_true(shown("metafed_meta_isolated", "database").value == 0);
}

#define METABED_HERE(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		METABED_HERE(a_process_is_shown_from_its_first_report_on),
		METABED(one_of_several_that_has_left_is_shown_no_more),
		METABED(slots_are_shown_beside_their_number_and_who_stands_alone_leads),
	};

	return TEST_RUN(tests);
}
