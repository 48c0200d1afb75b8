/* cache: the operations of mf.Cache on one Redis connection.
 *
 * Invariant: an entry never goes back in version. A set compares with what is there, tombstones
 * included, inside Redis (one script, one round trip), so that a slow reader can't put old data
 * back after a drop. An entry with tags answers only while each has the generation that its reader
 * was told; a dropped tag is deleted, and who asks for it next makes a new generation.
 *
 * Every command names one key and all of a call leave in one write: one round trip, and nothing
 * that a Redis Cluster would refuse. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/call.h"
#include "database/cache/cache.h"
#include "database/cache/count.h"
#include "database/cache/entry.h"
#include "store/redis.h"
#include "store/secret.h"

#define KEYS_MAX   256
#define KEY_PREFIX "mf:c:"
#define TAG_PREFIX "mf:t:"
#define TAG_LIFE   "604800" /* s; an entry whose tag went before it is a miss */
#define SHARE      64       /* a value may take this part of the server's memory, not more */

struct get {
	struct call *c;
	const Mf__CacheGet *q; /* the keys come back with the entries */
	struct entry *found;   /* in the order of the keys; kind 0: none */
	struct entry_tag *tags;
	size_t left; /* replies that are still out */
};
struct part { /* of a get: one reply */
	struct get *x;
	size_t i;
};
struct change { /* of several keys */
	struct call *c;
	uint32_t changed;
	size_t left;
};

static void cache_get(Mf__Cache_Service *, const Mf__CacheGet *, Mf__CacheEntries_Closure, void *);
static void cache_set(Mf__Cache_Service *, const Mf__CacheSet *, Mf__CacheDone_Closure, void *);
static void
cache_set_many(Mf__Cache_Service *, const Mf__CacheSets *, Mf__CacheDone_Closure, void *);
static void cache_drop(Mf__Cache_Service *, const Mf__CacheDrop *, Mf__CacheDone_Closure, void *);
static void
cache_drop_tags(Mf__Cache_Service *, const Mf__CacheDropTags *, Mf__CacheDone_Closure, void *);
static void cache_stats(Mf__Cache_Service *, const Mf__Empty *, Mf__CacheStats_Closure, void *);
static void get_tag(struct get *, size_t);
static void on_got(const struct redis_reply *, void *);
static void on_tag_made(const struct redis_reply *, void *);
static void on_tag(const struct redis_reply *, void *);
static void get_end(struct get *);
static void set_one(struct change *, const Mf__CacheSet *);
static const char *set_wrong(struct call *, const Mf__CacheSet *);
static void on_set(const struct redis_reply *, void *);
static void on_changed(const struct redis_reply *, void *);
static struct change *change_new(struct call *, size_t);
static void change_one(struct change *, const struct redis_reply *);
static void look_at_server(void);
static void on_server(const struct redis_reply *, void *);
static void on_stats(const struct redis_reply *, void *);
static const struct cache_config *config(void);
static const char *full_key(struct call *, const char *, const char *, size_t *);
static uint64_t info_number(const struct redis_reply *, const char *);

Mf__Cache_Service cache_service = MF__CACHE__INIT(cache_);
const char *const cache_capabilities[] = { "get", "set", "drop", "versions", "tombstones", "tags",
	"absent", NULL };

const struct config_key cache_keys[] = {
	{ "redis_cache", CONFIG_STR, offsetof(struct cache_config, redis), "", 0, 0, false, true,
	    "volatile Redis, unix:PATH or tcp:HOST:PORT; empty: the private server" },
	{ "redis_cache_password_file", CONFIG_PATH, offsetof(struct cache_config, password_file),
	    "", 0, 0, false, true, "file that holds its password" },
	{ "ttl", CONFIG_DURATION, offsetof(struct cache_config, ttl_us), "60s", SEC, 86400 * SEC,
	    false, false, "life of an entry that names none" },
	{ "value_max", CONFIG_BYTES, offsetof(struct cache_config, value_max_bytes), "256k", 1,
	    16 << 20, false, false, "a larger value is not cached" },
	{ .name = NULL },
};

