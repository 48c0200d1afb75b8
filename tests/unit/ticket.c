/* ticket: what stands for the first step of a log-in opens for that name, for five minutes, and can't be
 * made without the seal's key. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/ticket.h"
#include "harness/test.h"

#define NOW INT64_C(1900000000000000)
#define ID  "0190b2c4-7f00-7000-8000-000000000001"

static struct arena *a;
static struct seal *seal, *another;

static struct seal *
make(const char *name)
{
	char path[300], err[200];
	struct seal *s;

	(void)snprintf(path, sizeof(path), "%s/%s", test_dir(), name);
	s = seal_load(path, err, sizeof(err));
	if (s == NULL)
		fail_msg("%s", err);
	return s;
}

static int
start(void **state)
{
	assert_true(sodium_init() >= 0);
	a = arena_new(1 << 20);
	seal = make("seal.key");
	another = make("another.key");
	return test_log_mark(state);
}

static int
stop(void **state)
{
	seal_free(&seal);
	seal_free(&another);
	arena_free(&a);
	return test_log_check(state);
}
#define K(f) cmocka_unit_test_setup_teardown(f, start, stop)

static char *
ticket(void)
{
	return ticket_write(a, seal, "alice",
	    &(const struct ticket){
		.user_id = ID, .user_version = 7, .method = "fed", .at_us = NOW });
}

static bool
opens(const struct seal *s, const char *name, const char *text, int64_t now_us)
{
	struct ticket t;

	return ticket_read(a, s, name, text, now_us, &t);
}

static void
a_ticket_says_who_made_the_first_step_and_how(void **unused)
{
	struct ticket t;

	(void)unused;
	assert_true(ticket_read(a, seal, "alice", ticket(), NOW + 1, &t));
	assert_string_equal(t.user_id, ID);
	assert_int_equal(t.user_version, 7);
	assert_string_equal(t.method, "fed");
	assert_int_equal(t.at_us, NOW);
}

static void
it_opens_for_its_name_alone_and_for_five_minutes(void **unused)
{
	(void)unused;
	assert_true(opens(seal, "alice", ticket(), NOW + TICKET_LIFE_US));
	assert_false(opens(seal, "alice", ticket(), NOW + TICKET_LIFE_US + 1));
	assert_false(opens(seal, "bob", ticket(), NOW));
	assert_false(opens(seal, "", ticket(), NOW));
	assert_false(opens(another, "alice", ticket(), NOW));
}

static void
what_was_changed_or_sealed_for_something_else_is_none(void **unused)
{
	static const char good[] =
	    "{\"user\":\"" ID "\",\"ver\":7,\"method\":\"fed\",\"at\":1900000000000000}";
	static const char *const bad[] = { "{}", "[]", "", "{\"user\":\"" ID "\",\"ver\":7}",
		"{\"user\":\"no uuid\",\"ver\":7,\"method\":\"fed\",\"at\":1900000000000000}",
		"{\"user\":\"" ID "\",\"ver\":\"7\",\"method\":\"fed\",\"at\":1900000000000000}" };
	char *text = ticket();

	(void)unused;
	for (size_t i = 0; text[i] != '\0'; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_false(opens(seal, "alice", text, NOW));
		text[i] = was;
	}
	assert_true(opens(seal, "alice", text, NOW));
	text[strlen(text) - 1] = '\0';
	assert_false(opens(seal, "alice", text, NOW));
	assert_false(opens(seal, "alice", "", NOW));
	assert_true(
	    opens(seal, "alice", seal_text(a, seal, "ticket", "alice", good, strlen(good)), NOW));
	assert_false(
	    opens(seal, "alice", seal_text(a, seal, "provider", "alice", good, strlen(good)), NOW));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(opens(seal, "alice",
		    seal_text(a, seal, "ticket", "alice", bad[i], strlen(bad[i])), NOW));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		K(a_ticket_says_who_made_the_first_step_and_how),
		K(it_opens_for_its_name_alone_and_for_five_minutes),
		K(what_was_changed_or_sealed_for_something_else_is_none),
	};

	return TEST_RUN(tests);
}
