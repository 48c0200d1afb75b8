/* schema_int: between schema.c and schema_keywords.c. */
#ifndef BASE_SCHEMA_INT_H
#define BASE_SCHEMA_INT_H

#include "base/schema.h"

struct compiling {
	struct schemas *s;
	struct schema *out;
	const json_t *schema;
};

typedef bool keyword_fn(struct compiling *, const char *, const json_t *);
keyword_fn *schema_keyword(const char *name); /* NULL: there is none */

/* All give up when they answer false or NULL: s->wrong says why. */
bool schema_refuse(struct compiling *c, const char *key, const char *why);
const struct schema *schema_sub(struct compiling *c, const char *key, const json_t *v);
/* What the $ref of v leads to. */
const struct schema *schema_target(struct compiling *c, const char *key, const json_t *v);
void schema_sort_members(struct schema *s);
long double schema_number(const json_t *v); /* an integer exactly */

#endif
