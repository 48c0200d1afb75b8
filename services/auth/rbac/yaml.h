/* yaml: a document of YAML 1.2's JSON schema as JSON, with the line of each value; and back. What a
 * policy does not need is refused: anchors, aliases (a bomb is made of them), tags, more than one
 * document, keys that come twice, depth. */
#ifndef RBAC_YAML_H
#define RBAC_YAML_H

#include <jansson.h>
#include "base/arena.h"

struct yaml_error {
	char what[160];
	size_t line; /* from 1; 0: of none */
};

/* *lines: {JSON Pointer: line}. NULL: *e says why; nothing is returned then. */
json_t *yaml_read(const char *p, size_t n, json_t **lines, struct yaml_error *e)
    __attribute__((warn_unused_result));
/* Of the value there, or of the nearest thing around it. */
size_t yaml_line(const json_t *lines, const char *pointer);

/* One value in flow style, as JSON is YAML: "[a, b]" with strings quoted where they must be. */
struct buf;
void yaml_add_value(struct buf *b, const json_t *v);

#endif
