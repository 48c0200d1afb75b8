/* outside_cache: see outside_cache.h. An entry is one issuer. It has one fetch under way at most; when
 * that has ended everybody who waits is looked at again: what he needs is there, or is fetched next,
 * or failed. */
#include "auth/oauth/outside_cache.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define META_ARENA 65536

struct outside {
	struct loop *loop;
	struct http_client *http;
	struct list entries; /* the one used last is the last */
};

struct entry {
	struct link link;
	struct outside *o;
	char *issuer;
	struct arena *arena; /* of meta */
	struct outside_meta meta;
	struct outside_keys keys;
	int64_t meta_until_us, keys_until_us; /* 0: not known */
	int64_t again_us; /* when keys were last fetched for an unknown id; 0: never */
	struct http_fetch *fetch;
	struct timer timer; /* tells those who wait for what is there already */
	struct list waiters;
	bool telling; /* it must stay */
};

struct waiter { /* in the arena of its call */
	struct link link;
	struct entry *e;
	struct call *call;
	struct call_dep dep;
	outside_know_fn *done;
	void *ctx;
};

static struct entry *entry_of(struct outside *o, const char *issuer);
static void entry_free(struct entry *e);
static void wait_for(struct entry *e, struct call *c, outside_know_fn *done, void *ctx);
static void on_left(struct call_dep *d);
static void go_on(struct entry *e);
static void on_timer(struct timer *t);
static void begin_fetch(struct entry *e, const char *url, http_done_fn *done);
static void on_meta(const struct http_got *m, const char *why, void *ctx);
static void on_keys(const struct http_got *m, const char *why, void *ctx);
static void tell(struct entry *e, const char *why);

struct outside *
outside_new(struct loop *l, const struct http_client_opts *opts)
{
	struct outside *o = mem_zalloc(sizeof(*o));

	o->loop = l;
	o->http = http_client_new(l, opts);
	list_init(&o->entries);
	return o;
}

void
outside_free(struct outside **o)
{
	struct outside *x = *o;

	if (x == NULL)
		return;
	*o = NULL;
	LIST_EACH(&x->entries, k)
		entry_free(container_of(k, struct entry, link));
	http_client_free(&x->http);
	free(x);
}

struct http_client *
outside_http(struct outside *o)
{
	return o->http;
}

void
outside_know(
    struct outside *o, struct call *c, const char *issuer, outside_know_fn *done, void *ctx)
{
	wait_for(entry_of(o, issuer), c, done, ctx);
}

void
outside_know_again(
    struct outside *o, struct call *c, const char *issuer, outside_know_fn *done, void *ctx)
{
	struct entry *e = entry_of(o, issuer);
	int64_t now_us = loop_now(o->loop);

	if (e->again_us == 0 || now_us - e->again_us >= OUTSIDE_AGAIN_US) {
		e->again_us = now_us;
		e->keys_until_us = 0;
	}
	wait_for(e, c, done, ctx);
}

static struct entry *
entry_of(struct outside *o, const char *issuer)
{
	struct entry *found = NULL;

	LIST_EACH(&o->entries, k) {
		struct entry *e = container_of(k, struct entry, link);

		if (strcmp(e->issuer, issuer) == 0)
			found = e;
	}
	if (found != NULL) {
		list_del(&o->entries, &found->link);
		list_add(&o->entries, &found->link);
		return found;
	}
	LIST_EACH(&o->entries, k) {
		struct entry *e = container_of(k, struct entry, link);

		if (o->entries.n >= OUTSIDE_PROVIDERS_MOST && e->waiters.n == 0 && !e->telling)
			entry_free(e);
	}
	found = mem_zalloc(sizeof(*found));
	found->o = o;
	found->issuer = strdup(issuer);
	must(found->issuer != NULL);
	found->arena = arena_new(META_ARENA);
	timer_init(&found->timer, o->loop, on_timer);
	list_init(&found->waiters);
	list_add(&o->entries, &found->link);
	return found;
}

static void
entry_free(struct entry *e)
{
	LIST_EACH(&e->waiters, k)
		list_del(&e->waiters, k); /* their calls are gone with the bus */
	list_del(&e->o->entries, &e->link);
	http_client_cancel(&e->fetch);
	timer_stop(&e->timer);
	outside_keys_clear(&e->keys);
	arena_free(&e->arena);
	free(e->issuer);
	free(e);
}

