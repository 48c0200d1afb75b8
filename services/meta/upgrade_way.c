/* upgrade_way: the steps of an upgrade, driven by a timer that runs only while one does.
 *
 *	WATCH how much fails without us -- then for each step:
 *	CHECK its file -> QUIET: all others serve -> order -> BACK: it runs from the new file, READY
 *	-> PROBE: it answers us -> SETTLE: it stays, and no more fails than before -> next
 *
 * One step at a time, so there is never more than one process of the fleet away on our behalf.
 * Whatever goes wrong ends the upgrade: what is new stays new and what is old stays old, both serve. A
 * new process that dies before it has settled is replaced by the supervisor with the one before
 * (VERB_RENEW), so that the fleet serves on; we see it by the file that it runs. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/step.h"
#include "base/time.h"
#include "meta/lead.h"
#include "meta/upgrade_inside.h"
#include "node/node.h"
#include "proto/node.pb-c.h"

#define LOOK_US     (20 * MS)  /* between two looks of the timer */
#define QUIET_LIMIT (20 * SEC) /* for all others to serve */
#define BACK_LIMIT  (60 * SEC) /* drain, start, and once more from the old file */
#define APART_LIMIT (20 * SEC) /* the guard tries its new executable first */
#define PROBE_LIMIT (10 * SEC)
#define RESUME_US   (300 * MS) /* a new orchestrator hears of everybody within this */

static void enter(struct upgrader *g, enum phase p, int64_t limit_us);
static void on_resume(struct upgrader *g);
static void next(struct upgrader *g);
static void on_begun(struct upgrader *g);
static void on_checked(struct upgrade_job *j);
static void on_quiet(struct upgrader *g);
static const char *who_does_not_serve(const struct upgrader *g, const char *but);
static void order(struct upgrader *g);
static void on_back(struct upgrader *g);
static void look(struct upgrader *g);
static void on_looked(struct upgrade_job *j);
static void probe(struct upgrader *g);
static void on_info(const Mf__NodeInfo *m, void *ctx);
static void on_probed(struct call *c, const struct call_end *end, void *ctx);
static void on_settle(struct upgrader *g);
static void finish_step(struct upgrader *g);
static void fail(struct upgrader *g, const char *why);

void
upgrade_way_start(struct upgrader *g)
{
	log_info("upgrade_started", L_STR("id", g->u.id), L_INT("steps", g->u.n));
	g->settle_us = g->m->config.upgrade_settle_us;
	g->before.failed = g->m->faulted;
	g->before.all = g->m->answered;
	enter(g, WATCH, g->settle_us);
}

void
upgrade_way_resume(struct upgrader *g)
{
	enter(g, RESUME, QUIET_LIMIT);
	timer_in(&g->timer, RESUME_US);
}

void
upgrade_way_stop(struct upgrader *g)
{
	enter(g, IDLE, 0);
}

static void
enter(struct upgrader *g, enum phase p, int64_t limit_us)
{
	g->phase = p;
	g->until_us = loop_now(g->m->loop) + limit_us;
	if (p == IDLE)
		timer_stop(&g->timer);
	else
		timer_in(&g->timer, LOOK_US);
}

void
upgrade_way_on_timer(struct timer *t)
{
	struct upgrader *g = container_of(t, struct upgrader, timer);

	timer_in(t, LOOK_US);
	if (g->working)
		return;
	if (!lead_is(g->m->lead)) { /* whoever leads now has the record, and goes on */
		g->u.state = UPGRADE_NONE;
		upgrade_way_stop(g);
		return;
	}
	switch (g->phase) {
	case IDLE:
		timer_stop(t);
		break;
	case RESUME:
		on_resume(g);
		break;
	case WATCH:
		if (loop_now(g->m->loop) >= g->until_us) {
			g->before.failed = g->m->faulted - g->before.failed;
			g->before.all = g->m->answered - g->before.all;
			next(g);
		}
		break;
	case QUIET:
		on_quiet(g);
		break;
	case BACK:
		on_back(g);
		break;
	case PROBE:
		if (loop_now(g->m->loop) >= g->until_us)
			fail(g, "it is READY, but does not answer");
		else
			probe(g);
		break;
	case SETTLE:
		on_settle(g);
		break;
	}
}

/* As far as the orchestrator before came: a step that had begun may have been ordered or not, which its
 * process shows. What failed before is not known here: nothing is taken for normal. */
