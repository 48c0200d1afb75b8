/* sessions: what a user has beside his account, page by page, side by side: his sessions are ended,
 * and of who was deleted everything else goes. Called when an account was disabled, deleted, got
 * another password, or logged out everywhere; its access tokens are revoked already. */
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
	const char *user_id, *by;  /* by: what it belongs to: the same again ends nothing twice */
	const char *keep;          /* the session that is not ended; NULL: none is kept */
	const char *const *models; /* whose rows go, NULL-ended; the first is under way */
	Mf__StoreOp *op;           /* the page */
	size_t n, left;
	struct rpc *each[PAGE];
	revoke_done_fn *done;
	void *ctx;
};

static struct ending *
ending_new(struct tokens *t, struct call *c, const char *user_id, const char *by);
static void read_model(struct ending *x);
static void read_page(struct ending *x);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool end_one(void *ctx, const json_t *item);
static bool is_over(const struct ending *x, const json_t *item);
static Mf__StoreOp *op_remove(struct ending *x, const char *id);
static void on_ended(const Mf__StoreResult *m, void *ctx);
static void page_done(struct ending *x);

void
revoke_sessions(struct tokens *t, struct call *c, const char *user_id, const char *by,
    const char *keep, revoke_done_fn *done, void *ctx)
{
	static const char *const models[] = { "session", NULL };
	struct ending *x = ending_new(t, c, user_id, by);

	x->keep = keep;
	x->models = models;
	x->done = done;
	x->ctx = ctx;
	read_model(x);
}

void
revoke_everything(struct tokens *t, struct call *c, const char *user_id, const char *by,
    revoke_done_fn *done, void *ctx)
{
	static const char *const models[] = { "session", "api_key", "factor", "identity", "consent",
		NULL };
	struct ending *x = ending_new(t, c, user_id, by);

	x->models = models;
	x->done = done;
	x->ctx = ctx;
	read_model(x);
}

static struct ending *
ending_new(struct tokens *t, struct call *c, const char *user_id, const char *by)
{
	struct ending *x = ARENA_NEW(call_arena(c), struct ending);

	x->t = t;
	x->c = c;
	x->user_id = user_id;
	x->by = by;
	return x;
}

static void
read_model(struct ending *x)
{
	x->op = op_query(call_arena(x->c), x->models[0], "user_id", x->user_id);
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

	if (!store_page(x->c, x->rpc, m, x->models[0], end_one, x, &next))
		return;
	x->op->cursor = (char *)(uintptr_t)(next != NULL ? next : "");
	if (x->left == 0)
		page_done(x);
}

static bool
end_one(void *ctx, const json_t *item)
{
	struct ending *x = ctx;
	const char *id = json_string_value(json_object_get(item, "id"));
	Mf__StoreOp *op;

	if (x->n == PAGE || id == NULL || is_over(x, item))
		return true;
	op = strcmp(x->models[0], "session") == 0 ? op_session_end(call_arena(x->c), id, x->by)
	                                          : op_remove(x, id);
	x->left++;
	x->each[x->n] = rpc_new(x->c, x->t->database, NULL);
	mf__database__write(&x->each[x->n++]->service, op, on_ended, x);
	return true;
}

static bool
is_over(const struct ending *x, const json_t *item)
{
	struct session_row row;

	return strcmp(x->models[0], "session") == 0 &&
	       (!session_row_of(item, &row) || row.expires_us <= time_wall_us() ||
		   (x->keep != NULL && strcmp(x->keep, row.id) == 0));
}

static Mf__StoreOp *
op_remove(struct ending *x, const char *id)
{
	Mf__StoreOp *op = op_read(call_arena(x->c), x->models[0], id);

	op->kind = MF__STORE_OP__KIND__DELETE;
	op->operation_id = arena_printf(call_arena(x->c), "%s/%s", x->by, op->id);
	return op;
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
	bool removed = x->n > 0 && strcmp(x->models[0], "session") != 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct failure *f = rpc_failure(x->each[i]);

		if (f != NULL && f->status != ST_NOT_FOUND) {
			store_failed(x->c, f);
			return;
		}
	}
	if (removed)
		x->op->cursor = (char *)(uintptr_t) ""; /* what is removed moves the pages */
	if (removed || x->op->cursor[0] != '\0')
		read_page(x);
	else if (*++x->models != NULL)
		read_model(x);
	else
		x->done(x->c, x->ctx);
}
