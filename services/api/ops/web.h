/* web: the paths of the authorization server, as HTTP sees them: which methods, whose pages may
 * read the answers, and what a failure looks like there. Pure; the edge and the agents read one
 * table. */
#ifndef OPS_WEB_H
#define OPS_WEB_H

#include <stddef.h>
#include "base/arena.h"
#include "base/failure.h"

#define WEB_BODY_MOST (64u << 10) /* bytes of a request */

enum web_readers {
	WEB_OWN,     /* pages of our own: nobody reads them from elsewhere */
	WEB_ORIGINS, /* those of `cors_origins` */
	WEB_ANYBODY, /* says nothing but what is public */
};

struct web_path {
	const char *path;    /* that ends with a slash: all below it */
	const char *methods; /* "GET, HEAD, OPTIONS" */
	enum web_readers readers;
};

const struct web_path *web_path(const char *path); /* NULL: another's */
bool web_method(const struct web_path *p, const char *method);
/* A failure of ours as who asked there understands it: RFC 6749's error as JSON, or a plain page
 * for a browser (`accept` names text/html). */
char *web_failure(struct arena *a, const char *accept, int http, const struct failure *f,
    const char **type, size_t *n);

#endif
