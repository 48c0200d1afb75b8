/* traces: see traces.h. Called by orchestrator; the search is traces_find.c's. */
#include "meta/traces.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "meta/meta.h"
#include "proto/database.pb-c.h"
#include "proto/rest.pb-c.h"

#define RING_MOST   1024u
#define RING_BYTES  (16u << 20)
#define RECORD_MOST (64u << 10) /* bytes; larger ones are not taken */
#define HOPS_MOST   64u         /* of one, as common/bus/span.c keeps them */
#define BATCH_MOST  64u
#define BATCH_BYTES (1u << 20) /* a message takes 4 MiB; as hex, JSON or OTLP it is more */
#define ITEM_HEAD   8u         /* of one in a batch: tag and length */
#define SOON_US     (500 * MS) /* after the first one: more may come */
#define LIMIT_US    (5 * SEC)
#define EXPORT_US   (15 * SEC)
#define RETRY_FIRST (1 * SEC)
#define RETRY_MOST  (60 * SEC)
#define OFF_US      (60 * SEC) /* nobody exports: asked again after so long */
#define SEEN_LATELY 256u       /* a batch that comes again is among so many */

_Static_assert(ITEM_HEAD + RECORD_MOST <= BATCH_BYTES, "one always fits");

/* One of the two ways out of the ring. */
struct way {
	struct traces *t;
	void (*send)(struct way *w, size_t n);
	uint64_t at;  /* number of the next one to go */
	size_t out;   /* so many are on their way; 0: none */
	uint64_t end; /* number behind those */
	struct timer timer;
	struct call *call;
	struct rpc *rpc;
	int64_t delay_us; /* of the next try after a failure; 0: the last one was fine */
	bool off;
	struct metric *went, *lost, *failed;
};

struct traces {
	struct meta *meta;
	struct target *agents;
	uint64_t first, next; /* numbers of the oldest, and of the one to come */
	size_t bytes;
	struct trace_kept *ring[RING_MOST];
	struct way store, export;
	struct metric *waiting;
};

static void
way_init(struct traces *t, struct way *w, void (*send)(struct way *, size_t), const char *to);
static void way_stop(struct way *w);
static void on_heard(void *ctx, const Mf__TraceBatch *q);
static void take(struct traces *t, const ProtobufCBinaryData *item);
static bool is_there(const struct traces *t, const char *id);
static void forget_oldest(struct traces *t);
static void wake(struct way *w, int64_t in_us);
static void on_timer(struct timer *timer);
static size_t next_batch(const struct way *w);
static Mf__TraceBatch *batch_of(struct way *w, size_t n);
static void call_begin(struct way *w, struct target *to, int64_t limit_us);
static void send_to_store(struct way *w, size_t n);
static void on_end(struct call *c, const struct call_end *end, void *ctx);
static void on_stored(const Mf__TraceKept *m, void *ctx);
static void send_to_agent(struct way *w, size_t n);
static void on_exported(const Mf__TraceExport *m, void *ctx);
static void went(struct way *w, struct metric *as, size_t n);
static void went_not(struct way *w, uint32_t retry_ms, const char *why);

struct traces *
traces_new(struct meta *m)
{
	static const char *const agents[] = { "rest", "graphql", "websocket", NULL };
	struct traces *t = mem_zalloc(sizeof(*t));

	t->meta = m;
	t->agents = target_new(m->bus, &(const struct target_def){ .service = &mf__rest__descriptor,
					   .members = agents,
					   .breaker = { .failures = 3 } });
	way_init(t, &t->store, send_to_store, "store");
	way_init(t, &t->export, send_to_agent, "collector");
	t->waiting = metric_simple(
	    METRIC_GAUGE, "metafed_meta_traces_waiting", "Traces that are not stored yet.");
	bus_hear_traces(m->bus, on_heard, t);
	return t;
}

void
traces_free(struct traces **tp)
{
	struct traces *t = *tp;

	if (t == NULL)
		return;
	bus_hear_traces(t->meta->bus, NULL, NULL);
	way_stop(&t->store);
	way_stop(&t->export);
	while (t->first != t->next)
		forget_oldest(t);
	free(t);
	*tp = NULL;
}

void
traces_take(struct traces *t, const Mf__TraceBatch *q)
{
	for (size_t i = 0; i < q->n_items; i++)
		take(t, &q->items[i]);
	metric_set(t->waiting, (double)(t->next - t->store.at));
	if (t->store.at != t->next)
		wake(&t->store, SOON_US);
	if (t->export.at != t->next)
		wake(&t->export, SOON_US);
}

