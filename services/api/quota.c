/* quota: see quota.h. Keys are SipHash under a secret of this process: nobody outside can aim at
 * another's bucket, or fill one set of a table. */
#include "api/quota.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"

struct quota {
	struct buckets *buckets;
	struct knowns *knowns;
	uint8_t secret[crypto_shorthash_siphashx24_KEYBYTES];
	struct metric *limited, *kept, *washed;
};

static uint64_t key_of(const struct quota *, const void *, size_t);
static void add_limit(struct charge *, const struct named_limit *, uint64_t);
static uint64_t mix(uint64_t, const struct named_limit *);
static void on_collect(void *);

struct quota *
quota_new(size_t buckets, size_t credentials, int64_t idle_us)
{
	struct quota *l = mem_zalloc(sizeof(*l));

	must(sodium_init() >= 0);
	l->buckets = buckets_new(buckets, idle_us);
	l->knowns = knowns_new(credentials);
	id_random(l->secret, sizeof(l->secret));
	l->limited = metric_simple(METRIC_COUNTER, "metafed_http_limited_total",
	    "Requests refused because their bucket was empty.");
	l->kept = metric_simple(METRIC_GAUGE, "metafed_http_buckets",
	    "Buckets that are not full, or were used within limit_idle.");
	l->washed = metric_simple(METRIC_COUNTER, "metafed_http_buckets_washed_total",
	    "Buckets that made way before they were full again: too few for so many clients.");
	metric_on_collect(on_collect, l);
	return l;
}

void
quota_free(struct quota **l)
{
	if (*l == NULL)
		return;
	buckets_free(&(*l)->buckets);
	knowns_free(&(*l)->knowns);
	free(*l);
	*l = NULL;
}

void
quota_reload(struct quota *l, int64_t idle_us)
{
	buckets_set_idle(l->buckets, idle_us);
	knowns_forget_all(l->knowns); /* they point to the old limits */
}

void
quota_name(const struct quota *l, struct str credential, struct charge *out)
{
	*out = (struct charge){ .has_credential = credential.p != NULL };
	if (out->has_credential)
		crypto_shorthash_siphashx24(
		    out->credential, (const uint8_t *)credential.p, credential.n, l->secret);
}

bool
quota_charge(struct quota *l, const struct limits *by, const struct address *client,
    struct str credential, enum http_method method, const char *path, int64_t now_us,
    struct charge *out)
{
	const struct named_limit *limit = &by->all, *route;
	const struct known *who = NULL;
	uint64_t key;

	quota_name(l, credential, out);
	if (out->has_credential)
		who = knowns_find(l->knowns, out->credential, now_us, &out->ask);
	if (who != NULL) {
		key = who->bucket;
		limit = who->limit;
		memcpy(out->name, who->name, sizeof(out->name));
		if (limit->limit.capacity == 0)
			return true;
	} else {
		struct address a = address_client(client);

		key = key_of(l, a.bytes, sizeof(a.bytes));
	}
	if (limit->limit.capacity != 0)
		add_limit(out, limit, key);
	if ((route = limits_of_route(by, method, path)) != NULL)
		add_limit(out, route, mix(key, route));
	if (buckets_take(l->buckets, out->n, out->takings, now_us))
		return true;
	metric_inc(l->limited);
	return false;
}

void
quota_learn(struct quota *l, const struct limits *by, struct charge *c, const Mf__Principal *p,
    int http, int64_t now_us)
{
	struct known one = { .verified_us = now_us };
	int64_t left_us;

	if (!c->has_credential)
		return;
	if (http == 401) {
		knowns_forget(l->knowns, c->credential);
		return;
	}
	if (p == NULL || p->id[0] == '\0')
		return;
	left_us = (int64_t)p->expires_at - time_wall_us();
	one.expires_us = p->expires_at == 0 ? INT64_MAX : now_us + (left_us < 0 ? 0 : left_us);
	memcpy(one.credential, c->credential, sizeof(one.credential));
	one.bucket = key_of(l, p->id, strlen(p->id));
	one.limit = limits_of_roles(by, p->n_roles, p->roles);
	snprintf(one.name, sizeof(one.name), "%s", p->name);
	memcpy(c->name, one.name, sizeof(c->name));
	knowns_learn(l->knowns, &one);
}

bool
charge_write(const struct charge *c, char policy[CHARGE_TEXT], char state[CHARGE_TEXT])
{
	char item[LIMIT_ITEM];
	size_t p = 0, s = 0;

	for (size_t i = 0; i < c->n; i++) {
		limit_write(c->limits[i], &c->takings[i], item);
		p += (size_t)snprintf(
		    policy + p, CHARGE_TEXT - p, "%s%s", i == 0 ? "" : ", ", c->limits[i]->policy);
		s += (size_t)snprintf(state + s, CHARGE_TEXT - s, "%s%s", i == 0 ? "" : ", ", item);
	}
	return c->n != 0;
}

int64_t
charge_wait_us(const struct charge *c)
{
	int64_t wait = 0;

	for (size_t i = 0; i < c->n; i++)
		if (!c->takings[i].allowed && c->takings[i].more_us > wait)
			wait = c->takings[i].more_us;
	return wait;
}

/* An address has 16 bytes, a principal's id 36: they never meet. */
static uint64_t
key_of(const struct quota *l, const void *p, size_t n)
{
	uint8_t hash[crypto_shorthash_siphashx24_BYTES];
	uint64_t key;

	crypto_shorthash_siphashx24(hash, p, n, l->secret);
	memcpy(&key, hash, sizeof(key));
	return key;
}

static void
add_limit(struct charge *c, const struct named_limit *l, uint64_t key)
{
	c->limits[c->n] = l;
	c->takings[c->n++] = (struct taking){ .key = key, .limit = &l->limit };
}

/* A bucket of its own for each route, whatever their order in the configuration (FNV-1a). */
static uint64_t
mix(uint64_t key, const struct named_limit *l)
{
	for (const char *s = l->name; *s != '\0'; s++)
		key = (key ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return key;
}

static void
on_collect(void *ctx)
{
	struct quota *l = ctx;

	metric_set(l->kept, (double)buckets_kept(l->buckets, time_now_us()));
	l->washed->value = (double)buckets_washed(l->buckets);
}
