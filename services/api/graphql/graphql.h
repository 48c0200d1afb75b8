/* graphql: the agent of its protocol; it can also do every operation of /v1, which is how it stands
 * in for rest. rest and websocket link this library and stand in for graphql in turn.
 *
 *   http.c      one HTTP request of /graphql: methods, media types, statuses
 *   serve.c     one GraphQL request, whatever it came by: document, operation, execution, answer
 *   subscribe.c subscriptions, for WebSocket
 *   documents.c documents that clients name by their hash
 *   query.c mutation.c page.c object.c   what the fields of schema.graphql do
 *   ask.c       a field's way to meta; load.c: objects by id, all of a turn in one read
 *   ids.c names.c   what things and their fields are called here and in REST
 *   engine/     the language itself, a library of its own */
#ifndef GRAPHQL_GRAPHQL_H
#define GRAPHQL_GRAPHQL_H

#include <jansson.h>
#include "api/rest/export.h"
#include "base/config.h"
#include "bus/bus.h"
#include "node/node.h"
#include "proto/graphql.pb-c.h"

struct graphql_config {
	const char *documents;
	bool documents_only;
	bool documents_register;
	bool introspection;
	bool console;
	int64_t aliases;
	int64_t depth;
	int64_t tokens;
	int64_t cost;
	struct export_config export;
};
extern const struct config_key graphql_keys[];
extern Mf__Graphql_Service graphql_service;
extern const char *const graphql_capabilities[];

/* --- graphql.c: of graphql and of its stand-ins, whose configuration is struct graphql_config too ---
 */
bool graphql_init(struct node *n);
void graphql_reload(struct node *n, const void *old_config, const void *new_config);

/* --- serve.c: for http.c, and for WebSocket --- */
struct graphql_ask {
	const char *query;       /* NULL: by document_id */
	const char *document_id; /* "sha256:HEX", or the name of a file; NULL: none */
	bool apq; /* it came as extensions.persistedQuery: say so when it is not known */
	const char *operation_name;    /* "": the only one */
	const json_t *variables;       /* NULL: none */
	const char *credential;        /* "": none */
	const struct ops_proof *proof; /* NULL: it came as Bearer */
	const char *client_address;
	const char *session;      /* what reads must not be older than; NULL, "": none */
	const char *operation_id; /* UUIDv7 of the request */
	bool only_queries;        /* GET: nothing may change */
	bool keyed; /* an Idempotency-Key: nothing may change that could change twice */
};

enum graphql_outcome {
	GRAPHQL_DATA,
	GRAPHQL_PARTIAL,  /* data, or null for it, and errors */
	GRAPHQL_UNPARSED, /* from here on: errors only */
	GRAPHQL_INVALID,
	GRAPHQL_NOT_A_QUERY, /* though only_queries; or a subscription where none can be served */
	GRAPHQL_UNKNOWN_DOCUMENT,
	GRAPHQL_FORBIDDEN_DOCUMENT, /* only those that are configured are taken */
	GRAPHQL_TOO_LARGE,          /* the answer */
};
struct graphql_answer {
	enum graphql_outcome outcome;
	const char *json;
	size_t n;
	bool degraded;
	const char *session; /* what a later request names to see no less; NULL: none */
	uint64_t age_us;     /* of the oldest part; 0: none came from a copy */
	bool wrote;          /* something was asked that is no read: a log-in, say */
	const Mf__Principal
	    *principal; /* whom the credential was verified to be; NULL: not asked */
};
typedef void graphql_done_fn(void *ctx, const struct graphql_answer *a);
/* All of q, and ctx, live as long as the call. done comes once, now or later, unless the call ends. */
void graphql_serve(struct call *c, const struct graphql_ask *q, graphql_done_fn *done, void *ctx);

void graphql_count(enum graphql_outcome o); /* in the metric of requests; http.c */
/* What did not get as far as that, as GraphQL has it: {"errors":[...]}, in the call's arena. */
char *graphql_failure(struct call *c, const struct failure *f, size_t *n);

/* --- subscribe.c --- */
/* As far as can be told without looking closely: what is none, or nothing at all, graphql_serve
 * answers. */
bool graphql_is_subscription(const struct graphql_ask *q);
/* A subscription outlives the call it came by. Another one after each reload: what was compiled under
 * an older one is compiled anew. */
unsigned graphql_generation(void);
struct graphql_subscription;
/* NULL: *refused says why. Of q the document, the operation's name and the variables count. */
struct graphql_subscription *
graphql_subscribe(struct arena *a, const struct graphql_ask *q, struct graphql_answer *refused);
const char *graphql_source(const struct graphql_subscription *s); /* "taskEvents", "fleetEvents" */
const char *graphql_source_after(const struct graphql_subscription *s); /* "": from now on */
/* {"state":"FAILED","kind":["task.created"]}: members as events have them; NULL: everything. */
const json_t *graphql_source_filter(const struct graphql_subscription *s);
struct str graphql_source_text(const struct graphql_subscription *s); /* of the document */
size_t graphql_source_bytes(const struct graphql_subscription *s);    /* of memory, about */
/* One event, as /v1/ws has it: its `data` with `position`, `kind` and `at`. who: credential, address,
 * operation id; lives, like event, until done. */
void graphql_event(struct call *c, const struct graphql_subscription *s,
    const struct graphql_ask *who, const json_t *event, graphql_done_fn *done, void *ctx);
void graphql_unsubscribe(struct graphql_subscription **s); /* no event of it is under way */

#endif
