/* lifecycle: the table of transitions, and what must hold for all of it. */
#include "harness/test.h"

#include "meta/lifecycle.h"

static bool
is_exit(enum lifecycle_event e)
{
	return e == EV_EXIT_DOWN || e == EV_EXIT_NOW || e == EV_EXIT_LATER || e == EV_EXIT_NEVER;
}

static void
expect(enum contract_state from, enum lifecycle_event e, enum contract_state to,
    enum lifecycle_action action)
{
	enum contract_state next = NODE_STATES;
	enum lifecycle_action act = ACT_NONE;

	assert_true(lifecycle_step(from, e, &next, &act));
	assert_int_equal(next, to);
	assert_int_equal(act, action);
}

static void
only_a_spawn_or_a_found_process_leads_to_a_running_state_and_only_an_exit_away(void **state)
{
	(void)state;
	for (int s = 0; s < NODE_STATES; s++) {
		for (int e = 0; e < LIFECYCLE_EVENTS; e++) {
			enum contract_state next;
			enum lifecycle_action act;

			if (!lifecycle_step(s, e, &next, &act))
				continue;
			if (!lifecycle_running(s) && lifecycle_running(next))
				assert_true(act == ACT_SPAWN || e == EV_FOUND);
			if (lifecycle_running(s) && (!lifecycle_running(next) || act == ACT_SPAWN))
				assert_true(is_exit(e));
			if (act == ACT_TERM || act == ACT_KILL)
				assert_true(lifecycle_running(s) && lifecycle_running(next));
		}
	}
}

static void
every_running_state_knows_every_exit_and_no_other_state_knows_any(void **state)
{
	(void)state;
	for (int s = 0; s < NODE_STATES; s++) {
		for (int e = 0; e < LIFECYCLE_EVENTS; e++) {
			enum contract_state next;
			enum lifecycle_action act;

			if (is_exit(e))
				assert_int_equal(
				    lifecycle_step(s, e, &next, &act), lifecycle_running(s));
		}
	}
	expect(NODE_READY, EV_EXIT_DOWN, NODE_STOPPED, ACT_NONE);
	expect(NODE_READY, EV_EXIT_NOW, NODE_STARTING, ACT_SPAWN);
	expect(NODE_READY, EV_EXIT_LATER, NODE_BACKOFF, ACT_NONE);
	expect(NODE_READY, EV_EXIT_NEVER, NODE_FAILED, ACT_ANNOUNCE);
}

static void
whatever_the_state_an_unwanted_process_ends_stopped(void **state)
{
	(void)state;
	for (int s = 0; s < NODE_STATES; s++) {
		enum contract_state next = (enum contract_state)s, after;
		enum lifecycle_action act;

		lifecycle_step(s, EV_STOP, &next, &act);
		if (lifecycle_running(next))
			assert_true(lifecycle_step(next, EV_EXIT_DOWN, &after, &act));
		else
			after = next;
		assert_int_equal(after, NODE_STOPPED);
	}
}

static void
a_planned_restart_is_asked_for_not_forced(void **state)
{
	(void)state;
	expect(NODE_READY, EV_RESTART, NODE_DRAINING, ACT_TERM);
	expect(NODE_DRAINING, EV_EXIT_NOW, NODE_STARTING, ACT_SPAWN);
}

static void
a_process_is_asked_only_once(void **state)
{
	(void)state;
	expect(NODE_READY, EV_STOP, NODE_STOPPING, ACT_TERM);
	expect(NODE_DRAINING, EV_STOP, NODE_STOPPING, ACT_NONE);
}

static void
who_is_late_or_silent_is_killed(void **state)
{
	(void)state;
	expect(NODE_STARTING, EV_LATE, NODE_STARTING, ACT_KILL);
	expect(NODE_DRAINING, EV_LATE, NODE_STOPPING, ACT_KILL);
	expect(NODE_STOPPING, EV_LATE, NODE_STOPPING, ACT_KILL);
	expect(NODE_READY, EV_HUNG, NODE_STOPPING, ACT_ABORT); /* it may tell where it hangs */
}

static void
who_holds_too_much_memory_is_killed_and_may_tell_where_it_was(void **state)
{
	(void)state;
	expect(NODE_READY, EV_HEAVY, NODE_STOPPING, ACT_ABORT);
	expect(NODE_DRAINING, EV_HEAVY, NODE_STOPPING, ACT_ABORT);
	expect(NODE_STARTING, EV_HEAVY, NODE_STARTING, ACT_KILL);
}

static void
who_was_given_up_comes_back_only_when_an_operator_says_so(void **state)
{
	enum contract_state next;
	enum lifecycle_action act;

	(void)state;
	assert_false(lifecycle_step(NODE_FAILED, EV_RETRY, &next, &act));
	expect(NODE_FAILED, EV_START, NODE_STARTING, ACT_SPAWN);
	expect(NODE_FAILED, EV_RESTART, NODE_STARTING, ACT_SPAWN);
}

static void
a_late_word_of_readiness_does_not_undo_a_drain(void **state)
{
	enum contract_state next;
	enum lifecycle_action act;

	(void)state;
	assert_false(lifecycle_step(NODE_DRAINING, EV_READY, &next, &act));
	assert_false(lifecycle_step(NODE_STOPPING, EV_READY, &next, &act));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_a_spawn_or_a_found_process_leads_to_a_running_state_and_only_an_exit_away),
		T(every_running_state_knows_every_exit_and_no_other_state_knows_any),
		T(whatever_the_state_an_unwanted_process_ends_stopped),
		T(a_planned_restart_is_asked_for_not_forced),
		T(a_process_is_asked_only_once),
		T(who_is_late_or_silent_is_killed),
		T(who_holds_too_much_memory_is_killed_and_may_tell_where_it_was),
		T(who_was_given_up_comes_back_only_when_an_operator_says_so),
		T(a_late_word_of_readiness_does_not_undo_a_drain),
	};

	return TEST_RUN(tests);
}
