/* sweep: see sweep.h. First the documents in order of id, then, of a check, each index in its order. */
#include <inttypes.h>
#include <string.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "database/nosql/cut.h"
#include "database/nosql/documents_inside.h"
#include "database/nosql/sweep.h"

#define SLICE_DOCUMENTS 200
#define SLICE_BYTES     (256u << 10)
#define SLICE_ENTRIES   500
#define MARGIN          (150 * MS) /* of a check's time: its answer has to get back */
#define CUT_US          (20 * MS)  /* a build waits while the cut of a backup is taken */
#define SWEEP_ARENA     (32u << 20)
#define POSITION_MOST   (1 + SLOT_LEN + INDEX_KEY_MOST + DOCUMENT_ID + 2)

struct sweep {
	struct redis *r;
	struct call *c; /* NULL: a build */
	struct arena *a;
	struct collection *k;
	const char *name, *prefix; /* name: of a check */
	bool mend, checks;
	size_t index; /* of entries; n_indexes: done */
	bool of_entries;
	char at[POSITION_MOST]; /* behind this id or member */
	size_t at_n;
	struct sweep_counts n;
	int64_t began_us;
	unsigned tries;
};

static void sweep_next(struct sweep *);
static void read_documents(struct sweep *);
static void on_documents(const struct redis_reply *, void *);
static void
add_document(struct sweep *, struct args *, const struct redis_reply *, const struct redis_reply *);
static void on_indexed(const struct redis_reply *, void *);
static void read_entries(struct sweep *);
static void on_entries(const struct redis_reply *, void *);
static void slice_done(struct sweep *);
static void on_pause(struct timer *);
static void sweep_ended(struct sweep *, enum sweep_end, const struct redis_reply *);
static bool position_read(struct sweep *, const char *);
static const char *position_text(struct sweep *);
static void check_reply(struct sweep *);
static void on_check_kept(const struct redis_reply *, void *);

static struct {
	struct sweep sweep;
	struct build b;
	struct timer pause;
	char *why[INDEXES_MOST];
	struct arena *words;
} build;

/* --- a check --- */

void
sweep_check(struct call *c, struct redis *r, const char *name, const json_t *spec)
{
	struct sweep *s = ARENA_NEW(call_arena(c), struct sweep);
	const json_t *mend = json_object_get(spec, "mend"), *after = json_object_get(spec, "after");
	struct args x;

	s->r = r;
	s->c = c;
	s->a = call_arena(c);
	s->name = arena_strdup(s->a, name);
	s->prefix = collection_prefix(s->a, name);
	s->mend = json_is_true(mend);
	s->checks = true;
	if ((!json_is_true(spec) && !json_is_object(spec)) ||
	    (mend != NULL && !json_is_boolean(mend)) ||
	    json_object_size(spec) != (size_t)(mend != NULL) + (after != NULL)) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    "data/check: must be true or {\"mend\": true, \"after\": CURSOR}");
		return;
	}
	if (after != NULL && !json_is_null(after) &&
	    !position_read(s, json_is_string(after) ? json_string_value(after) : "")) {
		call_fail(c, ST_INVALID_ARGUMENT, "data/check/after: is not a cursor of a check");
		return;
	}
	args_start(&x, s->a, 2);
	args_text(&x, arena_printf(s->a, "%sdef", s->prefix));
	args_text(&x, s->prefix);
	redis_script(r, c, collection_read_script, 1, x.n, x.v, x.lens, on_check_kept, s);
}

static void
on_check_kept(const struct redis_reply *r, void *ctx)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct sweep *s = ctx;

	if (redis_fail_call(s->c, r))
		return;
	s->k = collections_learn(s->c, s->name, r->items[0]->s, r->items[0]->n, &f);
	if (s->k == NULL) {
		call_fail_with(s->c, &f);
	} else if (!s->k->declared) {
		call_fail(s->c, ST_NOT_FOUND, "collection %s is not declared", s->name);
	} else {
		for (s->index = 0; s->of_entries && s->index < s->k->n_indexes; s->index++)
			if (memcmp(s->k->indexes[s->index].slot, s->at, SLOT_LEN - 1) == 0)
				break;
		if (s->of_entries) { /* of an index that is gone, nothing is left to do */
			s->at_n -= SLOT_LEN - 1;
			memmove(s->at, s->at + SLOT_LEN - 1, s->at_n);
		}
		sweep_next(s);
	}
}

