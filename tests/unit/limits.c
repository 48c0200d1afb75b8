/* limits: what the configuration says of whom, and whose bucket a request takes from. */
#include <stdio.h>
#include <string.h>
#include "api/quota.h"
#include "base/time.h"
#include "harness/test.h"

#define START (1000 * SEC)
#define LOGIN "POST /v1/auth/login"

static struct limits by;
static char err[200];

static void
parse(const char *all, const char *roles, const char *routes)
{
	if (!limits_parse(&by, all, roles, routes, err, sizeof(err)))
		fail_msg("%s", err);
}

static const struct named_limit *
of(const char *role, const char *other)
{
	char *roles[] = { (char *)role, (char *)other };

	return limits_of_roles(&by, role == NULL ? 0 : other == NULL ? 1 : 2, roles);
}

static void
a_principal_has_the_most_generous_of_its_roles(void **unused)
{
	(void)unused;
	parse("1000/100", "admin=off, viewer=200/20, batch = 50/500 , big=9000/100", "");
	assert_string_equal(of(NULL, NULL)->name, "default");
	assert_string_equal(of("user", NULL)->name, "default");
	assert_string_equal(of("viewer", NULL)->name, "viewer");
	assert_string_equal(of("viewer", "user")->name, "default");
	assert_string_equal(of("user", "viewer")->name, "default");
	assert_string_equal(of("user", "batch")->name, "batch");
	assert_string_equal(of("big", "user")->name, "big");
	assert_string_equal(of("batch", "admin")->name, "admin");
	assert_int_equal(of("admin", NULL)->limit.capacity, 0);
}

static void
a_route_is_a_method_and_a_path_or_the_beginning_of_one(void **unused)
{
	(void)unused;
	parse("off", "", LOGIN "=20/0.2, GET /v1/tasks*=5/1, * /v1/a=b=7/1");
	assert_string_equal(limits_of_route(&by, M_POST, "/v1/auth/login")->name, LOGIN);
	assert_null(limits_of_route(&by, M_GET, "/v1/auth/login"));
	assert_null(limits_of_route(&by, M_POST, "/v1/auth/login2"));
	assert_non_null(limits_of_route(&by, M_GET, "/v1/tasks"));
	assert_non_null(limits_of_route(&by, M_GET, "/v1/tasks/1"));
	assert_null(limits_of_route(&by, M_POST, "/v1/tasks"));
	assert_string_equal(limits_of_route(&by, M_DELETE, "/v1/a=b")->name, "* /v1/a=b");
}

static void
a_policy_reads_as_the_draft_has_it(void **unused)
{
	struct taking t = { .left = 999, .more_us = 10 * MS };
	char item[LIMIT_ITEM];

	(void)unused;
	parse("1000/100", "viewer=5/3", LOGIN "=20/0.2");
	assert_string_equal(by.all.policy, "\"default\";q=1000;w=10");
	assert_string_equal(of("viewer", NULL)->policy, "\"viewer\";q=5;w=2");
	assert_string_equal(by.routes[0].limit.policy, "\"" LOGIN "\";q=20;w=100");
	limit_write(&by.all, &t, item);
	assert_string_equal(item, "\"default\";r=999;t=1");
	assert_int_equal(limit_seconds(0), 0);
	assert_int_equal(limit_seconds(1), 1);
	assert_int_equal(limit_seconds(1000000), 1);
	assert_int_equal(limit_seconds(1000001), 2);
}

