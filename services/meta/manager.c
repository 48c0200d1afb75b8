/* manager: see manager.h. What can't be told is lost: the manager's own time limits decide then. */
#include "meta/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/str.h"
#include "base/time.h"
#include "meta/holdings.h"
#include "meta/public.h"

#define FIRST_FD   3 /* SD_LISTEN_FDS_START */
#define ALIVE_PART 3 /* of the watchdog's time: two may be lost */

static bool number_of(const char *variable, uint64_t most, uint64_t *out);
static void say(const struct manager *m, const char *text);

void
manager_init(struct manager *m)
{
	uint64_t us, pid;

	*m = (struct manager){ .notifies = getenv("NOTIFY_SOCKET") != NULL };
	if (number_of("WATCHDOG_USEC", INT64_MAX, &us) &&
	    (!number_of("WATCHDOG_PID", INT32_MAX, &pid) || pid == (uint64_t)getpid()))
		m->every_us = (int64_t)us / ALIVE_PART;
}

void
manager_tell(struct manager *m, bool ready, const char *status)
{
	char text[sizeof(m->status) + 32];
	bool now_ready = ready && !m->ready;

	if (!m->notifies || (!now_ready && strcmp(status, m->status) == 0))
		return;
	snprintf(m->status, sizeof(m->status), "%s", status);
	snprintf(text, sizeof(text), "%sSTATUS=%s\n", now_ready ? "READY=1\n" : "", m->status);
	m->ready |= ready;
	say(m, text);
}

void
manager_stopping(struct manager *m)
{
	say(m, "STOPPING=1\nSTATUS=draining, then the stores\n");
	snprintf(m->status, sizeof(m->status), "%s", "draining, then the stores");
}

void
manager_alive(struct manager *m, int64_t now_us)
{
	if (m->every_us == 0 || now_us - m->alive_us < m->every_us)
		return;
	m->alive_us = now_us;
	say(m, "WATCHDOG=1\n");
}

int
manager_socket(char *err, size_t n)
{
	uint64_t pid, fds;
	bool ours = number_of("LISTEN_PID", INT32_MAX, &pid) && pid == (uint64_t)getpid() &&
	            number_of("LISTEN_FDS", INT32_MAX, &fds) && fds > 0;
	char name[64];

	err[0] = '\0';
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return -1;
	if (fds > 1) {
		snprintf(err, n, "%llu sockets were handed down; the fleet takes one",
		    (unsigned long long)fds);
		return -1;
	}
	if (!public_name(FIRST_FD, name, sizeof(name))) {
		snprintf(err, n, "the descriptor handed down is no socket that listens on TCP");
		return -1;
	}
	if (fcntl(FIRST_FD, F_SETFL, fcntl(FIRST_FD, F_GETFL) | O_NONBLOCK) < 0) {
		snprintf(err, n, "the socket handed down: %s", strerror(errno));
		return -1;
	}
	return held_high(FIRST_FD);
}

static bool
number_of(const char *variable, uint64_t most, uint64_t *out)
{
	const char *text = getenv(variable);

	return text != NULL && str_u64(str_of(text), most, out);
}

/* A path, or a name of the abstract namespace behind an '@'. */
static void
say(const struct manager *m, const char *text)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (!m->notifies || len < 2 || len > sizeof(at.sun_path) - 1 ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return;
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&at,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}
