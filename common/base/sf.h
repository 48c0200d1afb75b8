/* sf: an Item of a structured field (RFC 9651): a value of one of its eight types, and parameters.
 * Lists and Dictionaries are not read: no request field that we heed is one. */
#ifndef BASE_SF_H
#define BASE_SF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

enum sf_type {
	SF_INTEGER,
	SF_DECIMAL,
	SF_STRING,
	SF_TOKEN,
	SF_BYTES,
	SF_BOOLEAN,
	SF_DATE,
	SF_DISPLAY,
};

struct sf_value {
	enum sf_type type;
	int64_t number;  /* integer, date (seconds), boolean (0, 1), decimal (thousandths) */
	struct str text; /* string, token, display string (UTF-8); bytes: their base64 */
};
struct sf_param {
	struct str key;
	struct sf_value value;
};
#define SF_PARAMS_MOST 256 /* as many as the RFC wants to be read; a field with more is none */
struct sf_item {
	struct sf_value value;
	size_t n;
	struct sf_param *params; /* of a key that comes twice the last value, in the first place */
};

/* The whole field must be one Item. What out points to lives in a or is the field's own. */
bool sf_item_read(struct arena *a, struct str field, struct sf_item *out)
    __attribute__((warn_unused_result));

#endif
