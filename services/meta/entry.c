/* entry: see entry.h. lifecycle.c says what an event means, this file does it: signals, limits of
 * time, and of what a process takes. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include "base/log_file.h"
#include "meta/entry_inside.h"
#include "meta/limit.h"
#include "meta/runfile.h"

#define KILL_AGAIN   (1 * SEC)
#define LAST_WORDS   (500 * MS) /* a backtrace takes some ms */
#define RENEW_READY  (5 * SEC)  /* a renewed node not READY by then is waited for no longer */
#define RENEW_PROVED (10 * SEC) /* READY for so long: it is as good as the one before */
#define STOPPED_LOOK (500 * MS) /* a server's beat: is it held by a stop signal? */

static int64_t limit_of(const struct entry *e, enum contract_state s);
static void act(struct entry *e, enum lifecycle_action action);
static void kill_talking(struct entry *e);
static void say_killed(const struct entry *e);
static void send_signal(struct entry *e, int sig);
static bool settled(struct entry *e);
static void tick_hung(struct entry *e);
static void tick_limits(struct entry *e);

void
entry_init(struct entry *e, struct supervisor *s, int slot, const struct super_note *memo)
{
	const struct fleet_entry *def = &fleet_table[slot];

	*e = (struct entry){ .sup = s,
		.def = def,
		.slot = slot,
		.state = NODE_STOPPED,
		.image = -1,
		.pidfd = -1,
		.wanted = conf_has(entry_host(s)->settings, slot),
		.since_us = entry_host(s)->now };
	if (memo->kind == 0)
		return;
	e->wanted = memo->wanted;
	e->exits = memo->exits;
	e->end = (enum contract_end)memo->end;
	e->end_code = memo->end_code;
	e->end_generation = memo->end_generation;
	e->restart = memo->restart;
	e->generation = memo->generation;
	if (memo->state == NODE_FAILED || memo->state == NODE_BACKOFF)
		e->state = memo->state;
	e->due_us = memo->due_us;
}

