/* entry_inside: what entry.c (states and time), entry_start.c (how it comes to its process) and
 * entry_end.c (what its end means) share; nobody else includes this. */
#ifndef META_ENTRY_INSIDE_H
#define META_ENTRY_INSIDE_H

#include "base/log.h"
#include "base/time.h"
#include "meta/conf.h"
#include "meta/entry.h"

#define LIMITS_LOOK (3 * SEC) /* at what a process takes */

/* Without the rate limit of a call site: thirteen processes may start within a second, and each
 * line is a fact. How many there can be is bounded by the restart policy. */
#define SAY(level, event, ...)                                                                     \
	log_write(                                                                                 \
	    (level), NULL, (event), (const struct log_field[]){ __VA_ARGS__, { .key = NULL } })

void entry_enter(struct entry *e, enum contract_state next); /* the state alone */
void entry_attempt(struct entry *e);                         /* STARTING without a process */
void entry_starting(struct entry *e);                        /* time has passed in STARTING */
void entry_go_back(struct entry *e); /* to the executable of before a renewal */

#endif
