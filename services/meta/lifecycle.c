/* lifecycle: see lifecycle.h. One row per transition; what has no row means nothing.
 *
 * Invariant, held by tests/unit/lifecycle.c: only SPAWN and FOUND lead into a state with a process,
 * only an exit leads out. */
#include "meta/lifecycle.h"

#include <stddef.h>

struct transition {
	enum contract_state from;
	enum lifecycle_event event;
	enum contract_state to;
	enum lifecycle_action action;
};

/* clang-format off: a table */
static const struct transition table[] = {
	{ NODE_STOPPED, EV_START, NODE_STARTING, ACT_SPAWN },
	{ NODE_STOPPED, EV_RESTART, NODE_STARTING, ACT_SPAWN },
	{ NODE_STOPPED, EV_FOUND, NODE_STARTING, ACT_NONE },

	{ NODE_STARTING, EV_FOUND, NODE_STARTING, ACT_NONE }, /* its lock was held: by itself */
	{ NODE_STARTING, EV_READY, NODE_READY, ACT_NONE },
	{ NODE_STARTING, EV_DRAINING, NODE_DRAINING, ACT_NONE },
	{ NODE_STARTING, EV_STOP, NODE_STOPPING, ACT_TERM },
	{ NODE_STARTING, EV_RESTART, NODE_DRAINING, ACT_TERM },
	{ NODE_STARTING, EV_LATE, NODE_STARTING, ACT_KILL },
	{ NODE_STARTING, EV_HEAVY, NODE_STARTING, ACT_KILL },
	{ NODE_STARTING, EV_EXIT_DOWN, NODE_STOPPED, ACT_NONE },
	{ NODE_STARTING, EV_EXIT_NOW, NODE_STARTING, ACT_SPAWN },
	{ NODE_STARTING, EV_EXIT_LATER, NODE_BACKOFF, ACT_NONE },
	{ NODE_STARTING, EV_EXIT_NEVER, NODE_FAILED, ACT_ANNOUNCE },

	{ NODE_READY, EV_DRAINING, NODE_DRAINING, ACT_NONE }, /* somebody else sent it a SIGTERM */
	{ NODE_READY, EV_STOP, NODE_STOPPING, ACT_TERM },
	{ NODE_READY, EV_RESTART, NODE_DRAINING, ACT_TERM },
	{ NODE_READY, EV_HUNG, NODE_STOPPING, ACT_ABORT },
	{ NODE_READY, EV_HEAVY, NODE_STOPPING, ACT_ABORT },
	{ NODE_READY, EV_EXIT_DOWN, NODE_STOPPED, ACT_NONE },
	{ NODE_READY, EV_EXIT_NOW, NODE_STARTING, ACT_SPAWN },
	{ NODE_READY, EV_EXIT_LATER, NODE_BACKOFF, ACT_NONE },
	{ NODE_READY, EV_EXIT_NEVER, NODE_FAILED, ACT_ANNOUNCE },

	{ NODE_DRAINING, EV_STOP, NODE_STOPPING,
	    ACT_NONE }, /* it was asked already: a second SIGTERM would hurry it */
	{ NODE_DRAINING, EV_LATE, NODE_STOPPING, ACT_KILL },
	{ NODE_DRAINING, EV_HUNG, NODE_STOPPING, ACT_ABORT },
	{ NODE_DRAINING, EV_HEAVY, NODE_STOPPING, ACT_ABORT },
	{ NODE_DRAINING, EV_EXIT_DOWN, NODE_STOPPED, ACT_NONE },
	{ NODE_DRAINING, EV_EXIT_NOW, NODE_STARTING, ACT_SPAWN },
	{ NODE_DRAINING, EV_EXIT_LATER, NODE_BACKOFF, ACT_NONE },
	{ NODE_DRAINING, EV_EXIT_NEVER, NODE_FAILED, ACT_ANNOUNCE },

	{ NODE_STOPPING, EV_LATE, NODE_STOPPING, ACT_KILL },
	{ NODE_STOPPING, EV_EXIT_DOWN, NODE_STOPPED, ACT_NONE },
	{ NODE_STOPPING, EV_EXIT_NOW, NODE_STARTING, ACT_SPAWN },
	{ NODE_STOPPING, EV_EXIT_LATER, NODE_BACKOFF, ACT_NONE },
	{ NODE_STOPPING, EV_EXIT_NEVER, NODE_FAILED, ACT_ANNOUNCE },

	{ NODE_BACKOFF, EV_RETRY, NODE_STARTING, ACT_SPAWN },
	{ NODE_BACKOFF, EV_START, NODE_STARTING,
	    ACT_SPAWN }, /* the operator does not want to wait */
	{ NODE_BACKOFF, EV_RESTART, NODE_STARTING, ACT_SPAWN },
	{ NODE_BACKOFF, EV_FOUND, NODE_STARTING, ACT_NONE },
	{ NODE_BACKOFF, EV_STOP, NODE_STOPPED, ACT_NONE },

	{ NODE_FAILED, EV_START, NODE_STARTING, ACT_SPAWN },
	{ NODE_FAILED, EV_RESTART, NODE_STARTING, ACT_SPAWN },
	{ NODE_FAILED, EV_FOUND, NODE_STARTING, ACT_NONE },
	{ NODE_FAILED, EV_STOP, NODE_STOPPED, ACT_NONE },
};
/* clang-format on */

static const char *const event_names[LIFECYCLE_EVENTS] = {
	[EV_START] = "start",
	[EV_FOUND] = "found",
	[EV_READY] = "ready",
	[EV_DRAINING] = "draining",
	[EV_STOP] = "stop",
	[EV_RESTART] = "restart",
	[EV_LATE] = "late",
	[EV_HUNG] = "hung",
	[EV_HEAVY] = "heavy",
	[EV_RETRY] = "retry",
	[EV_EXIT_DOWN] = "exit_down",
	[EV_EXIT_NOW] = "exit_now",
	[EV_EXIT_LATER] = "exit_later",
	[EV_EXIT_NEVER] = "exit_never",
};

bool
lifecycle_step(enum contract_state s, enum lifecycle_event e, enum contract_state *next,
    enum lifecycle_action *action)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].from == s && table[i].event == e) {
			*next = table[i].to;
			*action = table[i].action;
			return true;
		}
	}
	return false;
}

bool
lifecycle_running(enum contract_state s)
{
	return s == NODE_STARTING || s == NODE_READY || s == NODE_DRAINING || s == NODE_STOPPING;
}

const char *
lifecycle_event_name(enum lifecycle_event e)
{
	return e < LIFECYCLE_EVENTS ? event_names[e] : "?";
}
