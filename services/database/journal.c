/* journal: reads and writes of tasks while PostgreSQL is away, or not quite back.
 *
 * A write goes to the journal of nosql with the epoch of the mode: nosql refuses it when the mode is
 * another one by now, and it is done anew. With an update or delete goes what its object is, as far as
 * that is known here: in DEGRADED from the cache, which holds nothing that a write of unknown outcome
 * concerns; in REPLAYING from PostgreSQL, which nobody but the replay writes tasks to once the fence is
 * up; before that from the cache, too. What the journal knows itself counts before that.
 *
 * A read by id asks the journal, then the cache (its age is told) or PostgreSQL. A list can't be made
 * in DEGRADED; in REPLAYING it is PostgreSQL's, and marked. While the mode is not known both wait: the
 * journal may have something newer than PostgreSQL. */
#include <string.h>

#include "base/step.h"
#include "base/time.h"
#include "database/commit.h"
#include "database/mode.h"

#define RETRY_MS     1000
#define IDS_EARLY_MS 60000 /* an operation is not tried for longer than that */

struct journalled {
	struct op *o;
	size_t n; /* objects: members, or the op itself */
	Mf__StoreItem **bases;
	const Mf__StoreOp **of; /* those that a base is wanted of ... */
	size_t *place;          /* ... and where it goes */
	size_t n_of, left;
};

struct base { /* being read from sql */
	struct journalled *j;
	size_t i;
	struct rpc *rpc;
};

static bool is_task(const Mf__StoreOp *);
static bool journal_takes(const Mf__StoreOp *);
static void stamp(struct op *);
static void journal(struct op *);
static void bases_of_cache(struct op *, const Mf__CacheEntries *);
static void bases_of_sql(struct journalled *);
static void on_base(const Mf__StoreResult *, void *);
static void journal_send(struct journalled *);
static void on_journalled(const Mf__StoreResult *, void *);
static void ask_journal(struct op *);
static void on_object(const Mf__JournalObject *, void *);
static void read_on(struct op *);
static void on_entry(struct op *, const Mf__CacheEntries *);
static void on_read(const Mf__StoreResult *, void *);
static void answer(struct op *, ProtobufCBinaryData, uint64_t, int64_t);
static void is_down(struct op *, const char *);

static bool holding;

void
mode_hold(bool on)
{
	holding = on;
}

bool
mode_helps(const struct op *o)
{
	if (plan_kind(o->q->kind)->write)
		return journal_takes(o->q);
	return o->q->kind == MF__STORE_OP__KIND__READ_ONE && is_task(o->q);
}

static bool
is_task(const Mf__StoreOp *q)
{
	return strcmp(q->model, "task") == 0;
}

static bool
journal_takes(const Mf__StoreOp *q)
{
	bool many =
	    q->kind == MF__STORE_OP__KIND__TRANSACTION || q->kind == MF__STORE_OP__KIND__BULK;

	for (size_t i = 0; many && i < q->n_members; i++)
		if (!is_task(q->members[i]))
			return false;
	return many ? q->transaction[0] == '\0' && q->n_members > 0 : is_task(q);
}

/* --- writes --- */

void
mode_write(struct op *o)
{
	const struct mode_record *m = mode_now();
	bool journals = journal_takes(o->q);

	if (m->mode == MODE_UNKNOWN || (m->mode == MODE_REPLAYING && holding && journals)) {
		mode_wait(o, NULL);
	} else if (m->mode == MODE_NORMAL) {
		stamp(o);
		if (o->plan.drop) {
			call_set_want_hops(o->c); /* for took_no_effect */
			cohere_out(o);
		}
		if (commit_kind(o->q) == COMMIT_BOTH)
			commit_run(o);
		else
			db_write_store(o);
	} else if (journals) {
		journal(o);
	} else if (m->mode == MODE_REPLAYING && !is_task(o->q) && o->q->n_members == 0) {
		stamp(o); /* no entry of the journal concerns it */
		db_write_store(o);
	} else {
		is_down(o, "PostgreSQL is not available, and only writes of tasks can wait for it");
	}
}

