/* json_patch: JSON Merge Patch, RFC 7396. */
#ifndef BASE_JSON_PATCH_H
#define BASE_JSON_PATCH_H

#include <jansson.h>

/* Applies patch to target in place: null removes, an object merges, anything else replaces. Both
 * must be objects. */
void json_patch_merge(json_t *target, const json_t *patch);

#endif
