/* sessions: ends every session of a user, a page side by side after the other. Called when an account
 * was disabled, deleted, or got another password; its access tokens are revoked already. */
#include <string.h>
#include "auth/jwt/grant.h"
#include "auth/jwt/jwt.h"
#include "auth/jwt/rows.h"
#include "base/time.h"

#define PAGE 50

struct ending {
	struct tokens *t;
	struct call *c;
	struct rpc *rpc;
	const char *by;  /* what it belongs to: the same again ends nothing twice */
	Mf__StoreOp *op; /* the page */
	size_t n, left;
	struct rpc *each[PAGE];
	revoke_done_fn *done;
	void *ctx;
};

static void read_page(struct ending *x);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool end_one(void *ctx, const json_t *item);
static void on_ended(const Mf__StoreResult *m, void *ctx);
static void page_done(struct ending *x);

void
revoke_sessions(struct tokens *t, struct call *c, const char *user_id, const char *by,
    revoke_done_fn *done, void *ctx)
{
	struct ending *x = ARENA_NEW(call_arena(c), struct ending);

	x->t = t;
	x->c = c;
	x->by = by;
	x->done = done;
	x->ctx = ctx;
	x->op = op_query(call_arena(c), "session", "user_id", user_id);
	x->op->limit = PAGE;
	read_page(x);
}

static void
read_page(struct ending *x)
{
	x->n = x->left = 0;
	x->rpc = rpc_new(x->c, x->t->database, NULL);
	mf__database__read(&x->rpc->service, x->op, on_page, x);
}

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct ending *x = ctx;
	const char *next;

	if (m == NULL) {
		store_failed(x->c, rpc_failure(x->rpc));
		return;
	}
	if (!json_page(call_arena(x->c), m->data.data, m->data.len, end_one, x, &next)) {
		call_fail(x->c, ST_DATA_LOSS, "sessions: the answer is no page");
		return;
	}
	x->op->cursor = (char *)(uintptr_t)(next != NULL ? next : "");
	if (x->left == 0)
		page_done(x);
}

static bool
end_one(void *ctx, const json_t *item)
{
	struct ending *x = ctx;
	struct session_row row;

	if (x->n == PAGE || !session_row_of(item, &row) || row.expires_us <= time_wall_us())
		return true;
	x->left++;
	x->each[x->n] = rpc_new(x->c, x->t->database, NULL);
	mf__database__write(&x->each[x->n++]->service,
	    op_session_end(call_arena(x->c), row.id, x->by), on_ended, x);
	return true;
}

static void
on_ended(const Mf__StoreResult *m, void *ctx)
{
	struct ending *x = ctx;

	(void)m;
	if (--x->left == 0)
		page_done(x);
}

/* One that is not there any more has ended. */
static void
page_done(struct ending *x)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct failure *f = rpc_failure(x->each[i]);

		if (f != NULL && f->status != ST_NOT_FOUND) {
			store_failed(x->c, f);
			return;
		}
	}
	if (x->op->cursor[0] != '\0')
		read_page(x);
	else
		x->done(x->c, x->ctx);
}
