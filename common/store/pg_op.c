/* pg_op: an operation from its caller to its end. One block of memory holds it, its parameters and
 * their bytes. It is in exactly one place: in a queue (op->in) or in a batch. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "store/pg_int.h"

static void op_cancel(struct call_dep *d);
static struct pg_op *op_new(struct pg_pool *p, struct call *c, enum pg_kind kind, const char *key,
    size_t n, const struct pg_statement *s, pg_done_fn *done, void *ctx);
static void op_start(struct pg_pool *p, struct pg_op *op, struct list *queue);

void
pg_query(struct pg_pool *p, struct call *c, const char *statement, int n, const char *const *params,
    pg_done_fn *done, void *ctx)
{
	const struct pg_statement s = { statement, n, params };

	op_start(p, op_new(p, c, PG_SINGLE, NULL, 1, &s, done, ctx), &p->reads);
}

void
pg_read(struct pg_pool *p, struct call *c, const char *statement, int n, const char *const *params,
    pg_done_fn *done, void *ctx)
{
	const struct pg_statement s = { statement, n, params };

	op_start(p, op_new(p, c, PG_READ, NULL, 1, &s, done, ctx), &p->reads);
}

void
pg_write(struct pg_pool *p, struct call *c, const char *key, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx)
{
	op_start(p, op_new(p, c, PG_WRITE, key, n, statements, done, ctx), &p->writes);
}

void
pg_write_isolated(struct pg_pool *p, struct call *c, enum pg_isolation isolation, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx)
{
	struct pg_op *op = op_new(p, c, PG_WRITE, NULL, n, statements, done, ctx);

	op->isolation = isolation;
	op_start(p, op, &p->writes);
}

void
pg_insert(struct pg_pool *p, struct call *c, const char *key, const char *text, int n,
    const char *const *params, pg_done_fn *done, void *ctx)
{
	const struct pg_statement s = { text, n, params };

	op_start(p, op_new(p, c, PG_INSERT, key, 1, &s, done, ctx), &p->writes);
}

void
pg_pool_fence(struct pg_pool *p, size_t which, const char *text)
{
	p->fences[which] = pg_text_of(p, text);
}

void
pg_fence_with(struct pg_pool *p, const uint64_t values[PG_FENCES])
{
	memcpy(p->fence_values, values, sizeof(p->fence_values));
}

void
pg_query_long(struct pg_pool *p, struct call *c, const char *statement, int n,
    const char *const *params, const struct pg_most *most, pg_done_fn *done, void *ctx)
{
	const struct pg_statement s = { statement, n, params };
	struct pg_op *op = op_new(p, c, PG_LONG, NULL, 1, &s, done, ctx);

	op->most =
	    most != NULL ? *most : (struct pg_most){ .rows = PG_ROWS_MOST, .bytes = PG_BYTES_MOST };
	op_start(p, op, &p->longs);
}

void
pg_script(struct pg_pool *p, const char *text, pg_done_fn *done, void *ctx)
{
	pg_script_of(p, NULL, text, done, ctx);
}

void
pg_script_of(struct pg_pool *p, struct call *c, const char *text, pg_done_fn *done, void *ctx)
{
	const struct pg_statement s = { text, 0, NULL };

	op_start(p, op_new(p, c, PG_SCRIPT, NULL, 1, &s, done, ctx), &p->longs);
}

void
pg_op_urgent(struct pg_pool *p, const char *statement, int n, const char *const *params,
    pg_done_fn *done, void *ctx)
{
	const struct pg_statement s = { statement, n, params };
	struct pg_op *op = op_new(p, NULL, PG_SINGLE, NULL, 1, &s, done, ctx);

	if (p->down)
		pg_op_fail(p, op, ST_UNAVAILABLE);
	else
		pg_op_queue(p, op, true);
}

/* One block: the op, its params, their bytes. */
static struct pg_op *
op_new(struct pg_pool *p, struct call *c, enum pg_kind kind, const char *key, size_t n,
    const struct pg_statement *s, pg_done_fn *done, void *ctx)
{
	size_t head = sizeof(struct pg_op) + n * sizeof(struct pg_stmt), params = 0, bytes = 0;
	struct pg_param *param;
	struct pg_op *op;
	char *b;

	for (size_t i = 0; i < n; i++) {
		params += (size_t)s[i].n;
		for (int j = 0; j < s[i].n; j++)
			bytes += s[i].params[j] != NULL ? strlen(s[i].params[j]) + 1 : 0;
	}
	bytes += key != NULL ? strlen(key) + 1 : 0;
	bytes += kind >= PG_LONG ? strlen(s->text) + 1 : 0;
	op = malloc(head + params * sizeof(struct pg_param) + bytes);
	must(op != NULL);
	memset(op, 0, head);
	param = (struct pg_param *)(void *)((char *)op + head);
	b = (char *)(param + params);
	for (size_t i = 0; i < n; i++) {
		must(s[i].n <= PG_PARAMS_MOST);
		op->stmts[i] = (struct pg_stmt){ .n = s[i].n, .params = param };
		if (kind < PG_LONG)
			op->stmts[i].text = pg_text_of(p, s[i].text);
		for (int j = 0; j < s[i].n; j++, param++) {
			size_t len = s[i].params[j] != NULL ? strlen(s[i].params[j]) : 0;

			*param = (struct pg_param){ s[i].params[j] != NULL ? b : NULL, (int)len };
			if (s[i].params[j] != NULL)
				b = (char *)memcpy(b, s[i].params[j], len + 1) + len + 1;
		}
	}
	if (key != NULL) {
		op->key = strcpy(b, key);
		b += strlen(key) + 1;
	}
	if (kind >= PG_LONG)
		op->long_text = strcpy(b, s->text);
	op->kind = kind;
	if (kind == PG_WRITE || kind == PG_INSERT)
		memcpy(op->fences, p->fence_values, sizeof(op->fences));
	op->alone = kind == PG_WRITE && key == NULL;
	op->n = n;
	op->call = c;
	op->done = done;
	op->ctx = ctx;
	op->queued_us = time_now_us();
	op->dep.cancel = op_cancel;
	if (c != NULL)
		call_attach(c, &op->dep);
	return op;
}

