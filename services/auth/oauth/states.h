/* states: what lives for minutes (model auth_state): requests that were pushed, log-ins under way,
 * codes, device codes. All in the store, so that either of oauth and jwt can go on with what the
 * other began. Every write is idempotent by the operation of the request. */
#ifndef OAUTH_STATES_H
#define OAUTH_STATES_H

#include "auth/oauth/web.h"

struct state {                           /* a row; lives as long as the call */
	const char *id, *kind, *subject; /* subject "": none */
	const json_t *data;
	int64_t expires_us;
	uint64_t version;
};

/* s NULL: f says why: ST_NOT_FOUND (none, expired, of another kind), ST_ABORTED (somebody was faster),
 * or the store's failure. */
typedef void state_fn(struct web *w, const struct state *s, const struct failure *f, void *ctx);

/* data: an object that was written and closed. subject NULL: none. The same id again answers the row
 * that is there. */
void state_create(struct web *w, const char *kind, const char *id, const char *subject,
    struct jw *data, int64_t ttl_us, state_fn *then, void *ctx);
void state_read(struct web *w, const char *kind, const char *id, state_fn *then, void *ctx);
/* By its subject; the newest that has not expired. */
void state_find(struct web *w, const char *kind, const char *subject, state_fn *then, void *ctx);
/* data: a merge patch for the row's data (RFC 7396, top level), or NULL. On condition of s->version:
 * ST_ABORTED for all but one of those who try. ttl_us 0: it lives as long as before. */
void state_change(struct web *w, const struct state *s, struct jw *data, int64_t ttl_us,
    state_fn *then, void *ctx);
/* Takes it, once, and writes down which operation did. The row stays until it expires: so a second taker
 * can be told from a stranger, and a repeat of the operation, which takes it again, from both. */
void state_take(struct web *w, const struct state *s, state_fn *then, void *ctx);
bool state_is_taken(const struct state *s);
bool state_is_taken_here(const struct web *w, const struct state *s); /* by this very operation */

#endif
