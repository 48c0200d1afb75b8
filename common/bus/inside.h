/* inside: what the upper half of the bus shares. Included by the sources of common/bus and by the
 * bus's own tests only.
 *
 * Objects: a peer is a name that we may call (a lane of the wire, or services in this process); a
 * target has members, each a peer with a breaker; an rpc_call is one call out, at any time on at
 * most one peer; a caller is somebody who calls us; a call is one being served or a root. Each
 * rpc_call is in exactly one waiting list, named by its state. */
#ifndef BUS_INSIDE_H
#define BUS_INSIDE_H

#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "bus/breaker.h"
#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/fault.h"
#include "bus/fit.h"
#include "bus/limit.h"
#include "bus/pace.h"
#include "bus/recent.h"
#include "bus/retry.h"
#include "bus/wire.h"

#define CALL_ARENA_MAX (64u << 20) /* of one call: the largest message many times over */
#define INPUT_MEMORY   (16u << 20) /* what the message that it came with may take of that */
#define ANSWER_RESERVE (8u << 20)  /* what answers to its own calls leave of that */
#define SERVE_MOST     10000       /* calls being served; beyond: RESOURCE_EXHAUSTED */
#define GROUP_MOST     8           /* processes of one name that we know: group.h's */
#define MEMBERS_MOST   32          /* of a target: bits of rpc_call.tried */
#define HOLD_US        (500 * MS)  /* how long a call waits for a member ... */
/* ... and how long one that lost its member: a restart takes 10 to 50 ms, a store's more */
#define HOLD_LOST_US    (1000 * MS)
#define CALLER_BUCKETS  256        /* of calls by id */
#define PING_US         (250 * MS) /* a member that lives answers Node.Info in this time */
#define TRACEPARENT_LEN 56         /* "00-" 32 "-" 16 "-01" and NUL */

/* --- meters: counters and histogram of one method, one side (meter.c) --- */
struct meter {
	const char *service, *method;
	bool served; /* of calls that we serve; else of calls out */
	struct metric *seconds;
	struct metric *codes[17];
};
void meter_init(struct meter *m, const char *service, const char *method, bool served);
void meter_done(struct meter *m, enum status s, int64_t us);

/* --- dispatch tables (server.c) --- */
struct served_method {
	const char *service, *method;
	int64_t slow_us; /* beyond, it counts against ourselves; 0: mf.Node, none does */
	ProtobufCService *impl;
	unsigned index;
	const ProtobufCMessageDescriptor *input;
	bool recursive; /* input may nest: its depth is checked */
	struct fault_point *fault;
	struct meter meter;
	uint16_t crash_method; /* node/crash.h */
};
struct served {
	size_t n, mask;
	struct served_method *methods;
	uint16_t *slots; /* open addressing by hash of service and method: index + 1 */
};
struct served *served_new(const struct serve *serves); /* with the Node service */
void served_free(struct served **s);
void served_set_faults(struct served *s, struct fault_set *f);
struct served_method *served_find(const struct served *s, struct str service, struct str method);

/* --- callers (server.c) --- */
struct caller {
	struct link link;        /* bus.callers */
	struct visitor *visitor; /* NULL: loop-back */
	struct peer *loop; /* loop-back: the peer that serves, whose answers come back to us */
	bool outside;      /* none of the fleet: requests enter it here */
	const char *name;
	size_t n;
	struct call *bucket[CALLER_BUCKETS];
};
struct caller *caller_new(struct bus *b, struct visitor *v, struct peer *loop);
void caller_gone(struct bus *b, struct caller *k); /* cancels its calls, frees it */
void server_call(struct bus *b, struct served *s, struct caller *k, const void *envelope, size_t n);
void server_cancel(struct caller *k, uint64_t id);
void server_answer(struct call *c, const ProtobufCMessage *reply,
    const struct failure *f); /* of a served call that ends */
void server_forget(struct call *c);
/* How a served call ends, for our own judgement; f NULL: well, or (told false) nobody waits. */
void server_judge(struct call *c, const struct failure *f, bool told);
void server_on_fit_timer(struct timer *t);

