/* mode: see mode.h. One change or question is under way at a time, in a call of its own. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "database/mode.h"

#define LIMIT_US      (2 * SEC)
#define AGAIN_MIN     (20 * MS) /* between two questions that nobody answered */
#define AGAIN_MOST    (250 * MS)
#define AGAIN_HINTED  (2 * SEC) /* ... and nobody waits for */
#define AGAIN_DEGRADE (250 * MS)
#define WAIT_US       (3 * SEC)
#define MARGIN_US     (50 * MS) /* before the deadline: the answer has to get back */
#define TURNS_MOST    8

struct waiter {
	struct link link;
	struct call_dep dep;
	struct op *op;
	struct call_timer *late;
	struct failure failure;
	bool fails; /* when nothing changed */
	struct mode_record seen;
};

static struct {
	struct bus *bus;
	struct mode_record is;
	bool hinted;  /* it is what the hint says; nobody confirmed it */
	bool busy;    /* a question or a change is under way */
	bool wanted;  /* DEGRADED, as soon as it is not */
	enum mode to; /* of the change; MODE_UNKNOWN: a question */
	void (*then)(bool done);
	struct call *call;
	struct rpc *rpc;
	struct timer again;
	int64_t again_us, not_before_us;
	struct list waiting;
	char hint[512]; /* "": there is none */
} mode;

