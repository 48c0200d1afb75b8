/* risk: how suspicious a log-in is, 0 to 100, and what follows from that. Pure: no clock, no store.
 *
 * Each thing that is seen adds points up to a limit of its own; risk.c has the table. What strangers
 * can do to an account (fail at it) and being at a new place together stay below `risk_factor`, as
 * they come by default: nobody can make others need what they don't have. */
#ifndef AUTH_RISK_H
#define AUTH_RISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum risk_sign {
	RISK_ACCOUNT_FAILURES, /* log-ins of this account that failed, by others, decayed */
	RISK_ADDRESS_FAILURES, /* from this network, decayed */
	RISK_REUSE,            /* of refresh tokens and codes of this account, decayed over a day */
	RISK_NEW_NETWORK,      /* none of its sessions is from there: 1 or 0 */
	RISK_NEW_AGENT,        /* none of its sessions has this user agent: 1 or 0 */
	RISK_SPEED,            /* km/h since the last log-in */
	RISK_SIGNS,
};

struct risk_weight {
	const char *name;
	double points; /* for each */
	double most;   /* points, of this sign together */
	double from;   /* below that much it says nothing */
};
extern const struct risk_weight risk_weights[RISK_SIGNS];

struct risk_input {
	double seen[RISK_SIGNS];
};

struct risk {
	uint32_t score;
	uint32_t points[RISK_SIGNS];
};

struct risk risk_of(const struct risk_input *in);
/* "new_network 15, reuse 40"; "" of none */
void risk_reasons(const struct risk *r, char *out, size_t size);

enum risk_policy { RISK_ALLOW, RISK_FACTOR, RISK_REFUSE, RISK_LOCK };
const char *risk_policy_name(enum risk_policy p);

struct risk_limits { /* of the configuration; ascending */
	uint32_t factor, refuse, lock;
};
/* factor_brought: he sent a second factor (which is verified before anything is granted): nothing worse
 * happens to him than that it is demanded. */
enum risk_policy risk_judge(const struct risk_limits *l, uint32_t score, bool factor_brought);

/* What is left of `value` that was true `age_us` ago: it melts evenly and is gone after `life_us`. */
double risk_decayed(double value, int64_t age_us, int64_t life_us);

#endif
