/* figures: see figures.h. Called by execute (each request), gather.c (tries) and own. */
#include "meta/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/own.h"
#include "meta/strategy.h"
#include "node/node.h"

#define PARTIAL_WEIGHT 0.7 /* of a partial success, as the specification has it */

struct calls {
	uint32_t calls, failed;
};
struct slice {
	uint32_t outcomes[OUTCOMES];
	struct calls domains[MERGE_DOMAINS], nodes[FIGURES_NODES];
	uint32_t failovers[FIGURES_NODES][FIGURES_NODES];
	struct hist took;
};

enum { WELL, BAD };
struct figures {
	struct slices at;
	struct slice slices[SLICES];
	struct metric *domains[MERGE_DOMAINS][2], *agents[FIGURES_NODES][2], *ratio[WINDOWS];
	struct metric_family *failovers;
};

static void make_metrics(struct figures *);
static struct slice *slice_of(struct figures *, int, int64_t);
static enum outcome judge(enum outcome, enum status);
static int node_index(const char *);
static void add_member(struct figures *, const Mf__MemberTries *, int64_t);
static void add_failover(struct figures *, const Mf__Failovers *, int64_t);
static void add_slice(struct figures_sum *, const struct slice *);
static void write_window(struct jw *, struct figures *, enum window, int64_t);
static void write_rates(struct jw *, const struct figures_sum *);
static void write_domains(struct jw *, const struct figures_sum *);
static void write_agents(struct jw *, const struct figures_sum *);
static void write_calls(struct jw *, const char *, const struct figures_calls *);
static void write_failovers(struct jw *, const struct figures_sum *);

static const char *const results[] = { [WELL] = "success", [BAD] = "failed" };

struct figures *
figures_new(void)
{
	struct figures *f = mem_zalloc(sizeof(*f));

	make_metrics(f);
	return f;
}

void
figures_free(struct figures **f)
{
	free(*f);
	*f = NULL;
}

void
figures_answered(struct figures *f, enum outcome o, enum status s, const struct part *parts,
    int64_t took_us, int64_t now)
{
	struct slice *all[WINDOWS];

	o = judge(o, s);
	for (int w = 0; w < WINDOWS; w++) {
		all[w] = slice_of(f, w, now);
		all[w]->outcomes[o]++;
		hist_add(&all[w]->took, took_us);
	}
	for (int d = 1; d < MERGE_DOMAINS; d++) {
		bool failed = parts[d].state == PART_FAILED && merge_is_fault(parts[d].why);

		if (parts[d].state != PART_WORKED && parts[d].state != PART_FAILED)
			continue;
		metric_inc(f->domains[d][failed ? BAD : WELL]);
		for (int w = 0; w < WINDOWS; w++) {
			all[w]->domains[d].calls++;
			all[w]->domains[d].failed += failed;
		}
	}
}

void
figures_ended(struct figures *f, enum outcome o, int64_t now)
{
	for (int w = 0; w < WINDOWS; w++)
		slice_of(f, w, now)->outcomes[o]++;
}

void
figures_tries(struct figures *f, const Mf__Tries *t, int64_t now)
{
	for (size_t i = 0; i < t->n_members; i++)
		add_member(f, t->members[i], now);
	for (size_t i = 0; i < t->n_failovers; i++)
		add_failover(f, t->failovers[i], now);
}

void
figures_sum(struct figures *f, enum window w, int64_t now, struct figures_sum *out)
{
	memset(out, 0, sizeof(*out));
	slice_of(f, (int)w, now); /* what is over leaves */
	for (unsigned i = 0; i < windows[w].n; i++)
		add_slice(out, &f->slices[windows[w].first + i]);
	for (int o = 0; o < OUTCOMES; o++)
		out->requests += out->outcomes[o];
}

double
figures_reliability(const struct figures_sum *s)
{
	double success = (double)s->outcomes[OUTCOME_SUCCESS],
	       partial = (double)s->outcomes[OUTCOME_PARTIAL];
	double of = success + partial + (double)s->outcomes[OUTCOME_FAILED];

	return of != 0 ? (success + PARTIAL_WEIGHT * partial) / of : (double)NAN;
}

struct interval
figures_interval(const struct figures_sum *s)
{
	uint64_t success = s->outcomes[OUTCOME_SUCCESS];

	return wilson_interval(success,
	    success + s->outcomes[OUTCOME_PARTIAL] + s->outcomes[OUTCOME_FAILED], STATS_Z99);
}

