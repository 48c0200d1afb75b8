/* revoked: the sessions whose access tokens don't count any more, in memory. A revocation is never
 * taken back; it is forgotten when the last access token of its session has expired by itself, so
 * the set holds one hour of log-outs. Until the stored ones were read once the set is not known,
 * and nobody may conclude anything from it. */
#ifndef JWT_REVOKED_H
#define JWT_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct revoked_entry;

struct revoked {
	struct revoked_entry *by_session; /* uthash */
	bool known;
};

void revoked_add(struct revoked *r, const char *session, int64_t expires_us); /* session: a UUID */
bool revoked_has(const struct revoked *r, const char *session);
void revoked_expire(struct revoked *r, int64_t now_us);
size_t revoked_count(const struct revoked *r);
void revoked_clear(struct revoked *r);

struct tokens;
struct call;

/* Reading them, at start and every so often; events of the peer make it immediate (revoke.c). */
void revoked_start(struct tokens *t, const char *peer);

/* Ends a session: its row and the revocation in one transaction, then memory, then the event. When
 * that can't be done the call is failed and `done` never comes. */
typedef void revoke_done_fn(struct call *c, void *ctx);
void revoke_session(
    struct tokens *t, struct call *c, const char *session, revoke_done_fn *done, void *ctx);

#endif