static void begin_again(struct op *o);
static void record_ask(enum mode to, uint64_t least);
static void on_answer(const Mf__ModeIs *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static void answered(const Mf__ModeIs *, const struct failure *);
static void failed(const struct failure *);
static void adopt(const Mf__ModeIs *);
static void settle(void);
static void on_again(struct timer *);
static void hint_read(void);
static void hint_write(enum mode, uint64_t epoch);
static void waiter_cancel(struct call_dep *);
static void on_late(struct call *, void *);
static bool is_same(const struct mode_record *);

struct target *db_journal;
static struct metric *mode_gauge, *epoch_gauge;

static const char *const names[] = {
	[MODE_UNKNOWN] = "unknown",
	[MODE_NORMAL] = "normal",
	[MODE_DEGRADED] = "degraded",
	[MODE_REPLAYING] = "replaying",
};

void
mode_open(struct bus *b, const char *var)
{
	static const char *const members[] = { "nosql", NULL };

	memset(&mode, 0, sizeof(mode));
	mode.bus = b;
	mode.again_us = AGAIN_MIN;
	list_init(&mode.waiting);
	timer_init(&mode.again, bus_loop(b), on_again);
	db_journal = target_new(b, &(const struct target_def){ &mf__journal__descriptor, members,
				       { .failures = 3, .limit_us = 500 * MS } });
	mode_gauge = metric_simple(METRIC_GAUGE, "metafed_database_mode",
	    "Of the stores: 0 unknown, 1 normal, 2 degraded (PostgreSQL is away), 3 replaying.");
	epoch_gauge = metric_simple(
	    METRIC_GAUGE, "metafed_database_mode_epoch", "Of the mode; each change is one more.");
	if (var == NULL) {
		mode.is.mode = MODE_NORMAL;
		mode.hinted = true;
	} else {
		snprintf(mode.hint, sizeof(mode.hint), "%s/database.mode", var);
		hint_read();
	}
	metric_set(mode_gauge, mode.is.mode);
	replay_open(b);
	timer_in(&mode.again, MS);
}

void
mode_close(void)
{
	if (mode.bus == NULL)
		return;
	timer_stop(&mode.again);
	replay_close();
	if (mode.busy)
		call_cancel(mode.call);
	memset(&mode, 0, sizeof(mode));
	list_init(&mode.waiting);
}

const struct mode_record *
mode_now(void)
{
	return &mode.is;
}

/* --- changes --- */

void
mode_degrade(void)
{
	if (mode.is.mode != MODE_NORMAL && mode.is.mode != MODE_REPLAYING)
		return;
	if (mode.busy)
		mode.wanted = true;
	else if (time_now_us() >= mode.not_before_us)
		mode_change(MODE_DEGRADED, NULL);
}

/* The hint goes before the change, so that it never says NORMAL when the record does not. */
void
mode_change(enum mode to, void (*then)(bool done))
{
	if (mode.busy || mode.is.epoch == 0) {
		if (mode.is.epoch == 0)
			mode_ask();
		if (then != NULL)
			then(false);
		return;
	}
	mode.then = then;
	if (to != MODE_NORMAL && mode.is.mode == MODE_NORMAL)
		hint_write(to, mode.is.epoch + 1);
	STEP("database.mode.hinted");
	record_ask(to, 0);
}

void
mode_ask(void)
{
	if (!mode.busy)
		record_ask(MODE_UNKNOWN, 0);
}

void
mode_raise(uint64_t epoch)
{
	if (!mode.busy)
		record_ask(MODE_UNKNOWN, epoch);
}

static void
record_ask(enum mode to, uint64_t least)
{
	static const Mf__StoreMode wire[] = {
		[MODE_UNKNOWN] = MF__STORE_MODE__MODE_NORMAL,
		[MODE_NORMAL] = MF__STORE_MODE__MODE_NORMAL,
		[MODE_DEGRADED] = MF__STORE_MODE__MODE_DEGRADED,
		[MODE_REPLAYING] = MF__STORE_MODE__MODE_REPLAYING,
	};
	Mf__ModeChange q = MF__MODE_CHANGE__INIT;

	timer_stop(&mode.again);
	mode.busy = true;
	mode.to = to;
	mode.call = call_root(
	    mode.bus, &(const struct call_opts){ .limit_us = LIMIT_US + SEC, .done = on_end });
	mode.rpc = rpc_new(
	    mode.call, db_journal, &(const struct rpc_opts){ .limit_us = LIMIT_US, .once = true });
	q.mode = wire[to];
	q.if_epoch = to != MODE_UNKNOWN ? mode.is.epoch : 0;
	q.least = least > mode.is.epoch ? least : mode.is.epoch;
	mf__journal__mode(&mode.rpc->service, &q, on_answer, NULL);
	STEP("database.mode.sent");
}

static void
on_answer(const Mf__ModeIs *m, void *ctx)
{
	struct call *c = mode.call;

	(void)ctx;
	mode.call = NULL;
	answered(m, rpc_failure(mode.rpc));
	call_cancel(c);
}

/* Of a pause of ours both times are over at once: then nobody else says so. */
static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)ctx;
	if (mode.call != c)
		return;
	mode.call = NULL;
	if (end->failure->status != ST_CANCELLED) /* else: we are closed */
		answered(NULL, end->failure);
}

static void
answered(const Mf__ModeIs *m, const struct failure *f)
{
	void (*then)(bool) = mode.then;
	enum mode to = mode.to;

	mode.busy = false;
	mode.then = NULL;
	if (m == NULL) {
		failed(f);
	} else {
		STEP("database.mode.durable");
		mode.again_us = AGAIN_MIN;
		mode.not_before_us = 0;
		adopt(m);
	}
	if (then != NULL)
		then(m != NULL && mode.is.mode == to);
	if (mode.wanted) {
		mode.wanted = false;
		mode_degrade();
	}
	if (!mode.busy)
		mode_release();
}

/* Reasons that say that the store was never asked. */
static bool
surely_not_done(const char *reason)
{
	static const char *const reasons[] = { "STORE_DOWN", "NO_MEMBER", "BREAKER_OPEN",
		"NOT_CONNECTED", "LINK_FULL", NULL };

	for (size_t i = 0; reasons[i] != NULL; i++)
		if (strcmp(reason, reasons[i]) == 0)
			return true;
	return false;
}

