/* grants: verified tokens and permissions, kept for seconds. Pure: clocks are arguments, asking
 * auth is gate's.
 *
 * Key: keyed BLAKE2b of token, permission, namespace and resource; the token itself is not kept. A kept grant
 * counts only while
 * - the token has not expired (checked each time, against the wall clock),
 * - it is younger than `ttl`,
 * - auth's counter of revocations and policy changes stands where it stood when auth decided, and
 * - that was confirmed less than `fresh` ago. Only permissions are kept, never refusals. Bounded;
 * the least recently used goes first. */
#ifndef META_GRANTS_H
#define META_GRANTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "proto/auth.pb-c.h"

/* ARCHITECTURE: a confirmation older than this proves nothing */
#define GRANTS_FRESH_US INT64_C(500000)

struct grants;

struct grants_policy {
	int64_t ttl_us; /* 0: nothing is kept */
	uint32_t most;
};

struct grant_key {
	uint8_t hash[32];
};

enum grant_verdict {
	GRANT_NONE, /* ask auth */
	/* there is one, but confirm the counter first, then look again */
	GRANT_UNCONFIRMED,
	GRANT_GOOD,
};

struct grants *grants_new(const struct grants_policy *p);
void grants_free(struct grants **g);
void grants_set_policy(struct grants *g, const struct grants_policy *p);
/* resource NULL: for whatever resource of the namespace. */
void grants_key(const struct grants *g, const char *token, const char *permission, const char *ns,
    const char *resource, struct grant_key *out);

/* GRANT_GOOD: *who is in `a`, without the snapshot of permissions: that is auth's business and
 * makes envelopes longer. */
enum grant_verdict grants_find(struct grants *g, const struct grant_key *k, int64_t now,
    int64_t wall, struct arena *a, const Mf__Principal **who);
/* What auth answered to a question that left at asked_at: it confirms the counter as of then. */
void grants_keep(struct grants *g, const struct grant_key *k, const Mf__AuthGrant *a,
    int64_t asked_at, int64_t now);
/* The counter stood there at that time. Another epoch (auth was restarted) or a higher number
 * forgets what is older. */
void grants_confirm(struct grants *g, uint64_t epoch, uint64_t sequence, int64_t at);
int64_t grants_confirmed_at(const struct grants *g);
uint32_t grants_count(const struct grants *g);

#endif
