/* rotation: when a signing key signs, ends, and goes. Pure: the clock is an argument, and everything
 * follows from when the keys were made; nothing is stored, so jwt and oauth, that look at the same
 * files, come to the same schedule.
 *
 *	made ----- ahead ----> signs ----- every ----> the next one signs ----- life ----> goes
 *	(published)            (until then the one before)      (verifies only)
 *
 * The first key of an algorithm signs at once: there is none before it. The newest key of each
 * algorithm never goes by itself: which algorithm is configured may change, and change back. */
#ifndef JWT_ROTATION_H
#define JWT_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/jwt/jws.h"

/* An access token lives that long at most, whatever access_ttl was or will be (its maximum), and the
 * leeway of clocks. */
#define ROTATION_LIFE_US (INT64_C(86460) * 1000000)
#define ROTATION_NEVER   INT64_MAX

struct rotation {
	int64_t every_us; /* 0: never by itself */
	int64_t ahead_us; /* between being published and signing */
};

enum rotation_state { KEY_NEXT, KEY_SIGNING, KEY_VERIFYING };
const char *rotation_state_name(enum rotation_state s);

struct rotation_key {
	enum jws_alg alg;
	bool can_sign; /* a public key that somebody put there verifies, and stays */
	int64_t made_us;
	/* of rotation_judge: */
	int64_t signs_us;   /* from */
	int64_t retires_us; /* ROTATION_NEVER: not known yet */
	enum rotation_state state;
};

/* keys: in the order in which they were made. alg: what is configured. */
void rotation_judge(const struct rotation *r, struct rotation_key *keys, size_t n, enum jws_alg alg,
    int64_t now_us);
/* After rotation_judge. Is a key to be made now? */
bool rotation_makes(const struct rotation *r, const struct rotation_key *keys, size_t n,
    enum jws_alg alg, int64_t now_us);
bool rotation_drops(const struct rotation_key *k, int64_t now_us);
/* When the next of it comes: a key to be made, one that begins to sign, one that goes. */
int64_t rotation_due(const struct rotation *r, const struct rotation_key *keys, size_t n,
    enum jws_alg alg, int64_t now_us);

#endif