/* sql refuses what is older than its epoch. */
static void
stamp(struct op *o)
{
	struct arena *a = call_arena(o->c);
	Mf__StoreOp *q = arena_dup(a, o->q, sizeof(*q));

	o->epoch = q->mode_epoch = mode_now()->epoch;
	q->members = ARENA_ARRAY(a, Mf__StoreOp *, q->n_members + 1);
	for (size_t i = 0; i < q->n_members; i++) {
		q->members[i] = arena_dup(a, o->q->members[i], sizeof(*q));
		q->members[i]->mode_epoch = q->mode_epoch;
	}
	o->q = q;
}

static void
journal(struct op *o)
{
	struct arena *a = call_arena(o->c);
	struct journalled *j = ARENA_NEW(a, struct journalled);
	bool single = o->q->n_members == 0;

	j->o = o;
	o->journalled = j;
	o->epoch = mode_now()->epoch;
	j->n = single ? 1 : o->q->n_members;
	j->bases = ARENA_ARRAY(a, Mf__StoreItem *, j->n);
	j->of = ARENA_ARRAY(a, const Mf__StoreOp *, j->n);
	j->place = ARENA_ARRAY(a, size_t, j->n);
	for (size_t i = 0; i < j->n; i++) {
		const Mf__StoreOp *q = single ? o->q : o->q->members[i];

		mf__store_item__init(j->bases[i] = ARENA_NEW(a, Mf__StoreItem));
		if (q->kind != MF__STORE_OP__KIND__UPDATE && q->kind != MF__STORE_OP__KIND__DELETE)
			continue;
		j->of[j->n_of] = q;
		j->place[j->n_of++] = i;
	}
	if (j->n_of == 0)
		journal_send(j);
	else if (mode_now()->mode == MODE_REPLAYING && replay_fenced())
		bases_of_sql(j);
	else
		cohere_peek(o, j->of, j->n_of, bases_of_cache);
}

static void
bases_of_cache(struct op *o, const Mf__CacheEntries *m)
{
	struct journalled *j = o->journalled;

	for (size_t i = 0; m != NULL && i < m->n_entries && i < j->n_of; i++)
		if (m->entries[i]->found) {
			j->bases[j->place[i]]->data = m->entries[i]->value;
			j->bases[j->place[i]]->version = m->entries[i]->version;
		}
	journal_send(j);
}

static void
bases_of_sql(struct journalled *j)
{
	struct arena *a = call_arena(j->o->c);

	j->left = j->n_of;
	for (size_t i = 0; i < j->n_of; i++) {
		struct base *b = ARENA_NEW(a, struct base);
		Mf__StoreOp *q = ARENA_NEW(a, Mf__StoreOp);

		mf__store_op__init(q);
		q->kind = MF__STORE_OP__KIND__READ_ONE;
		q->model = j->of[i]->model;
		q->id = j->of[i]->id;
		q->namespace_ = j->of[i]->namespace_;
		*b = (struct base){ j, j->place[i], rpc_new(j->o->c, db_sql, NULL) };
		mf__sql__read(&b->rpc->service, q, on_base, b);
	}
}

/* Not read: the write will not be taken, unless the journal knows it. */
static void
on_base(const Mf__StoreResult *m, void *ctx)
{
	static Mf__Problem absent = MF__PROBLEM__INIT;
	struct base *b = ctx;

	absent.code = ST_NOT_FOUND;
	if (m != NULL) {
		b->j->bases[b->i]->data = m->data;
		b->j->bases[b->i]->version = m->version;
	} else if (rpc_failure(b->rpc)->status == ST_NOT_FOUND) {
		b->j->bases[b->i]->problem = &absent;
	}
	if (--b->j->left == 0)
		journal_send(b->j);
}

static void
journal_send(struct journalled *j)
{
	struct op *o = j->o;
	const struct mode_record *m = mode_now();
	Mf__JournalWrite w = MF__JOURNAL_WRITE__INIT;
	uint64_t since_ms = m->since_us / 1000;

	w.epoch = o->epoch; /* of when the bases were asked for */
	w.op = (Mf__StoreOp *)(uintptr_t)o->q;
	w.bases = j->bases;
	w.n_bases = j->n;
	w.ids_from_ms = since_ms > IDS_EARLY_MS ? since_ms - IDS_EARLY_MS : 0;
	o->rpc = rpc_new(o->c, db_journal, NULL);
	STEP("database.journal.planned");
	mf__journal__write(&o->rpc->service, &w, on_journalled, o);
	STEP("database.journal.sent");
}

