/* limiter: how many log-ins may fail. Pure arithmetic over a bounded table; the clock is an
 * argument.
 *
 * A key (account and address together, account alone, address alone) owes window/most for each
 * failure; the debt melts with time. `most` failures at once are free; each one more doubles the
 * time until the next try, from `delay`. A try is charged when it begins and settled when it ends,
 * so that a hundred at once are no more than a hundred in a row: beyond the free ones there is one
 * at a time. Nobody is locked out for good: who stops for a window owes nothing.
 *
 * Pairs of account and address that were right before are known: what others do to the account or
 * from the address does not count for them. */
#ifndef AUTH_LIMITER_H
#define AUTH_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limiter;

struct limiter_rule {
	uint32_t most;
	int64_t window_us;
	int64_t delay_us; /* after the first failure beyond `most`; doubles, up to the window */
};

enum limiter_end {
	LIMITER_UNDECIDED, /* nobody could say: nothing is owed */
	LIMITER_FAILED,
	LIMITER_RIGHT, /* nothing is owed any more */
};

/* When the table is full it forgets, of those that failed longest ago, who owes least. Who is known
 * is a table of its own, which only the right password gets into. */
struct limiter *limiter_new(size_t most_keys, size_t most_known);
void limiter_free(struct limiter **l);
/* How long until another try may begin; 0: now. */
int64_t limiter_wait(
    const struct limiter *l, const uint8_t key[16], const struct limiter_rule *r, int64_t now_us);
void limiter_begin(struct limiter *l, const uint8_t key[16]);
void limiter_end(struct limiter *l, const uint8_t key[16], const struct limiter_rule *r,
    enum limiter_end how, int64_t now_us);
uint32_t limiter_trying(const struct limiter *l, const uint8_t key[16]); /* begun, not ended */
size_t limiter_keys(const struct limiter *l);

void limiter_know(struct limiter *l, const uint8_t key[16]);
bool limiter_knows(struct limiter *l, const uint8_t key[16]);

#endif
