/* supervisor: see supervisor.h. One epoll loop; each turn reads what there is, then lets time act
 * on every entry.
 *
 * Order of a turn matters: records are read before silence is judged, so that a supervisor that was
 * itself held up never takes its own pause for a node's. */
#include "meta/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/leave.h"
#include "base/log.h"
#include "base/log_file.h"
#include "base/time.h"
#include "meta/entry.h"
#include "meta/holdings.h"
#include "meta/runfile.h"
#include "meta/conf.h"
#include "node/crash.h"

#define EVENTS    64
#define SETTLE    (5 * SEC) /* the longest that anybody waits for what he starts after */
#define REFRESH   (1 * SEC) /* all reports and notes again */
#define OWN_PAUSE (1 * SEC) /* a turn that comes so late says something of us, not of the nodes */

enum source { SRC_SIGNAL = 1, SRC_WORDS, SRC_COMMANDS, SRC_STATUS, SRC_PROCESS };

struct supervisor {
	struct entry_host host;
	const struct super_start *start;
	struct entry entries[FLEET_SLOTS];
	int epoll, signals;
	bool stopping, guard_gone;
	int64_t refresh_us, beat_us;
};

static void prepare(struct supervisor *s, const struct super_start *start);
static void watch_fd(struct supervisor *s, int fd, enum source src, int slot);
static void turn(struct supervisor *s);
static void on_source(struct supervisor *s, enum source src, int slot);
static void on_signal(struct supervisor *s);
static void on_words(struct supervisor *s);
static void on_commands(struct supervisor *s, int slot);
static void command(struct supervisor *s, const struct contract_command *c);
static void on_status(struct supervisor *s, int slot);
static void on_process(struct supervisor *s, int slot);
static void stop_fleet(struct supervisor *s, const char *why);
static void stop_ranks(struct supervisor *s);
static void hurry(struct supervisor *s);
static bool all_down(const struct supervisor *s);
static void reload_all(struct supervisor *s);
static void beat(struct supervisor *s);
static void refresh(struct supervisor *s);
static void note(struct supervisor *s, const struct super_note *n);
static void report(struct supervisor *s, const struct contract_report *r);
static void report_apart(struct supervisor *s, const char *name, pid_t pid, uint64_t generation);
static int wait_ms(const struct supervisor *s);

void
supervisor_run(const struct super_start *start)
{
	static struct supervisor s; /* too large for a stack, one per process */

	prepare(&s, start);
	for (int i = 0; i < FLEET_SLOTS; i++)
		entry_init(&s.entries[i], &s, i, &start->memo[i]);
	for (int i = 0; i < FLEET_SLOTS; i++)
		entry_find(&s.entries[i], &start->memo[i]);
	refresh(&s);
	if (start->stopping)
		stop_fleet(&s, "the supervisor before this one was stopping it");
	while (!s.stopping || !all_down(&s))
		turn(&s);
	log_info("fleet_stopped");
	crash_end();
	leave_now(0);
}

struct entry_host *
entry_host(struct supervisor *s)
{
	return &s->host;
}

struct entry *
entry_at(struct supervisor *s, int slot)
{
	return &s->entries[slot];
}

void
supervisor_tell(struct supervisor *s, const struct entry *e)
{
	const struct restart_policy policy = conf_policy(s->host.settings, e->slot);
	uint64_t back = e->generation - e->end_generation;
	struct contract_report r = { .pid = e->pid,
		.restarts = restart_count(&policy, &e->restart, s->host.now),
		.generation = e->generation,
		.state = e->state,
		.wanted = e->wanted ? NODE_READY : NODE_STOPPED,
		.load = e->load,
		.end = (uint8_t)e->end,
		.end_code = e->end_code,
		.end_back = (uint8_t)(back < UINT8_MAX ? back : UINT8_MAX),
		.due = (uint8_t)e->due,
		.exits = e->exits,
		.since_us = e->born_us,
		.next_us = e->state == NODE_BACKOFF ? e->due_us : 0 };
	struct super_note n = { .kind = NOTE_SLOT,
		.supervisor = getpid(),
		.slot = e->slot,
		.pid = e->pid,
		.state = e->state,
		.wanted = e->wanted,
		.planned = e->planned,
		.hup = e->hup,
		.end = (uint8_t)e->end,
		.end_code = e->end_code,
		.exits = e->exits,
		.generation = e->generation,
		.end_generation = e->end_generation,
		.ready_us = e->ready_us,
		.due_us = e->due_us,
		.restart = e->restart };

	note(s, &n);
	if (!conf_has(s->host.settings, e->slot) && e->state == NODE_STOPPED)
		return;
	snprintf(r.node, sizeof(r.node), "%s", e->def->name);
	report(s, &r);
}

