/* cascade: severity, domains, modes and the throttle, with a clock that is a number. The property
 * tests print their seed: METAFED_SEED repeats one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "harness/test.h"
#include "meta/cascade.h"

#define API      MF__DOMAIN__DOMAIN_API
#define DATABASE MF__DOMAIN__DOMAIN_DATABASE
#define AUTH     MF__DOMAIN__DOMAIN_AUTH
#define LOOK_US  (250 * MS)

enum { CRITICAL = 1, HIGH, MEDIUM, LOW };

static struct cascade c;
static struct cascade_domain *database;
static int64_t now;
static unsigned changes;
static struct rng rng;

/* A fleet that runs since long. */
static int
start(void **state)
{
	const char *seed = getenv("METAFED_SEED");
	uint64_t s = seed != NULL ? strtoull(seed, NULL, 10) : id_random_u64() % 1000000;

	now = 1000 * SEC;
	cascade_init(&c, now);
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		cascade_contact(&c.domains[d], true, now);
	database = &c.domains[DATABASE];
	changes = 0;
	now += 100 * SEC;
	rng_seed(&rng, s);
	printf("# seed %llu\n", (unsigned long long)s);
	return test_log_mark(state);
}
#define CASCADE(f) cmocka_unit_test_setup_teardown(f, start, test_log_check)

/* One look, and the probes that it wants; `lives`: what they find. */
static void
look(bool lives)
{
	now += LOOK_US;
	changes += cascade_look(&c, false, now, rng_unit(&rng));
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		if (cascade_wants_probe(&c.domains[d], now))
			cascade_probed(&c.domains[d], lives, now, rng_unit(&rng));
}

static void
looks(int64_t span, bool lives)
{
	for (int64_t end = now + span; now < end;)
		look(lives);
}

/* n calls at once, of which some fail. How many went. */
static unsigned
calls(struct cascade_domain *d, unsigned n, double share)
{
	unsigned went = 0;

	for (unsigned i = 0; i < n; i++)
		went += cascade_pass(d, false, now);
	for (unsigned i = 0; i < went; i++)
		cascade_answered(
		    &c, d, rng_unit(&rng) < share ? TROUBLE_ERRORS : TROUBLE_NONE, now);
	return went;
}

