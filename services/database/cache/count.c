/* count: one table of families; those beyond its end share the last row, so that no caller's names
 * fill memory. */
#include <stdio.h>
#include <string.h>

#include "base/metrics.h"
#include "database/cache/count.h"

#define FAMILIES 16

struct family {
	char name[32];
	struct metric *by[4]; /* by enum get_outcome */
};

static const char *const get_names[] = { "hit", "absent", "miss", "stale" };
static const char *const fill_names[] = { "stored", "older", "too_large" };
static struct metric_family *gets;
static struct metric *fills[3], *dropped_keys, *dropped_tags;
static struct family families[FAMILIES];
static size_t n_families;

void
count_open(void)
{
	static const char *const get_labels[] = { "family", "outcome", NULL };
	static const char *const fill_labels[] = { "outcome", NULL };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_cache_fills_total",
	    "Entries offered, by outcome.", fill_labels);

	gets = metric_family(METRIC_COUNTER, "metafed_cache_gets_total",
	    "Keys looked up, by family of the first tag and outcome.", get_labels);
	for (size_t i = 0; i < 3; i++)
		fills[i] = metric_get(f, &fill_names[i]);
	dropped_keys =
	    metric_simple(METRIC_COUNTER, "metafed_cache_dropped_keys_total", "Keys dropped.");
	dropped_tags = metric_simple(
	    METRIC_COUNTER, "metafed_cache_dropped_tags_total", "Tags given a new generation.");
}

struct family *
count_family(const char *tag)
{
	char name[sizeof(families[0].name)];
	size_t n;

	if (tag == NULL)
		tag = "none";
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(tag, "/"), tag);
	for (n = 0; n < n_families; n++)
		if (strcmp(families[n].name, name) == 0 || n == FAMILIES - 1)
			return &families[n];
	if (n == FAMILIES - 1)
		strcpy(name, "other");
	memcpy(families[n].name, name, sizeof(name));
	for (size_t i = 0; i < 4; i++)
		families[n].by[i] =
		    metric_get(gets, (const char *const[]){ families[n].name, get_names[i] });
	n_families++;
	return &families[n];
}

void
count_get(struct family *f, enum get_outcome o)
{
	metric_inc(f->by[o]);
}

void
count_fill(enum fill_outcome o)
{
	metric_inc(fills[o]);
}

void
count_dropped(size_t keys, size_t tags)
{
	metric_add(dropped_keys, (double)keys);
	metric_add(dropped_tags, (double)tags);
}

void
count_stats(struct arena *a, Mf__CacheStats *out)
{
	out->fills = (uint64_t)fills[FILL_STORED]->value;
	out->older = (uint64_t)fills[FILL_OLDER]->value;
	out->too_large = (uint64_t)fills[FILL_TOO_LARGE]->value;
	out->families = ARENA_ARRAY(a, Mf__CacheFamily *, n_families + 1);
	for (size_t i = 0; i < n_families; i++) {
		const struct family *f = &families[i];
		Mf__CacheFamily *o = out->families[i] = ARENA_NEW(a, Mf__CacheFamily);

		mf__cache_family__init(o);
		o->name = arena_strdup(a, f->name);
		o->stale = (uint64_t)f->by[GET_STALE]->value;
		o->hits = (uint64_t)(f->by[GET_HIT]->value + f->by[GET_ABSENT]->value);
		o->misses = (uint64_t)f->by[GET_MISS]->value + o->stale;
		out->hits += o->hits;
		out->misses += o->misses;
		out->stale += o->stale;
		out->absents += (uint64_t)f->by[GET_ABSENT]->value;
	}
	out->n_families = n_families;
}
