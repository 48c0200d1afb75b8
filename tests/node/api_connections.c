/* api_connections: more connections than there is room for, and who has to make it. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/apibed.h"

#define LIMIT   APIBED_CONNECTIONS
#define MANY    300
#define PATIENT 5000 /* ms: loaded machines are slow */

static bool
answered(int fd)
{
	char out[4096];

	raw_say(fd, GET("/livez"));
	raw_hear(fd, out, sizeof(out), PATIENT, 1);
	return raw_status(out) == 200;
}

/* Closed by the server, seen without waiting. */
static bool
is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void
idle_connections_make_room_for_new_ones_the_longest_idle_first(void **unused)
{
	int fds[MANY], open = 0;

	(void)unused;
	for (int i = 0; i < MANY; i++) {
		fds[i] = raw_dial();
		if (!answered(fds[i]))
			fail_msg("connection %d was not served", i);
	}
	for (int i = 0; i < MANY - LIMIT; i++)
		if (!raw_closes(fds[i], PATIENT))
			fail_msg("connection %d is open, though younger ones were closed", i);
	for (int i = MANY - LIMIT; i < MANY; i++)
		open += !is_closed(fds[i]);
	assert_int_equal(open, LIMIT);
	assert_true(answered(fds[MANY - 1]));
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}

static void
a_connection_that_waits_for_its_answer_is_never_the_one(void **unused)
{
	char out[4096];
	int busy = raw_dial(), fds[2 * LIMIT];

	(void)unused;
	assert_true(answered(busy)); /* the oldest of all */
	raw_say(busy, GET("/v1/tasks?limit=1000"));
	for (int i = 0; i < 2 * LIMIT; i++) {
		fds[i] = raw_dial();
		assert_true(answered(fds[i]));
	}
	raw_hear(busy, out, sizeof(out), PATIENT, 1);
	assert_int_equal(raw_status(out), 200);
	close(busy);
	for (int i = 0; i < 2 * LIMIT; i++)
		close(fds[i]);
}

static void
whoever_brings_no_head_makes_room_after_a_quarter_of_his_time(void **unused)
{
	int fds[LIMIT], late;

	(void)unused;
	APIBED_RESTART("head_time=8s"); /* 2 s < PATIENT < 8 s */
	for (int i = 0; i < LIMIT; i++)
		fds[i] = raw_dial();
	late = raw_dial();
	assert_true(answered(late));
	assert_true(raw_closes(fds[0], PATIENT));
	close(late);
	for (int i = 0; i < LIMIT; i++)
		close(fds[i]);
}

static void
one_address_has_no_more_connections_than_its_share(void **unused)
{
	int mine[8], more, other;

	(void)unused;
	APIBED_RESTART("address_connections=8", "address_connections_local=true");
	for (int i = 0; i < 8; i++) {
		mine[i] = raw_dial_from("127.0.0.2");
		assert_true(answered(mine[i]));
	}
	more = raw_dial_from("127.0.0.2");
	assert_true(raw_closes(more, PATIENT));
	other = raw_dial_from("127.0.0.3");
	assert_true(answered(other));
	for (int i = 0; i < 8; i++)
		assert_true(answered(mine[i]));
	close(mine[0]);
	for (int64_t until = time_now_us() + 5 * SEC;; usleep(5000)) { /* seen in a moment */
		int again = raw_dial_from("127.0.0.2");
		bool served = answered(again);

		close(again);
		if (served)
			break;
		assert_true(time_now_us() < until);
	}
	for (int i = 1; i < 8; i++)
		close(mine[i]);
	close(more), close(other);
}

static void
the_share_is_not_for_this_machine_nor_for_a_proxy(void **unused)
{
	static const char *const ways[][4] = {
		{ "address_connections=4" },
		{ "address_connections=4", "address_connections_local=true", "behind_proxy=true" },
		{ "address_connections=4", "address_connections_local=true", "behind_proxy=true",
		    "proxies=127.0.0.0/8" },
	};
	int fds[16];

	(void)unused;
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		APIBED_RESTART(ways[w][0], ways[w][1], ways[w][2], ways[w][3]);
		for (int i = 0; i < 16; i++) {
			fds[i] = raw_dial();
			assert_true(answered(fds[i]));
		}
		for (int i = 0; i < 16; i++)
			close(fds[i]);
	}
	APIBED_RESTART("address_connections=4", "address_connections_local=true",
	    "behind_proxy=true", "proxies=10.0.0.0/8");
	for (int i = 0; i < 5; i++)
		fds[i] = raw_dial();
	assert_true(raw_closes(fds[4], PATIENT)); /* no proxy: counted */
	for (int i = 0; i < 5; i++)
		close(fds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(idle_connections_make_room_for_new_ones_the_longest_idle_first),
		T(a_connection_that_waits_for_its_answer_is_never_the_one),
		T(whoever_brings_no_head_makes_room_after_a_quarter_of_his_time),
		T(one_address_has_no_more_connections_than_its_share),
		T(the_share_is_not_for_this_machine_nor_for_a_proxy),
	};

	return cmocka_run_group_tests_name("api_connections", tests, apibed_start, apibed_stop);
}
