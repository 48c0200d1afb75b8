/* ops: what a client can ask of the federation, in no protocol's terms. The three API agents
 * translate their protocol into a struct op, ops_build makes the one TaskRequest of it, ops_execute
 * sends that to meta.
 *
 * Paths here are those of ApiRequirement.endpoint: without /v1. Everything lives in the arena that
 * is passed. Rules about the fields of a model have one home, services/database/sql: here only the
 * shape of a request is looked at. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "base/str.h"
#include "bus/bus.h"
#include "proto/database.pb-c.h"
#include "proto/meta.pb-c.h"
#include "proto/rest.pb-c.h"

enum op_kind {
	OP_CREATE, /* this and the next five: of a collection */
	OP_BULK,
	OP_LIST,
	OP_READ,
	OP_UPDATE,
	OP_DELETE,
	OP_LOGIN,
	OP_REFRESH,
	OP_LOGOUT,
	OP_REQUEST, /* a TaskRequest as it is */
	OP_FLEET,
	OP_RESTART,
	OP_FAULTS,
	OP_LOG_LEVEL,
	OP_HEALTH,
	OP_EVENTS, /* a stream: it is no request to level 0 (services/api/live) */
};

/* An answer's principal is whose credential the request bore. A log-in names whom it logged in: that
 * says nothing of the request's own. */
static inline bool
op_tells_principal(enum op_kind k)
{
	return k != OP_LOGIN && k != OP_REFRESH && k != OP_LOGOUT;
}

/* --- route.c: one table of all resources --- */
struct collection {        /* things that are created, listed, read, updated, deleted alike */
	const char *model; /* "task" */
	const char *path;  /* "/tasks" */
	bool named;        /* an id is a name that the client gives; else a UUID */
	bool chosen;       /* ... that the client may choose */
	const char *const *filters; /* NULL-ended, those of every collection aside */
	const char *const *fields;  /* of an answer, NULL-ended: those that `fields` may name */
};
struct route {
	const char *method;
	const char *pattern; /* "/tasks/ID", "/fleet/ID:restart": ID is one segment */
	enum op_kind kind;
	const char *permission;      /* what it asks for, "" when it needs none */
	const struct collection *of; /* NULL: of none */
	int status;                  /* HTTP's, of a success */
};
struct route_match {
	const struct route *route; /* NULL: none */
	const char *id;            /* "" when the pattern has none */
	/* The path exists: its methods, "GET, HEAD, OPTIONS"; NULL: it does not. */
	const char *allow;
};
extern const char *const filters_of_all[]; /* NULL-ended: filters of every collection */
struct route_match route_find(struct arena *a, const char *method, const char *path);
const struct route *route_of(enum op_kind k); /* the first of that kind */
const struct route *route_at(size_t i);       /* NULL: past the last */

/* --- query.c: a query string --- */
struct param {
	const char *name, *value; /* decoded, UTF-8, without control characters */
};
#define QUERY_MOST 32
/* False: *f says what is wrong with it. */
bool
query_parse(struct arena *a, const char *query, struct param **out, size_t *n, struct failure *f);

