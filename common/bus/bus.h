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
#include "proto/trace.pb-c.h"

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
/* Said in every frame: callers take another member while there is a fit one. Nobody is held for
 * it, and calls still come. */
void bus_set_unfit(struct bus *b, bool unfit);
/* From now on the node says so itself, by its calls: bus/fit.h. */
void bus_judge_itself(struct bus *b);
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
	bool observe;           /* count and tell, but never open on errors: the bus sets it */
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
/* From now on processes of one name are not balanced: the first that is fit has all calls, because it
 * keeps something between them. A call with rpc_opts.node is like that anyway. */
void target_set_ordered(struct target *t);
/* From now on as many calls of a method are out as its members bear, the others wait by priority:
 * bus/limit.h. Over the bound of that list, or too late: RESOURCE_EXHAUSTED, reason LIMIT. */
void target_set_limited(struct target *t);
/* From now on a call that is out for so long makes the bus look whether its member lives at all, though
 * it is not slow yet; if not, another member gets it. 0: only what is slow does. */
void target_set_watch(struct target *t, int64_t us);
bool target_ready(const struct target *t); /* some member is connected and not open */
const char *target_name(const struct target *t);

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,
	BREAKER_HALF_OPEN,
	/* told, never in force: closed, and errors would have opened it (breakers = observe) */
	BREAKER_WOULD_OPEN,
	/* told: closed, but the member says of itself that it is unfit */
	BREAKER_UNFIT,
};
/* "closed" "open" "half_open" "would_open" "unfit" */
const char *breaker_state_name(enum breaker_state s);
typedef void breaker_visit_fn(void *ctx, const char *service, const char *node,
    enum breaker_state s, uint32_t failures, bool connected);
void bus_each_breaker(struct bus *b, breaker_visit_fn *visit, void *ctx);
/* Each change in this process, when it happens, also of what members say of themselves; others read
 * the same of the event "breaker". One watcher; not to change targets. */
void bus_watch_breakers(struct bus *b, breaker_visit_fn *fn, void *ctx);

/* --- the Node service of another node, by name (Info, GetMetrics, Events, ...) --- */
struct target *bus_node_target(struct bus *b, const char *node); /* made once per name */
/* The processes of that name that are connected: what rpc_opts.node takes, each. `most` at most. */
size_t bus_instances(struct bus *b, const char *node, const char **instances, size_t most);

/* --- events: one sequence per publisher, batched 5 to 20 ms, kept in a ring of 4096; gaps are
 * fetched --- */
void bus_publish(struct bus *b, const char *topic, const ProtobufCMessage *m);
typedef void bus_event_fn(void *ctx, const char *node, const Mf__Event *e);
/* In order, each once per generation of the publisher. At the first contact, when the publisher
 * came back with another generation, and when the ring had moved on, `lost` is called (may be
 * NULL): read the state anew, events go on from there. */
void bus_subscribe(struct bus *b, const char *node, const char *topic_prefix, bus_event_fn *fn,
    void (*lost)(void *ctx, const char *node), void *ctx);

/* --- tries: what became of our calls out, try by try, and which of our breakers opened, is told at
 * most twice in a second; nothing: nothing. --- */
typedef void bus_tries_fn(void *ctx, const Mf__Tries *t);
/* From now on, to these nodes (NULL at the end; stays). */
void bus_tell_tries(struct bus *b, const char *const *nodes);
/* From now on fn hears of ours, of which nobody else is told then, and of others'. NULL: nobody. */
void bus_hear_tries(struct bus *b, bus_tries_fn *fn, void *ctx);
/* A failure of ours that is no try of a call; `method` stays. Told with them, if it is a fault. */
void bus_tell_failure(struct bus *b, const char *method, const struct failure *f);

/* --- load: what was served in the last seconds, for who looks at this node. Work that came another way
 * than by a call (HTTP) is counted by who did it. --- */
void bus_count_served(struct bus *b, int64_t took_us, bool fault);

/* What Node.Info says of that; the rest of *info stays. */
void load_tell(struct bus *b, struct arena *a, Mf__NodeInfo *info);

/* --- how this process is configured, as Node.GetSettings says it; n NULL: not at all --- */
void load_settings(const struct node *n, struct arena *a, Mf__SettingList *out);

/* --- traces: what is kept of requests that entered the fleet in this process (call_opts.entry, or the
 * caller is none of the fleet): those that failed by a fault of ours, or in which a stand-in had to help; those that
 * took long; those that a client wants kept; one of so many of the rest. --- */
struct trace_opts {
	int64_t slow_us; /* what took longer is kept; 0: nothing for that reason */
	double sample;   /* share of the others */
	double rate;     /* most that are kept in a second; so many more may come at once */
};
/* In force until said anew. */
void bus_set_tracing(struct bus *b, const struct trace_opts *o);
/* In batches: half a second after the first one, or 64. Nothing: nothing. Valid until fn returns. */
typedef void bus_traces_fn(void *ctx, const Mf__TraceBatch *m);
void bus_hear_traces(struct bus *b, bus_traces_fn *fn, void *ctx);
/* Called for each that is kept, as it ends: for what else has its time. */
typedef void bus_traced_fn(void *ctx, const Mf__Trace *m);
void bus_on_traced(struct bus *b, bus_traced_fn *fn, void *ctx);

/* --- a number that rides in every frame we send, and the newest one seen from a peer (see auth:
 * revocation sequence) --- */
void bus_set_hint(struct bus *b, uint64_t epoch, uint64_t value);
/* false: none yet */
bool
bus_peer_hint(struct bus *b, const char *node, uint64_t *epoch, uint64_t *value, int64_t *at_us);

/* --- fencing: the highest number of a leading meta that this process has seen in a call, or was told
 * of here. Calls of a lower one are refused with ABORTED, reason FENCED. --- */
void bus_raise_fence(struct bus *b, uint64_t number);

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
