/* replay: the way back from DEGRADED to NORMAL.
 *
 * While PostgreSQL is away it is asked now and then whether it is back. Then: REPLAYING; the fence goes
 * up (older writes are refused, none is under way any more) and says where the journal was left; pages
 * of the journal are applied, each together with the position behind it, and trimmed. When little is
 * left new writes wait for the last page, at most HOLD_US; then NORMAL, which nosql grants only
 * when nothing waits. Whoever crashes, the next one begins at the fence: position and record say all.
 *
 * Each step is a call of its own, one at a time. */
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/time.h"
#include "database/mode.h"

#define PROBE_US      (300 * MS)
#define AGAIN_US      (100 * MS) /* after a step that failed */
#define LIMIT_US      (20 * SEC)
#define PROBE_LIMIT   (2 * SEC)
#define HOLD_US       (200 * MS)
#define HOLD_AGAIN_US (1 * SEC) /* a hold that was in vain: others go on meanwhile */
#define FEW           200       /* entries that are applied within a hold */
#define PAGE_MOST     500
#define COUNTS_EVERY  4 /* probes */

static struct {
	struct bus *bus;
	struct timer timer, hold;
	struct call *call; /* of the step under way; NULL: none */
	struct rpc *rpc;
	bool fenced; /* position is known */
	uint64_t epoch, position, upto;
	uint64_t fence; /* the epoch that it is up for, whatever failed since; 0: none yet */
	int64_t began_us, hold_after_us;
	uint64_t entries, refused; /* of this replay */
	unsigned probes;
} replay;

static struct { /* what epoch sql knows */
	struct call *call;
	struct rpc *rpc;
} learning;

static struct rpc *step_begin(struct target *, int64_t);
static void step_end(void);
static void on_step_end(struct call *, const struct call_end *, void *);
static void on_timer(struct timer *);
static void on_hold_over(struct timer *);
static void probe(void);
static void on_probe(const Mf__ReplayIs *, void *);
static void begin(void);
static void on_fence(const Mf__ReplayIs *, void *);
static void next_page(void);
static void on_page(const Mf__JournalPage *, void *);
static void on_applied(const Mf__ReplayIs *, void *);
static void on_trimmed(const Mf__ModeIs *, void *);
static void trim(void);
static void on_finished(bool);
static void learn_end(void);
static void on_learn_end(struct call *, const struct call_end *, void *);
static bool is_stale(void);
static void again(const struct failure *, bool);

static struct metric *entries_now, *bytes_now, *oldest, *replayed, *refused;

void
replay_open(struct bus *b)
{
	memset(&replay, 0, sizeof(replay));
	replay.bus = b;
	timer_init(&replay.timer, bus_loop(b), on_timer);
	timer_init(&replay.hold, bus_loop(b), on_hold_over);
	entries_now = metric_simple(
	    METRIC_GAUGE, "metafed_journal_entries", "Writes that wait for PostgreSQL.");
	bytes_now = metric_simple(
	    METRIC_GAUGE, "metafed_journal_bytes", "Bytes of the writes that wait for PostgreSQL.");
	oldest = metric_simple(METRIC_GAUGE, "metafed_journal_oldest_seconds",
	    "How long the oldest write waits for PostgreSQL; 0: none does.");
	replayed = metric_simple(METRIC_COUNTER, "metafed_replayed_entries_total",
	    "Entries of the journal that were applied to PostgreSQL.");
	refused = metric_simple(METRIC_COUNTER, "metafed_replay_refused_total",
	    "Entries that could not be applied: they are in the table replay_refused.");
}

void
replay_close(void)
{
	timer_stop(&replay.timer);
	timer_stop(&replay.hold);
	if (replay.call != NULL)
		step_end();
	if (learning.call != NULL)
		learn_end();
}

void
replay_counts(const Mf__ModeIs *m)
{
	int64_t age = m->oldest_at != 0 ? time_wall_us() - (int64_t)m->oldest_at : 0;

	metric_set(entries_now, (double)m->entries);
	metric_set(bytes_now, (double)m->bytes);
	metric_set(oldest, age > 0 ? (double)age / 1e6 : 0);
}