static void
on_resume(struct upgrader *g)
{
	struct upgrade_step *s = upgrade_next(&g->u);
	struct fleet_row *r = s == NULL ? NULL : upgrader_row(g, s->node);

	if (s != NULL && (r == NULL || r->generation == 0)) {
		if (loop_now(g->m->loop) >= g->until_us)
			fail(g, "interrupted: the supervisor does not report");
		return;
	}
	g->settle_us = g->m->config.upgrade_settle_us;
	g->begin.failed = g->m->faulted;
	g->begin.all = g->m->answered;
	if (s == NULL || s->state == UP_WAITING)
		next(g);
	else if (!upgrader_apart(s->node) && r->generation != s->generation)
		enter(g, BACK, BACK_LIMIT);
	else
		on_begun(g);
}

static void
next(struct upgrader *g)
{
	struct upgrade_step *s = upgrade_next(&g->u);

	if (s == NULL) {
		g->u.state = UPGRADE_DONE;
		g->u.ended_us = time_wall_us();
		log_info("upgrade_done", L_STR("id", g->u.id));
		upgrader_save(g, upgrade_way_stop);
		return;
	}
	s->state = UP_RUNNING;
	s->began_us = time_wall_us();
	s->generation = upgrader_row(g, s->node) != NULL ? upgrader_row(g, s->node)->generation : 0;
	g->begin.failed = g->m->faulted;
	g->begin.all = g->m->answered;
	upgrader_save(g, on_begun);
}

static void
on_begun(struct upgrader *g)
{
	struct upgrade_job *j = upgrader_job(g, UPGRADE_CHECK, on_checked, g);

	STEP("meta.upgrade.step_written");
	j->u.n = 1;
	j->u.steps[0] = *upgrade_next(&g->u);
	g->working = true;
	upgrade_job_start(node_work(g->m->node), j);
}

static void
on_checked(struct upgrade_job *j)
{
	struct upgrader *g = j->ctx;

	g->working = false;
	if (!j->good)
		fail(g, j->wrong);
	else
		enter(g, QUIET, QUIET_LIMIT);
}

static void
on_quiet(struct upgrader *g)
{
	const char *who = who_does_not_serve(g, upgrade_next(&g->u)->node);
	char why[64];

	if (who == NULL) {
		order(g);
	} else if (loop_now(g->m->loop) >= g->until_us) {
		snprintf(why, sizeof(why), "not begun, as %s does not serve", who);
		fail(g, why);
	}
}

/* Those that did not run when the upgrade was planned may be what it is for: nobody waits for them. */
static const char *
who_does_not_serve(const struct upgrader *g, const char *but)
{
	const struct {
		const char *name;
		const struct target *target;
	} domains[] = { { "api", g->m->api }, { "database", g->m->database },
		{ "auth", g->m->auth } };
	struct fleet_row *rows;
	size_t n = fleet_state_rows(g->m->fleet, &rows);

	for (size_t i = 0; i < n; i++) {
		bool counts = rows[i].level >= 0 && strcmp(rows[i].name, but) != 0;

		for (unsigned k = 0; k < g->u.n && counts; k++)
			counts = strcmp(g->u.steps[k].node, rows[i].name) != 0 ||
			         g->u.steps[k].from.id[0] != '\0' || g->u.steps[k].state == UP_DONE;
		if (counts && rows[i].state != NODE_READY)
			return rows[i].name;
		for (size_t d = 0; d < 3 && counts; d++)
			if (strcmp(rows[i].name, domains[d].name) == 0 &&
			    !target_ready(domains[d].target))
				return rows[i].name;
	}
	return NULL;
}

/* Guard and supervisor go together: what was asked of one may have renewed the other. */
static void
order(struct upgrader *g)
{
	struct upgrade_step *s = upgrade_next(&g->u);
	const char *why;

	if (upgrader_apart(s->node)) {
		enter(g, BACK, APART_LIMIT);
		g->pid = 0;
		look(g);
		return;
	}
	log_info("upgrade_step", L_STR("name", s->node), L_INT("its_generation", s->generation));
	if (fleet_state_order(g->m->fleet, s->node, VERB_RENEW, &why) != ST_OK) {
		fail(g, why);
		return;
	}
	STEP("meta.upgrade.ordered");
	enter(g, BACK, BACK_LIMIT);
}

static void
on_back(struct upgrader *g)
{
	const struct upgrade_step *s = upgrade_next(&g->u);
	const struct fleet_row *r = upgrader_row(g, s->node);
	char why[REASON_MAX + 64];

	if (upgrader_apart(s->node) && upgrader_row(g, "guard")->state != NODE_READY) {
		fail(g, "the guard is gone: start metafed again, a new one takes the fleet over "
			"from the new executable");
	} else if (upgrader_apart(s->node) && loop_now(g->m->loop) >= g->until_us) {
		fail(g, "the guard kept its executable; log/guard.log says why");
	} else if (loop_now(g->m->loop) >= g->until_us) {
		snprintf(why, sizeof(why), "it is not back, but %s%s%s",
		    contract_state_name(r->state), r->reason[0] != '\0' ? ": " : "", r->reason);
		fail(g, why);
	} else if (upgrader_apart(s->node) ||
		   (r->generation != s->generation && r->state == NODE_READY)) {
		look(g);
	} else if (r->state == NODE_FAILED && r->generation != s->generation) {
		snprintf(why, sizeof(why), "it does not start: %s", r->reason);
		fail(g, why);
	}
}

