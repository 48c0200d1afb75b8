/* revoke: how revocations reach the set (revoked.h) and how one is made.
 *
 * Reading: all pages at start, then every revocation_poll, and at once when the peer's events were
 * lost; rows that have outlived their session's access tokens are deleted on the way, a few per
 * reading. */
#include <string.h>
#include "auth/jwt/claims.h"
#include "auth/jwt/confirm.h"
#include "auth/jwt/grant.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "base/log.h"
#include "base/time.h"

#define LOAD_LIMIT  (5 * SEC)
#define READ_LIMIT  (1 * SEC)  /* somebody waits for it */
#define LOAD_RETRY  (200 * MS) /* until they were read once */
#define DELETE_MOST 16

struct load { /* one reading */
	struct tokens *t;
	struct call *c;
	struct rpc *rpc;
	Mf__StoreOp *op;
	int64_t now_us, limit_us;
	size_t n_old, n_deleting;
	struct rpc *deletes[DELETE_MOST];
	const char *old[DELETE_MOST];
};

struct revoke {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc;
	struct revocation what;
	revoke_done_fn *done;
	void *ctx;
};

static void load_begin(struct timer *timer);
static void load(struct tokens *t, int64_t limit_us, call_end_fn *end);
static void load_page(struct load *l);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool load_item(void *ctx, const json_t *item);
static void load_known(struct tokens *t);
static void load_clean(struct load *l);
static void on_deleted(const Mf__StoreResult *m, void *ctx);
static void load_end(struct call *c, const struct call_end *end, void *ctx);
static void read_end(struct call *c, const struct call_end *end, void *ctx);
static void add(struct tokens *t, const struct revocation *v);
static void on_event(void *ctx, const char *node, const Mf__Event *e);
static void on_lost(void *ctx, const char *node);
static void on_revoked(const Mf__StoreResult *m, void *ctx);

/* --- reading --- */

void
revoked_start(struct tokens *t, const char *peer)
{
	confirm_start(t, peer);
	timer_init(&t->revoked_timer, t->loop, load_begin);
	timer_in(&t->revoked_timer, 0);
	bus_subscribe(t->bus, peer, "auth.revoked", on_event, on_lost, t);
}

static void
load_begin(struct timer *timer)
{
	load(container_of(timer, struct tokens, revoked_timer), LOAD_LIMIT, load_end);
}

void
revoked_read(struct tokens *t)
{
	load(t, READ_LIMIT, read_end);
}

static void
load(struct tokens *t, int64_t limit_us, call_end_fn *end)
{
	struct call *c =
	    call_root(t->bus, &(struct call_opts){ .limit_us = limit_us, .done = end, .ctx = t });
	struct load *l = ARENA_NEW(call_arena(c), struct load);

	l->t = t;
	l->c = c;
	l->limit_us = limit_us;
	l->now_us = time_wall_us();
	l->op = op_query(call_arena(c), "revocation", NULL, NULL);
	load_page(l);
}

static void
load_page(struct load *l)
{
	l->rpc = rpc_new(
	    l->c, l->t->database, &(const struct rpc_opts){ .once = l->limit_us == READ_LIMIT });
	mf__database__read(&l->rpc->service, l->op, on_page, l);
}

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct load *l = ctx;
	const char *next;

	if (m == NULL) {
		call_fail_with(l->c, rpc_failure(l->rpc));
		return;
	}
	if (!json_page(call_arena(l->c), m->data.data, m->data.len, load_item, l, &next)) {
		call_fail(l->c, ST_DATA_LOSS, "revocations: the answer is no page");
		return;
	}
	if (next != NULL) {
		l->op->cursor = (char *)(uintptr_t)next;
		load_page(l);
		return;
	}
	load_known(l->t);
	load_clean(l);
}

static bool
load_item(void *ctx, const json_t *item)
{
	struct load *l = ctx;
	const char *id = json_string_value(json_object_get(item, "id"));
	struct revocation v;

	if (id == NULL || !revocation_row_of(item, &v))
		return true;
	if (v.expires_us > l->now_us)
		add(l->t, &v);
	else if (l->n_old < DELETE_MOST)
		l->old[l->n_old++] = arena_strdup(call_arena(l->c), id);
	return true;
}

static void
load_known(struct tokens *t)
{
	revoked_expire(&t->revoked, time_now_us());
	if (!t->revoked.known)
		confirm_again(t);
	if (!t->revoked.known)
		log_info("revocations_read", L_INT("revocations", revoked_count(&t->revoked)));
	t->revoked.known = true;
	if (t->ready != NULL)
		timer_in(&t->ready_timer, 0);
}

