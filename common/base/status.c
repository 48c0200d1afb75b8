/* status: names of the codes, and how each leaves the fleet over HTTP. One table. */
#include "base/status.h"

#include <string.h>

static const struct {
	const char *name;
	int http;
	int fault; /* says something about who was called, not about what was asked */
} table[] = {
	[ST_OK] = { "OK", 200, 0 },
	[ST_CANCELLED] = { "CANCELLED", 499, 0 },
	[ST_UNKNOWN] = { "UNKNOWN", 500, 1 },
	[ST_INVALID_ARGUMENT] = { "INVALID_ARGUMENT", 400, 0 },
	[ST_DEADLINE_EXCEEDED] = { "DEADLINE_EXCEEDED", 504, 1 },
	[ST_NOT_FOUND] = { "NOT_FOUND", 404, 0 },
	[ST_ALREADY_EXISTS] = { "ALREADY_EXISTS", 409, 0 },
	[ST_PERMISSION_DENIED] = { "PERMISSION_DENIED", 403, 0 },
	[ST_RESOURCE_EXHAUSTED] = { "RESOURCE_EXHAUSTED", 429, 0 },
	[ST_FAILED_PRECONDITION] = { "FAILED_PRECONDITION", 400, 0 },
	[ST_ABORTED] = { "ABORTED", 409, 0 },
	[ST_OUT_OF_RANGE] = { "OUT_OF_RANGE", 400, 0 },
	[ST_UNIMPLEMENTED] = { "UNIMPLEMENTED", 501, 0 },
	[ST_INTERNAL] = { "INTERNAL", 500, 1 },
	[ST_UNAVAILABLE] = { "UNAVAILABLE", 503, 1 },
	[ST_DATA_LOSS] = { "DATA_LOSS", 500, 1 },
	[ST_UNAUTHENTICATED] = { "UNAUTHENTICATED", 401, 0 },
};
#define N_CODES (sizeof(table) / sizeof(table[0]))

/* A code may come from a peer: what is none is UNKNOWN. */
static enum status
known(enum status s)
{
	return (size_t)s < N_CODES ? s : ST_UNKNOWN;
}

const struct failure failure_made_perhaps = {
	.status = ST_UNAVAILABLE,
	.message =
	    "an earlier try of this create may have made it, and it was changed since: read it",
	.reason = "OUTCOME_UNKNOWN",
	.retry_ms = 1000,
};

const char *
status_name(enum status s)
{
	return table[known(s)].name;
}

enum status
status_from_name(const char *name)
{
	for (size_t i = 0; i < N_CODES; i++)
		if (strcmp(table[i].name, name) == 0)
			return (enum status)i;
	return ST_UNKNOWN;
}

int
status_http(enum status s)
{
	return table[known(s)].http;
}

int
status_is_fault(enum status s)
{
	return table[known(s)].fault;
}
