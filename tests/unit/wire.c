/* wire: links between two ends in one process over ipc, and to a real process that is killed. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/wire_end.h"
#include "proto/bus.pb-c.h"

extern char **environ;

static void
a_link_says_hello_and_knows_whom_it_reached(void **unused)
{
	struct end a, b;
	struct lane *l;

	(void)unused;
	assert_non_null(end_new(&a, "api", &end_config));
	l = wire_lane(a.w, "sql");
	assert_ptr_equal(l, wire_lane(a.w, "sql"));
	assert_int_equal(end_call(l, 1), ST_UNAVAILABLE);
	end_pass(20 * MS);
	/* the caller was there first: it is found within the re-dial */
	end_serve(&b, "sql");
	assert_true(end_wait(&a.ups, 1, 2 * SEC));
	assert_true(lane_generation(l) == 7);
	assert_int_equal(end_call(l, 2), ST_OK);
	assert_true(end_wait(&a.answers, 1, 2 * SEC));
	assert_string_equal(b.peer, "api");
	end_free(&a);
	assert_true(end_wait(&b.gones, 1, 2 * SEC));
	end_free(&b);
}

static void
answers_find_their_calls_in_any_order(void **unused)
{
	struct end a, b;
	struct lane *l;

	(void)unused;
	end_serve(&b, "sql");
	b.auto_answer = false;
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	for (uint64_t id = 1; id <= 2000; id++)
		assert_int_equal(end_call(l, id), ST_OK);
	assert_true(end_wait(&b.calls, 2000, 5 * SEC));
	for (unsigned i = b.n_held; i > 0; i--)
		end_answer(&b, b.held[i - 1]);
	assert_true(end_wait(&a.answers, 2000, 5 * SEC));
	assert_true(a.last_answer == 1);
	assert_true(wire_stats(a.w)->frames_out < 200); /* packed */
	end_free(&a);
	end_free(&b);
}

/* A port scanner, or a peer killed while it connects: our half of the handshake meets a closed
 * socket. */
static void
a_peer_that_hangs_up_before_the_handshake_closes_the_door_for_nobody(void **unused)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct end a, b;
	struct lane *l;

	(void)unused;
	end_serve(&b, "sql");
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/sql.sock", end_config.bus_dir);
	for (int i = 0; i < 3000; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		while (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
			assert_int_equal(errno, EAGAIN); /* the backlog is the loop's to empty */
			end_pass(MS);
		}
		close(fd);
	}
	end_pass(400 * MS);
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	assert_int_equal(end_call(l, 1), ST_OK);
	assert_true(end_wait(&a.answers, 1, 2 * SEC));
	end_free(&a);
	end_free(&b);
}

static void
a_slow_call_holds_nobody_up(void **unused)
{
	struct end a, b;
	struct lane *l;
	uint64_t id = 64;

	(void)unused;
	end_serve(&b, "sql");
	b.slow_first = true;
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	for (uint64_t i = 1; i <= 64; i++)
		assert_int_equal(end_call(l, i), ST_OK);
	for (unsigned seen = 0; id < 3000 && end_wait(&a.answers, seen + 1, SEC);) {
		for (; seen < a.answers; seen++)
			assert_int_equal(end_call(l, ++id), ST_OK);
	}
	assert_true(a.answers > 2900);
	assert_true(a.last_answer != 1);
	assert_true(a.slowest_us < 60 * MS);
	assert_true(end_wait(&a.answers, (unsigned)id, SEC));
	end_free(&a);
	end_free(&b);
}

