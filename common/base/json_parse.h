/* json_parse: the reader behind json_read (base/json.h), which says what it takes. Nobody else
 * includes it. */
#ifndef BASE_JSON_PARSE_H
#define BASE_JSON_PARSE_H

#include "base/json.h"

#define JSON_DEPTH_MAX 32

/* NULL: e->what and e->offset say why, the offset being that of the byte that is wrong. */
json_t *json_parse(const char *p, size_t n, struct json_error *e);

#endif
