/* schema_pattern: the regular expressions of JSON Schema (ECMA 262), matched by following all ways at once (Thompson):
 * the work is at most the text's characters times the expression's size, and the memory is fixed, whatever the pattern. What
 * can't be done so, and what would grow too large, is refused: look-around, back references, \b inside classes,
 * \p{}. A character is a character, also beyond ASCII. */
#ifndef BASE_SCHEMA_PATTERN_H
#define BASE_SCHEMA_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* Steps of one expression; of the fleet's memory 8 bytes each. */
#define SCHEMA_PATTERN_STEPS 4096

struct schema_class {
	bool negated;
	uint32_t ascii[4];
	size_t n;
	uint32_t (*ranges)[2]; /* beyond ASCII; both ends are in it */
};

enum schema_op {
	SCHEMA_OP_CHAR,
	SCHEMA_OP_CLASS,
	SCHEMA_OP_BEGIN,
	SCHEMA_OP_END,
	SCHEMA_OP_WORD,    /* \b */
	SCHEMA_OP_NO_WORD, /* \B */
	SCHEMA_OP_SPLIT,   /* on to the next step, and to x */
	SCHEMA_OP_JUMP,
	SCHEMA_OP_MATCH,
};

struct schema_step {
	uint8_t op; /* enum schema_op */
	uint32_t x; /* a character, the place of a class or of a step */
};

struct schema_pattern {
	size_t n;
	struct schema_step *steps;
	const struct schema_class *const *classes;
};

/* *room: how many steps may still be made, of all patterns that share it; lessened. NULL: *wrong says why not. */
const struct schema_pattern *schema_pattern(struct arena *a, const char *ecma, size_t *room,
    const char **wrong) __attribute__((warn_unused_result));

/* Anywhere in the text, as ECMA's test(). *work is what may still be done, and lessened; false at 0: nobody knows. */
bool schema_pattern_matches(const struct schema_pattern *, struct str text, size_t *work);

/* The first character of UTF-8 that has at least a byte and ends after `left` bytes or with a NUL, and how many bytes
 * it has; what is malformed is some character. */
uint32_t schema_pattern_char(const char *, size_t left, size_t *n);

#endif
