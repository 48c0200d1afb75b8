/* upgrade_inside: what upgrade.c (requests and the record) and upgrade_way.c (the steps) share; nobody
 * else includes this. */
#ifndef META_UPGRADE_INSIDE_H
#define META_UPGRADE_INSIDE_H

#include "meta/fleet_state.h"
#include "meta/meta.h"
#include "meta/upgrade.h"
#include "meta/upgrade_job.h"
#include "meta/upgrade_plan.h"

enum phase { IDLE, RESUME, WATCH, QUIET, BACK, PROBE, SETTLE };

struct upgrader {
	struct meta *m;
	struct upgrade u;
	enum phase phase;
	struct timer timer;
	bool working;     /* a job or a probe is out */
	bool planning;    /* somebody's request is being looked at */
	int64_t until_us; /* of the phase */
	int64_t settle_us;
	struct { /* answers of this fleet before the upgrade, and before the step */
		uint64_t failed, all;
	} before, begin;
	uint64_t generation; /* of the process that came */
	int32_t pid;
	void (*saved)(struct upgrader *g);
};

/* --- upgrade.c --- */
struct upgrade_job *upgrader_job(
    struct upgrader *g, enum upgrade_work kind, void (*done)(struct upgrade_job *), void *ctx);
void upgrader_save(struct upgrader *g, void (*then)(struct upgrader *));
bool upgrader_apart(const char *node); /* guard or supervisor */
struct fleet_row *upgrader_row(const struct upgrader *g, const char *node);

/* --- upgrade_way.c --- */
void upgrade_way_start(struct upgrader *g);  /* g->u was accepted */
void upgrade_way_resume(struct upgrader *g); /* g->u was read */
void upgrade_way_stop(struct upgrader *g);   /* nothing happens any more */
void upgrade_way_on_timer(struct timer *t);

#endif