void
entry_event(struct entry *e, enum lifecycle_event ev)
{
	enum contract_state next, was = e->state;
	enum lifecycle_action action;

	if (!lifecycle_step(e->state, ev, &next, &action))
		return;
	if (ev == EV_HEAVY)
		e->blame = END_MEMORY;
	else if (e->blame == END_NONE && (ev == EV_HUNG || ev == EV_LATE))
		e->blame = ev == EV_HUNG ? END_HUNG : END_LATE;
	SAY(LOG_INFO, "state", L_STR("process", e->def->name),
	    L_STR("on", lifecycle_event_name(ev)), L_STR("from", contract_state_name(was)),
	    L_STR("to", contract_state_name(next)), L_INT("pid", e->pid),
	    L_INT("of", e->generation));
	if (next != was || action == ACT_SPAWN)
		entry_enter(e, next);
	if (ev == EV_RESTART)
		e->planned = next == NODE_DRAINING;
	if (next == NODE_READY && e->hup) {
		e->hup = false;
		send_signal(e, SIGHUP);
	}
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
		entry_starting(e);
	if (e->state == NODE_READY && !e->went_back && now - e->ready_us >= RENEW_PROVED)
		entry_forget_image(e);
	if (e->state == NODE_READY || e->state == NODE_DRAINING)
		tick_hung(e);
	if (e->pid != 0 && now >= e->look_us)
		tick_limits(e);
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
	if (e->pid != 0)
		at = e->look_us < at ? e->look_us : at;
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

void
entry_enter(struct entry *e, enum contract_state next)
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

static int64_t
limit_of(const struct entry *e, enum contract_state s)
{
	const struct supervise *of = &entry_host(e->sup)->settings->of[e->slot];

	if (s == NODE_STARTING && e->image >= 0 && !e->went_back &&
	    of->ready_limit_us > RENEW_READY)
		return RENEW_READY;
	if (s == NODE_STARTING)
		return e->def->ready_limit_us != 0 ? e->def->ready_limit_us : of->ready_limit_us;
	if (s == NODE_DRAINING || s == NODE_STOPPING)
		return e->def->kill_after_us != 0 ? e->def->kill_after_us : of->kill_after_us;
	return 0;
}

static void
act(struct entry *e, enum lifecycle_action action)
{
	switch (action) {
	case ACT_NONE:
		break;
	case ACT_SPAWN:
		entry_attempt(e);
		break;
	case ACT_TERM:
		if (e->pid == 0)
			entry_exited(e, false, 0);
		else
			send_signal(e, e->def->term_signal);
		break;
	case ACT_ABORT:
		kill_talking(e);
		break;
	case ACT_KILL:
		say_killed(e);
		e->late_us = entry_host(e->sup)->now + KILL_AGAIN;
		if (e->pid == 0)
			entry_exited(e, false, 0);
		else
			send_signal(e, e->def->kill_signal);
		break;
	case ACT_ANNOUNCE:
		SAY(LOG_ERROR, "given_up", L_STR("process", e->def->name),
		    L_INT("restarts", e->restart.n),
		    L_INT("window_ms",
			entry_host(e->sup)->settings->of[e->slot].restart_window_us / MS),
		    L_STR("then", "it stays down until it is started by hand"));
		break;
	}
}

/* A node writes down where it is when SIGABRT comes (node/crash.h); SIGKILL follows when it is still
 * there after a moment. One that a signal holds would have to run on for that, and that is not for us
 * to decide. */
static void
kill_talking(struct entry *e)
{
	bool stopped = false;

	if (e->def->store || e->pid == 0 || proc_start_ticks(e->pid, &stopped) == 0 || stopped) {
		act(e, ACT_KILL);
		return;
	}
	say_killed(e);
	e->late_us = entry_host(e->sup)->now + LAST_WORDS;
	send_signal(e, SIGABRT);
}

static void
say_killed(const struct entry *e)
{
	SAY(LOG_WARN, "killed", L_STR("process", e->def->name), L_INT("pid", e->pid),
	    L_INT("of", e->generation), L_STR("why", contract_end_name(e->blame)),
	    L_INT("silent_ms", (entry_host(e->sup)->now - e->beat_us) / MS));
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
	uint32_t after = entry_host(e->sup)->settings->after[e->slot];

	if (entry_host(e->sup)->now >= entry_host(e->sup)->settle_us)
		return true;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		const struct entry *o = entry_at(e->sup, i);

		if ((after & SLOT_BIT(i)) != 0 && o->wanted && o->state != NODE_READY &&
		    o->state != NODE_DRAINING && o->state != NODE_FAILED)
			return false;
	}
	return true;
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

/* What it takes, against what it may. Renewing it is for whoever sees whether the moment is good: the
 * orchestrator, who is told. */
static void
tick_limits(struct entry *e)
{
	struct entry_host *h = entry_host(e->sup);
	struct limit_use use = { .age_us = h->now - e->born_us };
	enum contract_due due;

	e->look_us = h->now + LIMITS_LOOK;
	if (e->def->store) { /* it takes what its own settings say; its log is ours */
		log_file_trim(conf_path(h->settings, "log/%s.log", e->def->name),
		    h->settings->log_file_bytes);
		return;
	}
	if (!limit_look(e->pid, &use))
		return;
	if (limit_exceeded(&h->settings->of[e->slot], &use)) {
		SAY(LOG_ERROR, "memory_max", L_STR("process", e->def->name), L_INT("pid", e->pid),
		    L_INT("of", e->generation), L_INT("rss", use.rss));
		entry_event(e, EV_HEAVY);
		return;
	}
	due = limit_due(&h->settings->of[e->slot], &use, e->generation * FLEET_SLOTS + e->slot);
	if (due == e->due)
		return;
	e->due = due;
	SAY(LOG_INFO, "renewal_due", L_STR("process", e->def->name),
	    L_STR("why", contract_due_name(due)), L_INT("rss", use.rss), L_INT("files", use.files),
	    L_INT("age_s", use.age_us / SEC));
	supervisor_tell(e->sup, e);
}
