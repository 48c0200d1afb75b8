/* guard: see guard.h. It can be killed, too: the supervisor goes on, and the next start makes a guard
 * that adopts (takeover.c). It execs itself for one reason only: to become its next version in place
 * (renew.c). A second guard that takes everything over from this one would be another process, and
 * whoever started us (a shell, systemd, a container) knows this one. */
#include "meta/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "meta/begin.h"
#include "meta/check.h"
#include "meta/handover.h"
#include "meta/holdings.h"
#include "meta/lifecycle.h"
#include "meta/reload.h"
#include "meta/renew.h"
#include "meta/manager.h"
#include "meta/runfile.h"
#include "meta/conf.h"
#include "meta/stop.h"
#include "meta/supervisor.h"

#define SHORT_LIFE (1 * SEC)  /* a supervisor that died younger is not started again at once ... */
#define SHORT_WAIT (100 * MS) /* ... but after this */
#define OWN_PAUSE  (1 * SEC)
#define WAIT_MOST  (1 * SEC) /* so that a pause of ours shows in time */
#define LOCK_AGAIN                                                                                 \
	(5 * MS) /* a child of the dead one is between fork and exec and still has its lock */
#define DEATH_LIMIT_MS 2000 /* after SIGKILL; beyond it its lock still keeps the next one waiting */

struct guard {
	const struct conf *settings;
	struct holdings holdings;
	struct super_start start; /* with the last note of each slot */
	struct reload reload;
	struct renew renew;
	int lock, notes_r, words_w, signals;
	pid_t super; /* 0: none */
	int64_t now, born_us, super_born_us, super_beat_us, super_due_us;
	bool stopping, hurry;
	bool renewing; /* an image gives way to the next: who asks for that has been heard */
	int news;
	struct manager manager;
};

static void loop(struct guard *g) __attribute__((noreturn));
static void await_turn(struct guard *g);
static void prepare(struct guard *g, const struct conf *s, int news, int given);
static void set_up(struct guard *g);
static void end_old_supervisor(struct guard *g, const struct handover *o);
static void on_unknown_variable(const char *name, const char *meant);
static void make_channels(struct guard *g);
static void start_supervisor(struct guard *g);
static void on_signals(struct guard *g);
static void reap(struct guard *g);
static void reload_nodes(struct guard *g);
static void ask_renewal(struct guard *g);
static void renew(struct guard *g, int status);
static void leave_behind(const struct guard *g, struct handover *o);
static void supervisor_died(struct guard *g, int status);
static void finish(struct guard *g) __attribute__((noreturn));
static void on_notes(struct guard *g);
static void tell_news(struct guard *g);
static void tell_manager(struct guard *g);
static void send_news(struct guard *g, enum news_kind kind, int slot);
static void word(struct guard *g, enum word_kind kind, pid_t pid, int status);
static int wait_ms(const struct guard *g);

void
guard_run(const struct conf *s, int news, int given)
{
	static struct guard g;

	prepare(&g, s, news, given);
	loop(&g);
}

void
guard_resume(const struct conf *s, int fd)
{
	static struct guard g;
	static struct handover o;
	char err[256];

	g = (struct guard){ .settings = s, .news = -1, .renewing = true };
	if (!handover_read(fd, &o, &g.holdings, err, sizeof(err)))
		fatal("%s", err);
	handover_keep(fd, &o, &g.holdings, false);
	close(fd);
	umask(027);
	g.lock = o.lock;
	g.stopping = o.stopping;
	g.hurry = o.hurry;
	g.start.guard_generation = o.guard_generation;
	memcpy(g.start.memo, o.memo, sizeof(g.start.memo));
	guard_open_log(s, o.guard_generation, false);
	log_take_over();
	holdings_complete(&g.holdings, s);
	end_old_supervisor(&g, &o);
	set_up(&g);
	g.renewing = false;
	log_info("renewed", L_STR("version", METAFED_VERSION), L_INT("pid", getpid()));
	loop(&g);
}

