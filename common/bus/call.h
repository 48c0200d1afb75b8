/* call: one operation being served, and the typed calls it makes.
 *
 * A call owns an arena, a deadline, a trace, a principal. It comes from a peer (handlers get it as
 * their closure data), or from inside (call_root: HTTP request, timer). It ends exactly once:
 * call_reply or call_fail. From that moment nothing of it runs any more: its outstanding rpcs,
 * timers and store operations are cancelled, their callbacks never come; its memory goes at the end
 * of the turn, so that the statement after call_fail is still safe. When its deadline passes, the
 * bus fails it with DEADLINE_EXCEEDED in the same way; when its caller goes away or cancels, with
 * CANCELLED.
 *
 * Everything here is of the loop thread. */
#ifndef BUS_CALL_H
#define BUS_CALL_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/list.h"
#include "base/status.h"
#include "node/loop.h"
#include "proto/common.pb-c.h"

struct call;
struct bus;
struct target;

/* --- what a handler asks --- */
struct arena *call_arena(struct call *c);
struct loop *call_loop(struct call *c);
struct bus *call_bus(struct call *c);
int64_t call_deadline(const struct call *c);               /* monotonic us */
int64_t call_left(const struct call *c);                   /* us, never below 0 */
const Mf__Principal *call_principal(const struct call *c); /* NULL: none was sent */
void call_set_principal(
    struct call *c, const Mf__Principal *p); /* for the rpcs made from here; p lives as long as c */
const char *call_traceparent(const struct call *c);
const char *call_trace_id(const struct call *c); /* 32 hex digits of it */
/* idempotency key of the envelope, "" when absent */
const char *call_operation_id(const struct call *c);
void call_set_operation_id(struct call *c, const char *id);
/* Fencing number of the leading meta that this is done for, 0: none. It goes along with all rpcs
 * made from here; a member of the fleet refuses a lower one than it has seen (ABORTED, FENCED). */
uint64_t call_fence(const struct call *c);
void call_set_fence(struct call *c, uint64_t number);
/* authenticated name of the caller; "" for a plain client or a root */
const char *call_peer(const struct call *c);
/* Of the client for whom the caller speaks: what is claimed when the caller is of the fleet; of
 * anybody else it is not believed, "key:NAME" stands for him. */
const char *call_client_address(struct call *c, const char *claimed);
uint32_t call_attempt(const struct call *c);
/* Was anything tried more than once: a call above it, itself, or an rpc made from here or below?
 * Then an effect that it finds may be its own. Known when its rpcs are done; a try that provably
 * never left does not count. */
bool call_repeated(const struct call *c);
void call_set_repeated(struct call *c); /* the owner's own second try; also told to all below */

