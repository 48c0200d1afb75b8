/* gql: GraphQL (September 2025 edition) for C programs. What a request needs lives in arenas of the
 * caller's; nothing here does I/O, blocks, or keeps state besides the schema.
 *
 *	schema = gql_schema_new(forever, &def, &errors);                once, at start
 *	doc = gql_parse(a, text, &limits, &errors);                     NULL: the errors say why
 *	gql_validate(schema, doc, &limits, a, &errors);                 from now on it doesn't change
 *	op = gql_operation(doc, name, &errors);
 *	vars = gql_variables(op, json, a, &errors);
 *	gql_cost(doc, op, vars, &limits, a, &cost, &errors);
 *	gql_execute(&run);                                              run.done comes now or later
 *	gql_write(exec, jw);
 *
 * What a client sent is held against struct gql_limits before anything recurses over it. */
#ifndef GQL_GQL_H
#define GQL_GQL_H

#include "api/graphql/engine/ast.h"
#include "api/graphql/engine/value.h"

struct gql_schema;
struct gql_vars;
struct gql_exec;
struct gql_later;
struct gql_batch;

struct gql_limits {
	size_t bytes;     /* of a document */
	uint32_t tokens;  /* of a document */
	uint32_t nesting; /* of braces and brackets in the text, and of fragments in fragments */
	uint32_t aliases; /* of a document */
	uint32_t depth;   /* of fields in an operation, through its fragments */
	uint64_t cost;    /* of an operation: cost.c says how it is counted */
	bool closed;      /* the schema is not asked about itself */
};
extern const struct gql_limits gql_limits_default;

/* --- schema.c: built once, from the schema language --- */
struct gql_at { /* where a resolver is */
	struct gql_exec *exec;
	const struct gql_field *field;
	const void *object; /* whose field it is */
	const struct gql_value *args;
	void *place; /* the execution's */
};
/* Answers at once, or returns gql_later's value. What it returns lives as long as the execution. */
typedef struct gql_value gql_resolve_fn(const struct gql_at *at);

struct gql_binding {       /* what a field does; those without one read `fallback` */
	const char *field; /* "Query.task"; NULL ends the table */
	gql_resolve_fn *resolve;
	const char *key;       /* for the resolver: gql_key; NULL: the field's name */
	uint32_t cost;         /* of the field itself; 0: 1 */
	const char *size_args; /* "first,ids": each tells how many items come; the largest counts */
	const char *sized; /* "edges,nodes": the fields below that hold the items; NULL: itself */
	uint32_t size;     /* items when no argument tells; 0: of a list 10, else 1 */
};
struct gql_scalar {
	const char *name; /* NULL ends the table */
	/* A value that came in, and one that goes out: fit for this scalar? NULL: yes, and it may
	 * have been changed; else what it must be. Either may be NULL: anything is. */
	const char *(*take)(struct arena *a, struct gql_value *v);
	const char *(*give)(struct arena *a, struct gql_value *v);
};
struct gql_schema_def {
	struct str sdl; /* stays as long as the schema */
	const struct gql_binding *bindings;
	const struct gql_scalar *scalars;
	gql_resolve_fn *fallback;
	const char *(*type_of)(const void *object); /* which object type of an interface or union */
};
/* NULL: errors say why, in lines of the sdl. */
struct gql_schema *
gql_schema_new(struct arena *a, const struct gql_schema_def *d, struct gql_errors *e);
char *gql_schema_print(struct arena *a, const struct gql_schema *s, size_t *n);

/* --- documents: parser.c, validate.c, print.c. A document stays in the arena it was parsed into and
 * may be executed any number of times; the arena of gql_validate need not outlive it. --- */
struct gql_doc *
gql_parse(struct arena *a, struct str text, const struct gql_limits *l, struct gql_errors *e);
bool gql_validate(const struct gql_schema *s, struct gql_doc *d, const struct gql_limits *l,
    struct arena *a, struct gql_errors *e);
