/* device: clients without a browser (RFC 8628). The device shows a user_code; the user says yes or no to
 * it on a page of another device (pages); the device asks for its tokens meanwhile.
 *
 * A user_code has 8 of 20 letters; who tries wrong ones from one address has to wait. Codes live for
 * device_ttl. How often a device asks is kept in memory: another node asks it to slow down a little
 * later, no more. */
#ifndef OAUTH_DEVICE_H
#define OAUTH_DEVICE_H

#include "auth/oauth/client_auth.h"
#include "auth/oauth/flow.h"

struct device {
	const struct state *state;
	const struct client *client;
	const char *user_code; /* as people read it: "BCDF-GHJK" */
	bool decided;          /* by this very operation, which is repeated */
	size_t n_scopes;
	const char *const *scopes;
};

/* What the user typed, in any case, with or without dash and blanks. m NULL: there is none that waits
 * for an answer. When that can't be decided, or he tried too often, the request was answered. */
typedef void device_fn(struct web *w, const struct device *m, void *ctx);
void device_find(struct web *w, const char *user_code, device_fn *then, void *ctx);
/* who NULL: he said no. then: done; false: somebody else was faster, or it is too late. */
typedef void device_done_fn(struct web *w, bool done, void *ctx);
void device_decide(struct web *w, const struct device *m, const struct browser *who,
    device_done_fn *then, void *ctx);

/* Of token.c. */
void device_grant(struct web *w, const struct client_proof *who);

struct device_pace; /* when each device asked last */
struct device_pace *device_pace_new(void);
void device_pace_free(struct device_pace **p);

#endif
