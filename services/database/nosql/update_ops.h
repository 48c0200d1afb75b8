/* update_ops: what an update makes of a document: operators, or a merge patch (RFC 7396). Pure.
 *
 *	{"$set": {"/a/b": 1}, "$inc": {"/n": 1}, "$push": {"/log": {"each": [1, 2], "keep": -100}}}
 *
 * An update whose members all begin with $ holds operators; one of which none does is a merge patch; a
 * mixture is refused. Each operator takes an object of JSON Pointers. No two of an update may name the
 * same place or a part of it, so their order does not matter. Objects that are missing on the way to
 * a place are made (by $set, $inc, $mul, $min, $max, $push, $addToSet, $currentDate, and by $rename at its
 * target); arrays are not: a number names an item that is there, or the end ("/a/-", $set only).
 *
 *	$set VALUE           $unset true            $rename "/other/place"
 *	$inc N   $mul N      numbers; integers stay integers and are refused where they would overflow
 *	$min V   $max V      the lesser, the greater of both by the order of values (value.h)
 *	$push V              at the end of an array; {"each": [...], "keep": N}: several, then the last
 *	                     N are kept (N below 0: the first -N)
 *	$addToSet V          the same, but not what is equal to an item already; {"each": [...]}
 *	$pull V              every item that is equal to V; {"each": [...]}: to one of them
 *	$pop "first"|"last"  one item off an array
 *	$currentDate true    now, RFC 3339 in UTC; "ms": milliseconds since 1970 */
#ifndef NOSQL_UPDATE_OPS_H
#define NOSQL_UPDATE_OPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"

#define UPDATE_OPS_MOST  100 /* places in one update */
#define DOCUMENT_DEEP    32  /* what json_read reads */
#define DOCUMENT_MEMBERS "members that begin with $ hold operators, others a merge patch: not both"

bool update_has_operators(const json_t *update);
/* Changes doc, which is the caller's own. False: *f says what is wrong, and doc is worth nothing. */
bool update_apply(struct arena *a, const json_t *update, json_t *doc, int64_t wall_us,
    struct failure *f) __attribute__((warn_unused_result));

#endif