static struct redis *server;
static struct node *self; /* NULL: opened without one */
static const struct cache_config *fixed;
static bool looked;        /* at what memory the server has */
static uint64_t max_bytes; /* 0: not known, or no bound */

bool
cache_init(struct node *n)
{
	const struct cache_config *cf = node_config(n);
	char *address = NULL;

	self = n;
	if (cf->redis[0] == '\0' &&
	    asprintf(&address, "unix:%s/run/stores/redis-cache.sock", node_var(n)) < 0)
		return false;
	cache_open(node_loop(n), address != NULL ? address : cf->redis, cf);
	free(address);
	node_ready(n);
	return true;
}

void
cache_open(struct loop *l, const char *address, const struct cache_config *cf)
{
	char *password = secret_read(cf->password_file);

	fixed = cf;
	looked = false;
	count_open();
	server =
	    redis_new(l, &(const struct redis_opts){ .address = address, .password = password });
	secret_free(&password);
}

void
cache_close(void)
{
	redis_free(&server);
}

static const struct cache_config *
config(void)
{
	return self != NULL ? node_config(self) : fixed;
}

void
cache_fini(struct node *n)
{
	(void)n;
	cache_close();
}

/* Get: entries in the order of the keys, generations in the order of the tags. */
void
cache_get(Mf__Cache_Service *s, const Mf__CacheGet *q, Mf__CacheEntries_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct arena *a = call_arena(c);
	struct get *x = ARENA_NEW(a, struct get);

	(void)s, (void)reply;
	if (q->n_keys == 0 || q->n_keys > KEYS_MAX || q->n_tags > ENTRY_TAGS_MOST) {
		call_fail(c, ST_INVALID_ARGUMENT, "keys: 1 to %d are allowed; tags: at most %d",
		    KEYS_MAX, ENTRY_TAGS_MOST);
		return;
	}
	x->c = c;
	x->q = q;
	x->found = ARENA_ARRAY(a, struct entry, q->n_keys);
	x->tags = ARENA_ARRAY(a, struct entry_tag, q->n_tags + 1);
	x->left = q->n_keys + q->n_tags;
	for (size_t i = 0; i < q->n_keys; i++) {
		struct part *p = ARENA_NEW(a, struct part);
		const char *argv[2] = { "GET" };
		size_t lens[2] = { 3 };

		*p = (struct part){ x, i };
		argv[1] = full_key(c, KEY_PREFIX, q->keys[i], &lens[1]);
		redis_command(server, c, 2, argv, lens, on_got, p);
	}
	for (size_t i = 0; i < q->n_tags; i++)
		get_tag(x, i);
}

/* A tag that is not there begins with a generation that nothing was ever stored under. */
static void
get_tag(struct get *x, size_t i)
{
	struct part *p = ARENA_NEW(call_arena(x->c), struct part);
	const char *argv[6] = { "SET", "", "", "NX", "EX", TAG_LIFE };
	size_t lens[6] = { 3, 0, 0, 2, 2, sizeof(TAG_LIFE) - 1 };

	*p = (struct part){ x, i };
	argv[1] = full_key(x->c, TAG_PREFIX, x->q->tags[i], &lens[1]);
	argv[2] = arena_printf(call_arena(x->c), "%" PRIu64, id_random_u64() | 1);
	lens[2] = strlen(argv[2]);
	redis_command(server, x->c, 6, argv, lens, on_tag_made, x);
	argv[0] = "GET";
	redis_command(server, x->c, 2, argv, lens, on_tag, p);
}

static void
on_got(const struct redis_reply *r, void *ctx)
{
	struct part *p = ctx;
	struct entry *e = &p->x->found[p->i];

	if (redis_fail_call(p->x->c, r))
		return;
	if (r->type == REDIS_STRING && entry_parse(r->s, r->n, e)) {
		/* the reply goes when this returns */
		e->value = arena_dup(call_arena(p->x->c), e->value, e->n);
	} else {
		*e = (struct entry){ 0 };
	}
	get_end(p->x);
}

