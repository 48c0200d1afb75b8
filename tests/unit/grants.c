/* grants and remember: what may be answered without asking again, and for how long. Clocks are
 * numbers. */
#include <string.h>

#include "base/arena.h"
#include "base/time.h"
#include "harness/test.h"
#include "meta/grants.h"
#include "meta/remember.h"

#define NOW  (INT64_C(1000) * SEC)
#define WALL (INT64_C(1700000000) * SEC)

static struct grants *g;
static struct arena *a;
static const Mf__Principal *who;

static int
start(void **state)
{
	g = grants_new(&(const struct grants_policy){ .ttl_us = 5 * SEC, .most = 3 });
	a = arena_new(1 << 20);
	return test_log_mark(state);
}

static int
stop(void **state)
{
	grants_free(&g);
	arena_free(&a);
	return test_log_check(state);
}

static struct grant_key
key(const char *token)
{
	struct grant_key k;

	grants_key(g, token, "task.read", "", "", &k);
	return k;
}

static void
keep(const char *token, uint64_t epoch, uint64_t sequence, int64_t expires_at)
{
	char *permissions[] = { (char *)(uintptr_t) "task.*" };
	Mf__AuthGrant grant = MF__AUTH_GRANT__INIT;
	Mf__Principal p = MF__PRINCIPAL__INIT;
	struct grant_key k = key(token);

	p.id = p.name = (char *)(uintptr_t)token;
	p.expires_at = (uint64_t)expires_at;
	p.n_permissions = 1;
	p.permissions = permissions;
	grant.principal = &p;
	grant.sequence_epoch = epoch;
	grant.sequence = sequence;
	grants_keep(g, &k, &grant, NOW, NOW);
}

static enum grant_verdict
find(const char *token, int64_t after)
{
	struct grant_key k = key(token);

	return grants_find(g, &k, NOW + after, WALL + after, a, &who);
}

static void
a_fresh_grant_is_good_and_says_who(void **unused)
{
	(void)unused;
	assert_int_equal(find("t", 0), GRANT_NONE);
	keep("t", 1, 1, WALL + 3600 * SEC);
	assert_int_equal(find("t", 400 * MS), GRANT_GOOD);
	assert_string_equal(who->id, "t");
	assert_int_equal(who->n_permissions, 0);
	assert_int_equal(find("u", 0), GRANT_NONE);
}

static void
token_permission_and_resource_all_count(void **unused)
{
	struct grant_key k, other;

	(void)unused;
	grants_key(g, "token", "task.read", "", "", &k);
	grants_key(g, "token", "task.reads", "", "", &other);
	assert_memory_not_equal(&k, &other, sizeof k);
	grants_key(g, "token", "task.read", "", "x", &other);
	assert_memory_not_equal(&k, &other, sizeof k);
	grants_key(g, "tokentask.read", "", "", "", &other);
	assert_memory_not_equal(&k, &other, sizeof k);
	grants_key(g, "token", "task.read", "", "", &other);
	assert_memory_equal(&k, &other, sizeof k);
}

static void
half_a_second_after_the_last_confirmation_a_grant_must_be_confirmed(void **unused)
{
	(void)unused;
	keep("t", 1, 1, 0);
	assert_int_equal(find("t", 499 * MS), GRANT_GOOD);
	assert_int_equal(find("t", 500 * MS), GRANT_UNCONFIRMED);
	grants_confirm(g, 1, 1, NOW + 500 * MS);
	assert_int_equal(find("t", 999 * MS), GRANT_GOOD);
	assert_int_equal(find("t", 1000 * MS), GRANT_UNCONFIRMED);
}

static void
a_revocation_forgets_every_grant(void **unused)
{
	(void)unused;
	keep("t", 1, 1, 0);
	grants_confirm(g, 1, 2, NOW + 1);
	assert_int_equal(find("t", 2), GRANT_NONE);
	assert_int_equal(grants_count(g), 0);
}

static void
a_new_epoch_forgets_every_grant_even_with_a_lower_number(void **unused)
{
	(void)unused;
	keep("t", 1, 9, 0);
	grants_confirm(g, 2, 1, NOW + 1);
	assert_int_equal(find("t", 2), GRANT_NONE);
}

static void
an_answer_that_was_overtaken_is_neither_kept_nor_confirms(void **unused)
{
	(void)unused;
	grants_confirm(g, 1, 5, NOW - 300 * MS);
	keep("t", 1, 4, 0); /* decided before the revocation */
	assert_int_equal(find("t", 0), GRANT_NONE);
	grants_confirm(g, 1, 4, NOW + 10);
	assert_int_equal(grants_confirmed_at(g), NOW - 300 * MS);
}

static void
expiry_is_checked_each_time(void **unused)
{
	(void)unused;
	keep("t", 1, 1, WALL + 100 * MS);
	assert_int_equal(find("t", 99 * MS), GRANT_GOOD);
	assert_int_equal(find("t", 100 * MS), GRANT_NONE);
	assert_int_equal(grants_count(g), 0);
}

static void
nothing_is_older_than_its_time_to_live(void **unused)
{
	(void)unused;
	keep("t", 1, 1, 0);
	grants_confirm(g, 1, 1, NOW + 5 * SEC);
	assert_int_equal(find("t", 5 * SEC - 1), GRANT_GOOD);
	assert_int_equal(find("t", 5 * SEC), GRANT_NONE);
}