static void
severity_is_what_the_table_says(void **unused)
{
	static const struct {
		unsigned level;
		uint32_t affected, of;
		enum severity errors, broken, gone;
	} table[] = {
		{ 2, 0, 3, SEVERITY_NONE, SEVERITY_NONE, SEVERITY_NONE },
		{ 2, 1, 3, SEVERITY_LOW, SEVERITY_LOW, SEVERITY_LOW },
		{ 2, 2, 3, SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_MEDIUM },
		{ 2, 3, 3, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_HIGH },
		{ 1, 1, 3, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_HIGH },
		{ 1, 2, 3, SEVERITY_HIGH, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
		{ 1, 3, 3, SEVERITY_CRITICAL, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
		{ 0, 1, 1, SEVERITY_HIGH, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const enum severity want[TROUBLES] = { SEVERITY_NONE, table[i].errors,
			table[i].broken, table[i].gone };

		for (unsigned t = TROUBLE_ERRORS; t < TROUBLES; t++)
			assert_int_equal(cascade_severity(table[i].level, (enum trouble)t,
					     table[i].affected, table[i].of),
			    want[t]);
	}
}

static void
a_refusal_is_no_failure(void **unused)
{
	(void)unused;
	assert_int_equal(cascade_trouble(ST_PERMISSION_DENIED), TROUBLE_NONE);
	assert_int_equal(cascade_trouble(ST_RESOURCE_EXHAUSTED), TROUBLE_NONE);
	assert_int_equal(cascade_trouble(ST_UNAVAILABLE), TROUBLE_ERRORS);
	assert_int_equal(cascade_trouble(ST_DEADLINE_EXCEEDED), TROUBLE_ERRORS);
	assert_int_equal(cascade_trouble(ST_DATA_LOSS), TROUBLE_BROKEN);
}

static void
a_restart_isolates_nothing_and_a_lost_domain_is_isolated_after_its_grace(void **unused)
{
	(void)unused;
	cascade_contact(database, false, now);
	looks(700 * MS, false);
	cascade_contact(database, true, now);
	looks(2 * SEC, true);
	assert_int_equal(changes, 0);
	cascade_contact(database, false, now);
	looks(CASCADE_GRACE_US + LOOK_US, false);
	assert_int_equal(cascade_isolated(&c), 1u << DATABASE);
	assert_int_equal(c.severity, SEVERITY_HIGH);
	assert_int_equal(c.mode, MODE_SHEDDING);
	assert_int_equal(cascade_least_priority(&c), MEDIUM);
	assert_false(cascade_pass(database, true, now));
	assert_true(cascade_pass(&c.domains[AUTH], false, now));
	cascade_left(&c.domains[AUTH]);
}

static void
who_was_given_up_is_isolated_at_once(void **unused)
{
	(void)unused;
	database->given_up = true;
	look(true);
	assert_int_equal(changes, 0); /* it is there */
	cascade_contact(database, false, now);
	look(false);
	assert_int_equal(cascade_isolated(&c), 1u << DATABASE);
}

static void
who_says_that_it_is_unfit_is_believed_when_more_than_a_third_fails(void **unused)
{
	(void)unused;
	database->unfit = true;
	for (int i = 0; i < 80; i++) { /* it is slow, nothing else */
		look(true);
		assert_int_equal(calls(database, 40, 0.1), 40);
	}
	assert_int_equal(c.severity, SEVERITY_NONE);
	for (int i = 0; i < 80 && database->state == CASCADE_FIT; i++) {
		calls(database, 40, 0.45);
		look(true);
	}
	assert_int_equal(database->state, CASCADE_PARTLY);
	for (int i = 0; i < 80 && database->state != CASCADE_FIT; i++) {
		look(true);
		assert_in_range(calls(database, 40, 0), 4, 40);
	}
	assert_int_equal(calls(database, 40, 0), 40);
	assert_int_equal(changes, 0);
}

static void
a_domain_is_isolated_with_its_last_agent_and_not_before(void **unused)
{
	(void)unused;
	cascade_agents(database, 3, 2, now);
	looks(5 * SEC, true);
	assert_int_equal(changes, 0);
	assert_int_equal(c.severity, SEVERITY_MEDIUM);
	cascade_agents(database, 3, 3, now);
	looks(CASCADE_GRACE_US + LOOK_US, true);
	assert_int_equal(database->state, CASCADE_ISOLATED);
	cascade_agents(database, 3, 1, now);
	looks(5 * SEC, true);
	assert_int_equal(database->state, CASCADE_FIT);
}

static void
silence_with_calls_out_is_looked_into_and_isolates(void **unused)
{
	(void)unused;
	assert_true(cascade_pass(database, false, now));
	looks(20 * SEC, true); /* its loop turns: what it does takes long */
	assert_int_equal(changes, 0);
	looks(CASCADE_QUIET_US + CASCADE_MISSED * LOOK_US + LOOK_US, false);
	assert_int_equal(database->state, CASCADE_ISOLATED);
	cascade_left(database);
}

static void
no_probe_without_a_call_or_a_doubt(void **unused)
{
	(void)unused;
	now += 100 * SEC;
	assert_false(cascade_wants_probe(database, now));
	assert_true(cascade_calm(&c));
}

/* 12 % of agents, 8 % of orchestrators and 5 % at meta, even if no retry helped. */
static void
a_steady_error_rate_changes_nothing(void **unused)
{
	(void)unused;
	for (int i = 0; i < 4000; i++) {
		for (int d = 1; d < CASCADE_DOMAINS; d++)
			assert_int_equal(calls(&c.domains[d], 30, 0.2309), 30);
		look(true);
	}
	assert_int_equal(changes, 0);
	assert_int_equal(c.severity, SEVERITY_NONE);
}

static void
few_calls_never_open_anything(void **unused)
{
	(void)unused;
	for (int i = 0; i < 400; i++) {
		assert_int_equal(calls(database, 1, 1), 1);
		now += 600 * MS; /* 17 in the window */
		look(true);
	}
	assert_int_equal(database->state, CASCADE_FIT);
}

static void
mere_errors_shed_and_probe_but_never_isolate(void **unused)
{
	unsigned went = 0;

	(void)unused;
	assert_int_equal(calls(database, 30, 1), 30);
	assert_int_equal(database->state, CASCADE_PARTLY);
	for (int i = 0; i < 100; i++) {
		went += calls(database, 20, 1);
		look(true);
		assert_int_equal(database->state, CASCADE_PARTLY);
	}
	assert_true(went >= 200 && went <= 400); /* a tenth, and one at a time */
	assert_int_equal(cascade_isolated(&c), 0);
	assert_int_equal(c.mode, MODE_NORMAL);
	assert_true(cascade_pass(database, true, now));
	assert_true(cascade_pass(database, true, now)); /* CRITICAL */
	cascade_answered(&c, database, TROUBLE_NONE, now);
	cascade_answered(&c, database, TROUBLE_NONE, now);
}

static void
where_breakers_only_observe_errors_change_nothing(void **unused)
{
	(void)unused;
	c.observe = true;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(calls(database, 30, 1), 30);
		throttle_took(&c.throttle, SEC, now);
		look(true);
	}
	assert_int_equal(changes, 0);
	cascade_contact(database, false, now);
	looks(2 * SEC, false);
	assert_int_equal(changes, 1); /* who is not there is not there */
}

static void
who_is_back_gets_a_tenth_a_quarter_a_half_and_then_all(void **unused)
{
	static const unsigned share[] = { 11, 26, 51, 100 };
	unsigned went[4] = { 0 }, stage = 0;

	(void)unused;
	cascade_contact(database, false, now);
	looks(2 * SEC, false);
	cascade_contact(database, true, now);
	while (database->state == CASCADE_ISOLATED)
		look(true);
	for (int i = 0; i < 100 && stage < 3; i++) {
		assert_int_equal(database->stage, stage);
		went[stage] = calls(database, 100, 0);
		look(true);
		if (database->state == CASCADE_FIT || database->stage != stage)
			stage++;
	}
	went[3] = calls(database, 100, 0);
	for (int i = 0; i < 4; i++)
		assert_in_range(went[i], share[i] - 1, share[i]);
}

/* The probes that the hung one did not answer are not held against the one that comes in its place. */
static void
who_comes_in_the_place_of_one_that_hung_is_probed_at_once(void **unused)
{
	int64_t came;

	(void)unused;
	assert_true(cascade_pass(database, false, now));
	looks(3 * SEC, false);
	assert_int_equal(database->state, CASCADE_ISOLATED);
	assert_true(database->doublings > 1);
	cascade_left(database);
	cascade_contact(database, false, now);
	cascade_contact(database, true, now);
	came = now;
	while (database->state != CASCADE_FIT)
		look(true);
	assert_true(now - came <= 6 * LOOK_US); /* a look, and one for each share */
	/* and goes again, and again: now it waits */
	for (int i = 0; i < 3; i++) {
		cascade_contact(database, false, now);
		looks(1200 * MS, false);
		cascade_contact(database, true, now);
		looks(1 * SEC, false);
	}
	cascade_contact(database, false, now);
	cascade_contact(database, true, now);
	assert_true(database->probe_us > now);
}

static void
nobody_calls_and_the_domain_comes_back_all_the_same(void **unused)
{
	(void)unused;
	calls(database, 30, 1);
	assert_int_equal(database->state, CASCADE_PARTLY);
	looks(40 * SEC, true);
	assert_int_equal(database->state, CASCADE_FIT);
	assert_true(cascade_calm(&c));
}

/* One failure and no call after it: who is shed by that can't show that it was the last. */
static void
one_failure_on_the_way_back_is_not_held_against_a_domain_for_ever(void **unused)
{
	(void)unused;
	calls(database, 30, 1);
	look(true);
	assert_int_equal(calls(database, 1, 1), 1);
	looks(60 * SEC, true);
	assert_int_equal(database->state, CASCADE_FIT);
	assert_true(cascade_calm(&c));
}

static void
two_domains_throttle_and_without_auth_and_database_only_essential_services_go_on(void **unused)
{
	(void)unused;
	cascade_contact(database, false, now);
	cascade_contact(&c.domains[API], false, now);
	looks(2 * SEC, false);
	assert_int_equal(c.severity, SEVERITY_CRITICAL);
	assert_int_equal(c.mode, MODE_THROTTLED);
	assert_int_equal(cascade_admit(&c, LOW, NEED_ORDINARY), CASCADE_THROTTLED);
	assert_int_equal(cascade_admit(&c, HIGH, NEED_ORDINARY), CASCADE_GO);
	cascade_contact(&c.domains[AUTH], false, now);
	looks(2 * SEC, false);
	assert_int_equal(c.mode, MODE_ESSENTIAL);
	assert_int_equal(cascade_admit(&c, CRITICAL, NEED_ORDINARY), CASCADE_ESSENTIAL);
	assert_int_equal(cascade_admit(&c, LOW, NEED_ESSENTIAL), CASCADE_GO);
	assert_int_equal(cascade_admit(&c, LOW, NEED_ALWAYS), CASCADE_GO);
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		cascade_contact(&c.domains[d], true, now);
	looks(60 * SEC, true);
	assert_int_equal(c.mode, MODE_NORMAL);
	assert_true(cascade_calm(&c));
}

static void
what_impairs_meta_leaves_essential_services_only(void **unused)
{
	static const enum impairment all[] = { IMPAIRED_LAG, IMPAIRED_MEMORY, IMPAIRED_UNSOUND };

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		c.impaired = all[i];
		look(true);
		assert_int_equal(c.mode, MODE_ESSENTIAL);
		c.impaired = 0;
		looks(60 * SEC, true);
		assert_int_equal(c.mode, MODE_NORMAL);
	}
}

/* n requests a look, `slow` of them so, for a span. The worst share of each priority that was
 * refused. */
static void
load(int64_t span, unsigned n, unsigned slow, bool full)
{
	for (int64_t end = now + span; now < end;) {
		now += LOOK_US;
		for (unsigned i = 0; i < n; i++)
			throttle_took(&c.throttle, i < slow ? 600 * MS : 5 * MS, now);
		changes += cascade_look(&c, full, now, 0.5);
	}
}

static void
slow_requests_throttle_only_when_most_are_and_for_long(void **unused)
{
	(void)unused;
	load(60 * SEC, 100, 10, true); /* the slowest tenth */
	load(60 * SEC, 100, 50, true);
	assert_int_equal(changes, 0);
	load(SEC, 1000, 1000, true); /* what waited for a restart */
	load(10 * SEC, 100, 0, true);
	assert_int_equal(changes, 0);
	load(60 * SEC, 4, 4, true); /* few say nothing */
	assert_int_equal(changes, 0);
	load(4 * SEC, 100, 80, true);
	assert_int_equal(c.mode, MODE_THROTTLED);
}

static void
without_pressure_only_low_is_refused(void **unused)
{
	(void)unused;
	load(60 * SEC, 100, 100, false);
	assert_int_equal(cascade_least_priority(&c), MEDIUM);
	load(60 * SEC, 100, 100, true);
	assert_int_equal(cascade_least_priority(&c), CRITICAL);
	assert_int_equal(cascade_admit(&c, HIGH, NEED_ORDINARY), CASCADE_THROTTLED);
	load(60 * SEC, 100, 0, true);
	assert_int_equal(c.mode, MODE_NORMAL);
	assert_true(c.refused == 0);
}

static void
the_least_important_are_refused_first_and_half_of_the_critical_always_go(void **unused)
{
	static const unsigned levels[][4] = { /* of 100, CRITICAL first, that are refused */
		{ 0, 0, 0, 50 }, { 0, 0, 0, 100 }, { 0, 0, 25, 100 }, { 0, 0, 100, 100 },
		{ 0, 75, 100, 100 }, { 50, 100, 100, 100 }
	};
	static const double refused[] = { 0.5, 1, 1.25, 2, 2.75, THROTTLE_MOST };

	(void)unused;
	c.mode = MODE_THROTTLED;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		c.refused = refused[i];
		for (uint32_t p = CRITICAL; p <= LOW; p++) {
			unsigned n = 0;

			for (int k = 0; k < 100; k++)
				n += cascade_admit(&c, p, NEED_ORDINARY) != CASCADE_GO;
			assert_int_equal(n, levels[i][p - 1]);
		}
	}
}

