/* rpc: one typed call out, from the generated stub to its callback. A try is made on one member; a
 * failed one is made again as retry.c decides; with nobody there the call is held. The outcome is
 * settled once: an answer calls back at once, a failure at the end of the turn, so never from
 * inside the stub. All waiting is one timer and one list, by state. */
#include <stdio.h>
#include <string.h>
#include "bus/inside.h"

#define AWAY_MOST 8 /* tries of a call that members who do not lead may cost it */

static void invoke(ProtobufCService *service, unsigned method, const ProtobufCMessage *input,
    ProtobufCClosure closure, void *closure_data);
static void try_on(struct rpc_call *r, struct member *m);
static void set_limits(struct rpc_call *r, const struct member *m, int64_t now);
static bool has_other_than(struct rpc_call *r, const struct member *m, int64_t now);
static void arm(struct rpc_call *r);
static enum status send_try(struct rpc_call *r, const struct member *m, int64_t now);
static void hold(struct rpc_call *r);
static void nobody(struct rpc_call *r);
static void on_timer(struct timer *t);
static void on_overdue(struct rpc_call *r);
static int64_t watch_of(const struct rpc_call *r);
static void try_too_late(struct rpc_call *r, bool silent);
static void try_failed(struct rpc_call *r, struct retry_case *why);
static bool
read_answer(struct rpc_call *r, const struct answer *a, ProtobufCMessage **m, bool *garbled);
static bool read_problem(struct rpc_call *r, struct str bytes);
static void settle(struct rpc_call *r);
static void finish(struct rpc_call *r, const ProtobufCMessage *m);
static void done(struct rpc_call *r, enum status s, int64_t now);
static void leave_member(struct rpc_call *r);
static int64_t own_time(int64_t took, const struct answer *a);
static void set_failure(
    struct rpc_call *r, enum status s, const char *reason, uint32_t retry_ms, const char *message);

static struct rpc_call *
of(const struct rpc *r)
{
	return container_of((uintptr_t)r, struct rpc_call, rpc);
}

struct rpc *
rpc_new(struct call *c, struct target *t, const struct rpc_opts *o)
{
	struct rpc_call *r = ARENA_NEW(c->arena, struct rpc_call);

	r->rpc.service.descriptor = t->service;
	r->rpc.service.invoke = invoke;
	r->call = c;
	r->target = t;
	if (o != NULL)
		r->opts = *o;
	timer_init(&r->timer, c->bus->loop, on_timer);
	list_add(&c->rpcs, &r->of_call);
	return &r->rpc;
}

const struct failure *
rpc_failure(const struct rpc *r)
{
	return of(r)->failed ? &of(r)->failure : NULL;
}

bool
rpc_repeated(const struct rpc *r)
{
	return of(r)->call->retried || of(r)->repeated;
}

const char *
rpc_node(const struct rpc *r)
{
	return of(r)->member != NULL ? of(r)->member->peer->name : "";
}

void
rpc_cancel(struct rpc *r)
{
	rpc_drop(of(r), false);
}

size_t
rpc_hops(const struct rpc *r, const Mf__Hop *const **hops)
{
	*hops = (const Mf__Hop *const *)of(r)->hops;
	return of(r)->call->want_hops ? of(r)->n_hops : 0;
}

void
rpc_only(struct rpc *r, const struct peer *p)
{
	of(r)->only = p;
}

void
rpc_answered(struct rpc_call *r, const struct answer *a)
{
	int64_t now = time_now_us(), took = now - r->try_us;
	struct retry_case why = { 0 };
	ProtobufCMessage *m = NULL;
	bool ok, away, fault;

	timer_stop(&r->timer);
	pace_end(&r->member->pace);
	pace_answered(&r->member->pace, now);
	ok = read_answer(r, a, &m, &why.garbled);
	/* Nothing is wrong with it, and it did nothing. */
	away = r->member->stands_by = !ok && strcmp(r->failure.reason, "NOT_LEADING") == 0;
	why.never_left = away && r->tries < AWAY_MOST;
	fault = !ok && !away && status_is_fault(r->failure.status);
	if (r->target->paced && !fault)
		target_took(r->member, own_time(took, a), now);
	if (r->has_room)
		waitlist_answered(r->method->waitlist, &r->failure, took, now);
	retry_budget_ended(&r->target->budget, fault, now);
	why.spent = a != NULL && a->spent;
	r->repeated |= a != NULL && a->repeated;
	if (!r->counted)
		target_count(
		    r->member, fault || (r->method->slow_us > 0 && took > r->method->slow_us), now);
	hop_add(r, a, now);
	if (ok) {
		finish(r, m);
		return;
	}
	if (r->failure.status == ST_UNIMPLEMENTED && strcmp(r->failure.reason, "NO_SERVICE") == 0) {
		r->member->unserved = true;
		why.never_left = target_choose(r->target, r, now) !=
		                 NULL; /* it did nothing, somebody else may */
	}
	/* Its time was a part of ours: our own has not passed. */
	why.late = r->failure.status == ST_DEADLINE_EXCEEDED && r->try_end_us < r->deadline_us;
	try_failed(r, &why);
}

