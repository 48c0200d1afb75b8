/* manager: what the guard says to the service manager that started it, and which socket it takes. */
#include "harness/test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/time.h"
#include "meta/holdings.h"
#include "meta/manager.h"

static int
manager_at(const char *address)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && len < sizeof(at.sun_path));
	memcpy(at.sun_path, address, len);
	if (address[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (const struct sockaddr *)&at,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	setenv("NOTIFY_SOCKET", address, 1);
	return fd;
}

/* The next message, "" when there is none. */
static const char *
heard(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
forget(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void
set_number(const char *name, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	setenv(name, text, 1);
}

static void
it_is_told_once_that_all_is_ready_and_each_status_when_it_changes(void **state)
{
	char path[120];
	struct manager m;
	int fd;

	(void)state;
	forget();
	snprintf(path, sizeof(path), "%s/notify", test_dir());
	fd = manager_at(path);
	manager_init(&m);
	manager_tell(&m, false, "3 of 16 processes READY");
	assert_string_equal(heard(fd), "STATUS=3 of 16 processes READY\n");
	manager_tell(&m, false, "3 of 16 processes READY");
	assert_string_equal(heard(fd), "");
	manager_tell(&m, true, "16 of 16 processes READY");
	assert_string_equal(heard(fd), "READY=1\nSTATUS=16 of 16 processes READY\n");
	manager_tell(&m, true, "16 of 16 processes READY");
	assert_string_equal(heard(fd), "");
	manager_tell(&m, false, "15 of 16 processes READY; sql: BACKOFF");
	assert_string_equal(heard(fd), "STATUS=15 of 16 processes READY; sql: BACKOFF\n");
	manager_tell(&m, true, "16 of 16 processes READY");
	assert_string_equal(heard(fd), "STATUS=16 of 16 processes READY\n");
	manager_stopping(&m);
	assert_memory_equal(heard(fd), "STOPPING=1\n", 11);
	close(fd);
}

static void
a_name_of_the_abstract_namespace_serves_as_well(void **state)
{
	char name[64];
	struct manager m;
	int fd;

	(void)state;
	forget();
	snprintf(name, sizeof(name), "@metafed-test-%d", (int)getpid());
	fd = manager_at(name);
	manager_init(&m);
	manager_tell(&m, true, "all");
	assert_string_equal(heard(fd), "READY=1\nSTATUS=all\n");
	close(fd);
}

static void
the_watchdog_hears_of_it_three_times_within_its_limit_and_not_more_often(void **state)
{
	char path[120];
	struct manager m;
	int fd, n = 0;

	(void)state;
	forget();
	snprintf(path, sizeof(path), "%s/watchdog", test_dir());
	fd = manager_at(path);
	set_number("WATCHDOG_USEC", 30000000);
	set_number("WATCHDOG_PID", getpid());
	manager_init(&m);
	for (int64_t now = 100 * SEC; now < 130 * SEC; now += SEC / 2)
		manager_alive(&m, now);
	while (strcmp(heard(fd), "WATCHDOG=1\n") == 0)
		n++;
	assert_int_equal(n, 3);
	set_number("WATCHDOG_PID", getpid() + 1); /* meant for another process */
	manager_init(&m);
	manager_alive(&m, 200 * SEC);
	assert_string_equal(heard(fd), "");
	close(fd);
}

static void
without_a_manager_nothing_is_said(void **state)
{
	struct manager m;

	(void)state;
	forget();
	manager_init(&m);
	manager_tell(&m, true, "all");
	manager_alive(&m, 100 * SEC);
	manager_stopping(&m);
	assert_false(m.ready);
}

/* As a manager does it: descriptor 3 of the process. What was there before comes back. */
static int
hand_down(int fd, int *kept)
{
	char err[160];
	int got;

	*kept = fcntl(3, F_DUPFD_CLOEXEC, 64);
	assert_int_equal(dup2(fd, 3), 3);
	got = manager_socket(err, sizeof(err));
	if (got >= 0)
		assert_string_equal(err, "");
	else if (err[0] != '\0')
		got = -2;
	if (*kept >= 0) {
		assert_int_equal(dup2(*kept, 3), 3);
		close(*kept);
	} else {
		close(3);
	}
	return got;
}

static int
listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
a_socket_that_was_handed_down_is_taken_once_and_made_our_own(void **state)
{
	int fd = listener(), kept, got;

	(void)state;
	forget();
	assert_int_equal(hand_down(fd, &kept), -1); /* nobody said so */
	set_number("LISTEN_PID", getpid() + 1);     /* to somebody else */
	set_number("LISTEN_FDS", 1);
	assert_int_equal(hand_down(fd, &kept), -1);
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", 1);
	got = hand_down(fd, &kept);
	assert_true(got >= HELD_LOWEST);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(got, F_GETFL) & O_NONBLOCK);
	assert_null(getenv("LISTEN_FDS"));
	close(got);
	close(fd);
}

static void
what_is_no_listening_socket_or_more_than_one_is_refused_in_words(void **state)
{
	int plain = socket(AF_INET, SOCK_STREAM, 0), fd = listener(), kept;

	(void)state;
	forget();
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", 1);
	assert_int_equal(hand_down(plain, &kept), -2);
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", 2);
	assert_int_equal(hand_down(fd, &kept), -2);
	close(plain);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_told_once_that_all_is_ready_and_each_status_when_it_changes),
		T(a_name_of_the_abstract_namespace_serves_as_well),
		T(the_watchdog_hears_of_it_three_times_within_its_limit_and_not_more_often),
		T(without_a_manager_nothing_is_said),
		T(a_socket_that_was_handed_down_is_taken_once_and_made_our_own),
		T(what_is_no_listening_socket_or_more_than_one_is_refused_in_words),
	};

	return TEST_RUN(tests);
}