/* --- calls (call.c) --- */
enum call_kind { CALL_SERVED, CALL_ROOT };

struct call {
	struct link link; /* bus.calls, then bus.dead */
	struct bus *bus;
	struct arena *arena;
	enum call_kind kind;
	bool ended, principal_read, want_hops, answer_hops;
	bool entry;    /* a request that entered the fleet here */
	bool sampled;  /* all hops of it tell of it */
	bool asked;    /* its trace is wanted by who made it */
	bool telling;  /* something below it was out of the ordinary: its answer tells of it */
	bool retried;  /* it, or a call above it, is not the first try */
	bool repeated; /* some rpc was */
	bool spent;    /* some rpc has failed for good, after all its tries */
	int64_t start_us, deadline_us;
	uint32_t n_waiting; /* rpcs that are not done */
	int64_t waiting_us; /* since when there are some */
	int64_t waited_us;  /* how long there were any */
	struct timer timer; /* deadline */
	struct list deps, rpcs, timers;
	struct owned_json *json;
	char traceparent[TRACEPARENT_LEN];
	char trace_id[33];
	uint64_t span;                  /* ours, of the traceparent; 0: not read yet */
	uint64_t above;                 /* entry: the client's; 0: none */
	const struct call_about *about; /* NULL: nothing was said */
	const char *operation_id;
	uint64_t fence;
	struct str principal_bytes;
	const Mf__Principal *principal;
	/* served */
	struct caller *caller;
	struct call *hash_next;
	uint64_t id;
	uint32_t attempt;
	struct served_method *method;
	uint32_t crash_call; /* node/crash.h */
	const ProtobufCMessage *input;
	struct fault fault;
	/* root */
	call_end_fn *done;
	void *ctx;
};
struct call *call_make(struct bus *b, enum call_kind kind, int64_t deadline_us);
/* Into the call's arena, but never so much that nothing is left to answer with: small messages of
 * a hostile peer may unpack into a hundred times their bytes. NULL: malformed, or too much. */
ProtobufCMessage *
call_unpack_input(struct call *c, const ProtobufCMessageDescriptor *d, struct str bytes);
ProtobufCMessage *
call_unpack_answer(struct call *c, const ProtobufCMessageDescriptor *d, struct str bytes);
void call_drop(struct call *c); /* ends it without an answer: its caller is gone */
void call_free_dead(struct bus *b);
struct call *call_enter(struct call
	*c); /* around each piece of a call's code: sets the log's trace; gives the one before */
void call_leave(struct bus *b, struct call *before);
void
trace_start(struct call *c, struct str traceparent); /* of the caller; not valid: a new trace */
/* The same where a request enters the fleet: its span is ours, below the client's. heeded: his flag
 * counts. */
void trace_enter(struct call *c, struct str traceparent, bool heeded);
uint64_t trace_child(struct call *c, char out[TRACEPARENT_LEN]); /* its span */
uint64_t trace_span(struct call *c);
/* One of so many, the same everywhere: by the low 56 bits of the id (W3C trace context, level 2). */
bool trace_sampled(const char *trace_id, double share);

