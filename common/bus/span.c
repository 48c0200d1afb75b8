/* span: which requests are kept, and the batches in which they are handed on. A request enters in one
 * process, and only that one decides, when it ends: the hops below told of themselves where something
 * was out of the ordinary (server.c), so nobody pays for what nobody looks at. A record is packed at
 * once: what it points to ends with its call. */
#include <stdlib.h>
#include <string.h>
#include "bus/inside.h"

#define BATCH_US    (500 * MS)
#define BATCH_MOST  64
#define BATCH_BYTES (WIRE_CALL_MAX / 4) /* and what one more takes */
#define NAME_MOST   160                 /* of a route with its method */

struct bucket {
	double left;
	int64_t at_us;
};

struct spans {
	struct bus *bus;
	bus_traces_fn *fn;
	void *ctx;
	bus_traced_fn *traced;
	void *traced_ctx;
	struct timer timer;
	/* what failed competes neither with what clients ask for, nor with the sample */
	struct bucket kept, asked, sampled, heeded;
	size_t n, bytes;
	ProtobufCBinaryData items[BATCH_MOST];
	struct metric *by_why[MF__TRACE_WHY__TRACE_WHY_SAMPLED + 1], *dropped;
};

static struct spans *spans_of(struct bus *b);
static Mf__TraceWhy why_kept(const struct call *c, bool failed, int64_t took_us);
static bool failed_by_us(const struct call *c, const struct failure *f);
static bool some_hop_failed(struct call *c);
static struct bucket *bucket_of(struct spans *s, Mf__TraceWhy why);
static void write_trace(struct call *c, const struct failure *f, int64_t took_us, Mf__Trace *m);
static void write_http(struct call *c, Mf__Trace *m);
static const char *known_method(const char *method);
static void add(struct spans *s, const Mf__Trace *m);
static void on_timer(struct timer *t);
static void hand_on(struct spans *s);
static bool take(struct bucket *k, double rate, int64_t now_us);

void
bus_set_tracing(struct bus *b, const struct trace_opts *o)
{
	b->tracing = *o;
}

void
bus_hear_traces(struct bus *b, bus_traces_fn *fn, void *ctx)
{
	struct spans *s = spans_of(b);

	s->fn = fn;
	s->ctx = ctx;
}

void
bus_on_traced(struct bus *b, bus_traced_fn *fn, void *ctx)
{
	struct spans *s = spans_of(b);

	s->traced = fn;
	s->traced_ctx = ctx;
}

void
spans_free(struct spans **s)
{
	if (*s == NULL)
		return;
	timer_stop(&(*s)->timer);
	for (size_t i = 0; i < (*s)->n; i++)
		free((*s)->items[i].data);
	free(*s);
	*s = NULL;
}

bool
spans_heed(struct bus *b)
{
	return b->spans != NULL && take(&b->spans->heeded, b->tracing.rate, time_now_us());
}

bool
span_told(const struct call *c, const struct failure *f, int64_t took_us)
{
	int64_t slow = c->bus->tracing.slow_us;

	return c->answer_hops || c->sampled || c->telling || failed_by_us(c, f) ||
	       (slow > 0 && took_us > slow);
}

void
span_end(struct call *c, const struct failure *f)
{
	struct spans *s = c->bus->spans;
	int64_t now = time_now_us(), took = now - c->start_us;
	bool failed = failed_by_us(c, f);
	Mf__Trace m = MF__TRACE__INIT;

	if (s == NULL || s->fn == NULL)
		return;
	m.why = why_kept(c, failed, took);
	if (m.why == MF__TRACE_WHY__TRACE_WHY_NONE && c->telling && some_hop_failed(c))
		m.why = MF__TRACE_WHY__TRACE_WHY_ERROR;
	if (m.why == MF__TRACE_WHY__TRACE_WHY_NONE)
		return;
	if (!take(bucket_of(s, m.why), c->bus->tracing.rate, now)) {
		metric_inc(s->dropped);
		return;
	}
	m.failed = failed;
	write_trace(c, f, took, &m);
	metric_inc(s->by_why[m.why]);
	add(s, &m);
	if (s->traced != NULL)
		s->traced(s->traced_ctx, &m);
}

static Mf__TraceWhy
why_kept(const struct call *c, bool failed, int64_t took_us)
{
	if (failed)
		return MF__TRACE_WHY__TRACE_WHY_ERROR;
	if (c->bus->tracing.slow_us > 0 && took_us > c->bus->tracing.slow_us)
		return MF__TRACE_WHY__TRACE_WHY_SLOW;
	if (c->asked)
		return MF__TRACE_WHY__TRACE_WHY_ASKED;
	return c->sampled ? MF__TRACE_WHY__TRACE_WHY_SAMPLED : MF__TRACE_WHY__TRACE_WHY_NONE;
}

/* What a client gets wrong is none, nor that he went away. */
static bool
failed_by_us(const struct call *c, const struct failure *f)
{
	enum status s = f != NULL ? f->status : ST_OK;

	if (c->about != NULL && c->about->http_status != 0)
		return c->about->http_status >= 500;
	if (c->about != NULL && c->about->status != ST_OK)
		s = c->about->status;
	return status_is_fault(s) || s == ST_RESOURCE_EXHAUSTED;
}

