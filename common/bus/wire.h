/* wire: frames over req/rep, and the bell over pub/sub. Knows bytes and peers, no calls, no
 * retries, no protobuf beyond Hello. rpc and server (the rest of common/bus) sit on top; nothing
 * else includes this.
 *
 * One req connection per peer on the calling side (a lane), one rep listener on the serving side,
 * whose state is per connection (a visitor): sp.h. All callbacks run on the loop; bytes given to
 * them are valid until they return. What is sent within a turn leaves together at its end (frame.h); the window,
 * receipts, hello, epochs and encryption are in here. */
#ifndef BUS_WIRE_H
#define BUS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "node/loop.h"
#include "node/node.h"

#define WIRE_CALL_MAX (4u << 20) /* bytes of one envelope or answer */
/* a frame is closed beyond this; one larger call travels alone */
#define WIRE_FRAME_MAX (256u << 10)
#define WIRE_CALLS_MAX 256 /* calls or answers in a frame */
/* calls outstanding on a lane; beyond: RESOURCE_EXHAUSTED at once */
#define WIRE_OUT_MAX 4096

struct wire;
struct lane;    /* our way to one peer */
struct visitor; /* a peer's way to us */

struct wire_events { /* ctx is wire_opts.ctx */
	/* calling side */
	void (*up)(void *ctx, struct lane *l); /* hello done: calls may go */
	/* all calls that are out on it are lost, none will run later */
	void (*down)(void *ctx, struct lane *l);
	/* packed Answer */
	void (*answer)(void *ctx, struct lane *l, uint64_t call_id, const void *answer, size_t n);
	/* the peer said so; lasts until down */
	void (*draining)(void *ctx, struct lane *l);
	/* says so itself, or no longer */
	void (*unfit)(void *ctx, struct lane *l, bool unfit);
	void (*hint)(void *ctx, struct lane *l, uint64_t epoch, uint64_t value);
	/* serving side */
	/* packed Envelope */
	void (*call)(void *ctx, struct visitor *v, const void *envelope, size_t n);
	void (*cancel)(void *ctx, struct visitor *v, uint64_t call_id);
	/* cancel its work; v is invalid afterwards */
	void (*gone)(void *ctx, struct visitor *v);
	/* bell of a publisher we subscribed to, or a whole packed EventBatch over ipc; place: as it
	 * was subscribed to */
	void (*event)(void *ctx, const char *place, const void *batch, size_t n);
};

struct wire_opts {
	const char *name; /* ours, as in Hello */
	uint64_t generation;
	const struct node_config *config;
	const struct wire_events *events;
	void *ctx;
};

/* NULL: err, e.g. tcp without key */
struct wire *wire_new(struct loop *l, const struct wire_opts *o, char *err, size_t err_size);
bool wire_listen(struct wire *w, char *err, size_t err_size); /* also opens the publisher */
/* never blocks on nng_close; no callback any more; not from within one */
void wire_free(struct wire **w);
void wire_set_draining(struct wire *w);
void wire_set_unfit(struct wire *w, bool unfit);
/* rides in every frame we send, and once at once when it changed */
void wire_set_hint(struct wire *w, uint64_t epoch, uint64_t value);
void wire_flush(struct wire *w); /* now, not at the end of the turn */

/* the one to that node; made, and dialled for ever, on first use */
struct lane *wire_lane(struct wire *w, const char *node);
/* Where several processes of one name may be (group.h): under which addresses bus_peers has that name,
 * at most `most` of them; 0 over ipc. */
#define WIRE_URL 256
size_t wire_places(const struct wire *w, const char *node, char (*urls)[WIRE_URL], size_t most);
/* One of them: `place` is a name of our own for it. No callback after lane_close. */
struct lane *wire_lane_at(struct wire *w, const char *place, const char *node, const char *url);
void lane_close(struct lane **l);
void lane_set_owner(struct lane *l, void *owner);
void *lane_owner(const struct lane *l);
const char *lane_node(const struct lane *l);
bool lane_is_up(const struct lane *l);
bool lane_is_draining(const struct lane *l);
bool lane_is_unfit(const struct lane *l);
uint64_t lane_generation(const struct lane *l);  /* of the peer's process, from its hello */
const char *lane_instance(const struct lane *l); /* the same; its name where it says none */

/* The packed envelope is copied into the frame being built; the caller numbers calls (call_id,
 * unique per lane). ST_OK, ST_UNAVAILABLE (not up), ST_RESOURCE_EXHAUSTED (WIRE_OUT_MAX),
 * ST_OUT_OF_RANGE (larger than WIRE_CALL_MAX). */
enum status lane_call(struct lane *l, uint64_t call_id, const void *envelope, size_t n);
/* its answer, should it come, is dropped here */
void lane_cancel(struct lane *l, uint64_t call_id);

/* A visitor is a fleet member's link, or one single request of a plain client: then it is `gone` at
 * the end of the turn in which it was answered. */
void visitor_set_owner(struct visitor *v, void *owner);
void *visitor_owner(const struct visitor *v);
/* authenticated; "" for a plain req client */
const char *visitor_name(const struct visitor *v);
/* a plain client: under the saved header of that call */
void visitor_answer(struct visitor *v, uint64_t call_id, const void *answer, size_t n);

/* Publishing: one packed EventBatch; over ipc it goes out whole, over tcp only its numbers go (the
 * bell), sealed. */
void wire_publish(struct wire *w, const void *batch, size_t n, uint64_t last_seq);
void wire_subscribe(struct wire *w, const char *node); /* dialled for ever */
/* The same of one of several places, whose lane is there already. */
void wire_subscribe_at(struct wire *w, const char *place, const char *node, const char *url);
void wire_unsubscribe(struct wire *w, const char *place);

/* For metrics and benchmarks. */
struct wire_stats {
	uint64_t frames_out, frames_in, calls_out, calls_in, bytes_out, bytes_in, dropped_epoch,
	    dropped_bad, refused_peers;
};
const struct wire_stats *wire_stats(const struct wire *w);

#endif