/* Load that goes down with what is refused: the throttle finds a place and stays there. */
static void
the_throttle_settles(void **unused)
{
	unsigned settled;

	(void)unused;
	for (int i = 0; i < 4 * 120; i++) {
		unsigned n = (unsigned)(100 * (4 - c.refused) / 4);

		now += LOOK_US;
		for (unsigned k = 0; k < n; k++)
			throttle_took(&c.throttle,
			    n > 60      ? 900 * MS
			    : k * 3 < n ? 600 * MS
					: 50 * MS,
			    now);
		changes += cascade_look(&c, true, now, 0.5);
		if (i == 4 * 60)
			settled = changes;
	}
	assert_int_equal(changes, settled);
	assert_true(c.refused >= 1.5 && c.refused <= 2);
}

/* It takes a minute to come back: there for moments, then longer and longer. */
static void
a_domain_that_comes_back_slowly_changes_the_mode_twice(void **unused)
{
	unsigned modes = 0;
	enum fleet_mode before = c.mode;

	(void)unused;
	for (int i = 0; i < 4 * 180; i++) {
		bool there = i > 4 * 60 || (i >= 8 && (int)rng_below(&rng, 4 * 60) < i);

		cascade_contact(database, there, now);
		calls(database, 50, i > 4 * 60 ? 0 : 0.3);
		look(there);
		modes += c.mode != before;
		before = c.mode;
	}
	assert_int_equal(database->state, CASCADE_FIT);
	assert_int_equal(c.mode, MODE_NORMAL);
	assert_true(modes <= 6);
}