static void
check_reply(struct sweep *s)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = { { "documents", s->n.documents }, { "missing", s->n.missing },
		{ "unfit", s->n.unfit }, { "taken", s->n.taken }, { "entries", s->n.entries },
		{ "strays", s->n.strays } };
	struct jw w;

	jw_start(&w, s->a, 256);
	jw_object(&w, NULL);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		jw_int(&w, counts[i].name, (int64_t)counts[i].n);
	jw_bool(&w, "mended", s->mend);
	jw_str(&w, "next_cursor",
	    s->of_entries && s->index == s->k->n_indexes ? NULL : position_text(s));
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	out.rows_affected = s->mend ? s->n.missing + s->n.strays : 0;
	call_reply(s->c, &out.base);
}

/* "d", id; or "x", slot, member. */
static const char *
position_text(struct sweep *s)
{
	char raw[POSITION_MOST + SLOT_LEN], *out;
	size_t n = 1;

	raw[0] = s->of_entries ? 'x' : 'd';
	if (s->of_entries) {
		memcpy(raw + 1, s->k->indexes[s->index].slot, SLOT_LEN - 1);
		n += SLOT_LEN - 1;
	}
	memcpy(raw + n, s->at, s->at_n);
	n += s->at_n;
	out = arena_alloc(s->a, str_b64url_len(n) + 1);
	str_b64url(raw, n, out);
	return out;
}

static bool
position_read(struct sweep *s, const char *text)
{
	uint8_t raw[POSITION_MOST + SLOT_LEN];
	size_t n;

	if (!str_unb64url(str_of(text), raw, POSITION_MOST, &n) || n < 1 ||
	    (raw[0] != 'd' && raw[0] != 'x') || (raw[0] == 'x' && n < SLOT_LEN))
		return false;
	s->of_entries = raw[0] == 'x';
	s->at_n = n - 1;
	memcpy(s->at, raw + 1, s->at_n);
	return true;
}

/* --- a build --- */

void
sweep_build(const struct build *b)
{
	must(build.b.k == NULL);
	build.b = *b;
	build.words = arena_new(1 << 20);
	build.sweep = (struct sweep){
		.r = b->r, .a = arena_new(SWEEP_ARENA), .k = collection_hold(b->k), .mend = true
	};
	timer_init(&build.pause, b->loop, on_pause);
	sweep_next(&build.sweep);
}

static void
on_pause(struct timer *t)
{
	(void)t;
	if (cut_holding())
		timer_in(&build.pause, CUT_US);
	else
		sweep_next(&build.sweep);
}

static void
build_free(void)
{
	timer_stop(&build.pause);
	arena_free(&build.sweep.a);
	arena_free(&build.words);
	collection_release(&build.sweep.k);
	memset(&build, 0, sizeof(build));
}

void
sweep_stop(void)
{
	if (build.b.k != NULL)
		build_free();
}

static void
build_ended(enum sweep_end end)
{
	const struct build b = build.b;
	const char *why[INDEXES_MOST];
	struct arena *words = build.words;
	struct collection *k = collection_hold(build.sweep.k);

	memcpy(why, build.why, sizeof(why));
	build.words = NULL;
	build_free();
	b.done(end, k, why);
	collection_release(&k);
	arena_free(&words);
}

/* --- both --- */

static void
sweep_next(struct sweep *s)
{
	s->began_us = time_now_us();
	if (s->c == NULL) {
		arena_reset(s->a);
		s->prefix = collection_prefix(s->a, s->k->name);
	} else if (call_left(s->c) < MARGIN) {
		check_reply(s);
		return;
	}
	if (!s->of_entries)
		read_documents(s);
	else if (s->index < s->k->n_indexes)
		read_entries(s);
	else
		check_reply(s);
}

static void
sweep_ended(struct sweep *s, enum sweep_end end, const struct redis_reply *r)
{
	if (s->c == NULL)
		build_ended(end);
	else if (end == SWEEP_FAILED)
		(void)redis_fail_call(s->c, r);
	else
		call_fail_because(s->c, ST_ABORTED, "COLLECTION_CHANGED", 10,
		    "the collection was declared anew meanwhile");
}

static bool
went_wrong(struct sweep *s, const struct redis_reply *r)
{
	if (r->type == REDIS_FAILED)
		sweep_ended(s, SWEEP_FAILED, r);
	else if (!script_says(r, "ok"))
		sweep_ended(s, SWEEP_STALE, r);
	else
		return false;
	return true;
}

static void
read_documents(struct sweep *s)
{
	struct args x;

	args_start(&x, s->a, 9);
	args_text(&x, arena_printf(s->a, "%sids", s->prefix));
	args_text(&x, s->prefix);
	args_text(&x, s->k->epoch);
	args_text(&x, "");
	args_text(&x, "0");
	args_text(&x, arena_printf(s->a, "%d", SLICE_DOCUMENTS));
	args_text(&x, arena_printf(s->a, "%u", SLICE_BYTES));
	args_text(&x, s->at_n == 0 ? "-" : arena_printf(s->a, "(%.*s", (int)s->at_n, s->at));
	args_text(&x, "+");
	redis_script(s->r, s->c, document_slice_script, 1, x.n, x.v, x.lens, on_documents, s);
}

