/* node_service: mf.Node, which every node serves: what it is and how it fares, its metrics, its
 * events, the two things that an operator switches at run time, and what others tell it of their
 * tries. Who may do that is decided before the call gets here (meta, policy.c). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bus/inside.h"

#define FAULTS_DEFAULT_MS 60000

static void
node_info(Mf__Node_Service *s, const Mf__Empty *q, Mf__NodeInfo_Closure reply, void *ctx);
static void
node_get_metrics(Mf__Node_Service *s, const Mf__Empty *q, Mf__Metrics_Closure reply, void *ctx);
static void
node_events(Mf__Node_Service *s, const Mf__EventsFrom *q, Mf__EventBatch_Closure reply, void *ctx);
static void node_get_settings(
    Mf__Node_Service *s, const Mf__Empty *q, Mf__SettingList_Closure reply, void *ctx);
static void
node_set_faults(Mf__Node_Service *s, const Mf__FaultSet *q, Mf__Empty_Closure reply, void *ctx);
static void
node_set_log_level(Mf__Node_Service *s, const Mf__LogLevel *q, Mf__Empty_Closure reply, void *ctx);
static void node_tell(Mf__Node_Service *s, const Mf__Tries *q, Mf__Empty_Closure reply, void *ctx);

Mf__Node_Service node_service = MF__NODE__INIT(node_);

struct breaker_list {
	struct arena *a;
	Mf__NodeInfo *info;
	size_t cap;
};
struct metric_page {
	struct arena *a;
	Mf__Metrics *m;
	size_t cap, samples_cap;
};

static uint64_t rss_bytes(void);
static void count_breaker(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool up);
static void add_breaker(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool up);
static void
add_sample(void *ctx, enum metric_kind kind, const char *name, const char *help, size_t n_labels,
    const char *const *label_names, const char *const *label_values, const struct metric *m);
static Mf__MetricFamily *
family_for(struct metric_page *p, enum metric_kind kind, const char *name, const char *help);
static void fill_histogram(struct arena *a, Mf__MetricSample *s, const struct metric *m);
static void fill_exemplars(struct arena *a, Mf__MetricSample *s, const struct exemplar *from);
static void *grown(struct arena *a, void *array, size_t n, size_t *cap, size_t size);

static void
node_info(Mf__Node_Service *s, const Mf__Empty *q, Mf__NodeInfo_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct bus *b = call_bus(c);
	Mf__NodeInfo info = MF__NODE_INFO__INIT;
	struct breaker_list l = { .a = call_arena(c), .info = &info };

	(void)s, (void)q, (void)reply;
	info.node = b->name;
	info.generation = b->generation;
	info.pid = (uint32_t)getpid();
	info.state = b->node != NULL ? node_state(b->node) : NODE_READY;
	info.uptime_us = (uint64_t)(time_now_us() - b->start_us);
	info.in_flight = b->serving - 1; /* without this one */
	info.rss_bytes = rss_bytes();
	bus_each_breaker(b, count_breaker, &l);
	info.breakers = ARENA_ARRAY(l.a, Mf__BreakerState *, l.cap + 1);
	bus_each_breaker(b, add_breaker, &l);
	while (b->capabilities != NULL && b->capabilities[info.n_capabilities] != NULL)
		info.n_capabilities++;
	info.capabilities = (char **)(uintptr_t)b->capabilities;
	load_tell(b, l.a, &info);
	call_reply(c, &info.base);
}

static void
node_get_metrics(Mf__Node_Service *s, const Mf__Empty *q, Mf__Metrics_Closure reply, void *ctx)
{
	struct call *c = ctx;
	Mf__Metrics m = MF__METRICS__INIT;
	struct metric_page p = { .a = call_arena(c), .m = &m };

	(void)s, (void)q, (void)reply;
	m.node = call_bus(c)->name;
	metric_each(add_sample, &p);
	call_reply(c, &m.base);
}

static void
node_get_settings(Mf__Node_Service *s, const Mf__Empty *q, Mf__SettingList_Closure reply, void *ctx)
{
	struct call *c = ctx;
	Mf__SettingList m = MF__SETTING_LIST__INIT;

	(void)s, (void)q, (void)reply;
	load_settings(call_bus(c)->node, call_arena(c), &m);
	call_reply(c, &m.base);
}

static void
node_events(Mf__Node_Service *s, const Mf__EventsFrom *q, Mf__EventBatch_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	events_answer(ctx, q);
}

static void
node_set_faults(Mf__Node_Service *s, const Mf__FaultSet *q, Mf__Empty_Closure reply, void *ctx)
{
	struct call *c = ctx;
	char err[160];

	(void)s, (void)reply;
	if (bus_set_faults(call_bus(c), q->spec, q->seed,
		(int64_t)(q->for_ms > 0 ? q->for_ms : FAULTS_DEFAULT_MS) * MS, err, sizeof err))
		call_reply(c, &(Mf__Empty)MF__EMPTY__INIT.base);
	else
		call_fail_because(c, ST_INVALID_ARGUMENT, "BAD_FAULT_SPEC", 0, "%s", err);
}

static void
node_set_log_level(Mf__Node_Service *s, const Mf__LogLevel *q, Mf__Empty_Closure reply, void *ctx)
{
	struct call *c = ctx;
	enum log_level level;

	(void)s, (void)reply;
	if (!log_level_from_name(q->level, &level)) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "BAD_LOG_LEVEL", 0,
		    "level: debug, info, warn or error");
		return;
	}
	log_set_level_for(level, (int64_t)q->for_ms * MS);
	call_reply(c, &(Mf__Empty)MF__EMPTY__INIT.base);
}