static void
on_journalled(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;
	const struct failure *f;

	if (m != NULL) {
		STEP("database.journal.stored");
		o->result = m;
		db_answer(o);
		return;
	}
	f = rpc_failure(o->rpc);
	if (strcmp(f->reason, "BASE_UNKNOWN") == 0) {
		struct failure *unknown = arena_dup(call_arena(o->c), f, sizeof(*f));

		/* the same later will do: PostgreSQL knows */
		unknown->status = ST_UNAVAILABLE;
		unknown->retry_ms = RETRY_MS;
		o->settled = true;
		call_fail_with(o->c, unknown);
		return;
	}
	o->failure = f;
	if (strcmp(f->reason, "MODE_CHANGED") != 0 || !mode_failed(o))
		db_fail(o);
}

/* --- reads --- */

bool
mode_read(struct op *o)
{
	const struct mode_record *m = mode_now();
	bool replaying = m->mode == MODE_REPLAYING;

	if (m->mode == MODE_NORMAL || !is_task(o->q))
		return false;
	if (m->mode == MODE_UNKNOWN)
		mode_wait(o, NULL);
	else if (o->q->kind == MF__STORE_OP__KIND__READ_ONE && o->q->id[0] != '\0')
		ask_journal(o);
	else if (replaying)
		db_send_read(o, PLAN_SQL, o->q, on_read);
	else
		is_down(o, "PostgreSQL is not available, and lists can't be made without it");
	return true;
}

static void
ask_journal(struct op *o)
{
	o->rpc = rpc_new(o->c, db_journal, NULL);
	mf__journal__get(&o->rpc->service, o->q, on_object, o);
}

static void
on_object(const Mf__JournalObject *m, void *ctx)
{
	struct op *o = ctx;

	if (m == NULL) { /* what it knows is not to be had: anything else may be older */
		o->failure = rpc_failure(o->rpc);
		db_fail(o);
	} else if (m->epoch != mode_now()->epoch && o->turns++ < 4) {
		mode_ask();
		mode_wait(o, NULL);
	} else if (!m->known) {
		read_on(o);
	} else if (m->data.len == 0) {
		o->settled = true;
		call_fail(o->c, ST_NOT_FOUND, "there is no such task");
	} else {
		answer(o, m->data, m->version, 0);
	}
}

static void
read_on(struct op *o)
{
	if (mode_now()->mode == MODE_REPLAYING)
		db_send_read(o, PLAN_SQL, o->q, on_read);
	else
		cohere_peek(o, &o->q, 1, on_entry);
}

static void
on_read(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;
	Mf__StoreResult *r;

	if (m == NULL) {
		o->failure = rpc_failure(o->rpc);
		if (!mode_failed(o))
			db_fail(o);
		return;
	}
	r = arena_dup(call_arena(o->c), m, sizeof(*m));
	r->degraded = o->q->kind != MF__STORE_OP__KIND__READ_ONE; /* without what waits */
	o->result = r;
	db_answer(o);
}

/* A stated bound, and what a session has seen, count here too. */
static void
on_entry(struct op *o, const Mf__CacheEntries *m)
{
	const Mf__CacheEntry *e = m != NULL && m->n_entries == 1 ? m->entries[0] : NULL;
	int64_t age;

	if (e == NULL || !e->found) {
		is_down(o, "PostgreSQL is not available, and what the task is now is not known");
		return;
	}
	age = time_now_us() - (int64_t)e->stamp;
	if (age < 0 || (o->plan.level == PLAN_BOUNDED && (uint64_t)age > o->plan.max_age_us) ||
	    (o->in_session &&
		(cohere_foreign(&o->session) || !cohere_in_session(o, (int64_t)e->stamp))))
		is_down(
		    o, "PostgreSQL is not available, and what is known is older than asked for");
	else
		answer(o, e->value, e->version, age > 0 ? age : 1);
}

static void
answer(struct op *o, ProtobufCBinaryData data, uint64_t version, int64_t age_us)
{
	Mf__StoreResult *r = ARENA_NEW(call_arena(o->c), Mf__StoreResult);

	mf__store_result__init(r);
	r->data = data;
	r->version = version;
	r->age_us = (uint64_t)age_us;
	r->degraded = true;
	o->result = r;
	db_answer(o);
}

static void
is_down(struct op *o, const char *why)
{
	o->settled = true;
	call_fail_because(o->c, ST_UNAVAILABLE, "STORE_DOWN", RETRY_MS, "%s", why);
}
