/* ticket: "the first step of this log-in was right", sealed, five minutes: what Authenticate gives
 * where a second factor is still to come, and takes with it. jwt makes one after a password; oauth
 * makes one of its own where an outside provider vouched for the user, and gives it to Authenticate in
 * the password's place, so that limits, risk and the second factor are the same. No client can make
 * one: the seal's key never leaves the fleet. */
#ifndef JWT_TICKET_H
#define JWT_TICKET_H

#include <stdbool.h>
#include <stdint.h>
#include "auth/jwt/seal.h"

#define TICKET_LIFE_US (INT64_C(300) * 1000000)

struct ticket {
	const char *user_id;
	uint64_t user_version; /* the account must still be that one */
	const char *method;    /* how the first step was made: "pwd", "fed" */
	int64_t at_us;         /* when; wall clock */
};

/* Sealed for that name: it opens for no other. */
char *
ticket_write(struct arena *a, const struct seal *s, const char *username, const struct ticket *t);
/* False: none of ours, of another name, or too old. Strings in `a`. */
bool ticket_read(struct arena *a, const struct seal *s, const char *username, const char *text,
    int64_t now_us, struct ticket *out) __attribute__((warn_unused_result));

#endif
