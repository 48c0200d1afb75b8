/* password: hashing on the pool: right, wrong, nobody's, too many, and calls that end meanwhile. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/password.h"
#include "base/time.h"
#include "bus/bus.h"
#include "harness/test.h"

static struct loop *loop;
static struct bus *bus;
static struct passwords pool;

struct seen {
	unsigned n;
	bool ok;
	char hash[PASSWORD_HASH_MAX];
};

static int
start(void **state)
{
	char err[200];

	loop = loop_new();
	bus = bus_new(
	    loop, &(const struct bus_opts){ .name = "jwt", .generation = 1 }, err, sizeof(err));
	assert_non_null(bus);
	pool = (struct passwords){
		.pool = work_pool_new(loop, 1, 4), .ops = 1, .memory_bytes = 8 << 20
	};
	return test_log_mark(state);
}

static int
stop(void **state)
{
	bus_free(&bus);
	work_pool_free(&pool.pool);
	loop_free(&loop);
	return test_log_check(state);
}
#define P(f) cmocka_unit_test_setup_teardown(f, start, stop)

static bool
came(void *ctx)
{
	return ((struct seen *)ctx)->n > 0;
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static void
on_done(struct call *c, bool ok, const char *hash, void *ctx)
{
	struct seen *s = ctx;

	(void)c;
	s->n++;
	s->ok = ok;
	if (hash != NULL)
		memcpy(s->hash, hash, strlen(hash) + 1);
}

static struct call *
root(void)
{
	return call_root(bus, &(struct call_opts){ .limit_us = 20 * SEC });
}

static bool
verifies(const char *password, const char *hash)
{
	struct seen s = { 0 };
	struct call *c = root();

	assert_true(password_verify(&pool, c, password, hash, on_done, &s));
	loop_run_until(loop, came, &s, 10 * SEC);
	assert_int_equal(s.n, 1);
	call_cancel(c);
	return s.ok;
}

static void
a_hash_verifies_its_password_and_no_other(void **unused)
{
	struct seen s = { 0 };
	struct call *c = root();

	(void)unused;
	assert_true(password_hash(&pool, c, "correct horse", on_done, &s));
	loop_run_until(loop, came, &s, 10 * SEC);
	assert_true(s.ok);
	assert_memory_equal(s.hash, "$argon2id$", 10);
	assert_true(verifies("correct horse", s.hash));
	assert_false(verifies("correct horsf", s.hash));
	assert_false(verifies("", s.hash));
	call_cancel(c);
}

static void
nobody_s_password_and_a_broken_hash_are_never_right(void **unused)
{
	(void)unused;
	assert_false(verifies("anything", NULL));
	assert_false(verifies("anything", ""));
	assert_false(verifies("anything", "$argon2id$v=19$m=8192,t=1,p=1$broken"));
	assert_false(verifies("anything", "plain text"));
}

static void
a_password_of_1024_bytes_counts_to_its_last_byte(void **unused)
{
	char longest[PASSWORD_MAX + 1], hash[crypto_pwhash_STRBYTES];

	(void)unused;
	memset(longest, 'x', PASSWORD_MAX);
	longest[PASSWORD_MAX] = '\0';
	assert_int_equal(crypto_pwhash_str(hash, longest, PASSWORD_MAX, 1, 8 << 20), 0);
	assert_true(verifies(longest, hash));
	longest[PASSWORD_MAX - 1] = 'y';
	assert_false(verifies(longest, hash));
}

static void
beyond_the_queue_a_password_is_refused_at_once_and_the_others_are_done(void **unused)
{
	struct seen s = { 0 };
	struct call *c = root();
	unsigned taken = 0;

	(void)unused;
	for (int i = 0; i < 50; i++)
		taken += password_verify(&pool, c, "x", NULL, on_done, &s);
	assert_true(taken >= 4 && taken < 50);
	for (int i = 0; i < 100 && s.n < taken; i++)
		loop_run_until(loop, never, NULL, 50 * MS);
	assert_int_equal(s.n, taken);
	call_cancel(c);
}

static void
a_call_that_ended_hears_nothing_of_its_password(void **unused)
{
	struct seen s = { 0 };
	struct call *c = root();

	(void)unused;
	assert_true(password_verify(&pool, c, "x", NULL, on_done, &s));
	assert_true(password_verify(&pool, c, "x", NULL, on_done, &s));
	call_cancel(c);
	assert_false(verifies("y", NULL)); /* behind them in the same queue: they are done */
	assert_int_equal(s.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P(a_hash_verifies_its_password_and_no_other),
		P(nobody_s_password_and_a_broken_hash_are_never_right),
		P(a_password_of_1024_bytes_counts_to_its_last_byte),
		P(beyond_the_queue_a_password_is_refused_at_once_and_the_others_are_done),
		P(a_call_that_ended_hears_nothing_of_its_password),
	};

	return sodium_init() < 0 ? 1 : TEST_RUN(tests);
}
