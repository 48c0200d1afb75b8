/* http_client: HTTP requests to others (outside OpenID providers, collectors), by libcurl on the loop.
 * libcurl is begun with the first request: who never asks pays nothing. Who uses it links libcurl.
 *
 * What it refuses is the point of it: https only (http to the loopback, for development and tests, or
 * where who asks says `plain`),
 * certificates verified, redirects answered but never followed, a body beyond its bound, an answer
 * beyond its time, a proxy that nobody configured, compressed bodies. Names are looked up by a thread
 * of libcurl's (Debian's build has the threaded resolver), which is left alone when nobody waits any
 * more. */
#ifndef NODE_HTTP_CLIENT_H
#define NODE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"
#include "node/loop.h"

#define HTTP_CLIENT_URL_MAX 2000

struct http_client;

struct http_client_opts {
	const char *proxy;   /* "" or NULL: none, whatever the environment says */
	const char *ca_file; /* "" or NULL: the system's */
};
struct http_client *http_client_new(struct loop *l, const struct http_client_opts *o);
void http_client_free(struct http_client **h); /* drops what is under way; no callback comes */

struct http_get { /* a POST when there is a body */
	const char *url;
	const char *accept;        /* NULL: any JSON */
	const char *authorization; /* NULL: none; never logged */
	const char *form;          /* application/x-www-form-urlencoded; NULL: a GET */
	/* Instead of a form, copied: bytes of that type, and their Content-Encoding, NULL: none. */
	struct str body;
	const char *body_type, *body_encoding;
	const char *const
	    *headers;     /* others, "Name: value", NULL-ended; never logged; NULL: none */
	bool plain;       /* http is fine, wherever it goes */
	size_t most;      /* bytes of the answer's body */
	int64_t limit_us; /* for all of it */
};

struct http_got {
	int status;
	const char *type; /* content type without its parameters, in lower case; "" */
	const char *body; /* NUL-ended, n without it; may have NULs in it */
	size_t n;
	int64_t max_age_s;     /* of Cache-Control; -1: not said; 0: no-store, no-cache too */
	int64_t retry_after_s; /* -1: not said */
};

/* m NULL: no answer, `why` says why (for people and logs; no secret). Both live until it returns.
 * Never from inside http_client_start. The fetch is gone then: forget its pointer. */
typedef void http_done_fn(const struct http_got *m, const char *why, void *ctx);

struct http_fetch;
struct http_fetch *
http_client_start(struct http_client *h, const struct http_get *q, http_done_fn *done, void *ctx);
void http_client_cancel(struct http_fetch **f); /* done never comes; harmless when NULL */

/* May this be asked? https, or http to the loopback (127.0.0.0/8, ::1, localhost) where `loopback`; no
 * user, password or fragment in it. Judged by libcurl's own parser, so that what is judged is what is
 * asked. *is_loopback_http may be NULL. */
bool http_client_url_ok(const char *url, bool loopback, bool *is_loopback_http);
/* The same, and http wherever it goes. */
bool http_client_url_plain_ok(const char *url);

#endif