void
rpc_lost(struct rpc_call *r)
{
	struct retry_case why = { .lost = true };
	int64_t now = time_now_us();

	timer_stop(&r->timer);
	pace_end(&r->member->pace);
	r->lost_one = true;
	set_failure(
	    r, ST_UNAVAILABLE, "PEER_LOST", 0, "the connection was lost while the call was out");
	if (!r->counted)
		target_abandon(r->member); /* its next connection begins anew */
	retry_budget_ended(&r->target->budget, true, now);
	hop_add(r, NULL, now);
	try_failed(r, &why);
}

void
rpc_silent(struct rpc_call *r)
{
	if (r->method->class != METHOD_UNSAFE && !r->opts.once &&
	    has_other_than(r, r->member, time_now_us()))
		try_too_late(r, true);
}

void
rpc_wake(struct rpc_call *r)
{
	timer_stop(&r->timer);
	rpc_go(r);
}

void
rpc_drop(struct rpc_call *r, bool too_late)
{
	int64_t now;

	if (r->state == RPC_IDLE || r->state == RPC_DONE) {
		r->state = RPC_DONE;
		return;
	}
	timer_stop(&r->timer);
	now = time_now_us();
	set_failure(r, too_late ? ST_DEADLINE_EXCEEDED : ST_CANCELLED,
	    too_late ? "DEADLINE" : "CANCELLED", 0, "its call has ended");
	if (r->state == RPC_OUT) {
		leave_member(r);
		if (too_late)
			retry_budget_ended(&r->target->budget, true, now);
		if (r->has_room && too_late)
			waitlist_answered(r->method->waitlist, &r->failure, now - r->try_us, now);
		if (!r->counted && too_late)
			target_count(r->member, true, now);
		else if (!r->counted)
			target_abandon(r->member);
		hop_add(r, NULL, now);
	} else if (r->state == RPC_HOLD) {
		list_del(&r->target->held, &r->waiting);
		if (too_late)
			hop_add_passed_over(r, NULL, now);
	} else if (r->state == RPC_QUEUED) {
		waitlist_forget(r->method->waitlist, r);
	} else if (r->state == RPC_SOON) {
		list_del(&r->call->bus->soon, &r->waiting);
	}
	done(r, r->failure.status, now);
}

void
rpc_go(struct rpc_call *r)
{
	int64_t now = time_now_us();
	struct member *m;

	if (now >= r->deadline_us) {
		rpc_fail(r, ST_DEADLINE_EXCEEDED, "DEADLINE", 0, "the deadline has passed");
		return;
	}
	if (r->call->fence != 0 && r->call->fence < r->call->bus->fence) {
		rpc_fail(r, ST_ABORTED, "FENCED", 0, "another meta leads since this was begun");
		return;
	}
	m = target_choose(r->target, r, now);
	if (m != NULL)
		try_on(r, m);
	else
		hold(r);
}

void
rpc_fail(
    struct rpc_call *r, enum status s, const char *reason, uint32_t retry_ms, const char *message)
{
	set_failure(r, s, reason, retry_ms, message);
	settle(r);
}

void
rpc_run_soon(struct bus *b)
{
	struct link *k;

	for (size_t n = b->soon.n; n > 0 && (k = list_pop(&b->soon)) != NULL; n--)
		finish(container_of(k, struct rpc_call, waiting), NULL);
}

