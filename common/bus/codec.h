/* codec: Envelope and Answer of proto/bus.proto by hand, wire-compatible with protobuf-c and free
 * of allocation.
 *
 * Reading gives views into the bytes; unknown fields are skipped, of a repeated scalar the last one
 * counts. A message that is wrong anywhere is refused as a whole. Writing goes straight into a
 * buffer of the bus. */
#ifndef BUS_CODEC_H
#define BUS_CODEC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

#define CODEC_DEPTH_MAX                                                                            \
	8 /* messages within messages; protobuf-c's reader recurses without a limit */

struct envelope {
	bool retried; /* a call for a call that is not its first try */
	uint32_t version, attempt;
	bool want_hops;
	uint64_t call_id, time_left_us, fence;
	struct str service, method, traceparent, idempotency_key, principal, payload;
};

struct answer {
	uint64_t call_id;
	struct str payload;
	bool failed;        /* problem is there */
	struct str problem; /* packed Problem */
	uint64_t waited_us; /* by its sender, for others */
	bool spent;         /* tries below have been made in vain */
	bool repeated;      /* some try, here or below, was not the first */
	bool has_hops, trace_asked;
	struct str rest; /* the message, for answer_hop */
};

/* A growing byte string that is written to from the front; kept from call to call. */
struct out {
	uint8_t *p;
	size_t n, cap;
};
uint8_t *out_room(struct out *o, size_t more); /* where the next `more` bytes may be written */
void out_number(struct out *o, unsigned field, uint64_t v); /* of a message: nothing for 0 */
void out_bytes(struct out *o, unsigned field,
    struct str s);                         /* also when empty: an element of a repeated field */
void out_trim(struct out *o, size_t most); /* gives the memory back when it is more than that */
void out_free(struct out *o);

bool envelope_read(const void *p, size_t n, struct envelope *e) __attribute__((warn_unused_result));
void envelope_write(struct out *o, const struct envelope *e); /* empties o first */

bool answer_read(const void *p, size_t n, struct answer *a) __attribute__((warn_unused_result));
bool answer_hop(struct str *rest, struct str *hop); /* the next packed Hop; false: that was all */

void answer_begin(struct out *o, uint64_t call_id); /* empties o */
void answer_waited(struct out *o, uint64_t us);
void answer_spent(struct out *o, bool spent);
void answer_repeated(struct out *o, bool repeated);
void answer_trace_asked(struct out *o, bool asked);
void answer_payload(struct out *o, const ProtobufCMessage *m);
void answer_problem(struct out *o, const ProtobufCMessage *m);
void answer_add_hop(struct out *o, const ProtobufCMessage *m);

/* Can a message of this kind nest without end? Then its bytes go through codec_depth_ok before they
 * are unpacked. */
bool codec_recursive(const ProtobufCMessageDescriptor *d);
bool codec_depth_ok(const ProtobufCMessageDescriptor *d, const void *p, size_t n, unsigned most);

#endif
