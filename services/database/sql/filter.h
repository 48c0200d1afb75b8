/* filter: what a query asks for, checked and in one order, and the cursor that names the place of
 * the next page. Pure: no I/O. A cursor belongs to its filters: it carries their hash, so that it
 * can't be used with others. */
#ifndef SQL_FILTER_H
#define SQL_FILTER_H

#include "database/sql/intake.h"
#include "proto/database.pb-c.h"

#define FILTERS_MOST  16 /* conditions of one query */
#define LIMIT_DEFAULT 100
#define LIMIT_MOST    1000

enum condition_kind {
	COND_EQUAL,
	COND_LABEL,
	COND_LABEL_VALUE,
	COND_IDS,
	COND_AFTER, /* of a time: the bound is not in it */
	COND_BEFORE,
};

struct condition {
	enum condition_kind kind;
	const struct field *field; /* COND_EQUAL, COND_AFTER, COND_BEFORE */
	/* as PostgreSQL reads it; labels: NAME, or NAME=VALUE as it was given; ids: {ID,ID} */
	const char *value;
	const char *object; /* COND_LABEL_VALUE: {"NAME":"VALUE"} */
};

#define SORTS_MOST  4
#define SORT_LENGTH 127 /* bytes of a value that is sorted by */

struct sort {
	const struct field *field;
	bool descending;
	const char *after; /* with filter.after: its value there */
};

struct filter {
	const struct model *model;
	const char *namespace; /* NULL: the model has none */
	size_t n;
	struct condition conditions[FILTERS_MOST]; /* by kind, field, then value */
	size_t n_sorts;
	struct sort sorts[SORTS_MOST]; /* before id, which goes the way of the last of them */
	uint32_t limit;
	const char *after; /* id; NULL: from the start */
};

bool filter_read(struct arena *a, const struct model *m, const Mf__StoreOp *op, struct filter *out,
    struct complaints *e);
/* Seldom asked for: not worth keeping a statement. */
bool filter_is_rare(const struct filter *f);
/* The place behind this row. */
const char *filter_cursor(struct arena *a, const struct filter *f, const struct row *last);

#endif
