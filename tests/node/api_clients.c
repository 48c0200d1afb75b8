/* api_clients: clients that are slow, leave, or are too many, and agents that die: nobody is harmed
 * by another's manners. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/apibed.h"

/* A byte of the head, or of the body, every 50 ms: never idle, never done. */
static int64_t
cut_after(const char *opening, char drip)
{
	int64_t begin = time_now_us();
	int fd = raw_dial();
	char out[64];

	raw_say(fd, opening);
	for (int i = 0; i < 60; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		raw_say_n(fd, &drip, 1);
		if (poll(&p, 1, 50) == 1 && recv(fd, out, sizeof(out), MSG_DONTWAIT) <= 0)
			break;
	}
	close(fd);
	return time_now_us() - begin;
}

static void
who_sends_slowly_is_cut_off_at_an_absolute_limit(void **unused)
{
	int64_t head = cut_after("GET /livez HTTP/1.1\r\nX: ", 'a');
	int64_t body = cut_after("POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
				 "application/json\r\nContent-Length: 999\r\n\r\n",
	    ' ');

	(void)unused;
	assert_in_range(head, 300 * MS, 1200 * MS);
	assert_in_range(body, 400 * MS, 1300 * MS);
}

static int64_t
closed_after(int fd)
{
	int64_t begin = time_now_us();

	assert_true(raw_closes(fd, 10000));
	close(fd);
	return time_now_us() - begin;
}

static void
an_idle_connection_is_closed_and_half_a_head_does_not_help_it(void **unused)
{
	char out[4096];
	int idle = raw_dial(), half = raw_dial();

	(void)unused;
	for (int i = 0; i < 2; i++) {
		raw_say(i == 0 ? idle : half, GET("/livez"));
		raw_hear(i == 0 ? idle : half, out, sizeof(out), 3000, 1);
		assert_int_equal(raw_status(out), 200);
	}
	raw_say(half, "GET /livez HTTP/1.1\r\nX: ");
	assert_in_range(closed_after(idle), 1500 * MS, 4000 * MS); /* idle_time is 2 s */
	assert_in_range(closed_after(half), 0, 2000 * MS);
}

/* Answers of 1 MiB that nobody takes: they fill what the kernel keeps for both sides, and then the
 * limit runs, however many bytes went before. */
