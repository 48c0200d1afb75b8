/* audit_keep: what is older than audit_keep goes, whole pieces up to a checkpoint, oldest first. Before
 * anything goes, a signed record of kind "begins" permits it: verify takes a log that begins behind
 * number 1 only where such a record allows it. */
#include <stdlib.h>
#include <string.h>
#include "auth/audit_int.h"
#include "auth/auth.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"

#define LOOK_US   (3600 * SEC) /* a look is one read of an index */
#define FIRST_US  (60 * SEC)
#define PAUSE_US  (50 * MS)  /* between two pieces: the store is for others */
#define FAILED_US (10 * SEC) /* after a piece that could not be dropped */
#define PIECE     90

struct audit_keep {
	struct audit *a;
	struct timer timer;
	struct call *call;
	struct rpc *rpc;
	uint64_t upto;  /* the checkpoint that is kept; 0: not looked for yet */
	bool signing;   /* the record that permits it is under way */
	bool permitted; /* it is in the log */
	uint64_t gone;
	size_t n;
	char ids[PIECE][AUDIT_NUMBER_LEN];
};

static void on_timer(struct timer *t);
static struct arena *begin(struct audit_keep *k);
static void on_ended(struct call *c, const struct call_end *end, void *ctx);
static void end(struct audit_keep *k, int64_t again_us);
static void read_some(struct audit_keep *k, Mf__StoreOp *op, Mf__StoreResult_Closure then);
static int64_t look_again_us(const struct audit_keep *k);
static void look(struct audit_keep *k);
static void on_checkpoint(const Mf__StoreResult *m, void *ctx);
static void on_oldest(const Mf__StoreResult *m, void *ctx);
static bool take_old(void *ctx, const json_t *item);
static bool take_id(void *ctx, const json_t *item);
static void drop_piece(struct audit_keep *k);
static void on_dropped(const Mf__StoreResult *m, void *ctx);

void
audit_keep_start(struct audit *a)
{
	a->keep = mem_zalloc(sizeof(*a->keep));
	a->keep->a = a;
	timer_init(&a->keep->timer, a->loop, on_timer);
}

void
audit_keep_stop(struct audit *a)
{
	timer_stop(&a->keep->timer);
	if (a->keep->call != NULL)
		call_cancel(a->keep->call);
	free(a->keep);
	a->keep = NULL;
}

void
audit_reload(struct audit *a)
{
	if (a->keep->timer.at_us != 0)
		timer_in(&a->keep->timer, PAUSE_US);
}

/* A checkpoint was appended: only then there is something to look for. */
void
audit_keep_soon(struct audit *a)
{
	struct audit_keep *k = a->keep;
	int64_t keep_us = (*a->o.config)->audit_keep_us;

	if (k->signing) {
		k->signing = false;
		k->permitted = true;
		STEP("auth.audit.permitted");
		timer_in(&k->timer, 0);
	} else if (k->timer.at_us == 0 && k->call == NULL) {
		timer_in(&k->timer, keep_us < FIRST_US ? keep_us : FIRST_US);
	}
}

static void
on_timer(struct timer *t)
{
	struct audit_keep *k = container_of(t, struct audit_keep, timer);
	Mf__StoreOp *op;

	if ((*k->a->o.config)->audit_keep_us == 0 || k->call != NULL || k->signing)
		return;
	if (k->upto == 0) {
		look(k);
		return;
	}
	op = audit_op(begin(k), MF__STORE_OP__KIND__QUERY_MANY);
	op->limit = PIECE;
	read_some(k, op, on_oldest);
}

static struct arena *
begin(struct audit_keep *k)
{
	k->call = call_root(k->a->o.bus,
	    &(const struct call_opts){ .limit_us = 3 * AUDIT_CALL_US, .done = on_ended, .ctx = k });
	k->rpc = rpc_new(
	    k->call, k->a->o.database, &(const struct rpc_opts){ .limit_us = AUDIT_CALL_US });
	return call_arena(k->call);
}

static void
on_ended(struct call *c, const struct call_end *e, void *ctx)
{
	struct audit_keep *k = ctx;

	if (k->call != c)
		return;
	k->call = NULL;
	if (e->failure->status != ST_CANCELLED) /* else: we are closed */
		timer_in(&k->timer, k->upto != 0 ? FAILED_US : look_again_us(k));
}

static void
end(struct audit_keep *k, int64_t again_us)
{
	struct call *c = k->call;
	Mf__Empty m = MF__EMPTY__INIT;

	k->call = NULL;
	call_reply(c, &m.base);
	if (again_us > 0)
		timer_in(&k->timer, again_us);
}

static void
read_some(struct audit_keep *k, Mf__StoreOp *op, Mf__StoreResult_Closure then)
{
	k->n = 0;
	mf__database__read(&k->rpc->service, op, then, k);
}

static int64_t
look_again_us(const struct audit_keep *k)
{
	int64_t keep_us = (*k->a->o.config)->audit_keep_us;

	return keep_us > 0 && keep_us < LOOK_US ? keep_us : LOOK_US;
}

