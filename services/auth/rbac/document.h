/* document: a policy as YAML: roles, groups, grants, in a stable order.
 *
 *	policy: 1
 *	roles:
 *	  - id: editor
 *	    permissions: [task.read, doc.*]
 *	    inherits: [user]
 *	groups:
 *	  - id: staff
 *	    roles: [editor]
 *	grants:
 *	  - id: 018f...      # may be left out: then it follows from the rest
 *	    effect: deny
 *	    subject_kind: group
 *	    subject: staff
 *	    permissions: [task.delete]
 */
#ifndef RBAC_DOCUMENT_H
#define RBAC_DOCUMENT_H

#include <stdbool.h>
#include "auth/rbac/yaml.h"

struct document {
	json_t *rows;  /* {"role": {id: object}, "group": ..., "grant": ...}; no nulls */
	json_t *lines; /* {"role/ID": line} of each, and of the fields as "role/ID/permissions/0" */
};

extern const char *const document_models[]; /* role, group, grant, NULL */

bool document_read(const char *p, size_t n, struct document *d, struct yaml_error *e)
    __attribute__((warn_unused_result));
void document_free(struct document *d);
size_t
document_line(const struct document *d, const char *model, const char *id, const char *field);

/* rows as above, or as they are stored; NUL-ended, to be freed with buf_free */
void document_write(struct buf *b, const json_t *rows);
/* The fields that a document has of a row as it is stored: without nulls, version and times; lists that
 * are empty are left out. */
json_t *document_row(const char *model, const json_t *stored);

#endif