static void
op_start(struct pg_pool *p, struct pg_op *op, struct list *queue)
{
	if (p->down)
		pg_op_fail(p, op, ST_UNAVAILABLE);
	else if (queue->n >= p->queue_most)
		pg_op_fail(p, op, ST_RESOURCE_EXHAUSTED);
	else
		pg_op_queue(p, op, false);
}

/* The call has ended: what still waits is dropped, what is under way loses its callback. */
static void
op_cancel(struct call_dep *d)
{
	struct pg_op *op = container_of(d, struct pg_op, dep);

	op->call = NULL;
	op->done = NULL;
	if (op->in != NULL) {
		list_del(op->in, &op->link);
		pg_op_free(op);
	} else if (op->kind >= PG_LONG) {
		conn_cancel_long(op->conn);
	}
}

void
pg_op_queue(struct pg_pool *p, struct pg_op *op, bool first)
{
	op->in = op->kind >= PG_LONG                            ? &p->longs
	         : op->kind == PG_READ || op->kind == PG_SINGLE ? &p->reads
	                                                        : &p->writes;
	if (first)
		list_add_first(op->in, &op->link);
	else
		list_add(op->in, &op->link);
	pg_soon(p);
}

void
pg_op_fail(struct pg_pool *p, struct pg_op *op, enum status s)
{
	op->failed = s;
	op->in = &p->failing;
	list_add(op->in, &op->link);
	pg_soon(p);
}

/* Runs again when it has waited. */
void
pg_op_later(struct pg_pool *p, struct pg_op *op, int64_t wait_us)
{
	op->due_us = time_now_us() + wait_us;
	op->in = &p->later;
	list_add(op->in, &op->link);
	if (p->again.at_us == 0 || p->again.at_us > op->due_us)
		timer_at(&p->again, op->due_us);
}

void
pg_again(struct timer *t)
{
	struct pg_pool *p = container_of(t, struct pg_pool, again);
	int64_t now = time_now_us(), next = INT64_MAX;

	LIST_EACH(&p->later, k) {
		struct pg_op *op = container_of(k, struct pg_op, link);

		if (op->due_us > now) {
			next = op->due_us < next ? op->due_us : next;
			continue;
		}
		list_del(&p->later, k);
		op->queued_us = now;
		pg_op_queue(p, op, true);
	}
	if (next != INT64_MAX)
		timer_at(t, next);
}

void
pg_op_down(struct pg_pool *p, struct pg_op *op, bool unknown)
{
	pg_op_end(op, &(const struct pg_reply){
			  .status = ST_UNAVAILABLE,
			  .unknown = unknown,
			  .error = pg_pool_why(p),
		      });
}

void
pg_op_committed(struct pg_pool *p, const struct pg_op *op)
{
	if (p->on_commit != NULL && (op->kind == PG_WRITE || op->kind == PG_INSERT))
		p->on_commit(p->commit_ctx, op->key);
}

void
pg_op_end(struct pg_op *op, const struct pg_reply *r)
{
	if (op->call != NULL)
		call_detach(op->call, &op->dep);
	if (op->done != NULL)
		op->done(r, op->ctx);
	pg_op_free(op);
}

void
pg_op_free(struct pg_op *op)
{
	for (size_t i = 0; i < op->n; i++)
		PQclear(op->stmts[i].result);
	free(op);
}

struct pg_text *
pg_text_of(struct pg_pool *p, const char *text)
{
	struct pg_text *t;

	HASH_FIND_PTR(p->texts, &text, t);
	if (t == NULL) {
		t = calloc(1, sizeof(*t));
		must(t != NULL);
		t->text = text;
		t->index = HASH_COUNT(p->texts);
		HASH_ADD_PTR(p->texts, text, t);
	}
	return t;
}
