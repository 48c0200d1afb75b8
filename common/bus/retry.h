/* retry: whether a failed try is made again, and when, as arithmetic: no clock, no I/O, no
 * randomness of its own.
 *
 * READ and IDEMPOTENT methods are tried again after UNAVAILABLE, after a lost connection and after
 * a try that was over its limit; UNSAFE ones only when the request provably never left. Back-off is
 * exponential with full jitter.
 *
 * The budget of a target is a token bucket: each first try pays in a share (0.3), each retry takes
 * one out. That holds for one hop; a request has four (api, meta, domain, agent), and 1.3^4 is 2.9.
 * So each hop tells the next, and the one before it, what was repeated, and a target knows whether
 * there is a storm:
 *
 *  - Calm. A try that went well adds 3/7, one that failed takes 1, so it falls where more than 30 %
 *    fail: 0.7 x 3/7 = 0.3 x 1. It begins full at 500; at 250 and below there is a storm.
 *  - Envelope.retried: the call for which this one is made is not a first try. Answer.spent: the
 *    server failed after its own calls had failed for good, with all their tries.
 *  - While it is calm, neither means anything: each level tries as long as its deadline and its
 *    tokens allow. With error rates of agents of 0.12, orchestrators 0.08, meta 0.05, a hop needs
 *    0.12 + 0.12^2 + ... = 0.136 retries per first try and is paid 0.3: never short. Five tries
 *    leave 0.12^5 = 2.5e-5 of an agent's calls, of which the levels above leave nothing; what
 *    remains is the hop nobody stands above: 2.5e-5 of all requests, less than 1 in 10,000.
 *  - In a storm a failure that was spent below is not repeated above, and a call below a retried one
 *    does not retry: so one level makes the retries, the lowest that sees the failure.
 *  - In a storm the first try of a retried call takes a token instead of paying a share: it is a
 *    retry on this hop too. So on each hop what was repeated above and what is repeated here are
 *    together at most 0.3 of the calls that are neither, also where nobody can tell that tries were
 *    made below (all of them hang and the answer never comes): at most 1.3 tries where there would
 *    have been one, on each hop and so on all of them together.
 *
 * tests/unit/storm.c has four hops for it. */
#ifndef BUS_RETRY_H
#define BUS_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include "bus/bus.h"

#define RETRY_TRIES   5     /* of one call, the first included, where nothing else is configured */
#define RETRY_BASE_US 10000 /* back-off: up to 10 ms, 20 ms, 40 ms ... */
#define RETRY_CAP_US  500000
#define RETRY_PUSHBACK_MS                                                                          \
	400 /* a server that asks for more is believed: no retry below, the caller decides */
/* Tokens of a quiet target: a member may die with a second's worth of 200 calls a second out, and
 * none of them shall fail. */
#define RETRY_QUIET      250.0
#define RETRY_QUIET_RATE 10.0 /* which come back at so many a second */
#define RETRY_TOKENS_MAX 1000.0
#define RETRY_CALM       500.0
#define RETRY_WELL       (3.0 / 7)

struct retry_budget {
	double tokens; /* retries that may be made; below 0: what retried calls took */
	double calm;
	int64_t at_us;
};

void retry_budget_init(struct retry_budget *b, int64_t now_us);
/* A first try is made, for a call that is (retried) or is not one above. */
void retry_budget_first(struct retry_budget *b, double share, bool retried);
void retry_budget_ended(struct retry_budget *b, bool failed, int64_t now_us); /* any try */
bool retry_budget_calm(const struct retry_budget *b);
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
	bool retried;         /* the call for which it is made is not a first try */
	bool spent;           /* its server has made its tries below in vain */
	uint32_t tries;       /* made so far */
	uint32_t tries_most;  /* the first included; 0: RETRY_TRIES */
	uint32_t pushback_ms; /* what the server asked for, 0: nothing */
	int64_t left_us;      /* of the call */
};

/* True: try again after *delay_us (0: at once). `unit` in [0, 1) is the jitter. Takes from the
 * budget. */
bool retry_next(const struct retry_case *c, struct retry_budget *b, int64_t now_us, double unit,
    int64_t *delay_us);

#endif