/* --- peers (peer.c) --- */
struct peer {
	struct link link; /* bus.peers */
	struct bus *bus;
	char name[64];
	char place[72];    /* the name; the second of a group: "rest#2" */
	char instance[64]; /* which process of that name, as it says itself; "" before its hello */
	struct group *group;   /* NULL: there is one process of that name */
	bool vacant;           /* of a group: nobody is known for this place */
	bool twin;             /* connected, but over another place we are already */
	struct lane *lane;     /* NULL: loop-back, or vacant */
	struct served *served; /* loop-back */
	struct caller *self;   /* loop-back: we, as its caller */
	bool up, draining, pinging;
	bool unfit;             /* says so itself */
	bool mute;              /* loop-back, for tests: a hung process */
	int64_t heard_us;       /* the last answer of any call */
	uint32_t tries, faults; /* since census.c told of them */
	uint64_t hint_epoch, hint_value;
	int64_t hint_us;         /* 0: none yet */
	struct list outs;        /* rpc_calls that are out on it */
	struct rpc_call **slots; /* by the low bits of their id */
	uint32_t *free_slots;
	uint32_t n_slots, n_free;
	uint64_t serial;
};
/* The one of that name, of a group the first. */
struct peer *peer_get(struct bus *b, const char *name);
struct peer *peer_new(struct bus *b, const char *name, const char *place);
void peer_free(struct peer *p);
void peer_up(struct peer *p);
void peer_down(struct peer *p);
void peer_unfit(struct peer *p, bool unfit);
void peer_answer(struct peer *p, uint64_t id, const void *answer, size_t n);
enum status
peer_call(struct peer *p, struct rpc_call *r, struct envelope *e); /* numbers it, sends it */
void peer_forget(struct peer *p, struct rpc_call *r);              /* answered or lost */
void peer_cancel(struct peer *p, struct rpc_call *r);              /* and tells the other side */
void peer_loop_answer(struct peer *p, uint64_t id, const void *answer, size_t n);
void peer_loop_run(struct bus *b); /* what loop-back has queued */
void peer_check(struct peer *p);   /* one of its calls is overdue: does it live? */

/* --- several processes of one name (group.c) --- */
struct group;
/* NULL: of that name there is one */
struct group *group_get(struct bus *b, const char *name);
size_t group_peers(const struct group *g, struct peer *const **peers);
/* Another of its places leads to the same process, which is up there. */
bool group_has_twin(const struct peer *p);
void group_peer_down(struct peer *p);
void group_subscribe(struct group *g); /* their events, too, from now on */
void groups_free(struct bus *b);

/* --- targets (target.c) --- */
struct member {
	struct target *target;
	struct peer *peer;
	uint8_t seat; /* the same for all processes of one name, which follow each other */
	struct breaker breaker;
	struct pace pace;
	bool unserved;         /* answered that it has no such service; until its next connection */
	bool stands_by;        /* said NOT_LEADING: gives way until all others have said so too */
	struct metric *gauge;  /* state of the breaker */
	struct metric *own;    /* mean of pace; NULL: nobody gives way here */
	struct recent *recent; /* tries that ended; NULL: none yet */
};
struct target_method {
	char name[96]; /* "Sql.Read" */
	const char *method;
	enum method_class class;
	int64_t limit_us;
	int64_t slow_us; /* a call that takes longer counts against the member; 0: none does */
	bool recursive;  /* of the answer */
	struct meter meter;
	struct waitlist *waitlist; /* NULL: as many as may be */
};
struct target {
	struct link link; /* bus.targets */
	struct bus *bus;
	const ProtobufCServiceDescriptor *service;
	struct breaker_policy policy;
	int64_t watch_us; /* target_set_watch */
	bool control;     /* mf.Node: reaches draining members too */
	bool paced;       /* who is clearly slower gives way */
	bool ordered;     /* processes of one name are not balanced: the first that is there */
	uint32_t turn;    /* of pace_choose */
	size_t n_members;
	struct member members[MEMBERS_MOST];
	struct target_method *methods;
	struct retry_budget budget;
	struct list held; /* rpc_calls that wait for a member */
	bool wake;        /* at the end of this turn */
	struct metric *retries, *retries_left;
};
void target_count(struct member *m, bool fault, int64_t now_us);
void target_close(struct member *m);                     /* its breaker */
void target_abandon(struct member *m);                   /* no answer is waited for any more */
void target_run_wakes(struct bus *b);                    /* at the end of each turn */
void target_show(const struct target *t);                /* in the gauges */
enum breaker_state target_shown(const struct member *m); /* what is told of its breaker */
void target_trip(struct peer *p); /* contact lost though the connection stands */
void target_peer_up(struct peer *p);
void target_peer_unfit(struct peer *p);
void target_failover(struct target *t, const char *from, const char *to);
void target_free(struct target *t);

/* --- the choice among the members (choose.c) --- */
struct member *
target_choose(struct target *t, const struct rpc_call *r, int64_t now_us); /* NULL: none is fit */
struct member *
target_last_resort(struct target *t, const struct rpc_call *r); /* one that drains, but is there */
bool target_has_other(struct target *t, const struct rpc_call *r, int64_t now_us);
int64_t target_next_probe(const struct target *t); /* INT64_MAX: none */
/* It stood before the chosen one (NULL: nobody was chosen) for any other reason than that calls are
 * shared out. */