static void
what_is_too_much_is_refused_at_once(void **unused)
{
	static uint8_t big[WIRE_CALL_MAX + 1];
	struct end a, b;
	struct lane *l;
	uint64_t id = 9;

	(void)unused;
	end_serve(&b, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	memcpy(big, &id, sizeof(id));
	assert_int_equal(lane_call(l, id, big, sizeof(big)), ST_OUT_OF_RANGE);
	/* the largest there is, both ways */
	assert_int_equal(lane_call(l, id, big, sizeof(big) - 1), ST_OK);
	assert_true(end_wait(&a.answers, 1, 5 * SEC));
	b.auto_answer = false;
	for (id = 1; id <= WIRE_OUT_MAX; id++)
		assert_int_equal(end_call(l, id), ST_OK);
	assert_int_equal(end_call(l, id), ST_RESOURCE_EXHAUSTED);
	lane_cancel(l, 1);
	assert_int_equal(end_call(l, id), ST_OK);
	end_free(&a);
	end_free(&b);
}

static void
a_cancelled_call_is_told_and_its_answer_dropped(void **unused)
{
	struct end a, b;
	struct lane *l;

	(void)unused;
	end_serve(&b, "sql");
	b.auto_answer = false;
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	assert_int_equal(end_call(l, 5), ST_OK);
	assert_true(end_wait(&b.calls, 1, SEC));
	lane_cancel(l, 5);
	assert_true(end_wait(&b.cancels, 1, SEC));
	assert_true(b.last_cancel == 5);
	end_answer(&b, 5);
	end_answer(&b, 6); /* nobody asked */
	end_pass(20 * MS);
	assert_int_equal(a.answers, 0);
	end_free(&a);
	end_free(&b);
}

static void
hints_and_draining_ride_along_and_a_new_link_learns_them_too(void **unused)
{
	struct end a, b, c;
	struct lane *l;

	(void)unused;
	end_serve(&b, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	wire_set_hint(b.w, 11, 1000);
	assert_true(end_wait(&a.hints, 1, 100 * MS));
	assert_true(a.hint_value == 1000);
	assert_false(lane_is_draining(l));
	wire_set_draining(b.w);
	assert_true(end_wait(&a.drainings, 1, 100 * MS));
	assert_true(lane_is_draining(l));
	assert_int_equal(end_call(l, 1), ST_OK);
	assert_true(end_wait(&a.answers, 1, SEC));
	assert_int_equal(a.drainings, 1);
	assert_non_null(end_new(&c, "auth", &end_config));
	(void)end_connect(&c, "sql");
	assert_true(end_wait(&c.drainings, 1, 100 * MS));
	assert_true(c.hint_value == 1000);
	end_free(&c);
	end_free(&a);
	end_free(&b);
}

static void
who_is_unfit_says_so_and_takes_it_back_on_every_link(void **unused)
{
	struct end a, b, c;
	struct lane *l;

	(void)unused;
	end_serve(&b, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	wire_set_unfit(b.w, true);
	assert_true(end_wait(&a.unfits, 1, SEC));
	assert_true(lane_is_unfit(l));
	assert_int_equal(end_call(l, 1), ST_OK);
	assert_true(end_wait(&a.answers, 1, SEC));
	assert_int_equal(a.unfits, 1);
	assert_non_null(end_new(&c, "auth", &end_config));
	(void)end_connect(&c, "sql");
	assert_true(end_wait(&c.unfits, 1, SEC));
	wire_set_unfit(b.w, false);
	assert_true(end_wait(&a.unfits, 2, SEC));
	assert_false(lane_is_unfit(l));
	end_free(&c);
	end_free(&a);
	end_free(&b);
}

static void
an_idle_link_falls_silent_with_all_receipts_given(void **unused)
{
	struct end a, b;
	struct lane *l;
	uint64_t before;

	(void)unused;
	end_serve(&b, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "sql");
	for (uint64_t id = 1; id <= 20; id++) {
		assert_int_equal(end_call(l, id), ST_OK);
		assert_true(end_wait(&a.answers, (unsigned)id, SEC));
	}
	end_pass(20 * MS);
	before = wire_stats(a.w)->frames_out + wire_stats(b.w)->frames_out;
	assert_true(before <= 20 + 20 + 4); /* receipts rode along */
	end_pass(200 * MS);
	assert_true(wire_stats(a.w)->frames_out + wire_stats(b.w)->frames_out == before);
	end_free(&a);
	end_free(&b);
}

static void
events_reach_a_subscriber_as_they_were_published(void **unused)
{
	Mf__EventBatch batch = MF__EVENT_BATCH__INIT;
	Mf__Event event = MF__EVENT__INIT, *list[] = { &event };
	struct end a, b;
	uint8_t out[256];
	size_t n;

	(void)unused;
	batch.node = (char *)"sql";
	batch.last_seq = event.seq = 3;
	event.topic = (char *)"task";
	batch.events = list;
	batch.n_events = 1;
	n = mf__event_batch__pack(&batch, out);
	end_serve(&b, "sql");
	assert_non_null(end_new(&a, "api", &end_config));
	wire_subscribe(a.w, "sql");
	/* a subscription takes a moment */
	for (int tries = 0; tries < 200 && a.events == 0; tries++) {
		wire_publish(b.w, out, n, 3);
		end_pass(10 * MS);
	}
	assert_true(a.events > 0);
	assert_string_equal(a.event_node, "sql");
	assert_int_equal(a.event_bytes, n);
	assert_int_equal(a.events_in_batch, 1);
	end_free(&a);
	end_free(&b);
}

/* --- a peer that is killed --- */

static pid_t
spawn_server(const char *name)
{
	char *argv[] = { (char *)"wire", (char *)"--serve",
		end_config.bus_dir == NULL ? NULL : (char *)end_config.bus_dir, (char *)name,
		NULL };
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
	return pid;
}

static int
serve(const char *bus_dir, const char *name)
{
	struct end e;

	end_loop = loop_new();
	end_config = (struct node_config){ .var = "/",
		.bus_dir = bus_dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "" };
	if (end_new(&e, name, &end_config) == NULL || !wire_listen(e.w, end_err, sizeof(end_err)))
		fatal("%s", end_err);
	alarm(60);
	loop_run(end_loop);
	return 0;
}

static void
kill_and_reap(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
a_killed_peer_is_down_at_once_and_up_again_when_it_is_back(void **unused)
{
	int64_t at, best = INT64_MAX;
	struct end a;
	struct lane *l;
	pid_t pid = spawn_server("victim");

	(void)unused;
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "victim");
	for (unsigned round = 1; round <= 5; round++) {
		assert_int_equal(end_call(l, round), ST_OK);
		assert_true(end_wait(&a.answers, round, 2 * SEC));
		kill_and_reap(pid);
		at = time_now_us();
		assert_true(end_wait(&a.downs, round, SEC));
		if (time_now_us() - at < best)
			best = time_now_us() - at;
		pid = spawn_server("victim");
		assert_true(end_wait(&a.ups, round + 1, 10 * SEC));
	}
	assert_true(best < 10 * MS);
	kill_and_reap(pid);
	end_free(&a);
}

static void
calls_that_were_out_are_lost_and_never_answered_later(void **unused)
{
	struct end a;
	struct lane *l;
	pid_t pid = spawn_server("victim");

	(void)unused;
	assert_non_null(end_new(&a, "api", &end_config));
	l = end_connect(&a, "victim");
	assert_int_equal(kill(pid, SIGSTOP), 0);
	for (uint64_t id = 1; id <= 1000; id++)
		assert_int_equal(end_call(l, id), ST_OK);
	end_pass(20 * MS);
	kill_and_reap(pid);
	assert_true(end_wait(&a.downs, 1, SEC));
	pid = spawn_server("victim");
	assert_true(end_wait(&a.ups, 2, 10 * SEC));
	assert_int_equal(end_call(l, 1), ST_OK); /* none of them is out any more */
	assert_true(end_wait(&a.answers, 1, SEC));
	end_pass(50 * MS);
	assert_int_equal(a.answers, 1);
	kill_and_reap(pid);
	end_free(&a);
}

static void
a_place_that_cannot_hold_the_sockets_is_refused_with_the_reason(void **unused)
{
	struct node_config c = end_config;
	char deep[200];
	struct end e;

	(void)unused;
	snprintf(deep, sizeof(deep), "%s/%0110d", end_dir, 0);
	c.bus_dir = deep;
	assert_non_null(end_new(&e, "sql", &c));
	assert_false(wire_listen(e.w, end_err, sizeof(end_err)));
	assert_non_null(strstr(end_err, "107"));
	end_free(&e);
	assert_int_equal(mkdir(end_config.bus_dir, 0755), 0);
	assert_non_null(end_new(&e, "sql", &end_config));
	assert_false(wire_listen(e.w, end_err, sizeof(end_err)));
	assert_non_null(strstr(end_err, "0700"));
	end_free(&e);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		W(a_link_says_hello_and_knows_whom_it_reached),
		W(answers_find_their_calls_in_any_order),
		W(a_peer_that_hangs_up_before_the_handshake_closes_the_door_for_nobody),
		W(a_slow_call_holds_nobody_up),
		W(what_is_too_much_is_refused_at_once),
		W(a_cancelled_call_is_told_and_its_answer_dropped),
		W(hints_and_draining_ride_along_and_a_new_link_learns_them_too),
		W(who_is_unfit_says_so_and_takes_it_back_on_every_link),
		W(an_idle_link_falls_silent_with_all_receipts_given),
		W(events_reach_a_subscriber_as_they_were_published),
		W(a_killed_peer_is_down_at_once_and_up_again_when_it_is_back),
		W(calls_that_were_out_are_lost_and_never_answered_later),
		W(a_place_that_cannot_hold_the_sockets_is_refused_with_the_reason),
	};

	if (argc == 4 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[2], argv[3]);
	return TEST_RUN(tests);
}
