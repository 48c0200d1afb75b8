/* ast: a parsed document. Made by parser.c and parser_sdl.c in one arena, read by everybody else;
 * validation writes what it resolved into the fields marked so, afterwards nothing changes: one
 * document may serve any number of executions.
 *
 * Lists are linked by `next`, in the order of the text. Names are views of the source text, or of
 * the arena. `at` is an offset into the source: gql_locate makes a line and a column of it. */
#ifndef GQL_AST_H
#define GQL_AST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/str.h"

struct gql_type;
struct gql_ref;
struct gql_field;
struct gql_directive;

enum ast_value_kind {
	AST_VARIABLE,
	AST_INT,
	AST_FLOAT,
	AST_STRING,
	AST_BOOL,
	AST_NULL,
	AST_ENUM,
	AST_LIST,
	AST_OBJECT,
};

struct ast_value {
	enum ast_value_kind kind;
	uint32_t at;
	bool boolean;
	bool block;             /* AST_STRING: was written as a block string */
	struct str text;        /* name of a variable or enum value; digits; the decoded string */
	struct ast_value *item; /* AST_LIST: the first */
	struct ast_arg *member; /* AST_OBJECT: the first */
	struct ast_value *next; /* in its list */
};

struct ast_arg { /* an argument, or a field of an object value */
	struct str name;
	uint32_t at;
	struct ast_value value;
	struct ast_arg *next;
};

struct ast_directive {
	struct str name;
	uint32_t at;
	struct ast_arg *args;
	const struct gql_directive *def; /* by validation; NULL: unknown */
	struct ast_directive *next;
};

struct ast_type { /* a type as it is written */
	enum { AST_NAMED, AST_LIST_OF, AST_NON_NULL } kind;
	uint32_t at;
	struct str name;     /* AST_NAMED */
	struct ast_type *of; /* the others */
};

enum ast_selection_kind { AST_FIELD, AST_SPREAD, AST_INLINE };

struct ast_set {
	struct ast_selection *first;
	uint32_t at;
	uint32_t index; /* of sets: counted through the document */
};

struct ast_selection {
	enum ast_selection_kind kind;
	uint32_t at;
	struct str name;  /* field, or fragment of a spread */
	struct str alias; /* n 0: none */
	struct str on;    /* AST_INLINE: type condition, n 0: none */
	uint32_t on_at;
	uint32_t index; /* of fields: counted through the document */
	struct ast_arg *args;
	struct ast_directive *directives;
	struct ast_set *set; /* NULL: none */
	struct ast_selection *next;
	/* by validation: what it means; NULL: unknown */
	const struct gql_field *field;
	struct ast_fragment *fragment; /* AST_SPREAD */
	const struct gql_type *type;   /* AST_FIELD: the parent; AST_INLINE: the condition */
};

struct ast_spread { /* where a definition uses a fragment */
	struct ast_selection *where;
	uint32_t depth; /* fields around it within the definition */
	struct ast_spread *next;
};

struct ast_body { /* what operations and fragments have in common */
	struct ast_set *set;
	struct ast_directive *directives;
	struct ast_spread *spreads;
	uint32_t depth; /* of its own fields, without those of fragments */
};

struct ast_variable {
	struct str name;
	uint32_t at;
	struct ast_type *type;
	struct ast_value *value; /* default; NULL: none */
	struct ast_directive *directives;
	struct ast_variable *next;
	/* by validation */
	const struct gql_ref *ref; /* NULL: unknown */
	bool used;
};

enum gql_operation_kind { GQL_QUERY, GQL_MUTATION, GQL_SUBSCRIPTION };

struct ast_operation {
	enum gql_operation_kind kind;
	uint32_t at;
	struct str name; /* n 0: anonymous */
	struct ast_variable *variables;
	struct ast_body body;
	struct ast_operation *next;
};

struct ast_fragment {
	struct str name;
	struct str on;
	uint32_t at, on_at;
	uint32_t index; /* of fragments */
	struct ast_body body;
	struct ast_fragment *next;
	const struct gql_type *type; /* by validation: the condition */
};

/* --- the type system --- */

enum ast_def_kind {
	AST_SCHEMA,
	AST_SCALAR,
	AST_OBJECT_TYPE,
	AST_INTERFACE,
	AST_UNION,
	AST_ENUM_TYPE,
	AST_INPUT,
	AST_DIRECTIVE,
};

struct ast_name { /* an interface, a member of a union, a location, a root type */
	struct str name;
	uint32_t at;
	enum gql_operation_kind root; /* schema { query: NAME } */
	struct ast_name *next;
};

struct ast_member { /* a field, an argument, an input field, an enum value */
	struct str name, description;
	uint32_t at;
	bool described;
	struct ast_type *type;
	struct ast_value *value; /* default; NULL: none */
	struct ast_member *args;
	struct ast_directive *directives;
	struct ast_member *next;
};

struct ast_def {
	enum ast_def_kind kind;
	bool extends, described, repeatable;
	uint32_t at, name_at;
	struct str name, description;
	struct ast_directive *directives;
	struct ast_name *names; /* interfaces, members, locations, root types: by kind */
	struct ast_member *members;
	struct ast_def *more; /* by schema_check.c: the next extension of the same */
	struct ast_def *next;
};

struct gql_doc {
	struct arena *a; /* it lives there */
	struct str text;
	struct ast_operation *operations;
	struct ast_fragment *fragments;
	struct ast_def *defs;
	uint32_t n_operations, n_fragments, n_fields, n_aliases, n_sets, n_defs, n_tokens;
};

static inline bool
ast_same(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline struct str
ast_key(const struct ast_selection *f) /* the response name of a field */
{
	return f->alias.n != 0 ? f->alias : f->name;
}

#endif
