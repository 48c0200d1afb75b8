/* entry: see entry.h. lifecycle.c says what an event means, this file does it: claims, spawns,
 * adopts, signals, limits. */
#include "meta/entry.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "meta/holdings.h"
#include "meta/runfile.h"
#include "meta/conf.h"
#include "meta/spawn.h"
#include "meta/private.h"

#define BUSY_LOOK    (10 * MS)  /* lock held by nobody we know, store not ready yet: look again */
#define BUSY_KILL    (200 * MS) /* a dead server's children hold the lock for so long: killed */
#define KILL_AGAIN   (1 * SEC)
#define SPAWN_AGAIN  (200 * MS) /* no process or descriptor left in the system */
#define STOPPED_LOOK (500 * MS) /* a server's beat: is it held by a stop signal? */

/* Without the rate limit of a call site: thirteen processes may start within a second, and each
 * line is a fact. How many there can be is bounded by the restart policy. */
#define SAY(level, event, ...)                                                                     \
	log_write(                                                                                 \
	    (level), NULL, (event), (const struct log_field[]){ __VA_ARGS__, { .key = NULL } })

static void enter(struct entry *e, enum contract_state next);
static void act(struct entry *e, enum lifecycle_action action);
static void attempt(struct entry *e);
static void spawn(struct entry *e, int run_fd, uint64_t generation);
static void adopt(struct entry *e, const struct contract_run *run, int pidfd);
static void restore(struct entry *e, const struct super_note *memo);
static void busy(struct entry *e, const char *path);
static void send_signal(struct entry *e, int sig);
static bool settled(struct entry *e);
static void tick_starting(struct entry *e);
static void tick_hung(struct entry *e);
static int64_t limit_of(const struct entry *e, enum contract_state s);
static void log_exit(const struct entry *e, bool known, int status, int64_t ran_us);
static void keep_end(struct entry *e, bool known, int status);

void
entry_init(struct entry *e, struct supervisor *s, int slot, const struct super_note *memo)
{
	const struct fleet_entry *def = &fleet_table[slot];

	*e = (struct entry){ .sup = s,
		.def = def,
		.slot = slot,
		.state = NODE_STOPPED,
		.pidfd = -1,
		.wanted = conf_has(entry_host(s)->settings, slot),
		.since_us = entry_host(s)->now };
	if (memo->kind == 0)
		return;
	e->wanted = memo->wanted;
	e->exits = memo->exits;
	e->end = (enum contract_end)memo->end;
	e->end_code = memo->end_code;
	e->restart = memo->restart;
	e->generation = memo->generation;
	if (memo->state == NODE_FAILED || memo->state == NODE_BACKOFF)
		e->state = memo->state;
	e->due_us = memo->due_us;
}

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
	case RUN_BUSY: /* being started by the one before us, or its children live on */
		enter(e, NODE_STARTING);
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

void
entry_event(struct entry *e, enum lifecycle_event ev)
{
	enum contract_state next, was = e->state;
	enum lifecycle_action action;

	if (!lifecycle_step(e->state, ev, &next, &action))
		return;
	if (ev == EV_HUNG || ev == EV_LATE)
		e->blame = ev == EV_HUNG ? END_HUNG : END_LATE;
	SAY(LOG_INFO, "state", L_STR("process", e->def->name),
	    L_STR("on", lifecycle_event_name(ev)), L_STR("from", contract_state_name(was)),
	    L_STR("to", contract_state_name(next)), L_INT("pid", e->pid),
	    L_INT("of", e->generation));
	if (next != was || action == ACT_SPAWN)
		enter(e, next);
	if (ev == EV_RESTART)
		e->planned = next == NODE_DRAINING;
	act(e, action);
	supervisor_tell(e->sup, e);
}

void
entry_status(struct entry *e, const struct contract_status *r)
{
	int64_t now = entry_host(e->sup)->now;

	if (e->pid == 0 || r->generation != (uint32_t)e->generation)
		return;
	if (r->at_us > e->beat_us && r->at_us <= now)
		e->beat_us = r->at_us;
	e->load = r->load;
	if (r->state == NODE_READY)
		entry_event(e, EV_READY);
	else if (r->state == NODE_DRAINING)
		entry_event(e, EV_DRAINING);
}

