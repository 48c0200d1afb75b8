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
	COND_WORDS,      /* q: what websearch_to_tsquery reads */
	COND_BEGINNINGS, /* q: its words that end with *, as to_tsquery reads them */
	COND_ATTRIBUTE,  /* a member of a JSON field is, or is an array that holds, a value */
	COND_AFTER,      /* of a time: the bound is not in it */
	COND_BEFORE,
};

struct condition {
	enum condition_kind kind;
	const struct field *field; /* COND_EQUAL, COND_AFTER, COND_BEFORE, COND_ATTRIBUTE */
	/* as PostgreSQL reads it; labels: NAME, or NAME=VALUE as it was given; ids: {ID,ID};
	 * COND_ATTRIBUTE: {"A":{"B":[VALUE]}} */
	const char *value;
	const char
	    *object; /* COND_LABEL_VALUE: {"NAME":"VALUE"}; COND_ATTRIBUTE: {"A":{"B":VALUE}} */
};

enum filter_want { WANT_OBJECTS, WANT_IDS, WANT_COUNT };

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
	bool ranked;                   /* the best match of q first; no sorts, and no `after` */
	uint32_t skip;                 /* ranked: so many better ones were on pages before */
	enum filter_want want;         /* brief.c; else WANT_OBJECTS */
	uint32_t limit;
	const char *after; /* id; NULL: from the start */
};
#define SKIP_MOST 10000 /* who reads on beyond that wants another question */

bool filter_read(struct arena *a, const struct model *m, const Mf__StoreOp *op, struct filter *out,
    struct complaints *e);
/* Seldom asked for: not worth keeping a statement. */
bool filter_is_rare(const struct filter *f);
/* The place behind this row, the n-th of its page (from 1). NULL: beyond SKIP_MOST there is none. */
const char *
filter_cursor(struct arena *a, const struct filter *f, const struct row *last, uint32_t n);

/* search.c. What was asked with "q" becomes conditions, at most two. False: complained. */
bool search_read(struct arena *a, struct filter *f, const char *q, struct complaints *e);
/* "POINTER=VALUE" of a JSON field becomes a condition; VALUE is JSON, or else a string. */
bool search_attribute(struct arena *a, struct filter *f, const struct field *field,
    const char *text, struct complaints *e);

#endif