void
figures_show(struct figures *f, int64_t now)
{
	struct figures_sum s;

	for (int w = 0; w < WINDOWS; w++) {
		figures_sum(f, (enum window)w, now, &s);
		metric_set(f->ratio[w], figures_reliability(&s));
	}
}

void
own_figures(struct own_ask *o)
{
	const char *name = json_string_value(json_object_get(own_arguments(o), "window"));
	enum window only = name != NULL ? window_find(name) : WINDOWS;
	struct jw w;

	if (name != NULL && only == WINDOWS) {
		own_fail(o, ST_INVALID_ARGUMENT, "VALIDATION",
		    "meta/data/window: must be 1m, 1h or 24h");
		return;
	}
	jw_start(&w, call_arena(o->c), 2048);
	jw_object(&w, NULL);
	jw_array(&w, "windows");
	for (int i = 0; i < WINDOWS; i++)
		if (only == WINDOWS || only == (enum window)i)
			write_window(&w, o->meta->figures, (enum window)i, loop_now(o->meta->loop));
	jw_close(&w, ']');
	jw_close(&w, '}');
	o->result.data = (uint8_t *)jw_text(&w, &o->result.len);
	own_finish(o);
}

/* --- counting --- */

static void
make_metrics(struct figures *f)
{
	static const char *const by_domain[] = { "domain", "outcome", NULL };
	static const char *const by_agent[] = { "agent", "outcome", NULL };
	static const char *const by_way[] = { "from", "to", NULL }, *const by_window[] = { "window",
		NULL };
	struct metric_family *domains =
	    metric_family(METRIC_COUNTER, "metafed_meta_domain_calls_total",
		"Requests in which a domain had a part. failed: by a fault.", by_domain);
	struct metric_family *agents =
	    metric_family(METRIC_COUNTER, "metafed_meta_agent_calls_total",
		"Tries of calls to agents, by any node. failed: by a fault.", by_agent);
	struct metric_family *ratio = metric_family(METRIC_GAUGE, "metafed_meta_reliability_ratio",
	    "(success + 0.7 partial) / (success + partial + failed); NaN: there were none.",
	    by_window);

	for (int i = 0; i < 2; i++) {
		for (int d = 1; d < MERGE_DOMAINS; d++)
			f->domains[d][i] = metric_get(
			    domains, (const char *const[]){
					 strategy_domain_name((Mf__Domain)d), results[i] });
		for (int n = 0; n < FIGURES_NODES; n++)
			if (fleet_names[n].level == 2)
				f->agents[n][i] = metric_get(agents,
				    (const char *const[]){ fleet_names[n].name, results[i] });
	}
	for (int w = 0; w < WINDOWS; w++)
		f->ratio[w] = metric_get(ratio, (const char *const[]){ windows[w].name });
	f->failovers = metric_family(METRIC_COUNTER, "metafed_meta_failovers_total",
	    "Calls that went to another member than the one before it, in the whole fleet.",
	    by_way);
}

static struct slice *
slice_of(struct figures *f, int w, int64_t now)
{
	return slices_now(&f->at, f->slices, sizeof(f->slices[0]), (enum window)w, now);
}

static enum outcome
judge(enum outcome o, enum status s)
{
	return o == OUTCOME_FAILED && !merge_is_fault(&(const struct failure){ .status = s })
	           ? OUTCOME_REFUSED
	           : o;
}

/* -1: none of the thirteen; who stands by for meta is counted as meta */
static int
node_index(const char *name)
{
	for (int n = 0; n < FIGURES_NODES; n++)
		if (strcmp(fleet_names[n].name, fleet_is_meta(name) ? "meta" : name) == 0)
			return n;
	return -1;
}

static void
add_member(struct figures *f, const Mf__MemberTries *m, int64_t now)
{
	uint64_t faults = m->faults < m->tries ? m->faults : m->tries;
	int n = node_index(m->node);

	if (n < 0)
		return;
	for (int w = 0; w < WINDOWS; w++) {
		struct calls *c = &slice_of(f, w, now)->nodes[n];

		c->calls += (uint32_t)m->tries;
		c->failed += (uint32_t)faults;
	}
	if (f->agents[n][WELL] == NULL)
		return;
	metric_add(f->agents[n][WELL], (double)(m->tries - faults));
	metric_add(f->agents[n][BAD], (double)faults);
}

