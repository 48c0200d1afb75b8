/* models: what can be stored. One table of fields per model says everything: JSON name, column,
 * type, what a caller may do with it. Validation (intake.c), statements (text.c) and rendering
 * (render.c) are driven by it alone; a new model is an entry here and a migration. */
#ifndef SQL_MODELS_H
#define SQL_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
	FIELD_UUID,     /* lower-case UUID */
	FIELD_NAME,     /* RFC 9110 token, min..max characters */
	FIELD_TEXT,     /* UTF-8, min..max characters */
	FIELD_PRIORITY, /* CRITICAL HIGH MEDIUM LOW or 1..4; stored 1..4 */
	FIELD_STATE,    /* one of task_states; stored as its text */
	FIELD_LABELS,   /* object of strings, or array of distinct strings */
	FIELD_STRINGS,  /* array of strings */
	FIELD_JSON,     /* anything */
	FIELD_BOOL,
	FIELD_INT,  /* min..max */
	FIELD_TIME, /* RFC 3339 */
};

enum field_flag {
	FIELD_GIVEN = 1 << 0,    /* a caller may set it at create */
	FIELD_PATCHED = 1 << 1,  /* ... and change it later */
	FIELD_REQUIRED = 1 << 2, /* never null */
	FIELD_FILTER =
	    1 << 3, /* may be a filter of a query, by equality; JSON: by its attributes */
	FIELD_UNIQUE = 1 << 4, /* one row per value: may name the row of a READ_ONE */
	FIELD_SORT = 1 << 5,   /* a query may be ordered by it: required, and short */
};

struct field {
	const char *name; /* in JSON; the column has the same name */
	enum field_type type;
	unsigned flags;
	const char *def;  /* stored text when not given; NULL: null */
	int64_t min, max; /* characters; items (labels, strings); bytes (FIELD_JSON); the value of
	                     FIELD_INT */
};

#define MODEL_FIELDS_MOST 20

struct model {
	const char *name;
	const char *table;
	bool namespaced; /* has a column `namespace`, set from the operation */
	bool
	    authored; /* has a column `created_by`, set from the operation's actor; `trace_id` so, too */
	bool internal; /* of the auth domain: no client reaches it through a task request */
	bool searched; /* by words, with filter "q": has an index over SEARCHED_WORDS */
	const struct field *id; /* = fields[0] */
	size_t n_fields;
	const struct field
	    *fields; /* in the order of the answer; ends with version, created_at, updated_at */
};

#define MODELS_MOST 32
extern const struct model sql_models[];
extern const size_t sql_n_models;
extern const char *const task_states[];     /* NULL-ended */
extern const char *const task_priorities[]; /* [1] = "CRITICAL" ... [4] = "LOW" */

const struct model *model_find(const char *name);                         /* NULL: none */
const struct field *model_field(const struct model *m, const char *name); /* NULL: none */

/* The field that a constraint of the model's table keeps unique; "fields" when it is more than one. */
const char *model_unique(const struct model *m, const char *constraint);

#endif
