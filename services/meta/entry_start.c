/* entry_start: how an entry comes to its process: it takes the lock of the run file and spawns, or
 * adopts whoever holds it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "meta/entry_inside.h"
#include "meta/holdings.h"
#include "meta/private.h"
#include "meta/runfile.h"
#include "meta/spawn.h"

#define BUSY_LOOK   (10 * MS)  /* lock held by nobody we know, store not ready yet: look again */
#define BUSY_KILL   (200 * MS) /* a dead server's children hold the lock for so long: killed */
#define SPAWN_AGAIN (200 * MS) /* no process or descriptor left in the system */

static void busy(struct entry *e, const char *path);
static void spawn(struct entry *e, int run_fd, uint64_t generation);
static void adopt(struct entry *e, const struct contract_run *run, int pidfd);
static void restore(struct entry *e, const struct super_note *memo);

void
entry_find(struct entry *e, const struct super_note *memo)
{
	const struct entry_host *h = entry_host(e->sup);
	struct contract_run run;
	int pidfd;

	switch (runfile_probe(conf_path(h->settings, "run/%s.run", e->def->name), &run, &pidfd)) {
	case RUN_ALIVE:
		adopt(e, &run, pidfd);
		if (memo->kind != 0 && memo->generation == run.generation)
			restore(e, memo);
		if (e->generation == h->holdings->slot[e->slot].blind_generation)
			entry_event(e, EV_RESTART);
		break;
	case RUN_STRANGE:
	case RUN_BUSY: /* being started by the one before us, or its children live on */
		entry_enter(e, NODE_STARTING);
		break;
	case RUN_FREE:
		if (memo->kind != 0 &&
		    lifecycle_running(memo->state)) { /* it died while nobody looked */
			restore(e, memo);
			entry_exited(e, false, 0);
		}
		break;
	}
}

/* Its file may be replaced or deleted by now: the process still has it. Without it the new executable
 * has to do. */
void
entry_renew(struct entry *e)
{
	char path[64];

	entry_forget_image(e);
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)e->pid);
	if (e->pid != 0 && lifecycle_running(e->state) &&
	    (e->image = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
		e->image = held_high(e->image);
	entry_event(e, EV_RESTART);
}

void
entry_forget_image(struct entry *e)
{
	if (e->image >= 0)
		close(e->image);
	e->image = -1;
	e->went_back = false;
}

/* The new executable died before it had proved itself: the service goes on with the one of before, and
 * whoever wanted the renewal sees by its file what runs. */
void
entry_go_back(struct entry *e)
{
	SAY(LOG_ERROR, "went_back", L_STR("process", e->def->name), L_INT("of", e->generation),
	    L_STR("then", "the executable of before runs until the node is restarted"));
	e->went_back = true;
}

void
entry_starting(struct entry *e)
{
	const struct entry_host *h = entry_host(e->sup);

	if (h->now < e->due_us)
		return;
	if (e->pid == 0) {
		entry_attempt(e);
		if (e->pid != 0)
			supervisor_tell(e->sup, e);
	} else if (e->def->store) {
		e->due_us = h->now + BUSY_LOOK;
		if (private_ready(h->settings, e->slot, e->pid))
			entry_event(e, EV_READY);
	}
}

/* STARTING without a process: take the lock and spawn, or find out who has it. */
void
entry_attempt(struct entry *e)
{
	const struct entry_host *h = entry_host(e->sup);
	const char *path = conf_path(h->settings, "run/%s.run", e->def->name);
	struct contract_run run;
	uint64_t generation;
	int fd = runfile_claim(path, &generation), pidfd;

	if (fd >= 0) {
		spawn(e, held_high(fd), generation);
	} else if (errno != EWOULDBLOCK) {
		log_error("run_file", L_STR("path", path), L_STR("error", strerror(errno)));
		e->due_us = h->now + SPAWN_AGAIN;
	} else {
		switch (runfile_probe(path, &run, &pidfd)) {
		case RUN_ALIVE:
			adopt(e, &run, pidfd);
			break;
		case RUN_STRANGE:
		case RUN_BUSY:
			busy(e, path);
			break;
		case RUN_FREE: /* by now */
			e->due_us = h->now;
			break;
		}
	}
}

/* The lock is held by nobody whom the run file names: back ends of a killed postmaster, mostly.
 * They go by themselves when they notice, unless they are busy computing; then they are in the way
 * of the next one. */
static void
busy(struct entry *e, const char *path)
{
	int64_t now = entry_host(e->sup)->now;

	e->due_us = now + BUSY_LOOK;
	if (now - e->since_us < BUSY_KILL)
		return;
	e->due_us = now + 10 * BUSY_LOOK;
	log_warn("leftovers_killed", L_STR("process", e->def->name),
	    L_INT("processes", runfile_signal_holders(path, SIGKILL)));
}

static void
spawn(struct entry *e, int run_fd, uint64_t generation)
{
	const struct entry_host *h = entry_host(e->sup);
	pid_t pid;

	supervisor_spawning(e->sup, e);
	private_clean(h->settings, e->slot);
	pid = spawn_process(
	    h->settings, h->holdings, e->slot, run_fd, generation, e->went_back ? e->image : -1);
	close(run_fd);
	if (pid < 0 || (e->pidfd = pidfd_open(pid, 0)) < 0) {
		log_error("fork", L_STR("process", e->def->name), L_STR("error", strerror(errno)));
		if (pid > 0)
			kill(pid, SIGKILL);
		e->due_us = h->now + SPAWN_AGAIN;
		return;
	}
	e->pid = pid;
	e->generation = generation;
	e->born_us = e->beat_us = h->now;
	e->look_us = h->now + LIMITS_LOOK;
	supervisor_watch(e->sup, e);
}

static void
adopt(struct entry *e, const struct contract_run *run, int pidfd)
{
	e->pid = run->pid;
	e->pidfd = pidfd;
	e->generation = run->generation;
	entry_event(e, EV_FOUND);
	/* it may have been READY all along: as good as one whom we saw */
	e->born_us = e->ready_us = proc_start_us(run->start_ticks);
	supervisor_watch(e->sup, e);
	SAY(LOG_INFO, "adopted", L_STR("process", e->def->name), L_INT("pid", e->pid),
	    L_INT("of", e->generation));
}

/* The same process as the one before us knew: it is in the state that he knew. */
static void
restore(struct entry *e, const struct super_note *memo)
{
	if (!lifecycle_running(memo->state))
		return;
	entry_enter(e, memo->state);
	e->planned = memo->planned;
	e->hup = memo->hup;
	e->ready_us = memo->ready_us;
	supervisor_tell(e->sup, e);
}
