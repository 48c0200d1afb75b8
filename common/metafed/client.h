/* metafed/client.h: a program's way into a metafed fleet. metafed-client(3) has the same at length.
 *
 *	struct metafed_client *c = metafed_open(NULL, 0, why, sizeof(why));
 *	struct metafed_call *k = metafed_call_new(c);
 *
 *	metafed_call_set_deadline(k, 2000);
 *	if (metafed_execute(k, &request, &response) != METAFED_OK)	// metafed/methods.h
 *		fprintf(stderr, "%s\n", metafed_call_message(k));
 *	metafed_call_free(k);
 *	metafed_close(c);
 *
 * Messages are protobuf-c's, made from the fleet's .proto files and compiled into YOUR program
 * (libmetafed-proto.a, or your own run of protoc-c): so a newer library never meets older structs.
 *
 * Threads: every function may be called from any thread; one call or one client is destroyed by one
 * thread when no other uses it any more. The library has one thread of its own while a client is
 * open; all signals are blocked in it. A done function runs on that thread, or, for a client opened
 * with METAFED_DISPATCH, inside metafed_dispatch(). On the library's thread it must not block: no
 * metafed_call_wait(), no metafed_login(). After fork() a child may only exec.
 *
 * Memory: what a function returns belongs to the object it was asked of and lives as long as it.
 * Memory that runs out aborts the program. */
#ifndef METAFED_CLIENT_H
#define METAFED_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define METAFED_API  __attribute__((visibility("default")))
#define METAFED_MUST __attribute__((warn_unused_result))
#else
#define METAFED_API
#define METAFED_MUST
#endif

/* gRPC's codes. UNAVAILABLE: try this call again. ABORTED: try again what it was part of.
 * FAILED_PRECONDITION: don't, until the state is mended. */
enum metafed_code {
	METAFED_OK = 0,
	METAFED_CANCELLED = 1,
	METAFED_UNKNOWN = 2,
	METAFED_INVALID_ARGUMENT = 3,
	METAFED_DEADLINE_EXCEEDED = 4,
	METAFED_NOT_FOUND = 5,
	METAFED_ALREADY_EXISTS = 6,
	METAFED_PERMISSION_DENIED = 7,
	METAFED_RESOURCE_EXHAUSTED = 8,
	METAFED_FAILED_PRECONDITION = 9,
	METAFED_ABORTED = 10,
	METAFED_OUT_OF_RANGE = 11,
	METAFED_UNIMPLEMENTED = 12,
	METAFED_INTERNAL = 13,
	METAFED_UNAVAILABLE = 14,
	METAFED_DATA_LOSS = 15,
	METAFED_UNAUTHENTICATED = 16,
};
METAFED_API const char *metafed_code_name(enum metafed_code code); /* "NOT_FOUND" */
METAFED_API const char *metafed_version(void);                     /* of the library: "1.0.0" */

/* --- clients --- */
struct metafed_client;

/* Done functions run in metafed_dispatch(), on your thread, when your loop says so. */
#define METAFED_DISPATCH 0x1u

/* place: the run-time directory of a fleet on this machine, or a configuration file (bus_dir, or
 * bus_peers with bus_key_file and bus_trust_file for a fleet elsewhere); NULL: METAFED_CONFIG, else
 * METAFED_VAR, else "var". Returns at once: that nobody answers shows at the first call. NULL: why
 * says what is wrong. */
METAFED_API METAFED_MUST struct metafed_client *
metafed_open(const char *place, unsigned flags, char *why, size_t why_size);
/* Cancels what is under way; its done functions have run when this returns (called from one of
 * them: soon after). NULL does nothing. */
METAFED_API void metafed_close(struct metafed_client *c);
METAFED_API const char *metafed_where(const struct metafed_client *c);

/* An access token or an API key; sent with each request that brings no credential. Copied. NULL:
 * none any more. */
METAFED_API void metafed_set_token(struct metafed_client *c, const char *token);

/* With METAFED_DISPATCH: becomes readable when calls have ended; poll it, never read it. */
METAFED_API int metafed_fd(const struct metafed_client *c);
/* Runs the done functions of all calls that have ended; returns how many. Never waits. */
METAFED_API size_t metafed_dispatch(struct metafed_client *c);

/* --- calls --- */
struct metafed_call;
typedef void metafed_done_fn(struct metafed_call *k, void *ctx);

METAFED_API METAFED_MUST struct metafed_call *metafed_call_new(struct metafed_client *c);
/* Cancels it if it is under way: then its done function does not run any more. NULL does nothing. */
METAFED_API void metafed_call_free(struct metafed_call *k);

/* From its start; 30 s without this. It goes along with everything that is done for this call. */
METAFED_API void metafed_call_set_deadline(struct metafed_call *k, uint32_t ms);
/* Metadata, before the start. Copied. False: no such name, or the value is none.
 *	"idempotency-key"	to 128 bytes: the same again finds what was done (an operation id)
 *	"traceparent"		W3C trace context, version 00
 *	"authorization"		a token for this call instead of the client's; "": none
 *	"node"			only this node, no stand-in; mf.Node needs it
 *	"retry"			"no": one try */
METAFED_API METAFED_MUST bool
metafed_call_set(struct metafed_call *k, const char *name, const char *value);

/* Once per call. The request is copied. done runs exactly once, unless the call is freed before;
 * NULL: whoever wants to know waits. False: it was started before, or its client is being closed; then
 * done does not run. Whatever else is wrong is the call's outcome, not told here. */
METAFED_API bool
metafed_call_start(struct metafed_call *k, const ProtobufCServiceDescriptor *service,
    const char *method, const ProtobufCMessage *request, metafed_done_fn *done, void *ctx);
/* Until it has ended; its code. Several threads may wait. */
METAFED_API enum metafed_code metafed_call_wait(struct metafed_call *k);
/* start and wait */
METAFED_API enum metafed_code metafed_call_run(struct metafed_call *k,
    const ProtobufCServiceDescriptor *service, const char *method, const ProtobufCMessage *request);
/* It ends with CANCELLED, and so does the work for it in the fleet, unless it had ended before. */
METAFED_API void metafed_call_cancel(struct metafed_call *k);

/* --- how it ended; before that: false, UNKNOWN, NULL, "" and 0 --- */
METAFED_API bool metafed_call_is_done(const struct metafed_call *k);
METAFED_API enum metafed_code metafed_call_code(const struct metafed_call *k);
/* NULL: it failed. Of the method's output type, as your descriptor has it. */
METAFED_API const ProtobufCMessage *metafed_call_reply(struct metafed_call *k);
METAFED_API const char *metafed_call_message(const struct metafed_call *k); /* for people */
METAFED_API const char *metafed_call_reason(const struct metafed_call *k);  /* "PEER_LOST"; "" */
METAFED_API uint32_t metafed_call_retry_ms(const struct metafed_call *k);   /* 0: not said */
/* Field `index` that was wrong with the request: its JSON Pointer or name, and what. False: there are
 * not so many. */
METAFED_API bool metafed_call_violation(
    const struct metafed_call *k, size_t index, const char **field, const char **what);
/* "traceparent": as it was sent; "node": who answered. NULL: no such name. */
METAFED_API const char *metafed_call_get(const struct metafed_call *k, const char *name);

/* --- logging in --- a call like any other, run to its end; the client sends the token from then on.
 * A token ends after an hour: UNAUTHENTICATED says so. An API key (metafed_set_token) does not. */
METAFED_API enum metafed_code
metafed_login(struct metafed_call *k, const char *username, const char *password);

#ifdef __cplusplus
}
#endif
#endif
