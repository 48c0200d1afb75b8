/* cohere: keys, epoch and fills of the cache, and what may be read from it.
 *
 * Invariant: a write is acknowledged only when no entry of the cache can show what was before it.
 * - What this process filled for the key, or under the tag of the namespace, is dropped after the
 *   commit and before the answer. What it did not fill nobody can read: keys carry the epoch of this
 *   process. So a plain create or update costs the cache nothing.
 * - A drop that can't be confirmed changes the epoch: all entries are unreachable.
 * - A read that was under way when something it concerns was written fills nothing.
 * - A write of unknown outcome makes what was filled unreachable (the salt in the key) and keeps
 *   fills away until it can't come any more.
 * - Ages are of this process's monotonic clock, which goes along with each entry: steps of the wall
 *   clock change nothing. Past its life no entry answers, however late its fill came.
 * What a write makes it forget is in forget.c. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/time.h"
#include "database/cohere.h"

/* the cache is asked for speed: slower than this it is no help */
#define CACHE_LIMIT_US (20 * MS)
#define VALUE_MOST     (1u << 20) /* the cache's own bound is below */
#define QUESTION_MOST  (16u << 10)
/* Lists of a namespace that was written so lately are not kept: the next write would only have to drop
 * them. */
#define QUIET_US (100 * MS)
/* So many failures in a row, and for a while one call in that time tries. Without it each read would
 * wait CACHE_LIMIT_US for a cache that hangs. */
#define FAILURES 2
#define SHUT_US  (250 * MS)

struct asking {
	struct op *o;
	op_fn *then;
};

static void entry_key(struct op *);
static void list_key(struct op *);
static void on_cached(const Mf__CacheEntries *, void *);
static bool may_answer(struct op *, const Mf__CacheEntry *);
static void answer_entry(struct op *, const Mf__CacheEntry *);
static void on_filled(const Mf__CacheDone *, void *);

static uint64_t process;  /* of this life */
static uint64_t epoch;    /* of all cache keys */
static uint32_t failures; /* of the cache, in a row */
static int64_t shut_until_us;
static struct metric *epochs, *refused, *shut_now;
static struct metric_family *reads;

void
cohere_open(void)
{
	static const char *const labels[] = { "model", "outcome", NULL };

	process = id_random_u64();
	epoch = id_random_u64();
	failures = 0;
	shut_until_us = 0;
	fills_open();
	forget_open();
	reads = metric_family(METRIC_COUNTER, "metafed_database_cache_reads_total",
	    "Reads that the cache may answer: hit, refresh (hit past its soft life), absent (hit: "
	    "there "
	    "is none), miss, old (too old for the reader), shut (not asked).",
	    labels);
	epochs = metric_simple(METRIC_COUNTER, "metafed_database_cache_epochs_total",
	    "Times that the whole cache was given up because a drop was not confirmed.");
	refused = metric_simple(METRIC_COUNTER, "metafed_database_cache_fills_refused_total",
	    "Reads that filled nothing because something was written meanwhile.");
	shut_now = metric_simple(METRIC_COUNTER, "metafed_database_cache_shut_total",
	    "Times that the cache was left alone for a while because it failed.");
}

static void
count(const struct op *o, const char *outcome)
{
	metric_inc(metric_get(reads, (const char *const[]){ o->plan.rule->model, outcome }));
}

/* --- reads --- */

bool
cohere_begin(struct op *o, const char **why)
{
	int64_t now = time_now_us();
	char tag[SLOT_TAG_MOST];
	struct tag_slot *t;

	*why = "too large a question";
	if (mf__store_op__get_packed_size(o->q) > QUESTION_MOST)
		return false;
	if (!o->plan.list) {
		fills_watch(
		    &o->watch, fills_key(o->q->model, cohere_namespace(o->q), o->q->id), NULL);
		entry_key(o);
		return true;
	}
	*why = "no room for its namespace";
	if (!cohere_tag(o->q, tag) || (t = fills_tag_take(tag, now)) == NULL)
		return false;
	*why = "its namespace was written just now";
	if (t->written_us != 0 && now - t->written_us < QUIET_US)
		return false;
	*why = "a write of its namespace has an unknown outcome";
	if (fills_lists_shut(now) || now < t->shut_until_us)
		return false;
	fills_watch(&o->watch, NULL, t);
	list_key(o);
	return true;
}

