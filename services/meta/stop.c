/* stop: see stop.h. Finds everybody by run file and start time, never by name or pid alone, so that
 * it can't hit a stranger or another fleet. Gone means: the lock is free, so PostgreSQL's back ends
 * count, too. The run files are the fleet's user's to write; what runfile.h calls strange is refused. */
#include "meta/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "meta/begin.h"
#include "meta/evidence.h"
#include "meta/fleet.h"
#include "meta/runfile.h"
#include "meta/conf.h"

#define ORDERLY        (150 * SEC) /* all ranks, each with its time limit */
#define HURRIED        (20 * SEC)
#define NODE_LIMIT     (15 * SEC)
#define LEFT_LIMIT     (1 * SEC) /* for what a dead server left */
#define SWEEP_PATIENCE (2 * SEC) /* who only looks has the lock for some milliseconds */

static bool nodes_are_gone(const struct conf *s);
static bool is_free(const struct conf *s, const char *name);
static bool refused(const struct conf *s, const char *name);
static bool show(const struct conf *s, const char *name);
static unsigned end_keeper(const struct conf *s, const char *name);
static bool gone(int pidfd, int64_t limit_us);
static unsigned sweep_rank(const struct conf *s, unsigned rank);
static unsigned ask(const struct conf *s, int slot);
static void wait_free(const struct conf *s, int slot, int64_t asked_us);
static void settle_left(const struct conf *s);

int
fleet_stop(const struct conf *s)
{
	unsigned n = end_keeper(s, "guard");
	int left = 0;

	n += end_keeper(s, "supervisor");
	n += fleet_sweep(s);
	left |= refused(s, "guard");
	left |= refused(s, "supervisor");
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (is_free(s, fleet_table[i].name))
			continue;
		left = 1;
		if (refused(s, fleet_table[i].name))
			continue;
		fprintf(stderr, "metafed: %s is still there (%s)\n", fleet_table[i].name,
		    conf_path(s, "run/%s.run", fleet_table[i].name));
	}
	if (n == 0 && left == 0)
		printf("nothing ran in %s\n", s->var);
	return left;
}

unsigned
fleet_sweep(const struct conf *s)
{
	unsigned n = 0;

	for (unsigned rank = 0; rank < FLEET_STOP_RANKS; rank++)
		n += sweep_rank(s, rank);
	settle_left(s);
	return n;
}

/* With the guard's lock, so that no start comes in between. Two nodes may leave at the same time, each
 * after the other one was seen: whoever has the lock to look lets go of it soon, so it is waited for. */
int
fleet_sweep_abandoned(const struct conf *s)
{
	const char *path = conf_path(s, "run/guard.run");
	int64_t limit = time_now_us() + SWEEP_PATIENCE;
	uint64_t generation;
	int fd;

	while ((fd = runfile_claim(path, &generation)) < 0) {
		if (errno != EWOULDBLOCK || time_now_us() >= limit)
			return 0; /* a guard, or another sweep */
		usleep(10000);
	}
	if (is_free(s, "supervisor") && nodes_are_gone(s) && runfile_enter(fd, generation)) {
		guard_open_log(s, generation, false);
		log_warn("abandoned", L_STR("then", "the private servers end, too"));
		log_info("swept", L_INT("processes", fleet_sweep(s)));
	}
	close(fd);
	return 0;
}

int
fleet_status(const struct conf *s)
{
	bool guard = show(s, "guard"), supervisor = show(s, "supervisor");

	for (int i = 0; i < FLEET_SLOTS; i++)
		show(s, fleet_table[i].name);
	return guard || supervisor ? 0 : 1;
}

static bool
nodes_are_gone(const struct conf *s)
{
	for (int i = 0; i < FLEET_SLOTS; i++)
		if (!fleet_table[i].store && !is_free(s, fleet_table[i].name))
			return false;
	return true;
}

static bool
is_free(const struct conf *s, const char *name)
{
	struct contract_run run;
	int pidfd;
	enum run_probe found = runfile_probe(conf_path(s, "run/%s.run", name), &run, &pidfd);

	if (pidfd >= 0)
		close(pidfd);
	return found == RUN_FREE;
}

/* Said: not everybody who asks for the end of a fleet is the one who wrote its run files. */
static bool
refused(const struct conf *s, const char *name)
{
	const char *path = conf_path(s, "run/%s.run", name);
	struct contract_run run;
	int pidfd;
	enum run_probe found = runfile_probe(path, &run, &pidfd);

	if (pidfd >= 0)
		close(pidfd);
	if (found != RUN_STRANGE)
		return false;
	if (run.pid != 0)
		fprintf(stderr,
		    "metafed: %s: refused: it names process %d, which another user runs than the "
		    "one whom %s belongs to\n",
		    path, (int)run.pid, conf_path(s, "run"));
	else
		fprintf(stderr, "metafed: %s: refused: it is a link, or %s is\n", path,
		    conf_path(s, "run"));
	return true;
}