static void
look(struct upgrader *g)
{
	struct upgrade_job *j = upgrader_job(g, UPGRADE_LOOK, on_looked, g);
	const struct fleet_row *r = upgrader_row(g, upgrade_next(&g->u)->node);

	j->pids[0] = r->pid;
	g->generation = r->generation;
	g->working = true;
	upgrade_job_start(node_work(g->m->node), j);
}

static void
on_looked(struct upgrade_job *j)
{
	struct upgrader *g = j->ctx;
	struct upgrade_step *s = upgrade_next(&g->u);
	bool is_new = j->good && image_same(&j->now, &s->to);
	const char *why;

	g->working = false;
	if (is_new && (upgrader_apart(s->node) || strcmp(s->node, bus_name(g->m->bus)) == 0)) {
		g->pid = j->pids[0];
		enter(g, SETTLE, g->settle_us);
	} else if (is_new) {
		enter(g, PROBE, PROBE_LIMIT);
	} else if (upgrader_apart(s->node)) {
		if (g->pid == 0 &&
		    fleet_state_order(g->m->fleet, "guard", VERB_RENEW, &why) != ST_OK)
			fail(g, why);
		else
			STEP("meta.upgrade.guard_ordered");
		g->pid = -1; /* asked: log/guard.log has what comes of it */
	} else if (j->good && image_same(&j->now, &s->from)) {
		fail(g, "the new executable did not start, or ended at once, and the one of before "
			"runs again; its log says why");
	} else if (j->good) {
		fail(g, "it runs from another executable than was planned");
	}
}

/* It is connected and serves, as far as we can tell. */
static void
probe(struct upgrader *g)
{
	struct call *c = call_root(
	    g->m->bus, &(const struct call_opts){ .limit_us = SEC, .done = on_probed, .ctx = g });
	struct rpc *r = rpc_new(c, bus_node_target(g->m->bus, upgrade_next(&g->u)->node),
	    &(const struct rpc_opts){ .quiet = true });
	static const Mf__Empty empty = MF__EMPTY__INIT;

	g->working = true;
	mf__node__info(&r->service, &empty, on_info, c);
}

static void
on_info(const Mf__NodeInfo *m, void *ctx)
{
	struct call *c = ctx;

	if (m == NULL)
		call_fail(c, ST_UNAVAILABLE, "no answer");
	else
		call_reply(c, &m->base);
}

static void
on_probed(struct call *c, const struct call_end *end, void *ctx)
{
	struct upgrader *g = ctx;
	const Mf__NodeInfo *info = (const Mf__NodeInfo *)end->reply;

	(void)c;
	g->working = false;
	if (end->failure != NULL || info->generation != g->generation)
		return; /* again, until the limit */
	g->pid = (int32_t)info->pid;
	enter(g, SETTLE, g->settle_us);
}

static void
on_settle(struct upgrader *g)
{
	const struct upgrade_step *s = upgrade_next(&g->u);
	const struct fleet_row *r = upgrader_row(g, s->node);
	const char *who;

	if (r->pid != g->pid || r->state != NODE_READY) {
		fail(g, "it started from the new executable, but did not stay");
		return;
	}
	if (loop_now(g->m->loop) < g->until_us)
		return;
	who = who_does_not_serve(g, "");
	if (who != NULL && loop_now(g->m->loop) < g->until_us + QUIET_LIMIT)
		return;
	if (who != NULL)
		fail(g, "since it is new, another one does not serve");
	else if (upgrade_worse(g->before.failed, g->before.all, g->m->faulted - g->begin.failed,
		     g->m->answered - g->begin.all))
		fail(g, "since it is new, more requests fail than before");
	else
		finish_step(g);
}

static void
finish_step(struct upgrader *g)
{
	struct upgrade_step *s = upgrade_next(&g->u);

	s->state = UP_DONE;
	s->took_ms = (time_wall_us() - s->began_us) / MS;
	log_info("upgraded", L_STR("name", s->node), L_STR("from", s->from.id),
	    L_STR("to", s->to.id), L_INT("ms", s->took_ms));
	STEP("meta.upgrade.step_done");
	next(g);
}

static void
fail(struct upgrader *g, const char *why)
{
	upgrade_fail(&g->u, upgrade_next(&g->u), why);
	log_error("upgrade_failed", L_STR("id", g->u.id), L_STR("why", g->u.error));
	enter(g, IDLE, 0);
	upgrader_save(g, upgrade_way_stop);
}
