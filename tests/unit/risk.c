/* risk: the weights, one by one, and what follows from a score. */
#include <string.h>
#include "auth/geo.h"
#include "auth/recall.h"
#include "auth/risk.h"
#include "base/time.h"
#include "harness/test.h"

static const struct risk_limits limits = { 50, 85, 95 }; /* as they come */

static uint32_t
score(enum risk_sign sign, double seen)
{
	struct risk_input in = { 0 };

	in.seen[sign] = seen;
	return risk_of(&in).score;
}

static void
each_sign_counts_by_its_weight_up_to_its_limit(void **unused)
{
	static const struct {
		enum risk_sign sign;
		double seen;
		uint32_t points;
	} rows[] = {
		{ RISK_ACCOUNT_FAILURES, 2, 0 }, /* anybody mistypes */
		{ RISK_ACCOUNT_FAILURES, 10, 5 },
		{ RISK_ACCOUNT_FAILURES, 1e9, 20 },
		{ RISK_ADDRESS_FAILURES, 4, 0 },
		{ RISK_ADDRESS_FAILURES, 10, 10 },
		{ RISK_ADDRESS_FAILURES, 1e9, 35 },
		{ RISK_REUSE, 1, 40 },
		{ RISK_REUSE, 0.5, 20 }, /* half a day ago */
		{ RISK_REUSE, 5, 60 },
		{ RISK_NEW_NETWORK, 1, 15 },
		{ RISK_NEW_AGENT, 1, 10 },
		{ RISK_SPEED, 800, 0 }, /* a plane */
		{ RISK_SPEED, 1000, 30 },
		{ RISK_SPEED, 1e6, 30 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(score(rows[i].sign, rows[i].seen), rows[i].points);
}

static void
more_of_anything_never_lowers_the_score_and_all_of_it_is_100(void **unused)
{
	struct risk_input in = { 0 };

	(void)unused;
	for (int i = 0; i < RISK_SIGNS; i++) {
		uint32_t before = risk_of(&in).score;

		for (double seen = 0; seen < 3000; seen = seen * 1.5 + 0.1) {
			uint32_t now;

			in.seen[i] = seen;
			now = risk_of(&in).score;
			assert_true(now >= before && now <= 100);
			before = now;
		}
	}
	assert_int_equal(risk_of(&in).score, 100);
}

/* The argument against lock-out: README.md, "Who can keep whom out". */
static void
what_strangers_can_do_to_an_account_and_a_new_place_demand_nothing(void **unused)
{
	struct risk_input in = { 0 };

	(void)unused;
	in.seen[RISK_ACCOUNT_FAILURES] = 1e9;
	in.seen[RISK_NEW_NETWORK] = in.seen[RISK_NEW_AGENT] = 1;
	assert_int_equal(risk_judge(&limits, risk_of(&in).score, false), RISK_ALLOW);
	in.seen[RISK_ADDRESS_FAILURES] = 1e9; /* and from the same network */
	assert_int_equal(risk_judge(&limits, risk_of(&in).score, false), RISK_FACTOR);
}

static void
what_follows_grows_with_the_score_and_a_second_factor_is_never_refused(void **unused)
{
	(void)unused;
	assert_int_equal(risk_judge(&limits, 49, false), RISK_ALLOW);
	assert_int_equal(risk_judge(&limits, 50, false), RISK_FACTOR);
	assert_int_equal(risk_judge(&limits, 85, false), RISK_REFUSE);
	assert_int_equal(risk_judge(&limits, 95, false), RISK_LOCK);
	for (uint32_t s = 50; s <= 100; s++)
		assert_int_equal(risk_judge(&limits, s, true), RISK_FACTOR);
}

static void
the_reasons_name_what_counted(void **unused)
{
	struct risk_input in = { 0 };
	char text[300];
	struct risk r;

	(void)unused;
	r = risk_of(&in);
	risk_reasons(&r, text, sizeof(text));
	assert_string_equal(text, "");
	in.seen[RISK_REUSE] = in.seen[RISK_NEW_NETWORK] = 1;
	r = risk_of(&in);
	risk_reasons(&r, text, sizeof(text));
	assert_string_equal(text, "reuse 40, new_network 15");
}

static void
what_was_seen_melts_evenly(void **unused)
{
	struct recall *s = recall_new(10);
	static const uint8_t ada[16] = "ada";
	const int64_t day = 86400 * SEC;

	(void)unused;
	recall_add(s, ada, RECALL_REUSE, day, 1000 * SEC);
	assert_true(recall_value(s, ada, RECALL_REUSE, day, 1000 * SEC) > 0.999);
	assert_float_equal(
	    recall_value(s, ada, RECALL_REUSE, day, 1000 * SEC + day / 2), 0.5, 0.001);
	recall_add(s, ada, RECALL_REUSE, day, 1000 * SEC + day / 2);
	assert_float_equal(
	    recall_value(s, ada, RECALL_REUSE, day, 1000 * SEC + day / 2), 1.5, 0.001);
	assert_true(recall_value(s, ada, RECALL_REUSE, day, 1000 * SEC + 2 * day) == 0);
	recall_free(&s);
}

static void
memory_is_bounded_and_who_was_touched_last_is_kept(void **unused)
{
	struct recall *s = recall_new(100);
	uint8_t key[16] = { 0 };
	static const uint8_t ada[16] = "ada";

	(void)unused;
	for (uint32_t i = 0; i < 10000; i++) {
		memcpy(key, &i, sizeof(i));
		recall_add(s, key, RECALL_FAILURES, SEC, 0);
		recall_client(s, ada, 0);
	}
	assert_int_equal(recall_count(s), 100);
	assert_true(recall_client_is(s, ada));
	recall_free(&s);
}

static void
a_turn_comes_after_the_wait_and_the_next_takes_twice_as_long(void **unused)
{
	struct recall *s = recall_new(100);
	static const uint8_t ada[16] = "ada";
	int64_t now = 1000 * SEC;

	(void)unused;
	for (int64_t wait = 60 * SEC; wait < 900 * SEC; wait *= 2) {
		assert_true(recall_turn(s, ada, 60 * SEC, 900 * SEC, now) == wait);
		assert_true(recall_turn(s, ada, 60 * SEC, 900 * SEC, now + wait - 1) == 1);
		now += wait;
		assert_true(recall_turn(s, ada, 60 * SEC, 900 * SEC, now) == 0);
	}
	assert_true(recall_turn(s, ada, 60 * SEC, 900 * SEC, now) == 900 * SEC);
	recall_free(&s);
}

static const char places[] = "network,geoname_id,latitude,longitude,accuracy_radius\n"
			     "192.0.2.0/24,1,52.52,13.40,20\r\n"
			     "192.0.2.128/25,2,48.14,11.58,20\n"
			     "198.51.100.0/24,3,-33.87,151.21,\n"
			     "203.0.113.0/24,4,,,\n"
			     "2001:db8::/32,5,40.71,-74.01,10\n";

static void
a_network_has_its_place_and_the_innermost_counts(void **unused)
{
	char err[200];
	struct geo *g = geo_parse(places, strlen(places), err, sizeof(err));
	struct geo_place berlin, munich, sydney, p;

	(void)unused;
	assert_non_null(g);
	assert_int_equal(geo_count(g), 4);
	assert_true(geo_find(g, "192.0.2.1", &berlin) && geo_find(g, "192.0.2.200", &munich));
	assert_true(geo_find(g, "198.51.100.255", &sydney));
	assert_true(geo_find(g, "::ffff:192.0.2.1", &p) && p.latitude == berlin.latitude);
	assert_true(geo_find(g, "2001:db8:ffff::1", &p));
	assert_false(geo_find(g, "203.0.113.1", &p)); /* its place is not known */
	assert_false(geo_find(g, "192.0.3.0", &p));
	assert_false(geo_find(g, "no address", &p));
	assert_false(geo_find(NULL, "192.0.2.1", &p));
	assert_float_equal(geo_km(berlin, munich), 504, 5);
	assert_float_equal(geo_km(berlin, sydney), 16090, 100);
	assert_true(geo_km(berlin, berlin) < 0.001);
	geo_free(&g);
}

static void
a_file_that_is_wrong_says_where(void **unused)
{
	static const char *const bad[] = { "192.0.2.0/33,1,1", "192.0.2.0,1,1", "192.0.2.0/24,91,0",
		"192.0.2.0/24,1,181", "192.0.2.0/24,x,1", "::/129,1,1", "a,b" };
	char err[200];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(geo_parse(bad[i], strlen(bad[i]), err, sizeof(err)));
		assert_non_null(strstr(err, "line 1"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_sign_counts_by_its_weight_up_to_its_limit),
		T(more_of_anything_never_lowers_the_score_and_all_of_it_is_100),
		T(what_strangers_can_do_to_an_account_and_a_new_place_demand_nothing),
		T(what_follows_grows_with_the_score_and_a_second_factor_is_never_refused),
		T(the_reasons_name_what_counted),
		T(what_was_seen_melts_evenly),
		T(memory_is_bounded_and_who_was_touched_last_is_kept),
		T(a_turn_comes_after_the_wait_and_the_next_takes_twice_as_long),
		T(a_network_has_its_place_and_the_innermost_counts),
		T(a_file_that_is_wrong_says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