void
supervisor_watch(struct supervisor *s, struct entry *e)
{
	watch_fd(s, e->pidfd, SRC_PROCESS, e->slot);
	if (e->def->orders)
		s->refresh_us = 0; /* a new orchestrator gets the whole table */
}

/* Closing is not enough: a child between fork and exec still has a copy, and the events would go
 * on. */
void
supervisor_unwatch(struct supervisor *s, struct entry *e)
{
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
}

/* Reports that nobody read were meant for the orchestrator before. */
void
supervisor_spawning(struct supervisor *s, const struct entry *e)
{
	struct contract_report old[EVENTS];

	if (!e->def->orders)
		return;
	while (read(s->host.holdings->slot[e->slot].reports_r, old, sizeof(old)) > 0)
		;
}

static void
prepare(struct supervisor *s, const struct super_start *start)
{
	enum log_level level = LOG_INFO;
	sigset_t mask;
	int fd;

	setsid();
	prctl(PR_SET_NAME, "metafed-superv");
	*s = (struct supervisor){ .start = start,
		.host = { .settings = start->settings,
		    .holdings = start->holdings,
		    .now = time_now_us() } };
	fd = start->settings->log_stderr ? -1 : log_file_open(start->settings->var, "supervisor");
	fd = fd < 0 ? STDERR_FILENO : held_high(fd);
	log_init("supervisor", start->generation, fd);
	log_file_use(fd, start->settings->var, "supervisor", start->settings->log_file_bytes,
	    start->settings->log_budget);
	log_level_from_name(start->settings->log_level, &level);
	log_set_level(level);
	rng_seed(&s->host.rng, id_random_u64());
	s->host.settle_us = s->host.now + SETTLE;
	crash_start(&(const struct crash_opts){
	    .var = start->settings->var, .node = "supervisor", .generation = start->generation });
	if (!runfile_enter(start->run_fd, start->generation))
		log_error("run_file", L_STR("error", strerror(errno)));
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	s->signals = held_high(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
	s->epoll = held_high(epoll_create1(EPOLL_CLOEXEC));
	watch_fd(s, s->signals, SRC_SIGNAL, 0);
	watch_fd(s, start->words_r, SRC_WORDS, 0);
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (start->holdings->slot[i].status_r >= 0)
			watch_fd(s, start->holdings->slot[i].status_r, SRC_STATUS, i);
		if (start->holdings->slot[i].commands_r >= 0)
			watch_fd(s, start->holdings->slot[i].commands_r, SRC_COMMANDS, i);
	}
	log_info("supervising", L_INT("pid", getpid()), L_INT("guard", start->guard));
}

static void
watch_fd(struct supervisor *s, int fd, enum source src, int slot)
{
	struct epoll_event ev = { .events = EPOLLIN,
		.data.u64 = (uint64_t)src << 32 | (uint32_t)slot };

	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		fatal("epoll: %s", strerror(errno));
}

static void
turn(struct supervisor *s)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(s->epoll, ev, EVENTS, wait_ms(s));
	int64_t before = s->host.now;

	s->host.now = time_now_us();
	for (int i = 0; i < n; i++)
		on_source(
		    s, (enum source)(ev[i].data.u64 >> 32), (int)(ev[i].data.u64 & UINT32_MAX));
	if (s->host.now - before > OWN_PAUSE) {
		for (int i = 0; i < FLEET_SLOTS; i++)
			s->entries[i].beat_us = s->host.now;
	}
	if (s->stopping)
		stop_ranks(s);
	for (int i = 0; i < FLEET_SLOTS; i++)
		entry_tick(&s->entries[i]);
	if (s->host.now >= s->refresh_us)
		refresh(s);
	if (s->host.now >= s->beat_us)
		beat(s);
}

static void
on_source(struct supervisor *s, enum source src, int slot)
{
	switch (src) {
	case SRC_SIGNAL:
		on_signal(s);
		break;
	case SRC_WORDS:
		on_words(s);
		break;
	case SRC_COMMANDS:
		on_commands(s, slot);
		break;
	case SRC_STATUS:
		on_status(s, slot);
		break;
	case SRC_PROCESS:
		on_process(s, slot);
		break;
	}
}

