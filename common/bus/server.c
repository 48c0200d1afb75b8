/* server: from the bytes of an Envelope to the vtable of a service, and back to the bytes of an
 * Answer. Everything in an envelope is checked before a handler sees it: version, deadline, method,
 * peer, nesting and form of the message. A call whose time was over on arrival does no work. Calls
 * of a caller are found by id for cancellation. */
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"
#include "node/crash.h"

#define TIME_LEFT_MAX (24 * 3600 * SEC)

static void judged(struct bus *b);
static size_t add_service(struct served *s, ProtobufCService *service);
static uint32_t hash(struct str service, struct str method);
static bool same(struct str a, const char *b);
static bool known_service(const struct served *s, struct str service);
static bool admit(struct bus *b, struct served *s, struct caller *k, const struct envelope *e,
    struct served_method **m);
static void refuse(struct bus *b, struct caller *k, uint64_t id, enum status s, const char *reason,
    uint32_t retry_ms, const char *message);
static struct call *
accept_call(struct bus *b, struct caller *k, struct served_method *m, const struct envelope *e);
static void start(struct call *c);
static void run(struct call *c, void *unused);
static void reply_closure(const ProtobufCMessage *m, void *ctx);
static void tell_hops(struct call *c);
static void send_answer(struct bus *b, struct caller *k, uint64_t id);
static void add_problem(struct out *o, const struct failure *f, struct arena *a);

struct served *
served_new(const struct serve *serves)
{
	struct served *s = calloc(1, sizeof *s);
	size_t n = node_service.base.descriptor->n_methods, slots = 16;

	for (const struct serve *v = serves; v != NULL && v->service != NULL; v++)
		n += v->service->descriptor->n_methods;
	while (slots < 2 * n)
		slots *= 2;
	if (s == NULL || (s->methods = calloc(n, sizeof *s->methods)) == NULL ||
	    (s->slots = calloc(slots, sizeof *s->slots)) == NULL)
		panic("out of memory");
	s->mask = slots - 1;
	add_service(s, &node_service.base);
	for (const struct serve *v = serves; v != NULL && v->service != NULL; v++)
		add_service(s, v->service);
	return s;
}

void
served_free(struct served **s)
{
	if (*s == NULL)
		return;
	free((*s)->methods);
	free((*s)->slots);
	free(*s);
	*s = NULL;
}

void
served_set_faults(struct served *s, struct fault_set *f)
{
	for (size_t i = 0; i < s->n; i++)
		s->methods[i].fault =
		    f != NULL ? fault_point(f, s->methods[i].service, s->methods[i].method) : NULL;
}

struct served_method *
served_find(const struct served *s, struct str service, struct str method)
{
	for (size_t at = hash(service, method) & s->mask; s->slots[at] != 0;
	     at = (at + 1) & s->mask) {
		struct served_method *m = &s->methods[s->slots[at] - 1];

		if (same(method, m->method) && same(service, m->service))
			return m;
	}
	return NULL;
}

struct caller *
caller_new(struct bus *b, struct visitor *v, struct peer *loop)
{
	struct caller *k = calloc(1, sizeof *k);

	if (k == NULL)
		panic("out of memory");
	k->visitor = v;
	k->loop = loop;
	k->name = v != NULL ? visitor_name(v) : b->name;
	k->outside = v != NULL && fleet_name_find(k->name) == NULL;
	list_add(&b->callers, &k->link);
	return k;
}

void
caller_gone(struct bus *b, struct caller *k)
{
	for (unsigned i = 0; i < CALLER_BUCKETS; i++)
		while (k->bucket[i] != NULL)
			call_drop(k->bucket[i]);
	list_del(&b->callers, &k->link);
	free(k);
}

void
server_call(struct bus *b, struct served *s, struct caller *k, const void *bytes, size_t n)
{
	struct envelope e;
	struct served_method *m;
	struct call *c;

	if (!envelope_read(bytes, n, &e)) {
		refuse(b, k, e.call_id, ST_INTERNAL, "BAD_ENVELOPE", 0,
		    "the envelope could not be read");
		return;
	}
	if (!admit(b, s, k, &e, &m))
		return;
	c = accept_call(b, k, m, &e);
	if (m->recursive && !codec_depth_ok(m->input, e.payload.p, e.payload.n, CODEC_DEPTH_MAX))
		c->input = NULL;
	else
		c->input = call_unpack_input(c, m->input, e.payload);
	if (c->input == NULL)
		call_fail_because(
		    c, ST_INTERNAL, "BAD_PAYLOAD", 0, "the message is not a %s", m->input->name);
	else
		start(c);
}

