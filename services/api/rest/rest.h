/* rest: HTTP semantics of /v1. The service is exported for the stand-ins (graphql, websocket),
 * which link this library. */
#ifndef REST_REST_H
#define REST_REST_H

#include "bus/bus.h"
#include "node/node.h"
#include "proto/rest.pb-c.h"

extern Mf__Rest_Service rest_service;
extern const char *const rest_capabilities[];

bool rest_init(struct node *n);

/* Handle, whoever's service it came by: answers c, always with an HttpResponse. q lives as long as
 * c. */
void rest_answer(struct call *c, const Mf__HttpRequest *q);
/* The same, for who has something else to answer c with: the response lives as long as c. */
typedef void rest_done_fn(const Mf__HttpResponse *m, void *ctx);
void rest_answer_to(struct call *c, const Mf__HttpRequest *q, rest_done_fn *done, void *ctx);
/* What HTTP says of this failure; done is called at once. */
void rest_refuse_to(struct call *c, const Mf__HttpRequest *q, const struct failure *f,
    rest_done_fn *done, void *ctx);

/* --- etag.c: the conditions of RFC 9110, pure --- */
enum etag_verdict {
	ETAG_NONE,    /* no such header */
	ETAG_ANY,     /* "*" */
	ETAG_VERSION, /* one strong tag that is a version */
	ETAG_NEVER,   /* only tags that none of ours equals: the condition is false */
	ETAG_BAD,     /* no list of entity tags, or more than one version in If-Match */
};
enum etag_verdict etag_if_match(const char *header, uint64_t *version);
/* tag: without quotes. True: unchanged, answer 304. */
bool etag_if_none_match(const char *header, const char *tag);

#endif