static void
invoke(ProtobufCService *service, unsigned method, const ProtobufCMessage *input,
    ProtobufCClosure closure, void *closure_data)
{
	struct rpc_call *r =
	    container_of(container_of(service, struct rpc, service), struct rpc_call, rpc);
	struct call *c = r->call;
	uint8_t *p;

	if (c->ended || r->state == RPC_DONE)
		return;
	must(r->state == RPC_IDLE);
	r->method = &r->target->methods[method];
	r->closure = closure;
	r->closure_data = closure_data;
	r->start_us = time_now_us();
	if (c->n_waiting++ == 0)
		c->waiting_us = r->start_us;
	r->deadline_us =
	    r->start_us + (r->opts.limit_us > 0 ? r->opts.limit_us : r->method->limit_us);
	if (r->deadline_us > c->deadline_us)
		r->deadline_us = c->deadline_us;
	if (r->opts.refused != NULL) {
		r->failure = *r->opts.refused;
		settle(r);
		return;
	}
	p = arena_alloc(c->arena, protobuf_c_message_get_packed_size(input) + 1);
	r->payload = (struct str){ (char *)p, protobuf_c_message_pack(input, p) };
	retry_budget_first(&r->target->budget, c->bus->retry_share, c->retried);
	if (r->method->waitlist == NULL)
		rpc_go(r);
	else
		entry_ask(r);
}

static void
try_on(struct rpc_call *r, struct member *m)
{
	int64_t now = time_now_us();
	const struct member *before = r->member != NULL ? r->member : &r->target->members[0];
	enum status s;

	if (before != m && (r->member != NULL || m->seat != 0))
		target_failover(r->target, before->peer->name, m->peer->name);
	if (r->tries == 0)
		hop_add_passed_over(r, m, now);
	else
		metric_inc(r->target->retries);
	r->member = m;
	r->tries++;
	r->counted = false;
	r->try_us = now;
	set_limits(r, m, now);
	r->state = RPC_OUT;
	s = send_try(r, m, now);
	if (s == ST_OK) {
		r->hold_until_us = 0;
		breaker_begin(&m->breaker);
		pace_begin(&m->pace, now);
		arm(r);
	} else if (s == ST_UNAVAILABLE) { /* the connection has just gone: nothing left */
		r->tries--;
		r->tried |= 1u << (m - r->target->members);
		if (target_has_other(r->target, r, now))
			rpc_go(r);
		else
			hold(r);
	} else {
		if (s == ST_OUT_OF_RANGE)
			set_failure(r, ST_RESOURCE_EXHAUSTED, "TOO_LARGE", 0,
			    "the request is larger than a message may be");
		else
			set_failure(r, s, "LINK_FULL", 50, "too many calls are out to this member");
		census_ended(r);
		settle(r);
	}
}

/* A try gets half of the time where a stand-in could use the other half: a member that hangs must
 * not eat it all. */
static void
set_limits(struct rpc_call *r, const struct member *m, int64_t now)
{
	int64_t limit = r->opts.try_limit_us, left = r->deadline_us - now;

	if (limit == 0 && r->opts.node == NULL && !r->opts.once &&
	    r->method->class != METHOD_UNSAFE && has_other_than(r, m, now))
		limit = left / 2;
	r->try_end_us = limit > 0 && limit < left ? now + limit : r->deadline_us;
	r->overdue_us = watch_of(r) > 0 ? now + watch_of(r) : INT64_MAX;
}

/* Besides those that were tried. */
static bool
has_other_than(struct rpc_call *r, const struct member *m, int64_t now)
{
	uint32_t tried = r->tried;
	bool other;

	r->tried |= 1u << (m - r->target->members);
	other = target_has_other(r->target, r, now);
	r->tried = tried;
	return other;
}

static void
arm(struct rpc_call *r)
{
	int64_t at = r->try_end_us < r->overdue_us ? r->try_end_us : r->overdue_us;

	if (at < r->call->deadline_us)
		timer_at(&r->timer, at); /* at the call's own deadline the call ends us */
}

static enum status
send_try(struct rpc_call *r, const struct member *m, int64_t now)
{
	struct call *c = r->call;
	char traceparent[TRACEPARENT_LEN];
	struct envelope e = {
		.version = 1,
		.service = str_of(r->target->service->name),
		.method = str_of(r->method->method),
		.time_left_us = (uint64_t)(r->try_end_us > now ? r->try_end_us - now : 1),
		.attempt = r->tries,
		.retried = c->retried,
		.traceparent = { traceparent, TRACEPARENT_LEN - 1 },
		.principal = c->principal_bytes,
		.idempotency_key = str_of(c->operation_id),
		.fence = c->fence,
		.payload = r->payload,
		.want_hops = c->want_hops && !r->opts.quiet,
	};

	r->span = trace_child(c, traceparent);
	return peer_call(m->peer, r, &e);
}