void
entry_exited(struct entry *e, bool known, int status)
{
	struct entry_host *h = entry_host(e->sup);
	int64_t ran = e->ready_us == 0 ? 0 : h->now - e->ready_us;
	enum lifecycle_event ev = EV_EXIT_NEVER;
	enum verdict v;

	log_exit(e, known, status, ran);
	keep_end(e, known, status);
	if (e->pidfd >= 0) {
		supervisor_unwatch(e->sup, e);
		close(e->pidfd);
	}
	e->pidfd = -1;
	e->exits += e->pid != 0;
	e->pid = 0;
	e->ready_us = e->born_us = 0;
	e->load = 0;
	if (!e->wanted) {
		ev = EV_EXIT_DOWN;
	} else if (e->planned) {
		ev = EV_EXIT_NOW;
	} else {
		v = restart_next(
		    &h->policy, &e->restart, h->now, ran, (uint32_t)rng_next(&h->rng), &e->due_us);
		ev = v == RESTART_NOW     ? EV_EXIT_NOW
		     : v == RESTART_LATER ? EV_EXIT_LATER
		                          : EV_EXIT_NEVER;
	}
	e->planned = false;
	entry_event(e, ev);
}

void
entry_tick(struct entry *e)
{
	int64_t now = entry_host(e->sup)->now;

	if (!e->wanted)
		entry_event(e, EV_STOP);
	if (e->state == NODE_STOPPED && e->wanted && settled(e))
		entry_event(e, EV_START);
	if (e->state == NODE_BACKOFF && now >= e->due_us)
		entry_event(e, EV_RETRY);
	if (e->state == NODE_STARTING)
		tick_starting(e);
	if (e->state == NODE_READY || e->state == NODE_DRAINING)
		tick_hung(e);
	if (e->late_us != 0 && now >= e->late_us)
		entry_event(e, EV_LATE);
}

int64_t
entry_next(const struct entry *e)
{
	int64_t at = INT64_MAX;

	if (e->late_us != 0)
		at = e->late_us;
	if (e->state == NODE_BACKOFF ||
	    (e->state == NODE_STARTING && (e->pid == 0 || e->def->store)))
		at = e->due_us < at ? e->due_us : at;
	if (e->state == NODE_READY || e->state == NODE_DRAINING) {
		int64_t look = e->def->store ? e->due_us : e->beat_us + CONTRACT_HUNG_US;

		at = look < at ? look : at;
	}
	return at;
}

/* PostgreSQL's SIGQUIT still tells its children, SIGKILL would leave them. */
void
entry_hurry(struct entry *e)
{
	int64_t now = entry_host(e->sup)->now;

	e->wanted = false;
	entry_event(e, EV_STOP);
	if (e->pid == 0)
		return;
	send_signal(e, e->slot == SLOT_POSTGRES ? SIGQUIT : e->def->kill_signal);
	e->late_us = now + 2 * SEC;
}

static void
enter(struct entry *e, enum contract_state next)
{
	int64_t now = entry_host(e->sup)->now;

	e->state = next;
	e->since_us = e->beat_us = now;
	e->late_us = limit_of(e, next) == 0 ? 0 : now + limit_of(e, next);
	if (next == NODE_READY && e->ready_us == 0)
		e->ready_us = now;
	if (next != NODE_BACKOFF)
		e->due_us = now;
}

static void
act(struct entry *e, enum lifecycle_action action)
{
	switch (action) {
	case ACT_NONE:
		break;
	case ACT_SPAWN:
		attempt(e);
		break;
	case ACT_TERM:
		if (e->pid == 0)
			entry_exited(e, false, 0);
		else
			send_signal(e, e->def->term_signal);
		break;
	case ACT_KILL:
		SAY(LOG_WARN, "killed", L_STR("process", e->def->name), L_INT("pid", e->pid),
		    L_INT("of", e->generation),
		    L_INT("silent_ms", (entry_host(e->sup)->now - e->beat_us) / MS));
		e->late_us = entry_host(e->sup)->now + KILL_AGAIN;
		if (e->pid == 0)
			entry_exited(e, false, 0);
		else
			send_signal(e, e->def->kill_signal);
		break;
	case ACT_ANNOUNCE:
		SAY(LOG_ERROR, "given_up", L_STR("process", e->def->name),
		    L_INT("restarts", e->restart.n),
		    L_INT("window_ms", entry_host(e->sup)->policy.window_us / MS),
		    L_STR("then", "it stays down until it is started by hand"));
		break;
	}
}