bool target_passed_over(const struct member *m, const struct member *chosen, int64_t now_us);
const char *target_why_not(const struct member *m); /* reason of a member that was passed over */
/* no other member is there, closed and fit: errors must not open it */
bool target_last_fit(const struct target *t, const struct member *m);
/* Who led is silent or gone: any of the others may lead by now. */
void target_lead_unknown(struct target *t);
void target_took(struct member *m, int64_t own_us, int64_t now_us);

/* --- calls out (rpc.c) --- */
enum rpc_state { RPC_IDLE, RPC_QUEUED, RPC_OUT, RPC_BACKOFF, RPC_HOLD, RPC_SOON, RPC_DONE };

struct rpc_call {
	struct rpc rpc;
	struct link of_call; /* call.rpcs */
	/* peer.outs, target.held, bus.soon or a waitlist's, by state */
	struct link waiting;
	struct call *call;
	struct target *target;
	const struct target_method *method;
	struct rpc_opts opts;
	const struct peer *only; /* nobody else; NULL: as opts say */
	enum rpc_state state;
	bool failed;   /* outcome */
	bool lost_one; /* some try was lost */
	bool counted;  /* this try has counted against its member */
	bool repeated; /* it, or what was below, was tried more than once */
	bool has_room; /* below its method's limit */
	ProtobufCClosure closure;
	void *closure_data;
	struct str payload;
	struct timer timer;
	int64_t start_us, deadline_us, hold_until_us;
	uint32_t tries, tried; /* made; members that failed, by bit */
	struct member *member; /* of this or the last try */
	uint64_t id;
	int64_t try_us, try_end_us, overdue_us;
	struct failure failure;
	uint64_t span; /* of this or the last try */
	Mf__Hop **hops;
	size_t n_hops, cap_hops;
	Mf__Hop *hops_room[2];
	Mf__Hop first_hop;
};
void rpc_answered(struct rpc_call *r, const struct answer *a);
void rpc_lost(struct rpc_call *r); /* its peer's connection went */
void rpc_silent(
    struct rpc_call *r); /* its peer gives no sign of life: on to another member, if there is one */
void rpc_wake(struct rpc_call *r); /* out of target.held: somebody may be there now */
void
rpc_drop(struct rpc_call *r, bool too_late); /* its call has ended (by its deadline: too late) */
void rpc_go(struct rpc_call *r);             /* on to a member, or it waits for one */
void rpc_only(struct rpc *r, const struct peer *p); /* before it is sent */
void rpc_fail(struct rpc_call *r, enum status s, const char *reason, uint32_t retry_ms,
    const char *message); /* for good */
void rpc_run_soon(struct bus *b);

/* --- calls over a method's limit (waitlist.c) --- */
#define WAITLIST_RANKS 4u    /* priorities, CRITICAL first */
#define WAITLIST_MOST  1024u /* calls that wait */

struct waitlist {
	struct limit limit;
	struct list waiting[WAITLIST_RANKS]; /* rpc_calls, oldest first */
	uint32_t n_waiting;
	struct metric *limit_gauge, *waiting_gauge, *refused;
};
enum waitlist_verdict { WAITLIST_GO, WAITLIST_WAIT, WAITLIST_REFUSE };

struct waitlist *waitlist_new(const struct target_method *m); /* free() */
/* WAIT: *instead, unless NULL, had waited and is to be refused now. */
enum waitlist_verdict
waitlist_ask(struct waitlist *h, struct rpc_call *r, int64_t now_us, struct rpc_call **instead);
void waitlist_forget(struct waitlist *h, struct rpc_call *r); /* waits no longer */
void waitlist_leave(struct waitlist *h, struct rpc_call *r);  /* has ended */
/* Who goes now; NULL: nobody. *late: it is to be refused, its time does not suffice any more. */
struct rpc_call *waitlist_next(struct waitlist *h, int64_t now_us, bool *late);
/* How a try ended; f is of status ST_OK when it was well. */
void
waitlist_answered(struct waitlist *h, const struct failure *f, int64_t took_us, int64_t now_us);
uint32_t waitlist_retry_ms(const struct waitlist *h);
void waitlist_show(const struct waitlist *h); /* in the gauges */

