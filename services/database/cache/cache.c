/* cache: the four operations of mf.Cache on one Redis connection.
 *
 * Invariant: an entry never goes back in version. A set compares with what is there, tombstones
 * included, inside Redis (one script, one round trip), so that a slow reader can't put old data
 * back after a drop. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/call.h"
#include "database/cache/cache.h"
#include "store/redis.h"
#include "store/secret.h"

#define KEYS_MAX   256
#define KEY_PREFIX "mf:c:"

struct get {
	struct call *c;
	const Mf__CacheGet *q; /* the keys come back with the entries */
};

static void cache_get(Mf__Cache_Service *, const Mf__CacheGet *, Mf__CacheEntries_Closure, void *);
static void cache_set(Mf__Cache_Service *, const Mf__CacheSet *, Mf__CacheDone_Closure, void *);
static void cache_drop(Mf__Cache_Service *, const Mf__CacheDrop *, Mf__CacheDone_Closure, void *);
static void cache_stats(Mf__Cache_Service *, const Mf__Empty *, Mf__CacheStats_Closure, void *);
static void on_got(const struct redis_reply *, void *);
static void on_changed(const struct redis_reply *, void *);
static void on_stats(const struct redis_reply *, void *);
static const struct cache_config *config(void);
static const char *full_key(struct call *, const char *, size_t *);
static uint64_t info_number(const struct redis_reply *, const char *);

Mf__Cache_Service cache_service = MF__CACHE__INIT(cache_);
const char *const cache_capabilities[] = { "get", "set", "drop", "versions", "tombstones", NULL };

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
static uint64_t hits, misses;

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

/* Get: many keys, one MGET, entries in the order of the keys. */
void
cache_get(Mf__Cache_Service *s, const Mf__CacheGet *q, Mf__CacheEntries_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct get *x = ARENA_NEW(call_arena(c), struct get);
	const char **argv;
	size_t *lens;

	(void)s, (void)reply;
	if (q->n_keys == 0 || q->n_keys > KEYS_MAX) {
		call_fail(c, ST_INVALID_ARGUMENT, "keys: 1 to %d are allowed", KEYS_MAX);
		return;
	}
	argv = ARENA_ARRAY(call_arena(c), const char *, q->n_keys + 1);
	lens = ARENA_ARRAY(call_arena(c), size_t, q->n_keys + 1);
	argv[0] = "MGET";
	lens[0] = 4;
	for (size_t i = 0; i < q->n_keys; i++)
		argv[i + 1] = full_key(c, q->keys[i], &lens[i + 1]);
	x->c = c;
	x->q = q;
	redis_command(server, c, (int)q->n_keys + 1, argv, lens, on_got, x);
}

static void
on_got(const struct redis_reply *r, void *ctx)
{
	struct get *x = ctx;
	struct arena *a = call_arena(x->c);
	Mf__CacheEntries out = MF__CACHE_ENTRIES__INIT;
	struct cache_entry e;

	if (redis_fail_call(x->c, r))
		return;
	out.n_entries = r->n_items;
	out.entries = ARENA_ARRAY(a, Mf__CacheEntry *, r->n_items + 1);
	for (size_t i = 0; i < r->n_items && i < x->q->n_keys; i++) {
		Mf__CacheEntry *o = out.entries[i] = ARENA_NEW(a, Mf__CacheEntry);

		mf__cache_entry__init(o);
		o->key = x->q->keys[i];
		o->found = r->items[i]->type == REDIS_STRING &&
		           cache_entry_parse(r->items[i]->s, r->items[i]->n, &e) && !e.tombstone;
		if (o->found) {
			o->value.data = (uint8_t *)(uintptr_t)e.value;
			o->value.len = e.n;
			o->version = e.version;
			o->stored_at = e.stored_at;
		}
		o->found ? hits++ : misses++;
	}
	call_reply(x->c, &out.base);
}

/* KEYS: key. ARGV: version, entry, life in ms. Newer or equal versions stay. */
static const char set_script[] = "local have = redis.call('GET', KEYS[1])\n"
				 "if have then\n"
				 "  local v = tonumber(string.match(have, '^[vt](%d+):'))\n"
				 "  if v and v > tonumber(ARGV[1]) then return 0 end\n"
				 "end\n"
				 "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
				 "return 1\n";

