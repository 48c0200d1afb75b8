/* web: one HTTP request to the authorization server, taken apart, and its answer.
 *
 * A handler gets a struct web and ends with exactly one reply (web_json and the others below), at once or
 * from a later callback; all of it lives in the call's arena. Parameters are UTF-8 without NUL, each
 * name at most once (RFC 6749, 3.1): a request that breaks this is answered before a handler sees it. A
 * parameter without a value counts as absent (RFC 6749, 3.1). What the store can't answer now is 503;
 * a call that fails on the bus is tried again on the stand-in, so handlers reply, they don't fail. */
#ifndef OAUTH_WEB_H
#define OAUTH_WEB_H

#include "auth/oauth/oauth.h"
#include "base/json.h"
#include "base/time.h"

#define WEB_PARAMS_MOST  64
#define WEB_VALUE_MAX    16384 /* of one parameter, decoded */
#define WEB_BODY_MAX     65536
#define WEB_HEADERS_MOST 24 /* of an answer */

struct web_params {
	size_t n;
	struct web_param {
		const char *name, *value;
	} all[WEB_PARAMS_MOST];
};

struct web {
	struct oauth *o;
	struct call *c;
	struct arena *a;
	const Mf__WebRequest *q;
	struct web_params query, form; /* form: empty unless the body is one */
	bool is_page;                  /* of the route: errors are for people */
	const char *rest;              /* of the path, behind a route that ends with '/' */
	const char *operation_id;      /* of the call, never "": what keys every effect of it */
	const char *base;              /* "https://host", of this request: absolute URLs */
	const char *issuer;            /* of the authorization server: configured, else base */
	size_t n_headers;              /* of the answer so far */
	Mf__KeyValue *headers[WEB_HEADERS_MOST];
};

typedef void web_fn(struct web *w);

/* One row of the table in routes.c. */
struct route {
	const char *method; /* "GET", "POST", ... */
	const char *path; /* exact, or with '/' at the end: all below it, w->rest is what follows */
	web_fn *handle;
	enum { ROUTE_API, ROUTE_PAGE } kind; /* for programs (errors are JSON), or for people */
};
extern const struct route oauth_routes[]; /* ended by method NULL */

/* Oauth.Web. */
void web_serve(struct oauth *o, struct call *c, const Mf__WebRequest *q);

/* --- what came. NULL: absent --- */
const char *web_query(const struct web *w, const char *name);
const char *web_form(const struct web *w, const char *name);
const char *
web_header(const struct web *w, const char *name); /* in lower case; the first of them */
const char *web_cookie(const struct web *w, const char *name);
bool web_has_form(const struct web *w); /* the body is application/x-www-form-urlencoded */
bool web_wants_html(const struct web *w);
/* Pure, for tests and the fuzzer. NULL, or what is wrong with it. */
const char *web_params_read(struct arena *a, struct str text, struct web_params *out);

/* --- the answer --- */
/* Header lines before the reply; fmt's result is cut at CR, LF: no value can make another header. */
void web_add(struct web *w, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void web_json(struct web *w, unsigned status, struct jw *body); /* Cache-Control: no-store */
void web_bytes(struct web *w, unsigned status, const char *type, const void *p, size_t n);
void web_empty(struct web *w, unsigned status);
/* HTML, with CSP default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' and
 * `form_action` (an origin, or NULL); frame-ancestors 'none'; base-uri 'none', and no-store,
 * no referrer to others. `html` is the whole document. (The edge adds nosniff to everything.) */
void web_page(struct web *w, unsigned status, const char *html, const char *form_action);
/* 303: the browser goes on with GET. `url` absolute, or a path of ours. */
void web_redirect(struct web *w, const char *url);
/* RFC 6749, 5.2: {"error","error_description"}; 401 with WWW-Authenticate when the client tried
 * Basic. description: static words, no secret. */
void web_oauth_error(struct web *w, unsigned status, const char *error, const char *description);
/* A page (pages.h) when the route is one, else the JSON of above. */
void web_error(struct web *w, unsigned status, const char *error, const char *description);
/* Somebody whom we asked failed: 503 (faults, limits), or 500. */
void web_failed(struct web *w, const struct failure *f);

/* --- helpers --- */
/* The strings of a list that is a member of `data`; they live as long as that. */
const char *const *web_texts(const struct web *w, const json_t *data, const char *name, size_t *n);
const char *web_percent(struct arena *a, const char *text); /* for a query component */
/* A UUID of a secret of the fleet: nobody can guess it, a repeat of the operation gives it again. */
void web_secret_id(const struct web *w, const char *what, const char *of, char out[UUID_LEN]);
/* 256 bits of the same kind, base64url (43 characters). */
char *web_secret_text(const struct web *w, const char *what, const char *of);
/* A UUID that is a hash of a secret text: the key of a row in which the text is not stored. */
void web_hash_id(const char *kind, const char *secret, char out[UUID_LEN]);
/* Tells auth (Auth.Report); nobody waits for it. NULL: not known. */
void web_report(struct web *w, const char *kind, const char *user_id, const char *client_id,
    const char *detail);

#endif