static void
on_signal(struct supervisor *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGHUP && !s->guard_gone)
			kill(s->start->guard,
			    SIGHUP); /* our parent: it checks before anybody reads */
		else if (si.ssi_signo == SIGHUP)
			log_error(
			    "reload_refused", L_STR("error", "the guard, who checks, is gone"));
		else if (s->stopping)
			hurry(s);
		else
			stop_fleet(s, "signal");
	}
}

/* End of file: the guard is gone. The fleet does not need it: a new start brings a new one. */
static void
on_words(struct supervisor *s)
{
	struct guard_word w;
	ssize_t n;

	while ((n = read(s->start->words_r, &w, sizeof(w))) == (ssize_t)sizeof(w)) {
		switch (w.kind) {
		case WORD_EXITED:
			log_info("reaped", L_INT("pid", w.pid),
			    L_STR("how", WIFSIGNALED(w.status) ? "signal" : "exit"),
			    L_INT("code", WIFSIGNALED(w.status) ? WTERMSIG(w.status)
								: WEXITSTATUS(w.status)));
			break;
		case WORD_STOP:
			stop_fleet(s, "guard");
			break;
		case WORD_HURRY:
			stop_fleet(s, "guard");
			hurry(s);
			break;
		case WORD_RELOAD:
			reload_all(s);
			break;
		default:
			break;
		}
	}
	if (n == 0 && !s->guard_gone) {
		s->guard_gone = true;
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->start->words_r, NULL);
		log_warn("guard_gone",
		    L_STR("then", "the fleet runs on; start metafed again for a new guard"));
	}
}

static void
on_commands(struct supervisor *s, int slot)
{
	struct contract_command c;

	while (read(s->host.holdings->slot[slot].commands_r, &c, sizeof(c)) == (ssize_t)sizeof(c)) {
		c.node[sizeof(c.node) - 1] = '\0';
		command(s, &c);
	}
}

static void
command(struct supervisor *s, const struct contract_command *c)
{
	int slot = fleet_find(c->node);
	struct entry *e = slot < 0 ? NULL : &s->entries[slot];

	if (c->verb == VERB_STOP_FLEET) {
		stop_fleet(s, "command");
		return;
	}
	if (c->verb == VERB_RENEW && strcmp(c->node, "guard") == 0) {
		const struct super_note n = { .kind = NOTE_RENEW, .supervisor = getpid() };

		log_info("command", L_INT("verb", c->verb), L_STR("process", c->node));
		note(s, &n);
		return;
	}
	if (e == NULL || s->stopping || !conf_has(s->host.settings, slot)) {
		log_warn("command_ignored", L_INT("verb", c->verb), L_STR("process", c->node));
		return;
	}
	log_info("command", L_INT("verb", c->verb), L_STR("process", c->node));
	if (c->verb == VERB_START || c->verb == VERB_RESTART || c->verb == VERB_RENEW) {
		/* it goes because it was asked to: how it ends decides nothing any more */
		if (!e->wanted && e->state == NODE_STOPPING)
			e->planned = true;
		e->wanted = true;
		if (!lifecycle_running(e->state))
			e->restart =
			    (struct restart_state){ 0 }; /* the operator has looked at it */
		/* whatever its state makes of the order: the next supervisor must know */
		supervisor_tell(s, e);
		if (c->verb == VERB_RENEW) {
			entry_renew(e);
			return;
		}
		entry_forget_image(e);
		entry_event(e, c->verb == VERB_START ? EV_START : EV_RESTART);
	} else if (c->verb == VERB_STOP) {
		e->wanted = false;
		supervisor_tell(s, e);
		entry_event(e, EV_STOP);
	} else if (c->verb == VERB_KILL && e->pid != 0) {
		pidfd_send_signal(e->pidfd, SIGKILL, NULL, 0);
	}
}

static void
on_status(struct supervisor *s, int slot)
{
	struct contract_status r[EVENTS];
	ssize_t n;

	while ((n = read(s->host.holdings->slot[slot].status_r, r, sizeof(r))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(r[0]); i++)
			entry_status(&s->entries[slot], &r[i]);
	}
}

/* An event may be of a process that was replaced meanwhile: what counts is the descriptor of now.
 */
