/* value: JSON values as the store compares them, and the JSON Pointers that lead to them. Pure.
 *
 * One order for all: missing < null < false < true < numbers < strings < arrays < objects. It is
 * that of value_key()'s bytes under memcmp, which are what indexes are made of, so an index and a
 * sort in memory can't differ. Numbers are compared by what they are worth: 1 is 1.0, and integers
 * beyond 2^53 keep their places. Strings go by code point, and only by their first KEY_STRING bytes;
 * arrays and objects have no order that means something among themselves, but equal ones are equal. */
#ifndef NOSQL_VALUE_H
#define NOSQL_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/str.h"

#define POINTER_MOST 256 /* bytes of a pointer's text */
#define POINTER_DEEP 24  /* names in it: what it makes must be read again by json_read */
#define KEY_STRING   128

struct pointer { /* RFC 6901 */
	const char *text;
	size_t n;
	const char *names[POINTER_DEEP]; /* unescaped */
};

/* NULL: read; else what is wrong. "" and whatever does not begin with a slash are refused. */
const char *pointer_read(struct arena *a, const char *text, struct pointer *out)
    __attribute__((warn_unused_result));
/* What it leads to; NULL: nothing is there. */
json_t *pointer_get(const struct pointer *p, const json_t *root);
/* As pointer_get, of its first `n` names. */
json_t *pointer_get_part(const struct pointer *p, size_t n, const json_t *root);
/* The place in an array that a name says; SIZE_MAX: none. */
size_t pointer_place(const char *name);
/* Is one the beginning of the other? Then they name the same thing, or a part of it. */
bool pointers_touch(const struct pointer *a, const struct pointer *b);

enum key_tag {
	KEY_MISSING = 1,
	KEY_NULL,
	KEY_FALSE,
	KEY_TRUE,
	KEY_NUMBER,
	KEY_TEXT,
	KEY_ARRAY,
	KEY_OBJECT,
};

#define KEY_VALUE_MOST (1 + KEY_STRING + 1 + 32) /* bytes that one value takes at most */

/* Appends the key of v (NULL: missing) to out, which has room for KEY_VALUE_MOST; no key is the beginning
 * of another one. The bytes that were added. */
size_t value_key(const json_t *v, char *out);
/* Does the whole string stand in its key? Otherwise its end is a hash. */
bool value_key_whole(const json_t *v);
/* Below, at, above 0. Both numbers or both strings: exact, whatever their length. */
int value_compare(const json_t *a, const json_t *b);
size_t value_depth(const json_t *v); /* 1: a scalar */

#endif
