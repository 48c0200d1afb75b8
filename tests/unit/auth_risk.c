/* auth: what a score does to a log-in, and that nobody can keep somebody else out. */
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/time.h"
#include "harness/authbed.h"

#define HOME   "192.0.2.1"
#define ABROAD "198.51.100.7"

static struct attempt
login(
    const char *name, const char *password, const char *address, const char *agent, const char *otp)
{
	Mf__Credentials q = MF__CREDENTIALS__INIT;

	q.username = (char *)(uintptr_t)name;
	q.password = (char *)(uintptr_t)password;
	q.client_address = (char *)(uintptr_t)address;
	q.user_agent = (char *)(uintptr_t)agent;
	q.otp = (char *)(uintptr_t)otp;
	return try_login_as(&q);
}

static struct attempt
admin_from(const char *address)
{
	return login("admin", authbed.admin_password, address, "shell/1", "");
}

/* Of the last log-in. */
static const json_t *
last_event(void)
{
	const json_t *last = NULL;
	const char *id;
	json_t *row;

	json_object_foreach(json_object_get(authbed.db.rows, "audit"), id, row)
	{
		const json_t *e = json_object_get(json_object_get(row, "record"), "event");

		if (strcmp(json_string_value(json_object_get(e, "kind")), "login") == 0)
			last = e;
	}
	assert_non_null(last);
	return last;
}

static json_int_t
last_score(void)
{
	return json_integer_value(json_object_get(last_event(), "risk"));
}

static void
sight(const char *kind)
{
	Mf__Sighting q = MF__SIGHTING__INIT;

	q.kind = (char *)(uintptr_t)kind;
	q.user_id =
	    (char *)(uintptr_t)json_string_value(json_object_get(user_named("admin"), "id"));
	assert_int_equal(try_report(&q).status, ST_OK);
}

static void
a_new_client_scores_and_a_known_one_does_not_also_by_the_stored_sessions(void **unused)
{
	(void)unused;
	assert_int_equal(admin_from(HOME).status, ST_OK);
	assert_int_equal(last_score(), 25);
	assert_string_equal(json_string_value(json_object_get(last_event(), "reasons")),
	    "new_network 15, new_agent 10");
	assert_int_equal(admin_from(HOME).status, ST_OK);
	assert_int_equal(last_score(), 0);
	assert_int_equal(admin_from(ABROAD).status, ST_OK);
	assert_int_equal(last_score(), 15);
	/* what is in memory is gone: the sessions say it */
	recall_free(&authbed.auth.recall);
	authbed.auth.recall = recall_new(100);
	limiter_free(&authbed.auth.limiter);
	authbed.auth.limiter = limiter_new(100, 100);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	assert_int_equal(last_score(), 0);
	assert_int_equal(login("admin", authbed.admin_password, HOME, "shell/2", "").status, ST_OK);
	assert_int_equal(last_score(), 10);
}

static void
a_used_token_that_came_again_demands_a_second_factor_of_a_new_client_alone(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 1);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	sight("refresh_reuse");
	assert_int_equal(admin_from(HOME).status, ST_OK);
	assert_int_equal(last_score(), 40);
	REFUSED(login("admin", authbed.admin_password, ABROAD, "other", ""), ST_PERMISSION_DENIED,
	    "FACTOR_UNAVAILABLE");
	assert_int_equal(last_score(), 65);
	assert_string_equal(json_string_value(json_object_get(last_event(), "policy")), "factor");
}

/* Its bearer could send it for ever, and the account's owner be kept out by that wherever he is. */
static void
one_token_that_comes_again_and_again_counts_once(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 5);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	for (int i = 0; i < 5; i++)
		sight("code_reuse");
	assert_int_equal(admin_from(HOME).status, ST_OK);
	assert_int_equal(last_score(), 40);
}

/* Whoever it was: jwt knows whose token it is, and says so. */
static void
a_refresh_token_that_comes_again_is_held_against_its_account(void **unused)
{
	struct attempt one;

	(void)unused;
	test_expect_log(LOG_WARN, 2);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	one = try_login_from(HOME, "admin", authbed.admin_password);
	authbed.jwt_config.refresh_repeat_us = 0;
	assert_int_equal(try_refresh(one.refresh, NULL).status, ST_OK);
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "REFRESH_REUSED");
	REFUSED(try_refresh(one.refresh, NULL), ST_UNAUTHENTICATED, "TOKEN_INVALID");
	assert_int_equal(admin_from(HOME).status, ST_OK);
	assert_int_equal(last_score(), 40);
}

static void
a_suspicious_log_in_is_refused_alike_whether_the_password_is_right(void **unused)
{
	(void)unused;
	log_set_level(LOG_ERROR);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	authbed.auth_config.risk_factor = 10;
	authbed.auth_config.risk_refuse = 20;
	authbed.auth_config.risk_lock = 101;
	REFUSED(login("admin", authbed.admin_password, ABROAD, "x", ""), ST_PERMISSION_DENIED,
	    "LOGIN_RISK");
	REFUSED(login("admin", "wrong", ABROAD, "x", ""), ST_PERMISSION_DENIED, "LOGIN_RISK");
	/* who brings a second factor is asked for it instead */
	REFUSED(login("admin", authbed.admin_password, ABROAD, "x", "123456"), ST_PERMISSION_DENIED,
	    "FACTOR_UNAVAILABLE");
	assert_int_equal(admin_from(HOME).status, ST_OK);
	log_set_level(LOG_INFO);
}

