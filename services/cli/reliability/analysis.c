/* analysis: see analysis.h. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/reliability/analysis.h"
#include "cli/reliability/theory.h"

static void count(struct figures *, const struct record *);
static void times(struct figures *, double *);
static int bin_of(double);
static double mean_over_domains(const struct system *, const double[DOMAINS + 1]);
static const struct record **by_scenario(const struct system *);
static int earlier_scenario(const void *, const void *);
static void count_pair(struct pairs *, const struct record *, const struct record *);

void
figures_of(const struct system *s, int kind, struct figures *out)
{
	double *ms = mem_grow(NULL, s->n + 1, sizeof(*ms));

	*out = (struct figures){ .reliability = NAN,
		.weighted = NAN,
		.mean_ms = NAN,
		.p50_ms = NAN,
		.p99_ms = NAN,
		.max_ms = NAN,
		.ci = { 0, 1 },
		.cascade_ci = { 0, 1 },
		.p50_ci = { NAN, NAN },
		.p99_ci = { NAN, NAN } };
	for (size_t i = 0; i < s->n; i++)
		if (kind == ALL_KINDS || s->records[i].kind == kind) {
			ms[out->n] = s->records[i].latency_us / 1e3;
			count(out, &s->records[i]);
		}
	if (out->n > 0)
		times(out, ms);
	free(ms);
}

static void
count(struct figures *f, const struct record *r)
{
	f->n++;
	f->outcomes[r->outcome < OUTCOMES ? r->outcome : OUTCOME_FAILED]++;
	f->cascades += (r->flags & RECORD_CASCADE) != 0;
	f->shed += (r->flags & RECORD_SHED) != 0;
	f->late += (r->flags & RECORD_LATE) != 0;
	f->failovers += (r->flags & RECORD_FAILOVER) != 0;
	f->degraded += (r->flags & RECORD_DEGRADED) != 0;
	f->common += (r->flags & RECORD_COMMON) != 0;
	f->faultless += r->faults == 0;
	for (unsigned m = 0; m < MEMBERS; m++)
		f->failed_at[m] += (r->failed & MEMBER_BIT(m)) != 0;
}

/* Of n > 0 requests; sorts ms. */
static void
times(struct figures *f, double *ms)
{
	double n = (double)f->n, sum = 0;

	for (uint64_t i = 0; i < f->n; i++) {
		sum += ms[i];
		f->bins[bin_of(ms[i])]++;
	}
	stat_sort(ms, f->n);
	f->mean_ms = sum / n;
	f->p50_ms = stat_quantile(ms, f->n, 0.5);
	f->p99_ms = stat_quantile(ms, f->n, 0.99);
	f->max_ms = ms[f->n - 1];
	f->p50_ci = stat_quantile_interval(ms, f->n, 0.5, CONFIDENCE);
	f->p99_ci = stat_quantile_interval(ms, f->n, 0.99, CONFIDENCE);
	f->reliability = (double)f->outcomes[OUTCOME_SUCCESS] / n;
	f->weighted = ((double)f->outcomes[OUTCOME_SUCCESS] +
			  PARTIAL_WEIGHT * (double)f->outcomes[OUTCOME_PARTIAL]) /
	              n;
	f->ci = stat_wilson(f->outcomes[OUTCOME_SUCCESS], f->n, CONFIDENCE);
	f->cascade_ci = stat_exact(f->cascades, f->n, CONFIDENCE);
}

static int
bin_of(double ms)
{
	double at = ms <= BINS_FROM_MS ? 0 : log10(ms / BINS_FROM_MS) * BINS_PER_DECADE;

	return at >= BINS - 1 ? BINS - 1 : (int)at;
}

double
theory_of_requests(const struct run *r, const struct rates *e)
{
	double p[DOMAINS + 1];

	for (uint32_t d = 0; d <= DOMAINS; d++)
		p[d] = theory_request(e, &r->tries, d);
	return mean_over_domains(&r->federation, p);
}

double
theory_of_baseline(const struct run *r)
{
	double p[DOMAINS + 1];

	for (uint32_t d = 0; d <= DOMAINS; d++)
		p[d] = theory_baseline(r->rates.agent, d);
	return mean_over_domains(&r->baseline, p);
}