static void
hold(struct rpc_call *r)
{
	int64_t now = time_now_us(), at, probe;

	if (r->hold_until_us == 0)
		r->hold_until_us = now + (r->opts.once ? 0 : r->lost_one ? HOLD_LOST_US : HOLD_US);
	at = r->hold_until_us < r->deadline_us ? r->hold_until_us : r->deadline_us;
	if (now >= at) {
		nobody(r);
		return;
	}
	probe = target_next_probe(r->target);
	r->state = RPC_HOLD;
	list_add(&r->target->held, &r->waiting);
	timer_at(&r->timer, probe < at && probe > now ? probe : at);
}

static void
nobody(struct rpc_call *r)
{
	struct member *m = target_last_resort(r->target, r);
	bool open = false;

	if (m != NULL && time_now_us() < r->deadline_us) {
		try_on(r, m);
		return;
	}
	for (size_t i = 0; i < r->target->n_members; i++)
		open |= r->target->members[i].peer->up &&
		        r->target->members[i].breaker.state != BREAKER_CLOSED;
	if (r->tries == 0)
		hop_add_passed_over(r, NULL, time_now_us());
	if (open)
		rpc_fail(r, ST_UNAVAILABLE, "BREAKER_OPEN",
		    (uint32_t)(r->target->policy.probe_us / MS),
		    "the breaker of the only member is open");
	else
		rpc_fail(r, ST_UNAVAILABLE, "NO_MEMBER", 500, "no member is connected and fit");
}

static void
on_timer(struct timer *t)
{
	struct rpc_call *r = container_of(t, struct rpc_call, timer);

	if (r->state == RPC_HOLD) {
		list_del(&r->target->held, &r->waiting);
		rpc_go(r);
	} else if (r->state == RPC_QUEUED) {
		waitlist_forget(r->method->waitlist, r);
		rpc_go(r); /* its deadline has passed */
	} else if (r->state == RPC_BACKOFF) {
		rpc_go(r);
	} else if (r->state == RPC_OUT && time_now_us() >= r->try_end_us) {
		try_too_late(r, false);
	} else if (r->state == RPC_OUT) {
		on_overdue(r);
	}
}

/* Over the breaker's limit: counts as a failure now, though its answer is still welcome. Its member
 * may have answered others behind it and stopped then: so it is looked at again and again. */
static void
on_overdue(struct rpc_call *r)
{
	int64_t now = time_now_us();

	if (now < r->overdue_us) {
		arm(r); /* timers have some slack */
		return;
	}
	r->overdue_us = now + PING_US;
	if (!r->counted && r->method->slow_us > 0 && now - r->try_us >= r->method->slow_us) {
		r->counted = true;
		target_count(r->member, true, now);
	}
	if (r->member->peer->heard_us <= now - watch_of(r))
		peer_check(r->member->peer);
	arm(r);
}

/* After how long it is looked whether the member lives; 0: never. */
static int64_t
watch_of(const struct rpc_call *r)
{
	int64_t slow = r->method->slow_us, watch = r->target->watch_us;

	return watch > 0 && (slow == 0 || watch < slow) ? watch : slow;
}

static void
try_too_late(struct rpc_call *r, bool silent)
{
	struct retry_case why = { .late = true };
	int64_t now = time_now_us();

	timer_stop(&r->timer);
	leave_member(r);
	retry_budget_ended(&r->target->budget, true, now);
	if (!r->counted)
		target_count(r->member, true, now);
	if (!silent && r->member->peer->heard_us < r->try_us)
		peer_check(r->member->peer);
	if (now >= r->deadline_us)
		set_failure(r, ST_DEADLINE_EXCEEDED, "DEADLINE", 0, "the deadline has passed");
	else if (silent)
		set_failure(
		    r, ST_DEADLINE_EXCEEDED, "PEER_SILENT", 0, "the member gives no sign of life");
	else
		set_failure(
		    r, ST_DEADLINE_EXCEEDED, "TRY_LIMIT", 0, "the try took longer than its limit");
	if (r->has_room)
		waitlist_answered(r->method->waitlist, &r->failure, now - r->try_us, now);
	hop_add(r, NULL, now);
	try_failed(r, &why);
}

