/* metrics: families, series, and the walk over them. */
#include <stdio.h>
#include <string.h>
#include "base/metrics.h"
#include "harness/test.h"

static const char *const labels[] = { "node", "status", NULL };

static void
the_same_name_is_the_same_family_and_the_same_labels_the_same_series(void **unused)
{
	struct metric_family *f = metric_family(METRIC_COUNTER, "t_calls_total", "Calls.", labels);
	char node[] = "sql";
	const char *const values[] = { node, "OK" }, *const same[] = { "sql", "OK" },
			  *const other[] = { "sq", "lOK" };
	struct metric *m = metric_get(f, values);

	(void)unused;
	assert_ptr_equal(metric_family(METRIC_COUNTER, "t_calls_total", "Calls.", labels), f);
	node[0] = 'x'; /* values were copied */
	assert_ptr_equal(metric_get(f, same), m);
	assert_ptr_not_equal(metric_get(f, other), m);
}

struct seen {
	double value;
	uint64_t count;
	size_t n;
	char values[64];
};

static const char *wanted;

static void
visit(void *ctx, enum metric_kind kind, const char *name, const char *help, size_t n_labels,
    const char *const *names, const char *const *values, const struct metric *m)
{
	struct seen *s = ctx;

	(void)help, (void)names;
	if (strcmp(name, wanted) != 0)
		return;
	s->n++;
	s->value += m->value;
	if (kind == METRIC_HISTOGRAM)
		s->count += m->hist->count;
	s->values[0] = '\0';
	for (size_t i = 0; i < n_labels; i++) {
		strcat(s->values, values[i]);
		strcat(s->values, ";");
	}
}

static void
a_walk_sees_every_series_with_its_labels(void **unused)
{
	struct metric_family *f = metric_family(METRIC_GAUGE, "t_open", "Open.", labels);
	const char *const a[] = { "sql", "" }, *const b[] = { "cache", "OK" };
	struct seen s = { 0 };

	(void)unused;
	metric_set(metric_get(f, a), 2);
	metric_add(metric_get(f, b), 3);
	metric_inc(metric_get(f, b));
	wanted = "t_open";
	metric_each(visit, &s);
	assert_int_equal(s.n, 2);
	assert_true(s.value == 6);
	assert_string_equal(s.values, "cache;OK;");
}

static void
a_histogram_counts_microseconds(void **unused)
{
	struct metric *m = metric_simple(METRIC_HISTOGRAM, "t_seconds", "Time.");
	struct seen s = { 0 };

	(void)unused;
	metric_time(m, 1500);
	metric_time(m, 3);
	wanted = "t_seconds";
	metric_each(visit, &s);
	assert_int_equal(s.count, 2);
	assert_int_equal(m->hist->sum_us, 1503);
}

static void
fill(void *ctx)
{
	metric_set(ctx, 42);
}

static void
a_gauge_may_be_filled_when_somebody_looks(void **unused)
{
	struct metric *m = metric_simple(METRIC_GAUGE, "t_lazy", "Lazy.");
	struct seen s = { 0 };

	(void)unused;
	metric_on_collect(fill, m);
	assert_true(m->value == 0);
	wanted = "t_lazy";
	metric_each(visit, &s);
	assert_true(s.value == 42);
}

static void
what_has_gone_is_dropped_and_comes_back_anew(void **unused)
{
	static const char *const by[] = { "process", NULL };
	struct metric_family *f = metric_family(METRIC_COUNTER, "t_gone_total", "Gone.", by);
	const char *a = "a", *b = "b";
	struct seen s = { 0 };

	(void)unused;
	metric_inc(metric_get(f, &a));
	metric_inc(metric_get(f, &b));
	metric_drop(f, metric_get(f, &a));
	wanted = "t_gone_total";
	metric_each(visit, &s);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.values, "b;");
	assert_true(metric_get(f, &a)->value == 0);
}

static void
a_label_without_bounds_fills_no_memory_and_is_told_of_once(void **unused)
{
	struct metric_family *f =
	    metric_family(METRIC_COUNTER, "t_unbounded_total", "Unbounded.", labels);
	struct seen s = { 0 };
	char name[16];

	(void)unused;
	test_expect_log(LOG_ERROR, 1);
	for (int i = 0; i < 6000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		metric_inc(metric_get(f, (const char *const[]){ name, "OK" }));
	}
	wanted = "t_unbounded_total";
	metric_each(visit, &s);
	assert_int_equal(s.n, 4096 + 1);
	assert_true(s.value == 6000);
	assert_true(metric_get(f, (const char *const[]){ "other", "other" })->value == 6000 - 4096);
}

static void
an_exemplar_is_the_last_one_of_its_bucket(void **unused)
{
	static const char first[] = "4bf92f3577b34da6a3ce929d0e0e4736",
			  last[] = "5bf92f3577b34da6a3ce929d0e0e4736",
			  slow[] = "6bf92f3577b34da6a3ce929d0e0e4736";
	struct metric *m = metric_simple(METRIC_HISTOGRAM, "t_traced_seconds", "Time.");
	size_t n;
	const double *b = metric_bounds(&n);

	(void)unused;
	assert_null(m->exemplars);
	metric_exemplar(m, 1000, first);
	metric_exemplar(m, 900, last);
	metric_exemplar(m, 3600000000, slow);
	for (size_t i = 0; i <= n; i++) {
		const char *want = i == n ? slow : b[i] == 0.001 ? last : "";

		assert_string_equal(m->exemplars[i].trace, want);
	}
	assert_int_equal(m->exemplars[n].us, 3600000000);
	assert_true(m->exemplars[n].at_us > 0);
}

static void
what_is_no_trace_is_no_exemplar(void **unused)
{
	static const char *const none[] = { "", "00000000000000000000000000000000",
		"4bf92f3577b34da6a3ce929d0e0e473", "4bf92f3577b34da6a3ce929d0e0e47361",
		"4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e473\"" };
	struct metric *m = metric_simple(METRIC_HISTOGRAM, "t_untraced_seconds", "Time.");

	(void)unused;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		metric_exemplar(m, 1000, none[i]);
	assert_null(m->exemplars);
}

static void
bounds_rise(void **unused)
{
	size_t n;
	const double *b = metric_bounds(&n);

	(void)unused;
	assert_true(n > 10);
	for (size_t i = 1; i < n; i++)
		assert_true(b[i] > b[i - 1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_same_name_is_the_same_family_and_the_same_labels_the_same_series),
		T(a_walk_sees_every_series_with_its_labels),
		T(a_histogram_counts_microseconds),
		T(a_gauge_may_be_filled_when_somebody_looks),
		T(what_has_gone_is_dropped_and_comes_back_anew),
		T(a_label_without_bounds_fills_no_memory_and_is_told_of_once),
		T(an_exemplar_is_the_last_one_of_its_bucket),
		T(what_is_no_trace_is_no_exemplar),
		T(bounds_rise),
	};

	return TEST_RUN(tests);
}
