/* call: one operation and all that ends with it. Its end goes through finish() and nowhere else:
 * first everything that belongs to it is cancelled, then the outcome goes to whoever waits, then
 * the call joins the dead, whose memory goes at the end of the turn (call_free_dead, by bus.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/time.h"
#include "bus/inside.h"

struct owned_json {
	struct owned_json *next;
	json_t *value;
};

struct call_timer {
	struct link link; /* call.timers */
	struct timer timer;
	struct call *call;
	void (*fn)(struct call *c, void *ctx);
	void *ctx;
};

static void on_deadline(struct timer *t);
static void on_timer(struct timer *t);
static void
finish(struct call *c, const ProtobufCMessage *reply, const struct failure *f, bool tell);
static void fail(struct call *c, enum status s, const char *reason, uint32_t retry_ms,
    const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));
static void cancel_all(struct call *c, bool too_late);
static void cancel_deps(struct call *c);

struct arena *
call_arena(struct call *c)
{
	return c->arena;
}

struct loop *
call_loop(struct call *c)
{
	return c->bus->loop;
}

struct bus *
call_bus(struct call *c)
{
	return c->bus;
}

int64_t
call_deadline(const struct call *c)
{
	return c->deadline_us;
}

int64_t
call_left(const struct call *c)
{
	int64_t left = c->deadline_us - time_now_us();

	return left > 0 ? left : 0;
}

const Mf__Principal *
call_principal(const struct call *c)
{
	struct call *w = (struct call *)(uintptr_t)
	    c; /* unpacked when first asked for: most calls only pass it on */

	if (!c->principal_read && c->principal_bytes.n > 0)
		w->principal = (const Mf__Principal *)call_unpack_answer(
		    w, &mf__principal__descriptor, c->principal_bytes);
	w->principal_read = true;
	return c->principal;
}

void
call_set_principal(struct call *c, const Mf__Principal *p)
{
	uint8_t *bytes;

	c->principal = p;
	c->principal_read = true;
	c->principal_bytes = (struct str){ "", 0 };
	if (p == NULL)
		return;
	bytes = arena_alloc(c->arena, mf__principal__get_packed_size(p) + 1);
	c->principal_bytes = (struct str){ (char *)bytes, mf__principal__pack(p, bytes) };
}

const char *
call_traceparent(const struct call *c)
{
	return c->traceparent;
}

const char *
call_trace_id(const struct call *c)
{
	return c->trace_id;
}

const char *
call_operation_id(const struct call *c)
{
	return c->operation_id;
}

void
call_set_operation_id(struct call *c, const char *id)
{
	c->operation_id = arena_strdup(c->arena, id);
}

uint64_t
call_fence(const struct call *c)
{
	return c->fence;
}

void
call_set_fence(struct call *c, uint64_t number)
{
	c->fence = number;
}

const char *
call_peer(const struct call *c)
{
	return c->caller != NULL ? c->caller->name : "";
}

uint32_t
call_attempt(const struct call *c)
{
	return c->attempt;
}

bool
call_repeated(const struct call *c)
{
	return c->retried || c->repeated;
}

void
call_set_repeated(struct call *c)
{
	c->retried = true;
}

void
call_reply(struct call *c, const ProtobufCMessage *m)
{
	finish(c, m, NULL, true);
}

void
call_fail(struct call *c, enum status s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(c, s, "", 0, fmt, ap);
	va_end(ap);
}

void
call_fail_because(
    struct call *c, enum status s, const char *reason, uint32_t retry_ms, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(c, s, reason, retry_ms, fmt, ap);
	va_end(ap);
}

void
call_fail_with(struct call *c, const struct failure *f)
{
	must(f != NULL && f->status != ST_OK);
	finish(c, NULL, f, true);
}

void
call_attach(struct call *c, struct call_dep *d)
{
	list_add(&c->deps, &d->link); /* of a call that has ended: cancelled with its memory, at the
	                                 end of the turn */
}

void
call_detach(struct call *c, struct call_dep *d)
{
	if (link_is_in(&d->link))
		list_del(&c->deps, &d->link);
}

void
call_own_json(struct call *c, json_t *v)
{
	struct owned_json *o = ARENA_NEW(c->arena, struct owned_json);

	o->value = v;
	o->next = c->json;
	c->json = o;
}

struct call_timer *
call_after(struct call *c, int64_t us, void (*fn)(struct call *c, void *ctx), void *ctx)
{
	struct call_timer *t = ARENA_NEW(c->arena, struct call_timer);

	t->call = c;
	t->fn = fn;
	t->ctx = ctx;
	timer_init(&t->timer, c->bus->loop, on_timer);
	if (c->ended)
		return t;
	list_add(&c->timers, &t->link);
	timer_in(&t->timer, us > 0 ? us : 0);
	return t;
}

void
call_timer_stop(struct call_timer *t)
{
	if (!link_is_in(&t->link))
		return;
	list_del(&t->call->timers, &t->link);
	timer_stop(&t->timer);
}

struct call *
call_root(struct bus *b, const struct call_opts *o)
{
	int64_t now = time_now_us();
	struct call *c = call_make(b, CALL_ROOT, now + (o->limit_us > 0 ? o->limit_us : 0));

	c->done = o->done;
	c->ctx = o->ctx;
	c->want_hops = o->want_hops;
	if (o->entry)
		trace_enter(c, str_of(o->traceparent != NULL ? o->traceparent : ""), o->heeded);
	else
		trace_start(c, str_of(o->traceparent != NULL ? o->traceparent : ""));
	if (o->operation_id != NULL)
		call_set_operation_id(c, o->operation_id);
	if (o->principal != NULL)
		call_set_principal(c, o->principal);
	return c;
}

