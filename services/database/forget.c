/* forget: what the cache has to forget before a write is acknowledged, and what nobody may read any more
 * when it is not known what became of one. Called by write.c, commit.c and journal.c through inside.h. */
#include <string.h>

#include "base/json.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/time.h"
#include "database/cohere.h"

#define ABOVE_ALL INT64_MAX /* a tombstone of this version stands above every fill */
#define DROP_MOST 256       /* keys, in one call of the cache */

struct bump { /* a tag that is being dropped */
	struct tag_slot *slot;
	uint32_t salt; /* still the same tag's */
	uint64_t fills;
};

struct forget { /* what the cache is told for one write */
	struct op *o;
	int64_t now_us;
	size_t cap;
	Mf__CacheDrop keys;
	Mf__CacheDropTags tags;
	struct bump *bumps;
	bool all; /* too much to tell one by one */
	uint32_t left;
	bool failed;
};

static void each_write(const Mf__StoreOp *, void (*)(void *, const Mf__StoreOp *, size_t), void *);
static void note(void *, const Mf__StoreOp *, size_t);
static void note_entry(struct forget *, const Mf__StoreOp *, unsigned, uint64_t);
static void note_absents(struct forget *, const Mf__StoreOp *);
static void note_lists(struct forget *, const Mf__StoreOp *);
static void forget_send(struct forget *);
static void on_keys_dropped(const Mf__CacheDone *, void *);
static void on_tags_dropped(const Mf__CacheDone *, void *);
static void forget_end(struct forget *, bool);
static void shut_one(void *, const Mf__StoreOp *, size_t);

static struct metric *unknowns, *drops_sent;

void
forget_open(void)
{
	unknowns = metric_simple(METRIC_COUNTER, "metafed_database_unknown_writes_total",
	    "Writes of cached models whose outcome was not known.");
	drops_sent = metric_simple(METRIC_COUNTER, "metafed_database_cache_drops_total",
	    "Writes that had to wait for the cache to forget something.");
}

void
cohere_drop(struct op *o)
{
	struct forget *f = ARENA_NEW(call_arena(o->c), struct forget);

	f->o = o;
	f->now_us = time_now_us();
	mf__cache_drop__init(&f->keys);
	mf__cache_drop_tags__init(&f->tags);
	each_write(o->q, note, f);
	if (f->keys.n_keys == 0 && f->tags.n_tags == 0 && !f->all) {
		db_answer(o);
	} else if (f->all || f->keys.n_keys > DROP_MOST || !cohere_usable()) {
		cohere_forget("the cache can't be told");
		db_answer(o);
	} else {
		forget_send(f);
	}
}

static void
each_write(const Mf__StoreOp *q, void (*fn)(void *, const Mf__StoreOp *, size_t), void *ctx)
{
	if (q->n_members == 0)
		fn(ctx, q, 0);
	for (size_t i = 0; i < q->n_members; i++)
		fn(ctx, q->members[i], i);
}

/* A delete that is repeated has no version to tell any more, and a recorded one may be absent: then
 * above all. */
static void
note(void *ctx, const Mf__StoreOp *q, size_t i)
{
	struct forget *f = ctx;
	const Mf__StoreResult *m = f->o->result;
	unsigned old = plan_makes_old(q);
	uint64_t version = q == f->o->q ? m->version : i < m->n_items ? m->items[i]->version : 0;

	if (q->kind == MF__STORE_OP__KIND__DELETE || version == 0)
		version = ABOVE_ALL;
	if ((old & OLD_MANY) != 0)
		note_absents(f, q);
	else if ((old & (OLD_ENTRY | OLD_ABSENT)) != 0)
		note_entry(f, q, old, version);
	if ((old & OLD_LISTS) != 0)
		note_lists(f, q);
	if (i < m->n_items && m->items[i]->problem != NULL &&
	    db_unknown((enum status)m->items[i]->problem->code))
		shut_one(&(int64_t){ f->now_us + db_config()->tombstone_us }, q, i);
}

static void
add_key(struct forget *f, char *key, uint64_t version)
{
	struct arena *a = call_arena(f->o->c);

	if (f->keys.n_keys == f->cap) {
		char **more;

		f->cap = f->cap != 0 ? 2 * f->cap : 4;
		more = ARENA_ARRAY(a, char *, f->cap);
		if (f->keys.n_keys != 0)
			memcpy(more, f->keys.keys, f->keys.n_keys * sizeof(*more));
		f->keys.keys = more;
	}
	/* Members share one version, the highest: too high only keeps fills away for a while. */
	if (version > f->keys.version)
		f->keys.version = version;
	f->keys.keys[f->keys.n_keys++] = key;
}

static void
drop_if_filled(
    struct forget *f, const Mf__StoreOp *q, const char *id, unsigned old, uint64_t version)
{
	struct key_slot *k = fills_key(q->model, cohere_namespace(q), id);

	k->writes++;
	if (((old & OLD_ENTRY) != 0 && f->now_us < k->filled_until_us) ||
	    ((old & OLD_ABSENT) != 0 && f->now_us < k->absent_until_us))
		add_key(f, cohere_key(f->o, q, k->salt, id), version);
}

static void
note_entry(struct forget *f, const Mf__StoreOp *q, unsigned old, uint64_t version)
{
	drop_if_filled(f, q, q->id, old, version);
}