void
server_cancel(struct caller *k, uint64_t id)
{
	for (struct call *c = k->bucket[id % CALLER_BUCKETS]; c != NULL; c = c->hash_next)
		if (c->id == id) {
			call_drop(c);
			return;
		}
}

void
server_answer(struct call *c, const ProtobufCMessage *reply, const struct failure *f)
{
	struct bus *b = c->bus;
	int64_t took = time_now_us() - c->start_us;

	meter_done(&c->method->meter, f != NULL ? f->status : ST_OK, took);
	if (c->method->slow_us > 0)
		bus_count_served(b, took, f != NULL && census_is_fault(f->status, f->reason));
	crash_call_over(c->crash_call, took);
	if (c->fault.drop || c->fault.hang)
		return;
	answer_begin(&b->out, c->id);
	answer_waited(&b->out, (uint64_t)c->waited_us);
	answer_spent(&b->out, f != NULL && c->spent);
	answer_repeated(&b->out, call_repeated(c));
	if (f != NULL)
		add_problem(&b->out, f, c->arena);
	else
		answer_payload(&b->out, reply);
	answer_trace_asked(&b->out, c->asked);
	if (span_told(c, f, took))
		tell_hops(c);
	if (c->fault.corrupt)
		for (size_t i = 0; i < b->out.n; i++)
			b->out.p[i] ^= 0xa5;
	send_answer(b, c->caller, c->id);
}

/* To whom asked for it all of it, else as much as makes no answer heavy. */
static void
tell_hops(struct call *c)
{
	struct out *o = &c->bus->out;
	const Mf__Hop *const *hops;
	size_t n = call_hops(c, &hops), bytes = o->n + HOPS_BYTES_MOST, one;

	for (size_t i = 0; i < n; i++) {
		one = mf__hop__get_packed_size(hops[i]) + 16;
		if (!c->answer_hops &&
		    (i == HOPS_MOST || o->n > bytes || o->n + one > WIRE_CALL_MAX))
			return;
		answer_add_hop(o, &hops[i]->base);
	}
}

void
server_forget(struct call *c)
{
	struct call **at = &c->caller->bucket[c->id % CALLER_BUCKETS];

	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	crash_call_over(c->crash_call, CRASH_LEFT); /* unless it was answered */
	c->caller->n--;
	c->bus->serving--;
	c->caller = NULL;
}

void
bus_judge_itself(struct bus *b)
{
	b->judging = true;
}

void
server_judge(struct call *c, const struct failure *f, bool told)
{
	struct bus *b = c->bus;
	bool slow, fault;
	int64_t now;

	if (!b->judging || c->method->slow_us == 0)
		return;
	now = time_now_us();
	slow = now - c->start_us > c->method->slow_us;
	fault = f != NULL && status_is_fault(f->status) && f->status != ST_DEADLINE_EXCEEDED;
	if (!told && !slow)
		return; /* withdrawn before it could be done */
	if (fit_count(&b->fit, slow || fault, now))
		judged(b);
}

/* Who is not called any more hears nothing else. */
void
server_on_fit_timer(struct timer *t)
{
	struct bus *b = container_of(t, struct bus, fit_timer);

	if (fit_look(&b->fit, time_now_us()))
		judged(b);
	else
		timer_in(&b->fit_timer, FIT_LOOK_US);
}

static void
judged(struct bus *b)
{
	if (b->observe)
		log_warn(b->fit.unfit ? "would_be_unfit" : "would_be_fit_again");
	else
		bus_set_unfit(b, b->fit.unfit);
	timer_stop(&b->fit_timer);
	if (b->fit.unfit)
		timer_in(&b->fit_timer, FIT_LOOK_US);
}

