/* fault: injected faults, per service and method, seeded so that a run can be repeated.
 *
 *	spec  = rule { ";" rule }
 *	rule  = pattern ":" item { "," item }
 *	pattern = "*" | SERVICE ".*" | SERVICE "." METHOD		SERVICE with or without
 *"mf." item  = "error=" P | "status=" NAME | "delay=" MS [ ":" P ] | "hang=" P | "drop=" P |
 *"corrupt=" P | "crash=" P P     = 0..1, or 0%..100%
 *
 *	Sql.Read: error=0.12,status=UNAVAILABLE; Sql.*: delay=50:10%; *: crash=0.001
 *
 * The most specific rule decides alone. "*" does not reach mf.Node, so that faults can be switched
 *off again. Each method draws from a generator of its own: what one method meets does not depend on
 *the traffic of others. Faults act where the call is served: error answers without running the
 *handler, drop runs it and swallows the answer, corrupt damages the answer, hang never answers,
 *crash aborts the process. */
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

#endif
