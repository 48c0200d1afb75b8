/* audit: the work on the log, in batches of what waits. One batch is under way at a time; what comes
 * meanwhile is the next. A batch whose outcome is not known is sent again as it is, under the same
 * operation id, until the store says what became of it: so nothing is lost and nothing is there
 * twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/audit_int.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"

#define BACKOFF_US  (250 * MS)
#define BACKOFF_MAX (2 * SEC)

static void on_soon(struct timer *t);
static void write_batch(struct audit *a);
static Mf__StoreOp *
member_of(struct arena *m, struct audit *a, struct audit_entry *e, uint64_t number, char *previous);
static void on_written(const Mf__StoreResult *m, void *ctx);
static enum status outcome_of(const Mf__StoreResult *m, const struct failure *f);
static struct audit_entry *first_of(struct audit *a);
static void batch_done(struct audit *a);
static void batch_refused(struct audit *a);
static void on_first(const Mf__StoreResult *m, void *ctx);
static void tell_lost(struct audit *a);
static void on_call_ended(struct call *c, const struct call_end *end, void *ctx);

struct audit *
audit_open(const struct audit_opts *o)
{
	static const char *const labels[] = { "kind", NULL };
	struct audit *a = mem_zalloc(sizeof(*a));

	a->o = *o;
	a->loop = bus_loop(o->bus);
	a->work = work_pool_new(a->loop, 1, 16);
	list_init(&a->queue);
	list_init(&a->sealers);
	a->records = metric_family(METRIC_COUNTER, "metafed_audit_records_total",
	    "Records appended to the audit log, by kind.", labels);
	a->queued = metric_simple(METRIC_GAUGE, "metafed_audit_queue",
	    "Records that wait to be appended to the audit log.");
	a->spooled = metric_simple(METRIC_GAUGE, "metafed_audit_spool_bytes",
	    "Bytes of waiting audit records in the spool file.");
	a->lost_total = metric_simple(METRIC_COUNTER, "metafed_audit_lost_total",
	    "Audit records that there was no room for; the audit log says how many.");
	a->rewound = metric_simple(METRIC_COUNTER, "metafed_audit_rewound_total",
	    "Times that the audit log had lost its end.");
	a->checkpoints = metric_simple(METRIC_COUNTER, "metafed_audit_checkpoints_total",
	    "Signed checkpoints of the audit log.");
	a->dropped = metric_simple(METRIC_COUNTER, "metafed_audit_dropped_total",
	    "Audit records thrown away after audit_keep.");
	a->seconds = metric_simple(METRIC_HISTOGRAM, "metafed_audit_append_seconds",
	    "From the beginning of a batch of audit records until it is in the log.");
	timer_init(&a->soon, a->loop, on_soon);
	(void)audit_head_load(a);
	(void)audit_spool_open(a);
	audit_seal_start(a);
	audit_keep_start(a);
	if (a->queue.n > 0)
		timer_in(&a->soon, 0);
	return a;
}

void
audit_close(struct audit **ap)
{
	struct audit *a = *ap;
	struct link *k;

	*ap = NULL;
	if (a == NULL)
		return;
	audit_keep_stop(a);
	timer_stop(&a->soon);
	timer_stop(&a->seal_timer);
	if (a->call != NULL)
		call_cancel(a->call);
	work_pool_free(&a->work);
	audit_spool_close(a);
	HASH_CLEAR(hh, a->replayed);
	while ((k = list_pop(&a->queue)) != NULL)
		free(container_of(k, struct audit_entry, link));
	free(a);
}

static void
on_soon(struct timer *t)
{
	struct audit *a = container_of(t, struct audit, soon);

	if (a->busy == BUSY_WAITING)
		a->busy = BUSY_NOT;
	audit_work(a);
}

void
audit_work(struct audit *a)
{
	if (a->busy != BUSY_NOT)
		return;
	if (a->in_batch > 0) {
		write_batch(a); /* its outcome is not known */
		return;
	}
	if (a->queue.n == 0 && !a->seal_wanted && !a->away) {
		audit_spool_empty(a);
		return;
	}
	if (!a->tail_known) {
		audit_tail_read(a);
		return;
	}
	if (a->replayed != NULL) {
		audit_replay_check(a);
		return;
	}
	a->away = false;
	if (a->seal_wanted && !a->seal_ready) {
		audit_sign(a);
		return;
	}
	if (a->lost > 0)
		tell_lost(a);
	if (a->queue.n > 0)
		write_batch(a);
}