/* What is under way belongs to the mode before: its answer is looked at there. */
void
replay_mode(void)
{
	enum mode m = mode_now()->mode;

	replay.fenced = false;
	timer_stop(&replay.hold);
	if (m == MODE_DEGRADED || m == MODE_REPLAYING)
		timer_in(&replay.timer, m == MODE_DEGRADED ? PROBE_US : MS);
	else
		timer_stop(&replay.timer);
	if (m == MODE_REPLAYING) {
		replay.began_us = time_now_us();
		replay.entries = replay.refused = 0;
		replay.hold_after_us = 0;
	}
}

static void
on_timer(struct timer *t)
{
	enum mode m = mode_now()->mode;

	(void)t;
	if (replay.call != NULL)
		return;
	if (m == MODE_DEGRADED)
		probe();
	else if (m == MODE_REPLAYING && !replay.fenced)
		begin();
	else if (m == MODE_REPLAYING)
		next_page();
}

static struct rpc *
step_begin(struct target *t, int64_t limit_us)
{
	replay.epoch = mode_now()->epoch;
	replay.call = call_root(replay.bus,
	    &(const struct call_opts){ .limit_us = limit_us + SEC, .done = on_step_end });
	replay.rpc = rpc_new(
	    replay.call, t, &(const struct rpc_opts){ .limit_us = limit_us, .quiet = true });
	return replay.rpc;
}

static void
step_end(void)
{
	struct call *c = replay.call;

	replay.call = NULL;
	call_cancel(c);
}

/* Too late: its rpcs together, or of a pause of ours the last one and it. They say no more then. */
static void
on_step_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)ctx;
	if (replay.call == c)
		again(end->failure, true);
}

bool
replay_fenced(void)
{
	return replay.fence != 0 && replay.fence == mode_now()->epoch;
}

/* --- DEGRADED --- */

static void
probe(void)
{
	Mf__ReplayBatch q = MF__REPLAY_BATCH__INIT;

	q.journal = (char *)(uintptr_t)mode_now()->journal;
	mf__sql__replay(&step_begin(db_sql, PROBE_LIMIT)->service, &q, on_probe, NULL);
	if (++replay.probes % COUNTS_EVERY == 0)
		mode_ask();
}

static void
on_probe(const Mf__ReplayIs *m, void *ctx)
{
	bool back = m != NULL;

	(void)ctx;
	step_end();
	if (mode_now()->mode != MODE_DEGRADED) {
		replay_mode();
		return;
	}
	timer_in(&replay.timer, PROBE_US);
	if (back)
		mode_change(MODE_REPLAYING, NULL);
}

/* --- REPLAYING --- */

static void
begin(void)
{
	Mf__ReplayBatch q = MF__REPLAY_BATCH__INIT;

	q.journal = (char *)(uintptr_t)mode_now()->journal;
	q.epoch = mode_now()->epoch;
	mf__sql__replay(&step_begin(db_sql, LIMIT_US)->service, &q, on_fence, NULL);
	STEP("database.replay.fence_sent");
}

static void
on_fence(const Mf__ReplayIs *m, void *ctx)
{
	(void)ctx;
	if (m == NULL || is_stale()) {
		again(rpc_failure(replay.rpc), true);
		return;
	}
	STEP("database.replay.fenced");
	replay.position = m->position;
	replay.fenced = true;
	replay.fence = replay.epoch;
	step_end();
	next_page();
}

static void
next_page(void)
{
	Mf__JournalAfter q = MF__JOURNAL_AFTER__INIT;

	q.journal = (char *)(uintptr_t)mode_now()->journal;
	q.number = replay.position;
	q.most = PAGE_MOST;
	mf__journal__after(&step_begin(db_journal, LIMIT_US)->service, &q, on_page, NULL);
}

static void
on_page(const Mf__JournalPage *m, void *ctx)
{
	Mf__ReplayBatch q = MF__REPLAY_BATCH__INIT;

	(void)ctx;
	if (m == NULL || is_stale()) {
		again(rpc_failure(replay.rpc), false);
		return;
	}
	if (m->newest - replay.position <= FEW && time_now_us() >= replay.hold_after_us &&
	    replay.hold.at_us == 0) {
		mode_hold(true);
		timer_in(&replay.hold, HOLD_US);
	}
	if (m->n_entries == 0) { /* an entry whose trim a crash has lost may be there still */
		trim();
		return;
	}
	STEP("database.replay.page_read");
	q.journal = (char *)(uintptr_t)mode_now()->journal;
	q.epoch = replay.epoch;
	q.after = replay.position;
	q.upto = replay.upto = m->last;
	q.entries = m->entries;
	q.n_entries = m->n_entries;
	replay.rpc = rpc_new(
	    replay.call, db_sql, &(const struct rpc_opts){ .limit_us = LIMIT_US, .quiet = true });
	mf__sql__replay(&replay.rpc->service, &q, on_applied, NULL);
	STEP("database.replay.batch_sent");
}