static void
add_failover(struct figures *f, const Mf__Failovers *m, int64_t now)
{
	int from = node_index(m->from), to = node_index(m->to);

	if (from < 0 || to < 0)
		return;
	for (int w = 0; w < WINDOWS; w++)
		slice_of(f, w, now)->failovers[from][to] += (uint32_t)m->count;
	metric_add(metric_get(f->failovers,
		       (const char *const[]){ fleet_names[from].name, fleet_names[to].name }),
	    (double)m->count);
}

static void
add_slice(struct figures_sum *to, const struct slice *s)
{
	for (int o = 0; o < OUTCOMES; o++)
		to->outcomes[o] += s->outcomes[o];
	for (int d = 0; d < MERGE_DOMAINS; d++) {
		to->domains[d].calls += s->domains[d].calls;
		to->domains[d].failed += s->domains[d].failed;
	}
	for (int n = 0; n < FIGURES_NODES; n++) {
		to->nodes[n].calls += s->nodes[n].calls;
		to->nodes[n].failed += s->nodes[n].failed;
		for (int k = 0; k < FIGURES_NODES; k++)
			to->failovers[n][k] += s->failovers[n][k];
	}
	hist_merge(&to->took, &s->took);
}

/* --- writing --- */

static void
write_window(struct jw *w, struct figures *f, enum window window, int64_t now)
{
	static const char *const names[OUTCOMES] = { [OUTCOME_SUCCESS] = "success",
		[OUTCOME_PARTIAL] = "partial",
		[OUTCOME_FAILED] = "failed",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_REJECTED] = "rejected",
		[OUTCOME_CANCELLED] = "cancelled" };
	struct figures_sum s;

	figures_sum(f, window, now, &s);
	jw_object(w, NULL);
	jw_str(w, "window", windows[window].name);
	jw_int(w, "requests", (int64_t)s.requests);
	for (int o = 0; o < OUTCOMES; o++)
		jw_int(w, names[o], (int64_t)s.outcomes[o]);
	write_rates(w, &s);
	write_domains(w, &s);
	write_agents(w, &s);
	write_failovers(w, &s);
	jw_close(w, '}');
}

static void
write_rates(struct jw *w, const struct figures_sum *s)
{
	double reliability = figures_reliability(s);
	struct interval i = figures_interval(s);

	jw_num(w, "reliability", reliability); /* NAN: null */
	if (isnan(reliability)) {
		jw_null(w, "ci99");
	} else {
		jw_array(w, "ci99");
		jw_num(w, NULL, i.lo);
		jw_num(w, NULL, i.hi);
		jw_close(w, ']');
	}
	if (s->took.count == 0) {
		jw_null(w, "p50_ms");
		jw_null(w, "p99_ms");
	} else {
		jw_num(w, "p50_ms", (double)hist_quantile(&s->took, 0.5) / 1e3);
		jw_num(w, "p99_ms", (double)hist_quantile(&s->took, 0.99) / 1e3);
	}
}

static void
write_domains(struct jw *w, const struct figures_sum *s)
{
	jw_object(w, "domains");
	for (int d = 1; d < MERGE_DOMAINS; d++)
		write_calls(w, strategy_domain_name((Mf__Domain)d), &s->domains[d]);
	jw_close(w, '}');
}

static void
write_agents(struct jw *w, const struct figures_sum *s)
{
	jw_object(w, "agents");
	for (int n = 0; n < FIGURES_NODES; n++)
		if (fleet_names[n].level == 2)
			write_calls(w, fleet_names[n].name, &s->nodes[n]);
	jw_close(w, '}');
}

static void
write_calls(struct jw *w, const char *name, const struct figures_calls *c)
{
	if (c->calls == 0)
		return;
	jw_object(w, name);
	jw_int(w, "calls", (int64_t)c->calls);
	jw_int(w, "failed", (int64_t)c->failed);
	jw_close(w, '}');
}

static void
write_failovers(struct jw *w, const struct figures_sum *s)
{
	jw_array(w, "failovers");
	for (int from = 0; from < FIGURES_NODES; from++)
		for (int to = 0; to < FIGURES_NODES; to++) {
			if (s->failovers[from][to] == 0)
				continue;
			jw_object(w, NULL);
			jw_str(w, "from", fleet_names[from].name);
			jw_str(w, "to", fleet_names[to].name);
			jw_int(w, "count", (int64_t)s->failovers[from][to]);
			jw_close(w, '}');
		}
	jw_close(w, ']');
}