/* Its place is behind what there was room for. */
static void
tell_lost(struct audit *a)
{
	const struct audit_event e = { .kind = "lost",
		.outcome = "failed",
		.cause = "QUEUE_FULL",
		.count = a->lost,
		.agent = "auth" };

	if (a->queue.n >= AUDIT_QUEUE / 2 || a->bytes >= AUDIT_QUEUE_BYTES / 2)
		return;
	a->lost = 0;
	audit_note(a, &e);
}

/* Its rpc ends long before it does: only of a pause of ours both times are over at once. */
struct call *
audit_call(struct audit *a)
{
	must(a->call == NULL);
	a->call = call_root(
	    a->o.bus, &(const struct call_opts){
			  .limit_us = 3 * AUDIT_CALL_US, .done = on_call_ended, .ctx = a });
	return a->call;
}

static void
on_call_ended(struct call *c, const struct call_end *end, void *ctx)
{
	struct audit *a = ctx;

	if (a->call != c)
		return;
	a->call = NULL;
	if (end->failure->status == ST_CANCELLED)
		return; /* we are closed */
	audit_retry(a); /* its rpc does not call back any more */
}

void
audit_call_end(struct audit *a)
{
	struct call *c = a->call;
	Mf__Empty m = MF__EMPTY__INIT;

	a->call = NULL;
	a->busy = BUSY_NOT;
	call_reply(c, &m.base);
}

Mf__StoreOp *
audit_op(struct arena *m, Mf__StoreOp__Kind kind)
{
	Mf__StoreOp *op = ARENA_NEW(m, Mf__StoreOp);

	mf__store_op__init(op);
	op->kind = kind;
	op->model = (char *)(uintptr_t) "audit";
	return op;
}

static void
write_batch(struct audit *a)
{
	struct arena *m = call_arena(audit_call(a));
	Mf__StoreOp *op = audit_op(m, MF__STORE_OP__KIND__TRANSACTION);
	bool again = a->in_batch > 0;
	size_t n = again ? a->in_batch : a->queue.n < AUDIT_BATCH ? a->queue.n : AUDIT_BATCH;
	char previous[AUDIT_HASH_LEN];

	a->busy = BUSY_WRITING;
	a->in_batch = n;
	if (!again) {
		uuid7(a->operation_id);
		a->batch_at_us = loop_now(a->loop);
	}
	memcpy(previous, a->hash, sizeof(previous));
	op->operation_id = a->operation_id;
	op->model = (char *)(uintptr_t) "";
	op->members = ARENA_ARRAY(m, Mf__StoreOp *, n);
	LIST_EACH(&a->queue, k) {
		struct audit_entry *e = container_of(k, struct audit_entry, link);

		if (op->n_members == n)
			break;
		e->in_flight = true;
		op->members[op->n_members] =
		    member_of(m, a, e, a->number + op->n_members + 1, previous);
		if (op->n_members++ == 0)
			memcpy(a->first_hash, previous, sizeof(previous));
	}
	memcpy(a->batch_hash, previous, sizeof(previous));
	a->rpc =
	    rpc_new(a->call, a->o.database, &(const struct rpc_opts){ .limit_us = AUDIT_CALL_US });
	mf__database__write(&a->rpc->service, op, on_written, a);
	STEP("auth.audit.sent");
}

/* previous: of the record before; then of this one. */
static Mf__StoreOp *
member_of(struct arena *m, struct audit *a, struct audit_entry *e, uint64_t number, char *previous)
{
	Mf__StoreOp *op = audit_op(m, MF__STORE_OP__KIND__CREATE);
	char *record = audit_record_text(m, e->text, number, previous);
	char *id = arena_alloc(m, AUDIT_NUMBER_LEN);
	struct jw w;

	(void)a;
	audit_record_hash(record, strlen(record), previous);
	audit_number_id(number, id);
	op->id = id;
	jw_start(&w, m, strlen(record) + 400);
	jw_object(&w, NULL);
	jw_str(&w, "kind", e->kind);
	jw_str(&w, "outcome", e->outcome);
	if (e->actor[0] != '\0')
		jw_str(&w, "actor", e->actor);
	if (e->subject[0] != '\0')
		jw_str(&w, "subject", e->subject);
	if (e->address[0] != '\0')
		jw_str(&w, "address", e->address);
	jw_raw(&w, "record", record, strlen(record));
	jw_str(&w, "hash", previous);
	jw_close(&w, '}');
	op->data.data = (uint8_t *)jw_text(&w, &op->data.len);
	return op;
}

