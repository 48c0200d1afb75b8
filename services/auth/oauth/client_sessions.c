/* client_sessions: see client_sessions.h. One after the other, page by page: each end is a transaction of
 * its own, and those that have ended are passed over. */
#include "auth/oauth/client_sessions.h"
#include "auth/jwt/rows.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "base/time.h"

#define PAGE 100

struct ending {
	struct oauth *o;
	struct call *c;
	struct rpc *rpc;
	Mf__StoreOp *op;
	size_t n, at;
	struct session_row rows[PAGE];
	sessions_ended_fn *done;
	void *ctx;
};

static void read_page(struct ending *x);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool keep_live(void *ctx, const json_t *item);
static void end_next(struct call *c, void *ctx);

void
client_sessions_end(struct oauth *o, struct call *c, const char *client_id, const char *user_id,
    sessions_ended_fn *done, void *ctx)
{
	struct ending *x = ARENA_NEW(call_arena(c), struct ending);

	x->o = o;
	x->c = c;
	x->done = done;
	x->ctx = ctx;
	x->op = op_query(call_arena(c), "session", user_id != NULL ? "user_id" : "client_id",
	    user_id != NULL ? user_id : client_id);
	if (user_id != NULL)
		op_filter(call_arena(c), x->op, "client_id", client_id);
	x->op->limit = PAGE;
	read_page(x);
}

static void
read_page(struct ending *x)
{
	x->n = x->at = 0;
	x->rpc = rpc_new(x->c, x->o->tokens->database, NULL);
	mf__database__read(&x->rpc->service, x->op, on_page, x);
}

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct ending *x = ctx;
	const char *next;

	if (!store_page(x->c, x->rpc, m, "session", keep_live, x, &next))
		return;
	x->op->cursor = (char *)(uintptr_t)(next != NULL ? next : "");
	end_next(x->c, x);
}

static bool
keep_live(void *ctx, const json_t *item)
{
	struct ending *x = ctx;

	if (x->n < PAGE && session_row_of(item, &x->rows[x->n]) &&
	    x->rows[x->n].expires_us > time_wall_us())
		x->n++;
	return true;
}

static void
end_next(struct call *c, void *ctx)
{
	struct ending *x = ctx;

	if (x->at < x->n)
		revoke_session(x->o->tokens, c, x->rows[x->at++].id, end_next, x);
	else if (x->op->cursor[0] != '\0')
		read_page(x);
	else
		x->done(c, x->ctx);
}