static void
a_lock_is_of_account_and_network_together_and_of_nobody_else(void **unused)
{
	(void)unused;
	log_set_level(LOG_ERROR);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	authbed.auth_config.risk_factor = authbed.auth_config.risk_refuse =
	    authbed.auth_config.risk_lock = 20;
	for (int i = 0; i < 10; i++)
		REFUSED(login("admin", authbed.admin_password, ABROAD, "x", ""),
		    ST_PERMISSION_DENIED, "LOGIN_RISK");
	REFUSED(login("admin", authbed.admin_password, ABROAD, "x", ""), ST_RESOURCE_EXHAUSTED,
	    "LOGIN_LIMIT");
	assert_int_equal(admin_from(HOME).status, ST_OK);
	authbed.auth_config.risk_factor = authbed.auth_config.risk_refuse =
	    authbed.auth_config.risk_lock = 101;
	assert_int_equal(admin_from("203.0.113.5").status, ST_OK);
	log_set_level(LOG_INFO);
}

static void
above_a_score_a_log_in_is_not_tried_on_the_stand_in(void **unused)
{
	unsigned calls;

	(void)unused;
	log_set_level(LOG_ERROR);
	authbed.jwt.down = true;
	assert_int_equal(admin_from(HOME).status, ST_OK); /* oauth's */
	authbed.auth_config.risk_failover = 10;
	calls = authbed.oauth.calls;
	assert_int_equal(admin_from(ABROAD).status, ST_UNAVAILABLE);
	assert_int_equal(authbed.oauth.calls, calls);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	log_set_level(LOG_INFO);
}

/* Nor does a refusal go there. */
static void
a_refused_credential_is_never_tried_on_the_stand_in(void **unused)
{
	unsigned calls = authbed.oauth.calls;

	(void)unused;
	REFUSED(login("admin", "wrong", HOME, "x", ""), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_int_equal(authbed.oauth.calls, calls);
}

/* From as many networks as tries. */
static unsigned
attack(int times)
{
	char address[40];
	unsigned guessed = 0;

	for (int i = 0; i < times; i++) {
		(void)snprintf(
		    address, sizeof(address), "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
		guessed += login("admin", "wrong", address, "bot", "").status == ST_UNAUTHENTICATED;
	}
	return guessed;
}

static void
ten_thousand_failures_from_everywhere_keep_nobody_out(void **unused)
{
	struct attempt o;
	unsigned guessed;

	(void)unused;
	log_set_level(LOG_ERROR);
	authbed.auth_config.login_turn_us = 300 * MS;
	assert_int_equal(admin_from(HOME).status, ST_OK);
	guessed = attack(10000);
	assert_in_range(guessed, 100, 120); /* the account's free ones; one melts in 9 s */
	/* from his usual place at once */
	assert_int_equal(admin_from(HOME).status, ST_OK);
	/* from a new one in his turn, while it goes on */
	o = admin_from(ABROAD);
	REFUSED(o, ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
	assert_true(o.retry_ms <= 301);
	(void)attack(10);
	authbed_pass(300 * MS);
	(void)attack(10);
	assert_int_equal(admin_from(ABROAD).status, ST_OK);
	assert_int_equal(admin_from(ABROAD).status, ST_OK); /* known now */
	assert_true(limiter_keys(authbed.auth.limiter) <= 32768);
	log_set_level(LOG_INFO);
}

/* Who brings anything for a second factor past the lock learns nothing of the password by it. */
static void
past_the_lock_with_a_second_factor_the_answer_tells_nothing_of_the_password(void **unused)
{
	(void)unused;
	log_set_level(LOG_ERROR);
	assert_int_equal(admin_from(HOME).status, ST_OK);
	(void)attack(110);
	REFUSED(
	    login("admin", "wrong", ABROAD, "x", "123456"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(login("admin", authbed.admin_password, ABROAD, "x", "123456"), ST_UNAUTHENTICATED,
	    "BAD_CREDENTIALS");
	log_set_level(LOG_INFO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_new_client_scores_and_a_known_one_does_not_also_by_the_stored_sessions),
		BED(a_used_token_that_came_again_demands_a_second_factor_of_a_new_client_alone),
		BED(one_token_that_comes_again_and_again_counts_once),
		BED(a_refresh_token_that_comes_again_is_held_against_its_account),
		BED(a_suspicious_log_in_is_refused_alike_whether_the_password_is_right),
		BED(a_lock_is_of_account_and_network_together_and_of_nobody_else),
		BED(above_a_score_a_log_in_is_not_tried_on_the_stand_in),
		BED(a_refused_credential_is_never_tried_on_the_stand_in),
		BED(ten_thousand_failures_from_everywhere_keep_nobody_out),
		BED(past_the_lock_with_a_second_factor_the_answer_tells_nothing_of_the_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