char *gql_print(struct arena *a, const struct gql_doc *d, size_t *n);

/* --- one operation of a valid document: variables.c, cost.c --- */
const struct ast_operation *
gql_operation(const struct gql_doc *d, const char *name, struct gql_errors *e); /* "": the only */
const struct gql_vars *gql_variables(
    const struct ast_operation *op, const json_t *given, struct arena *a, struct gql_errors *e);
bool gql_cost(const struct gql_doc *d, const struct ast_operation *op, const struct gql_vars *vars,
    const struct gql_limits *l, struct arena *a, uint64_t *cost, struct gql_errors *e);

/* --- execute.c --- */
struct gql_run { /* copied */
	const struct gql_schema *schema;
	const struct gql_doc *doc;
	const struct ast_operation *op;
	const struct gql_vars *vars;
	struct arena *a;
	const void
	    *root;  /* the object of the operation's root type; of a subscription: the event */
	void *host; /* for resolvers: gql_host */
	/* Exactly once; may come from inside gql_execute. */
	void (*done)(struct gql_exec *e, void *host);
	/* Loads wait until gql_turn, which the host calls once at the end of its turn; NULL: they
	 * leave as soon as nothing else can be done. */
	void (*wants_turn)(struct gql_exec *e, void *host);
	/* When no more than this is left of the arena nothing more is asked: fields fail. */
	size_t keep_bytes;
};
void gql_execute(const struct gql_run *r);
void gql_turn(struct gql_exec *e);
/* {"errors":[...],"data":...}, after done. False: it is larger than `most`, and cut off. */
bool gql_write(struct jw *w, const struct gql_exec *e, const char *trace_id, size_t most);
/* The same into an object that is open: extensions go beside it. */
bool gql_write_members(struct jw *w, const struct gql_exec *e, const char *trace_id, size_t most);
bool gql_has_data(const struct gql_exec *e); /* and it is not null */
const struct gql_errors *gql_exec_errors(const struct gql_exec *e);
/* Of a subscription: its one field with its arguments; each event is a gql_execute of its own. */
bool gql_subscribe(const struct gql_run *r, struct gql_at *source, struct gql_errors *e);

/* --- what resolvers use --- */
struct gql_value gql_arg(const struct gql_at *at, const char *name);
void *gql_host(const struct gql_at *at);
struct arena *gql_arena(const struct gql_at *at);
const char *gql_key(const struct gql_at *at);
const char *gql_type_name(const struct gql_at *at); /* of the field, without list and non-null */
bool gql_selects(const struct gql_at *at, const char *name); /* a field below that is asked for */
/* return gql_later(at, &x->later); then once, unless the execution is given up:
 * gql_settle(x->later, value) */
struct gql_value gql_later(const struct gql_at *at, struct gql_later **out);
void gql_settle(struct gql_later *l, struct gql_value v);

/* --- batch.c: what is loaded by key, all of a turn at once --- */
struct gql_loader {
	const char *name; /* of its own: what was loaded once under it is not loaded again */
	size_t most;      /* keys of one fetch */
	/* A value for each key, then gql_batch_done, now or later. */
	void (*fetch)(struct gql_batch *b, void *host);
};
struct gql_value gql_load(const struct gql_at *at, const struct gql_loader *l, const char *key);
struct gql_value gql_load_list(
    const struct gql_at *at, const struct gql_loader *l, const char *const *keys, size_t n);
size_t gql_batch_n(const struct gql_batch *b);
const char *gql_batch_key(const struct gql_batch *b, size_t i);
void gql_batch_set(struct gql_batch *b, size_t i, struct gql_value v);         /* not set: null */
void gql_batch_give(struct gql_batch *b, const char *key, struct gql_value v); /* by its key */
void gql_batch_done(struct gql_batch *b);
void gql_batch_forget(const struct gql_at *at); /* what was loaded is old: something was changed */

#endif