/* Whether it was there already is of no interest; the GET behind it tells. */
static void
on_tag_made(const struct redis_reply *r, void *ctx)
{
	(void)r, (void)ctx;
}

static void
on_tag(const struct redis_reply *r, void *ctx)
{
	struct part *p = ctx;
	struct entry_tag *t = &p->x->tags[p->i];

	if (redis_fail_call(p->x->c, r))
		return;
	t->hash = entry_tag_hash(p->x->q->tags[p->i]);
	/* 0 is no generation: an entry that claims it is never stored */
	if (r->type != REDIS_STRING ||
	    !str_u64((struct str){ r->s, r->n }, UINT64_MAX, &t->generation))
		t->generation = 0;
	get_end(p->x);
}

static enum get_outcome
take_entry(struct get *x, size_t i, Mf__CacheEntry *o)
{
	const struct entry *e = &x->found[i];

	mf__cache_entry__init(o);
	o->key = x->q->keys[i];
	if (e->kind != ENTRY_VALUE && e->kind != ENTRY_ABSENT)
		return GET_MISS;
	if (!entry_current(e, x->tags, x->q->n_tags))
		return GET_STALE;
	o->found = true;
	o->absent = e->kind == ENTRY_ABSENT;
	o->value.data = (uint8_t *)(uintptr_t)e->value;
	o->value.len = e->n;
	o->version = e->version;
	o->stored_at = e->stored_at;
	o->stamp = e->stamp;
	return o->absent ? GET_ABSENT : GET_HIT;
}

static void
get_end(struct get *x)
{
	struct arena *a = call_arena(x->c);
	Mf__CacheEntries out = MF__CACHE_ENTRIES__INIT;
	struct family *f;

	if (--x->left != 0)
		return;
	f = count_family(x->q->n_tags != 0 ? x->q->tags[0] : NULL);
	out.n_entries = x->q->n_keys;
	out.entries = ARENA_ARRAY(a, Mf__CacheEntry *, x->q->n_keys);
	for (size_t i = 0; i < x->q->n_keys; i++) {
		out.entries[i] = ARENA_NEW(a, Mf__CacheEntry);
		count_get(f, take_entry(x, i, out.entries[i]));
	}
	out.n_generations = x->q->n_tags;
	out.generations = ARENA_ARRAY(a, uint64_t, x->q->n_tags + 1);
	for (size_t i = 0; i < x->q->n_tags; i++)
		out.generations[i] = x->tags[i].generation;
	call_reply(x->c, &out.base);
}

/* Set: unless something newer is there. */
void
cache_set(Mf__Cache_Service *s, const Mf__CacheSet *q, Mf__CacheDone_Closure reply, void *ctx)
{
	const char *wrong = set_wrong(ctx, q);

	(void)s, (void)reply;
	if (wrong != NULL) {
		call_fail(ctx, ST_INVALID_ARGUMENT, "%s", wrong);
		return;
	}
	STEP("cache.set.received");
	set_one(change_new(ctx, 1), q);
}

/* SetMany: each as Set would; one that is wrong refuses all. */
void
cache_set_many(Mf__Cache_Service *s, const Mf__CacheSets *q, Mf__CacheDone_Closure reply, void *ctx)
{
	struct change *x;
	const char *wrong =
	    q->n_sets == 0 || q->n_sets > KEYS_MAX ? "sets: 1 to 256 are allowed" : NULL;

	(void)s, (void)reply;
	for (size_t i = 0; wrong == NULL && i < q->n_sets; i++)
		wrong = set_wrong(ctx, q->sets[i]);
	if (wrong != NULL) {
		call_fail(ctx, ST_INVALID_ARGUMENT, "%s", wrong);
		return;
	}
	x = change_new(ctx, q->n_sets);
	for (size_t i = 0; i < q->n_sets; i++)
		set_one(x, q->sets[i]);
}