/* A change whose outcome is not known: until it is, nothing is. */
static void
failed(const struct failure *f)
{
	if (mode.to != MODE_UNKNOWN && !surely_not_done(f->reason)) {
		mode.is.mode = MODE_UNKNOWN;
		metric_set(mode_gauge, MODE_UNKNOWN);
	} else if (mode.to != MODE_UNKNOWN && mode.is.mode == MODE_NORMAL) {
		hint_write(MODE_NORMAL, mode.is.epoch);
	}
	mode.not_before_us = time_now_us() + AGAIN_DEGRADE;
	if (mode.is.mode == MODE_UNKNOWN || mode.hinted) {
		timer_in(&mode.again, mode.again_us);
		if ((mode.again_us *= 2) > (mode.hinted ? AGAIN_HINTED : AGAIN_MOST))
			mode.again_us = mode.hinted ? AGAIN_HINTED : AGAIN_MOST;
	}
}

static void
on_again(struct timer *t)
{
	(void)t;
	mode_ask();
}

static void
adopt(const Mf__ModeIs *m)
{
	static const enum mode here[] = {
		[MF__STORE_MODE__MODE_NORMAL] = MODE_NORMAL,
		[MF__STORE_MODE__MODE_DEGRADED] = MODE_DEGRADED,
		[MF__STORE_MODE__MODE_REPLAYING] = MODE_REPLAYING,
	};
	struct mode_record now = { .mode = MODE_UNKNOWN, .epoch = m->epoch, .since_us = m->since };

	if ((size_t)m->mode < sizeof(here) / sizeof(here[0]))
		now.mode = here[m->mode];
	snprintf(now.journal, sizeof(now.journal), "%s", m->journal);
	replay_counts(m);
	if (is_same(&now) && !mode.hinted)
		return;
	mode.hinted = false;
	mode.is = now;
	bus_set_hint(mode.bus, m->epoch, (uint64_t)m->mode + 1);
	bus_publish(mode.bus, "mode", &m->base);
	settle();
}

static void
settle(void)
{
	metric_set(mode_gauge, mode.is.mode);
	metric_set(epoch_gauge, (double)mode.is.epoch);
	hint_write(mode.is.mode, mode.is.epoch);
	log_info("mode", L_STR("is", names[mode.is.mode]), L_INT("epoch", (int64_t)mode.is.epoch));
	if (mode.is.mode == MODE_NORMAL)
		cohere_forget("the journal was replayed"); /* rows changed behind the cache */
	mode_hold(false);
	STEP("database.mode.adopted");
	replay_mode();
}

/* --- the hint: small, and written when the mode changes, so the loop may wait for the disk --- */

static void
hint_read(void)
{
	char text[100], word[20];

	if (!keep_read(mode.hint, text, sizeof(text)) ||
	    sscanf(text, "%19s %" SCNu64, word, &mode.is.epoch) != 2)
		mode.is.epoch = 0;
	else if (strcmp(word, names[MODE_NORMAL]) == 0)
		mode.is.mode = MODE_NORMAL;
	mode.hinted = mode.is.mode == MODE_NORMAL;
}

/* Without one a start waits for nosql: worse, but safe. */
static void
hint_write(enum mode m, uint64_t epoch)
{
	char text[60];

	if (mode.hint[0] == '\0')
		return;
	snprintf(text, sizeof(text), "%s %" PRIu64 "\n", names[m], epoch);
	if (!keep_write(mode.hint, text)) {
		log_warn("mode_hint", L_STR("path", mode.hint), L_STR("why", strerror(errno)));
		unlink(mode.hint);
	}
}

/* --- who waits --- */

static bool
is_same(const struct mode_record *r)
{
	return r->mode == mode.is.mode && r->epoch == mode.is.epoch &&
	       strcmp(r->journal, mode.is.journal) == 0;
}