static bool
show(const struct conf *s, const char *name)
{
	struct contract_run run;
	int pidfd;

	if (runfile_probe(conf_path(s, "run/%s.run", name), &run, &pidfd) != RUN_ALIVE)
		return false;
	close(pidfd);
	printf("%-12s pid %-8d generation %llu\n", name, (int)run.pid,
	    (unsigned long long)run.generation);
	return true;
}

/* Guard or supervisor: stops the fleet in order and ends. The second request makes it hurry. */
static unsigned
end_keeper(const struct conf *s, const char *name)
{
	static const int64_t patience[] = { ORDERLY, HURRIED, 5 * SEC };
	static const int signals[] = { SIGTERM, SIGTERM, SIGKILL };
	struct contract_run run;
	int pidfd;

	if (runfile_probe_settled(conf_path(s, "run/%s.run", name), &run, &pidfd) != RUN_ALIVE)
		return 0;
	for (int i = 0; i < 3; i++) {
		if (pidfd_send_signal(pidfd, signals[i], NULL, 0) < 0 && errno != ESRCH) {
			fprintf(stderr, "metafed: %s, pid %d: %s\n", name, (int)run.pid,
			    strerror(errno));
			break;
		}
		if (gone(pidfd, patience[i]))
			break;
	}
	close(pidfd);
	return 1;
}

static bool
gone(int pidfd, int64_t limit_us)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, (int)(limit_us / MS)) == 1;
}

static unsigned
sweep_rank(const struct conf *s, unsigned rank)
{
	int64_t asked = time_now_us();
	unsigned n = 0;

	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (fleet_table[i].stop_rank == rank)
			n += ask(s, i);
	}
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (fleet_table[i].stop_rank == rank)
			wait_free(s, i, asked);
	}
	return n;
}

static unsigned
ask(const struct conf *s, int slot)
{
	struct contract_run run;
	int pidfd;

	switch (runfile_probe_settled(
	    conf_path(s, "run/%s.run", fleet_table[slot].name), &run, &pidfd)) {
	case RUN_ALIVE:
		pidfd_send_signal(pidfd, fleet_table[slot].term_signal, NULL, 0);
		close(pidfd);
		return 1;
	case RUN_BUSY:
		return 1;
	case RUN_STRANGE:
	case RUN_FREE:
		break;
	}
	return 0;
}

static void
wait_free(const struct conf *s, int slot, int64_t asked_us)
{
	const struct fleet_entry *e = &fleet_table[slot];
	const char *path = conf_path(s, "run/%s.run", e->name);
	int64_t limit = asked_us + (e->kill_after_us != 0 ? e->kill_after_us : NODE_LIMIT),
		busy = 0;
	struct contract_run run;
	enum run_probe found;
	int pidfd;

	while ((found = runfile_probe(path, &run, &pidfd)) != RUN_FREE) {
		int64_t now = time_now_us();

		if (found == RUN_STRANGE)
			return;
		if (pidfd >= 0 && now >= limit)
			pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		if (pidfd >= 0)
			close(pidfd);
		busy = found == RUN_ALIVE ? 0 : busy == 0 ? now : busy;
		if (busy != 0 && now - busy > LEFT_LIMIT &&
		    runfile_signal_holders(path, SIGKILL) == 0)
			return; /* not ours to end: the caller says who is left */
		if (now >= limit + 5 * SEC)
			return;
		usleep(10000);
	}
}

/* What lies in shared memory of processes that are over: no orchestrator is there any more who would
 * look at it. As the user whose fleet it is: the names are that user's, and so are the records. */
static void
settle_left(const struct conf *s)
{
	char id[EVIDENCE_ID_MAX];
	struct stat st;

	if (lstat(conf_path(s, "crash"), &st) < 0 || !S_ISDIR(st.st_mode) ||
	    (geteuid() != st.st_uid && seteuid(st.st_uid) < 0))
		return;
	for (int i = 0; i <= FLEET_SLOTS; i++) {
		struct evidence_end e = { .running = UINT64_MAX };

		snprintf(e.node, sizeof(e.node), "%s",
		    i < FLEET_SLOTS ? fleet_table[i].name : "supervisor");
		if (is_free(s, e.node))
			evidence_settle(s->var, &e, id);
	}
	if (geteuid() != getuid() && seteuid(getuid()) < 0)
		log_warn("user", L_STR("error", strerror(errno)));
}