/* --- how it ends --- */
void call_reply(struct call *c, const ProtobufCMessage *m); /* packed at once */
void call_fail(struct call *c, enum status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void call_fail_because(struct call *c, enum status s, const char *reason, uint32_t retry_ms,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* passes a failure on, e.g. rpc_failure() */
void call_fail_with(struct call *c, const struct failure *f);

/* --- what ends with it --- */
struct call_dep { /* something that must not outlive the call */
	struct link link;
	void (*cancel)(struct call_dep *d);
};
void call_attach(struct call *c, struct call_dep *d);
void call_detach(struct call *c, struct call_dep *d); /* harmless when not attached */
void call_own_json(struct call *c, json_t *v);        /* decref at the end */

struct call_timer;
struct call_timer *
call_after(struct call *c, int64_t us, void (*fn)(struct call *c, void *ctx), void *ctx);
void call_timer_stop(struct call_timer *t);

/* --- a call from inside --- */
struct call_end {                      /* what becomes of a root; lives until done has returned */
	const ProtobufCMessage *reply; /* NULL: failed */
	const struct failure *failure; /* NULL: fine */
	size_t n_hops;
	const Mf__Hop *const *hops; /* of all rpcs below, when wanted */
};
typedef void call_end_fn(struct call *c, const struct call_end *end, void *ctx);

struct call_opts {
	int64_t limit_us;         /* mandatory, from now */
	const char *traceparent;  /* NULL: a new trace */
	const char *operation_id; /* NULL: none */
	const Mf__Principal *principal;
	bool want_hops;
	/* A request that enters the fleet here: its trace begins with this call, or goes on below the
	 * client's span, and is kept when there is a reason to (bus_hear_traces). heeded: that he
	 * wants it kept (flag 01) counts. */
	bool entry, heeded;
	call_end_fn *done; /* exactly once, also for call_cancel; may be NULL */
	void *ctx;
};
struct call *call_root(struct bus *b, const struct call_opts *o);
void call_cancel(struct call *c); /* of a root: nobody waits any more */

/* --- rpc: one typed call out ---
 *
 *	struct rpc *r = rpc_new(c, sql_target, &(struct rpc_opts){ .limit_us = 500 * MS });
 *	mf__sql__read(&r->service, &op, on_rows, x);
 *
 *	static void on_rows(const Mf__StoreResult *m, void *ctx)   // m NULL: failed, rpc_failure(r) says why
 *
 * The message lives in the call's arena. The callback comes exactly once, never from inside
 * mf__..._() itself, and not at all once the call has ended. Principal, operation id, trace and
 * deadline go along by themselves. Breakers, retries by the method's class under the call's
 * deadline and the retry budget, and stand-ins happen below. */
struct rpc {
	ProtobufCService service; /* first: what the generated stub takes */
				  /* the rest is the bus's */
};
struct rpc_opts {
	/* 0: the method's; of the whole call with its retries, never beyond the call's deadline */
	int64_t limit_us;
	/* of one try on one member; 0: half of what is left where a stand-in could use the other
	 * half */
	int64_t try_limit_us;
	/* only this member of the target, no stand-in, no retry elsewhere; NULL: free choice */
	const char *node;
	/* enum Priority: who goes first where a target is limited; 0: MEDIUM */
	uint32_t priority;
	/* no retry at all, and no waiting for a member that is not there */
	bool once;
	bool quiet; /* does not appear in the hops */
	/* not NULL: it fails with this, and nothing is sent */
	const struct failure *refused;
};
/* o may be NULL */
struct rpc *rpc_new(struct call *c, struct target *t, const struct rpc_opts *o);
const struct failure *rpc_failure(const struct rpc *r); /* NULL: succeeded */
const char *rpc_node(const struct rpc *r);              /* who answered last; "" before */
/* As call_repeated(), of what led to this rpc, itself, and what was below. */
bool rpc_repeated(const struct rpc *r);
/* the callback never comes; harmless when done */
void rpc_cancel(struct rpc *r);
/* tries of this rpc and of what was below; needs want_hops */
size_t rpc_hops(const struct rpc *r, const Mf__Hop *const **hops);
bool call_want_hops(const struct call *c);
/* for the rpcs made from now on; our own answer carries them only if the caller asked */
void call_set_want_hops(struct call *c);
/* What its answer says inside, where the bus does not look, and what is kept of it should a request
 * have entered here. It lives as long as c; the last one counts. */
struct call_about {
	enum status status; /* ST_OK: as the call ends */
	const char *reason; /* of that */
	const char *name;   /* "Websocket.Work": of a root that is no HTTP request; else NULL */
	/* of HTTP; NULL: it is none */
	const char *http_method;
	const char *path;
	uint32_t http_status;
	/* the route that the path is of, "" when it is of none; asked only when the trace is kept */
	const char *(*route)(struct arena *a, const char *http_method, const char *path);
};
void call_say_about(struct call *c, const struct call_about *about);
/* Its trace is to be kept, where the request entered. */
void call_ask_trace(struct call *c);
/* All hops of the rpcs of this call so far, in order of start; offsets from the start of the
 * call. */
size_t call_hops(struct call *c, const Mf__Hop *const **hops);

#endif