static void
node_tell(Mf__Node_Service *s, const Mf__Tries *q, Mf__Empty_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	census_heard(ctx, q);
}

static uint64_t
rss_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
count_breaker(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool up)
{
	struct breaker_list *l = ctx;

	(void)service, (void)node, (void)s, (void)failures, (void)up;
	l->cap++;
}

static void
add_breaker(void *ctx, const char *service, const char *node, enum breaker_state s,
    uint32_t failures, bool up)
{
	struct breaker_list *l = ctx;
	Mf__BreakerState *b = ARENA_NEW(l->a, Mf__BreakerState);

	mf__breaker_state__init(b);
	b->target = (char *)(uintptr_t)service;
	b->node = (char *)(uintptr_t)node;
	b->state = (char *)(uintptr_t)(up ? breaker_state_name(s)
					  : "open"); /* no connection: nothing goes through */
	b->failures = failures;
	l->info->breakers[l->info->n_breakers++] = b;
}

/* Series of one family come one after the other. */
static void
add_sample(void *ctx, enum metric_kind kind, const char *name, const char *help, size_t n_labels,
    const char *const *label_names, const char *const *label_values, const struct metric *m)
{
	struct metric_page *p = ctx;
	Mf__MetricFamily *f;
	Mf__MetricSample *s;

	/* Of the hundreds of methods most are never called: their histograms begin with a call. */
	if (kind == METRIC_HISTOGRAM && m->hist->count == 0)
		return;
	f = family_for(p, kind, name, help);
	s = ARENA_NEW(p->a, Mf__MetricSample);
	mf__metric_sample__init(s);
	s->labels = ARENA_ARRAY(p->a, Mf__KeyValue *, n_labels + 1);
	for (; s->n_labels < n_labels; s->n_labels++) {
		Mf__KeyValue *kv = s->labels[s->n_labels] = ARENA_NEW(p->a, Mf__KeyValue);

		mf__key_value__init(kv);
		kv->key = (char *)(uintptr_t)label_names[s->n_labels];
		kv->value = (char *)(uintptr_t)label_values[s->n_labels];
	}
	if (kind == METRIC_HISTOGRAM)
		fill_histogram(p->a, s, m);
	else
		s->value = m->value;
	f->samples = grown(p->a, f->samples, f->n_samples, &p->samples_cap, sizeof *f->samples);
	f->samples[f->n_samples++] = s;
}

static Mf__MetricFamily *
family_for(struct metric_page *p, enum metric_kind kind, const char *name, const char *help)
{
	Mf__Metrics *m = p->m;
	Mf__MetricFamily *f = m->n_families > 0 ? m->families[m->n_families - 1] : NULL;

	if (f != NULL && strcmp(f->name, name) == 0)
		return f;
	f = ARENA_NEW(p->a, Mf__MetricFamily);
	mf__metric_family__init(f);
	f->name = (char *)(uintptr_t)name;
	f->help = (char *)(uintptr_t)help;
	f->kind = kind == METRIC_COUNTER ? MF__METRIC_KIND__COUNTER
	          : kind == METRIC_GAUGE ? MF__METRIC_KIND__GAUGE
	                                 : MF__METRIC_KIND__HISTOGRAM;
	if (kind == METRIC_HISTOGRAM)
		f->bounds = (double *)(uintptr_t)metric_bounds(&f->n_bounds);
	m->families = grown(p->a, m->families, m->n_families, &p->cap, sizeof *m->families);
	m->families[m->n_families++] = f;
	p->samples_cap = 0;
	return f;
}

static void
fill_histogram(struct arena *a, Mf__MetricSample *s, const struct metric *m)
{
	const double *bounds = metric_bounds(&s->n_bucket_counts);
	const struct hist *h = m->hist;

	s->value = (double)h->sum_us / (double)SEC;
	s->count = h->count;
	s->bucket_counts = ARENA_ARRAY(a, uint64_t, s->n_bucket_counts + 1);
	for (size_t i = 0; i < s->n_bucket_counts; i++)
		s->bucket_counts[i] = hist_count_below(h, (int64_t)(bounds[i] * (double)SEC));
	if (m->exemplars != NULL)
		fill_exemplars(a, s, m->exemplars);
}

static void
fill_exemplars(struct arena *a, Mf__MetricSample *s, const struct exemplar *from)
{
	s->exemplars = ARENA_ARRAY(a, Mf__MetricExemplar *, METRIC_BOUNDS + 1);
	for (uint32_t i = 0; i <= METRIC_BOUNDS; i++) {
		Mf__MetricExemplar *e;

		if (from[i].trace[0] == '\0')
			continue;
		e = s->exemplars[s->n_exemplars++] = ARENA_NEW(a, Mf__MetricExemplar);
		mf__metric_exemplar__init(e);
		e->bucket = i;
		e->value = (double)from[i].us / (double)SEC;
		e->trace_id = arena_strdup(a, from[i].trace);
		e->at = (double)from[i].at_us / (double)SEC;
	}
}

static void *
grown(struct arena *a, void *array, size_t n, size_t *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return array;
	*cap = n < 8 ? 16 : 2 * n;
	more = arena_zalloc(a, *cap * size);
	if (n > 0)
		memcpy(more, array, n * size);
	return more;
}