/* The first entry for a method counts: a node's own services before what it stands in for, the Node
 * service before all. */
static size_t
add_service(struct served *s, ProtobufCService *service)
{
	const ProtobufCServiceDescriptor *d = service->descriptor;
	const struct method_info *info;
	size_t at;

	for (unsigned i = 0; i < d->n_methods; i++) {
		struct served_method *m = &s->methods[s->n];

		info = method_find(d->name, d->methods[i].name);
		must(info != NULL);
		if (served_find(s, str_of(d->name), str_of(d->methods[i].name)) != NULL)
			continue;
		*m = (struct served_method){ .service = d->name,
			.method = d->methods[i].name,
			.slow_us = service == &node_service.base ? 0 : fit_slow_us(info->limit_us),
			.impl = service,
			.index = i,
			.input = d->methods[i].input,
			.recursive = codec_recursive(d->methods[i].input) };
		meter_init(&m->meter, m->service, m->method, true);
		m->crash_method = crash_method(m->service, m->method);
		at = hash(str_of(m->service), str_of(m->method)) & s->mask;
		while (s->slots[at] != 0)
			at = (at + 1) & s->mask;
		s->slots[at] = (uint16_t)++s->n;
	}
	return s->n;
}

static uint32_t
hash(struct str service, struct str method)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < service.n; i++)
		h = (h ^ (uint8_t)service.p[i]) * 16777619u;
	for (size_t i = 0; i < method.n; i++)
		h = (h ^ (uint8_t)method.p[i]) * 16777619u;
	return h;
}

static bool
same(struct str a, const char *b)
{
	return strlen(b) == a.n && memcmp(a.p, b, a.n) == 0;
}

static bool
known_service(const struct served *s, struct str service)
{
	for (size_t i = 0; i < s->n; i++)
		if (same(service, s->methods[i].service))
			return true;
	return false;
}

/* False: refused, and the answer is on its way. */
static bool
admit(struct bus *b, struct served *s, struct caller *k, const struct envelope *e,
    struct served_method **m)
{
	struct call *twin = k->bucket[e->call_id % CALLER_BUCKETS];

	while (twin != NULL && twin->id != e->call_id)
		twin = twin->hash_next;
	*m = served_find(s, e->service, e->method);
	if (e->version != 1)
		refuse(b, k, e->call_id, ST_UNIMPLEMENTED, "BUS_VERSION", 0,
		    "this bus speaks version 1");
	else if (e->time_left_us == 0)
		refuse(b, k, e->call_id, ST_INVALID_ARGUMENT, "NO_DEADLINE", 0,
		    "time_left_us is mandatory");
	else if (*m == NULL && known_service(s, e->service))
		refuse(b, k, e->call_id, ST_UNIMPLEMENTED, "NO_METHOD", 0,
		    "the service has no such method");
	else if (*m == NULL)
		refuse(b, k, e->call_id, ST_UNIMPLEMENTED, "NO_SERVICE", 0,
		    "this node does not serve that service");
	else if (twin != NULL)
		refuse(b, k, e->call_id, ST_INTERNAL, "DUPLICATE_ID", 0,
		    "a call with this id is under way");
	else if (!policy_allows(b, k->name, *m, e->principal.n > 0 || e->fence != 0))
		refuse(b, k, e->call_id, ST_PERMISSION_DENIED, "PEER_POLICY", 0,
		    "this peer may not call that");
	else if (b->serving >= SERVE_MOST)
		refuse(b, k, e->call_id, ST_RESOURCE_EXHAUSTED, "OVERLOAD", 100,
		    "too many calls are being served");
	else if (e->fence != 0 && e->fence < b->fence)
		refuse(b, k, e->call_id, ST_ABORTED, "FENCED", 0,
		    "another meta leads since this was begun");
	else
		return true;
	return false;
}

static void
refuse(struct bus *b, struct caller *k, uint64_t id, enum status s, const char *reason,
    uint32_t retry_ms, const char *message)
{
	struct failure f = {
		.status = s, .reason = reason, .retry_ms = retry_ms, .message = message
	};

	answer_begin(&b->out, id);
	add_problem(&b->out, &f, NULL);
	send_answer(b, k, id);
}

