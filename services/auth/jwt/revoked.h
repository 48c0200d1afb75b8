/* revoked: whose access tokens don't count any more, in memory: all of a session that was ended, and
 * those of a user from before the newest change of his account. A revocation is never taken back; it
 * is forgotten when the last access token that it is about has expired by itself, so the set holds
 * one hour of log-outs and changes. Until the stored ones were read once the set is not known, and
 * nobody may conclude anything from it. */
#ifndef JWT_REVOKED_H
#define JWT_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/id.h"

#define REVOKED_ALL UINT64_MAX

struct revocation {
	char id[UUID_LEN]; /* of a session, or of a user */
	/* Tokens of lower versions of the account are refused; of a session: REVOKED_ALL. */
	uint64_t below;
	int64_t expires_us; /* wall clock */
};

struct revoked_entry;

struct revoked {
	struct revoked_entry *by_id; /* uthash */
	bool known;
};

/* now_us: monotonic, like forget_us: a wall clock that leaps ahead and back makes tokens live again,
 * and would have their revocations forgotten. */
void revoked_add(struct revoked *r, const struct revocation *v, int64_t forget_us);
bool revoked_has(const struct revoked *r, const char *id, uint64_t version); /* of a session: 0 */
void revoked_expire(struct revoked *r, int64_t now_us);
size_t revoked_count(const struct revoked *r);
void revoked_clear(struct revoked *r);

struct tokens;
struct call;

/* Reading them, at start and every so often; events of the peer make it immediate (revoke.c). */
void revoked_start(struct tokens *t, const char *peer);
void revoked_read(struct tokens *t); /* once more, now; confirm_read when it has ended */

/* A revocation that was stored: into memory, then to the peer and to auth. */
void revoke_announce(struct tokens *t, const struct revocation *v);
/* When a revocation that is made now may be forgotten. */
int64_t revoke_expiry(const struct tokens *t);

/* Ends a session: its row and the revocation in one transaction, then it is announced. When that
 * can't be done the call is failed and `done` never comes. */
typedef void revoke_done_fn(struct call *c, void *ctx);
void revoke_session(
    struct tokens *t, struct call *c, const char *session, revoke_done_fn *done, void *ctx);
/* Ends every session of a user (sessions.c) but `keep` (NULL: none is kept), keyed by the operation
 * `by`. As above. */
void revoke_sessions(struct tokens *t, struct call *c, const char *user_id, const char *by,
    const char *keep, revoke_done_fn *done, void *ctx);
/* Of a user who was deleted: also his API keys, factors, outside identities and consents go. */
void revoke_everything(struct tokens *t, struct call *c, const char *user_id, const char *by,
    revoke_done_fn *done, void *ctx);

#endif
