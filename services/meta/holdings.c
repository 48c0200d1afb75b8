/* holdings: see holdings.h. A pipe lives as long as anybody has an end of it. A node that outlived
 * guard and supervisor still has one end of each of its pipes: opened again through /proc, its
 * other end is ours and nothing was lost. */
#include "meta/holdings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "meta/runfile.h"
#include "meta/conf.h"

static void fill_slot(struct holdings *h, const struct conf *s, int slot);
static bool reopen_all(struct holdings *h, int slot, pid_t pid);
static bool reopen(pid_t pid, int number, int *r, int *w);
static void make_pipe(int *r, int *w);

void
holdings_fill(struct holdings *h, const struct conf *s)
{
	memset(h, 0, sizeof(*h));
	for (int i = 0; i < FLEET_SLOTS; i++)
		fill_slot(h, s, i);
}

void
holdings_complete(struct holdings *h, const struct conf *s)
{
	for (int i = 0; i < FLEET_SLOTS; i++)
		if (!fleet_table[i].store && h->slot[i].status_r < 0)
			fill_slot(h, s, i);
}

int
held_high(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HELD_LOWEST);

	if (high < 0)
		fatal("descriptors: %s; raise `ulimit -n`", strerror(errno));
	close(fd);
	return high;
}

static void
fill_slot(struct holdings *h, const struct conf *s, int slot)
{
	struct holding *k = &h->slot[slot];
	const char *path = conf_path(s, "run/%s.run", fleet_table[slot].name);
	struct contract_run run;
	int pidfd;
	enum run_probe found = runfile_probe_settled(path, &run, &pidfd);

	if (pidfd >= 0)
		close(pidfd);
	*k = (struct holding){ -1, -1, -1, -1, -1, -1, -1, -1, 0 };
	if (found == RUN_BUSY) {
		log_warn("lock_held", L_STR("process", fleet_table[slot].name),
		    L_INT("killed", runfile_signal_holders(path, SIGKILL)));
	}
	h->found += found == RUN_ALIVE;
	if (fleet_table[slot].store || (!conf_has(s, slot) && found != RUN_ALIVE))
		return;
	if (found == RUN_ALIVE && reopen_all(h, slot, run.pid))
		return;
	if (found == RUN_ALIVE) {
		k->blind_generation = run.generation;
		log_warn("pipes_not_reopened", L_STR("process", fleet_table[slot].name),
		    L_INT("pid", run.pid), L_STR("error", strerror(errno)),
		    L_STR("then", "it is started anew"));
	}
	make_pipe(&k->status_r, &k->status_w);
	make_pipe(&k->life_r, &k->life_w);
	if (fleet_table[slot].orders) {
		make_pipe(&k->commands_r, &k->commands_w);
		make_pipe(&k->reports_r, &k->reports_w);
	}
}

static bool
reopen_all(struct holdings *h, int slot, pid_t pid)
{
	struct holding *k = &h->slot[slot];

	if (!reopen(pid, CONTRACT_STATUS, &k->status_r, &k->status_w))
		return false;
	if (!reopen(pid, CONTRACT_LIFE, &k->life_r, &k->life_w)) {
		close(k->status_r);
		close(k->status_w);
		return false;
	}
	if (!fleet_table[slot].orders)
		return true;
	if (reopen(pid, CONTRACT_COMMANDS, &k->commands_r, &k->commands_w) &&
	    reopen(pid, CONTRACT_REPORTS, &k->reports_r, &k->reports_w))
		return true;
	if (k->commands_r >= 0) {
		close(k->commands_r);
		close(k->commands_w);
		k->commands_r = -1;
	}
	return false;
}

static bool
reopen(pid_t pid, int number, int *r, int *w)
{
	char path[64];
	struct stat st;
	int in, out;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, number);
	if (stat(path, &st) < 0)
		return false;
	if (!S_ISFIFO(st.st_mode)) {
		errno = EBADF;
		return false;
	}
	if ((in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
		return false;
	if ((out = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
		close(in);
		return false;
	}
	*r = held_high(in);
	*w = held_high(out);
	return true;
}

static void
make_pipe(int *r, int *w)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		fatal("descriptors: %s; raise `ulimit -n`", strerror(errno));
	*r = held_high(p[0]);
	*w = held_high(p[1]);
}
