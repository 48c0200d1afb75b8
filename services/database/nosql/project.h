/* project: of a document only what is asked for. Names of the way stay: {"a":{"b":1}} for "/a/b"; of an array on
 * the way the whole is given. Pure. */
#ifndef NOSQL_PROJECT_H
#define NOSQL_PROJECT_H

#include "base/json.h"
#include "base/status.h"
#include "database/nosql/value.h"

#define FIELDS_MOST 64

struct projection {
	size_t n; /* 0: everything */
	struct pointer fields[];
};

/* *f: what is wrong with a field. */
struct projection *projection_of(struct arena *a, char *const *fields, size_t n, struct failure *f);
/* json: a whole document. */
void projection_write(
    const struct projection *p, struct jw *w, const char *key, const char *json, size_t n);

#endif