void
mode_wait(struct op *o, const struct failure *f)
{
	struct arena *a = call_arena(o->c);
	struct waiter *w = ARENA_NEW(a, struct waiter);
	int64_t left = call_left(o->c) - MARGIN_US;

	w->op = o;
	w->seen = mode.is;
	w->fails = f != NULL;
	w->failure = f != NULL ? *f
	                       : (struct failure){ .status = ST_UNAVAILABLE,
					 .reason = "MODE_UNKNOWN",
					 .retry_ms = 1000,
					 .message = "whether writes wait in the journal is not "
						    "known: neither the store of "
						    "documents nor PostgreSQL says" };
	w->failure.reason = arena_strdup(a, w->failure.reason);
	w->failure.message = arena_strdup(a, w->failure.message);
	w->failure.n_violations = 0;
	w->dep.cancel = waiter_cancel;
	call_attach(o->c, &w->dep);
	list_add(&mode.waiting, &w->link);
	if (left > WAIT_US)
		left = WAIT_US;
	w->late = call_after(o->c, left > 0 ? left : 0, on_late, w);
}

static void
waiter_cancel(struct call_dep *d)
{
	struct waiter *w = container_of(d, struct waiter, dep);

	if (link_is_in(&w->link))
		list_del(&mode.waiting, &w->link);
}

static void
fail(struct waiter *w)
{
	w->op->failure = &w->failure;
	db_fail(w->op);
}

static void
on_late(struct call *c, void *ctx)
{
	struct waiter *w = ctx;

	(void)c;
	if (link_is_in(&w->link))
		list_del(&mode.waiting, &w->link);
	fail(w);
}

void
mode_release(void)
{
	struct list now;
	struct link *k;

	list_init(&now);
	while ((k = list_pop(&mode.waiting)) != NULL)
		list_add(&now, k);
	while ((k = list_pop(&now)) != NULL) {
		struct waiter *w = container_of(k, struct waiter, link);
		struct op *o = w->op;

		if (w->fails ? mode.busy : mode.is.mode == MODE_UNKNOWN) {
			list_add(&mode.waiting, &w->link);
			continue;
		}
		call_timer_stop(w->late);
		call_detach(o->c, &w->dep);
		if (w->fails && is_same(&w->seen)) {
			fail(w);
		} else {
			begin_again(o);
		}
	}
}

/* Each try came to a sql that had no server, or to nobody. */
static bool
took_no_effect(struct op *o)
{
	const Mf__Hop *const *hops;
	size_t n = 0;

	if (o->q->kind == MF__STORE_OP__KIND__BULK) /* each member has its own */
		n = call_hops(o->c, &hops);
	else if (o->rpc != NULL)
		n = rpc_hops(o->rpc, &hops);
	for (size_t i = 0; i < n; i++)
		if (!surely_not_done(hops[i]->reason))
			return false;
	return n > 0;
}

bool
mode_failed(struct op *o)
{
	const struct failure *f = o->failure;
	bool down = strcmp(f->reason, "STORE_DOWN") == 0;

	if (o->plan.store != PLAN_SQL || (!down && strcmp(f->reason, "MODE_CHANGED") != 0))
		return false;
	if (down)
		mode_degrade();
	/* what it fails with in the end may say nothing of this try */
	if (down && took_no_effect(o))
		cohere_in(o);
	else
		cohere_perhaps(o);
	if (o->turns >= TURNS_MOST || (down && !mode_helps(o)))
		return false;
	o->turns++;
	if (!down && o->epoch == mode.is.epoch) {
		replay_learn();
		mode_wait(o, f);
		return true;
	}
	if (mode.busy || mode.is.mode == MODE_UNKNOWN) {
		mode_wait(o, f);
		return true;
	}
	if (down && mode.is.mode == MODE_NORMAL)
		return false; /* there is no journal to be had */
	begin_again(o);
	return true;
}

/* As it came: the mode that it meets now may be another one. */
static void
begin_again(struct op *o)
{
	o->result = NULL;
	o->failure = NULL;
	if (plan_kind(o->q->kind)->write)
		db_write(o);
	else
		db_read(o);
}
