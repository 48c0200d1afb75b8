/* stage: see stage.h. The new states are made here from the old ones (change.c), and one script takes
 * them when the old ones are still there, nobody holds them and their unique keys are free. Answers
 * come after the append-only file is on disk. */
#include "database/nosql/stage.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/step.h"
#include "base/time.h"
#include "database/nosql/stage_members.h"
#include "database/nosql/stage_scripts.h"

#define HASH_BYTES 16
#define LIST_MOST  1000
/* Shorter than sql keeps operations (a day): a repetition that is known here is known there. */
#define KEEP_MOST_US ((int64_t)23 * 3600 * SEC)

struct staging {
	struct call *c;
	const Mf__StoreOp *q;
	const char *model, *operation, *transaction; /* "": published at once */
	const char *name, *prefix, *record;
	struct collection *k;
	struct stage_doc *docs;
	size_t n;
	unsigned tries;
	uint8_t hash[HASH_BYTES];
	Mf__StoreResult result;
};

struct listing {
	struct call *c;
	size_t left;
	Mf__StagedParts out;
};

struct listed { /* of one collection */
	struct listing *l;
	const char *collection;
};

static struct staging *staging_new(struct call *, const Mf__StoreOp *);
static void hash_of(const Mf__StoreOp *, struct arena *, uint8_t[HASH_BYTES]);
static void look(struct staging *);
static void on_looked(const struct redis_reply *, void *);
static bool again(struct staging *, const struct redis_reply *);
static void take(struct staging *);
static void say_ends(const struct staging *);
static void add_doc(struct args *, struct arena *, const struct stage_doc *);
static struct str record_of(struct staging *);
static void on_taken(const struct redis_reply *, void *);
static void reply_recorded(struct staging *, const struct redis_reply *, bool);
static void on_registered(const struct redis_reply *, void *);
static void on_settled(const struct redis_reply *, void *);
static void on_collections(const struct redis_reply *, void *);
static void on_listed(const struct redis_reply *, void *);

static struct redis *server;
static int64_t keep_us;

void
stage_init(struct redis *r, int64_t operation_ttl_us)
{
	server = r;
	keep_us = operation_ttl_us < KEEP_MOST_US ? operation_ttl_us : KEEP_MOST_US;
}

bool
stage_refused(struct call *c, const struct redis_reply *r)
{
	struct violation v = { "transaction", "" };

	if (r->type != REDIS_ARRAY || r->n_items != 2 || r->items[0]->type != REDIS_STRING ||
	    strcmp(r->items[0]->s, "HELD") != 0)
		return false;
	v.what = arena_strndup(call_arena(c), r->items[1]->s, r->items[1]->n);
	call_fail_with(c, &(const struct failure){
			      .status = ST_ABORTED,
			      .reason = "STAGED",
			      .retry_ms = 10,
			      .message = "a transaction holds the document",
			      .n_violations = 1,
			      .violations = &v,
			  });
	return true;
}

static bool
is_named(const Mf__StoreResult *m, const struct redis_reply *r)
{
	for (size_t i = 0; i < m->n_staged; i++)
		if (str_eq((struct str){ r->s, r->n }, m->staged[i]))
			return true;
	return false;
}

void
stage_named(struct arena *a, const struct redis_reply *r, Mf__StoreResult *out)
{
	size_t n = r->type == REDIS_ARRAY ? r->n_items : r->type == REDIS_STRING;
	char **before = out->staged;

	out->staged = ARENA_ARRAY(a, char *, out->n_staged + n + 1);
	if (out->n_staged > 0)
		memcpy(out->staged, before, out->n_staged * sizeof(*before));
	for (size_t i = 0; i < n; i++) {
		const struct redis_reply *one = r->type == REDIS_ARRAY ? r->items[i] : r;

		if (one->type == REDIS_STRING && !is_named(out, one))
			out->staged[out->n_staged++] = arena_strndup(a, one->s, one->n);
	}
}

/* --- stage --- */