static void
entry_key(struct op *o)
{
	o->key = cohere_key(o, o->q, fills_salt(&o->watch), o->q->id);
}

char *
cohere_key(struct op *o, const Mf__StoreOp *q, uint32_t salt, const char *id)
{
	return arena_printf(call_arena(o->c), "%016" PRIx64 ".%" PRIx32 ":%s:%zu:%s:%s", epoch,
	    salt, q->model, strlen(cohere_namespace(q)), cohere_namespace(q), id);
}

/* Of the whole question: all of it but who asks and how fresh it must be. */
static void
list_key(struct op *o)
{
	struct arena *a = call_arena(o->c);
	Mf__StoreOp q = *o->q;
	uint8_t *packed, hash[16];
	char hex[2 * sizeof(hash) + 1];

	q.namespace_ = (char *)(uintptr_t)cohere_namespace(o->q);
	q.operation_id = q.consistency = q.session = q.actor = q.transaction = (char *)"";
	q.max_age_ms = 0;
	q.mode_epoch = 0;
	packed = arena_alloc(a, mf__store_op__get_packed_size(&q) + 1);
	must(crypto_generichash(
		 hash, sizeof(hash), packed, mf__store_op__pack(&q, packed), NULL, 0) == 0);
	str_hex(hash, sizeof(hash), hex);
	o->key = arena_printf(
	    a, "%016" PRIx64 ".%" PRIx32 ":%s?%s", epoch, fills_salt(&o->watch), q.model, hex);
}

const char *
cohere_namespace(const Mf__StoreOp *q)
{
	return q->namespace_[0] != '\0' ? q->namespace_ : "default";
}

/* False: too long to be kept. */
bool
cohere_tag(const Mf__StoreOp *q, char out[SLOT_TAG_MOST])
{
	int n =
	    snprintf(out, SLOT_TAG_MOST, "%s/%s", plan_model(q->model)->tag, cohere_namespace(q));

	return n > 0 && n < SLOT_TAG_MOST;
}

bool
cohere_usable(void)
{
	int64_t now = time_now_us();

	if (!target_ready(db_cache) || now < shut_until_us)
		return false;
	if (failures >= FAILURES)
		shut_until_us = now + SHUT_US; /* this one tries */
	return true;
}

void
cohere_ask(struct op *o, op_fn *missed)
{
	struct asking *x = ARENA_NEW(call_arena(o->c), struct asking);
	Mf__CacheGet get = MF__CACHE_GET__INIT;
	char *tag;

	if (!cohere_usable()) {
		count(o, "shut");
		missed(o);
		return;
	}
	x->o = o;
	x->then = missed;
	get.n_keys = 1;
	get.keys = &o->key;
	if (o->plan.list) {
		tag = o->watch.tag->name;
		get.n_tags = 1;
		get.tags = &tag;
	}
	mf__cache__get(&cohere_rpc(o)->service, &get, on_cached, x);
}

static void
on_cached(const Mf__CacheEntries *m, void *ctx)
{
	struct asking *x = ctx;
	struct op *o = x->o;

	cohere_said(m != NULL);
	if (m != NULL && o->plan.list && m->n_generations == 1)
		o->generation = m->generations[0];
	if (m == NULL || m->n_entries != 1 || !m->entries[0]->found) {
		count(o, m == NULL ? "shut" : "miss");
		x->then(o);
	} else if (!may_answer(o, m->entries[0])) {
		count(o, "old");
		x->then(o);
	} else {
		answer_entry(o, m->entries[0]);
	}
}

