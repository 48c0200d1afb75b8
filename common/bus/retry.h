/* retry: whether a failed try is made again, and when, as arithmetic: no clock, no I/O, no
 * randomness of its own.
 *
 * READ and IDEMPOTENT methods are tried again after UNAVAILABLE, after a lost connection and after
 * a try that was over its limit; UNSAFE ones only when the request provably never left. Back-off is
 * exponential with full jitter. The budget is a token bucket: each first try pays in a share, each
 * retry takes one out, so a storm of failures can't multiply load. */
#ifndef BUS_RETRY_H
#define BUS_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include "bus/bus.h"

#define RETRY_TRIES   5     /* of one call, the first included */
#define RETRY_BASE_US 10000 /* back-off: up to 10 ms, 20 ms, 40 ms ... */
#define RETRY_CAP_US  500000
#define RETRY_PUSHBACK_MS                                                                          \
	400 /* a server that asks for more is believed: no retry below, the caller decides */
/* Tokens of a quiet target: a member may die with a second's worth of 200 calls a second out, and
 * none of them shall fail. */
#define RETRY_QUIET      250.0
#define RETRY_QUIET_RATE 10.0 /* which come back at so many a second */
#define RETRY_TOKENS_MAX 1000.0

struct retry_budget {
	double tokens;
	int64_t at_us;
};

void retry_budget_init(struct retry_budget *b, int64_t now_us);
void retry_budget_first(struct retry_budget *b, double share); /* a first try was made */
bool retry_budget_take(struct retry_budget *b, int64_t now_us);

struct retry_case {
	enum method_class class;
	enum status status;
	const char *reason;
	bool never_left;      /* provably: the bus still had it */
	bool lost;            /* its connection went while it was out */
	bool late;            /* over the limit of one try */
	bool garbled;         /* its answer could not be read */
	bool other;           /* another member, not tried yet, is fit */
	uint32_t tries;       /* made so far */
	uint32_t pushback_ms; /* what the server asked for, 0: nothing */
	int64_t left_us;      /* of the call */
};

/* True: try again after *delay_us (0: at once). `unit` in [0, 1) is the jitter. Takes from the
 * budget. */
bool retry_next(const struct retry_case *c, struct retry_budget *b, int64_t now_us, double unit,
    int64_t *delay_us);

#endif
