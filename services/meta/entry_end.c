/* entry_end: what the end of an entry's process means: for itself (again, later, never), for those
 * that start after it, and what is told of it. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "meta/entry_inside.h"
#include "node/crash.h"

static enum lifecycle_event after_exit(struct entry *e, bool well, int64_t ran_us);
static bool is_last_orchestrator(const struct entry *e);
static void restart_rest(struct entry *e);
static void log_exit(const struct entry *e, bool known, int status, int64_t ran_us);
static void keep_end(struct entry *e, bool known, int status);

void
entry_exited(struct entry *e, bool known, int status)
{
	struct entry_host *h = entry_host(e->sup);
	int64_t ran = e->ready_us == 0 ? 0 : h->now - e->ready_us;
	bool asked = e->planned || !e->wanted, well = known && status == 0;
	bool back = !asked && e->image >= 0 && !e->went_back;
	enum lifecycle_event ev;

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
	e->hup = false; /* the next one reads what there is then */
	e->due = DUE_NOT;
	ev = !e->wanted           ? EV_EXIT_DOWN
	     : e->planned || back ? EV_EXIT_NOW
	                          : after_exit(e, well, ran);
	e->planned = false;
	if (back)
		entry_go_back(e);
	entry_event(e, ev);
	if (!asked && !back && !well && e->end != END_NONE)
		restart_rest(e);
}

/* It ended by itself. */
static enum lifecycle_event
after_exit(struct entry *e, bool well, int64_t ran_us)
{
	struct entry_host *h = entry_host(e->sup);
	const struct restart_policy p = conf_policy(h->settings, e->slot);

	switch (restart_next(
	    &p, &e->restart, h->now, ran_us, well, (uint32_t)rng_next(&h->rng), &e->due_us)) {
	case RESTART_NOW:
		return EV_EXIT_NOW;
	case RESTART_LATER:
		return EV_EXIT_LATER;
	case RESTART_DONE:
		e->wanted = false;
		return EV_EXIT_DOWN;
	case RESTART_NEVER:
		break;
	}
	if (p.kind == RESTART_TEMPORARY || !is_last_orchestrator(e))
		return EV_EXIT_NEVER;
	e->due_us = h->now + p.cap_us;
	return EV_EXIT_LATER;
}

/* Who is given up stays down until somebody says so to the orchestrator: the last one of these is tried
 * for ever. */
static bool
is_last_orchestrator(const struct entry *e)
{
	for (int i = 0; i < FLEET_SLOTS && e->def->orders; i++) {
		const struct entry *o = entry_at(e->sup, i);

		if (o != e && o->def->orders && o->wanted && o->state != NODE_FAILED)
			return false;
	}
	return e->def->orders;
}

/* rest_for_one: whoever starts after it leaned on what is gone, and begins anew as well. In good
 * order: they drain. */
static void
restart_rest(struct entry *e)
{
	const struct conf *s = entry_host(e->sup)->settings;

	if (strcmp(s->of[e->slot].strategy, "rest_for_one") != 0)
		return;
	for (int i = 0; i < FLEET_SLOTS; i++) {
		struct entry *o = entry_at(e->sup, i);

		if ((s->after[i] & SLOT_BIT(e->slot)) == 0 || !lifecycle_running(o->state))
			continue;
		SAY(LOG_INFO, "restarted_with", L_STR("process", o->def->name),
		    L_STR("of", e->def->name));
		entry_event(o, EV_RESTART);
	}
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
	char left[CRASH_PATH];

	if (e->pid == 0)
		return; /* it never came to a process */
	e->end_generation = e->generation;
	e->end = e->planned || !e->wanted ? END_NONE : e->blame != END_NONE ? e->blame : seen;
	e->end_code = !known                ? 0
	              : WIFSIGNALED(status) ? (uint8_t)WTERMSIG(status)
	                                    : (uint8_t)WEXITSTATUS(status);
	e->blame = END_NONE;
	if (e->end == END_NONE && !e->def->store) { /* asked to: what it has left tells nothing */
		crash_path(entry_host(e->sup)->settings->var, e->def->name, e->generation, left);
		unlink(left);
	}
}