/* Set: unless something newer is there. */
void
cache_set(Mf__Cache_Service *s, const Mf__CacheSet *q, Mf__CacheDone_Closure reply, void *ctx)
{
	const struct cache_config *cf = config();
	struct call *c = ctx;
	struct arena *a = call_arena(c);
	const char *argv[4];
	size_t lens[4];
	int head;
	char *entry;

	(void)s, (void)reply;
	if (q->key[0] == '\0') {
		call_fail(c, ST_INVALID_ARGUMENT, "key: is empty");
		return;
	}
	if (q->value.len > (size_t)cf->value_max_bytes) {
		call_fail(c, ST_INVALID_ARGUMENT, "value: larger than %" PRId64 " bytes",
		    cf->value_max_bytes);
		return;
	}
	entry = arena_alloc(a, q->value.len + 64);
	head = snprintf(entry, 64, "v%" PRIu64 ":%" PRId64 ":", q->version,
	    time_wall_us() - (int64_t)(q->age_us < INT64_C(3600000000) ? q->age_us : 3600000000));
	memcpy(entry + head, q->value.data, q->value.len);
	argv[0] = full_key(c, q->key, &lens[0]);
	argv[1] = arena_printf(a, "%" PRIu64, q->version);
	argv[2] = entry;
	argv[3] =
	    arena_printf(a, "%" PRId64, q->ttl_ms != 0 ? (int64_t)q->ttl_ms : cf->ttl_us / MS);
	lens[1] = strlen(argv[1]);
	lens[2] = (size_t)head + q->value.len;
	lens[3] = strlen(argv[3]);
	redis_script(server, c, set_script, 1, 4, argv, lens, on_changed, c);
}

/* KEYS: keys. ARGV: version, tombstone, its life in ms. A newer value stays; so does a newer
 * tombstone, but it lives on as long as this one would. */
static const char drop_script[] =
    "local n = 0\n"
    "for _, k in ipairs(KEYS) do\n"
    "  local have = redis.call('GET', k)\n"
    "  local v = have and tonumber(string.match(have, '^[vt](%d+):')) or -1\n"
    "  if v <= tonumber(ARGV[1]) then redis.call('SET', k, ARGV[2], 'PX', ARGV[3])\n"
    "  elseif string.sub(have, 1, 1) == 't' then redis.call('PEXPIRE', k, ARGV[3]) end\n"
    "  if have then n = n + 1 end\n"
    "end\n"
    "return n\n";

/* Drop: leaves a tombstone behind. */
void
cache_drop(Mf__Cache_Service *s, const Mf__CacheDrop *q, Mf__CacheDone_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct arena *a = call_arena(c);
	const char **argv;
	size_t *lens, n = q->n_keys;

	(void)s, (void)reply;
	if (n == 0 || n > KEYS_MAX || q->tombstone_ms == 0) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    "keys: 1 to %d are allowed; tombstone_ms: above 0", KEYS_MAX);
		return;
	}
	argv = ARENA_ARRAY(a, const char *, n + 3);
	lens = ARENA_ARRAY(a, size_t, n + 3);
	for (size_t i = 0; i < n; i++)
		argv[i] = full_key(c, q->keys[i], &lens[i]);
	argv[n] = arena_printf(a, "%" PRIu64, q->version);
	argv[n + 1] = arena_printf(a, "t%" PRIu64 ":%" PRId64 ":", q->version, time_wall_us());
	argv[n + 2] = arena_printf(a, "%" PRIu32, q->tombstone_ms);
	for (size_t i = n; i < n + 3; i++)
		lens[i] = strlen(argv[i]);
	redis_script(server, c, drop_script, (int)n, (int)n + 3, argv, lens, on_changed, c);
}

static void
on_changed(const struct redis_reply *r, void *ctx)
{
	Mf__CacheDone out = MF__CACHE_DONE__INIT;
	struct call *c = ctx;

	if (redis_fail_call(c, r))
		return;
	out.changed = (uint32_t)r->i;
	call_reply(c, &out.base);
}

/* Stats: hits and misses since this process began; size as Redis tells. */
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
	out.hits = hits;
	out.misses = misses;
	out.used_bytes = info_number(r, "used_memory:");
	out.entries = info_number(r, "db0:keys=");
	call_reply(c, &out.base);
}

bool
cache_entry_parse(const char *p, size_t n, struct cache_entry *e)
{
	struct str rest = { p + 1, n - 1 }, version, stored;

	if (n < 4 || (p[0] != 'v' && p[0] != 't') || !str_cut(rest, ':', &version, &rest) ||
	    !str_cut(rest, ':', &stored, &rest) || !str_u64(version, UINT64_MAX, &e->version) ||
	    !str_u64(stored, UINT64_MAX, &e->stored_at))
		return false;
	e->tombstone = p[0] == 't';
	e->value = rest.p;
	e->n = rest.n;
	return true;
}

static const char *
full_key(struct call *c, const char *key, size_t *n)
{
	const char *full = arena_printf(call_arena(c), KEY_PREFIX "%s", key);

	*n = strlen(full);
	return full;
}

static uint64_t
info_number(const struct redis_reply *r, const char *name)
{
	const char *at = memmem(r->s, r->n, name, strlen(name));

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}