static bool
some_hop_failed(struct call *c)
{
	LIST_EACH(&c->rpcs, k) {
		const struct rpc_call *r = container_of(k, struct rpc_call, of_call);

		for (size_t i = 0; i < r->n_hops; i++)
			if (census_is_fault((enum status)r->hops[i]->code, r->hops[i]->reason))
				return true;
	}
	return false;
}

static struct bucket *
bucket_of(struct spans *s, Mf__TraceWhy why)
{
	return why == MF__TRACE_WHY__TRACE_WHY_SAMPLED ? &s->sampled
	       : why == MF__TRACE_WHY__TRACE_WHY_ASKED ? &s->asked
	                                               : &s->kept;
}

/* The hops are those of the call itself: what is told may not be changed. */
static void
write_trace(struct call *c, const struct failure *f, int64_t took, Mf__Trace *m)
{
	const struct call_about *about = c->about;
	const Mf__Hop *const *hops;
	char *id = arena_alloc(c->arena, UUID_LEN);

	uuid7(id);
	m->id = id;
	m->trace_id = c->trace_id;
	m->span_id = trace_span(c);
	m->parent_id = c->above;
	m->at = (uint64_t)(time_wall_us() - took);
	m->duration_us = (uint64_t)took;
	m->code = f != NULL ? f->status : ST_OK;
	m->reason = (char *)(uintptr_t)(f != NULL ? f->reason : "");
	if (about != NULL && about->status != ST_OK) {
		m->code = about->status;
		m->reason = (char *)(uintptr_t)(about->reason != NULL ? about->reason : "");
	}
	m->entry = c->bus->name;
	if (about != NULL && about->http_method != NULL)
		write_http(c, m);
	else if (about != NULL && about->name != NULL)
		m->name = (char *)(uintptr_t)about->name;
	else if (c->kind == CALL_SERVED)
		m->name = arena_printf(
		    c->arena, "%s.%s", c->method->service + strlen("mf."), c->method->method);
	m->n_hops = call_hops(c, &hops);
	m->hops = (Mf__Hop **)(uintptr_t)hops;
	if (m->n_hops > HOPS_MOST)
		m->n_hops = HOPS_MOST;
}

static void
write_http(struct call *c, Mf__Trace *m)
{
	const struct call_about *about = c->about;
	const char *route =
	    about->route != NULL ? about->route(c->arena, about->http_method, about->path) : "";

	m->http_method = (char *)(uintptr_t)known_method(about->http_method);
	m->http_status = about->http_status != 0 || m->code == ST_OK
	                     ? about->http_status
	                     : (uint32_t)status_http((enum status)m->code);
	m->route = (char *)(uintptr_t)route;
	m->name = route[0] == '\0'
	              ? m->http_method
	              : arena_printf(c->arena, "%s %.*s", m->http_method, NAME_MOST, route);
}

/* On the bus anybody may write anything. */
static const char *
known_method(const char *method)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"OPTIONS" };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i], method) == 0)
			return known[i];
	return "_OTHER";
}

static void
add(struct spans *s, const Mf__Trace *m)
{
	ProtobufCBinaryData *b = &s->items[s->n];

	b->len = mf__trace__get_packed_size(m);
	b->data = malloc(b->len);
	if (b->data == NULL)
		panic("out of memory");
	mf__trace__pack(m, b->data);
	s->bytes += b->len;
	if (s->n++ == 0)
		timer_in(&s->timer, BATCH_US);
	if (s->n == BATCH_MOST || s->bytes > BATCH_BYTES)
		hand_on(s);
}

static void
on_timer(struct timer *t)
{
	hand_on(container_of(t, struct spans, timer));
}

static void
hand_on(struct spans *s)
{
	Mf__TraceBatch m = MF__TRACE_BATCH__INIT;

	timer_stop(&s->timer);
	m.n_items = s->n;
	m.items = s->items;
	if (s->fn != NULL)
		s->fn(s->ctx, &m);
	for (size_t i = 0; i < s->n; i++)
		free(s->items[i].data);
	s->n = s->bytes = 0;
}

static bool
take(struct bucket *k, double rate, int64_t now)
{
	double most = rate > 1 ? rate : 1;

	if (rate <= 0)
		return false;
	k->left = k->at_us == 0 ? most : k->left + (double)(now - k->at_us) / SEC * rate;
	if (k->left > most)
		k->left = most;
	k->at_us = now;
	if (k->left < 1)
		return false;
	k->left -= 1;
	return true;
}

static struct spans *
spans_of(struct bus *b)
{
	static const char *const by[] = { "why", NULL };
	static const char *const whys[] = { "none", "error", "slow", "asked", "sampled" };
	struct metric_family *f;
	struct spans *s = b->spans;

	if (s != NULL)
		return s;
	s = b->spans = calloc(1, sizeof *s);
	if (s == NULL)
		panic("out of memory");
	s->bus = b;
	timer_init(&s->timer, b->loop, on_timer);
	f = metric_family(METRIC_COUNTER, "metafed_traces_total",
	    "Traces that were kept, of requests that entered here, by the reason.", by);
	for (size_t i = MF__TRACE_WHY__TRACE_WHY_ERROR; i <= MF__TRACE_WHY__TRACE_WHY_SAMPLED; i++)
		s->by_why[i] = metric_get(f, &whys[i]);
	s->dropped = metric_simple(METRIC_COUNTER, "metafed_traces_dropped_total",
	    "Traces that were to be kept and were too many (trace_rate).");
	return s;
}
