/* strangers: what nobody who is known begins: authorization requests of browsers where nobody is signed in,
 * requests and device codes of clients that don't prove who they are. Each is a row until it expires, so
 * one network may begin so many (open_requests) at once, and as many again in FLOW_LIFE. And what is
 * reported of them: each report is a line of the audit log. Kept in memory, per node, in tables of fixed
 * size (tries.h). */
#ifndef OAUTH_STRANGERS_H
#define OAUTH_STRANGERS_H

#include "auth/oauth/web.h"

struct tries *strangers_new(const struct oauth_config *config);
struct tries *strangers_told_new(void);
/* Counts one more. False: answered with 429. */
bool stranger_begins(struct web *w) __attribute__((warn_unused_result));
/* Tells auth what somebody did whom we don't know (web_report); not all of it when it is too much. */
void stranger_seen(struct web *w, const char *kind, const char *client_id, const char *detail);

#endif
