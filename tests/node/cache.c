/* cache: the service mf.Cache on a real Redis: versions, tombstones, tags, absences, counts. */
#include <string.h>

#include "base/time.h"
#include "harness/cohbed.h"

struct said { /* what one call of the cache came to */
	struct call *call;
	struct rpc *rpc;
	bool ended;
	enum status status;
	char message[100];
	uint32_t changed;
	bool found, absent;
	char value[40];
	uint64_t version, stamp, generations[8];
	Mf__CacheStats *stats;
};

static struct said
begin(void)
{
	struct said s = { 0 };

	s.call = call_root(cohbed.bus, &(const struct call_opts){ .limit_us = 5 * SEC });
	return s;
}

static bool
has_ended(void *ctx)
{
	return ((struct said *)ctx)->ended;
}

static void
said(struct said *s, const ProtobufCMessage *m)
{
	s->ended = true;
	s->status = m != NULL ? ST_OK : rpc_failure(s->rpc)->status;
	if (m == NULL)
		snprintf(s->message, sizeof(s->message), "%s", rpc_failure(s->rpc)->message);
	call_cancel(s->call);
}

static void
on_entries(const Mf__CacheEntries *m, void *ctx)
{
	struct said *s = ctx;

	if (m != NULL) {
		const Mf__CacheEntry *e = m->entries[0];

		s->found = e->found;
		s->absent = e->absent;
		s->version = e->version;
		s->stamp = e->stamp;
		snprintf(
		    s->value, sizeof(s->value), "%.*s", (int)e->value.len, (char *)e->value.data);
		for (size_t i = 0; i < m->n_generations && i < 8; i++)
			s->generations[i] = m->generations[i];
	}
	said(s, m != NULL ? &m->base : NULL);
}

static void
on_done(const Mf__CacheDone *m, void *ctx)
{
	struct said *s = ctx;

	s->changed = m != NULL ? m->changed : 0;
	said(s, m != NULL ? &m->base : NULL);
}

static void
on_stats(const Mf__CacheStats *m, void *ctx)
{
	struct said *s = ctx;
	uint8_t bytes[2000];

	assert_non_null(m);
	assert_true(mf__cache_stats__get_packed_size(m) <= sizeof(bytes));
	s->stats = mf__cache_stats__unpack(NULL, mf__cache_stats__pack(m, bytes), bytes);
	said(s, &m->base);
}

static struct said
get(const char *key, const char *tag)
{
	struct said s = begin();
	Mf__CacheGet q = MF__CACHE_GET__INIT;
	char *keys[] = { S(key) }, *tags[] = { S(tag) };

	q.n_keys = 1;
	q.keys = keys;
	q.n_tags = tag != NULL;
	q.tags = tags;
	s.rpc = rpc_new(s.call, cohbed.cache, NULL);
	mf__cache__get(&s.rpc->service, &q, on_entries, &s);
	bed_until(has_ended, &s, 5 * SEC);
	return s;
}

struct fill {
	const char *key, *value, *tag;
	uint64_t version, generation, stamp;
	bool absent;
	uint32_t ttl_ms;
};

static struct said
set(struct fill f)
{
	struct said s = begin();
	Mf__CacheSet q = MF__CACHE_SET__INIT;
	Mf__CacheTag tag = MF__CACHE_TAG__INIT, *tags[] = { &tag };

	q.key = S(f.key);
	if (f.value != NULL)
		q.value = (ProtobufCBinaryData)DATA(f.value);
	q.version = f.version;
	q.stamp = f.stamp;
	q.absent = f.absent;
	q.ttl_ms = f.ttl_ms;
	tag.name = S(f.tag);
	tag.generation = f.generation;
	q.n_tags = f.tag != NULL;
	q.tags = tags;
	s.rpc = rpc_new(s.call, cohbed.cache, NULL);
	mf__cache__set(&s.rpc->service, &q, on_done, &s);
	bed_until(has_ended, &s, 5 * SEC);
	return s;
}

static struct said
drop(const char *key, uint64_t version)
{
	struct said s = begin();
	Mf__CacheDrop q = MF__CACHE_DROP__INIT;
	char *keys[] = { S(key) };

	q.n_keys = 1;
	q.keys = keys;
	q.version = version;
	q.tombstone_ms = 5000;
	s.rpc = rpc_new(s.call, cohbed.cache, NULL);
	mf__cache__drop(&s.rpc->service, &q, on_done, &s);
	bed_until(has_ended, &s, 5 * SEC);
	return s;
}

static struct said
drop_tag(const char *tag)
{
	struct said s = begin();
	Mf__CacheDropTags q = MF__CACHE_DROP_TAGS__INIT;
	char *tags[] = { S(tag) };

	q.n_tags = 1;
	q.tags = tags;
	s.rpc = rpc_new(s.call, cohbed.cache, NULL);
	mf__cache__drop_tags(&s.rpc->service, &q, on_done, &s);
	bed_until(has_ended, &s, 5 * SEC);
	return s;
}

static Mf__CacheStats *
stats(void)
{
	struct said s = begin();
	Mf__Empty none = MF__EMPTY__INIT;

	s.rpc = rpc_new(s.call, cohbed.cache, NULL);
	mf__cache__stats(&s.rpc->service, &none, on_stats, &s);
	bed_until(has_ended, &s, 5 * SEC);
	return s.stats;
}