static void
loop(struct guard *g)
{
	for (;;) {
		if (g->super == 0 && g->now >= g->super_due_us)
			start_supervisor(g);
		await_turn(g);
		on_notes(g);
		on_signals(g);
		checker_read(&g->reload.check);
		checker_tick(&g->reload.check, g->now);
		checker_read(&g->renew.check);
		checker_tick(&g->renew.check, g->now);
		tell_news(g);
		tell_manager(g);
		manager_alive(&g->manager, g->now);
		if (g->super != 0 && g->now - g->super_beat_us > SUPER_HUNG_US) {
			log_error("supervisor_hung", L_INT("pid", g->super));
			kill(g->super, SIGKILL); /* our child, not reaped yet: the pid is its own */
			g->super_beat_us = g->now;
		}
	}
}

/* A turn that comes late says something of us: on a host that froze the supervisor froze, too. */
static void
await_turn(struct guard *g)
{
	struct pollfd p[] = { { .fd = g->signals, .events = POLLIN },
		{ .fd = g->notes_r, .events = POLLIN },
		{ .fd = g->reload.check.out, .events = POLLIN },
		{ .fd = g->renew.check.out, .events = POLLIN } };
	int ms = wait_ms(g);
	int64_t due = time_now_us() + ms * MS;

	poll(p, 4, ms);
	g->now = time_now_us();
	if (g->now - due > OWN_PAUSE)
		g->super_beat_us = g->now;
}

static void
prepare(struct guard *g, const struct conf *s, int news, int given)
{
	*g = (struct guard){ .settings = s, .news = news };
	g->lock = guard_begin(s, &g->holdings, news >= 0, given, &g->start.guard_generation);
	check_variables(s, on_unknown_variable);
	set_up(g);
}

static void
set_up(struct guard *g)
{
	sigset_t mask;

	prctl(PR_SET_NAME, "metafed-guard");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		log_warn("no_subreaper", L_STR("error", strerror(errno)));
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	g->signals = held_high(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
	make_channels(g);
	reload_init(&g->reload, g->settings);
	renew_init(&g->renew, g->settings);
	manager_init(&g->manager);
	g->start.settings = g->settings;
	g->start.holdings = &g->holdings;
	g->start.guard = getpid();
	g->now = g->born_us = time_now_us();
}

/* It is an image of before, whose records may be other ones: the next gets new pipes. What it still said
 * counts. */
static void
end_old_supervisor(struct guard *g, const struct handover *o)
{
	struct pollfd p = { .events = POLLIN };
	int status = -1;

	g->notes_r = o->notes_r;
	g->super = o->supervisor;
	if (g->super != 0 && (p.fd = pidfd_open(g->super, 0)) >= 0) {
		kill(g->super, SIGKILL); /* our child, not reaped yet: the pid is its own */
		poll(&p, 1, DEATH_LIMIT_MS);
		close(p.fd);
		waitpid(g->super, &status, WNOHANG);
	}
	if (!o->notes_differ)
		on_notes(g);
	close(o->notes_r);
	close(o->words_w);
	if (g->super != 0 && status == 0)
		finish(g); /* it had stopped the fleet by itself just then */
	log_info("supervisor_relieved", L_INT("pid", g->super));
	g->super = 0;
}

static void
on_unknown_variable(const char *name, const char *meant)
{
	log_warn("unknown_variable", L_STR("name", name), L_STR("meant", meant));
}

static void
make_channels(struct guard *g)
{
	int notes[2], words[2];

	if (pipe2(notes, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0)
		fatal("descriptors: %s; raise `ulimit -n`", strerror(errno));
	g->notes_r = held_high(notes[0]);
	g->start.notes_w = held_high(notes[1]);
	g->start.words_r = held_high(words[0]);
	g->words_w = held_high(words[1]);
}

static void
start_supervisor(struct guard *g)
{
	int fd = runfile_claim(conf_path(g->settings, "run/supervisor.run"), &g->start.generation);

	if (fd < 0) {
		if (errno != EWOULDBLOCK)
			log_error("supervisor_lock", L_STR("error", strerror(errno)));
		g->super_due_us = g->now + LOCK_AGAIN;
		return;
	}
	g->start.run_fd = held_high(fd);
	g->start.stopping = g->stopping;
	g->super = fork();
	if (g->super == 0) {
		close(g->lock);
		close(g->notes_r);
		close(g->words_w);
		close(g->signals);
		if (g->news >= 0)
			close(g->news);
		supervisor_run(&g->start);
	}
	close(g->start.run_fd);
	g->super_born_us = g->super_beat_us = g->now;
	if (g->super < 0) {
		log_error("fork", L_STR("error", strerror(errno)));
		g->super = 0;
		g->super_due_us = g->now + SHORT_WAIT;
		return;
	}
	log_info("supervisor_started", L_INT("pid", g->super), L_INT("of", g->start.generation));
	if (g->hurry)
		word(g, WORD_HURRY, 0, 0);
}

static void
on_signals(struct guard *g)
{
	struct signalfd_siginfo si;

	while (read(g->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			break;
		case SIGHUP:
			if (reload_ask(&g->reload, g->now))
				reload_nodes(g);
			break;
		default:
			g->hurry = g->stopping; /* asked twice */
			log_info("stopping", L_BOOL("hurry", g->hurry),
			    L_INT("signal", si.ssi_signo), L_INT("from", si.ssi_pid));
			g->stopping = true;
			manager_stopping(&g->manager);
			word(g, g->hurry ? WORD_HURRY : WORD_STOP, 0, 0);
			break;
		}
	}
	reap(g);
}

/* Children of a dead supervisor are ours now (subreaper); the supervisor sees them go by their
 * pidfd, not how. */
static void
reap(struct guard *g)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == g->super)
			supervisor_died(g, status);
		else if (pid == g->renew.check.pid)
			renew(g, status);
		else if (pid != g->reload.check.pid)
			word(g, WORD_EXITED, pid, status);
		else if (reload_ended(&g->reload, status, g->now))
			reload_nodes(g);
	}
}

