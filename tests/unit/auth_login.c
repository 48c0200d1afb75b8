/* auth: log-ins, the right ones and the others. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/time.h"
#include "harness/authbed.h"

static void
a_wrong_password_an_unknown_and_a_disabled_user_get_the_same_answer(void **unused)
{
	struct attempt wrong, unknown, disabled, odd;

	(void)unused;
	add_user("off", "right", "user");
	json_object_set_new(user_named("off"), "disabled", json_true());
	wrong = try_login("admin", "wrong");
	unknown = try_login("nobody", "wrong");
	disabled = try_login("off", "right");
	odd = try_login("no such\nname", "wrong");
	REFUSED(wrong, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(unknown, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(disabled, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	REFUSED(odd, ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_string_equal(wrong.message, unknown.message);
	assert_string_equal(wrong.message, disabled.message);
	assert_string_equal(wrong.message, odd.message);
}

static int64_t
cpu_us(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return t.tv_sec * SEC + t.tv_nsec / 1000;
}

/* In processor time, best of five each: an unknown name must cost what hashing costs, not what a
 * failed lookup costs. */
static void
an_unknown_name_costs_the_time_of_a_wrong_password(void **unused)
{
	int64_t known = INT64_MAX, unknown = INT64_MAX;

	(void)unused;
	for (int i = 0; i < 5; i++) {
		int64_t t0 = cpu_us(), t1, t2;

		(void)try_login("admin", "wrong");
		t1 = cpu_us();
		(void)try_login("nobody", "wrong");
		t2 = cpu_us();
		known = t1 - t0 < known ? t1 - t0 : known;
		unknown = t2 - t1 < unknown ? t2 - t1 : unknown;
	}
	print_message("known %lld us, unknown %lld us\n", (long long)known, (long long)unknown);
	assert_true(unknown * 2 > known);
	assert_true(known * 2 > unknown);
}

/* Else old accounts could be told from unknown names by the time once the cost was raised. */
static void
a_password_that_was_hashed_at_another_cost_is_hashed_anew_at_the_next_log_in(void **unused)
{
	char before[PASSWORD_HASH_MAX];

	(void)unused;
	(void)snprintf(before, sizeof(before), "%s",
	    json_string_value(json_object_get(user_named("admin"), "password_hash")));
	authbed.jwt.tokens.passwords.ops = 2;
	REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	assert_string_equal(
	    before, json_string_value(json_object_get(user_named("admin"), "password_hash")));
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	assert_string_not_equal(
	    before, json_string_value(json_object_get(user_named("admin"), "password_hash")));
	assert_non_null(strstr(
	    json_string_value(json_object_get(user_named("admin"), "password_hash")), ",t=2,"));
	(void)snprintf(before, sizeof(before), "%s",
	    json_string_value(json_object_get(user_named("admin"), "password_hash")));
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
	assert_string_equal(
	    before, json_string_value(json_object_get(user_named("admin"), "password_hash")));
}

