/* bus: targets, groups, events, faults. nng is seen nowhere else than in common/bus.
 *
 * A node serves the services it was given and calls targets. A target is a service as its callers
 * see it: a primary and its stand-ins, each with a breaker. Calls go to the first member that is
 * fit, in a paced target to the first that is not clearly slower than another either; a READ or
 * IDEMPOTENT call that failed with UNAVAILABLE goes on to the next one (or the same one when it is
 * back) while deadline and retry budget last. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "bus/call.h"
#include "node/node.h"
#include "proto/bus.pb-c.h"
#include "proto/node.pb-c.h"

/* --- life: node_main does this; tests and the client library do it themselves --- */
struct bus_opts {
	/* who we are: "sql"; "client-<pid>" for the command line */
	const char *name;
	uint64_t generation;
	/* addresses, keys, faults; NULL: no sockets, only bus_loopback */
	const struct node_config *config;
	const struct serve *serves; /* NULL: a pure caller */
};
/* NULL: err says why */
struct bus *bus_new(struct loop *l, const struct bus_opts *o, char *err, size_t err_size);
bool bus_listen(struct bus *b, char *err, size_t err_size); /* opens for callers: when ready */
/* said in every frame: callers HOLD new calls or go to a stand-in */
void bus_set_draining(struct bus *b);
uint32_t bus_in_flight(const struct bus *b); /* calls being served */
void bus_free(struct bus **b);               /* drops all; never blocks on nng_close */
struct loop *bus_loop(struct bus *b);
const char *bus_name(const struct bus *b);
/* for the Node service (state); NULL in tests */
void bus_set_info(struct bus *b, struct node *n);
/* NULL-ended, announced by the Node service */
void bus_set_capabilities(struct bus *b, const char *const *capabilities);

/* A bus without sockets for unit tests: calls to `name` are served by these services in the same
 * process. */
void bus_loopback(struct bus *b, const char *name, const struct serve *serves);

/* --- targets --- */
struct breaker_policy {
	uint32_t failures; /* final failures in a row that make a member suspect */
	/* of one call: beyond it counts as a failure; 0: only its deadline */
	int64_t limit_us;
	/* a suspect opens when more than this share failed (default 0.5) ... */
	double open_share;
	uint32_t open_calls;    /* ... of at least so many calls (default 20) ... */
	int64_t open_window_us; /* ... in this time (default 10 s) */
	int64_t probe_us;       /* half-open after this, with 50 % jitter (default 1 s) */
};

struct target_def {
	const ProtobufCServiceDescriptor *service;
	const char *const *members; /* NULL-ended: primary first, then stand-ins in order */
	struct breaker_policy breaker;
};
/* Members whose Hello has another protocol version, or that do not serve the service, are passed
 * over. */
struct target *target_new(struct bus *b, const struct target_def *d);
/* From now on a member that is clearly slower of itself than another gives way: bus/pace.h. */
void target_set_paced(struct target *t);
bool target_ready(const struct target *t); /* some member is connected and not open */
const char *target_name(const struct target *t);

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
typedef void breaker_visit_fn(void *ctx, const char *service, const char *node,
    enum breaker_state s, uint32_t failures, bool connected);
void bus_each_breaker(struct bus *b, breaker_visit_fn *visit, void *ctx);

/* --- the Node service of another node, by name (Info, GetMetrics, Events, ...) --- */
struct target *bus_node_target(struct bus *b, const char *node); /* made once per name */

/* --- events: one sequence per publisher, batched 5 to 20 ms, kept in a ring of 4096; gaps are
 * fetched --- */
void bus_publish(struct bus *b, const char *topic, const ProtobufCMessage *m);
typedef void bus_event_fn(void *ctx, const char *node, const Mf__Event *e);
/* In order, each once per generation of the publisher. At the first contact, when the publisher
 * came back with another generation, and when the ring had moved on, `lost` is called (may be
 * NULL): read the state anew, events go on from there. */
void bus_subscribe(struct bus *b, const char *node, const char *topic_prefix, bus_event_fn *fn,
    void (*lost)(void *ctx, const char *node), void *ctx);

/* --- a number that rides in every frame we send, and the newest one seen from a peer (see auth:
 * revocation sequence) --- */
void bus_set_hint(struct bus *b, uint64_t epoch, uint64_t value);
/* false: none yet */
bool
bus_peer_hint(struct bus *b, const char *node, uint64_t *epoch, uint64_t *value, int64_t *at_us);

/* --- fault injection at run time; spec as in bus/fault.h. false: err says what is wrong --- */
bool bus_set_faults(
    struct bus *b, const char *spec, uint64_t seed, int64_t for_us, char *err, size_t err_size);

/* --- the method table, generated from proto/ --- */
enum method_class { METHOD_READ, METHOD_IDEMPOTENT, METHOD_UNSAFE };
struct method_info {
	const char *service; /* "mf.Sql" */
	const char *method;
	enum method_class class;
	int64_t limit_us;
};
/* ended by service NULL; sorted by service, then declaration */
extern const struct method_info method_table[];
const struct method_info *method_find(const char *service, const char *method);

#endif
