/* sighting: what an agent saw, told to auth (Auth.Report): risk and the audit log are kept there. */
#ifndef JWT_SIGHTING_H
#define JWT_SIGHTING_H

#include "auth/jwt/jwt.h"

struct sighting { /* NULL: not known */
	const char *kind;
	const char *user_id, *client_id, *client_address, *detail;
	const char *operation_id;
};
/* c: where it was seen; it may end at once, and nobody waits. */
void sight(struct tokens *t, struct call *c, const struct sighting *s);

#endif
