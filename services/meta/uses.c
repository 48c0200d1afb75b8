/* uses: see uses.h. */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/time.h"
#include "meta/uses.h"
#include "proto/auth.pb-c.h"
#define uthash_malloc(n) mem_zalloc(n)
#include <uthash.h>

#define WINDOW_US (10 * SEC)
#define LIMIT_US  (5 * SEC)
#define MOST      4096 /* different ones; others are counted as nobody's */

struct uses_key {
	char principal[40], permission[128];
};

struct count {
	struct uses_key key;
	uint64_t n;
	UT_hash_handle hh;
};

struct uses {
	struct bus *bus;
	struct target *auth;
	struct count *counts;
	struct timer timer;
	struct call *call; /* NULL: no report is under way */
	struct rpc *rpc;
	size_t n_report;
	uint8_t *report; /* packed; NULL: none waits for its answer */
};

static void add(struct uses *, const char *, const char *);
static void on_timer(struct timer *);
static void make_report(struct uses *);
static void on_told(const Mf__Empty *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static void clear(struct uses *);

struct uses *
uses_new(struct bus *b, struct target *auth)
{
	struct uses *t = mem_zalloc(sizeof(*t));

	t->bus = b;
	t->auth = auth;
	timer_init(&t->timer, bus_loop(b), on_timer);
	return t;
}

void
uses_free(struct uses **tp)
{
	struct uses *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	if (t->call != NULL)
		call_cancel(t->call);
	timer_stop(&t->timer); /* the call's end has started it */
	clear(t);
	free(t->report);
	free(t);
}

void
uses_add(struct uses *t, const char *principal, const struct permits *p)
{
	for (size_t i = 0; i < p->n; i++)
		add(t, principal, p->names[i]);
	if (p->n == 0)
		add(t, principal, "");
	if (t->timer.at_us == 0 && t->call == NULL)
		timer_in(&t->timer, WINDOW_US);
}

static void
add(struct uses *t, const char *principal, const char *permission)
{
	struct uses_key key = { 0 };
	struct count *x;

	memcpy(key.principal, principal, strnlen(principal, sizeof(key.principal) - 1));
	memcpy(key.permission, permission, strnlen(permission, sizeof(key.permission) - 1));
	HASH_FIND(hh, t->counts, &key, sizeof(key), x);
	if (x == NULL && HASH_COUNT(t->counts) >= MOST) {
		memset(&key, 0, sizeof(key));
		HASH_FIND(hh, t->counts, &key, sizeof(key), x);
	}
	if (x == NULL) {
		x = mem_zalloc(sizeof(*x));
		x->key = key;
		HASH_ADD(hh, t->counts, key, sizeof(x->key), x);
	}
	x->n++;
}

static void
on_timer(struct timer *timer)
{
	struct uses *t = container_of(timer, struct uses, timer);
	Mf__Permitted *m;

	if (t->report == NULL)
		make_report(t);
	t->call = call_root(
	    t->bus, &(const struct call_opts){ .limit_us = LIMIT_US, .done = on_end, .ctx = t });
	m = mf__permitted__unpack(arena_allocator(call_arena(t->call)), t->n_report, t->report);
	t->rpc = rpc_new(t->call, t->auth, NULL);
	mf__auth__count(&t->rpc->service, m, on_told, t);
}

static void
make_report(struct uses *t)
{
	struct arena *a = arena_new(8u << 20);
	Mf__Permitted m = MF__PERMITTED__INIT;
	char batch[UUID_LEN];

	uuid7(batch);
	m.batch = batch;
	m.counts = ARENA_ARRAY(a, Mf__PermittedCount *, HASH_COUNT(t->counts));
	for (struct count *x = t->counts; x != NULL; x = x->hh.next) {
		Mf__PermittedCount *one = ARENA_NEW(a, Mf__PermittedCount);

		mf__permitted_count__init(one);
		one->principal = x->key.principal;
		one->permission = x->key.permission;
		one->count = x->n;
		m.counts[m.n_counts++] = one;
	}
	t->n_report = mf__permitted__get_packed_size(&m);
	t->report = mem_zalloc(t->n_report);
	mf__permitted__pack(&m, t->report);
	clear(t);
	arena_free(&a);
}

/* A refusal is as good as an answer: it would be refused again. */
static void
on_told(const Mf__Empty *m, void *ctx)
{
	struct uses *t = ctx;
	const struct failure *f = m == NULL ? rpc_failure(t->rpc) : NULL;

	if (f == NULL || !status_is_fault(f->status)) {
		free(t->report);
		t->report = NULL;
	}
	if (m != NULL)
		call_reply(t->call, &m->base);
	else
		call_fail_with(t->call, f);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct uses *t = ctx;

	(void)c, (void)end;
	t->call = NULL;
	if (t->report != NULL || t->counts != NULL)
		timer_in(&t->timer, WINDOW_US);
}

static void
clear(struct uses *t)
{
	struct count *x = t->counts, *next;

	HASH_CLEAR(hh, t->counts);
	t->counts = NULL;
	for (; x != NULL; x = next) {
		next = x->hh.next;
		free(x);
	}
}
