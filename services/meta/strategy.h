/* strategy: from a TaskRequest to an order of steps. Pure: no clock, no bus, no allocation.
 *
 * Domains become steps; a step starts when all that it needs have finished, so that independent
 * ones run side by side.
 *
 *	FORM	api: check the form; alone, translate it			no effect
 *	GATE	auth: who is this, and may they					before every effect, always
 *	STORE	database: the operation
 *	OWN	meta: an operation of level 0
 *	SIGN	auth: login, refresh, logout; stands alone
 *	FORMAT	api: the representation of the result
 *
 * Default order: FORM and GATE side by side, then STORE and OWN, then FORMAT. `depends_on` changes
 * what is free to change; that nothing with an effect starts before GATE is no default but a rule.
 *
 * Complexity score = 10 x domains + 5 x operations (steps) + payload in KiB / 4 + 8 x (stages - 1).
 * Every full 100 of it is a slot of the concurrency limit that the request takes, at least 1, at
 * most 8. */
#ifndef META_STRATEGY_H
#define META_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/meta.pb-c.h"

enum step { STEP_FORM, STEP_GATE, STEP_STORE, STEP_OWN, STEP_SIGN, STEP_FORMAT, STEPS };
#define STEP_BIT(s) (1u << (s))

struct plan {
	/* bits: what there is to do (STORE, OWN: may turn out empty when `api` stands alone) */
	uint32_t steps;
	uint32_t needs[STEPS]; /* bits: what must have finished */
	uint32_t stage[STEPS]; /* 1, 2, ...; 0: no such step */
	uint32_t stages;
	uint32_t score;
	/* what it is the sum of */
	uint32_t of_domains, of_operations, of_payload, of_stages;
	uint32_t units; /* of the concurrency limit */
	bool api_alone; /* FORM says what is to be done */
};

/* false: err says what is wrong with the request, a cycle by name: "cycle: database -> api ->
 * database". */
bool strategy_plan(const Mf__TaskRequest *q, struct plan *p, char *err, size_t err_size)
    __attribute__((warn_unused_result));

uint32_t strategy_priority(const Mf__TaskRequest *q); /* 1..4 */
const char *strategy_priority_name(uint32_t p);       /* "CRITICAL"; "" for none */
bool strategy_signs(const Mf__AuthRequirement *a);    /* login, refresh, logout */
Mf__Domain strategy_domain(enum step s);
const char *strategy_step_name(enum step s);    /* "STORE" */
const char *strategy_domain_name(Mf__Domain d); /* "database" */

#endif