static void
load_clean(struct load *l)
{
	Mf__Empty done = MF__EMPTY__INIT;

	if (l->n_old == 0) {
		call_reply(l->c, &done.base);
		return;
	}
	l->n_deleting = l->n_old;
	for (size_t i = 0; i < l->n_old; i++) {
		Mf__StoreOp *op = op_read(call_arena(l->c), "revocation", l->old[i]);

		op->kind = MF__STORE_OP__KIND__DELETE;
		op->operation_id = arena_printf(call_arena(l->c), "expire:%s", l->old[i]);
		l->deletes[i] = rpc_new(l->c, l->t->database, NULL);
		mf__database__write(&l->deletes[i]->service, op, on_deleted, l);
	}
}

static void
on_deleted(const Mf__StoreResult *m, void *ctx)
{
	struct load *l = ctx;
	Mf__Empty done = MF__EMPTY__INIT;

	(void)m; /* NOT_FOUND: the peer was faster; anything else: the next reading sees it again */
	if (--l->n_deleting == 0)
		call_reply(l->c, &done.base);
}

static void
load_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct tokens *t = ctx;

	(void)c;
	if (end->failure != NULL && end->failure->status == ST_CANCELLED)
		return; /* the node is ending */
	if (end->failure != NULL && t->revoked.known)
		log_warn("revocations_not_read", L_STR("status", status_name(end->failure->status)),
		    L_STR("why", end->failure->message));
	timer_in(&t->revoked_timer, t->revoked.known ? t->config->revocation_poll_us : LOAD_RETRY);
}

static void
read_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c;
	if (end->failure == NULL || end->failure->status != ST_CANCELLED)
		confirm_read(ctx, end->failure == NULL);
}

static void
on_event(void *ctx, const char *node, const Mf__Event *e)
{
	struct tokens *t = ctx;
	Mf__Revoked *m = mf__revoked__unpack(NULL, e->payload.len, e->payload.data);

	(void)node;
	if (m != NULL)
		revoked_event(t, m);
	mf__revoked__free_unpacked(m, NULL);
}

void
revoked_event(struct tokens *t, const Mf__Revoked *m)
{
	struct revocation v = { .below = m->below != 0 ? m->below : REVOKED_ALL,
		.expires_us = (int64_t)m->expires_at };

	if (!uuid_ok(m->id))
		return;
	memcpy(v.id, m->id, sizeof(v.id));
	add(t, &v);
}

static void
add(struct tokens *t, const struct revocation *v)
{
	revoked_add(&t->revoked, v, time_now_us() + (v->expires_us - time_wall_us()));
}

static void
on_lost(void *ctx, const char *node)
{
	struct tokens *t = ctx;

	(void)node;
	if (t->revoked_timer.at_us != 0) /* else a reading is under way, or begins */
		timer_in(&t->revoked_timer, 0);
	confirm_again(t);
}

/* --- making one --- */

/* The end of the row is unconditional: a refresh that overtakes us is ended with it, one that comes
 * after us finds another version and then the end. So no successor escapes. */
void
revoke_session(
    struct tokens *t, struct call *c, const char *session, revoke_done_fn *done, void *ctx)
{
	struct arena *a = call_arena(c);
	struct revoke *r = ARENA_NEW(a, struct revoke);
	char id[UUID_LEN], row[UUID_LEN];
	Mf__StoreOp *op;

	*r = (struct revoke){ .t = t, .c = c, .done = done, .ctx = ctx };
	r->what = (struct revocation){ .below = REVOKED_ALL, .expires_us = revoke_expiry(t) };
	memcpy(r->what.id, session, sizeof(r->what.id));
	uuid7(id);
	session_uuid("revoked session", session, row);
	op = op_transaction(a, arena_printf(a, "revoke:%s", id), 2);
	op_add(op, op_session_end(a, r->what.id, op->operation_id));
	op_add(op, op_revoke(a, row, &r->what));
	r->rpc = rpc_new(c, t->database, NULL);
	mf__database__write(&r->rpc->service, op, on_revoked, r);
}

/* No row: it was ended or had expired, and was thrown away. */
static void
on_revoked(const Mf__StoreResult *m, void *ctx)
{
	struct revoke *r = ctx;
	enum status s = op_outcome(m, rpc_failure(r->rpc));

	if (s != ST_OK && s != ST_NOT_FOUND) {
		store_failed(r->c, rpc_failure(r->rpc));
		return;
	}
	revoke_announce(r->t, &r->what);
	r->done(r->c, r->ctx);
}

void
revoke_announce(struct tokens *t, const struct revocation *v)
{
	Mf__Revoked e = MF__REVOKED__INIT;

	add(t, v);
	confirm_note(t, v);
	e.id = (char *)(uintptr_t)v->id;
	e.expires_at = (uint64_t)v->expires_us;
	e.below = v->below == REVOKED_ALL ? 0 : v->below;
	bus_publish(t->bus, "auth.revoked", &e.base);
	log_info("revoked", L_STR(e.below == 0 ? "session" : "user_id", v->id));
}

int64_t
revoke_expiry(const struct tokens *t)
{
	return time_wall_us() + t->config->access_ttl_us + CLAIMS_LEEWAY_US;
}
