/* schema: a JSON Schema (draft 2020-12) compiled into a tree that values and texts are held against. Of the
 * schema's memory only what enum and const name is kept.
 *
 * All keywords of assertion and application but unevaluatedItems and unevaluatedProperties; $ref to places of
 * the same document ("#", "#/$defs/..."), beside other keywords too. A keyword that is not known here, a
 * format that is not checked (schema_format.c), a pattern that can't be matched in linear time
 * (schema_pattern.h) is refused when the schema is compiled, never passed over: so a schema can't promise
 * what nobody checks. Two keywords are our own: x-detail, the words for whatever is wrong with a value of the
 * right type; x-each, of an array: what each item is held against by itself (the array as a whole is not
 * refused for it).
 *
 * What a value may cost is bounded: SCHEMA_WORK_MOST schemas are held against it and its parts. */
#ifndef REST_SHAPE_H
#define REST_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/schema_format.h"
#include "base/schema_pattern.h"
#include "base/status.h"

#define SCHEMA_MEMBERS_MOST      1000 /* named by one schema */
#define SCHEMA_MOST              4000 /* in one document */
#define SCHEMA_DEPTH_MOST        400  /* within each other, by $ref too */
#define SCHEMA_WORK_MOST         1000000
#define SCHEMA_PATTERN_WORK_MOST 20000000 /* steps of all patterns on one value: some 100 ms */

enum schema_type {
	SCHEMA_NULL = 1 << 0,
	SCHEMA_BOOLEAN = 1 << 1,
	SCHEMA_INTEGER = 1 << 2,
	SCHEMA_NUMBER = 1 << 3,
	SCHEMA_STRING = 1 << 4,
	SCHEMA_ARRAY = 1 << 5,
	SCHEMA_OBJECT = 1 << 6,
	SCHEMA_ANY = (1 << 7) - 1,
};

struct schema_member {
	const char *name;
	const struct schema *schema;
	bool required;
};

struct schema_list {
	size_t n;
	const struct schema **list;
};

struct schema_pattern_member {
	const struct schema_pattern *regex;
	const struct schema *schema;
};

struct schema_dependent {            /* where a member is */
	const char *name, *needs;    /* NULL: none */
	const struct schema *schema; /* NULL: any */
};

struct schema_more { /* what few schemas have */
	const struct schema *ref, *not, *cond, *then, *otherwise, *names, *contains;
	size_t contains_min, contains_max;
	struct schema_list prefix;
	size_t n_patterns, n_dependents, cap_dependents;
	struct schema_pattern_member *patterns;
	struct schema_dependent *dependents;
};

struct schema { /* made by schema.c, read by schema_check.c */
	unsigned types;
	const char *detail;   /* x-detail; NULL: none */
	const json_t *values; /* of enum or const, an array; NULL: any */
	/* numbers: the bounds themselves may not be reached where they are exclusive */
	long double min, max, multiple; /* multiple 0: of none; exact for any integer of JSON */
	bool min_exclusive, max_exclusive;
	/* characters of a string, items of an array, members of an object */
	size_t length_min, length_max, items_min, items_max, members_min, members_max;
	const char *pattern;
	const struct schema_pattern *regex;
	const struct schema_format *format; /* NULL: any */
	const struct schema *items, *each;  /* NULL: any */
	bool unique, closed;                /* closed: has no members but those */
	size_t n_members, n_required;
	struct schema_member *members;   /* by name */
	const struct schema *additional; /* of other members; NULL: any */
	struct schema_list one_of, any_of, all_of;
	struct schema_more *more; /* NULL: nothing of it */
	int mark;                 /* while circles are looked for */
};

struct schemas { /* the schemas of one document; each is compiled once, so they may be recursive */
	struct arena *a; /* where schemas live; their values until schemas_free */
	const json_t *doc;
	int depth;         /* while they are compiled */
	const char *wrong; /* why a schema was refused */
	struct schema_made *made;
	size_t n_made, cap_made;
	size_t n_steps; /* of all patterns */
};

/* NULL: s->wrong says which keyword of it can't be held to. */
const struct schema *
schema_compile(struct schemas *s, const json_t *schema) __attribute__((warn_unused_result));
void
schemas_free(struct schemas *s); /* before its arena: what schema_compile gave counts no more */
/* The end of a chain of $ref; NULL: it leads nowhere. */
const json_t *schema_resolve(const json_t *doc, const json_t *v);

/* What a value is held against, beside its schema. */
struct schema_rules {
	const char *const
	    *set;   /* NULL-ended: members of the whole that only the server sets; NULL: none */
	bool patch; /* a merge patch: null takes a member away, unless it has to be there */
	/* as our own API has it: 1.0 is no integer, a UUID is in lower case */
	bool strict;
};
/* False: *f has a violation for each thing that is wrong, at its JSON Pointer. */
bool schema_check(struct arena *a, const struct schema *s, const json_t *v,
    const struct schema_rules *rules, struct failure *f);
/* A text from a query, header or path; what has no type is a string. NULL: fine; else what it must be. */
const char *schema_check_text(struct arena *a, const struct schema *s, const char *value);

#endif