static double
mean_over_domains(const struct system *s, const double p[DOMAINS + 1])
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += p[__builtin_popcount(s->records[i].domains & DOMAINS_ALL)];
	return s->n > 0 ? sum / (double)s->n : NAN;
}

struct measured_rates
rates_measured(const struct system *s)
{
	struct measured_rates m = { .rates = { NAN, NAN, NAN } };
	double *const rate[LEVELS] = { &m.rates.meta, &m.rates.domain, &m.rates.agent };

	for (unsigned i = 0; i < MEMBERS; i++) {
		m.tries[member_table[i].level] += s->hops[i].tries;
		m.own[member_table[i].level] += s->hops[i].own;
	}
	for (unsigned l = 0; l < LEVELS; l++)
		if (m.tries[l] > 0)
			*rate[l] = (double)m.own[l] / (double)m.tries[l];
	return m;
}

void
pairs_of(const struct run *r, uint32_t rounds, uint64_t seed, struct pairs *out)
{
	const struct record **a = by_scenario(&r->federation), **b = by_scenario(&r->baseline);
	size_t na = r->federation.n, nb = r->baseline.n;
	double *ms = mem_grow(NULL, na + 1, sizeof(*ms));

	*out = (struct pairs){ .median_ms = NAN, .median_ci = { NAN, NAN } };
	for (size_t i = 0, k = 0; i < na && k < nb;) {
		if (a[i]->scenario != b[k]->scenario) {
			*(a[i]->scenario < b[k]->scenario ? &i : &k) += 1;
			continue;
		}
		count_pair(out, a[i], b[k]);
		if (a[i]->outcome == OUTCOME_SUCCESS && b[k]->outcome == OUTCOME_SUCCESS)
			ms[out->n_differences++] =
			    ((double)a[i]->latency_us - (double)b[k]->latency_us) / 1e3;
		i++, k++;
	}
	out->test = stat_mcnemar(out->b, out->c);
	if (rounds > 0 && out->n_differences > 0) {
		out->median_ci =
		    stat_bootstrap_median(ms, out->n_differences, rounds, CONFIDENCE, seed);
		stat_sort(ms, out->n_differences);
		out->median_ms = stat_quantile(ms, out->n_differences, 0.5);
	}
	free(ms);
	free(a);
	free(b);
}

static const struct record **
by_scenario(const struct system *s)
{
	const struct record **v = mem_grow(NULL, s->n + 1, sizeof(const struct record *));

	for (size_t i = 0; i < s->n; i++)
		v[i] = &s->records[i];
	qsort(v, s->n, sizeof(const struct record *), earlier_scenario);
	return v;
}

static int
earlier_scenario(const void *a, const void *b)
{
	const struct record *x = *(const struct record *const *)a;
	const struct record *y = *(const struct record *const *)b;

	return (x->scenario > y->scenario) - (x->scenario < y->scenario);
}

static void
count_pair(struct pairs *p, const struct record *a, const struct record *b)
{
	bool first = a->outcome == OUTCOME_SUCCESS, second = b->outcome == OUTCOME_SUCCESS;

	p->n++;
	p->both += first && second;
	p->b += first && !second;
	p->c += !first && second;
	p->neither += !first && !second;
}

double
done_per_s(const struct system *s)
{
	uint64_t done = 0;

	for (size_t i = 0; i < s->n; i++)
		done += s->records[i].outcome != OUTCOME_FAILED;
	return s->took_us > 0 ? (double)done * 1e6 / (double)s->took_us : NAN;
}

double
recovery_median_ms(const struct result *r, enum recovery_of of, bool back)
{
	double *ms = mem_grow(NULL, r->n_recoveries + 1, sizeof(*ms)), median = NAN;
	size_t n = 0;

	for (size_t i = 0; i < r->n_recoveries; i++) {
		const struct recovery *s = &r->recoveries[i];
		int64_t us = back ? s->back_us : s->served_us;

		if (s->of == of && us >= 0)
			ms[n++] = (double)us / 1e3;
	}
	if (n > 0) {
		stat_sort(ms, n);
		median = stat_quantile(ms, n, 0.5);
	}
	free(ms);
	return median;
}