static void
who_does_not_read_his_answers_is_cut_off(void **unused)
{
	int fd = raw_dial(), room = 4096;
	char request[128];

	(void)unused;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	snprintf(request, sizeof(request),
	    "GET /v1/tasks?label=bytes%%3D1000000 HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < 12; i++)
		raw_say(fd, request);
	for (int64_t until = time_now_us() + 15 * SEC;;) { /* not read: only looked at */
		struct pollfd p = { .fd = fd, .events = POLLRDHUP };

		if (poll(&p, 1, 100) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
			break;
		assert_true(time_now_us() < until);
	}
	close(fd);
	assert_int_equal(raw_ask(GET("/livez"), request, sizeof(request)), 200);
}

static void
who_reads_slowly_but_steadily_gets_all_of_it(void **unused)
{
	static char out[65536];
	size_t n = 0;
	int fd = raw_dial();

	(void)unused;
	raw_say(fd, "GET /v1/tasks?label=bytes%3D1000000 HTTP/1.1\r\nHost: h\r\nConnection: "
		    "close\r\n\r\n");
	for (;;) {
		ssize_t k = recv(fd, out, sizeof(out), 0);

		if (k <= 0)
			break;
		n += (size_t)k;
		usleep(5000);
	}
	close(fd);
	assert_true(n > 1000000);
}

static bool
was_cancelled(void)
{
	return apibed.seen->cancelled == 1;
}

static void
a_client_that_goes_away_cancels_the_work_behind_it(void **unused)
{
	int fd = raw_dial();
	unsigned calls = apibed.seen->calls;

	(void)unused;
	apibed.seen->cancelled = 0;
	raw_say(fd, GET("/v1/tasks?limit=1000"));
	for (int i = 0; i < 200 && apibed.seen->calls == calls; i++)
		usleep(2000);
	assert_int_equal(apibed.seen->cancelled, 0);
	close(fd);
	assert_true(apibed_within(500 * MS, was_cancelled));
}

static void
a_client_that_only_stops_sending_still_gets_its_answer(void **unused)
{
	char out[4096];
	int fd = raw_dial();

	(void)unused;
	raw_say(fd, GET("/v1/tasks?limit=30"));
	shutdown(fd, SHUT_WR);
	raw_hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(raw_status(out), 200);
	close(fd);
}

static void
at_the_limit_of_connections_the_next_waits_for_a_free_slot(void **unused)
{
	char out[4096];
	int fds[APIBED_CONNECTIONS], waiting;

	(void)unused;
	for (size_t i = 0; i < APIBED_CONNECTIONS; i++)
		fds[i] = raw_dial();
	waiting = raw_dial();
	raw_say(waiting, GET("/livez"));
	assert_int_equal(raw_hear(waiting, out, sizeof(out), 50, 1), 0);
	close(fds[0]);
	raw_hear(waiting, out, sizeof(out), 1000, 1);
	assert_int_equal(raw_status(out), 200);
	close(waiting);
	for (size_t i = 1; i < APIBED_CONNECTIONS; i++)
		close(fds[i]);
}

static void
the_death_of_an_agent_fails_no_request(void **unused)
{
	char out[4096];

	(void)unused;
	for (int i = 0; i < 40; i++) {
		int fd = raw_dial();

		raw_say(fd, GET("/v1/tasks?limit=10"));
		if (i == 10)
			kill(apibed.rest, SIGKILL);
		raw_hear(fd, out, sizeof(out), 5000, 1);
		close(fd);
		if (raw_status(out) != 200)
			fail_msg("request %d: %s", i, out);
	}
	waitpid(apibed.rest, NULL, 0);
	apibed.rest = apibed_node("rest", NULL, STDERR_FILENO);
}

static void
metrics_are_a_page_of_all_nodes(void **unused)
{
	static char out[1 << 20];

	(void)unused;
	assert_int_equal(raw_ask("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
			     out, sizeof(out)),
	    200);
	assert_non_null(strstr(out, "\nmetafed_up{node=\"api\"} 1\n"));
	assert_non_null(strstr(out, "\nmetafed_up{node=\"sql\"} 0\n"));
	assert_non_null(strstr(
	    out, "\nmetafed_http_requests_total{node=\"api\",route=\"tasks\",status=\"200\"} "));
	assert_null(strstr(out, "# EOF"));
}

#define OPENMETRICS                                                                                \
	"GET /metrics HTTP/1.1\r\nHost: h\r\nAccept: "                                             \
	"application/openmetrics-text;version=1.0.0\r\n"                                           \
	"Connection: close\r\n"

static void
openmetrics_is_written_to_who_asks_for_it(void **unused)
{
	static char out[1 << 20];

	(void)unused;
	assert_int_equal(raw_ask(OPENMETRICS "\r\n", out, sizeof(out)), 200);
	assert_non_null(strstr(
	    out, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
	assert_non_null(strstr(out, "Vary: Accept\r\n"));
	assert_non_null(strstr(out, "\n# TYPE metafed_http_requests counter\n"));
	assert_string_equal(out + strlen(out) - 6, "# EOF\n");
}

/* A proxy on this machine has its clients from anywhere. */
static void
metrics_from_elsewhere_need_the_token(void **unused)
{
	static char out[1 << 20];
	char file[] = "/tmp/metrics-token-XXXXXX", set[64];
	int fd = mkstemp(file);

	(void)unused;
	assert_int_equal(write(fd, "a-token-of-some-length\n", 23), 23);
	close(fd);
	snprintf(set, sizeof(set), "metrics_token_file=%s", file);
	APIBED_RESTART("behind_proxy=true", set);
	assert_int_equal(raw_ask(OPENMETRICS "\r\n", out, sizeof(out)), 401);
	assert_non_null(strstr(out, "WWW-Authenticate: Bearer\r\n"));
	assert_non_null(strstr(out, "METRICS_TOKEN_NEEDED"));
	assert_int_equal(raw_ask(OPENMETRICS "Authorization: Bearer a-token-of-some-lengt\r\n\r\n",
			     out, sizeof(out)),
	    401);
	assert_int_equal(raw_ask(OPENMETRICS "Authorization: Bearer a-token-of-some-length\r\n\r\n",
			     out, sizeof(out)),
	    200);
	APIBED_RESTART("behind_proxy=true");
	assert_int_equal(
	    raw_ask(OPENMETRICS "Authorization: Bearer \r\n\r\n", out, sizeof(out)), 401);
	unlink(file);
	apibed_restart(NULL);
}

static void
http_beyond_loopback_is_refused_at_start(void **unused)
{
	char log[2048] = "";
	int status, log_pipe[2];
	ssize_t n;
	pid_t pid;

	(void)unused;
	assert_int_equal(pipe(log_pipe), 0);
	pid = apibed_node("api", (const char *const[]){ "listen=0.0.0.0:0", NULL }, log_pipe[1]);
	close(log_pipe[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	n = read(log_pipe[0], log, sizeof(log) - 1);
	close(log_pipe[0]);
	assert_true(n > 0);
	assert_non_null(strstr(log, "listener_refused"));
}

/* Last: afterwards there is no api. */
static void
a_drain_answers_what_is_under_way_and_says_close(void **unused)
{
	char out[4096];
	int busy = raw_dial(), idle = raw_dial(), late = raw_dial(), status;

	(void)unused;
	raw_say(idle, GET("/livez"));
	raw_hear(idle, out, sizeof(out), 1000, 1);
	raw_say(late, GET("/livez"));
	raw_hear(late, out, sizeof(out), 1000, 1);
	raw_say(busy, GET("/v1/tasks?limit=150"));
	usleep(20000);
	kill(apibed.api, SIGTERM);
	usleep(20000);
	raw_say(late, GET("/livez"));
	raw_hear(late, out, sizeof(out), 1000, 0);
	assert_int_equal(raw_status(out), 200);
	assert_non_null(strcasestr(out, "\r\nConnection: close\r\n"));
	raw_hear(busy, out, sizeof(out), 1000, 0);
	assert_int_equal(raw_status(out), 200);
	assert_non_null(strcasestr(out, "\r\nConnection: close\r\n"));
	assert_int_equal(raw_hear(idle, out, sizeof(out), 2000, 0), 0); /* closed, without a word */
	assert_int_equal(waitpid(apibed.api, &status, 0), apibed.api);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	apibed.api = 0;
	close(busy), close(idle), close(late);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_sends_slowly_is_cut_off_at_an_absolute_limit),
		T(an_idle_connection_is_closed_and_half_a_head_does_not_help_it),
		T(who_does_not_read_his_answers_is_cut_off),
		T(who_reads_slowly_but_steadily_gets_all_of_it),
		T(a_client_that_goes_away_cancels_the_work_behind_it),
		T(a_client_that_only_stops_sending_still_gets_its_answer),
		T(at_the_limit_of_connections_the_next_waits_for_a_free_slot),
		T(the_death_of_an_agent_fails_no_request),
		T(metrics_are_a_page_of_all_nodes),
		T(openmetrics_is_written_to_who_asks_for_it),
		T(metrics_from_elsewhere_need_the_token),
		T(http_beyond_loopback_is_refused_at_start),
		T(a_drain_answers_what_is_under_way_and_says_close),
	};

	return cmocka_run_group_tests_name("api_clients", tests, apibed_start, apibed_stop);
}
