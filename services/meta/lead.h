/* lead: does this orchestrator lead, where others stand by (METAFED_STANDBYS)?
 *
 * Each asks mf.Leader, through `database`, every quarter of the lease; sql keeps a lock in PostgreSQL for
 * the one that leads (services/database/sql/lead.h). Who leads executes, in the name of its fencing
 * number, which goes along with all that is called; others say NOT_LEADING, and callers go on to
 * the next. Where nobody stands by there is no struct lead: no question, no number, no branch but one.
 *
 *   it                                        and a request
 *   leads, confirmed less than half a lease   is executed
 *   ago (CLOCK_BOOTTIME: asked, not heard)
 *   leads, confirmed longer ago: it was       waits for the answer of a new question; what had
 *   stopped, or starved                       begun before is refused by its number where it arrives
 *   leads, the question fails (PostgreSQL     is executed: nobody else can have become leader without
 *   or `database` is away)                    PostgreSQL; if somebody has before, the number decides
 *   leads by its own word, is told FENCED     fails with NOT_LEADING; others wait for a new answer
 *   has another number, or leads no more,     fails with NOT_LEADING, too
 *   when a step of the request fails
 *   stands by, first try of the caller        is refused at once: the caller asks the next one
 *   stands by, the caller comes from another  waits: for a sign of the leader that is younger than the
 *   one: where the leader is, is not clear    request (then NOT_LEADING), or for the lead
 *   resigns (it drains)                       is refused; the next one that asks leads
 */
#ifndef META_LEAD_H
#define META_LEAD_H

#include "bus/call.h"

struct lead;
struct meta;

struct lead *lead_new(struct meta *m, int64_t lease_us);
void lead_free(struct lead **l);
void lead_reload(struct lead *l, int64_t lease_us);

/* NULL, here and below: nobody stands by, this one leads. */
bool lead_is(const struct lead *l);
uint64_t lead_number(const struct lead *l); /* 0: nobody stands by */
/* go(c, q), now or when it is clear that this one leads; else the call fails. q lives as long as c. */
typedef void lead_go_fn(struct call *c, const void *q);
void lead_call(struct lead *l, struct call *c, lead_go_fn *go, const void *q);
/* Somebody says that our number is old. */
bool lead_fenced(struct lead *l, const struct failure *f);
/* What was begun under this number may have failed for being too late, whatever was said: an agent may
 * take a refused write for a conflict. */
bool lead_overtaken(const struct lead *l, uint64_t number);
void lead_resign(struct lead *l);
struct metric *lead_gauge(void);

#endif