static void
wait_for(struct entry *e, struct call *c, outside_know_fn *done, void *ctx)
{
	struct waiter *x = ARENA_NEW(call_arena(c), struct waiter);

	x->e = e;
	x->call = c;
	x->done = done;
	x->ctx = ctx;
	x->dep.cancel = on_left;
	call_attach(c, &x->dep);
	list_add(&e->waiters, &x->link);
	if (e->fetch == NULL)
		timer_in(&e->timer, 0);
}

/* A fetch goes on without him: what it brings is kept. */
static void
on_left(struct call_dep *d)
{
	struct waiter *x = container_of(d, struct waiter, dep);

	list_del(&x->e->waiters, &x->link);
}

static void
on_timer(struct timer *t)
{
	go_on(container_of(t, struct entry, timer));
}

static void
go_on(struct entry *e)
{
	int64_t now_us = loop_now(e->o->loop);

	if (e->fetch != NULL || e->waiters.n == 0)
		return;
	if (e->meta_until_us <= now_us) {
		const char *slash = e->issuer[strlen(e->issuer) - 1] == '/' ? "" : "/";
		struct buf url = { 0 };

		buf_printf(&url, "%s%s.well-known/openid-configuration", e->issuer, slash);
		begin_fetch(e, url.p, on_meta);
		buf_free(&url);
	} else if (e->keys_until_us <= now_us) {
		begin_fetch(e, e->meta.jwks_uri, on_keys);
	} else {
		tell(e, NULL);
	}
}

static void
begin_fetch(struct entry *e, const char *url, http_done_fn *done)
{
	if (!http_client_url_ok(url, true, NULL)) {
		tell(e, "its address is no https address");
		return;
	}
	e->fetch = http_client_start(e->o->http,
	    &(const struct http_get){
		.url = url, .most = OUTSIDE_DOCUMENT_MAX, .limit_us = OUTSIDE_FETCH_LIMIT_US },
	    done, e);
}

static int64_t
keep_until(const struct entry *e, const struct http_got *m)
{
	int64_t keep_us = m->max_age_s < 0 ? OUTSIDE_KEEP_MAX_US : m->max_age_s * SEC;

	keep_us = keep_us < OUTSIDE_KEEP_MIN_US ? OUTSIDE_KEEP_MIN_US : keep_us;
	return loop_now(e->o->loop) +
	       (keep_us > OUTSIDE_KEEP_MAX_US ? OUTSIDE_KEEP_MAX_US : keep_us);
}

/* What it says when it is no answer at all to what was asked. */
static const char *
not_answered(const struct http_got *m, const char *why)
{
	return m == NULL          ? why
	       : m->status == 200 ? NULL
	                          : "it answered with another status than 200";
}

static void
on_meta(const struct http_got *m, const char *why, void *ctx)
{
	struct entry *e = ctx;

	e->fetch = NULL;
	e->meta_until_us = 0;
	arena_reset(e->arena);
	why = not_answered(m, why);
	if (why == NULL)
		why = outside_meta_read(e->arena, m->body, m->n, e->issuer, &e->meta);
	if (why != NULL) {
		tell(e, why);
		return;
	}
	e->meta_until_us = keep_until(e, m);
	go_on(e);
}

static void
on_keys(const struct http_got *m, const char *why, void *ctx)
{
	struct entry *e = ctx;

	e->fetch = NULL;
	e->keys_until_us = 0;
	why = not_answered(m, why);
	if (why == NULL) {
		outside_keys_clear(&e->keys);
		why = outside_keys_read(m->body, m->n, &e->keys);
	}
	if (why == NULL)
		e->keys_until_us = keep_until(e, m);
	tell(e, why);
}

/* Who begins to wait from within is told the next time. */
static void
tell(struct entry *e, const char *why)
{
	struct link *k;

	if (why != NULL)
		log_warn("outside_provider", L_STR("issuer", e->issuer), L_STR("why", why));
	e->telling = true;
	for (size_t n = e->waiters.n; n > 0 && (k = list_pop(&e->waiters)) != NULL; n--) {
		struct waiter *x = container_of(k, struct waiter, link);

		call_detach(x->call, &x->dep);
		x->done(why == NULL ? &e->meta : NULL, &e->keys, why, x->ctx);
	}
	e->telling = false;
}
