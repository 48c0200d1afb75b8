/* exposition: metrics of many nodes as a page, in both formats. */
#include <math.h>
#include <string.h>
#include "api/api.h"
#include "base/str.h"
#include "harness/test.h"

static Mf__KeyValue what = MF__KEY_VALUE__INIT, node = MF__KEY_VALUE__INIT;
static Mf__MetricSample a, b, h;
static Mf__MetricFamily fa, fb, fh;
static Mf__Metrics ma, mb;
static Mf__MetricExemplar e;
static double bounds[] = { 0.001, 0.5, 2 };
static uint64_t counts[] = { 1, 2, 2 };
static struct buf page;

static int
make(void **unused)
{
	static Mf__KeyValue *labels[] = { &what, &node };
	static Mf__MetricSample *sa[] = { &a }, *sb[] = { &b }, *sh[] = { &h };
	static Mf__MetricFamily *of_a[] = { &fa, &fh }, *of_b[] = { &fb };
	static Mf__MetricExemplar *exemplars[] = { &e };

	(void)unused;
	mf__metric_sample__init(&a), mf__metric_sample__init(&b), mf__metric_sample__init(&h);
	mf__metric_family__init(&fa), mf__metric_family__init(&fb), mf__metric_family__init(&fh);
	mf__metrics__init(&ma), mf__metrics__init(&mb), mf__metric_exemplar__init(&e);
	what.key = (char *)"what", what.value = (char *)"a\"b\\c\nd";
	node.key = (char *)"node", node.value = (char *)"rest";
	a.value = 3, a.n_labels = 2, a.labels = labels;
	b.value = 0.25;
	fa.name = fb.name = (char *)"x_bytes_total", fa.help = fb.help = (char *)"Some\n\"help\".";
	fa.n_samples = 1, fa.samples = sa;
	fb.n_samples = 1, fb.samples = sb;
	fh.name = (char *)"h_seconds", fh.kind = MF__METRIC_KIND__HISTOGRAM, fh.n_bounds = 3,
	fh.bounds = bounds;
	h.count = 3, h.value = 4.5, h.n_bucket_counts = 3, h.bucket_counts = counts;
	h.n_exemplars = 1, h.exemplars = exemplars;
	e.bucket = 3, e.value = 4.1, e.at = 1700000000.25;
	e.trace_id = (char *)"4bf92f3577b34da6a3ce929d0e0e4736";
	fh.n_samples = 1, fh.samples = sh;
	ma.n_families = 2, ma.families = of_a;
	mb.n_families = 1, mb.families = of_b;
	page = (struct buf){ NULL, 0, 0 };
	return 0;
}

static int
drop(void **unused)
{
	(void)unused;
	buf_free(&page);
	return 0;
}

static const char *
written(enum exposition form)
{
	const struct scraped all[] = { { "api", NULL, &ma }, { "sql", "sql-0\"", &mb },
		{ "jwt", NULL, NULL } };

	exposition_write(&page, form, 3, all);
	buf_add(&page, "", 1);
	return page.p;
}

static void
metrics_of_many_nodes_are_one_page_with_one_head_per_family(void **unused)
{
	(void)unused;
	assert_string_equal(written(EXPOSITION_TEXT),
	    "# HELP metafed_up Whether the node answered this scrape.\n# TYPE metafed_up gauge\n"
	    "metafed_up{node=\"api\"} 1\nmetafed_up{node=\"sql\",replica=\"sql-0\\\"\"} "
	    "1\nmetafed_up{node=\"jwt\"} 0\n"
	    "# HELP h_seconds \n# TYPE h_seconds histogram\n"
	    "h_seconds_bucket{node=\"api\",le=\"0.001\"} 1\n"
	    "h_seconds_bucket{node=\"api\",le=\"0.5\"} 2\n"
	    "h_seconds_bucket{node=\"api\",le=\"2\"} 2\n"
	    "h_seconds_bucket{node=\"api\",le=\"+Inf\"} 3\nh_seconds_sum{node=\"api\"} 4.5\n"
	    "h_seconds_count{node=\"api\"} 3\n"
	    "# HELP x_bytes_total Some\\n\"help\".\n# TYPE x_bytes_total counter\n"
	    "x_bytes_total{node=\"api\",what=\"a\\\"b\\\\c\\nd\",exported_node=\"rest\"} 3\n"
	    "x_bytes_total{node=\"sql\",replica=\"sql-0\\\"\"} 0.25\n");
}

static void
openmetrics_has_units_exemplars_and_an_end(void **unused)
{
	(void)unused;
	assert_string_equal(written(EXPOSITION_OPENMETRICS),
	    "# HELP metafed_up Whether the node answered this scrape.\n# TYPE metafed_up gauge\n"
	    "metafed_up{node=\"api\"} 1\nmetafed_up{node=\"sql\",replica=\"sql-0\\\"\"} "
	    "1\nmetafed_up{node=\"jwt\"} 0\n"
	    "# HELP h_seconds \n# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n"
	    "h_seconds_bucket{node=\"api\",le=\"0.001\"} 1\n"
	    "h_seconds_bucket{node=\"api\",le=\"0.5\"} 2\n"
	    "h_seconds_bucket{node=\"api\",le=\"2.0\"} 2\n"
	    "h_seconds_bucket{node=\"api\",le=\"+Inf\"} 3 # "
	    "{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 4.1 1700000000.250\n"
	    "h_seconds_sum{node=\"api\"} 4.5\nh_seconds_count{node=\"api\"} 3\n"
	    "# HELP x_bytes Some\\n\\\"help\\\".\n# TYPE x_bytes counter\n# UNIT x_bytes bytes\n"
	    "x_bytes_total{node=\"api\",what=\"a\\\"b\\\\c\\nd\",exported_node=\"rest\"} 3\n"
	    "x_bytes_total{node=\"sql\",replica=\"sql-0\\\"\"} 0.25\n# EOF\n");
}

static void
a_number_is_the_shortest_text_that_says_it(void **unused)
{
	static const struct {
		double value;
		const char *text;
	} all[] = { { 0, "0" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" }, { -2.5, "-2.5" },
		{ 123456789012345, "123456789012345" }, { 1e300, "1e+300" }, { INFINITY, "+Inf" },
		{ -INFINITY, "-Inf" }, { NAN, "NaN" } };
	char line[64];

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		b.value = all[i].value;
		snprintf(line, sizeof(line),
		    "\nx_bytes_total{node=\"sql\",replica=\"sql-0\\\"\"} %s\n", all[i].text);
		assert_non_null(strstr(written(EXPOSITION_TEXT), line));
		buf_free(&page);
	}
}

static void
what_an_other_version_calls_by_the_same_name_is_left_out(void **unused)
{
	const char *text;

	(void)unused;
	fb.kind = MF__METRIC_KIND__GAUGE;
	text = written(EXPOSITION_TEXT);
	assert_non_null(strstr(text, "# TYPE x_bytes_total counter\n"));
	assert_null(strstr(text, "x_bytes_total{node=\"sql\",replica=\"sql-0\\\"\"}"));
}

#define P(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		P(metrics_of_many_nodes_are_one_page_with_one_head_per_family),
		P(openmetrics_has_units_exemplars_and_an_end),
		P(a_number_is_the_shortest_text_that_says_it),
		P(what_an_other_version_calls_by_the_same_name_is_left_out),
	};

	return TEST_RUN(tests);
}
