/* journal: the service mf.Journal without its Write: the mode of the stores, what the journal knows of
 * an object, reading on, trimming. */
#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "database/nosql/journal_int.h"

#define PAGE_MOST  1000
#define PAGE_BYTES "1048576"

struct asked {
	struct call *c;
	const char *ns;
};

static void journal_mode(Mf__Journal_Service *, const Mf__ModeChange *, Mf__ModeIs_Closure, void *);
static void
journal_get(Mf__Journal_Service *, const Mf__StoreOp *, Mf__JournalObject_Closure, void *);
static void
journal_after(Mf__Journal_Service *, const Mf__JournalAfter *, Mf__JournalPage_Closure, void *);
static void
journal_trim(Mf__Journal_Service *, const Mf__JournalTrim *, Mf__ModeIs_Closure, void *);
static void on_mode(const struct redis_reply *, void *);
static void on_get(const struct redis_reply *, void *);
static void on_after(const struct redis_reply *, void *);
static void on_trimmed(const struct redis_reply *, void *);
static void reply_mode(struct call *, const struct redis_reply *);
static uint64_t number_of(const struct redis_reply *);
static const char *number(struct call *, uint64_t);
static void run(struct call *, const char *, const char *const *, redis_done_fn *, void *);
static bool is_refused(struct call *, const struct redis_reply *);

Mf__Journal_Service journal_service = MF__JOURNAL__INIT(journal_);

static struct redis *server;
static struct journal_limits limits;

void
journal_init(struct redis *r, const struct journal_limits *l)
{
	server = r;
	limits = *l;
}

struct redis *
journal_redis(void)
{
	return server;
}

const struct journal_limits *
journal_limits(void)
{
	return &limits;
}

static void
journal_mode(Mf__Journal_Service *s, const Mf__ModeChange *q, Mf__ModeIs_Closure reply, void *ctx)
{
	char id[UUID_LEN];

	(void)s, (void)reply;
	uuid7(id);
	run(ctx, script_mode,
	    (const char *const[]){ number(ctx, q->mode), number(ctx, q->if_epoch),
		number(ctx, q->least), id, number(ctx, (uint64_t)time_wall_us()), NULL },
	    on_mode, ctx);
	STEP("nosql.mode.sent");
}

static void
on_mode(const struct redis_reply *r, void *ctx)
{
	if (journal_failed(ctx, r))
		return;
	STEP("nosql.mode.durable");
	reply_mode(ctx, r);
}

static void
reply_mode(struct call *c, const struct redis_reply *r)
{
	Mf__ModeIs m = MF__MODE_IS__INIT;

	if (r->type != REDIS_ARRAY || r->n_items != 8) {
		call_fail(
		    c, ST_DATA_LOSS, "the record of the mode is kept in a form that is not ours");
		return;
	}
	m.mode = (Mf__StoreMode)number_of(r->items[0]);
	m.epoch = number_of(r->items[1]);
	m.journal = arena_strndup(call_arena(c), r->items[2]->s, r->items[2]->n);
	m.entries = number_of(r->items[3]);
	m.bytes = number_of(r->items[4]);
	m.last = number_of(r->items[5]);
	m.oldest_at = number_of(r->items[6]);
	m.since = number_of(r->items[7]);
	call_reply(c, &m.base);
}

static void
journal_get(
    Mf__Journal_Service *s, const Mf__StoreOp *q, Mf__JournalObject_Closure reply, void *ctx)
{
	struct asked *x = ARENA_NEW(call_arena(ctx), struct asked);

	(void)s, (void)reply;
	x->c = ctx;
	x->ns = q->namespace_[0] != '\0' ? q->namespace_ : "default";
	run(x->c, script_get, (const char *const[]){ q->id, NULL }, on_get, x);
}

/* An object of another namespace is not there, whatever the journal did to it. */
static void
on_get(const struct redis_reply *r, void *ctx)
{
	Mf__JournalObject m = MF__JOURNAL_OBJECT__INIT;
	struct asked *x = ctx;
	struct state s;

	if (journal_failed(x->c, r))
		return;
	m.epoch = number_of(r->items[0]);
	if (r->items[1]->type == REDIS_STRING) {
		if (!state_parse((struct str){ r->items[1]->s, r->items[1]->n }, &s)) {
			call_fail(x->c, ST_DATA_LOSS, "the journal has a form that is not ours");
			return;
		}
		m.known = true;
		m.version = s.version;
		if (str_eq(s.ns, x->ns)) {
			m.data.data = (uint8_t *)(uintptr_t)s.json.p;
			m.data.len = s.json.n;
		}
	}
	call_reply(x->c, &m.base);
}

