/* spill: what is large in an object: said as a warning from half of its limit on, and beyond the limit
 * kept as a blob in the same commit as the object, which then refers to it:
 * {"$blob":{"id":"sha256:...","size":n}}. Nobody is refused at the worst moment for a payload that has
 * grown. */
#ifndef SQL_SPILL_H
#define SQL_SPILL_H

#include "database/sql/store.h"

#define WARNINGS_MOST 4
struct warnings {
	size_t n;
	char *list[WARNINGS_MOST]; /* "payload";size=200000;limit=262144 */
};

struct spilled {                 /* what is written before the object is */
	struct pg_statement put; /* text NULL: nothing */
	const char *params[5];   /* of it */
};

/* Looks at what is given of an object, and changes it where a field goes to a blob. In a patch only
 * what replaces does, a member that is no object: an object is merged into what is there, and a blob
 * is not; that is intake's to refuse. `from` counts: namespace, actor, how many bytes came. */
void spill(struct call *c, const struct model *m, const Mf__StoreOp *from, bool patch, json_t *data,
    struct warnings *warnings, struct spilled *out);

/* pg_write of one statement, and before it of what was spilled, if anything was. */
void spill_write(struct call *c, const struct spilled *s, const char *key,
    const struct pg_statement *statement, pg_done_fn *done, void *ctx);

#endif