/* What went wrong is in r->failure; `why` says how it came about. */
static void
try_failed(struct rpc_call *r, struct retry_case *why)
{
	struct target *t = r->target;
	int64_t now = time_now_us(), delay;

	if (!r->member->stands_by) /* it may come to lead while this call goes round */
		r->tried |= 1u << (r->member - t->members);
	why->class = r->method->class;
	why->status = r->failure.status;
	why->reason = r->failure.reason;
	why->tries = r->tries;
	why->tries_most = t->bus->retry_tries;
	why->pushback_ms = r->failure.retry_ms;
	why->retried = r->call->retried;
	why->left_us = r->deadline_us - now;
	why->other = r->opts.node == NULL && target_has_other(t, r, now);
	if (r->opts.once || !retry_next(why, &t->budget, now, rng_unit(&t->bus->rng), &delay)) {
		settle(r);
		return;
	}
	r->repeated |= !why->never_left;
	if (delay == 0) {
		rpc_go(r);
	} else {
		r->state = RPC_BACKOFF;
		timer_at(&r->timer, now + delay);
	}
	if (r->has_room)
		entry_fill(r->method->waitlist, now); /* the limit may have grown */
}

/* True: *m is the answer. False: r->failure is set. */
static bool
read_answer(struct rpc_call *r, const struct answer *a, ProtobufCMessage **m, bool *garbled)
{
	const ProtobufCMessageDescriptor *d =
	    r->target->service->methods[r->method - r->target->methods].output;

	if (a != NULL && a->failed && read_problem(r, a->problem))
		return false;
	if (a != NULL && !a->failed &&
	    (!r->method->recursive ||
		codec_depth_ok(d, a->payload.p, a->payload.n, CODEC_DEPTH_MAX)))
		*m = call_unpack_answer(r->call, d, a->payload);
	if (*m != NULL) {
		set_failure(r, ST_OK, "", 0, "");
		return true;
	}
	*garbled = true;
	set_failure(r, ST_INTERNAL, "BAD_ANSWER", 0, "the answer could not be read");
	return false;
}

static bool
read_problem(struct rpc_call *r, struct str bytes)
{
	struct arena *a = r->call->arena;
	const Mf__Problem *p =
	    (const Mf__Problem *)call_unpack_answer(r->call, &mf__problem__descriptor, bytes);
	struct violation *v;

	if (p == NULL || p->code == 0)
		return false;
	set_failure(r, p->code <= 16 ? (enum status)p->code : ST_UNKNOWN, p->reason,
	    p->retry_delay_ms, p->message);
	v = ARENA_ARRAY(a, struct violation, p->n_violations + 1);
	for (size_t i = 0; i < p->n_violations; i++)
		v[i] = (struct violation){ p->violations[i]->field, p->violations[i]->description };
	r->failure.violations = v;
	r->failure.n_violations = p->n_violations;
	return true;
}

static void
settle(struct rpc_call *r)
{
	r->failed = true;
	r->call->spent |= status_is_fault(r->failure.status) && !r->opts.once;
	r->state = RPC_SOON;
	list_add(&r->call->bus->soon, &r->waiting);
	loop_turn_soon(r->call->bus->loop);
}

static void
finish(struct rpc_call *r, const ProtobufCMessage *m)
{
	struct call *before;
	struct bus *b = r->call->bus;

	r->failed = m == NULL;
	done(r, r->failed ? r->failure.status : ST_OK, time_now_us());
	before = call_enter(r->call);
	if (r->closure != NULL)
		r->closure(m, r->closure_data);
	call_leave(b, before);
}

static void
done(struct rpc_call *r, enum status s, int64_t now)
{
	struct call *c = r->call;

	r->state = RPC_DONE;
	c->repeated |= r->repeated;
	meter_done((struct meter *)(uintptr_t)&r->method->meter, s, now - r->start_us);
	if (--c->n_waiting == 0)
		c->waited_us += now - c->waiting_us;
	if (r->method->waitlist != NULL) {
		waitlist_leave(r->method->waitlist, r);
		entry_fill(r->method->waitlist, now);
	}
}

/* Its answer is not wanted any more. */
static void
leave_member(struct rpc_call *r)
{
	pace_end(&r->member->pace);
	peer_cancel(r->member->peer, r);
}

static int64_t
own_time(int64_t took, const struct answer *a)
{
	return a == NULL || a->waited_us >= (uint64_t)took ? 0 : took - (int64_t)a->waited_us;
}

static void
set_failure(
    struct rpc_call *r, enum status s, const char *reason, uint32_t retry_ms, const char *message)
{
	r->failure = (struct failure){
		.status = s, .reason = reason, .retry_ms = retry_ms, .message = message
	};
}