uint64_t
traces_mark(const struct traces *t)
{
	return t->store.at;
}

size_t
traces_kept(const struct traces *t, uint64_t from, struct arena *a, const struct trace_kept ***out)
{
	size_t n = 0;

	if (from < t->first)
		from = t->first;
	*out = ARENA_ARRAY(a, const struct trace_kept *, t->next - from + 1);
	for (uint64_t at = t->next; at != from; at--)
		(*out)[n++] = t->ring[(at - 1) % RING_MOST];
	return n;
}

static void
way_init(struct traces *t, struct way *w, void (*send)(struct way *, size_t), const char *to)
{
	static const char *const by[] = { "to", NULL };
	const char *const label[] = { to, NULL };

	w->t = t;
	w->send = send;
	timer_init(&w->timer, t->meta->loop, on_timer);
	w->went = metric_get(metric_family(METRIC_COUNTER, "metafed_meta_traces_sent_total",
				 "Traces that were stored, or taken by the collector.", by),
	    label);
	w->lost = metric_get(
	    metric_family(METRIC_COUNTER, "metafed_meta_traces_lost_total",
		"Traces that left the ring before they were stored or exported, or were refused.",
		by),
	    label);
	w->failed = metric_get(metric_family(METRIC_COUNTER, "metafed_meta_traces_failed_total",
				   "Batches that were not taken, and are tried again.", by),
	    label);
}

static void
way_stop(struct way *w)
{
	struct call *c = w->call;

	timer_stop(&w->timer);
	w->call = NULL;
	if (c != NULL)
		call_cancel(c);
}

/* Of requests that entered here. One that stands by has none: it refuses them. */
static void
on_heard(void *ctx, const Mf__TraceBatch *q)
{
	traces_take(ctx, q);
}

/* --- the ring --- */

static void
take(struct traces *t, const ProtobufCBinaryData *item)
{
	Mf__Trace *m =
	    item->len <= RECORD_MOST ? mf__trace__unpack(NULL, item->len, item->data) : NULL;
	struct trace_kept *k;

	if (m == NULL || m->n_hops > HOPS_MOST || strlen(m->id) >= sizeof(k->id) ||
	    is_there(t, m->id)) {
		mf__trace__free_unpacked(m, NULL);
		return;
	}
	k = mem_zalloc(sizeof(*k) + item->len);
	memcpy(k->id, m->id, strlen(m->id) + 1);
	k->n = item->len;
	memcpy(k->record, item->data, item->len);
	mf__trace__free_unpacked(m, NULL);
	while (t->next - t->first == RING_MOST ||
	       (t->first != t->next && t->bytes + k->n > RING_BYTES))
		forget_oldest(t);
	t->ring[t->next++ % RING_MOST] = k;
	t->bytes += k->n;
	if (t->export.off)
		t->export.at = t->next;
}

static bool
is_there(const struct traces *t, const char *id)
{
	uint64_t n = t->next - t->first < SEEN_LATELY ? t->next - t->first : SEEN_LATELY;

	for (uint64_t i = 1; i <= n; i++)
		if (strcmp(t->ring[(t->next - i) % RING_MOST]->id, id) == 0)
			return true;
	return false;
}

/* What is on its way was copied: its outcome moves no mark that has moved. */
static void
forget_oldest(struct traces *t)
{
	struct trace_kept *k = t->ring[t->first % RING_MOST];
	struct way *const ways[] = { &t->store, &t->export };

	must(k != NULL);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (ways[i]->at == t->first) {
			metric_inc(ways[i]->lost);
			ways[i]->at++;
		}
	t->bytes -= k->n;
	t->ring[t->first++ % RING_MOST] = NULL;
	free(k);
}

/* --- the two ways --- */

static void
wake(struct way *w, int64_t in_us)
{
	if (w->out == 0 && w->timer.at_us == 0)
		timer_in(&w->timer, in_us);
}

static void
on_timer(struct timer *timer)
{
	struct way *w = container_of(timer, struct way, timer);

	w->off = false;
	w->out = next_batch(w);
	if (w->out == 0)
		return;
	w->end = w->at + w->out;
	w->send(w, w->out);
}

/* So many of those that wait, the oldest first. */
static size_t
next_batch(const struct way *w)
{
	size_t n = 0, bytes = 0;

	for (uint64_t at = w->at; at != w->t->next && n < BATCH_MOST; at++, n++) {
		bytes += ITEM_HEAD + w->t->ring[at % RING_MOST]->n;
		if (bytes > BATCH_BYTES)
			break;
	}
	return n;
}