/* The last checkpoint that is old enough: it and all behind it are kept. */
static void
look(struct audit_keep *k)
{
	struct arena *m = begin(k);
	Mf__StoreOp *op = audit_op(m, MF__STORE_OP__KIND__QUERY_MANY);
	char *before = arena_alloc(m, TIME_RFC3339_LEN);
	static Mf__KeyValue kind = { .base = PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor) };
	Mf__KeyValue *old = ARENA_NEW(m, Mf__KeyValue);

	time_rfc3339(time_wall_us() - (*k->a->o.config)->audit_keep_us, before);
	kind.key = (char *)(uintptr_t) "kind";
	kind.value = (char *)(uintptr_t) "checkpoint";
	mf__key_value__init(old);
	old->key = (char *)(uintptr_t) "created_before";
	old->value = before;
	op->filters = ARENA_ARRAY(m, Mf__KeyValue *, 2);
	op->filters[op->n_filters++] = &kind;
	op->filters[op->n_filters++] = old;
	op->sort = (char *)(uintptr_t) "-id";
	op->limit = 1;
	read_some(k, op, on_checkpoint);
}

static void
on_checkpoint(const Mf__StoreResult *m, void *ctx)
{
	struct audit_keep *k = ctx;
	const char *next;
	bool ok = m != NULL &&
	          json_page(call_arena(k->call), m->data.data, m->data.len, take_old, k, &next);

	if (ok && k->n > 0)
		(void)audit_id_number(k->ids[0], &k->upto);
	k->permitted = false;
	k->gone = 0;
	end(k, k->upto != 0 ? PAUSE_US : look_again_us(k));
}

/* The column `created_at` is the database's word. What the record says of its time is hashed, and the
 * record stays: whoever changes it to have others dropped is found. */
static bool
take_old(void *ctx, const json_t *item)
{
	const struct audit_keep *k = ctx;
	const json_t *event = json_object_get(json_object_get(item, "record"), "event");
	const char *at = json_string_value(json_object_get(event, "at"));
	int64_t at_us;

	if (at != NULL && time_parse_rfc3339(str_of(at), &at_us) &&
	    time_wall_us() - at_us >= (*k->a->o.config)->audit_keep_us)
		return take_id(ctx, item);
	log_warn("audit_checkpoint_dated_back",
	    L_STR("number", json_string_value(json_object_get(item, "id")) ?: ""));
	return true;
}

static bool
take_id(void *ctx, const json_t *item)
{
	struct audit_keep *k = ctx;
	const char *id = json_string_value(json_object_get(item, "id"));
	uint64_t number;

	if (id == NULL || !audit_id_number(id, &number))
		return false;
	if (k->n < PIECE && (k->upto == 0 || number < k->upto))
		memcpy(k->ids[k->n++], id, AUDIT_NUMBER_LEN);
	return true;
}

static void
on_oldest(const Mf__StoreResult *m, void *ctx)
{
	struct audit_keep *k = ctx;
	struct audit *a = k->a;
	const char *next;
	bool ok = m != NULL &&
	          json_page(call_arena(k->call), m->data.data, m->data.len, take_id, k, &next);

	if (ok && k->n > 0 && k->permitted) {
		drop_piece(k);
		return;
	}
	if (ok && k->n > 0) {
		end(k, 0);
		k->signing = true;
		a->begins = k->upto;
		a->seal_wanted = true;
		audit_work(a);
		return;
	}
	if (k->gone > 0)
		log_info("audit_dropped", L_INT("records", k->gone), L_INT("begins", k->upto));
	k->upto = 0;
	end(k, look_again_us(k));
}

static void
drop_piece(struct audit_keep *k)
{
	struct arena *m = call_arena(k->call);
	Mf__StoreOp *op = audit_op(m, MF__STORE_OP__KIND__TRANSACTION);
	char *id = arena_alloc(m, UUID_LEN);

	uuid7(id);
	op->operation_id = id;
	op->model = (char *)(uintptr_t) "";
	op->members = ARENA_ARRAY(m, Mf__StoreOp *, k->n);
	for (; op->n_members < k->n; op->n_members++) {
		Mf__StoreOp *one = audit_op(m, MF__STORE_OP__KIND__DELETE);

		one->id = k->ids[op->n_members];
		op->members[op->n_members] = one;
	}
	k->rpc = rpc_new(
	    k->call, k->a->o.database, &(const struct rpc_opts){ .limit_us = AUDIT_CALL_US });
	mf__database__write(&k->rpc->service, op, on_dropped, k);
}

/* Another process may drop the same: then the next look finds less. */
static void
on_dropped(const Mf__StoreResult *m, void *ctx)
{
	struct audit_keep *k = ctx;

	STEP("auth.audit.dropped");
	if (m != NULL) {
		k->gone += k->n;
		metric_add(k->a->dropped, (double)k->n);
	}
	end(k, m != NULL ? PAUSE_US : FAILED_US);
}