static void
flapping_domains_change_the_mode_a_bounded_number_of_times(void **unused)
{
	unsigned modes = 0, told = 0;
	enum fleet_mode before = c.mode;

	(void)unused;
	for (int64_t end = now + 600 * SEC; now < end;) {
		for (int d = 1; d < CASCADE_DOMAINS; d++)
			if (rng_below(&rng, 8) == 0) /* for 2 s on and off */
				cascade_contact(&c.domains[d], !c.domains[d].contact, now);
		for (int d = 1; d < CASCADE_DOMAINS; d++)
			calls(&c.domains[d], 40, 0.4);
		told += cascade_look(&c, rng_below(&rng, 2) == 0, now, rng_unit(&rng));
		look(true);
		modes += c.mode != before;
		before = c.mode;
	}
	printf("# measured %u changes of mode and %u announcements in 600 s of flapping\n", modes,
	    told + changes);
	assert_true(modes <= 100);
	for (int d = 1; d < CASCADE_DOMAINS; d++)
		cascade_contact(&c.domains[d], true, now);
	looks(120 * SEC, true);
	assert_int_equal(c.mode, MODE_NORMAL);
	assert_true(cascade_calm(&c));
}

/* Whatever happens: what the headers promise of each state and mode holds. */
static void
any_sequence_of_events_keeps_the_promises(void **unused)
{
	(void)unused;
	for (int i = 0; i < 100000; i++) {
		struct cascade_domain *d = &c.domains[1 + rng_below(&rng, 3)];
		unsigned refused[5] = { 0 };

		switch (rng_below(&rng, 9)) {
		case 0:
			cascade_contact(d, rng_below(&rng, 3) != 0, now);
			break;
		case 1:
			cascade_agents(d, 3, rng_below(&rng, 4), now);
			break;
		case 2:
			d->unfit = rng_below(&rng, 8) == 0;
			break;
		case 3:
			d->given_up = rng_below(&rng, 8) == 0;
			break;
		case 4:
			c.impaired = rng_below(&rng, 16) == 0 ? IMPAIRED_MEMORY : 0;
			break;
		case 5:
			load(LOOK_US, 30, rng_below(&rng, 31), rng_below(&rng, 2) == 0);
			break;
		case 6:
			calls(d, rng_below(&rng, 60), rng_unit(&rng));
			break;
		default:
			look(rng_below(&rng, 4) != 0);
		}
		for (int k = 1; k < CASCADE_DOMAINS; k++) {
			struct cascade_domain *x = &c.domains[k];
			bool went = cascade_pass(x, true, now);

			assert_int_equal(went, x->state != CASCADE_ISOLATED);
			if (went)
				cascade_left(x);
			assert_int_equal(x->out, 0);
			assert_true(x->stage < 3);
		}
		for (uint32_t p = CRITICAL; p <= LOW; p++) {
			assert_int_equal(cascade_admit(&c, p, NEED_ALWAYS), CASCADE_GO);
			for (int k = 0; k < 20; k++)
				refused[p] += cascade_admit(&c, p, NEED_ESSENTIAL) != CASCADE_GO;
		}
		assert_true(refused[CRITICAL] <= 10);
		for (uint32_t p = CRITICAL; p < LOW; p++) /* nobody before who matters less */
			assert_true(refused[p] == 0 || refused[p + 1] == 20);
		assert_in_range(cascade_least_priority(&c), CRITICAL, LOW);
		if (c.mode == MODE_NORMAL)
			assert_true(c.refused == 0);
	}
}

