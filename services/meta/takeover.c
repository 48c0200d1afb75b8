/* takeover: see takeover.h. pidfd_getfd(2) needs the right to trace the other process: the same
 * user and no stricter policy (Yama, a container without SYS_PTRACE for root). Where it is denied
 * `api` is started anew, which is said. */
#include "meta/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "meta/holdings.h"
#include "meta/public.h"
#include "meta/runfile.h"
#include "meta/conf.h"

#define DEATH_LIMIT_MS 2000 /* after SIGKILL; it has nothing to write back */

static int fetch(int pidfd, int number);
static void end_supervisor(struct takeover *t, const struct conf *s);

void
takeover_run(struct takeover *t, const struct conf *s)
{
	*t = (struct takeover){ .listener = -1 };
	end_supervisor(t, s);
	if (t->listener < 0)
		takeover_fetch_again(t, s);
}

void
takeover_fetch_again(struct takeover *t, const struct conf *s)
{
	struct contract_run run;
	int pidfd;

	t->denied = false;
	if (runfile_probe_settled(conf_path(s, "run/api.run"), &run, &pidfd) != RUN_ALIVE)
		return;
	t->listener = fetch(pidfd, CONTRACT_LISTENER);
	t->denied = t->listener < 0;
	t->error = errno;
	close(pidfd);
}

void
takeover_evict(struct takeover *t, const struct conf *s)
{
	struct contract_run run;
	struct pollfd p = { .events = POLLIN };

	if (runfile_probe(conf_path(s, "run/api.run"), &run, &p.fd) != RUN_ALIVE)
		return;
	t->evicted = run.pid;
	pidfd_send_signal(p.fd, SIGTERM, NULL, 0);
	if (poll(&p, 1, (int)(s->of[SLOT_API].kill_after_us / MS)) == 0) {
		pidfd_send_signal(p.fd, SIGKILL, NULL, 0);
		poll(&p, 1, DEATH_LIMIT_MS);
	}
	close(p.fd);
}

static void
end_supervisor(struct takeover *t, const struct conf *s)
{
	struct pollfd p = { .events = POLLIN };
	struct contract_run run;

	if (runfile_probe_settled(conf_path(s, "run/supervisor.run"), &run, &p.fd) != RUN_ALIVE)
		return;
	t->listener = fetch(p.fd, HELD_LISTENER);
	if (pidfd_send_signal(p.fd, SIGKILL, NULL, 0) < 0 || poll(&p, 1, DEATH_LIMIT_MS) != 1)
		fatal("supervisor %d of a guard that is gone does not end: %s; end it by hand",
		    (int)run.pid, strerror(errno));
	close(p.fd);
}

static int
fetch(int pidfd, int number)
{
	int fd = pidfd_getfd(pidfd, number, 0);
	char name[64];

	if (fd < 0)
		return -1;
	if (public_name(fd, name, sizeof(name)))
		return held_high(fd);
	close(fd);
	errno = ENOTCONN;
	return -1;
}
