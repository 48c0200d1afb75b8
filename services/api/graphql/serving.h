/* serving: one GraphQL request under way, as its resolvers know it. */
#ifndef GRAPHQL_SERVING_H
#define GRAPHQL_SERVING_H

#include "api/graphql/engine/gql.h"
#include "api/graphql/graphql.h"
#include "api/ops/ops.h"

#define WARNINGS_MOST 32

/* In memory of its own, freed in the turn after the call has ended. The call's arena takes what meta
 * answers, which is bounded, and refused cleanly beyond that; what we make of it must not compete. */
struct serving {
	struct call *c;
	struct arena *a; /* of this and all that belongs to it */
	const struct graphql_ask *q;
	const struct document *document; /* a configured one, held; NULL: parsed for this request */
	struct gql_exec *exec;
	struct loop_turn turn; /* loads by key leave at its end; at last this is freed in one */
	struct call_dep dep;
	struct loop *loop;    /* once the call has ended */
	uint32_t writes;      /* so far: each needs an id of its own */
	size_t results_bytes; /* of meta's answers, so far */
	bool degraded;
	const char *session; /* NULL: none; of the last write */
	uint64_t age_us;
	const char *warnings[WARNINGS_MOST]; /* of all writes: fields that are nearly full */
	size_t n_warnings;
	const Mf__Principal *principal;
	graphql_done_fn *done;
	void *ctx;
};

struct thing {            /* what most GraphQL objects are */
	const char *type; /* "Task" */
	const json_t *v;
};

/* --- documents.c: those that are known by a hash or a name --- */
struct document;
struct documents_opts {
	const char *dir; /* "": none are configured */
	bool only;       /* no others are taken */
	bool take;       /* what clients send with their hash is kept for the next time */
	const struct gql_limits *limits;
};
/* The new ones are complete before the old ones go; false: err says why and nothing has changed. */
bool documents_load(const struct documents_opts *o, char *err, size_t err_size);
bool documents_only(void);
const struct document *documents_find(const char *id); /* held; NULL: not known */
void document_release(const struct document **d);
const struct gql_doc *document_doc(const struct document *d);
/* Keeps a valid document under its hash, if that is allowed. */
void documents_keep(const char *id, const char *text);
bool document_id_ok(const char *id, const char *text); /* it is this text's hash */

/* --- serve.c --- */
void serve_set_limits(const struct gql_limits *l);
unsigned serve_limits_set(void); /* how often */
const struct gql_limits *serve_limits(void);

struct running { /* what is executed, once it is known to be fit */
	const struct gql_doc *doc;
	const struct ast_operation *op;
	const struct gql_vars *vars;
};
/* Ends with its call, or before that. */
struct serving *serving_new(struct call *c, const struct graphql_ask *q);
void serving_end(struct serving *s);
/* stream: a subscription is wanted, else none. False: e and *outcome say why. */
bool serving_prepare(struct serving *s, struct running *r, struct gql_errors *e,
    enum graphql_outcome *outcome, bool stream);
void serving_execute(struct serving *s, const struct running *r, const void *root);
void serving_errors(struct arena *a, const struct gql_errors *e, const char *trace,
    struct jw *w); /* {"errors":..} */

/* --- schema.c --- */
const struct gql_schema *graphql_schema(void); /* built at the first use */
struct gql_value thing_value(struct arena *a, const char *type, const json_t *v);

/* --- query.c, mutation.c, page.c, object.c: tables that schema.c joins --- */
extern const struct gql_binding query_bindings[], mutation_bindings[], page_bindings[],
    object_bindings[];
gql_resolve_fn object_member; /* the member of the JSON object that has the field's key */

/* --- ask.c: from a resolver to meta --- */
struct asking;
/* m was a success; result: its JSON, or NULL when that is empty. */
typedef struct gql_value
asked_fn(struct asking *k, const Mf__TaskResponse *m, const json_t *result);
struct asking {
	struct serving *s;
	/* A copy, good for gql_arena, gql_arg and gql_type_name, not for gql_later. */
	const struct gql_at *at;
	struct op op;
	Mf__TaskRequest *task;
	struct rpc *rpc;
	asked_fn *take;
	void *ctx; /* the resolver's */
	struct gql_later *later;
	void (*done)(struct asking *k, struct gql_value v); /* instead of settling; load.c */
};
/* The operation that is METHOD PATH of REST; the caller fills in op further. */
struct asking *ask_new(const struct gql_at *at, const char *method, const char *path);
struct asking *ask_of(struct serving *s, const char *method, const char *path);
void ask_body(struct asking *k, const struct jw *w); /* a JSON text */
struct gql_value ask_meta(struct asking *k, asked_fn *take);
/* The first half of it: k->task. False: what to answer instead. */
bool ask_build(struct asking *k, struct gql_value *refused);
/* The same without a field that waits: what comes goes to k->done. */
void ask_for(struct asking *k, asked_fn *take);
/* For a TaskRequest that is no operation of REST's. */
struct gql_value ask_raw(struct asking *k, Mf__TaskRequest *t, asked_fn *take);
asked_fn take_thing; /* the result, as an object of the field's type */
/* Into memory of the request, with the names that things have here. */
struct gql_value ask_failed(struct serving *s, const struct failure *f);

/* --- load.c --- */
struct gql_value load_node(const struct gql_at *at, const char *id);
struct gql_value load_nodes(const struct gql_at *at, const struct gql_value *ids);
/* By global id, or by the one that REST knows. */
struct gql_value load_one(const struct gql_at *at, const char *type, const char *id);
/* The same by itself: how old it may be is said. */
struct gql_value load_aged(const struct gql_at *at, const char *type, const char *id);
struct gql_value load_blob(const struct gql_at *at, const char *id);
struct gql_value load_roles(const struct gql_at *at, const json_t *names);

/* --- page.c: connections --- */
struct listing {
	const char *type, *path; /* of REST */
	const char *const
	    *conditions; /* fields of `filter`, those of every list aside; NULL-ended; NULL:
	                    neither `filter` nor `sort` */
	bool may_be_old; /* it has the arguments that say how old */
};
/* `consistency` and `maxAgeMs` as REST has them; o->params has room for two more. */
void page_age(const struct gql_at *at, struct op *o);
struct gql_value page_ask(const struct gql_at *at, const struct listing *l);

/* --- ids.c: global ids, pure --- */
struct id_kind {
	const char *type, *path; /* "Task", "/tasks"; NULL: it is no collection */
	bool named;              /* an id is a name; else a UUID */
};
const struct id_kind *id_kind_of(const char *type);
char *id_global(struct arena *a, const char *type, const char *id);
/* REST's id, and what it is of; NULL: no such thing can be. */
const char *id_split(struct arena *a, const char *global, const struct id_kind **kind);
/* The same from REST's id itself or the global one; NULL: it is no id of this kind. */
const char *id_of(struct arena *a, const struct id_kind *kind, const char *id);
const char *id_task(struct arena *a, const char *id); /* of a task; else the text as it is */

/* --- names.c, pure --- */
const char *name_there(struct arena *a, const char *name); /* "createdAt": "created_at" */
const char *name_here(struct arena *a, const char *name);
/* Of a parameter, or a JSON Pointer into a body of REST's. */
const char *name_of_violation(struct arena *a, const char *field);

#endif
