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
#include "base/failure.h"
#include "base/json.h"
#include "base/status.h"
#include "base/str.h"
#include "bus/bus.h"
#include "proto/database.pb-c.h"
#include "proto/meta.pb-c.h"
#include "proto/rest.pb-c.h"

enum op_kind {
	OP_CREATE, /* this and the next eight: of a collection */
	OP_BULK,
	OP_COUNT,   /* how many a list has */
	OP_HISTORY, /* what happened to one */
	OP_APPLY, /* one action on all that a filter matches: several requests to level 0 (services/api/rest/apply.h) */
	OP_LIST,
	OP_READ,
	OP_UPDATE,
	OP_DELETE,
	OP_LOGIN,
	OP_REFRESH,
	OP_LOGOUT,
	OP_ME,      /* who asks */
	OP_REQUEST, /* a TaskRequest as it is */
	OP_FLEET,
	OP_RESTART,
	OP_FAULTS,
	OP_LOG_LEVEL,
	OP_OWN,      /* another operation of level 0: route.own names it */
	OP_STRATEGY, /* of a TaskRequest, which is not run */
	OP_HEALTH,
	OP_EVENTS, /* a stream: it is no request to level 0 (services/api/live) */
	OP_BLOB_PUT, /* this and the next seven: of bytes, several requests to level 0 (services/api/rest/blobs.h) */
	OP_BLOB_GET,
	OP_BLOB_LIST,
	OP_BLOB_DELETE,
	OP_UPLOAD_CREATE,
	OP_UPLOAD_STATE,
	OP_UPLOAD_PIECE,
	OP_UPLOAD_DELETE,
};

/* Its body is bytes, or the answer's is. */
static inline bool
op_is_bytes(enum op_kind k)
{
	return k >= OP_BLOB_PUT && k <= OP_UPLOAD_DELETE;
}

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
	const char *only;  /* id of the one that there is; NULL: a path says it */
	bool may_be_old;   /* a read may say how old what it gets may be */
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
	const char *own;             /* OP_OWN: the operation */
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

struct ops_proof;

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
	const char *credential;        /* token, "" when there is none */
	const struct ops_proof *proof; /* NULL: it came as Bearer */
	const char *user_agent;        /* of a log-in or refresh; NULL: not said */
	const char *client_address;
	uint64_t if_version;
	const char *session; /* a read's: of the write that it must see; NULL, "": none */
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
/* Answers about it may show a secret, once. */
bool ops_tells_secret(const char *model);
const char *ops_permission(const char *operation, const char *model,
    struct arena *a); /* "create", "task": "task.create" */

/* --- same.c: a create with an id of the client's choosing may be repeated --- */
bool
ops_same(const json_t *given, const json_t *stored); /* each field that was given is as stored */
/* Of other content: a conflict, or, where a try of it came before, perhaps what that one made. */
const struct failure *ops_taken(const Mf__TaskResponse *m);

/* --- bulk.c: many creates in one request, each on its own --- */
#define BULK_MOST 1000
/* The body of o is {"tasks":[...]}, or the array alone, or what stood in lines (o->lines). */
/* UUIDv7 of member i: the same for the same operation id and i, whoever asks. */
void bulk_id(const char *operation_id, uint32_t i, char out[37]);
/* The array that DatabaseRequirement.data wants: each member with its id, if there is a seed for it. */
bool bulk_data(struct arena *a, const struct op *o, ProtobufCBinaryData *out, struct failure *f);
/* {"items":[{"status":201,"task":{}} or {"status":422,"error":{}}]}, or the items in lines; result
 * NULL: could not be read. */
char *bulk_answer(struct arena *a, const struct op *o, const Mf__TaskResponse *m,
    const json_t *result, size_t *n);

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

/* --- credential.c: the token of an Authorization header ("": there is none); NULL: it is malformed --- */
struct ops_proof { /* of a DPoP-bound token, and the request that it came with */
	const char *proof, *method, *url;
};
/* *proof NULL: it came as Bearer. */
const char *
ops_credential(struct arena *a, const Mf__HttpRequest *q, const struct ops_proof **proof);
void ops_prove(Mf__AuthRequirement *r, const struct ops_proof *p); /* NULL: nothing */
/* Bearer alone: a session lives longer than a proof. */
const char *ops_bearer(struct arena *a, const char *authorization);
/* WWW-Authenticate of this refusal, NULL: none; said: there was a credential. */
const char *
ops_challenge(struct arena *a, const struct failure *f, bool said, const char *permission);
extern const struct failure ops_bad_credential;
const char *ops_header(const Mf__HttpRequest *q, const char *name); /* in lower case; "": none */

/* --- mode.c: what the fleet takes on at the moment (topic "fleet.mode") --- */
void ops_mode_init(struct bus *b, struct target *meta);
/* NULL: nothing speaks against sending it; else why it would be refused. */
const struct failure *ops_mode_refuses(struct call *c, const Mf__TaskRequest *q);

/* --- traces.c --- */
/* What is kept of requests that enter in this process goes to meta. */
void ops_traces_init(struct bus *b, struct target *meta);
/* "/v1/tasks/{id}"; "" for what is no path of ours. As struct call_about wants it. */
const char *ops_route_of(struct arena *a, const char *method, const char *path);

/* --- execute.c --- */
void ops_init(struct bus *b); /* once, before the first call */
bool ops_ready(void);         /* meta can be called */
/* The answer comes to done as from any rpc: m NULL: failed, rpc_failure says why. */
struct rpc *
ops_execute(struct call *c, const Mf__TaskRequest *q, Mf__TaskResponse_Closure done, void *ctx);
/* Who asks, and may he? Nothing is done. done gets the principal, or why not. permission "": no more
 * than who asks. of: for what that is meant to be; NULL: nothing in particular. */
struct rpc *ops_ask(struct call *c, const struct op *o, const char *permission,
    const Mf__TaskRequest *of, Mf__TaskResponse_Closure done, void *ctx);
/* Asks who leads: rpc_node() of the answer, which only that orchestrator gives. */
struct rpc *ops_leader(struct call *c, Mf__FleetMode_Closure done, void *ctx);
/* What an agent keeps for itself: no client asks for it, so it does not go through meta. */
struct rpc *
ops_store(struct call *c, const Mf__StoreOp *q, Mf__StoreResult_Closure done, void *ctx);
/* The log of what happened to tasks. Whoever reads on has asked for the permission. */
struct rpc *
ops_events(struct call *c, const Mf__EventsAfter *q, Mf__EventPage_Closure done, void *ctx);

#endif