static void
journal_after(
    Mf__Journal_Service *s, const Mf__JournalAfter *q, Mf__JournalPage_Closure reply, void *ctx)
{
	uint32_t most = q->most == 0 || q->most > PAGE_MOST ? PAGE_MOST : q->most;

	(void)s, (void)reply;
	run(ctx, script_after,
	    (const char *const[]){
		q->journal, number(ctx, q->number), number(ctx, most), PAGE_BYTES, NULL },
	    on_after, ctx);
}

/* An entry is kept without its number: "{...}" becomes "{"n":NUMBER,...}". */
static void
on_after(const struct redis_reply *r, void *ctx)
{
	Mf__JournalPage m = MF__JOURNAL_PAGE__INIT;
	struct arena *a = call_arena(ctx);

	if (journal_failed(ctx, r) || is_refused(ctx, r))
		return;
	m.newest = number_of(r->items[0]);
	m.entries = ARENA_ARRAY(a, ProtobufCBinaryData, r->n_items / 2 + 1);
	for (size_t i = 1; i + 1 < r->n_items; i += 2) {
		const struct redis_reply *e = r->items[i + 1];
		char *text = arena_printf(a, "{\"n\":%.*s,%.*s", (int)r->items[i]->n,
		    r->items[i]->s, (int)e->n - 1, e->s + 1);

		m.entries[m.n_entries].data = (uint8_t *)text;
		m.entries[m.n_entries++].len = strlen(text);
		m.last = number_of(r->items[i]);
	}
	call_reply(ctx, &m.base);
}

static void
journal_trim(Mf__Journal_Service *s, const Mf__JournalTrim *q, Mf__ModeIs_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	run(ctx, script_trim, (const char *const[]){ q->journal, number(ctx, q->upto), NULL },
	    on_trimmed, ctx);
	STEP("nosql.journal.trim_sent");
}

static void
on_trimmed(const struct redis_reply *r, void *ctx)
{
	if (journal_failed(ctx, r) || is_refused(ctx, r))
		return;
	STEP("nosql.journal.trimmed");
	reply_mode(ctx, r);
}

/* --- scripts --- */

static uint64_t
number_of(const struct redis_reply *r)
{
	uint64_t n = 0;

	return r->type == REDIS_STRING && str_u64((struct str){ r->s, r->n }, UINT64_MAX, &n) ? n
	                                                                                      : 0;
}

static const char *
number(struct call *c, uint64_t n)
{
	return arena_printf(call_arena(c), "%" PRIu64, n);
}

/* argv: texts, NULL-ended. */
static void
run(struct call *c, const char *script, const char *const *argv, redis_done_fn *done, void *ctx)
{
	size_t n = 0, lens[8];

	for (; argv[n] != NULL; n++)
		lens[n] = strlen(argv[n]);
	journal_run(c, script, n, argv, lens, done, ctx);
}

void
journal_run(struct call *c, const char *script, size_t n, const char *const *argv,
    const size_t *lens, redis_done_fn *done, void *ctx)
{
	struct arena *a = call_arena(c);
	const char **all = ARENA_ARRAY(a, const char *, JOURNAL_KEYS + n);
	size_t *all_lens = ARENA_ARRAY(a, size_t, JOURNAL_KEYS + n);

	for (size_t i = 0; i < JOURNAL_KEYS; i++)
		all_lens[i] = strlen(all[i] = journal_keys[i]);
	for (size_t i = 0; i < n; i++) {
		all[JOURNAL_KEYS + i] = argv[i];
		all_lens[JOURNAL_KEYS + i] = lens[i];
	}
	redis_script(
	    server, c, script, JOURNAL_KEYS, (int)(JOURNAL_KEYS + n), all, all_lens, done, ctx);
}

bool
journal_failed(struct call *c, const struct redis_reply *r)
{
	if (r->type != REDIS_FAILED || !r->unknown)
		return redis_fail_call(c, r);
	call_fail_because(c, ST_UNAVAILABLE, "OUTCOME_UNKNOWN", 500,
	    "the connection to Redis broke; the same operation again is safe");
	return true;
}

static bool
is_refused(struct call *c, const struct redis_reply *r)
{
	if (r->type == REDIS_ARRAY)
		return false;
	call_fail_because(c, ST_ABORTED, "MODE_CHANGED", 10, "this is another journal");
	return true;
}
