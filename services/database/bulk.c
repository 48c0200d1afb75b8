/* bulk: members each on their own, whatever store they live in, side by side; the bus packs them into few
 * frames and sql groups what arrives together into one commit. Of members that name the same object
 * the later waits for the earlier. A member that fails fails alone; when no store could be reached
 * at all, or another orchestrator leads since some of it was begun, so does the call, and is tried
 * again as a whole: each member is repeatable by its operation id. */
#include <string.h>

#include "database/commit.h"

struct member {
	struct bulk *bulk;
	const Mf__StoreOp *q;
	struct rpc *rpc;
	struct member *next; /* waits for this one */
	Mf__StoreItem item;
	const struct failure *failure;
};

struct bulk {
	struct op *o;
	op_fn *then;
	struct member *members;
	size_t left;
};

static struct member *last_of(struct bulk *, size_t);
static void member_send(struct member *);
static void on_member(const Mf__StoreResult *, void *);
static void on_met(void *, const struct failure *);
static void member_done(struct member *, const struct failure *);
static Mf__Problem *problem_of(struct arena *, const struct failure *);
static void end(struct bulk *);

void
bulk_write(struct op *o, op_fn *then)
{
	struct bulk *b = ARENA_NEW(call_arena(o->c), struct bulk);

	b->o = o;
	b->then = then;
	b->left = o->q->n_members;
	b->members = ARENA_ARRAY(call_arena(o->c), struct member, b->left + 1);
	for (size_t i = 0; i < o->q->n_members; i++) {
		struct member *m = &b->members[i], *before;

		m->bulk = b;
		m->q = o->q->members[i];
		mf__store_item__init(&m->item);
		if ((before = last_of(b, i)) != NULL)
			before->next = m;
		else
			member_send(m);
	}
}

/* The last one before i that names the same object. */
static struct member *
last_of(struct bulk *b, size_t i)
{
	const Mf__StoreOp *q = b->members[i].q;

	while (q->id[0] != '\0' && i-- > 0)
		if (strcmp(b->members[i].q->id, q->id) == 0 &&
		    strcmp(b->members[i].q->model, q->model) == 0)
			return &b->members[i];
	return NULL;
}

static void
member_send(struct member *m)
{
	struct op *o = m->bulk->o;

	if (plan_model(m->q->model)->store == PLAN_SQL) {
		m->rpc = rpc_new(o->c, db_sql, NULL);
		mf__sql__write(&m->rpc->service, m->q, on_member, m);
	} else {
		m->rpc = rpc_new(o->c, db_nosql, NULL);
		mf__nosql__write(&m->rpc->service, m->q, on_member, m);
	}
}

static void
on_member(const Mf__StoreResult *r, void *ctx)
{
	struct member *m = ctx;
	struct op *o = m->bulk->o;

	if (r == NULL && met_is(rpc_failure(m->rpc))) {
		met_by_write(o->c, rpc_failure(m->rpc), m->q->model, met_until(o), on_met, m);
		return;
	}
	if (r != NULL) {
		m->item.data = r->data;
		m->item.version = r->version;
		m->item.repeated = r->repeated;
	}
	member_done(m, rpc_failure(m->rpc));
}

static void
on_met(void *ctx, const struct failure *f)
{
	if (f == NULL)
		member_send(ctx);
	else
		member_done(ctx, f);
}

static void
member_done(struct member *m, const struct failure *f)
{
	m->failure = f;
	if (f != NULL)
		m->item.problem = problem_of(call_arena(m->bulk->o->c), f);
	if (m->next != NULL)
		member_send(m->next);
	if (--m->bulk->left == 0)
		end(m->bulk);
}

static Mf__Problem *
problem_of(struct arena *a, const struct failure *f)
{
	Mf__Problem *p = ARENA_NEW(a, Mf__Problem);

	mf__problem__init(p);
	p->code = (uint32_t)f->status;
	p->message = (char *)(uintptr_t)f->message;
	p->reason = (char *)(uintptr_t)f->reason;
	p->retry_delay_ms = f->retry_ms;
	p->violations = ARENA_ARRAY(a, Mf__Violation *, f->n_violations + 1);
	for (size_t i = 0; i < f->n_violations; i++) {
		Mf__Violation *v = p->violations[p->n_violations++] = ARENA_NEW(a, Mf__Violation);

		mf__violation__init(v);
		v->field = (char *)(uintptr_t)f->violations[i].field;
		v->description = (char *)(uintptr_t)f->violations[i].what;
	}
	return p;
}

static void
end(struct bulk *b)
{
	struct arena *a = call_arena(b->o->c);
	Mf__StoreResult *r = ARENA_NEW(a, Mf__StoreResult);
	size_t n = b->o->q->n_members, unreached = 0;
	const struct failure *fenced = NULL;

	mf__store_result__init(r);
	r->items = ARENA_ARRAY(a, Mf__StoreItem *, n + 1);
	for (size_t i = 0; i < n; i++) {
		const struct failure *f = b->members[i].failure;

		r->items[r->n_items++] = &b->members[i].item;
		r->rows_affected += f == NULL;
		unreached += f != NULL && f->status == ST_UNAVAILABLE;
		if (f != NULL && strcmp(f->reason, "FENCED") == 0)
			fenced = f;
	}
	if (fenced != NULL)
		b->o->failure = fenced;
	else if (n != 0 && unreached == n)
		b->o->failure = b->members[0].failure;
	else
		b->o->result = r;
	b->then(b->o);
}
