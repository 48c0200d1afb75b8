/* register_json: client metadata (RFC 7591, 2) and the model client, one into the other. Pure. */
#ifndef OAUTH_REGISTER_JSON_H
#define OAUTH_REGISTER_JSON_H

#include "auth/oauth/clients.h"

struct register_error {
	const char *error, *description; /* RFC 7591, 3.2.2 */
};

/* The fields of the model that the metadata say, all of them, judged. NULL: *e says what is wrong. The
 * caller releases it. */
json_t *register_read(struct arena *a, const json_t *metadata, const char *id,
    struct register_error *e) __attribute__((warn_unused_result));
/* The members that say what is stored, into an object that is open. */
void register_write(struct arena *a, struct jw *j, const struct client *m);

#endif
