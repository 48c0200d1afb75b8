/* metrics: families in the order of their making, each with its series in a hash by label values.
 * Invariant: a pointer given out stays valid until the process ends. Loop thread only. */
#include "base/metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#define uthash_malloc(n) mem_zalloc(n)
#include <uthash.h>

#define LABELS_MAX 4
#define KEY_MAX    512
#define SERIES_MAX 4096 /* of one family: beyond it a label is not bounded, which is a bug */

struct series {
	struct metric m;
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
};

struct collector {
	struct collector *next;
	void (*fn)(void *ctx);
	void *ctx;
};

static struct metric_family *families, **families_end = &families;
static struct collector *collectors;

static struct metric *series_get(struct metric_family *f, const char *key, size_t n);
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
	static const double bounds[] = { .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05,
		.1, .25, .5, 1, 2.5, 5, 10 };

	*n = sizeof(bounds) / sizeof(bounds[0]);
	return bounds;
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
	if (s == NULL)
		s = series_new(f, key, n);
	return &s->m;
}

static struct series *
series_new(struct metric_family *f, const char *key, size_t n)
{
	struct series *s = mem_zalloc(sizeof(*s) + n);
	const char *at = s->key;

	must(HASH_COUNT(f->series) < SERIES_MAX);
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
