/* ws_hello: the opening handshake of a WebSocket as a server reads it (RFC 6455, 4.2). Pure. That
 * there is exactly one Host, and that the head is one, was checked for every request before
 * (http_check.h). */
#ifndef API_WS_HELLO_H
#define API_WS_HELLO_H

#include <stdbool.h>
#include "api/http_check.h"

struct ws_hello {
	const char *const *speaks; /* the subprotocols of this resource, NULL-ended */
	bool upgrade, connection, offers;
	unsigned keys, versions, origins; /* how often they stand there */
	struct str key, version, origin;
	const char *protocol; /* the client's first choice among ours; NULL: none */
	/* What is spoken with who offers none of ours; NULL: our first one, but who offers others
	 * is refused. */
	const char *otherwise;
};
void ws_hello_start(struct ws_hello *h, const char *const *speaks);
void ws_hello_field(struct ws_hello *h, struct str name, struct str value); /* for each line */

struct origins;
/* NULL: 101 may be said, and h->protocol is spoken. */
const struct http_refusal *ws_hello_check(
    struct ws_hello *h, const struct http_head *head, const char *version, const struct origins *o);

#define WS_ACCEPT_LEN 29 /* with its NUL */
void ws_hello_accept(struct str key, char out[WS_ACCEPT_LEN]);

#endif
