/* password: Argon2id on a pool of its own with a bounded queue, so that log-ins never delay the
 * loop, and verifying tokens never waits behind them. A password lives in locked memory while a
 * piece of work holds it and is wiped after.
 *
 * A name that nobody has costs what a wrong password costs: password_verify with hash NULL hashes
 * instead. */
#ifndef JWT_PASSWORD_H
#define JWT_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bus/call.h"
#include "node/work.h"

#define PASSWORD_MAX      1024 /* bytes */
#define PASSWORD_HASH_MAX 128  /* crypto_pwhash_STRBYTES */

struct passwords { /* the pool and the cost of new hashes */
	struct work_pool *pool;
	uint64_t ops;
	uint64_t memory_bytes;
};

/* Comes on the loop, not at all when the call has ended. ok false: wrong, or (hash) no memory for
 * it. hash, of a verification: what the right password hashes to at the cost of today, when the
 * stored hash has another; else NULL. */
typedef void password_done_fn(struct call *c, bool ok, const char *hash, void *ctx);

/* False: the queue is full; answer RESOURCE_EXHAUSTED. n <= PASSWORD_MAX. */
bool password_verify(struct passwords *p, struct call *c, const char *password, const char *hash,
    password_done_fn *done, void *ctx) __attribute__((warn_unused_result));
bool password_hash(struct passwords *p, struct call *c, const char *password,
    password_done_fn *done, void *ctx) __attribute__((warn_unused_result));

#endif
