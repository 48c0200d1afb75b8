/* meta: what the parts of the orchestrator share. Internal to this folder (orchestrator.h is for
 * others). */
#ifndef META_META_H
#define META_META_H

#include "base/metrics.h"
#include "bus/bus.h"
#include "meta/grants.h"
#include "meta/slots.h"
#include "meta/wait.h"
#include "proto/meta.pb-c.h"

struct meta_config {
	int64_t slots, reserve, queue, share;
	int64_t grant_ttl_us, grants_most;
	int64_t memory_most;
	int64_t remember_most, remember_bytes, remember_ttl_us;
	int64_t upgrade_settle_us;
	int64_t lease_us;
};

enum outcome {
	OUTCOME_SUCCESS,
	OUTCOME_PARTIAL,
	OUTCOME_REFUSED,
	OUTCOME_FAILED,
	OUTCOME_REJECTED,
	OUTCOME_CANCELLED,
	OUTCOMES
};

struct meta {
	struct bus *bus;
	struct loop *loop;
	struct node *node; /* NULL in tests */
	struct meta_config config;
	struct target *api, *database, *auth;
	struct slots slots;
	struct isolation *isolation;
	struct gate *gate;
	struct remember *remember;
	struct fleet_state *fleet;
	struct fleet_view *view;
	struct recycle *recycle;
	struct chaos *chaos;
	struct patterns *patterns;
	struct figures *figures;
	struct gather *gather;
	struct upgrader *upgrade;
	struct traces *traces;
	uint64_t answered, faulted; /* requests ever; of these, by a fault of ours */
	struct lead *lead;          /* NULL: nobody stands by, this one leads */
	struct loop_msg wake;       /* somebody may have a slot now */
	bool wake_posted, waking;
	struct metric *requests[OUTCOMES];
	struct metric *seconds[SLOTS_PRIORITIES];
	struct metric *remembered;
	struct gauges *gauges;
};

/* Descriptors of the contract; -1: there is no supervisor (a container runtime restarts us). */
struct meta *meta_open(
    struct bus *b, struct node *n, const struct meta_config *c, int reports_fd, int commands_fd);
void meta_close(struct meta **m);
void meta_reload(struct meta *m, const struct meta_config *c);

/* execute.c: one TaskRequest; ends the call. */
void execute_request(struct meta *m, struct call *c, const Mf__TaskRequest *q);
/* starts who waits for a slot, as far as there are some */
void execute_next(struct meta *m);
void execute_wake(struct loop_msg *w); /* meta.wake: slots became free */

#endif