void
call_cancel(struct call *c)
{
	call_fail_because(c, ST_CANCELLED, "CANCELLED", 0, "cancelled by its caller");
}

bool
call_want_hops(const struct call *c)
{
	return c->want_hops;
}

void
call_set_want_hops(struct call *c)
{
	c->want_hops = true;
}

void
call_say_about(struct call *c, const struct call_about *about)
{
	c->about = about;
}

void
call_ask_trace(struct call *c)
{
	c->asked = c->telling = true;
}

struct call *
call_make(struct bus *b, enum call_kind kind, int64_t deadline_us)
{
	struct arena *a = arena_new(CALL_ARENA_MAX);
	struct call *c = ARENA_NEW(a, struct call);

	c->bus = b;
	c->arena = a;
	c->kind = kind;
	c->start_us = time_now_us();
	c->deadline_us = deadline_us;
	c->operation_id = "";
	c->principal_bytes = (struct str){ "", 0 };
	c->attempt = 1;
	list_init(&c->deps);
	list_init(&c->rpcs);
	list_init(&c->timers);
	list_add(&b->calls, &c->link);
	timer_init(&c->timer, b->loop, on_deadline);
	timer_at(&c->timer, deadline_us);
	return c;
}

static void *
alloc_keeping(struct arena *a, size_t n, size_t keep)
{
	size_t left = arena_left(a);

	return left < keep || n >= left - keep ? NULL : arena_alloc(a, n);
}

static void *
alloc_input(void *ctx, size_t n)
{
	return alloc_keeping(ctx, n, CALL_ARENA_MAX - INPUT_MEMORY);
}

static void *
alloc_answer(void *ctx, size_t n)
{
	return alloc_keeping(ctx, n, ANSWER_RESERVE);
}

static void
free_nothing(void *ctx, void *p)
{
	(void)ctx, (void)p;
}

ProtobufCMessage *
call_unpack_input(struct call *c, const ProtobufCMessageDescriptor *d, struct str bytes)
{
	ProtobufCAllocator a = { alloc_input, free_nothing, c->arena };

	return protobuf_c_message_unpack(d, &a, bytes.n, (const uint8_t *)bytes.p);
}

ProtobufCMessage *
call_unpack_answer(struct call *c, const ProtobufCMessageDescriptor *d, struct str bytes)
{
	ProtobufCAllocator a = { alloc_answer, free_nothing, c->arena };

	return protobuf_c_message_unpack(d, &a, bytes.n, (const uint8_t *)bytes.p);
}

void
call_drop(struct call *c)
{
	finish(c, NULL, NULL, false);
}

void
call_free_dead(struct bus *b)
{
	struct link *k;

	while ((k = list_pop(&b->dead)) != NULL) {
		struct call *c = container_of(k, struct call, link);
		struct arena *a = c->arena;

		cancel_deps(c);
		must(c->timer.at_us ==
		     0); /* an armed timer in freed memory would stop the loop's clock */
		for (struct owned_json *o = c->json; o != NULL; o = o->next)
			json_decref(o->value);
		arena_free(&a);
	}
}

static void
on_deadline(struct timer *t)
{
	struct call *c = container_of(t, struct call, timer);
	struct failure f = { .status = ST_DEADLINE_EXCEEDED,
		.reason = "DEADLINE",
		.message = "the deadline has passed" };
	struct call *before = call_enter(c);

	cancel_all(c, true);
	finish(c, NULL, &f, true);
	call_leave(c->bus, before);
}

static void
on_timer(struct timer *timer)
{
	struct call_timer *t = container_of(timer, struct call_timer, timer);
	struct call *before = call_enter(t->call);

	list_del(&t->call->timers, &t->link);
	t->fn(t->call, t->ctx);
	call_leave(t->call->bus, before);
}

static void
fail(struct call *c, enum status s, const char *reason, uint32_t retry_ms, const char *fmt,
    va_list ap)
{
	struct failure f = { .status = s, .reason = reason, .retry_ms = retry_ms };

	if (c->ended)
		return;
	must(s != ST_OK);
	f.message = arena_vprintf(c->arena, fmt, ap);
	finish(c, NULL, &f, true);
}

/* `tell`: somebody still waits for the outcome. */
static void
finish(struct call *c, const ProtobufCMessage *reply, const struct failure *f, bool tell)
{
	struct bus *b = c->bus;
	struct call_end end = { .reply = reply, .failure = f };
	struct call *before;

	if (c->ended)
		return;
	c->ended = true;
	timer_stop(&c->timer);
	cancel_all(c, false);
	if (c->kind == CALL_SERVED) {
		server_judge(c, f, tell);
		if (tell)
			server_answer(c, reply, f);
		if (tell && c->entry)
			span_end(c, f);
		server_forget(c);
	} else if (c->done != NULL) {
		if (c->want_hops)
			end.n_hops = call_hops(c, &end.hops);
		before = call_enter(c);
		c->done(c, &end, c->ctx);
		if (c->entry)
			span_end(c, f);
		call_leave(b, before);
	}
	list_del(&b->calls, &c->link);
	list_add(&b->dead, &c->link);
	loop_turn_soon(b->loop);
}

static void
cancel_all(struct call *c, bool too_late)
{
	struct link *k;

	LIST_EACH(&c->rpcs, r) /* they stay in the list: their hops belong to the outcome */
		rpc_drop(container_of(r, struct rpc_call, of_call), too_late);
	while ((k = list_pop(&c->timers)) != NULL)
		timer_stop(&container_of(k, struct call_timer, link)->timer);
	cancel_deps(c);
}

static void
cancel_deps(struct call *c)
{
	struct link *k;

	while ((k = list_pop(&c->deps)) != NULL) {
		struct call_dep *d = container_of(k, struct call_dep, link);

		d->cancel(d);
	}
}