static void
who_starts_slowly_changes_no_mode_and_gets_all_of_its_work_at_once(void **unused)
{
	(void)unused;
	cascade_init(&c, now);
	cascade_contact(&c.domains[API], true, now);
	looks(CASCADE_FIRST_US - SEC, false);
	assert_int_equal(cascade_isolated(&c), 0);
	looks(5 * SEC, false);
	assert_int_equal(cascade_isolated(&c), 1u << DATABASE | 1u << AUTH);
	assert_int_equal(c.mode, MODE_NORMAL);
	assert_int_equal(c.severity, SEVERITY_NONE);
	cascade_contact(database, true, now);
	cascade_contact(&c.domains[AUTH], true, now);
	look(true);
	assert_int_equal(cascade_isolated(&c), 0);
	assert_int_equal(calls(database, 20, 0), 20);
	assert_true(cascade_calm(&c));
	cascade_contact(database, false, now); /* now it was there */
	looks(CASCADE_GRACE_US + LOOK_US, false);
	assert_int_equal(c.mode, MODE_SHEDDING);
}

static void
who_never_came_and_was_given_up_is_a_loss(void **unused)
{
	(void)unused;
	cascade_init(&c, now);
	cascade_contact(&c.domains[API], true, now);
	database->given_up = c.domains[AUTH].given_up = true;
	look(false);
	assert_int_equal(cascade_isolated(&c), 1u << DATABASE | 1u << AUTH);
	assert_int_equal(c.mode, MODE_ESSENTIAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASCADE(severity_is_what_the_table_says),
		CASCADE(a_refusal_is_no_failure),
		CASCADE(a_restart_isolates_nothing_and_a_lost_domain_is_isolated_after_its_grace),
		CASCADE(who_was_given_up_is_isolated_at_once),
		CASCADE(who_says_that_it_is_unfit_is_believed_when_more_than_a_third_fails),
		CASCADE(a_domain_is_isolated_with_its_last_agent_and_not_before),
		CASCADE(silence_with_calls_out_is_looked_into_and_isolates),
		CASCADE(no_probe_without_a_call_or_a_doubt),
		CASCADE(a_steady_error_rate_changes_nothing),
		CASCADE(few_calls_never_open_anything),
		CASCADE(mere_errors_shed_and_probe_but_never_isolate),
		CASCADE(where_breakers_only_observe_errors_change_nothing),
		CASCADE(who_is_back_gets_a_tenth_a_quarter_a_half_and_then_all),
		CASCADE(who_comes_in_the_place_of_one_that_hung_is_probed_at_once),
		CASCADE(nobody_calls_and_the_domain_comes_back_all_the_same),
		CASCADE(one_failure_on_the_way_back_is_not_held_against_a_domain_for_ever),
		CASCADE(
		    two_domains_throttle_and_without_auth_and_database_only_essential_services_go_on),
		CASCADE(what_impairs_meta_leaves_essential_services_only),
		CASCADE(slow_requests_throttle_only_when_most_are_and_for_long),
		CASCADE(without_pressure_only_low_is_refused),
		CASCADE(the_least_important_are_refused_first_and_half_of_the_critical_always_go),
		CASCADE(the_throttle_settles),
		CASCADE(a_domain_that_comes_back_slowly_changes_the_mode_twice),
		CASCADE(flapping_domains_change_the_mode_a_bounded_number_of_times),
		CASCADE(who_starts_slowly_changes_no_mode_and_gets_all_of_its_work_at_once),
		CASCADE(who_never_came_and_was_given_up_is_a_loss),
		CASCADE(any_sequence_of_events_keeps_the_promises),
	};

	return TEST_RUN(tests);
}