void
stage_documents(struct call *c, const Mf__StoreOp *q)
{
	const char *const registers[] = { "SADD", "mf:staging", q->model };
	const size_t lens[] = { 4, 10, strlen(q->model) };
	struct staging *x;

	if (q->transaction[0] == '\0') {
		call_fail(c, ST_INVALID_ARGUMENT, "transaction: is missing");
		return;
	}
	if ((x = staging_new(c, q)) == NULL)
		return;
	/* sent before what stages, on the same connection: the janitor finds whatever is staged */
	redis_command(server, NULL, 3, registers, lens, on_registered, NULL);
	look(x);
}

/* Should it have failed, so does what comes behind it. */
static void
on_registered(const struct redis_reply *r, void *ctx)
{
	(void)r, (void)ctx;
}

void
stage_write(struct call *c, const Mf__StoreOp *q)
{
	struct staging *x = staging_new(c, q);

	if (x != NULL)
		look(x);
}

static struct staging *
staging_new(struct call *c, const Mf__StoreOp *q)
{
	struct arena *a = call_arena(c);
	struct staging *x = ARENA_NEW(a, struct staging);

	x->c = c;
	x->q = q;
	if (!stage_docs(c, q, &x->docs, &x->n))
		return NULL;
	x->model = q->members[0]->model;
	x->name = x->model + strlen("doc.");
	x->prefix = collection_prefix(a, x->name);
	x->operation = q->operation_id[0] != '\0' ? q->operation_id : call_operation_id(c);
	x->transaction = q->transaction;
	x->record = arena_printf(a, "%str:%s", x->prefix, x->operation);
	x->k = collections_get(c, x->name);
	hash_of(q, a, x->hash);
	return x;
}

/* Of the members here, and (data) of those elsewhere. */
static void
hash_of(const Mf__StoreOp *q, struct arena *a, uint8_t out[HASH_BYTES])
{
	crypto_generichash_state h;

	crypto_generichash_init(&h, NULL, 0, HASH_BYTES);
	crypto_generichash_update(&h, q->data.data, q->data.len);
	for (size_t i = 0; i < q->n_members; i++) {
		Mf__StoreOp m = *q->members[i];
		uint8_t *p;
		size_t n;

		m.mode_epoch = 0; /* of when, not of what */
		m.trace_id = (char *)(uintptr_t) "";
		n = mf__store_op__get_packed_size(&m);
		p = arena_alloc(a, n + 1);
		mf__store_op__pack(&m, p);
		crypto_generichash_update(&h, (const uint8_t *)&n, sizeof(n));
		crypto_generichash_update(&h, p, n);
	}
	crypto_generichash_final(&h, out, HASH_BYTES);
}

static void
look(struct staging *x)
{
	struct args v;

	if (x->k->dropping) {
		call_fail_because(x->c, ST_FAILED_PRECONDITION, "COLLECTION_DROPPED", 0,
		    "the collection is being dropped");
		return;
	}
	args_start(&v, call_arena(x->c), x->n + 4);
	args_text(&v, x->record);
	args_text(&v, x->prefix);
	args_text(&v, x->k->epoch);
	args_text(&v, x->transaction);
	for (size_t i = 0; i < x->n; i++)
		args_text(&v, x->docs[i].id);
	redis_script(server, x->c, stage_look_script, 1, v.n, v.v, v.lens, on_looked, x);
}

/* {'ok', document, ...} */
static void
on_looked(const struct redis_reply *r, void *ctx)
{
	struct staging *x = ctx;

	if (redis_fail_call(x->c, r) || stage_refused(x->c, r) || again(x, r))
		return;
	if (!script_says(r, "ok")) {
		reply_recorded(x, r->items[1], script_says(r, "DONE"));
		return;
	}
	for (size_t i = 0; i < x->n; i++) {
		const struct redis_reply *doc = r->items[1 + i];

		x->docs[i].before = (struct str){ NULL, 0 };
		if (doc->type == REDIS_STRING)
			x->docs[i].before =
			    (struct str){ arena_strndup(call_arena(x->c), doc->s, doc->n), doc->n };
	}
	STEP("nosql.stage.looked");
	if (stage_members(x->c, x->q, x->k, x->docs, x->n, &x->result))
		take(x);
}

/* Was it in vain? Then it looks again, or the call has failed: the documents have changed since, or
 * what was declared of them. */