/* The ids are only read where there is an entry that one of them could make wrong: hardly ever. */
static void
note_absents(struct forget *f, const Mf__StoreOp *q)
{
	json_t *all, *one;
	struct json_error e;
	size_t i;

	fills_bulk();
	if (!fills_any_absent(f->now_us))
		return;
	all = json_read(q->data.data, q->data.len, &e);
	if (all == NULL) {
		f->all = true;
		return;
	}
	call_own_json(f->o->c, all);
	json_array_foreach(all, i, one)
	{
		const char *id = json_string_value(json_object_get(one, "id"));

		if (id != NULL)
			drop_if_filled(f, q, id, OLD_ABSENT, 1);
	}
}

static void
note_lists(struct forget *f, const Mf__StoreOp *q)
{
	struct arena *a = call_arena(f->o->c);
	char name[SLOT_TAG_MOST];
	struct tag_slot *t = cohere_tag(q, name) ? fills_tag(name) : NULL;

	if (t == NULL)
		return;
	t->writes++;
	t->written_us = f->now_us;
	if (t->fills == t->dropped || f->now_us >= t->filled_until_us)
		return;
	for (size_t i = 0; i < f->tags.n_tags; i++)
		if (f->bumps[i].slot == t)
			return;
	if (f->tags.tags == NULL) {
		f->tags.tags = ARENA_ARRAY(a, char *, f->o->q->n_members + 1);
		f->bumps = ARENA_ARRAY(a, struct bump, f->o->q->n_members + 1);
	}
	f->bumps[f->tags.n_tags] = (struct bump){ t, t->salt, t->fills };
	f->tags.tags[f->tags.n_tags++] = arena_strdup(a, name);
}

static void
forget_send(struct forget *f)
{
	struct op *o = f->o;

	metric_inc(drops_sent);
	f->left = (f->keys.n_keys != 0) + (f->tags.n_tags != 0);
	if (f->keys.n_keys != 0) {
		f->keys.tombstone_ms = (uint32_t)(db_config()->tombstone_us / MS);
		mf__cache__drop(&cohere_rpc(o)->service, &f->keys, on_keys_dropped, f);
	}
	if (f->tags.n_tags != 0)
		mf__cache__drop_tags(&cohere_rpc(o)->service, &f->tags, on_tags_dropped, f);
	STEP("database.drop.sent");
}

static void
on_keys_dropped(const Mf__CacheDone *m, void *ctx)
{
	forget_end(ctx, m != NULL);
}

/* What was filled before it was sent is gone; what was filled since is a later write's to drop. */
static void
on_tags_dropped(const Mf__CacheDone *m, void *ctx)
{
	struct forget *f = ctx;

	for (size_t i = 0; m != NULL && i < f->tags.n_tags; i++) {
		struct tag_slot *t = f->bumps[i].slot;

		if (t->salt == f->bumps[i].salt && f->bumps[i].fills > t->dropped)
			t->dropped = f->bumps[i].fills;
	}
	forget_end(f, m != NULL);
}

static void
forget_end(struct forget *f, bool done)
{
	cohere_said(done);
	f->failed = f->failed || !done;
	if (--f->left != 0)
		return;
	if (f->failed)
		cohere_forget("a drop was not confirmed");
	STEP("database.drop.done");
	db_answer(f->o);
}

/* --- writes under way --- */

static void
count_out(void *ctx, const Mf__StoreOp *q, size_t i)
{
	(void)i;
	if ((plan_makes_old(q) & OLD_ENTRY) != 0)
		fills_key(q->model, cohere_namespace(q), q->id)->out += *(const uint32_t *)ctx;
}

static void
on_out_end(struct call_dep *d)
{
	each_write(container_of(d, struct op, out)->q, count_out, &(uint32_t){ -1u });
}

void
cohere_in(struct op *o)
{
	if (!link_is_in(&o->out.link))
		return;
	call_detach(o->c, &o->out);
	on_out_end(&o->out);
}

void
cohere_out(struct op *o)
{
	if (link_is_in(&o->out.link))
		return;
	o->out.cancel = on_out_end;
	call_attach(o->c, &o->out);
	each_write(o->q, count_out, &(uint32_t){ 1 });
}

void
cohere_perhaps(struct op *o)
{
	int64_t until = time_now_us() + db_config()->tombstone_us;

	if (link_is_in(&o->out.link))
		each_write(o->q, shut_one, &until);
}

/* --- writes of unknown outcome --- */

/* Changes take effect here and at once: the cache is not asked. */
void
cohere_unknown(struct op *o)
{
	int64_t until = time_now_us() + db_config()->tombstone_us;

	if (o->settled || !o->plan.drop)
		return;
	o->settled = true;
	metric_inc(unknowns);
	each_write(o->q, shut_one, &until);
}

static void
shut_one(void *ctx, const Mf__StoreOp *q, size_t i)
{
	int64_t until = *(int64_t *)ctx;
	unsigned old = plan_makes_old(q);
	char name[SLOT_TAG_MOST];
	struct tag_slot *t;
	struct key_slot *k;

	(void)i;
	if ((old & OLD_MANY) != 0) { /* of whatever ids */
		fills_bulk();
		if (fills_any_absent(time_now_us()))
			cohere_forget("a bulk of unknown outcome");
	} else if (old != 0) {
		k = fills_key(q->model, cohere_namespace(q), q->id);
		k->writes++;
		k->salt = fills_new_salt();
		k->shut_until_us = until;
	}
	if ((old & OLD_LISTS) == 0 || !cohere_tag(q, name))
		return;
	t = fills_tag_take(name, time_now_us());
	if (t == NULL) {
		fills_shut_lists(until);
		return;
	}
	t->writes++;
	t->salt = fills_new_salt();
	t->shut_until_us = until;
}
