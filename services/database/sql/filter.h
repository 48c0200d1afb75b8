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

enum condition_kind { COND_EQUAL, COND_LABEL, COND_LABEL_VALUE, COND_IDS };

struct condition {
	enum condition_kind kind;
	const struct field *field; /* COND_EQUAL */
	/* as PostgreSQL reads it; labels: NAME, or NAME=VALUE as it was given; ids: {ID,ID} */
	const char *value;
	const char *object; /* COND_LABEL_VALUE: {"NAME":"VALUE"} */
};

struct filter {
	const struct model *model;
	const char *namespace; /* NULL: the model has none */
	size_t n;
	struct condition conditions[FILTERS_MOST]; /* by kind, field, then value */
	uint32_t limit;
	const char *after; /* id; NULL: from the start */
};

bool filter_read(struct arena *a, const struct model *m, const Mf__StoreOp *op, struct filter *out,
    struct complaints *e);
const char *filter_cursor(struct arena *a, const struct filter *f, const char *last_id);

#endif