static struct call *
accept_call(struct bus *b, struct caller *k, struct served_method *m, const struct envelope *e)
{
	int64_t left = e->time_left_us < TIME_LEFT_MAX ? (int64_t)e->time_left_us : TIME_LEFT_MAX;
	struct call *c = call_make(b, CALL_SERVED, time_now_us() + left);

	c->caller = k;
	c->method = m;
	c->id = e->call_id;
	c->crash_call = crash_call(m->crash_method, c->id, k->name, c->start_us);
	c->attempt = e->attempt;
	c->retried = e->retried || e->attempt > 1;
	c->want_hops = c->answer_hops = e->want_hops;
	c->hash_next = k->bucket[c->id % CALLER_BUCKETS];
	k->bucket[c->id % CALLER_BUCKETS] = c;
	k->n++;
	b->serving++;
	c->fence = e->fence;
	bus_raise_fence(b, e->fence);
	if (k->outside && m->slow_us != 0)
		trace_enter(c, e->traceparent, true);
	else
		trace_start(c, e->traceparent);
	if (e->idempotency_key.n > 0)
		c->operation_id =
		    arena_strndup(c->arena, e->idempotency_key.p, e->idempotency_key.n);
	if (e->principal.n > 0)
		c->principal_bytes =
		    (struct str){ arena_dup(c->arena, e->principal.p, e->principal.n),
			    e->principal.n };
	return c;
}

static void
start(struct call *c)
{
	if (c->method->fault != NULL)
		c->fault = fault_draw(c->method->fault);
	if (c->fault.crash) {
		log_warn("fault_crash", L_STR("method", c->method->method));
		abort();
	}
	if (c->fault.delay_us > 0)
		call_after(c, c->fault.delay_us, run, NULL);
	else
		run(c, NULL);
}

static void
run(struct call *c, void *unused)
{
	struct bus *b = c->bus;
	struct call *before;

	(void)unused;
	if (c->fault.hang)
		return; /* until its deadline, or until its caller gives up */
	if (c->fault.status != ST_OK) {
		call_fail_because(c, c->fault.status, "FAULT_INJECTED", 0, "injected fault");
		return;
	}
	before = call_enter(c);
	c->method->impl->invoke(c->method->impl, c->method->index, c->input, reply_closure, c);
	call_leave(b, before);
}

/* For handlers that answer through the closure as protobuf-c has it. */
static void
reply_closure(const ProtobufCMessage *m, void *ctx)
{
	if (m != NULL)
		call_reply(ctx, m);
	else
		call_fail(ctx, ST_UNKNOWN, "the handler gave no answer");
}

static void
send_answer(struct bus *b, struct caller *k, uint64_t id)
{
	if (b->out.n > WIRE_CALL_MAX) {
		struct failure f = { .status = ST_RESOURCE_EXHAUSTED,
			.reason = "TOO_LARGE",
			.message = "the answer is larger than a message may be" };

		answer_begin(&b->out, id);
		add_problem(&b->out, &f, NULL);
	}
	if (k->visitor != NULL)
		visitor_answer(k->visitor, id, b->out.p, b->out.n);
	else
		peer_loop_answer(k->loop, id, b->out.p, b->out.n);
}

static void
add_problem(struct out *o, const struct failure *f, struct arena *a)
{
	Mf__Problem p = MF__PROBLEM__INIT;
	Mf__Violation *v;

	p.code = f->status;
	p.message = (char *)(uintptr_t)f->message;
	p.reason = (char *)(uintptr_t)f->reason;
	p.retry_delay_ms = f->retry_ms;
	if (f->n_violations > 0) {
		v = ARENA_ARRAY(a, Mf__Violation, f->n_violations);
		p.violations = ARENA_ARRAY(a, Mf__Violation *, f->n_violations);
		for (size_t i = 0; i < f->n_violations; i++) {
			mf__violation__init(&v[i]);
			v[i].field = (char *)(uintptr_t)f->violations[i].field;
			v[i].description = (char *)(uintptr_t)f->violations[i].what;
			p.violations[i] = &v[i];
		}
		p.n_violations = f->n_violations;
	}
	answer_problem(o, &p.base);
}