static bool
again(struct staging *x, const struct redis_reply *r)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	bool stale = script_says(r, "stale");

	if (!stale && !script_says(r, "CHANGED"))
		return false;
	if (++x->tries == CAS_TRIES)
		call_fail_because(
		    x->c, ST_ABORTED, "VERSION_CONFLICT", 10, "the documents change too fast");
	else if (stale && (x->k = collections_learn(
			       x->c, x->name, r->items[1]->s, r->items[1]->n, &f)) == NULL)
		call_fail_with(x->c, &f);
	else
		look(x);
	return true;
}

static void
take(struct staging *x)
{
	struct arena *a = call_arena(x->c);
	struct str record = record_of(x);
	struct args v;

	args_start(&v, a, 7 + x->n * (6 + 3 * INDEXES_MOST));
	args_text(&v, x->record);
	args_text(&v, x->prefix);
	args_text(&v, x->k->epoch);
	args_text(&v, x->transaction);
	args_text(&v, x->operation);
	args_add(&v, record.p, record.n);
	args_text(&v, arena_printf(a, "%" PRId64, (time_wall_us() + keep_us) / MS));
	for (size_t i = 0; i < x->n; i++)
		add_doc(&v, a, &x->docs[i]);
	say_ends(x);
	redis_script(server, x->c, stage_take_script, 1, v.n, v.v, v.lens, on_taken, x);
	STEP("nosql.stage.sent");
}

static void
say_ends(const struct staging *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->docs[i].there && x->docs[i].after.ttl_ms >= 0)
			collections_ends(x->name, x->docs[i].after.ttl_ms);
}

static void
add_doc(struct args *v, struct arena *a, const struct stage_doc *d)
{
	bool put = d->there && d->touched, gone = !d->there && d->touched;
	const struct change *ch = &d->after;
	char *before = arena_alloc(a, d->before.n + 1);

	before[0] = '=';
	if (d->before.n > 0)
		memcpy(before + 1, d->before.p, d->before.n);
	args_text(v, d->id);
	args_add(v, before, d->before.p != NULL ? d->before.n + 1 : 0);
	args_text(v, put && d->anew ? "anew" : put ? "put" : gone ? "erase" : "");
	args_add(v, put ? ch->raw : "", put ? ch->n : 0);
	args_text(v, put && ch->ttl_ms >= 0 ? arena_printf(a, "%" PRId64, ch->ttl_ms) : "");
	args_text(v, arena_printf(a, "%zu", put ? ch->n_entries : 0));
	if (put)
		args_entries(v, ch->entries, ch->n_entries);
}

/* The hash of what was asked for, then the answer. */
static struct str
record_of(struct staging *x)
{
	size_t n = mf__store_result__get_packed_size(&x->result);
	char *p = arena_alloc(call_arena(x->c), HASH_BYTES + n);

	memcpy(p, x->hash, HASH_BYTES);
	mf__store_result__pack(&x->result, (uint8_t *)p + HASH_BYTES);
	return (struct str){ p, HASH_BYTES + n };
}

static void
on_taken(const struct redis_reply *r, void *ctx)
{
	struct staging *x = ctx;

	if (redis_fail_call(x->c, r) || stage_refused(x->c, r) || again(x, r))
		return;
	if (script_says(r, "taken")) {
		documents_refuse_taken(x->c, x->model, x->k, r);
		return;
	}
	STEP("nosql.stage.durable");
	if (script_says(r, "ok")) {
		say_ends(x); /* it may have got there behind those who look for it */
		call_reply(x->c, &x->result.base);
	} else
		reply_recorded(x, r->items[1], script_says(r, "DONE"));
}

