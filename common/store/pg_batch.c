/* pg_batch: queued operations become a batch, that is: what lies between two Syncs on one
 * connection and so is one implicit transaction. A group of writes is a batch; its Sync is the
 * commit. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/step.h"
#include "store/pg_int.h"

#define TEXT_OID 25

static struct pg_conn *conn_for_reads(struct pg_pool *p);
static struct pg_conn *conn_for_writes(struct pg_pool *p, unsigned *under_way, unsigned *most);
static struct pg_batch *batch_new(size_t ops, bool effect);
static void batch_take(struct pg_batch *b, struct list *from, struct pg_op *op);
static bool batch_send(struct pg_conn *k, struct pg_batch *b);
static struct pg_batch *group_form(struct pg_pool *p);
static bool
send_statement(struct pg_conn *k, struct pg_batch *b, uint32_t op, uint32_t n_ops, uint32_t stmt);
static bool
send_merged(struct pg_conn *k, struct pg_batch *b, uint32_t op, uint32_t n_ops, const char *name);
static bool send_fences(struct pg_conn *k, struct pg_batch *b);
static bool send_fence(struct pg_conn *k, struct pg_batch *b, size_t which);
static bool send_isolation(struct pg_conn *k, struct pg_batch *b);
static int by_key(const void *a, const void *b);

/* --- reads --- */

void
pg_serve_reads(struct pg_pool *p)
{
	struct pg_conn *k;

	while (p->reads.n > 0 && (k = conn_for_reads(p)) != NULL) {
		struct pg_op *first = container_of(list_first(&p->reads), struct pg_op, link);
		size_t most = first->kind == PG_SINGLE     ? 1
		              : p->reads.n < PG_READS_MOST ? p->reads.n
		                                           : PG_READS_MOST;
		struct pg_batch *b = batch_new(most, first->kind == PG_SINGLE);

		for (;;) {
			batch_take(b, &p->reads, first);
			if (b->n_ops == most || p->reads.n == 0)
				break;
			first = container_of(list_first(&p->reads), struct pg_op, link);
			if (first->kind != PG_READ)
				break;
		}
		if (!batch_send(k, b))
			return; /* the connection is lost; what was in it was told */
	}
}

/* The one with least before it; a group's commit weighs more than any number of reads. */
static struct pg_conn *
conn_for_reads(struct pg_pool *p)
{
	struct pg_conn *best = NULL;

	for (unsigned i = 0; i < p->n_short; i++) {
		struct pg_conn *k = &p->conns[i];

		if (k->state != CONN_UP || k->silent || k->retiring ||
		    k->batches.n >= PG_READS_MOST)
			continue;
		if (best == NULL || k->writes < best->writes ||
		    (k->writes == best->writes && k->batches.n < best->batches.n))
			best = k;
	}
	return best;
}

/* --- writes --- */

bool
pg_group_starts(unsigned under_way, unsigned most_under_way, size_t waiting, unsigned group_most,
    int64_t waited_us, int64_t delay_us)
{
	if (waiting == 0 || under_way >= most_under_way)
		return false;
	return under_way == 0 || waiting >= group_most || waited_us >= delay_us;
}

static bool
next_runs_alone(const struct pg_pool *p)
{
	const struct pg_op *op;

	if (p->writes.n == 0)
		return false;
	op = container_of(list_first(&p->writes), const struct pg_op, link);
	return op->tries > 0 && !op->yields;
}

void
pg_serve_writes(struct pg_pool *p)
{
	unsigned under_way, most;
	struct pg_conn *k;

	while (p->writes.n > 0 && (k = conn_for_writes(p, &under_way, &most)) != NULL) {
		const struct pg_op *first =
		    container_of(list_first(&p->writes), struct pg_op, link);
		int64_t since = first->queued_us;
		struct pg_batch *b;

		if (first->yields && under_way > 0)
			return;
		if (!pg_group_starts(under_way, most, p->writes.n, p->group_most,
			time_now_us() - since, p->group_delay_us)) {
			timer_at(&p->group, since + p->group_delay_us);
			return;
		}
		if ((b = group_form(p)) == NULL)
			return; /* all keys are taken */
		STEP("sql.group.formed");
		if (!batch_send(k, b))
			return;
		STEP("sql.group.sent");
		/* Members of a failed group run one by one, but need not wait for each other. */
		while (k->writes < PG_READS_MOST && next_runs_alone(p))
			if ((b = group_form(p)) == NULL || !batch_send(k, b))
				return;
	}
}

