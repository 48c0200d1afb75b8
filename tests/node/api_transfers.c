/* api_transfers: bytes on their way in and out, and what happens to agents, clients and the server meanwhile. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/apibed.h"

#define PIECE (256u << 10)
#define REST  (200u << 10)

static char bytes[PIECE], out[65536];

static void
agents(int signal)
{
	kill(apibed.rest, signal);
	kill(apibed.graphql, signal);
}

static unsigned calls_wanted;

static bool
calls_are_there(void)
{
	return apibed.seen->calls >= calls_wanted;
}

/* What has arrived before the end is taken, however long the agents are about what came before. */
static void
an_upload_whose_client_closed_its_sending_side_is_taken(void **unused)
{
	char head[200];
	int fd = raw_dial();

	(void)unused;
	calls_wanted = apibed.seen->calls + 3; /* begun, begun again, the first piece */
	snprintf(head, sizeof(head),
	    "POST /v1/blobs HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n", 2 * PIECE + REST);
	raw_say(fd, head);
	raw_say_n(fd, bytes, PIECE);
	assert_true(apibed_within(5 * SEC, calls_are_there));
	agents(SIGSTOP);
	raw_say_n(fd, bytes, PIECE);
	raw_say_n(fd, bytes, REST);
	shutdown(fd, SHUT_WR);
	usleep(300000); /* longer than gone_grace */
	agents(SIGCONT);
	raw_hear(fd, out, sizeof(out), 5000, 1);
	assert_int_equal(raw_status(out), 201);
	close(fd);
}

/* libmicrohttpd aborts when it is stopped with a suspended connection. */
static void
the_server_ends_in_the_middle_of_a_download(void **unused)
{
	int status, fd;
	size_t n = 0;
	ssize_t got;

	(void)unused;
	APIBED_RESTART("drain=300ms");
	fd = raw_dial();
	raw_say(fd, "GET /v1/blobs/" APIBED_BLOB " HTTP/1.1\r\nHost: h\r\n\r\n");
	got = recv(fd, out, sizeof(out) - 1, 0);
	assert_true(got > 0);
	out[got] = '\0';
	assert_int_equal(raw_status(out), 200);
	agents(SIGSTOP);
	for (; (got = recv(fd, out, sizeof(out), MSG_DONTWAIT)) > 0 || n < 20; n++)
		usleep(got > 0 ? 0 : 10000); /* until nothing comes */
	kill(apibed.api, SIGTERM);
	assert_int_equal(waitpid(apibed.api, &status, 0), apibed.api);
	apibed.api = 0;
	agents(SIGCONT);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
	apibed_restart(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upload_whose_client_closed_its_sending_side_is_taken),
		cmocka_unit_test(the_server_ends_in_the_middle_of_a_download),
	};

	return cmocka_run_group_tests_name("api_transfers", tests, apibed_start, apibed_stop);
}