static void
on_documents(const struct redis_reply *r, void *ctx)
{
	struct sweep *s = ctx;
	size_t n;
	struct args x;

	if (went_wrong(s, r))
		return;
	n = (r->n_items - 5) / 2;
	if (r->items[1]->i == 0) { /* no document is left */
		s->at_n = 0;
		s->of_entries = true;
		if (s->checks)
			sweep_next(s);
		else
			build_ended(SWEEP_DONE);
		return;
	}
	must(r->items[2]->n < sizeof(s->at));
	memcpy(s->at, r->items[2]->s, r->items[2]->n);
	s->at_n = r->items[2]->n;
	args_start(&x, s->a, 4 + n * (3 + 3 * INDEXES_MOST));
	args_text(&x, arena_printf(s->a, "%sdef", s->prefix));
	args_text(&x, s->prefix);
	args_text(&x, s->k->epoch);
	args_text(&x, s->mend ? "1" : "0");
	for (size_t i = 0; i < n; i++)
		add_document(s, &x, r->items[5 + 2 * i], r->items[6 + 2 * i]);
	redis_script(s->r, s->c, collection_index_script, 1, x.n, x.v, x.lens, on_indexed, s);
}

static void
add_document(
    struct sweep *s, struct args *x, const struct redis_reply *id, const struct redis_reply *kept)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct index_entry *entries;
	struct document d;
	struct json_error e;
	json_t *v = document_parse(kept->s, kept->n, &d) ? json_read(d.json, d.n, &e) : NULL;
	size_t n;

	s->n.documents++;
	if (v == NULL) { /* not ours: a read of it says so */
		s->n.unfit++;
		return;
	}
	s->n.unfit += s->checks && !collection_accepts(s->a, s->k, v, &f);
	n = collection_entries(s->a, s->k, v, &entries);
	json_decref(v);
	args_add(x, arena_dup(s->a, id->s, id->n), id->n);
	args_add(x, arena_dup(s->a, kept->s, kept->n), kept->n);
	args_text(x, arena_printf(s->a, "%zu", 3 * n));
	args_entries(x, entries, n);
}

static void
on_indexed(const struct redis_reply *r, void *ctx)
{
	struct sweep *s = ctx;

	if (went_wrong(s, r))
		return;
	s->n.missing += (uint64_t)r->items[1]->i;
	for (size_t i = 2; i + 2 < r->n_items; i += 3) {
		s->n.taken++;
		for (size_t k = 0; s->c == NULL && k < s->k->n_indexes; k++)
			if (build.why[k] == NULL &&
			    strcmp(s->k->indexes[k].slot, r->items[i]->s) == 0)
				build.why[k] = arena_printf(build.words,
				    "documents %s and %s have the same key", r->items[i + 1]->s,
				    r->items[i + 2]->s);
	}
	slice_done(s);
}

static void
read_entries(struct sweep *s)
{
	const char *slot = s->k->indexes[s->index].slot;
	char *from = arena_alloc(s->a, s->at_n + 1);
	struct args x;

	from[0] = '(';
	memcpy(from + 1, s->at, s->at_n);
	args_start(&x, s->a, 7);
	args_text(&x, arena_printf(s->a, "%sx:%s", s->prefix, slot));
	args_text(&x, s->prefix);
	args_text(&x, s->k->epoch);
	args_text(&x, slot);
	args_add(&x, s->at_n == 0 ? "-" : from, s->at_n == 0 ? 1 : s->at_n + 1);
	args_text(&x, arena_printf(s->a, "%d", SLICE_ENTRIES));
	args_text(&x, s->mend ? "1" : "0");
	redis_script(s->r, s->c, collection_strays_script, 1, x.n, x.v, x.lens, on_entries, s);
}

static void
on_entries(const struct redis_reply *r, void *ctx)
{
	struct sweep *s = ctx;

	if (went_wrong(s, r))
		return;
	s->n.entries += (uint64_t)r->items[1]->i;
	s->n.strays += (uint64_t)r->items[2]->i;
	if (r->items[1]->i < SLICE_ENTRIES) {
		s->index++;
		s->at_n = 0;
	} else {
		must(r->items[3]->n < sizeof(s->at));
		memcpy(s->at, r->items[3]->s, r->items[3]->n);
		s->at_n = r->items[3]->n;
	}
	slice_done(s);
}

/* A build waits as long as its slice took. */
static void
slice_done(struct sweep *s)
{
	if (s->c != NULL) {
		sweep_next(s);
		return;
	}
	build.b.slice(&s->n);
	timer_in(&build.pause, time_now_us() - s->began_us + MS);
}
