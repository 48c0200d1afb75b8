/* shape: a JSON Schema (2020-12, as far as our document uses it) compiled into a tree that values and
 * texts are held against. Of the schema's memory only what enum and const name is kept.
 *
 * A keyword that is not known here is refused when the schema is compiled, never passed over: so the
 * document can't promise what nobody checks. Two keywords are our own: x-detail, the words for whatever
 * is wrong with a value of the right type; x-each, of an array: what each item is held against by itself
 * (the array as a whole is not refused for it).
 *
 * Integers are such as JSON writes without a fraction. Patterns are POSIX extended expressions. */
#ifndef REST_SHAPE_H
#define REST_SHAPE_H

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/status.h"

#define SHAPE_MEMBERS_MOST 64 /* bits of a word */

enum shape_type {
	SHAPE_NULL = 1 << 0,
	SHAPE_BOOLEAN = 1 << 1,
	SHAPE_INTEGER = 1 << 2,
	SHAPE_NUMBER = 1 << 3,
	SHAPE_STRING = 1 << 4,
	SHAPE_ARRAY = 1 << 5,
	SHAPE_OBJECT = 1 << 6,
	SHAPE_ANY = (1 << 7) - 1,
};

struct shape_member {
	const char *name;
	const struct shape *shape;
	bool required;
};

struct shape_list {
	size_t n;
	const struct shape **list;
};

struct shape { /* made by shape.c, read by shape_check.c */
	unsigned types;
	const char *detail;   /* x-detail; NULL: none */
	const json_t *values; /* of enum or const, an array; NULL: any */
	/* numbers: the bounds themselves may not be reached where they are exclusive */
	double min, max, multiple; /* multiple 0: of none */
	bool min_exclusive, max_exclusive;
	/* characters of a string, items of an array, members of an object */
	size_t length_min, length_max, items_min, items_max, members_min, members_max;
	const char *pattern;
	regex_t *regex;
	enum { FORMAT_NONE, FORMAT_UUID, FORMAT_TIME } format;
	const struct shape *items, *each; /* NULL: any */
	bool unique, closed;              /* closed: has no members but those */
	size_t n_members;
	struct shape_member *members;   /* by name */
	const struct shape *additional; /* of other members; NULL: any */
	struct shape_list one_of, any_of, all_of;
};

struct shapes { /* the schemas of one document; each is compiled once, so they may be recursive */
	struct arena *a; /* where shapes live; their patterns and values until shapes_free */
	const json_t *doc;
	const char *wrong; /* why a schema was refused */
	struct shape_made *made;
	size_t n_made, cap_made;
};

/* NULL: s->wrong says which keyword of it can't be held to. */
const struct shape *
shape_of(struct shapes *s, const json_t *schema) __attribute__((warn_unused_result));
void shapes_free(struct shapes *s); /* before its arena: what shape_of gave counts no more */
/* The end of a chain of $ref; NULL: it leads nowhere. */
const json_t *shape_resolve(const json_t *doc, const json_t *v);

/* What a value is held against, beside its shape. */
struct shape_rules {
	const char *const
	    *set;   /* NULL-ended: members of the whole that only the server sets; NULL: none */
	bool patch; /* a merge patch: null takes a member away, unless it has to be there */
};
/* False: *f has a violation for each thing that is wrong, at its JSON Pointer. */
bool shape_check(struct arena *a, const struct shape *s, const json_t *v,
    const struct shape_rules *rules, struct failure *f);
/* A text from a query, header or path; what has no type is a string. NULL: fine; else what it must be. */
const char *shape_check_text(struct arena *a, const struct shape *s, const char *value);

#endif