/* Past its life it proves nothing, should its fill have come late: no write drops it any more. */
static bool
may_answer(struct op *o, const Mf__CacheEntry *e)
{
	struct plan_lives l = plan_lives(&o->plan, db_config()->cache_ttl_us);
	uint64_t life = (uint64_t)(e->absent ? l.absent_us : l.ttl_us), age;
	int64_t now = time_now_us();

	if (e->stamp > (uint64_t)now)
		return false;
	age = (uint64_t)now - e->stamp;
	return age <= life && age <= o->plan.max_age_us && cohere_in_session(o, (int64_t)e->stamp);
}

static void
answer_entry(struct op *o, const Mf__CacheEntry *e)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	int64_t age = time_now_us() - (int64_t)e->stamp;

	if (e->absent) {
		count(o, "absent");
		call_fail(o->c, ST_NOT_FOUND, "there is no such %s", o->q->model);
		return;
	}
	if (age > plan_lives(&o->plan, db_config()->cache_ttl_us).soft_us) {
		count(o, "refresh");
		flight_refresh(o);
	} else {
		count(o, "hit");
	}
	out.data = e->value;
	out.version = e->version;
	out.age_us = age > 0 ? (uint64_t)age : 1;
	if (o->in_session)
		out.session = cohere_session(o, (int64_t)e->stamp, o->session.store);
	call_reply(o->c, &out.base);
}

/* --- fills --- */

/* What a stand-by or the journal answered is no truth to keep. A list is kept only under the
 * generation that was told before the store was read. */
static bool
may_fill(struct op *o, int64_t now)
{
	const Mf__StoreResult *m = o->result;

	if (m != NULL && (m->degraded || m->age_us != 0 || m->data.len > VALUE_MOST ||
			     (!o->plan.list && m->version == 0)))
		return false;
	if (o->plan.list && (m == NULL || o->generation == 0))
		return false;
	if (fills_allowed(&o->watch, now))
		return true;
	metric_inc(refused);
	return false;
}

/* Said before it is sent: from now on a write has to drop it. */
static void
mark_filled(struct op *o, int64_t until_us)
{
	if (o->plan.list) {
		o->watch.tag->fills++;
		if (until_us > o->watch.tag->filled_until_us)
			o->watch.tag->filled_until_us = until_us;
	} else if (o->result == NULL) {
		fills_absent(o->watch.key, until_us);
	} else if (until_us > o->watch.key->filled_until_us) {
		o->watch.key->filled_until_us = until_us;
	}
}

void
cohere_fill(struct op *o, op_fn *then)
{
	struct plan_lives lives = plan_lives(&o->plan, db_config()->cache_ttl_us);
	struct asking *x = ARENA_NEW(call_arena(o->c), struct asking);
	int64_t now = time_now_us(), life = o->result != NULL ? lives.ttl_us : lives.absent_us;
	Mf__CacheSet set = MF__CACHE_SET__INIT;
	Mf__CacheTag tag = MF__CACHE_TAG__INIT, *tags[] = { &tag };

	*x = (struct asking){ o, then };
	if (!may_fill(o, now) || !cohere_usable()) {
		then(o);
		return;
	}
	STEP("database.fill.read");
	/* the cache counts its life from when it comes there */
	mark_filled(o, now + life + SEC);
	set.key = o->key;
	set.absent = o->result == NULL;
	if (o->result != NULL) {
		set.value = o->result->data;
		set.version = o->result->version;
	}
	set.stamp = (uint64_t)o->read_us;
	set.age_us = (uint64_t)(now - o->read_us);
	set.ttl_ms = (uint32_t)(life / MS);
	if (o->plan.list) {
		tag.name = o->watch.tag->name;
		tag.generation = o->generation;
		set.n_tags = 1;
		set.tags = tags;
	}
	mf__cache__set(&cohere_rpc(o)->service, &set, on_filled, x);
}

static void
on_filled(const Mf__CacheDone *m, void *ctx)
{
	struct asking *x = ctx;

	/* not filled: the next read fills; a value that is too large says nothing of the cache */
	if (m != NULL || rpc_failure(x->o->rpc)->status != ST_INVALID_ARGUMENT)
		cohere_said(m != NULL);
	STEP("database.fill.done");
	x->then(x->o);
}

