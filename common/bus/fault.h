/* clang-format off */
/* fault: injected faults, per service and method, seeded so that a run can be repeated; and the
 * arming of steps (base/step.h).
 *
 *	spec    = rule { ";" rule }
 *	rule    = pattern ":" item { "," item }  |  "@" STEP ":" act  |  "cut=" NODE  |  "clock=" MS
 *	pattern = "*" | SERVICE ".*" | SERVICE "." METHOD	SERVICE with or without "mf."
 *	item    = "error=" P | "status=" NAME | "delay=" MS [ ":" P ] | "hang=" P | "drop=" P |
 *	          "corrupt=" P | "crash=" P			P = 0..1, or 0%..100%
 *	act     = ( "kill" | "stop" ) [ "=" N ]			at the N-th time, 1 unless said
 *
 *	Sql.Read: error=0.12,status=UNAVAILABLE; Sql.*: delay=50:10%; *: crash=0.001
 *	@sql.commit.durable: kill=3
 *
 * The most specific rule decides alone. "*" does not reach mf.Node, so that faults can be switched
 * off again. Each method draws from a generator of its own: what one method meets does not depend
 * on the traffic of others. Faults act where the call is served: error answers without running the
 * handler, drop runs it and swallows the answer, corrupt damages the answer, hang never answers,
 * crash aborts the process. Node.Events: drop is also of the batches that are published. A step acts
 * where its code is, once; a name that is no step of this program is an error (`metafed-NODE --steps`
 * lists them). cut: calls to NODE fail as if it were gone, what comes from it is not heard; the node that
 * has the rule is the one that is deaf. clock: the wall clock of the process goes wrong by so much. */
/* clang-format on */
#ifndef BUS_FAULT_H
#define BUS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/id.h"
#include "base/status.h"

struct fault_set;

struct fault {              /* one draw */
	enum status status; /* not ST_OK: answer this */
	int64_t delay_us;
	bool hang, drop, corrupt, crash;
};

struct fault_point; /* one method's rule and generator; lives as long as the set */

struct fault_set *
fault_parse(const char *spec, uint64_t seed, char *err, size_t err_size); /* NULL: err */
void fault_free(struct fault_set **f);
struct fault_point *fault_point(
    struct fault_set *f, const char *service, const char *method); /* NULL: no rule; made once */
struct fault fault_draw(struct fault_point *p);
bool fault_cuts(const struct fault_set *f, const char *node); /* f NULL: nobody is cut off */
int64_t fault_clock_us(const struct fault_set *f);            /* f NULL: 0 */
/* Arms the steps that the set names and no other; NULL: none. Steps are the process's, so is this. */
void fault_arm_steps(const struct fault_set *f);

#endif
