/* json_same: are two JSON values the same? By what they are worth, as JSON Schema and RFC 6902 have it: 1 is
 * 1.0, members have no order. Exact: an integer is never taken for a real that is only near it. */
#ifndef BASE_JSON_SAME_H
#define BASE_JSON_SAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

bool json_same(const json_t *a, const json_t *b);
/* Two items of an array that are the same: the places of both. Costs its size, times its logarithm. */
bool json_twice(const json_t *array, size_t *first, size_t *second);

#endif
