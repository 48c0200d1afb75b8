/* gather: see gather.h. Called by orchestrator, execute (failures of our own) and fleet_state.
 *
 * Who tells is known by its link; what it tells is bounded where it is kept. */
#include "meta/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/figures.h"
#include "meta/meta.h"
#include "meta/patterns.h"

#define EVENTS_MOST 20 /* at once; then one in a second */
#define OLD_US      (60 * SEC)

struct gather {
	struct meta *meta;
	double announcements; /* that may be made at once */
	int64_t announced_us;
	struct metric_family *failures;
	struct metric *patterns, *evicted;
};

static void on_tries(void *, const Mf__Tries *);
static void add(struct gather *, struct pattern_fact *, uint64_t);
static void announce(struct gather *, const struct pattern *, int64_t);
static bool may_announce(struct gather *, int64_t);

struct gather *
gather_new(struct meta *m)
{
	static const char *const by[] = { "at", "status", NULL };
	struct gather *g = mem_zalloc(sizeof(*g));

	g->meta = m;
	g->failures = metric_family(METRIC_COUNTER, "metafed_meta_failures_total",
	    "Failures of the fleet by where they were: tries, breakers that opened, processes "
	    "that died.",
	    by);
	g->patterns = metric_simple(
	    METRIC_GAUGE, "metafed_meta_error_patterns", "Error patterns that are kept.");
	g->evicted = metric_simple(METRIC_COUNTER, "metafed_meta_error_patterns_evicted_total",
	    "Error patterns that left for new ones.");
	bus_hear_tries(m->bus, on_tries, g);
	return g;
}

void
gather_free(struct gather **g)
{
	if (*g != NULL)
		bus_hear_tries((*g)->meta->bus, NULL, NULL);
	free(*g);
	*g = NULL;
}

void
gather_show(struct gather *g)
{
	metric_set(g->patterns, (double)g->meta->patterns->n);
	metric_set(g->evicted, (double)g->meta->patterns->evicted);
}

/* One that ran, and was neither draining nor told to stop for good, has another generation, or none: it
 * died. */
void
gather_process(
    struct meta *m, const struct fleet_row *r, enum contract_state s, uint64_t generation)
{
	bool ran = r->generation != 0 && (r->state == NODE_STARTING || r->state == NODE_READY ||
					     r->state == NODE_STOPPING);
	bool given_up = s == NODE_FAILED && r->state != NODE_FAILED;
	struct pattern_fact f = { .node = r->name,
		.method = "process",
		.cause = given_up ? "PROCESS_FAILED" : "PROCESS_DIED",
		.message =
		    r->reason[0] != '\0' ? r->reason : "the process ended, and was started again",
		.status = ST_UNAVAILABLE,
		.count = 1 };

	if (given_up || (ran && (s == NODE_BACKOFF || generation != r->generation)))
		add(m->gather, &f, (uint64_t)time_wall_us());
}

void
gather_own(struct meta *m, enum status s, const char *reason, const char *message)
{
	struct failure f = { .status = s, .reason = reason, .message = message };

	bus_tell_failure(m->bus, "Meta.Execute", &f);
}

static void
on_tries(void *ctx, const Mf__Tries *t)
{
	struct gather *g = ctx;

	figures_tries(g->meta->figures, t, loop_now(g->meta->loop));
	for (size_t i = 0; i < t->n_failures; i++) {
		const Mf__FailedTries *f = t->failures[i];
		struct pattern_fact one = { .node = f->node,
			.method = f->method,
			.cause = f->reason,
			.message = f->message,
			.status = f->code <= ST_UNAUTHENTICATED ? (enum status)f->code : ST_UNKNOWN,
			.count = f->count };

		add(g, &one, t->at);
	}
}

/* Wall clocks of other machines say how long ago it was, no more than a minute: what is older is of a
 * clock that goes wrong, what is ahead is of now. */
static void
add(struct gather *g, struct pattern_fact *f, uint64_t wall)
{
	uint64_t wall_now = (uint64_t)time_wall_us();
	int64_t now = loop_now(g->meta->loop), ago = 0;
	const struct fleet_name *at = fleet_name_find(f->node);
	const struct pattern *p;

	if (wall < wall_now && wall_now - wall <= (uint64_t)OLD_US)
		ago = (int64_t)(wall_now - wall);
	f->second = (int64_t)(wall / (uint64_t)SEC);
	p = patterns_add(g->meta->patterns, f, now - ago, now);
	metric_add(metric_get(g->failures, (const char *const[]){ at != NULL ? at->name : "other",
					       status_name(f->status) }),
	    (double)f->count);
	if (p != NULL && may_announce(g, now))
		announce(g, p, now);
}

static void
announce(struct gather *g, const struct pattern *p, int64_t now)
{
	Mf__ErrorPattern e = MF__ERROR_PATTERN__INIT;
	char fingerprint[17];

	snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long)p->fingerprint);
	log_info("error_pattern", L_STR("fingerprint", fingerprint), L_STR("at", p->node),
	    L_STR("method", p->method), L_STR("status", status_name(p->status)),
	    L_STR("cause", p->cause));
	e.fingerprint = fingerprint;
	e.node = (char *)(uintptr_t)p->node;
	e.method = (char *)(uintptr_t)p->method;
	e.status = (char *)(uintptr_t)status_name(p->status);
	e.cause = (char *)(uintptr_t)p->cause;
	e.message = (char *)(uintptr_t)p->message;
	e.count = p->count;
	e.in_1m = pattern_within(p, WINDOW_1M);
	e.first_at = (uint64_t)(time_wall_us() - (now - p->first_us));
	bus_publish(g->meta->bus, "error.pattern", &e.base);
}

static bool
may_announce(struct gather *g, int64_t now)
{
	double may = g->announcements + (double)(now - g->announced_us) / (double)SEC;

	g->announced_us = now;
	g->announcements = may < EVENTS_MOST ? may : EVENTS_MOST;
	if (g->announcements < 1)
		return false;
	g->announcements -= 1;
	return true;
}