static const char *
set_wrong(struct call *c, const Mf__CacheSet *q)
{
	int64_t most = config()->value_max_bytes;

	if (max_bytes != 0 && (uint64_t)most > max_bytes / SHARE)
		most = (int64_t)(max_bytes / SHARE);
	if (q->key[0] == '\0')
		return "key: is empty";
	if (q->n_tags > ENTRY_TAGS_MOST)
		return "tags: too many";
	for (size_t i = 0; i < q->n_tags; i++)
		if (q->tags[i]->generation == 0)
			return "tags: a generation is missing";
	if (q->value.len <= (size_t)most)
		return NULL;
	count_fill(FILL_TOO_LARGE);
	return arena_printf(call_arena(c), "value: larger than %" PRId64 " bytes", most);
}

/* KEYS: key. ARGV: version, entry, life in ms. Newer versions stay. */
static const char set_script[] = "local have = redis.call('GET', KEYS[1])\n"
				 "if have then\n"
				 "  local v = tonumber(string.match(have, '^[vnt](%d+):'))\n"
				 "  if v and v > tonumber(ARGV[1]) then return 0 end\n"
				 "end\n"
				 "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
				 "return 1\n";

static void
set_one(struct change *x, const Mf__CacheSet *q)
{
	const int64_t hour = INT64_C(3600000000);
	struct arena *a = call_arena(x->c);
	const char *argv[4];
	size_t lens[4];

	look_at_server();
	argv[0] = full_key(x->c, KEY_PREFIX, q->key, &lens[0]);
	argv[1] = arena_printf(a, "%" PRIu64, q->version);
	argv[2] = entry_text(a, q,
	    time_wall_us() - (q->age_us < (uint64_t)hour ? (int64_t)q->age_us : hour), &lens[2]);
	argv[3] = arena_printf(
	    a, "%" PRId64, q->ttl_ms != 0 ? (int64_t)q->ttl_ms : config()->ttl_us / MS);
	lens[1] = strlen(argv[1]);
	lens[3] = strlen(argv[3]);
	redis_script(server, x->c, set_script, 1, 4, argv, lens, on_set, x);
}

static void
on_set(const struct redis_reply *r, void *ctx)
{
	if (r->type == REDIS_INTEGER)
		count_fill(r->i != 0 ? FILL_STORED : FILL_OLDER);
	change_one(ctx, r);
}

/* KEYS: key. ARGV: version, tombstone, its life in ms. A newer value stays; so does a newer
 * tombstone, but it lives on as long as this one would. */
static const char drop_script[] =
    "local have = redis.call('GET', KEYS[1])\n"
    "local v = have and tonumber(string.match(have, '^[vnt](%d+):')) or -1\n"
    "if v <= tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
    "elseif string.sub(have, 1, 1) == 't' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end\n"
    "return have and 1 or 0\n";

/* Drop: leaves a tombstone behind. */
void
cache_drop(Mf__Cache_Service *s, const Mf__CacheDrop *q, Mf__CacheDone_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct arena *a = call_arena(c);
	const char *argv[4];
	size_t lens[4];
	struct change *x;

	(void)s, (void)reply;
	if (q->n_keys == 0 || q->n_keys > KEYS_MAX || q->tombstone_ms == 0) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    "keys: 1 to %d are allowed; tombstone_ms: above 0", KEYS_MAX);
		return;
	}
	argv[1] = arena_printf(a, "%" PRIu64, q->version);
	argv[2] = arena_printf(a, "t%" PRIu64 ":%" PRId64 ":0::", q->version, time_wall_us());
	argv[3] = arena_printf(a, "%" PRIu32, q->tombstone_ms);
	for (size_t i = 1; i < 4; i++)
		lens[i] = strlen(argv[i]);
	x = change_new(c, q->n_keys);
	count_dropped(q->n_keys, 0);
	STEP("cache.drop.received");
	for (size_t i = 0; i < q->n_keys; i++) {
		argv[0] = full_key(c, KEY_PREFIX, q->keys[i], &lens[0]);
		redis_script(server, c, drop_script, 1, 4, argv, lens, on_changed, x);
	}
}

