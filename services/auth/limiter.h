/* limiter: how many log-ins may fail. Pure arithmetic over a bounded table; the clock is an
 * argument.
 *
 * A key (account and address together, account alone, address alone) owes window/most for each
 * failure; the debt melts with time. Who owes a whole window waits: `most` failures at once,
 * afterwards one each window/most. So nobody is locked out for good, and what an attacker does from
 * elsewhere does not lock the account for its owner's address. */
#ifndef AUTH_LIMITER_H
#define AUTH_LIMITER_H

#include <stddef.h>
#include <stdint.h>

struct limiter;

struct limiter_rule {
	uint32_t most;
	int64_t window_us;
};

struct limiter *
limiter_new(size_t most_keys); /* the one that failed longest ago is forgotten first */
void limiter_free(struct limiter **l);
/* How long until another failure may be risked; 0: now. */
int64_t limiter_wait(
    const struct limiter *l, const uint8_t key[16], const struct limiter_rule *r, int64_t now_us);
void limiter_failed(
    struct limiter *l, const uint8_t key[16], const struct limiter_rule *r, int64_t now_us);
void
limiter_forget(struct limiter *l, const uint8_t key[16]); /* it was the right password after all */
size_t limiter_keys(const struct limiter *l);

#endif
