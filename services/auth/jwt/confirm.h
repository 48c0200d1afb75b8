/* confirm: is what we know of revocations all that is known? Revocations of the peer come by event, and
 * an event can be lost, or come late to a process that stood still. So a token is good only while the
 * peer's count of revocations was confirmed less than half a second ago, or since the asker learned of
 * one (TokenText.max_age_us): else the peer is asked, and where it is silent the stored revocations are
 * read. When neither answers nothing is decided: UNAVAILABLE.
 *
 * Asked is only when a token is verified: idle costs nothing, and under load it is one question for all
 * that wait, some four a second. */
#ifndef JWT_CONFIRM_H
#define JWT_CONFIRM_H

#include "auth/jwt/jwt.h"

#define CONFIRM_US (INT64_C(500) * 1000) /* ARCHITECTURE: an older one proves nothing */

/* With REVOCATIONS_UNKNOWN. More than the bus waits for by itself: peer and store were asked, by both
 * agents, and who tried again on the way would run into his deadline instead of being told. */
#define CONFIRM_RETRY_MS 500

/* At once where it was confirmed within max_age_us; not at all when the call has ended. */
typedef void confirm_fn(struct call *c, bool known, void *ctx);
void confirm_revocations(
    struct tokens *t, struct call *c, int64_t max_age_us, confirm_fn *then, void *ctx);

void confirm_start(struct tokens *t, const char *peer);
void confirm_stop(struct tokens *t);
/* What we have revoked ourselves, for the peer's questions and as the hint to auth. */
void confirm_note(struct tokens *t, const struct revocation *v);
/* The peer is here for the first time or anew: so that nobody who verifies has to wait for what is
 * read then. */
void confirm_again(struct tokens *t);
/* One of the peer's (revoke.c). */
void revoked_event(struct tokens *t, const Mf__Revoked *m);
void confirm_read(struct tokens *t, bool ok); /* revoked_read has ended */

#endif
