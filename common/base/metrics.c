/* metrics: families in the order of their making, each with its series in a hash by label values.
 * Invariant: a pointer given out stays valid until it is dropped. Loop thread only. */
#include "base/metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#define uthash_malloc(n) mem_zalloc(n)
#include <uthash.h>

#define LABELS_MAX 4
#define KEY_MAX    512
#define SERIES_MAX 4096 /* of one family: beyond it a label is not bounded, which is a bug */
#define OVERFLOW   "other"

struct series {
	struct metric m; /* first */
	UT_hash_handle hh;
	const char *values[LABELS_MAX]; /* into key */
	char key[];                     /* the values, each with its NUL */
};

struct metric_family {
	struct metric_family *next;
	enum metric_kind kind;
	const char *name, *help;
	size_t n_labels;
	const char *label_names[LABELS_MAX];
	struct series *series;
	bool full; /* has been: it was said */
};

struct collector {
	struct collector *next;
	void (*fn)(void *ctx);
	void *ctx;
};

static const double bounds[METRIC_BOUNDS] = { .0001, .00025, .0005, .001, .0025, .005, .01, .025,
	.05, .1, .25, .5, 1, 2.5, 5, 10 };

static struct metric_family *families, **families_end = &families;
static struct collector *collectors;

static struct metric *series_get(struct metric_family *f, const char *key, size_t n);
static struct series *series_overflow(struct metric_family *f);
static struct series *series_new(struct metric_family *f, const char *key, size_t n);

struct metric_family *
metric_family(
    enum metric_kind kind, const char *name, const char *help, const char *const *label_names)
{
	struct metric_family *f;

	for (f = families; f != NULL; f = f->next) {
		if (strcmp(f->name, name) == 0) {
			must(f->kind == kind);
			return f;
		}
	}
	f = mem_zalloc(sizeof(*f));
	f->kind = kind;
	f->name = name;
	f->help = help;
	for (; label_names != NULL && label_names[f->n_labels] != NULL; f->n_labels++) {
		must(f->n_labels < LABELS_MAX);
		f->label_names[f->n_labels] = label_names[f->n_labels];
	}
	*families_end = f;
	families_end = &f->next;
	return f;
}

struct metric *
metric_get(struct metric_family *f, const char *const *label_values)
{
	char key[KEY_MAX];
	size_t n = 0;

	for (size_t i = 0; i < f->n_labels; i++) {
		size_t len = strlen(label_values[i]) + 1;

		must(len <= sizeof(key) - n);
		memcpy(key + n, label_values[i], len);
		n += len;
	}
	return series_get(f, key, n);
}

void
metric_drop(struct metric_family *f, struct metric *m)
{
	struct series *s = (struct series *)(void *)m;

	HASH_DEL(f->series, s);
	free(m->hist);
	free(m->exemplars);
	free(s);
}

struct metric *
metric_simple(enum metric_kind kind, const char *name, const char *help)
{
	struct metric_family *f = metric_family(kind, name, help, NULL);

	must(f->n_labels == 0);
	return series_get(f, "", 0);
}

const double *
metric_bounds(size_t *n)
{
	*n = METRIC_BOUNDS;
	return bounds;
}

void
metric_exemplar(struct metric *m, int64_t us, const char *trace_id)
{
	double s = (double)(us < 0 ? 0 : us) / (double)SEC;
	struct exemplar *e;
	size_t i = 0;

	must(m->hist != NULL);
	if (strspn(trace_id, "0123456789abcdef") != 32 || trace_id[32] != '\0' ||
	    strspn(trace_id, "0") == 32)
		return;
	if (m->exemplars == NULL)
		m->exemplars = mem_zalloc((METRIC_BOUNDS + 1) * sizeof(*m->exemplars));
	while (i < METRIC_BOUNDS && s > bounds[i])
		i++;
	e = &m->exemplars[i];
	*e = (struct exemplar){ .us = us < 0 ? 0 : us, .at_us = time_wall_us() };
	memcpy(e->trace, trace_id, sizeof(e->trace));
}

void
metric_each(metric_visit_fn *visit, void *ctx)
{
	for (struct collector *c = collectors; c != NULL; c = c->next)
		c->fn(c->ctx);
	for (struct metric_family *f = families; f != NULL; f = f->next)
		for (struct series *s = f->series; s != NULL; s = s->hh.next)
			visit(ctx, f->kind, f->name, f->help, f->n_labels, f->label_names,
			    s->values, &s->m);
}

void
metric_on_collect(void (*fn)(void *ctx), void *ctx)
{
	struct collector *c = mem_zalloc(sizeof(*c));

	*c = (struct collector){ .next = collectors, .fn = fn, .ctx = ctx };
	collectors = c;
}

static struct metric *
series_get(struct metric_family *f, const char *key, size_t n)
{
	struct series *s;

	HASH_FIND(hh, f->series, key, n, s);
	if (s == NULL && HASH_COUNT(f->series) >= SERIES_MAX)
		s = series_overflow(f);
	if (s == NULL)
		s = series_new(f, key, n);
	return &s->m;
}

/* All that are too many count together. */
static struct series *
series_overflow(struct metric_family *f)
{
	char key[LABELS_MAX * sizeof(OVERFLOW)];
	struct series *s;
	size_t n = f->n_labels * sizeof(OVERFLOW);

	for (size_t i = 0; i < f->n_labels; i++)
		memcpy(key + i * sizeof(OVERFLOW), OVERFLOW, sizeof(OVERFLOW));
	if (!f->full)
		log_error("metric_unbounded", L_STR("name", f->name));
	f->full = true;
	HASH_FIND(hh, f->series, key, n, s);
	return s != NULL ? s : series_new(f, key, n);
}

static struct series *
series_new(struct metric_family *f, const char *key, size_t n)
{
	struct series *s = mem_zalloc(sizeof(*s) + n);
	const char *at = s->key;

	memcpy(s->key, key, n);
	for (size_t i = 0; i < f->n_labels; i++) {
		s->values[i] = at;
		at += strlen(at) + 1;
	}
	if (f->kind == METRIC_HISTOGRAM)
		s->m.hist = mem_zalloc(sizeof(*s->m.hist));
	HASH_ADD_KEYPTR(hh, f->series, s->key, n, s);
	return s;
}