/* --- tests --- */

static void
an_entry_never_goes_back_in_version(void **unused)
{
	struct said s;

	(void)unused;
	assert_int_equal(set((struct fill){ "v", "two", .version = 2, .stamp = 77 }).changed, 1);
	assert_int_equal(set((struct fill){ "v", "one", .version = 1 }).changed, 0);
	s = get("v", NULL);
	assert_true(s.found && s.version == 2 && s.stamp == 77);
	assert_string_equal(s.value, "two");
	assert_int_equal(drop("v", 3).changed, 1);
	assert_false(get("v", NULL).found);
	assert_int_equal(set((struct fill){ "v", "two", .version = 2 }).changed, 0);
	assert_int_equal(set((struct fill){ "v", "three", .version = 3 }).changed, 1);
	assert_true(get("v", NULL).found);
}

static void
an_entry_answers_while_its_tag_has_its_generation(void **unused)
{
	struct said s = get("t", "task/a");
	uint64_t first = s.generations[0];

	(void)unused;
	assert_int_not_equal(first, 0);
	assert_true(get("t", "task/a").generations[0] == first);
	set((struct fill){ "t", "list", .tag = "task/a", .generation = first });
	assert_string_equal(get("t", "task/a").value, "list");
	assert_false(get("t", NULL).found);     /* who does not ask can't know */
	assert_false(get("t", "task/b").found); /* another's is none of its own */
	assert_int_equal(drop_tag("task/a").status, ST_OK);
	s = get("t", "task/a");
	assert_false(s.found);
	assert_true(s.generations[0] != first);
	/* a fill that comes late */
	set((struct fill){ "t", "old", .tag = "task/a", .generation = first });
	assert_false(get("t", "task/a").found);
	set((struct fill){ "t", "new", .tag = "task/a", .generation = s.generations[0] });
	assert_string_equal(get("t", "task/a").value, "new");
}

static void
generations_never_come_again_after_a_loss(void **unused)
{
	uint64_t before = get("l", "task/l").generations[0];

	(void)unused;
	stores_kill_redis(sqlbed.stores, "cache");
	stores_start_redis(sqlbed.stores, "cache");
	cohbed_wait_for_cache();
	assert_true(get("l", "task/l").generations[0] != before);
}

static void
that_there_is_none_is_an_entry_too(void **unused)
{
	struct said s;

	(void)unused;
	set((struct fill){ "n", .absent = true, .ttl_ms = 60000 });
	s = get("n", NULL);
	assert_true(s.found && s.absent);
	assert_int_equal(drop("n", 1).changed, 1);
	assert_false(get("n", NULL).found);
	/* said by a reader who was too slow */
	assert_int_equal(set((struct fill){ "n", .absent = true, .ttl_ms = 60000 }).changed, 0);
	set((struct fill){ "n", "made", .version = 1 });
	assert_string_equal(get("n", NULL).value, "made");
}

static void
what_is_too_large_or_unclear_is_refused(void **unused)
{
	static char large[(1 << 18) + 2];

	(void)unused;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(
	    set((struct fill){ "large", large, .version = 1 }).status, ST_INVALID_ARGUMENT);
	assert_int_equal(set((struct fill){ "", "x", .version = 1 }).status, ST_INVALID_ARGUMENT);
	assert_int_equal(
	    set((struct fill){ "g", "x", .tag = "task/a" }).status, ST_INVALID_ARGUMENT);
}

static void
it_counts_what_becomes_of_gets_and_fills(void **unused)
{
	Mf__CacheStats *before = stats(), *after;
	uint64_t g = get("s", "counted/a").generations[0]; /* a miss */

	(void)unused;
	set((struct fill){ "s", "x", .version = 2, .tag = "counted/a", .generation = g });
	set((struct fill){ "s", "x", .version = 1, .tag = "counted/a", .generation = g });
	get("s", "counted/a");
	drop_tag("counted/a");
	get("s", "counted/a"); /* stale */
	after = stats();
	assert_int_equal(after->hits - before->hits, 1);
	assert_int_equal(after->misses - before->misses, 2);
	assert_int_equal(after->stale - before->stale, 1);
	assert_int_equal(after->fills - before->fills, 1);
	assert_int_equal(after->older - before->older, 1);
	assert_true(after->max_bytes > 0 && after->used_bytes > 0 && after->entries > 0);
	for (size_t i = 0; i < after->n_families; i++)
		if (strcmp(after->families[i]->name, "counted") == 0)
			assert_true(
			    after->families[i]->hits == 1 && after->families[i]->stale == 1);
	mf__cache_stats__free_unpacked(before, NULL);
	mf__cache_stats__free_unpacked(after, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_entry_never_goes_back_in_version),
		T(an_entry_answers_while_its_tag_has_its_generation),
		cmocka_unit_test(generations_never_come_again_after_a_loss),
		T(that_there_is_none_is_an_entry_too),
		T(what_is_too_large_or_unclear_is_refused),
		T(it_counts_what_becomes_of_gets_and_fills),
	};

	return cmocka_run_group_tests(tests, cohbed_start, cohbed_stop);
}
