/* filter: the filter language of documents, StoreOp.where. Pure.
 *
 *	{"/state": "open", "/n": {"gt": 3, "le": 10}, "or": [{"/a": null}, {"id": {"prefix": "x"}}]}
 *
 * Members must all hold. A member is a JSON Pointer into the document, or "id", with what stands
 * there: a value (scalar or array: is equal to it) or an object of operators, all of which must hold;
 * or "and", "or" with an array of filters, or "not" with one.
 *
 *	eq ne            by value: 1 is 1.0, arrays and objects are equal member by member
 *	lt le gt ge      numbers with numbers, strings with strings (by code point); never between types
 *	in               an array of values, one of which is equal
 *	prefix           of a string
 *	exists           true: something is there, and be it null; false: nothing
 *
 * Where nothing is, only ne and exists false hold. `not` is the exact opposite. */
#ifndef NOSQL_FILTER_H
#define NOSQL_FILTER_H

#include "base/status.h"
#include "database/nosql/value.h"

#define FILTER_TERMS 64 /* operators, ands, ors and nots in a filter */
#define FILTER_DEEP  8
#define FILTER_IN    200 /* values of an `in` */

enum filter_op {
	FILTER_AND,
	FILTER_OR,
	FILTER_NOT,
	FILTER_EQ,
	FILTER_NE,
	FILTER_LT,
	FILTER_LE,
	FILTER_GT,
	FILTER_GE,
	FILTER_IS_IN,
	FILTER_PREFIX,
	FILTER_EXISTS,
};

struct filter {
	enum filter_op op;
	bool of_id;           /* the document's id, not what a pointer leads to */
	struct pointer place; /* of operators */
	const json_t *value;
	size_t n; /* of AND, OR, NOT */
	const struct filter **subs;
};

/* NULL: *f says what is wrong, at its JSON Pointer. v must live as long as the filter; NULL: a filter that
 * all pass. */
const struct filter *filter_parse(struct arena *a, const json_t *v, struct failure *f)
    __attribute__((warn_unused_result));
bool filter_holds(const struct filter *f, const char *id, const json_t *doc);
/* The same filter in one way of writing: for a hash, and for people. */
const char *filter_text(struct arena *a, const struct filter *f);
const char *filter_op_name(enum filter_op op);

#endif