static void
on_applied(const Mf__ReplayIs *m, void *ctx)
{
	(void)ctx;
	if (m == NULL || is_stale()) {
		again(rpc_failure(replay.rpc), true);
		return;
	}
	STEP("database.replay.batch_durable");
	replay.position = replay.upto;
	replay.entries += m->applied;
	replay.refused += m->refused;
	metric_add(replayed, (double)m->applied);
	metric_add(refused, (double)m->refused);
	trim();
}

static void
trim(void)
{
	Mf__JournalTrim q = MF__JOURNAL_TRIM__INIT;

	q.journal = (char *)(uintptr_t)mode_now()->journal;
	q.upto = replay.position;
	replay.rpc = rpc_new(replay.call, db_journal,
	    &(const struct rpc_opts){ .limit_us = LIMIT_US, .quiet = true });
	mf__journal__trim(&replay.rpc->service, &q, on_trimmed, NULL);
	STEP("database.replay.trim_sent");
}

/* Not trimmed: the position says that they were applied, the next trim takes them too. */
static void
on_trimmed(const Mf__ModeIs *m, void *ctx)
{
	uint64_t left;

	(void)ctx;
	if (m == NULL || is_stale()) {
		again(rpc_failure(replay.rpc), false);
		return;
	}
	STEP("database.replay.trimmed");
	replay_counts(m);
	left = m->entries;
	step_end();
	if (left == 0)
		mode_change(MODE_NORMAL, on_finished);
	else
		next_page();
}

static void
on_finished(bool done)
{
	if (done) {
		log_info("replayed", L_INT("entries", (int64_t)replay.entries),
		    L_INT("refused", (int64_t)replay.refused),
		    L_INT("ms", (time_now_us() - replay.began_us) / MS));
	} else if (mode_now()->mode == MODE_REPLAYING) {
		timer_in(&replay.timer, MS); /* more came meanwhile */
	}
}

static void
on_hold_over(struct timer *t)
{
	(void)t;
	replay.hold_after_us = time_now_us() + HOLD_AGAIN_US;
	mode_hold(false);
	mode_release();
}

/* --- what goes wrong --- */

static bool
is_stale(void)
{
	return mode_now()->mode != MODE_REPLAYING || mode_now()->epoch != replay.epoch;
}

/* f NULL: the step went well, but for a mode that is over. */
static void
again(const struct failure *f, bool of_sql)
{
	bool down = f != NULL && of_sql && strcmp(f->reason, "STORE_DOWN") == 0;
	bool elsewhere = f != NULL && strcmp(f->reason, "MODE_CHANGED") == 0;

	if (f != NULL && !down)
		log_debug("replay_again", L_STR("why", f->message));
	replay.fenced = false;
	step_end();
	if (mode_now()->mode == MODE_REPLAYING || mode_now()->mode == MODE_DEGRADED)
		timer_in(&replay.timer, AGAIN_US);
	if (down)
		mode_degrade();
	else if (elsewhere)
		replay_learn();
}

/* --- what sql knows --- */

static void
on_learnt(const Mf__ReplayIs *m, void *ctx)
{
	uint64_t epoch = m != NULL ? m->epoch : 0;

	(void)ctx;
	learn_end();
	mode_raise(epoch);
}

static void
learn_end(void)
{
	struct call *c = learning.call;

	learning.call = NULL;
	call_cancel(c);
}

static void
on_learn_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)end, (void)ctx;
	if (learning.call != c)
		return;
	learning.call = NULL;
	mode_raise(0);
}

void
replay_learn(void)
{
	Mf__ReplayBatch q = MF__REPLAY_BATCH__INIT;

	if (learning.call != NULL)
		return;
	learning.call = call_root(replay.bus,
	    &(const struct call_opts){ .limit_us = PROBE_LIMIT + SEC, .done = on_learn_end });
	learning.rpc = rpc_new(learning.call, db_sql,
	    &(const struct rpc_opts){ .limit_us = PROBE_LIMIT, .quiet = true });
	q.journal = (char *)(uintptr_t)mode_now()->journal;
	mf__sql__replay(&learning.rpc->service, &q, on_learnt, NULL);
}
