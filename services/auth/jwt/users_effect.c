/* users_effect: an account is made or changed, and what follows from it. That he may was judged
 * before (users.c), on the version that is changed here: somebody who was faster means judging anew.
 *
 * The same operation id again finds the revocation that the first one stored, and goes on from there. */
#include <string.h>
#include "auth/jwt/grant.h"
#include "auth/jwt/users_int.h"
#include "base/log.h"
#include "base/step.h"

/* Of a change that meets somebody who is faster: in each round one of them wins. */
#define ROUNDS_MOST 100

static void on_created(const Mf__StoreResult *m, void *ctx);
static void change(struct account *x);
static void on_changed(const Mf__StoreResult *m, void *ctx);
static void on_revocation(const Mf__StoreResult *m, void *ctx);
static void on_account_again(const Mf__StoreResult *m, void *ctx);
static void changed(struct account *x);
static void on_sessions_ended(struct call *c, void *ctx);

void
users_effect(struct account *x)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;

	if (x->q->kind != MF__STORE_OP__KIND__CREATE) {
		change(x);
		return;
	}
	op = *x->q;
	op.data = user_data(call_arena(x->c), x->body, x->hash);
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__write(&x->rpc->service, &op, on_created, x);
}

static void
on_created(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;

	if (m != NULL)
		log_info("user_created", L_STR("user_id", x->q->id),
		    L_STR("by", x->who == NULL ? NULL : x->who->id));
	users_answer(x, m);
}

/* On condition of the version that was read even where the caller has none: the revocation names the
 * next one. */
static void
change(struct account *x)
{
	struct arena *a = call_arena(x->c);
	Mf__StoreOp *op = op_transaction(a, x->operation_id, 2),
		    *user = arena_alloc(a, sizeof(*user));

	*user = *x->q;
	if (x->body != NULL)
		user->data = user_data(a, x->body, x->hash);
	user->operation_id = arena_printf(a, "%s/0", x->operation_id);
	if (user->if_version == 0)
		user->if_version = x->user.version;
	x->revocation =
	    (struct revocation){ .below = user->if_version + 1, .expires_us = revoke_expiry(x->t) };
	memcpy(x->revocation.id, x->user.id, sizeof(x->revocation.id));
	op_add(op, user);
	op_add(op, op_revoke(a, x->revocation_row, &x->revocation));
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__write(&x->rpc->service, op, on_changed, x);
}

static void
on_changed(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;
	const struct failure *f = rpc_failure(x->rpc);

	if (m != NULL && m->n_items == 2) {
		x->answer.repeated = m->repeated;
		x->answer.version = m->items[0]->version;
		if (x->body != NULL)
			x->answer.data = user_public(call_arena(x->c), &m->items[0]->data);
		changed(x);
	} else if (m != NULL) {
		call_fail(x->c, ST_DATA_LOSS, "the change of a user has another answer");
	} else if (f->status == ST_ABORTED && x->q->if_version == 0 && ++x->round < ROUNDS_MOST) {
		users_judge(x); /* somebody was faster: may he still, and on what? */
	} else if (strcmp(f->reason, "OPERATION_TAKEN") == 0) {
		users_look_back(x);
	} else if (f->status == ST_ABORTED || f->status == ST_ALREADY_EXISTS) {
		call_fail_with(x->c, f);
	} else {
		store_failed(x->c, f);
	}
}

/* --- was it done before? --- */

void
users_look_back(struct account *x)
{
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__read(&x->rpc->service,
	    op_read(call_arena(x->c), "revocation", x->revocation_row), on_revocation, x);
}

static void
on_revocation(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;
	struct json_error e;
	json_t *v;
	bool ours;

	if (m == NULL && rpc_failure(x->rpc)->status != ST_NOT_FOUND) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	v = m == NULL ? NULL : json_read(m->data.data, m->data.len, &e);
	ours = v != NULL && revocation_row_of(v, &x->revocation) &&
	       strcmp(x->revocation.id, x->q->id) == 0;
	json_decref(v);
	if (!ours && x->wrong) {
		my_password_wrong(x);
		return;
	}
	if (!ours && x->body == NULL && x->user.id == NULL) {
		call_fail(x->c, ST_NOT_FOUND, "there is no such user");
		return;
	}
	if (!ours && x->stale) {
		call_fail_because(
		    x->c, ST_ABORTED, "VERSION_CONFLICT", 0, "the user has another version");
		return;
	}
	if (!ours) {
		call_fail_because(x->c, ST_ALREADY_EXISTS, "OPERATION_TAKEN", 0,
		    "the operation id belongs to another operation");
		return;
	}
	x->answer.repeated = true;
	if (x->body == NULL) {
		changed(x);
		return;
	}
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__read(
	    &x->rpc->service, op_read(call_arena(x->c), "user", x->q->id), on_account_again, x);
}

static void
on_account_again(const Mf__StoreResult *m, void *ctx)
{
	struct account *x = ctx;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	x->answer.version = m->version;
	x->answer.data = user_public(call_arena(x->c), &m->data);
	changed(x);
}

/* --- what follows from it --- */

static void
changed(struct account *x)
{
	STEP("jwt.account.changed");
	x->answer.rows_affected = 1;
	revoke_announce(x->t, &x->revocation);
	log_info(x->body == NULL ? "user_deleted" : "user_changed", L_STR("user_id", x->q->id),
	    L_STR("by", x->who == NULL ? NULL : x->who->id));
	if (x->silent)
		x->answer.data.len = 0;
	if (x->body == NULL)
		revoke_everything(x->t, x->c, x->q->id, x->operation_id, on_sessions_ended, x);
	else if (x->ends_sessions)
		revoke_sessions(
		    x->t, x->c, x->q->id, x->operation_id, x->keep, on_sessions_ended, x);
	else
		call_reply(x->c, &x->answer.base);
}

static void
on_sessions_ended(struct call *c, void *ctx)
{
	struct account *x = ctx;

	call_reply(c, &x->answer.base);
}