/* DropTags: who asks for the tag next makes a new generation. */
void
cache_drop_tags(
    Mf__Cache_Service *s, const Mf__CacheDropTags *q, Mf__CacheDone_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct change *x;

	(void)s, (void)reply;
	if (q->n_tags == 0 || q->n_tags > KEYS_MAX) {
		call_fail(c, ST_INVALID_ARGUMENT, "tags: 1 to %d are allowed", KEYS_MAX);
		return;
	}
	x = change_new(c, q->n_tags);
	count_dropped(0, q->n_tags);
	STEP("cache.drop.received");
	for (size_t i = 0; i < q->n_tags; i++) {
		const char *argv[2] = { "DEL" };
		size_t lens[2] = { 3 };

		argv[1] = full_key(c, TAG_PREFIX, q->tags[i], &lens[1]);
		redis_command(server, c, 2, argv, lens, on_changed, x);
	}
}

static void
on_changed(const struct redis_reply *r, void *ctx)
{
	change_one(ctx, r);
}

static struct change *
change_new(struct call *c, size_t keys)
{
	struct change *x = ARENA_NEW(call_arena(c), struct change);

	*x = (struct change){ .c = c, .left = keys };
	return x;
}

static void
change_one(struct change *x, const struct redis_reply *r)
{
	Mf__CacheDone out = MF__CACHE_DONE__INIT;

	if (redis_fail_call(x->c, r)) {
		looked = false; /* it may come back as another */
		return;
	}
	x->changed += r->i > 0 ? (uint32_t)r->i : 0;
	if (--x->left != 0)
		return;
	STEP("cache.change.done");
	out.changed = x->changed;
	call_reply(x->c, &out.base);
}

/* Without a bound it would take all memory there is, without eviction it would refuse what is new:
 * neither is for a cache. Said once. */
static void
look_at_server(void)
{
	if (looked)
		return;
	looked = true;
	redis_command(server, NULL, 2, (const char *const[]){ "INFO", "memory" },
	    (const size_t[]){ 4, 6 }, on_server, NULL);
}

static void
on_server(const struct redis_reply *r, void *ctx)
{
	static const char set[] = "set maxmemory and maxmemory-policy allkeys-lru";
	static bool said;

	(void)ctx;
	if (r->type != REDIS_STRING) {
		looked = false;
		return;
	}
	max_bytes = info_number(r, "\nmaxmemory:");
	if (said || (max_bytes != 0 && memmem(r->s, r->n, "policy:noeviction", 17) == NULL))
		return;
	said = true;
	log_warn("cache_unbounded",
	    L_STR("because", max_bytes == 0 ? "no maxmemory" : "noeviction"), L_STR("do", set));
}

/* Stats: counts since this process began; size as Redis tells. */
void
cache_stats(Mf__Cache_Service *s, const Mf__Empty *q, Mf__CacheStats_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	redis_command(
	    server, ctx, 1, (const char *const[]){ "INFO" }, (const size_t[]){ 4 }, on_stats, ctx);
}

static void
on_stats(const struct redis_reply *r, void *ctx)
{
	Mf__CacheStats out = MF__CACHE_STATS__INIT;
	struct call *c = ctx;

	if (redis_fail_call(c, r))
		return;
	count_stats(call_arena(c), &out);
	out.used_bytes = info_number(r, "\nused_memory:");
	out.max_bytes = info_number(r, "\nmaxmemory:");
	out.evictions = info_number(r, "\nevicted_keys:");
	out.entries = info_number(r, "\ndb0:keys=");
	call_reply(c, &out.base);
}

static const char *
full_key(struct call *c, const char *prefix, const char *key, size_t *n)
{
	const char *full = arena_printf(call_arena(c), "%s%s", prefix, key);

	*n = strlen(full);
	return full;
}

static uint64_t
info_number(const struct redis_reply *r, const char *name)
{
	const char *at = memmem(r->s, r->n, name, strlen(name));

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}
