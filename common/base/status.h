/* status: gRPC's 16 codes, and a failure as everybody in the fleet carries it.
 *
 * The rules (grpc.io, status codes): UNAVAILABLE = try this call again; ABORTED = try again at a
 * higher level (version conflict, lease lost); FAILED_PRECONDITION = don't, until the state is
 * mended. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stddef.h>
#include <stdint.h>

enum status {
	ST_OK = 0,
	ST_CANCELLED = 1,
	ST_UNKNOWN = 2,
	ST_INVALID_ARGUMENT = 3,
	ST_DEADLINE_EXCEEDED = 4,
	ST_NOT_FOUND = 5,
	ST_ALREADY_EXISTS = 6,
	ST_PERMISSION_DENIED = 7,
	ST_RESOURCE_EXHAUSTED = 8,
	ST_FAILED_PRECONDITION = 9,
	ST_ABORTED = 10,
	ST_OUT_OF_RANGE = 11,
	ST_UNIMPLEMENTED = 12,
	ST_INTERNAL = 13,
	ST_UNAVAILABLE = 14,
	ST_DATA_LOSS = 15,
	ST_UNAUTHENTICATED = 16,
};

struct violation {
	const char *field; /* JSON Pointer or parameter name */
	const char *what;
};

/* Strings belong to whoever made it: the arena of the call that failed, or static. Never NULL. */
struct failure {
	enum status status;
	const char *message; /* for people; no secret, no value of a credential */
	const char *reason;  /* for machines, UPPER_SNAKE; "" when there is none */
	uint32_t retry_ms;   /* 0: not said */
	size_t n_violations;
	const struct violation *violations;
};

/* Of a create that found its id taken, after a try of it whose answer was lost: it can't be told
 * whose the object is. UNAVAILABLE, OUTCOME_UNKNOWN. */
extern const struct failure failure_made_perhaps;

/* "NOT_FOUND"; "UNKNOWN" for what is no code */
const char *status_name(enum status s);
enum status status_from_name(const char *name); /* ST_UNKNOWN when it is none */
/* table of the HTTP edge: NOT_FOUND -> 404 */
int status_http(enum status s);
/* counts against a breaker: UNAVAILABLE DEADLINE_EXCEEDED INTERNAL UNKNOWN DATA_LOSS */
int status_is_fault(enum status s);

#endif
