/* remember: the first result of a task_id, for a day. Only for requests that ask for it
 * (`remember`: raw requests).
 *
 * Key: who and task_id (anonymous: their address). A second request with the same key while the
 * first runs waits for it; one whose answer said "try again" (unavailable, exhausted, ...) is not
 * kept: that is no result. Bounded by number and bytes, least recently used first. This lives in
 * memory: after a restart of meta the operation ids, which are derived from the same key
 * (remember_operation), keep an effect from happening twice. */
#ifndef META_REMEMBER_H
#define META_REMEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/id.h"
#include "meta/wait.h"
#include "proto/meta.pb-c.h"

struct remember;
struct remembered;

struct remember_policy {
	uint32_t most;
	size_t bytes;
	int64_t ttl_us;
};

struct remember_key {
	uint8_t hash[32];
};

enum remember_verdict {
	REMEMBER_FIRST, /* yours: end it with remember_end */
	REMEMBER_RUNS,  /* wait: remember_waiters */
	REMEMBER_KEPT,
};

struct remember *remember_new(const struct remember_policy *p);
void remember_free(struct remember **r);
void remember_set_policy(struct remember *r, const struct remember_policy *p);

/* One key for one person and task_id, the same in every process. */
void remember_key(
    const char *principal_id, const char *address, const char *task_id, struct remember_key *out);
/* The id of the effect of that request (UUID version 8): what makes a repeat harmless. */
void remember_operation(const struct remember_key *k, char out[UUID_LEN]);

enum remember_verdict remember_begin(
    struct remember *r, const struct remember_key *k, int64_t now, struct remembered **out);
struct waiters *remember_waiters(struct remembered *e);
/* NULL: can't be unpacked any more (the arena is full). */
Mf__TaskResponse *remember_result(struct remembered *e, struct arena *a);
/* m NULL: there is no result (cancelled). Who waits is woken and begins again. */
void remember_end(struct remember *r, struct remembered *e, const Mf__TaskResponse *m, int64_t now);
bool remember_worth(const Mf__TaskResponse *m);    /* a result, and not "try again" */
uint32_t remember_count(const struct remember *r); /* kept */

#endif