/* STARTING without a process: take the lock and spawn, or find out who has it. */
static void
attempt(struct entry *e)
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
		case RUN_BUSY:
			busy(e, path);
			break;
		case RUN_FREE: /* by now */
			e->due_us = h->now;
			break;
		}
	}
}

static void
spawn(struct entry *e, int run_fd, uint64_t generation)
{
	const struct entry_host *h = entry_host(e->sup);
	pid_t pid;

	supervisor_spawning(e->sup, e);
	private_clean(h->settings, e->slot);
	pid = spawn_process(h->settings, h->holdings, e->slot, run_fd, generation);
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
	enter(e, memo->state);
	e->planned = memo->planned;
	e->ready_us = memo->ready_us;
	supervisor_tell(e->sup, e);
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
send_signal(struct entry *e, int sig)
{
	if (pidfd_send_signal(e->pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
		log_error("signal", L_STR("process", e->def->name), L_INT("signal", sig),
		    L_STR("error", strerror(errno)));
}

/* Order of the first start only: nobody waits for ever for a neighbour that does not come. */
static bool
settled(struct entry *e)
{
	if (entry_host(e->sup)->now >= entry_host(e->sup)->settle_us)
		return true;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		const struct entry *o = entry_at(e->sup, i);

		if ((e->def->after & SLOT_BIT(i)) != 0 && o->wanted && o->state != NODE_READY &&
		    o->state != NODE_DRAINING && o->state != NODE_FAILED)
			return false;
	}
	return true;
}

static void
tick_starting(struct entry *e)
{
	const struct entry_host *h = entry_host(e->sup);

	if (h->now < e->due_us)
		return;
	if (e->pid == 0) {
		attempt(e);
		if (e->pid != 0)
			supervisor_tell(e->sup, e);
	} else if (e->def->store) {
		e->due_us = h->now + BUSY_LOOK;
		if (private_ready(h->settings, e->slot, e->pid))
			entry_event(e, EV_READY);
	}
}

/* A server has no beats; what shows is that a stop signal holds it. */
static void
tick_hung(struct entry *e)
{
	int64_t now = entry_host(e->sup)->now;
	bool stopped = false;

	if (e->def->store && now >= e->due_us) {
		e->due_us = now + STOPPED_LOOK;
		if (proc_start_ticks(e->pid, &stopped) != 0 && !stopped)
			e->beat_us = now;
	}
	if (now - e->beat_us >= CONTRACT_HUNG_US)
		entry_event(e, EV_HUNG);
}

static int64_t
limit_of(const struct entry *e, enum contract_state s)
{
	const struct conf *set = entry_host(e->sup)->settings;

	if (s == NODE_STARTING)
		return e->def->ready_limit_us != 0 ? e->def->ready_limit_us : set->ready_limit_us;
	if (s == NODE_DRAINING || s == NODE_STOPPING)
		return e->def->kill_after_us != 0 ? e->def->kill_after_us : set->kill_after_us;
	return 0;
}

static void
log_exit(const struct entry *e, bool known, int status, int64_t ran_us)
{
	const char *how = !known ? "not our child" : WIFSIGNALED(status) ? "signal" : "exit";
	int code = !known ? 0 : WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	bool asked = e->planned || !e->wanted;

	if (e->pid == 0)
		return;
	SAY(asked ? LOG_INFO : LOG_WARN, "exited", L_STR("process", e->def->name),
	    L_INT("pid", e->pid), L_INT("of", e->generation), L_STR("how", how),
	    L_INT("code", code), L_INT("ready_ms", ran_us / MS));
}

static void
keep_end(struct entry *e, bool known, int status)
{
	enum contract_end seen = !known ? END_UNKNOWN : WIFSIGNALED(status) ? END_SIGNAL : END_EXIT;

	if (e->pid == 0)
		return; /* it never came to a process */
	e->end = e->planned || !e->wanted ? END_NONE : e->blame != END_NONE ? e->blame : seen;
	e->end_code = !known                ? 0
	              : WIFSIGNALED(status) ? (uint8_t)WTERMSIG(status)
	                                    : (uint8_t)WEXITSTATUS(status);
	e->blame = END_NONE;
}