static void
reload_nodes(struct guard *g)
{
	log_info("reloading");
	word(g, WORD_RELOAD, 0, 0);
}

/* Not while somebody waits for the start, and not while all ends: nothing would be gained. */
static void
ask_renewal(struct guard *g)
{
	struct handover o;

	if (g->renewing)
		return;
	if (g->news >= 0 || g->stopping || g->renew.check.pid != 0) {
		log_warn("renewal_ignored", L_BOOL("stopping", g->stopping));
		return;
	}
	leave_behind(g, &o);
	renew_ask(&g->renew, &o, &g->holdings, g->now);
}

/* Signals that come meanwhile stay pending, they are blocked; so does the end of a child. */
static void
renew(struct guard *g, int status)
{
	struct handover o;

	if (!renew_ended(&g->renew, status) || g->stopping)
		return;
	if (g->reload.check.pid != 0) {
		log_warn("renewal_ignored", L_STR("why", "the configuration is being checked"));
		return;
	}
	g->renewing = true;
	on_notes(g);
	leave_behind(g, &o);
	renew_now(&g->renew, &o, &g->holdings);
	g->renewing = false;
}

static void
leave_behind(const struct guard *g, struct handover *o)
{
	*o = (struct handover){ .lock = g->lock,
		.notes_r = g->notes_r,
		.words_w = g->words_w,
		.supervisor = g->super,
		.supervisor_generation = g->start.generation,
		.guard_generation = g->start.guard_generation,
		.stopping = g->stopping,
		.hurry = g->hurry };
	memcpy(o->memo, g->start.memo, sizeof(o->memo));
}