static void
the_eleventh_failure_of_an_account_from_an_address_is_told_to_wait(void **unused)
{
	struct attempt o;

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	for (int i = 0; i < 10; i++)
		REFUSED(try_login("admin", "wrong"), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
	o = try_login("admin", authbed.admin_password);
	REFUSED(o, ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
	assert_true(o.retry_ms > 0 && o.retry_ms <= 1001);
	try_login_start(&o, "admin", authbed.admin_password, "198.51.100.7", NULL);
	try_await(&o);
	assert_int_equal(o.status, ST_OK); /* its owner is elsewhere and gets in */
}

/* As many at once as in a row: they are counted when they begin. */
static void
a_burst_of_guesses_at_one_account_gets_no_further_than_the_same_number_in_a_row(void **unused)
{
	static struct attempt many[50];
	unsigned guessed = 0;

	(void)unused;
	log_set_level(LOG_ERROR);
	for (int i = 0; i < 50; i++)
		try_login_start(&many[i], "admin", "wrong", "192.0.2.1", NULL);
	for (int i = 0; i < 50; i++) {
		try_await(&many[i]);
		guessed += many[i].status == ST_UNAUTHENTICATED;
		if (many[i].status != ST_UNAUTHENTICATED)
			REFUSED(many[i], ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
	}
	assert_int_equal(guessed, 10);
	log_set_level(LOG_INFO);
}

static void
who_leaves_before_the_answer_has_failed_all_the_same(void **unused)
{
	(void)unused;
	test_expect_log(LOG_WARN, 1);
	for (int i = 0; i < 10; i++) {
		struct attempt o;

		try_login_start(&o, "admin", "wrong", "192.0.2.1", NULL);
		authbed_pass(1 * MS);
		if (!o.done) /* on a busy machine it is: wrong */
			call_cancel(o.call);
		try_await(&o);
	}
	REFUSED(try_login("admin", authbed.admin_password), ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
}

static void
a_whole_ipv6_network_is_one_address(void **unused)
{
	char address[40];

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	for (int i = 0; i < 10; i++) {
		(void)snprintf(address, sizeof(address), "2001:db8:1:2:%x::1", i);
		REFUSED(try_login_from(address, "admin", "wrong"), ST_UNAUTHENTICATED,
		    "BAD_CREDENTIALS");
	}
	REFUSED(try_login_from("2001:db8:1:2::9", "admin", authbed.admin_password),
	    ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
	assert_int_equal(
	    try_login_from("2001:db8:1:3::9", "admin", authbed.admin_password).status, ST_OK);
}

/* A hundred failures from everywhere: new addresses wait, the owner's own does not. */
static void
what_others_do_to_an_account_does_not_keep_its_owner_out(void **unused)
{
	char address[40];

	(void)unused;
	test_expect_log(LOG_WARN, 1);
	assert_int_equal(
	    try_login_from("198.51.100.1", "admin", authbed.admin_password).status, ST_OK);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(address, sizeof(address), "203.0.113.%d", i);
		REFUSED(try_login_from(address, "admin", "wrong"), ST_UNAUTHENTICATED,
		    "BAD_CREDENTIALS");
	}
	REFUSED(try_login_from("192.0.2.77", "admin", authbed.admin_password),
	    ST_RESOURCE_EXHAUSTED, "LOGIN_LIMIT");
	assert_int_equal(
	    try_login_from("198.51.100.1", "admin", authbed.admin_password).status, ST_OK);
}

static void
one_address_takes_half_of_the_log_ins_at_once_and_the_database_is_not_asked_for_more(void **unused)
{
	static struct attempt many[20];
	struct attempt other;
	char name[20];
	unsigned reads = authbed.db.reads;

	(void)unused;
	log_set_level(LOG_ERROR);
	authbed.auth_config.login_most = 8;
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		try_login_start(&many[i], name, "wrong", "192.0.2.1", NULL);
	}
	try_login_start(&other, "admin", authbed.admin_password, "198.51.100.7", NULL);
	try_await(&other);
	assert_int_equal(other.status, ST_OK);
	for (int i = 0; i < 20; i++) {
		try_await(&many[i]);
		if (i < 4)
			REFUSED(many[i], ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
		else
			REFUSED(many[i], ST_RESOURCE_EXHAUSTED, "LOGIN_BUSY");
		assert_true(i < 4 || many[i].retry_ms == 1000);
	}
	/* the account twice, by auth and by jwt, and its sessions; who is right is read once more,
	 * and his factors; and once where the audit log ends */
	assert_int_equal(authbed.db.reads - reads, 3 * 4 + 5 + 1);
	assert_int_equal(authbed.auth.logins_begun, 0);
	log_set_level(LOG_INFO);
}

static void
too_long_or_no_password_is_an_argument_not_a_guess(void **unused)
{
	char longest[PASSWORD_MAX + 2];

	(void)unused;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(try_login("admin", longest).status, ST_INVALID_ARGUMENT);
	assert_int_equal(try_login("admin", "").status, ST_INVALID_ARGUMENT);
	longest[PASSWORD_MAX] = '\0';
	REFUSED(try_login("admin", longest), ST_UNAUTHENTICATED, "BAD_CREDENTIALS");
}

static void
a_full_password_queue_refuses_at_once_and_verifying_does_not_wait_behind_it(void **unused)
{
	static struct attempt many[100];
	unsigned full = 0, in = 0;
	struct attempt o = try_login("admin", authbed.admin_password), seen;

	(void)unused;
	for (int i = 0; i < 100; i++) {
		char address[20];

		(void)snprintf(address, sizeof(address), "203.0.113.%d", i);
		try_login_start(&many[i], "admin", authbed.admin_password, address, NULL);
	}
	seen = try_check(o.access, "task.read");
	assert_int_equal(seen.status, ST_OK);
	for (int i = 0; i < 100; i++)
		in += !many[i].done;
	assert_true(in > 0); /* it overtook them */
	for (int i = 0; i < 100; i++) {
		try_await(&many[i]);
		full += many[i].status == ST_RESOURCE_EXHAUSTED;
		assert_true(many[i].status == ST_OK || many[i].status == ST_RESOURCE_EXHAUSTED);
	}
	assert_true(full > 0 && full < 100);
}

static void
without_the_database_a_log_in_is_unavailable_never_wrong(void **unused)
{
	struct attempt o;

	(void)unused;
	authbed.db.down = true;
	o = try_login("admin", authbed.admin_password);
	assert_int_equal(o.status, ST_UNAVAILABLE);
	print_message("after %lld ms\n", (long long)(o.took_us / MS));
	assert_true(o.took_us < 2 * SEC); /* tries below tries do not multiply */
	assert_int_equal(try_login("admin", "wrong").status, ST_UNAVAILABLE);
	authbed.db.down = false;
	assert_int_equal(try_login("admin", authbed.admin_password).status, ST_OK);
}

static void
without_rbac_a_log_in_is_unavailable_because_its_permissions_are_not_known(void **unused)
{
	(void)unused;
	authbed.rbac.down = true;
	REFUSED(try_login("admin", authbed.admin_password), ST_UNAVAILABLE, "ROLES_UNAVAILABLE");
}

static void
change_account(struct memdb *m)
{
	json_int_t version = json_integer_value(json_object_get(user_named("admin"), "version"));

	(void)m;
	json_object_set_new(user_named("admin"), "version", json_integer(version + 1));
}

/* Between the password and the session somebody changes the account, perhaps the password: the
 * session is withdrawn, and the log-in is made again with the account as it is now. */
static void
an_account_that_changes_during_a_log_in_is_read_again(void **unused)
{
	struct attempt o;

	(void)unused;
	authbed.db.before_write = change_account;
	o = try_login("admin", authbed.admin_password);
	assert_int_equal(o.status, ST_OK);
	assert_int_equal(memdb_count(&authbed.db, "session"), 2);
	assert_int_equal(try_check(o.access, "task.read").status, ST_OK);
	assert_int_equal(try_refresh(o.refresh, NULL).status, ST_OK);
}

static void
the_same_operation_id_logs_in_to_the_same_session(void **unused)
{
	struct attempt one, two, three;

	(void)unused;
	try_login_start(&one, "admin", authbed.admin_password, "", "op-1");
	try_await(&one);
	try_login_start(&two, "admin", authbed.admin_password, "", "op-1");
	try_await(&two);
	assert_int_equal(one.status, ST_OK);
	assert_string_equal(one.refresh, two.refresh);
	assert_int_equal(memdb_count(&authbed.db, "session"), 1);
	assert_int_equal(try_logout(one.refresh).status, ST_OK);
	try_login_start(&three, "admin", authbed.admin_password, "", "op-1");
	try_await(&three);
	assert_string_not_equal(one.refresh, three.refresh); /* that one has been ended */
	assert_int_equal(try_refresh(three.refresh, NULL).status, ST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BED(a_wrong_password_an_unknown_and_a_disabled_user_get_the_same_answer),
		BED(an_unknown_name_costs_the_time_of_a_wrong_password),
		BED(a_password_that_was_hashed_at_another_cost_is_hashed_anew_at_the_next_log_in),
		BED(the_eleventh_failure_of_an_account_from_an_address_is_told_to_wait),
		BED(a_burst_of_guesses_at_one_account_gets_no_further_than_the_same_number_in_a_row),
		BED(who_leaves_before_the_answer_has_failed_all_the_same),
		BED(a_whole_ipv6_network_is_one_address),
		BED(what_others_do_to_an_account_does_not_keep_its_owner_out),
		BED(one_address_takes_half_of_the_log_ins_at_once_and_the_database_is_not_asked_for_more),
		BED(too_long_or_no_password_is_an_argument_not_a_guess),
		BED(a_full_password_queue_refuses_at_once_and_verifying_does_not_wait_behind_it),
		BED(without_the_database_a_log_in_is_unavailable_never_wrong),
		BED(without_rbac_a_log_in_is_unavailable_because_its_permissions_are_not_known),
		BED(an_account_that_changes_during_a_log_in_is_read_again),
		BED(the_same_operation_id_logs_in_to_the_same_session),
	};

	return TEST_RUN(tests);
}