static void
an_entry_that_is_none_is_named(void **unused)
{
	static const struct {
		const char *all, *roles, *routes, *named;
	} wrong[] = {
		{ "", "", "", "limit" },
		{ "1000", "", "", "limit" },
		{ "0/1", "", "", "limit" },
		{ "10/0", "", "", "limit" },
		{ "10/-1", "", "", "limit" },
		{ "10/nan", "", "", "limit" },
		{ "1.5/1", "", "", "limit" },
		{ "1000000000/0.001", "", "", "limit" },
		{ "off", "admin", "", "\"admin\"" },
		{ "off", "admin=", "", "\"admin=\"" },
		{ "off", "=5/5", "", "\"=5/5\"" },
		{ "off", "a=5/5,,b=5/5", "", "limit_roles: \"\"" },
		{ "off", "a\"b=5/5", "", "a\"b" },
		{ "off", "", "/v1=5/5", "/v1=5/5" },
		{ "off", "", "BREW /v1=5/5", "BREW" },
		{ "off", "", "GET v1=5/5", "GET v1" },
		{ "off", "", "GET /v1=off", "GET /v1=off" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err[0] = '\0';
		if (limits_parse(
			&by, wrong[i].all, wrong[i].roles, wrong[i].routes, err, sizeof(err)))
			fail_msg("%zu was taken", i);
		if (strstr(err, wrong[i].named) == NULL)
			fail_msg("%zu: %s", i, err);
	}
}

/* --- whose bucket --- */

static struct quota *l;
static struct address home, elsewhere;

static int
start(void **state)
{
	(void)state;
	l = quota_new(1024, 64, 300 * SEC);
	parse("3/1", "admin=off, viewer=2/1", LOGIN "=1/1");
	assert_true(address_parse(STR("192.0.2.1"), &home));
	assert_true(address_parse(STR("192.0.2.2"), &elsewhere));
	return test_log_mark(state);
}

static int
stop(void **state)
{
	quota_free(&l);
	return test_log_check(state);
}

static bool
ask(const struct address *from, const char *credential, int64_t now, struct charge *c)
{
	return quota_charge(l, &by, from,
	    credential == NULL ? (struct str){ NULL, 0 } : str_of(credential), M_GET, "/v1/tasks",
	    now, c);
}

static void
verified(struct charge *c, const char *name, const char *role, int64_t now)
{
	Mf__Principal p = MF__PRINCIPAL__INIT;

	p.id = p.name = (char *)name;
	p.n_roles = 1;
	p.roles = (char *[]){ (char *)role };
	p.expires_at = (uint64_t)(time_wall_us() + 600 * SEC);
	quota_learn(l, &by, c, &p, 200, now);
}

static void
who_is_not_known_takes_from_his_address_whatever_he_claims(void **unused)
{
	struct charge c;

	(void)unused;
	assert_true(ask(&home, NULL, START, &c));
	assert_false(c.ask);
	assert_true(ask(&home, "Bearer i-am-admin", START, &c));
	assert_true(c.ask);
	assert_true(ask(&home, "Bearer i-am-root", START, &c));
	assert_int_equal(c.takings[0].left, 0);
	assert_false(ask(&home, "Bearer i-am-god", START, &c));
	assert_int_equal(charge_wait_us(&c), 1 * SEC);
	assert_true(ask(&elsewhere, "Bearer i-am-admin", START, &c));
}

static void
all_of_a_64_take_from_one_bucket(void **unused)
{
	struct address a;
	struct charge c;
	char text[64];

	(void)unused;
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x:%x", i, i + 7);
		assert_true(address_parse(str_of(text), &a));
		assert_int_equal(ask(&a, NULL, START, &c), i < 3);
	}
}

static void
a_verified_principal_takes_from_its_own_bucket_from_wherever_it_comes(void **unused)
{
	struct charge c;

	(void)unused;
	assert_true(ask(&home, "token-1", START, &c));
	verified(&c, "bob", "viewer", START);
	assert_true(ask(&home, "token-1", START, &c));
	assert_false(c.ask);
	assert_string_equal(c.name, "bob");
	assert_string_equal(c.limits[0]->name, "viewer");
	assert_true(ask(&elsewhere, "token-1", START, &c));
	assert_false(ask(&elsewhere, "token-1", START, &c));
	assert_true(ask(&elsewhere, NULL, START, &c)); /* the address has lost nothing */
	assert_int_equal(c.takings[0].left, 2);
	assert_true(ask(&elsewhere, "token-2", START, &c));
	verified(&c, "bob", "viewer", START); /* another token of the same: the same bucket */
	assert_false(ask(&elsewhere, "token-2", START, &c));
}

static void
a_role_that_is_off_has_no_limit_and_no_route_has_one_for_it(void **unused)
{
	struct charge c;

	(void)unused;
	assert_true(ask(&home, "root-token", START, &c));
	verified(&c, "root", "admin", START);
	for (int i = 0; i < 100; i++)
		assert_true(quota_charge(
		    l, &by, &home, STR("root-token"), M_POST, "/v1/auth/login", START, &c));
	assert_int_equal(c.n, 0);
}

static void
a_route_has_its_own_bucket_besides(void **unused)
{
	struct charge c;
	char policy[CHARGE_TEXT], state[CHARGE_TEXT];

	(void)unused;
	assert_true(quota_charge(
	    l, &by, &home, (struct str){ NULL, 0 }, M_POST, "/v1/auth/login", START, &c));
	assert_true(charge_write(&c, policy, state));
	assert_string_equal(policy, "\"default\";q=3;w=3, \"" LOGIN "\";q=1;w=1");
	assert_string_equal(state, "\"default\";r=2;t=1, \"" LOGIN "\";r=0;t=1");
	assert_false(quota_charge(
	    l, &by, &home, (struct str){ NULL, 0 }, M_POST, "/v1/auth/login", START, &c));
	assert_true(ask(&home, NULL, START, &c));
	assert_int_equal(c.takings[0].left, 1); /* what was refused took nothing */
}