static struct pg_conn *
conn_for_writes(struct pg_pool *p, unsigned *under_way, unsigned *most)
{
	struct pg_conn *best = NULL;
	unsigned up = 0;

	*under_way = 0;
	for (unsigned i = p->n_short; i-- > 0;) {
		struct pg_conn *k = &p->conns[i];

		if (k->state != CONN_UP || k->silent || k->retiring)
			continue;
		up++;
		*under_way += k->writes > 0;
		if (k->writes == 0 && (best == NULL || k->batches.n < best->batches.n))
			best = k;
	}
	*most = up > 1 ? up - 1 : up;
	return *under_way < *most ? best : NULL;
}

/* In order of arrival, but a taken key waits, and one that runs alone comes first or not at all. */
static struct pg_batch *
group_form(struct pg_pool *p)
{
	size_t most = p->writes.n < p->group_most ? p->writes.n : p->group_most;
	struct pg_batch *b = batch_new(most, true);

	LIST_EACH(&p->writes, l) {
		struct pg_op *op = container_of(l, struct pg_op, link), *other = NULL;

		if (op->key != NULL)
			HASH_FIND_STR(p->keys, op->key, other);
		if (other != NULL)
			continue;
		if (op->alone && b->n_ops > 0)
			break;
		batch_take(b, &p->writes, op);
		if (op->key != NULL)
			HASH_ADD_KEYPTR(hh, p->keys, op->key, strlen(op->key), op);
		if (op->alone || b->n_ops == most)
			break;
	}
	if (b->n_ops == 0) {
		pg_batch_free(&b);
		return NULL;
	}
	qsort(b->ops, b->n_ops, sizeof(b->ops[0]), by_key);
	metric_inc(p->m_groups);
	metric_add(p->m_members, b->n_ops);
	return b;
}

/* Inserts first, those of one statement side by side; then by key: all groups lock rows in the same
 * order. */
static int
by_key(const void *a, const void *b)
{
	const struct pg_op *x = *(struct pg_op *const *)a, *y = *(struct pg_op *const *)b;

	if (x->kind != y->kind)
		return x->kind == PG_INSERT ? -1 : 1;
	if (x->kind == PG_INSERT && x->stmts[0].text != y->stmts[0].text)
		return x->stmts[0].text->index < y->stmts[0].text->index ? -1 : 1;
	return strcmp(x->key != NULL ? x->key : "", y->key != NULL ? y->key : "");
}

/* --- batches --- */

static struct pg_batch *
batch_new(size_t ops, bool effect)
{
	struct pg_batch *b = calloc(1, sizeof(*b) + ops * sizeof(b->ops[0]));

	must(b != NULL);
	b->effect = effect;
	return b;
}

void
pg_batch_free(struct pg_batch **b)
{
	PQclear((*b)->error);
	PQclear((*b)->merged);
	free((*b)->steps);
	free(*b);
	*b = NULL;
}

static void
batch_take(struct pg_batch *b, struct list *from, struct pg_op *op)
{
	list_del(from, &op->link);
	op->in = NULL;
	b->ops[b->n_ops++] = op;
}

/* False: the connection was lost over it. */
static bool
batch_send(struct pg_conn *k, struct pg_batch *b)
{
	uint32_t i = 0, n;
	bool ok = true;

	b->sent_us = time_now_us();
	if (k->batches.n == 0)
		k->heard_us = b->sent_us;
	list_add(&k->batches, &b->link);
	k->writes += b->effect;
	if (b->n_ops == 1 && b->ops[0]->isolation != PG_READ_COMMITTED)
		ok = send_isolation(k, b);
	for (; ok && i < b->n_ops; i += n) {
		const struct pg_op *op = b->ops[i];

		n = 1;
		if (op->kind == PG_INSERT)
			while (i + n < b->n_ops && b->ops[i + n]->kind == PG_INSERT &&
			       b->ops[i + n]->stmts[0].text == op->stmts[0].text)
				n++;
		for (uint32_t s = 0; ok && s < op->n; s++)
			ok = send_statement(k, b, i, n, s);
	}
	if (!ok || !send_fences(k, b) || PQpipelineSync(k->pg) != 1) {
		conn_lost(k, PQerrorMessage(k->pg));
		return false;
	}
	return true;
}

struct pg_step *
pg_step_add(struct pg_batch *b)
{
	if (b->n_steps == b->cap_steps) {
		b->cap_steps = b->cap_steps != 0 ? b->cap_steps * 2 : 4;
		b->steps = realloc(b->steps, b->cap_steps * sizeof(*b->steps));
		must(b->steps != NULL);
	}
	b->steps[b->n_steps] = (struct pg_step){ 0 };
	return &b->steps[b->n_steps++];
}

