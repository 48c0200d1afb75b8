/* intake: what a caller gave becomes values for columns, or a list of what is wrong with it. Pure:
 * no I/O, no clock. */
#ifndef SQL_INTAKE_H
#define SQL_INTAKE_H

#include <jansson.h>
#include "base/arena.h"
#include "base/status.h"
#include "database/sql/models.h"

#define COMPLAINTS_MOST 20

struct complaints { /* violations, at most COMPLAINTS_MOST */
	struct arena *arena;
	const char
	    *at; /* "/3": of the object in hand, before its fields; NULL: names as they are */
	size_t n;
	struct violation list[COMPLAINTS_MOST];
};
void complain(struct complaints *e, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The path is put together here, and only here: most objects have nothing wrong. */
void complain_of(struct complaints *e, const struct field *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *complain_at(struct arena *a, size_t item); /* "/<item>" */

struct row { /* by index of model->fields; texts as PostgreSQL reads them, NULL = null */
	const struct model *model;
	const char *values[MODEL_FIELDS_MOST];
};

struct intake_op {             /* what does not stand in the data */
	const char *id;        /* "": in the data */
	const char *namespace; /* "": default */
	const char *actor;     /* "": null */
	const char *now;       /* RFC 3339 */
	const char *trace_id;  /* of the request; NULL, "": null */
};

/* False: see e. `at` stands before each field in a violation ("/3" for the fourth of an array, ""
 * for an object by itself). */
bool intake_create(struct arena *a, const struct model *m, const json_t *data,
    const struct intake_op *op, const char *at, struct row *out, struct complaints *e);

/* A merge patch as the update statement reads it: names of priorities are numbers, null is the
 * default where there is one. */
bool intake_patch(struct arena *a, const struct model *m, const json_t *patch, const char *id,
    const char *at, char **out, struct complaints *e);

/* One value given as text (a filter). NULL: complained as f->name. */
const char *
intake_text(struct arena *a, const struct field *f, const char *value, struct complaints *e);

/* A value as text. Labels: in the order in which jsonb keeps the members of an object. */
const char *intake_json(struct arena *a, const json_t *v);
const char *intake_labels(struct arena *a, const json_t *object);

bool intake_namespace(const char **ns, struct complaints *e); /* "" becomes "default" */
bool intake_id(const struct model *m, const char *id, struct complaints *e);

#endif