/* The transaction was done, or staged, before. */
static void
reply_recorded(struct staging *x, const struct redis_reply *r, bool done)
{
	Mf__StoreResult *m;

	if (r->n < HASH_BYTES || memcmp(r->s, x->hash, HASH_BYTES) != 0) {
		call_fail_because(x->c, ST_ALREADY_EXISTS, "OPERATION_TAKEN", 0,
		    "the operation id belongs to another operation");
		return;
	}
	m = mf__store_result__unpack(arena_allocator(call_arena(x->c)), r->n - HASH_BYTES,
	    (const uint8_t *)r->s + HASH_BYTES);
	if (m == NULL) {
		call_fail(x->c, ST_DATA_LOSS, "what was recorded of the operation can't be read");
		return;
	}
	m->repeated = done;
	for (size_t i = 0; done && i < m->n_items; i++)
		m->items[i]->repeated = true;
	if (done)
		m->rows_affected = 0;
	call_reply(x->c, &m->base);
}

/* --- settle --- */

void
stage_settle(struct call *c, const Mf__SettleAsk *q)
{
	struct arena *a = call_arena(c);
	const char *name = q->collection + strlen("doc."), *prefix;
	struct args v;

	if (!str_starts(q->collection, "doc.") || !collection_name_ok(name) ||
	    q->transaction[0] == '\0') {
		call_fail(c, ST_INVALID_ARGUMENT, "collection: must be doc.NAME");
		return;
	}
	prefix = collection_prefix(a, name);
	args_start(&v, a, 4);
	args_text(&v, arena_printf(a, "%stx:%s", prefix, q->transaction));
	args_text(&v, prefix);
	args_text(&v, q->transaction);
	args_text(&v, q->commit ? "commit" : "abort");
	redis_script(server, c, stage_settle_script, 1, v.n, v.v, v.lens, on_settled, c);
	STEP("nosql.settle.sent");
}

static void
on_settled(const struct redis_reply *r, void *ctx)
{
	Mf__Settled out = MF__SETTLED__INIT;

	if (redis_fail_call(ctx, r))
		return;
	STEP("nosql.settle.durable");
	out.documents = (uint64_t)r->i;
	call_reply(ctx, &out.base);
}

/* --- what is staged --- */

void
stage_list(struct call *c)
{
	struct listing *l = ARENA_NEW(call_arena(c), struct listing);

	l->c = c;
	mf__staged_parts__init(&l->out);
	redis_command(server, c, 2, (const char *const[]){ "SMEMBERS", "mf:staging" },
	    (const size_t[]){ 8, 10 }, on_collections, l);
}

static void
on_collections(const struct redis_reply *r, void *ctx)
{
	struct listing *l = ctx;
	struct arena *a = call_arena(l->c);

	if (redis_fail_call(l->c, r))
		return;
	l->left = r->n_items;
	l->out.parts = ARENA_ARRAY(a, Mf__StagedPart *, LIST_MOST);
	if (l->left == 0)
		call_reply(l->c, &l->out.base);
	for (size_t i = 0; i < r->n_items; i++) {
		struct listed *x = ARENA_NEW(a, struct listed);
		struct args v;

		*x = (struct listed){ l, arena_strndup(a, r->items[i]->s, r->items[i]->n) };
		args_start(&v, a, 1);
		args_text(&v, arena_printf(a, "mf:{%s}:tx", r->items[i]->s));
		redis_script(server, l->c, stage_list_script, 1, v.n, v.v, v.lens, on_listed, x);
	}
}

static void
on_listed(const struct redis_reply *r, void *ctx)
{
	struct listed *x = ctx;
	struct listing *l = x->l;
	struct arena *a = call_arena(l->c);
	uint64_t now = 0, at;

	if (redis_fail_call(l->c, r))
		return;
	str_u64(str_of(r->items[r->n_items - 1]->s), UINT64_MAX, &now);
	for (size_t i = 0; i + 2 < r->n_items && l->out.n_parts < LIST_MOST; i += 2) {
		Mf__StagedPart *p = ARENA_NEW(a, Mf__StagedPart);

		mf__staged_part__init(p);
		p->transaction = arena_strndup(a, r->items[i]->s, r->items[i]->n);
		p->collection = (char *)(uintptr_t)x->collection;
		if (str_u64(str_of(r->items[i + 1]->s), UINT64_MAX, &at) && at < now)
			p->age_us = (now - at) * (uint64_t)MS;
		l->out.parts[l->out.n_parts++] = p;
	}
	if (--l->left == 0)
		call_reply(l->c, &l->out.base);
}