/* --- the way past the limit (entry.c) --- */
void entry_ask(struct rpc_call *r);                  /* on, into the line, or away */
void entry_fill(struct waitlist *h, int64_t now_us); /* those for whom there is room now */

/* --- hops (hop.c) --- */
void hop_add(struct rpc_call *r, const struct answer *a,
    int64_t now_us); /* the try that just ended; a NULL: unanswered */
void hop_add_passed_over(struct rpc_call *r, const struct member *chosen,
    int64_t now_us); /* those before it; NULL: all */

/* --- what is kept of requests that entered here (span.c) --- */
#define HOPS_MOST       64    /* told in an answer to who did not ask for them */
#define HOPS_BYTES_MOST 16384 /* ... and so many bytes of them */
struct spans;
void span_end(struct call *c, const struct failure *f); /* of an entry, as it ends; f NULL: well */
bool spans_heed(struct bus *b); /* one more that a client wants kept: there is room for it */
/* Shall the answer of this call tell of the hops below? */
bool span_told(const struct call *c, const struct failure *f, int64_t took_us);
void spans_free(struct spans **s);

/* --- what becomes of our tries (census.c) --- */
struct census;
void census_ended(const struct rpc_call *r); /* r->failure says how */
void census_passed_over(const struct rpc_call *r, const struct member *m);
void census_failover(struct bus *b, const char *from, const char *to);
bool census_is_normal(const char *reason);  /* another member is asked, though nothing is wrong */
void census_opened(const struct member *m); /* its breaker */
bool census_is_fault(enum status s, const char *reason);
void census_heard(struct call *c, const Mf__Tries *m); /* Node.Tell */
void census_free(struct census **t);

/* --- how it went in the last seconds (load.c) --- */
struct load {
	struct recent *served; /* NULL: nothing yet */
	struct recent_cpu cpu;
};
void load_ended(const struct rpc_call *r, int64_t now_us); /* a try; r->failure says how */
void load_free(struct bus *b);

/* --- events (event.c) --- */
struct events *events_new(struct bus *b);
void events_free(struct events **e);
void events_receive(struct bus *b, const char *place, const void *batch, size_t n);
void events_peer_up(struct peer *p);
void events_peer_moved(struct peer *p); /* another process is there from now on */
void events_answer(struct call *c, const Mf__EventsFrom *q);

/* --- the Node service (node_service.c) --- */
extern Mf__Node_Service node_service;

/* --- policy.c: what a peer may call --- */
bool policy_allows(
    const struct bus *b, const char *peer, const struct served_method *m, bool with_principal);

struct bus {
	struct link link; /* of all buses of this process, for metrics */
	struct loop *loop;
	char name[64];
	uint64_t generation;
	int64_t start_us;
	const struct node_config *config;
	struct wire *wire; /* NULL: loop-back only */
	struct node *node;
	const char *const *capabilities;
	struct loop_turn turn;
	struct rng rng;
	struct list peers, groups, targets, callers, calls, dead, soon, loop_queue;
	bool wakes; /* some target has to */
	struct served *served;
	struct call *current;
	struct out out;
	uint32_t serving;
	uint64_t fence;      /* highest that was seen */
	bool closed_network; /* ipc: all peers are of the fleet's own uid */
	double retry_share;
	uint32_t retry_tries;
	bool observe; /* breakers only count and tell */
	bool unfit;   /* what we say of ourselves */
	bool judging; /* by fit */
	struct fit fit;
	struct timer fit_timer; /* only while unfit */
	breaker_visit_fn *breakers_changed;
	void *breakers_ctx;
	struct fault_set *faults;
	struct timer fault_timer;
	struct events *events;
	struct census *census; /* NULL: nobody wants to know */
	struct load load;
	struct trace_opts tracing;
	struct spans *spans; /* NULL: nobody wants them */
};

#endif