static void
on_process(struct supervisor *s, int slot)
{
	struct entry *e = &s->entries[slot];
	struct pollfd p = { .fd = e->pidfd, .events = POLLIN };
	siginfo_t si = { .si_pid = 0 };
	int status = 0;
	bool known;

	if (e->pidfd < 0 || poll(&p, 1, 0) != 1)
		return;
	on_status(s, slot); /* its last words: it may have been READY */
	known = waitid(P_PIDFD, (id_t)e->pidfd, &si, WEXITED | WNOHANG) == 0 && si.si_pid != 0;
	if (known)
		status =
		    si.si_code == CLD_EXITED ? (si.si_status & 0xff) << 8 : si.si_status & 0x7f;
	entry_exited(e, known, status);
}

static void
stop_fleet(struct supervisor *s, const char *why)
{
	struct super_note n = { .kind = NOTE_STOPPING, .supervisor = getpid() };

	if (!s->stopping)
		log_info("stopping", L_STR("why", why));
	s->stopping = true;
	note(s, &n);
}

/* Whoever is nearer to the client goes first; the next rank follows when nobody of this one is
 * left. */
static void
stop_ranks(struct supervisor *s)
{
	unsigned rank = 0;
	bool busy = false;

	for (; rank < FLEET_STOP_RANKS && !busy; rank++) {
		for (int i = 0; i < FLEET_SLOTS; i++) {
			struct entry *e = &s->entries[i];

			if (e->def->stop_rank != rank)
				continue;
			e->wanted = false;
			entry_event(e, EV_STOP);
			busy |= lifecycle_running(e->state);
		}
	}
}

static bool
all_down(const struct supervisor *s)
{
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (s->entries[i].state != NODE_STOPPED)
			return false;
	}
	return true;
}

static void
hurry(struct supervisor *s)
{
	log_warn("hurrying", L_STR("then", "whoever is left is killed"));
	for (int i = 0; i < FLEET_SLOTS; i++)
		entry_hurry(&s->entries[i]);
}

/* Who is STARTING may not take it yet, and may have read the file before. */
static void
reload_all(struct supervisor *s)
{
	for (int i = 0; i < FLEET_SLOTS; i++) {
		struct entry *e = &s->entries[i];

		if (e->pid == 0 || e->def->store)
			continue;
		if (e->state == NODE_STARTING) {
			e->hup = true;
			supervisor_tell(s, e);
		} else {
			pidfd_send_signal(e->pidfd, SIGHUP, NULL, 0);
		}
	}
}

static void
beat(struct supervisor *s)
{
	struct super_note n = { .kind = NOTE_BEAT, .supervisor = getpid() };

	note(s, &n);
	s->beat_us = s->host.now + SUPER_BEAT_US;
}

static void
refresh(struct supervisor *s)
{
	for (int i = 0; i < FLEET_SLOTS; i++)
		supervisor_tell(s, &s->entries[i]);
	report_apart(s, "guard", s->guard_gone ? 0 : s->start->guard, s->start->guard_generation);
	report_apart(s, "supervisor", getpid(), s->start->generation);
	s->refresh_us = s->host.now + REFRESH;
}

/* A guard that does not read for a while gets the rest with the next refresh. */
static void
note(struct supervisor *s, const struct super_note *n)
{
	if (write(s->start->notes_w, n, sizeof(*n)) < 0 && errno != EAGAIN && errno != EPIPE)
		log_warn("note", L_STR("error", strerror(errno)));
}

static void
report(struct supervisor *s, const struct contract_report *r)
{
	for (int i = 0; i < FLEET_SLOTS; i++)
		if (fleet_table[i].orders && s->entries[i].pid != 0 &&
		    write(s->host.holdings->slot[i].reports_w, r, sizeof(*r)) < 0 &&
		    errno != EAGAIN && errno != EPIPE)
			log_warn("report", L_STR("error", strerror(errno)));
}

static void
report_apart(struct supervisor *s, const char *name, pid_t pid, uint64_t generation)
{
	struct contract_report r = { .pid = pid,
		.generation = generation,
		.state = pid == 0 ? NODE_STOPPED : NODE_READY,
		.wanted = NODE_READY };

	snprintf(r.node, sizeof(r.node), "%s", name);
	if (pid != 0)
		r.since_us = proc_start_us(proc_start_ticks(pid, NULL));
	report(s, &r);
}

static int
wait_ms(const struct supervisor *s)
{
	int64_t at = s->beat_us < s->refresh_us ? s->beat_us : s->refresh_us;

	for (int i = 0; i < FLEET_SLOTS; i++) {
		int64_t next = entry_next(&s->entries[i]);

		at = next < at ? next : at;
	}
	at -= time_now_us();
	return at <= 0 ? 0 : (int)((at + MS - 1) / MS);
}
