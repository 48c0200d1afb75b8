/* schema_format: texts that have a form of their own (JSON Schema's `format`, held to). Pure. */
#ifndef BASE_SCHEMA_FORMAT_H
#define BASE_SCHEMA_FORMAT_H

#include <stdbool.h>
#include "base/str.h"

struct schema_format {
	const char *name;
	/* what may come in over HTTP: a UUID is in lower case there */
	bool (*ok)(struct str s, bool strict);
	const char *words; /* "must be a UUID" */
};

const struct schema_format *schema_format_named(const char *name); /* NULL: is not checked here */

#endif