static void
on_written(const Mf__StoreResult *m, void *ctx)
{
	struct audit *a = ctx;
	enum status st = outcome_of(m, rpc_failure(a->rpc));

	STEP("auth.audit.appended");
	if (st != ST_OK && st != ST_ALREADY_EXISTS && !a->away)
		log_info("audit_waits", L_STR("status", status_name(st)),
		    L_STR("why", m == NULL ? rpc_failure(a->rpc)->message : ""),
		    L_INT("queued", a->queue.n));
	audit_call_end(a);
	if (st == ST_OK)
		batch_done(a);
	else if (st == ST_ALREADY_EXISTS)
		batch_refused(a);
	else
		audit_retry(a);
}

static enum status
outcome_of(const Mf__StoreResult *m, const struct failure *f)
{
	if (m == NULL)
		return f->status;
	for (size_t i = 0; i < m->n_items; i++)
		if (m->items[i]->problem != NULL)
			return (enum status)m->items[i]->problem->code;
	return ST_OK;
}

static struct audit_entry *
first_of(struct audit *a)
{
	struct link *k = list_first(&a->queue);

	must(k != NULL); /* what is in a batch is in the queue */
	return container_of(k, struct audit_entry, link);
}

static void
batch_done(struct audit *a)
{
	bool sealed = false;

	a->number += a->in_batch;
	memcpy(a->hash, a->batch_hash, sizeof(a->hash));
	a->away = false;
	a->backoff_us = 0;
	metric_time(a->seconds, loop_now(a->loop) - a->batch_at_us);
	for (uint64_t number = a->number - a->in_batch + 1; a->in_batch > 0;
	     a->in_batch--, number++) {
		struct audit_entry *e = first_of(a);

		metric_inc(metric_get(a->records, (const char *const[]){ e->kind }));
		if (a->seal_ready) {
			a->seal_ready = false;
			sealed = true;
			audit_sealed(a, number);
		}
		audit_leave(a, e, true);
	}
	if (!sealed)
		audit_seal_due(a);
	if (a->busy == BUSY_NOT)
		timer_in(&a->soon, 0);
}

void
audit_retry(struct audit *a)
{
	a->away = true;
	a->busy = BUSY_WAITING;
	a->backoff_us = a->backoff_us == 0 ? BACKOFF_US : 2 * a->backoff_us;
	if (a->backoff_us > BACKOFF_MAX)
		a->backoff_us = BACKOFF_MAX;
	timer_in(&a->soon, a->backoff_us);
	LIST_EACH(&a->queue, k) {
		struct audit_waiter *w = container_of(k, struct audit_entry, link)->waiter;

		if (w != NULL && w->need == AUDIT_MUST)
			audit_refuse(w);
	}
	audit_spool_some(a);
	audit_sealers_tell(a, false);
}

/* Somebody has the first number: another writer, or we ourselves, when an answer was lost. */
static void
batch_refused(struct audit *a)
{
	audit_row_read(a, a->number + 1, on_first);
}

static void
on_first(const Mf__StoreResult *m, void *ctx)
{
	struct audit *a = ctx;
	char hash[AUDIT_HASH_LEN];

	if (!audit_row_got(a, m, hash))
		return;
	if (strcmp(hash, a->first_hash) == 0) {
		batch_done(a);
		return;
	}
	if (a->seal_ready) { /* what it says is no end any more */
		a->seal_ready = false;
		audit_leave(a, first_of(a), false);
	}
	LIST_EACH(&a->queue, k)
		container_of(k, struct audit_entry, link)->in_flight = false;
	a->in_batch = 0;
	a->tail_known = false;
	audit_work(a);
}

bool
audit_head(const struct audit *a, uint64_t *number, const char **hash)
{
	*number = a->number;
	*hash = a->hash;
	return a->tail_known;
}

bool
audit_is_idle(const struct audit *a)
{
	return a->queue.n == 0 && !a->spool_busy;
}
