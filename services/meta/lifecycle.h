/* lifecycle: the states of a supervised process as a table of transitions. Pure: it says what to
 * do, others do it.
 *
 * The state is what the process IS; what it SHALL be (READY or STOPPED) is a field of its own
 * beside it. What an exit means is decided by that field and by the restart policy before it comes
 * here: four events, not one. */
#ifndef META_LIFECYCLE_H
#define META_LIFECYCLE_H

#include <stdbool.h>
#include "node/contract.h"

enum lifecycle_event {
	EV_START,      /* wanted, and what it starts after has settled */
	EV_FOUND,      /* it runs already: started by a supervisor before us */
	EV_READY,      /* it says so */
	EV_DRAINING,   /* it says so */
	EV_STOP,       /* not wanted any more */
	EV_RESTART,    /* a planned restart */
	EV_LATE,       /* over the time limit of its state */
	EV_HUNG,       /* no beat */
	EV_HEAVY,      /* over memory_max */
	EV_RETRY,      /* its back-off is over */
	EV_EXIT_DOWN,  /* exited, and not wanted */
	EV_EXIT_NOW,   /* exited: again at once */
	EV_EXIT_LATER, /* exited: again after a back-off */
	EV_EXIT_NEVER, /* exited: given up */
	LIFECYCLE_EVENTS,
};

enum lifecycle_action {
	ACT_NONE,
	ACT_SPAWN,
	ACT_TERM,  /* ask it to go */
	ACT_ABORT, /* kill it so that it can tell where it is */
	ACT_KILL,
	ACT_ANNOUNCE, /* given up: someone should look */
};

/* False: this event means nothing in this state; nothing is set. */
bool lifecycle_step(enum contract_state s, enum lifecycle_event e, enum contract_state *next,
    enum lifecycle_action *action);
bool lifecycle_running(enum contract_state s); /* a process belongs to this state */
const char *lifecycle_event_name(enum lifecycle_event e);

#endif