static void
a_refused_credential_is_nobody_at_once(void **unused)
{
	struct charge c;

	(void)unused;
	assert_true(ask(&home, "t", START, &c));
	verified(&c, "root", "admin", START);
	assert_true(ask(&home, "t", START, &c));
	assert_int_equal(c.n, 0);
	quota_learn(l, &by, &c, NULL, 401, START);
	assert_true(ask(&home, "t", START, &c));
	assert_int_equal(c.n, 1);
	assert_true(c.ask);
}

static void
an_answer_that_names_nobody_teaches_nothing(void **unused)
{
	Mf__Principal anonymous = MF__PRINCIPAL__INIT;
	struct charge c;

	(void)unused;
	assert_true(ask(&home, "t", START, &c));
	quota_learn(l, &by, &c, NULL, 200, START);
	quota_learn(l, &by, &c, &anonymous, 200, START);
	assert_true(ask(&home, "t", START, &c));
	assert_int_equal(c.takings[0].left, 1);
	c.has_credential = false; /* of a request without one nothing can be learnt */
	verified(&c, "root", "admin", START);
	assert_true(ask(&home, "t", START, &c));
	assert_int_equal(c.takings[0].left, 0);
}

static void
a_principal_is_asked_for_again_in_time_and_forgotten_at_the_end_of_its_credential(void **unused)
{
	struct charge c;

	(void)unused;
	assert_true(ask(&home, "t", START, &c));
	verified(&c, "root", "admin", START);
	assert_true(ask(&home, "t", START + 29 * SEC, &c));
	assert_false(c.ask);
	assert_true(ask(&home, "t", START + 31 * SEC, &c));
	assert_true(c.ask);
	assert_int_equal(c.n, 0);
	assert_true(ask(&home, "t", START + 301 * SEC, &c)); /* nobody confirmed it any more */
	assert_int_equal(c.n, 1);
	verified(&c, "root", "admin", START + 301 * SEC);
	for (int64_t at = 301; at < 900; at += 100)
		if (ask(&home, "t", START + at * SEC, &c) && c.n == 0)
			verified(&c, "root", "admin", START + at * SEC);
	assert_true(ask(&home, "t", START + 901 * SEC + 700 * SEC, &c));
	assert_int_equal(c.n, 1);
}

static void
other_limits_hold_from_the_reload_on(void **unused)
{
	struct charge c;

	(void)unused;
	assert_true(ask(&home, "t", START, &c));
	verified(&c, "root", "admin", START);
	parse("3/1", "admin=1/1", "");
	quota_reload(l, 300 * SEC);
	assert_true(ask(&home, "t", START, &c));
	verified(&c, "root", "admin", START);
	assert_true(ask(&home, "t", START, &c));
	assert_string_equal(c.limits[0]->name, "admin");
	assert_false(ask(&home, "t", START, &c));
}

static void
more_credentials_than_there_is_room_for_cost_no_more_memory(void **unused)
{
	struct charge c;
	char token[32];
	int known = 0;

	(void)unused;
	parse("off", "admin=off", "");
	for (int i = 0; i < 10000; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		assert_true(ask(&home, token, START + i, &c));
		verified(&c, "root", "admin", START + i);
	}
	for (int i = 0; i < 10000; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		assert_true(ask(&home, token, START + 10000, &c));
		known += !c.ask;
	}
	assert_in_range(known, 1, 64);
}

#define L(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_principal_has_the_most_generous_of_its_roles),
		T(a_route_is_a_method_and_a_path_or_the_beginning_of_one),
		T(a_policy_reads_as_the_draft_has_it),
		T(an_entry_that_is_none_is_named),
		L(who_is_not_known_takes_from_his_address_whatever_he_claims),
		L(all_of_a_64_take_from_one_bucket),
		L(a_verified_principal_takes_from_its_own_bucket_from_wherever_it_comes),
		L(a_role_that_is_off_has_no_limit_and_no_route_has_one_for_it),
		L(a_route_has_its_own_bucket_besides),
		L(a_refused_credential_is_nobody_at_once),
		L(an_answer_that_names_nobody_teaches_nothing),
		L(a_principal_is_asked_for_again_in_time_and_forgotten_at_the_end_of_its_credential),
		L(other_limits_hold_from_the_reload_on),
		L(more_credentials_than_there_is_room_for_cost_no_more_memory),
	};

	return TEST_RUN(tests);
}