/* --- a look from aside --- */

struct peek {
	struct op *o;
	cohere_peek_fn *then;
	const Mf__StoreOp *const *of;
	char **keys;
	struct fill_watch *watches;
};

static char *
peek_key(struct op *o, const Mf__StoreOp *of)
{
	const struct key_slot *k = fills_key(of->model, cohere_namespace(of), of->id);

	return cohere_key(o, of, k->salt, of->id);
}

/* Still what nobody has written since, as a read would believe it; the key says whether all was
 * forgotten meanwhile, or a write of it lost. */
static bool
proves(const struct peek *x, size_t i, const Mf__CacheEntry *e)
{
	struct plan as_read = { .rule = plan_model(x->of[i]->model) };
	uint64_t life = (uint64_t)plan_lives(&as_read, db_config()->cache_ttl_us).ttl_us;
	uint64_t now = (uint64_t)time_now_us();

	return !e->absent && e->stamp <= now && now - e->stamp <= life &&
	       x->watches[i].key->out == 0 && fills_unwritten(&x->watches[i]) &&
	       strcmp(x->keys[i], peek_key(x->o, x->of[i])) == 0;
}

static void
on_peek(const Mf__CacheEntries *m, void *ctx)
{
	struct peek *x = ctx;

	cohere_said(m != NULL);
	for (size_t i = 0; m != NULL && i < m->n_entries; i++)
		if (m->entries[i]->found && !proves(x, i, m->entries[i]))
			m->entries[i]->found = false;
	x->then(x->o, m);
}

void
cohere_peek(struct op *o, const Mf__StoreOp *const *of, size_t n, cohere_peek_fn *then)
{
	struct arena *a = call_arena(o->c);
	struct peek *x = ARENA_NEW(a, struct peek);
	Mf__CacheGet get = MF__CACHE_GET__INIT;

	if (!cohere_usable()) {
		then(o, NULL);
		return;
	}
	*x = (struct peek){ o, then, of, ARENA_ARRAY(a, char *, n + 1),
		ARENA_ARRAY(a, struct fill_watch, n + 1) };
	for (size_t i = 0; i < n; i++) {
		fills_watch(&x->watches[i],
		    fills_key(of[i]->model, cohere_namespace(of[i]), of[i]->id), NULL);
		x->keys[i] = peek_key(o, of[i]);
	}
	get.n_keys = n;
	get.keys = x->keys;
	mf__cache__get(&cohere_rpc(o)->service, &get, on_peek, x);
}

void
cohere_forget(const char *because)
{
	epoch = id_random_u64();
	fills_emptied();
	metric_inc(epochs);
	log_debug("cache_epoch", L_STR("because", because));
	STEP("database.epoch.changed");
}

/* --- sessions --- */

bool
cohere_in_session(const struct op *o, int64_t as_of_us)
{
	return !o->in_session || as_of_us >= o->session.as_of_us;
}

bool
cohere_foreign(const struct session *s)
{
	return s->process != process;
}

char *
cohere_session(struct op *o, int64_t as_of_us, const char *store)
{
	struct session s = { process, as_of_us, store };

	if (o->in_session && !cohere_foreign(&o->session) && o->session.as_of_us > as_of_us)
		s.as_of_us = o->session.as_of_us;
	return session_text(call_arena(o->c), &s);
}

/* --- the way there --- */

struct rpc *
cohere_rpc(struct op *o)
{
	o->rpc = rpc_new(
	    o->c, db_cache, &(const struct rpc_opts){ .limit_us = CACHE_LIMIT_US, .once = true });
	return o->rpc;
}

void
cohere_said(bool well)
{
	if (well) {
		failures = 0;
		shut_until_us = 0;
		return;
	}
	if (++failures == FAILURES)
		metric_inc(shut_now);
	if (failures >= FAILURES)
		shut_until_us = time_now_us() + SHUT_US;
}