static void
it_is_bounded_and_the_least_recently_used_goes(void **unused)
{
	(void)unused;
	keep("a", 1, 1, 0);
	keep("b", 1, 1, 0);
	keep("c", 1, 1, 0);
	assert_int_equal(find("a", 1), GRANT_GOOD);
	keep("d", 1, 1, 0);
	assert_int_equal(grants_count(g), 3);
	assert_int_equal(find("b", 1), GRANT_NONE);
	assert_int_equal(find("a", 1), GRANT_GOOD);
	grants_set_policy(g, &(const struct grants_policy){ .ttl_us = 0, .most = 3 });
	assert_int_equal(find("a", 1), GRANT_NONE);
}

/* --- remember --- */

static struct remember_key
task(const char *principal, const char *id)
{
	struct remember_key k;

	remember_key(principal, "192.0.2.1", id, &k);
	return k;
}

static Mf__TaskResponse
response(enum status s, const char *result)
{
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;

	r.status = (uint32_t)s;
	r.success = s == ST_OK;
	r.result = (ProtobufCBinaryData){ strlen(result), (uint8_t *)(uintptr_t)result };
	return r;
}

static void
a_result_is_kept_until_its_time_is_over(void **unused)
{
	struct remember *m = remember_new(&(const struct remember_policy){ 2, 1 << 16, 10 * SEC });
	struct remember_key k = task("alice", "t");
	Mf__TaskResponse r = response(ST_OK, "{}"), *again;
	struct remembered *e;

	(void)unused;
	assert_int_equal(remember_begin(m, &k, NOW, &e), REMEMBER_FIRST);
	assert_int_equal(remember_begin(m, &k, NOW, &(struct remembered *){ NULL }), REMEMBER_RUNS);
	remember_end(m, e, &r, NOW);
	assert_int_equal(remember_begin(m, &k, NOW + 10 * SEC - 1, &e), REMEMBER_KEPT);
	again = remember_result(e, a);
	assert_true(again->success);
	assert_memory_equal(again->result.data, "{}", 2);
	assert_int_equal(remember_begin(m, &k, NOW + 10 * SEC, &e), REMEMBER_FIRST);
	remember_end(m, e, NULL, NOW);
	remember_free(&m);
}

static void
try_again_is_no_result(void **unused)
{
	static const enum status no[] = { ST_UNAVAILABLE, ST_DEADLINE_EXCEEDED, ST_INTERNAL,
		ST_RESOURCE_EXHAUSTED, ST_ABORTED, ST_UNAUTHENTICATED, ST_PERMISSION_DENIED,
		ST_CANCELLED };
	Mf__TaskResponse r;

	(void)unused;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		r = response(no[i], "");
		assert_false(remember_worth(&r));
	}
	r = response(ST_NOT_FOUND, "");
	assert_true(remember_worth(&r));
}

static void
results_are_bounded_by_number_and_bytes(void **unused)
{
	struct remember *m = remember_new(&(const struct remember_policy){ 2, 1 << 16, 10 * SEC });
	static const char *const ids[] = { "a", "b", "c" };
	static char large[8192];
	struct remember_key k;
	struct remembered *e;
	Mf__TaskResponse r;

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		r = response(ST_OK, "{}");
		k = task("alice", ids[i]);
		assert_int_equal(remember_begin(m, &k, NOW, &e), REMEMBER_FIRST);
		remember_end(m, e, &r, NOW);
	}
	assert_int_equal(remember_count(m), 2);
	k = task("alice", "a");
	assert_int_equal(remember_begin(m, &k, NOW, &e), REMEMBER_FIRST);
	memset(large, 'x', sizeof(large) - 1);
	r = response(ST_OK, large); /* one must not push out all others */
	remember_end(m, e, &r, NOW);
	assert_int_equal(remember_begin(m, &k, NOW, &e), REMEMBER_FIRST);
	remember_end(m, e, NULL, NOW);
	remember_free(&m);
}

static void
the_effect_of_a_task_has_one_id_and_each_person_its_own(void **unused)
{
	struct remember_key k = task("alice", "t"), same = task("alice", "t"),
			    other = task("bob", "t"), anon, anon2;
	char x[UUID_LEN], y[UUID_LEN], z[UUID_LEN];

	(void)unused;
	remember_operation(&k, x);
	remember_operation(&same, y);
	remember_operation(&other, z);
	assert_true(uuid_ok(x));
	assert_int_equal(x[14], '8');
	assert_string_equal(x, y);
	assert_string_not_equal(x, z);
	remember_key("", "192.0.2.1", "t", &anon);
	remember_key("", "192.0.2.2", "t", &anon2);
	assert_memory_not_equal(&anon, &anon2, sizeof anon);
}

#define G(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		G(a_fresh_grant_is_good_and_says_who),
		G(token_permission_and_resource_all_count),
		G(half_a_second_after_the_last_confirmation_a_grant_must_be_confirmed),
		G(a_revocation_forgets_every_grant),
		G(a_new_epoch_forgets_every_grant_even_with_a_lower_number),
		G(an_answer_that_was_overtaken_is_neither_kept_nor_confirms),
		G(expiry_is_checked_each_time),
		G(nothing_is_older_than_its_time_to_live),
		G(it_is_bounded_and_the_least_recently_used_goes),
		G(a_result_is_kept_until_its_time_is_over),
		G(try_again_is_no_result),
		G(results_are_bounded_by_number_and_bytes),
		G(the_effect_of_a_task_has_one_id_and_each_person_its_own),
	};

	return TEST_RUN(tests);
}
