/* csv: RFC 4180 records from memory, with the lines they stand on. Pure; a bad record is an error
 * of its own, the next call goes on behind it. */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

#define CSV_FIELDS_MOST 256

struct csv {
	const char *p, *end;
	size_t line; /* of p, from 1 */
};

struct csv_record {
	size_t line; /* on which it begins */
	size_t n;
	/* quotes removed; in the arena where they had to be copied */
	struct str fields[CSV_FIELDS_MOST];
	const char *wrong; /* NULL: fine */
};

void csv_start(struct csv *c, const char *p, size_t n); /* skips a byte-order mark */
/* false: the end. Empty lines are passed over */
bool csv_next(struct csv *c, struct arena *a, struct csv_record *r);

#endif