static void
supervisor_died(struct guard *g, int status)
{
	pid_t pid = g->super;

	on_notes(g);
	g->super = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		finish(g);
	log_error("supervisor_died", L_INT("pid", pid),
	    L_STR("how", WIFSIGNALED(status) ? "signal" : "exit"),
	    L_INT("code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
	g->super_due_us = g->now - g->super_born_us >= SHORT_LIFE ? g->now : g->now + SHORT_WAIT;
}

static void
finish(struct guard *g)
{
	unsigned left = fleet_sweep(g->settings);

	if (left > 0)
		log_warn("leftovers", L_INT("processes", left));
	log_info("stopped");
	exit(0);
}

static void
on_notes(struct guard *g)
{
	struct super_note n;

	while (read(g->notes_r, &n, sizeof(n)) == (ssize_t)sizeof(n)) {
		if (n.supervisor != g->super)
			continue;
		g->super_beat_us = g->now;
		if (n.kind == NOTE_STOPPING)
			g->stopping = true;
		else if (n.kind == NOTE_RENEW)
			ask_renewal(g);
		else if (n.kind == NOTE_SLOT && n.slot >= 0 && n.slot < FLEET_SLOTS)
			g->start.memo[n.slot] = n;
	}
}

static void
tell_news(struct guard *g)
{
	int late = -1;

	if (g->news < 0)
		return;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		const struct super_note *n = &g->start.memo[i];

		if (!conf_has(g->settings, i))
			continue;
		if (n->kind != 0 && n->state == NODE_FAILED) {
			send_news(g, NEWS_FAILED, i);
			return;
		}
		if (late < 0 && (n->kind == 0 || n->state != NODE_READY))
			late = i;
	}
	if (late < 0)
		send_news(g, NEWS_READY, 0);
	else if (g->now - g->born_us >= g->settings->start_limit_us)
		send_news(g, NEWS_LATE, late);
}

/* Who started us waits until all are READY; not longer than start_limit, though: twelve that serve are
 * not ended for one that does not. */
static void
tell_manager(struct guard *g)
{
	char status[sizeof(g->manager.status)], late[64] = "";
	unsigned ready = 0, all = 0;

	if (!g->manager.notifies || g->stopping)
		return;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		const struct super_note *n = &g->start.memo[i];

		if (!conf_has(g->settings, i))
			continue;
		all++;
		if (n->kind != 0 && n->state == NODE_READY)
			ready++;
		else if (late[0] == '\0')
			snprintf(late, sizeof(late), "; %s: %s", fleet_table[i].name,
			    contract_state_name(n->kind != 0 ? n->state : NODE_STOPPED));
	}
	snprintf(status, sizeof(status), "%u of %u processes READY%s", ready, all, late);
	manager_tell(&g->manager,
	    ready == all || g->now - g->born_us >= g->settings->start_limit_us, status);
}

static void
send_news(struct guard *g, enum news_kind kind, int slot)
{
	struct guard_news n = { .kind = kind, .found = g->holdings.found };

	snprintf(n.node, sizeof(n.node), "%s", fleet_table[slot].name);
	snprintf(n.state, sizeof(n.state), "%s", contract_state_name(g->start.memo[slot].state));
	if (write(g->news, &n, sizeof(n)) < 0)
		log_info("nobody_waits", L_STR("error", strerror(errno)));
	close(g->news);
	g->news = -1;
}

static void
word(struct guard *g, enum word_kind kind, pid_t pid, int status)
{
	struct guard_word w = { .kind = kind, .pid = pid, .status = status };

	if (write(g->words_w, &w, sizeof(w)) < 0)
		log_warn("word", L_INT("kind", kind), L_STR("error", strerror(errno)));
}

static int
wait_ms(const struct guard *g)
{
	int64_t at = g->super == 0 ? g->super_due_us : g->super_beat_us + SUPER_HUNG_US + MS;

	if (g->news >= 0 && g->born_us + g->settings->start_limit_us < at)
		at = g->born_us + g->settings->start_limit_us;
	at -= time_now_us();
	if (at > WAIT_MOST)
		at = WAIT_MOST;
	return at <= 0 ? 0 : (int)((at + MS - 1) / MS);
}
