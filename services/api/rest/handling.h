/* handling: one HTTP request in an agent, between handle.c (what is asked) and respond.c (what is
 * answered). */
#ifndef REST_HANDLING_H
#define REST_HANDLING_H

#include "api/ops/ops.h"
#include "api/rest/rest.h"

#define RESPOND_HEADERS 16

struct keyed; /* idempotency.c */

struct handling { /* in its call's arena */
	struct call *c;
	struct arena *a;
	const Mf__HttpRequest *q;
	rest_done_fn *done; /* NULL: the response is the call's answer */
	void *ctx;
	struct op op;
	enum etag_verdict if_match;
	const char *if_none_match; /* NULL or "": none */
	Mf__TaskRequest *task;     /* NULL: it is refused */
	struct failure *refusal;   /* what the contract says against it; NULL: nothing */
	struct rpc *rpc;
	struct keyed *keyed;      /* NULL: the request has no Idempotency-Key */
	const char *fields;       /* "id,title": only these; NULL: all */
	const char *content_type; /* NULL: application/json */
	Mf__HttpResponse out;
	struct call_about about;
	Mf__KeyValue *headers[RESPOND_HEADERS];
};

const char *handling_header(const struct handling *h, const char *name); /* "": none */
void handling_end(struct handling *h); /* h->out goes to who asked */
/* h->task goes to meta, its answer to respond.c; or the refusal does. */
void handling_execute(struct handling *h);
/* The refusal is answered; who is nobody hears that first. */
void handling_refuse(struct handling *h);
void respond_header(struct handling *h, const char *name, const char *value);
/* These end the call. */
/* 204 to OPTIONS, 405 to what else is not in `allow`. */
void respond_no_method(struct handling *h, const char *allow);
void respond(struct handling *h, int status, const void *body, size_t n);
void respond_failure(
    struct handling *h, int http, const struct failure *f); /* http 0: as the failure says */
void respond_result(struct handling *h, const Mf__TaskResponse *m);

/* NULL: it is no JSON object; else it lives as the request. */
json_t *read_object(struct handling *h, const ProtobufCBinaryData *text);
void failure_of(struct handling *h, const Mf__TaskResponse *m, struct failure *f);
/* fields.c: false: h is answered. */
bool fields_read(struct handling *h);
void fields_respond(struct handling *h, const json_t *result);
/* fleet.c */
void fleet_respond(struct handling *h, const json_t *fleet);
/* lines.c: the body is a sequence of lines; op.body becomes their array. */
bool lines_wanted(const struct handling *h);
void lines_read(struct handling *h);
/* Whom the edge shall take for who asks. */
void respond_principal(struct handling *h, const Mf__TaskResponse *m);

#endif
