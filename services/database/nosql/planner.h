/* planner: how a query finds its documents. Pure.
 *
 * The rules, in this order; of two indexes that are equal by them, the one that was declared first:
 *  1. all fields of a unique index, or the id itself, are given by `eq`: one place;
 *  2. more fields of the index, from its first on, are given by `eq`;
 *  3. the next field is given by `in`, a range (lt, le, gt, ge), `prefix` or `exists`;
 *  4. it has the documents in the order that the query sorts by.
 * An index that has none of these is not used: then it's all documents, in order of id. Only conditions that
 * must hold by themselves (not below `or` and `not`) choose an index. Whatever was chosen, every document that
 * is found is held against the whole filter.
 *
 * An index gives the order when the fields behind those of `eq` are those of `sort`, all up or all down. Behind
 * the last of them come the index's further fields, then the id, both in the same direction. */
#ifndef NOSQL_PLANNER_H
#define NOSQL_PLANNER_H

#include "database/nosql/collection.h"
#include "database/nosql/filter.h"

#define SORTS_MOST 4

struct sort {
	bool of_id, descending;
	struct pointer place;
};

struct range { /* as ZRANGEBYLEX takes them: '[' or '(' first, or "-", "+" */
	const char *from, *to;
	size_t n_from, n_to;
};

struct query_plan {
	const struct index *index; /* NULL: by id */
	size_t n_equal;            /* fields given by eq */
	enum filter_op next;       /* of the field behind them; FILTER_AND: none */
	bool by_id;                /* the filter says which ids */
	bool exact;                /* the ranges are the filter: nothing else is to be looked at */
	bool sorted, reverse;      /* documents come in the order that was asked for */
	size_t n_ranges;
	struct range *ranges; /* ascending, none overlaps another */
};

/* "/a,-/b": NULL: read; else what is wrong. */
const char *sorts_read(struct arena *a, const char *text, struct sort *out, size_t *n)
    __attribute__((warn_unused_result));
/* slot: the index that a cursor began with ("": by id); NULL: free choice. NULL: that index is gone. */
const struct query_plan *
plan_query(struct arena *a, const struct collection *k, const struct filter *f,
    const struct sort *sorts, size_t n_sorts, const char *slot) __attribute__((warn_unused_result));
/* What of the ranges is behind `last`, in the plan's direction. */
size_t plan_ranges_after(
    struct arena *a, const struct query_plan *p, const char *last, size_t n, struct range **out);

#endif
