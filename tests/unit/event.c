/* event: order, gaps, generations. The publisher is this bus under its own name; what "sql" is said
 * to have published is made from its ring, with batches left out or repeated at will. */
#include <string.h>
#include "harness/busbed.h"

static uint64_t seen[10000];
static unsigned n_seen, n_lost;

static int
start(void **state)
{
	n_seen = n_lost = 0;
	return bed_start(state);
}

static void
on_event(void *ctx, const char *node, const Mf__Event *e)
{
	(void)ctx, (void)node;
	if (n_seen < 10000)
		seen[n_seen++] = e->seq;
}

static void
on_lost(void *ctx, const char *node)
{
	(void)ctx, (void)node;
	n_lost++;
}

static void
publish(unsigned n, const char *topic)
{
	Mf__LogLevel m = MF__LOG_LEVEL__INIT;

	while (n-- > 0)
		bus_publish(bed.bus, topic, &m.base);
}

/* A batch of "sql" with the events from..to of generation g, of which it says that `last` is its
 * newest. */
static void
batch(uint64_t g, uint64_t from, uint64_t to, uint64_t last)
{
	struct out o = { 0 }, e = { 0 };

	out_number(&o, 2, g);
	for (; from <= to; from++) {
		e.n = 0;
		out_number(&e, 1, from);
		out_bytes(&e, 2, str_of("task.created"));
		out_bytes(&o, 3, (struct str){ (char *)e.p, e.n });
	}
	out_number(&o, 4, last);
	events_receive(bed.bus, "sql", o.p, o.n);
	out_free(&o);
	out_free(&e);
}

static void
check_seen(uint64_t first, unsigned n)
{
	assert_int_equal(n_seen, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(seen[i], first + i);
}

static void
a_node_hears_its_own_events_in_order_and_batched(void **unused)
{
	int64_t began = time_now_us();

	(void)unused;
	bus_subscribe(bed.bus, "database", "task", on_event, on_lost, NULL);
	publish(100, "task.created");
	publish(1, "fleet.node"); /* another topic: not ours, but no gap either */
	publish(1, "task.created");
	while (n_seen < 101 && time_now_us() - began < 1 * SEC)
		pass(1 * MS);
	assert_true(time_now_us() - began < 40 * MS);
	assert_int_equal(n_seen, 101);
	assert_int_equal(seen[99], 100);
	assert_int_equal(seen[100], 102);
	assert_int_equal(n_lost, 0);
}

static void
at_first_contact_the_state_is_to_be_read_and_events_go_on_from_there(void **unused)
{
	(void)unused;
	publish(50, "task.created");
	bus_loopback(
	    bed.bus, "sql", NULL); /* answers Node.Events from our own ring, generation 7 */
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	assert_int_equal(n_lost, 1);
	assert_int_equal(n_seen, 0);
	batch(7, 51, 52, 52);
	check_seen(51, 2);
}

static void
a_gap_is_fetched_and_everything_comes_once_and_in_order(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	publish(10, "task.created");
	batch(7, 1, 3, 3);
	batch(7, 7, 10, 10); /* 4 to 6 were lost on the way */
	check_seen(1, 3);
	pass(5 * MS);
	check_seen(1, 10);
	batch(7, 7, 10, 10); /* late: had them */
	check_seen(1, 10);
	assert_int_equal(n_lost, 1);
}

static void
a_bell_without_events_makes_us_fetch(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	publish(2500, "task.created"); /* more than one answer holds */
	batch(7, 1, 0, 2500);
	pass(50 * MS);
	check_seen(1, 2500);
}

/* Bells have a way of their own: one may come before the answer that was made without its event. */
static void
a_bell_during_a_fetch_is_heard_after_it(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	publish(1, "task.created");
	batch(7, 1, 0, 1);
	peer_loop_run(bed.bus); /* the answer is on its way */
	publish(1, "task.created");
	batch(7, 1, 0, 2);
	check_seen(1, 0);
	pass(50 * MS);
	check_seen(1, 2);
}

static void
a_bell_during_a_fetch_that_fails_is_heard_too(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	bed_peer("sql")->mute = true;
	publish(1, "task.created");
	batch(7, 1, 0, 1);
	pass(500 * MS);
	bed_peer("sql")->mute = false;
	batch(7, 1, 0, 1);
	pass(800 * MS);
	check_seen(1, 1);
}

static void
a_lost_last_batch_is_noticed_when_the_connection_is_back(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	publish(5, "task.created");
	peer_down(bed_peer("sql"));
	peer_up(bed_peer("sql"));
	pass(5 * MS);
	check_seen(1, 5);
}

static void
a_publisher_that_came_back_with_another_generation_is_told_once(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	batch(8, 1, 2, 2);
	assert_int_equal(n_lost, 2);
	check_seen(1, 2);
	batch(7, 9, 9, 9); /* late words of its former life */
	assert_int_equal(n_lost, 2);
	check_seen(1, 2);
}

static void
when_the_ring_has_moved_on_the_state_is_to_be_read_again(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	publish(5000, "task.created");
	batch(7, 1, 0, 5000);
	pass(50 * MS);
	assert_int_equal(n_lost, 2);
	check_seen(5000 - 4096 + 1, 4096);
}

static void
garbage_is_refused(void **unused)
{
	(void)unused;
	bus_loopback(bed.bus, "sql", NULL);
	bus_subscribe(bed.bus, "sql", "task", on_event, on_lost, NULL);
	pass(5 * MS);
	test_expect_log(LOG_WARN, 1);
	events_receive(bed.bus, "sql", "\xff\xff\xff", 3);
	assert_int_equal(n_seen, 0);
}

static void
an_open_breaker_is_news(void **unused)
{
	struct fake a = { 0 }, b = { 0 };
	struct target *t;

	(void)unused;
	fake_join(&a, "sql");
	fake_join(&b, "nosql");
	t = bed_target(NULL, MEMBERS("sql", "nosql"));
	bus_subscribe(bed.bus, "database", "breaker", on_event, on_lost, NULL);
	test_expect_log(LOG_WARN, 1);
	target_trip(bed_peer("sql"));
	pass(30 * MS);
	assert_int_equal(n_seen, 1);
	assert_int_equal(t->members[0].breaker.state, BREAKER_OPEN);
}

#define E(f) cmocka_unit_test_setup_teardown(f, start, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		E(a_node_hears_its_own_events_in_order_and_batched),
		E(at_first_contact_the_state_is_to_be_read_and_events_go_on_from_there),
		E(a_gap_is_fetched_and_everything_comes_once_and_in_order),
		E(a_bell_without_events_makes_us_fetch),
		E(a_bell_during_a_fetch_is_heard_after_it),
		E(a_bell_during_a_fetch_that_fails_is_heard_too),
		E(a_lost_last_batch_is_noticed_when_the_connection_is_back),
		E(a_publisher_that_came_back_with_another_generation_is_told_once),
		E(when_the_ring_has_moved_on_the_state_is_to_be_read_again),
		E(garbage_is_refused),
		E(an_open_breaker_is_news),
	};

	return TEST_RUN(tests);
}