/* --- build.c: an operation becomes a TaskRequest --- */
struct op {
	const struct route *route;
	const char *id; /* of the thing, or the node's name */
	/* UUIDv7 of this request: id of a create, seed of a bulk's ids; "": meta shall name them */
	const char *operation_id;
	const char *credential; /* bearer token, "" when there is none */
	const char *client_address;
	uint64_t if_version;
	const struct param *params;
	size_t n_params;
	const json_t *body; /* NULL: none */
	struct str text;    /* the same as bytes; empty: made from body where it is needed */
	/* Of a bulk: why member i is none, NULL: it is one; NULL: all are. */
	const struct failure **refused;
	bool lines; /* a bulk that came in lines; body is their array */
};
/* NULL: *f says what is wrong: INVALID_ARGUMENT, reason VALIDATION, with violations. */
Mf__TaskRequest *ops_build(struct arena *a, const struct op *o, struct failure *f);
#define VIOLATIONS_MOST 20 /* a body of a thousand wrong names is not worth more */
/* What is wrong with a request, one entry after the other; the first makes *f a failure. */
void ops_violation(struct arena *a, struct failure *f, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The JSON Pointer (RFC 6901) of member `key` of what stands at `at`; a long key is cut. */
const char *ops_pointer(struct arena *a, const char *at, const char *key);
const char *ops_permission(const char *operation, const char *model,
    struct arena *a); /* "create", "task": "task.create" */

/* --- same.c: a create with an id of the client's choosing may be repeated --- */
bool
ops_same(const json_t *given, const json_t *stored); /* each field that was given is as stored */
extern const struct failure ops_id_taken;

/* --- bulk.c: many creates in one request, each on its own --- */
#define BULK_MOST 1000
/* The body of o is {"tasks":[...]}, or the array alone, or what stood in lines (o->lines). */
/* UUIDv7 of member i: the same for the same operation id and i, whoever asks. */
void bulk_id(const char *operation_id, uint32_t i, char out[37]);
/* The array that DatabaseRequirement.data wants: each member with its id, if there is a seed for it. */
bool bulk_data(struct arena *a, const struct op *o, ProtobufCBinaryData *out, struct failure *f);
/* {"items":[{"status":201,"task":{}} or {"status":422,"error":{}}]}, or the items in lines; result
 * NULL: could not be read. */
char *bulk_answer(struct arena *a, const struct op *o, const json_t *result, size_t *n);

/* --- raw.c: TaskRequest and TaskResponse as JSON --- */
Mf__TaskRequest *raw_request(struct arena *a, const struct op *o, struct failure *f);
/* What who asks for q has to be permitted, each once: at most `most`. More than most: those, and a
 * permission that nobody has. */
size_t raw_permissions(struct arena *a, const Mf__TaskRequest *q, const char **out, size_t most);
void raw_response(struct jw *w, const char *key, const Mf__TaskResponse *m);

/* --- problem.c: failures as RFC 9457 has them --- */
int problem_http(const struct failure *f);
/* trace_id: 32 digits or ""; http 0: problem_http(f). Leaves the object open when `open`, for
 * further members. */
void problem_write(struct jw *w, const char *key, int http, const struct failure *f,
    const char *trace_id, bool open);
uint32_t problem_retry_after(const struct failure *f, int http); /* seconds; 0: no such header */
void problem_from(
    struct arena *a, const Mf__Problem *p, struct failure *f); /* strings stay the message's */
void problem_from_json(struct arena *a, const json_t *v, struct failure *f);
void trace_id_of(const char *traceparent, char out[33]); /* "" when it has none */

/* --- bearer.c: the token of an Authorization header ("": there is none); NULL: it is malformed --- */
const char *ops_bearer(struct arena *a, const char *authorization);
extern const struct failure ops_bad_credential;
const char *ops_header(const Mf__HttpRequest *q, const char *name); /* in lower case; "": none */

/* --- execute.c --- */
void ops_init(struct bus *b); /* once, before the first call */
bool ops_ready(void);         /* meta can be called */
/* The answer comes to done as from any rpc: m NULL: failed, rpc_failure says why. */
struct rpc *
ops_execute(struct call *c, const Mf__TaskRequest *q, Mf__TaskResponse_Closure done, void *ctx);
/* Who asks, and may he? Nothing is done. done gets the principal, or why not. permission "": no more
 * than who asks. */
struct rpc *ops_ask(struct call *c, const struct op *o, const char *permission,
    const char *resource, Mf__TaskResponse_Closure done, void *ctx);
/* What an agent keeps for itself: no client asks for it, so it does not go through meta. */
struct rpc *
ops_store(struct call *c, const Mf__StoreOp *q, Mf__StoreResult_Closure done, void *ctx);
/* The log of what happened to tasks. Whoever reads on has asked for the permission. */
struct rpc *
ops_events(struct call *c, const Mf__EventsAfter *q, Mf__EventPage_Closure done, void *ctx);

#endif