/* A Sync by itself takes no lock and waits for nothing: whoever lives answers. */
void
pg_ask_idle(struct pg_pool *p)
{
	for (unsigned i = 0; i < p->n_short; i++) {
		struct pg_conn *k = &p->conns[i];

		if (k->state == CONN_UP && k->batches.n == 0 && batch_send(k, batch_new(0, false)))
			conn_flush(k);
	}
}

static bool
send_statement(struct pg_conn *k, struct pg_batch *b, uint32_t op, uint32_t n_ops, uint32_t stmt)
{
	const struct pg_stmt *s = &b->ops[op]->stmts[stmt];
	const char *values[PG_PARAMS_MOST];
	int lengths[PG_PARAMS_MOST];
	char name[16];

	if (!pg_prepare(k, b, op, s->text, name))
		return false;
	*pg_step_add(b) = (struct pg_step){ .op = op, .n_ops = n_ops, .stmt = stmt };
	if (b->ops[op]->kind == PG_INSERT)
		return send_merged(k, b, op, n_ops, name);
	for (int i = 0; i < s->n; i++) {
		values[i] = s->params[i].text;
		lengths[i] = s->params[i].length;
	}
	return PQsendQueryPrepared(k->pg, name, s->n, values, lengths, NULL, 0) == 1;
}

/* The last statement before the commit: what it sees is not older than the batch's own effect. */
static bool
send_fences(struct pg_conn *k, struct pg_batch *b)
{
	for (size_t i = 0; i < PG_FENCES; i++)
		if (!send_fence(k, b, i))
			return false;
	return true;
}

static bool
send_fence(struct pg_conn *k, struct pg_batch *b, size_t which)
{
	struct pg_text *text = k->pool->fences[which];
	uint64_t least = 0;
	char name[16], value[24];

	for (uint32_t i = 0; i < b->n_ops; i++) {
		uint64_t v = b->ops[i]->fences[which];

		if (v != 0 && (least == 0 || v < least))
			least = v;
	}
	if (least == 0 || text == NULL)
		return true;
	if (!pg_prepare(k, b, 0, text, name))
		return false;
	*pg_step_add(b) = (struct pg_step){ .fence = text };
	snprintf(value, sizeof(value), "%" PRIu64, least);
	return PQsendQueryPrepared(k->pg, name, 1, (const char *const[]){ value }, NULL, NULL, 0) ==
	       1;
}

/* Before anything that takes a snapshot. As a setting: SET TRANSACTION warns where the transaction is
 * made by the pipeline; it ends with the transaction all the same. */
static bool
send_isolation(struct pg_conn *k, struct pg_batch *b)
{
	static const char *const texts[] = {
		[PG_REPEATABLE_READ] = "SET transaction_isolation='repeatable read'",
		[PG_SERIALIZABLE] = "SET transaction_isolation='serializable'",
	};

	*pg_step_add(b) = (struct pg_step){ .setting = true };
	return PQsendQueryParams(
		   k->pg, texts[b->ops[0]->isolation], 0, NULL, NULL, NULL, NULL, 0) == 1;
}

static void
add_int(struct buf *b, int32_t v)
{
	uint32_t be = htonl((uint32_t)v);

	buf_add(b, &be, 4);
}

/* Each param of the members becomes an array of text in PostgreSQL's binary form: nothing to
 * escape. */
static bool
send_merged(struct pg_conn *k, struct pg_batch *b, uint32_t op, uint32_t n_ops, const char *name)
{
	int n = b->ops[op]->stmts[0].n;
	const char *values[PG_PARAMS_MOST];
	int lengths[PG_PARAMS_MOST], formats[PG_PARAMS_MOST];
	struct buf *a = &k->pool->arrays;
	size_t at[PG_PARAMS_MOST];

	a->n = 0;
	for (int i = 0; i < n; i++) {
		at[i] = a->n;
		add_int(a, 1); /* dimensions */
		add_int(a, 1); /* may hold nulls */
		add_int(a, TEXT_OID);
		add_int(a, (int32_t)n_ops);
		add_int(a, 1); /* first subscript */
		for (uint32_t m = op; m < op + n_ops; m++) {
			const struct pg_param *v = &b->ops[m]->stmts[0].params[i];

			add_int(a, v->text != NULL ? v->length : -1);
			if (v->text != NULL)
				buf_add(a, v->text, (size_t)v->length);
		}
		lengths[i] = (int)(a->n - at[i]);
		formats[i] = 1;
	}
	for (int i = 0; i < n; i++)
		values[i] = a->p + at[i];
	return PQsendQueryPrepared(k->pg, name, n, values, lengths, formats, 0) == 1;
}
