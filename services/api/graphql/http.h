/* http: one HTTP request of /graphql, between accept.c and params.c (what is asked) and http.c (what
 * is answered). */
#ifndef GRAPHQL_HTTP_H
#define GRAPHQL_HTTP_H

#include "api/graphql/graphql.h"
#include "base/str.h"
#include "proto/rest.pb-c.h"

/* --- accept.c, pure --- */
enum media { MEDIA_NONE, MEDIA_JSON, MEDIA_GRAPHQL, MEDIA_HTML };
/* What an Accept header ("": there is none) likes best of what we have; html: that is among it. */
enum media accept_choose(const char *accept, bool html);
bool content_is_json(const char *content_type); /* and in UTF-8 */

/* --- params.c: the parameters of a well-formed GraphQL-over-HTTP request, pure --- */
struct params {
	struct arena *a;
	struct graphql_ask *ask;
	json_t
	    *own[2]; /* what of ask is a view of; the caller's, whatever came of it; NULL: none */
	const char *wrong; /* what is not well-formed; NULL: nothing */
};
bool params_of_query(struct params *p, const char *query); /* without '?' */
bool params_of_body(struct params *p, const void *body, size_t n);
bool params_of_json(struct params *p, const json_t *v); /* an object, whose views they are */

/* --- http.c --- */
/* Answers c with an HttpResponse, always. q lives as long as c. */
void graphql_http(struct call *c, const Mf__HttpRequest *q);
void http_set_console(bool on);

/* --- console.c: a page for people; nonce goes into its Content-Security-Policy --- */
char *console_page(struct arena *a, const char *nonce, size_t *n);

#endif