static Mf__TraceBatch *
batch_of(struct way *w, size_t n)
{
	struct arena *a = call_arena(w->call);
	Mf__TraceBatch *m = ARENA_NEW(a, Mf__TraceBatch);

	mf__trace_batch__init(m);
	m->items = ARENA_ARRAY(a, ProtobufCBinaryData, n);
	for (; m->n_items < n; m->n_items++) {
		struct trace_kept *k = w->t->ring[(w->at + m->n_items) % RING_MOST];

		m->items[m->n_items] = (ProtobufCBinaryData){ k->n, k->record };
	}
	return m;
}

/* It waits behind whatever people ask for, and is no failure of the fleet's. */
static void
call_begin(struct way *w, struct target *to, int64_t limit_us)
{
	w->call = call_root(w->t->meta->bus,
	    &(const struct call_opts){ .limit_us = limit_us + SEC, .done = on_end, .ctx = w });
	w->rpc = rpc_new(w->call, to,
	    &(const struct rpc_opts){
		.limit_us = limit_us, .priority = MF__PRIORITY__LOW, .quiet = true });
}

/* Of a pause of ours both times are over at once: then nobody else says so. */
static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct way *w = ctx;

	if (w->call == c)
		went_not(w, 0, end->failure != NULL ? end->failure->message : "");
}

static void
send_to_store(struct way *w, size_t n)
{
	call_begin(w, w->t->meta->database, LIMIT_US);
	mf__database__keep_traces(&w->rpc->service, batch_of(w, n), on_stored, w);
	STEP("meta.traces.sent_to_store");
}

static void
on_stored(const Mf__TraceKept *m, void *ctx)
{
	struct way *w = ctx;
	const struct failure *f = rpc_failure(w->rpc);

	/* what there is no room for is counted by who says so (sql) */
	if (m != NULL)
		went(w, w->went, m->refused < w->out ? w->out - m->refused : 0);
	else if (f->status == ST_INVALID_ARGUMENT)
		went(w, w->lost, w->out);
	else
		went_not(w, f->retry_ms, f->message);
}

static void
send_to_agent(struct way *w, size_t n)
{
	call_begin(w, w->t->agents, EXPORT_US);
	mf__rest__export(&w->rpc->service, batch_of(w, n), on_exported, w);
	STEP("meta.traces.sent_to_agent");
}

static void
on_exported(const Mf__TraceExport *m, void *ctx)
{
	struct way *w = ctx;

	if (m == NULL) {
		went_not(w, 0, rpc_failure(w->rpc)->message);
	} else if (m->again) {
		went_not(w, m->retry_ms, m->message);
	} else if (m->off) {
		w->off = true;
		went(w, w->went, 0);
		w->at = w->t->next;
		timer_in(&w->timer, OFF_US);
	} else {
		if (m->rejected > 0 || m->message[0] != '\0')
			log_warn("traces_rejected", L_INT("spans", m->rejected),
			    L_STR("why", m->message));
		went(w, m->message[0] == '\0' || m->rejected == 0 ? w->went : w->lost, w->out);
	}
}

/* Out of the ring's way: taken, or refused for good; n of them are counted. */
static void
went(struct way *w, struct metric *as, size_t n)
{
	struct call *c = w->call;

	metric_add(as, (double)n);
	if (w->at < w->end)
		w->at = w->end;
	w->out = 0;
	w->delay_us = 0;
	w->call = NULL;
	metric_set(w->t->waiting, (double)(w->t->next - w->t->store.at));
	if (w->at != w->t->next && !w->off)
		wake(w, next_batch(w) == w->t->next - w->at ? SOON_US : 0);
	call_cancel(c);
}

/* Twice as long each time, and as long as was said at least. */
static void
went_not(struct way *w, uint32_t retry_ms, const char *why)
{
	struct call *c = w->call;
	int64_t delay = w->delay_us == 0 ? RETRY_FIRST : 2 * w->delay_us;

	if (w->delay_us == 0)
		log_info("traces_wait", L_STR("to", w == &w->t->store ? "store" : "collector"),
		    L_STR("why", why));
	metric_inc(w->failed);
	w->delay_us = delay < RETRY_MOST ? delay : RETRY_MOST;
	delay = w->delay_us / 2 + (int64_t)(id_random_u64() % (uint64_t)(w->delay_us / 2));
	if (delay < (int64_t)retry_ms * MS)
		delay = (int64_t)retry_ms * MS;
	w->out = 0;
	w->call = NULL;
	wake(w, delay);
	call_cancel(c);
}
