/* pg: the pool, its queues, and the turn in which they are served. Queued work is sent at the end
 * of the turn that brought it, so that what came together leaves together. Everything runs on the
 * loop thread. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "store/pg_int.h"

static void on_turn(struct loop_turn *t);
static void on_group(struct timer *t);
static bool conninfo_is_unix(const char *conninfo);

/* --- the pool --- */

static char *
dup_or_die(const char *s)
{
	char *d = strdup(s);

	must(d != NULL);
	return d;
}

static void
pool_set_password(struct pg_pool *p, const char *password)
{
	if (password == NULL || *password == '\0')
		return;
	must(sodium_init() >= 0);
	p->password = sodium_malloc(strlen(password) + 1);
	must(p->password != NULL);
	memcpy(p->password, password, strlen(password) + 1);
}

struct pg_pool *
pg_pool_new(struct loop *l, const struct pg_opts *o)
{
	struct pg_pool *p = calloc(1, sizeof(*p));
	char setup[1024];

	must(p != NULL);
	p->loop = l;
	p->work = o->work;
	p->conninfo = dup_or_die(o->conninfo);
	p->application = dup_or_die(o->application != NULL ? o->application : "metafed");
	pool_set_password(p, o->password);
	p->n_short = o->short_conns != 0 ? o->short_conns : 3;
	p->n_long = o->long_conns != 0 ? o->long_conns : 4;
	p->group_most = o->group_most != 0 ? o->group_most : 64;
	p->queue_most = o->queue_most != 0 ? o->queue_most : 4096;
	p->statement_timeout_us = o->statement_timeout_us != 0 ? o->statement_timeout_us : 5 * SEC;
	p->lock_timeout_us = o->lock_timeout_us != 0 ? o->lock_timeout_us : PG_LOCK_US;
	if (p->lock_timeout_us > p->statement_timeout_us / 2)
		p->lock_timeout_us = p->statement_timeout_us / 2;
	p->lifetime_us = o->lifetime_us;
	p->pooler = o->pooler;
	p->standby = o->standby;
	p->name = o->standby ? "postgres_standby" : "postgres";
	p->group_delay_us = o->group_delay_us;
	p->slow_us = o->slow_us;
	p->unix_socket = conninfo_is_unix(o->conninfo);
	p->backoff_us = PG_BACKOFF_MIN;
	conn_setup_short(p, setup, sizeof(setup));
	p->setup = dup_or_die(setup);
	p->rng = malloc(sizeof(*p->rng));
	must(p->rng != NULL);
	rng_seed(p->rng, id_random_u64());
	list_init(&p->reads);
	list_init(&p->writes);
	list_init(&p->longs);
	list_init(&p->failing);
	list_init(&p->later);
	p->n_conns = p->n_short + p->n_long + 1;
	p->conns = calloc(p->n_conns, sizeof(*p->conns));
	must(p->conns != NULL);
	for (unsigned i = 0; i < p->n_conns; i++) {
		enum conn_kind kind = i < p->n_short       ? CONN_SHORT
		                      : i + 1 < p->n_conns ? CONN_LONG
		                                           : CONN_PROBE;

		p->conns[i] = (struct pg_conn){ .pool = p, .kind = kind };
		list_init(&p->conns[i].batches);
		p->in_state[kind][CONN_CLOSED]++;
	}
	p->patience_us = time_now_us() + PG_FRESH_US;
	pg_metrics_init(p);
	p->turn.fn = on_turn;
	loop_turn_add(l, &p->turn);
	timer_init(&p->tick, l, pg_tick);
	timer_init(&p->retry, l, conn_retry);
	timer_init(&p->group, l, on_group);
	timer_init(&p->again, l, pg_again);
	timer_init(&p->life, l, conn_life);
	conn_login_next(p);
	pg_soon(p);
	return p;
}

static void
free_queue(struct list *q)
{
	struct link *k;

	while ((k = list_pop(q)) != NULL) {
		struct pg_op *op = container_of(k, struct pg_op, link);

		if (op->call != NULL)
			call_detach(op->call, &op->dep);
		pg_op_free(op);
	}
}

static void
forget(struct pg_op *op)
{
	if (op == NULL)
		return;
	if (op->call != NULL)
		call_detach(op->call, &op->dep);
	op->call = NULL;
	op->done = NULL;
}

/* What is under way there has nobody to tell any more. */
static void
silence(struct pg_conn *k)
{
	LIST_EACH(&k->batches, l) {
		struct pg_batch *b = container_of(l, struct pg_batch, link);

		for (uint32_t i = 0; i < b->n_ops; i++)
			forget(b->ops[i]);
	}
	forget(k->op);
}

void
pg_pool_free(struct pg_pool **pp)
{
	struct pg_pool *p = *pp;
	struct pg_text *t, *t_next;

	if (p == NULL)
		return;
	*pp = NULL;
	p->turn_wanted = true; /* nothing is asked for any more */
	for (unsigned i = 0; i < p->n_conns; i++) {
		silence(&p->conns[i]);
		conn_drop_batches(&p->conns[i]);
		conn_drop_long(&p->conns[i]);
		conn_close(&p->conns[i]);
	}
	free_queue(&p->reads);
	free_queue(&p->writes);
	free_queue(&p->longs);
	free_queue(&p->failing);
	free_queue(&p->later);
	pg_metrics_end(p);
	timer_stop(&p->tick);
	timer_stop(&p->retry);
	timer_stop(&p->group);
	timer_stop(&p->again);
	timer_stop(&p->life);
	loop_turn_del(p->loop, &p->turn);
	HASH_ITER(hh, p->texts, t, t_next) {
		HASH_DEL(p->texts, t);
		free(t);
	}
	for (struct pg_listener *s = p->listeners, *next; s != NULL; s = next) {
		next = s->next;
		free(s);
	}
	sodium_free(p->password);
	buf_free(&p->arrays);
	free(p->conninfo);
	free(p->application);
	free(p->setup);
	free(p->rng);
	free(p->conns);
	free(p);
}

bool
pg_pool_up(const struct pg_pool *p)
{
	return p->in_state[CONN_SHORT][CONN_UP] > 0 && !p->down;
}

bool
pg_pool_down(const struct pg_pool *p)
{
	return p->down;
}

uint64_t
pg_pool_logins(const struct pg_pool *p)
{
	return p->logins;
}

const char *
pg_pool_why(const struct pg_pool *p)
{
	return p->refused[0] != '\0' ? p->refused : "PostgreSQL is not available";
}

void
pg_pool_on_up(struct pg_pool *p, void (*fn)(void *ctx), void *ctx)
{
	struct pg_listener *s = malloc(sizeof(*s));

	must(s != NULL);
	*s = (struct pg_listener){ fn, ctx, p->listeners };
	p->listeners = s;
}

void
pg_pool_on_commit(struct pg_pool *p, void (*fn)(void *ctx, const char *key), void *ctx)
{
	p->on_commit = fn;
	p->commit_ctx = ctx;
}

/* --- the turn --- */

void
pg_soon(struct pg_pool *p)
{
	if (p->turn_wanted)
		return;
	p->turn_wanted = true;
	if (!p->serving)
		loop_turn_soon(p->loop);
}

/* The oldest write has waited long enough for company. */
static void
on_group(struct timer *t)
{
	pg_soon(container_of(t, struct pg_pool, group));
}

static void
fail_waiting(struct pg_pool *p)
{
	struct link *k;

	for (size_t n = p->failing.n; n > 0 && (k = list_pop(&p->failing)) != NULL; n--) {
		struct pg_op *op = container_of(k, struct pg_op, link);

		op->in = NULL;
		pg_op_end(op, &(const struct pg_reply){
				  .status = op->failed,
				  .error = op->failed == ST_UNAVAILABLE
		                               ? pg_pool_why(p)
		                               : "too many statements are waiting for PostgreSQL",
			      });
	}
}

static void
on_turn(struct loop_turn *t)
{
	struct pg_pool *p = container_of(t, struct pg_pool, turn);

	if (!p->turn_wanted)
		return;
	p->turn_wanted = false;
	p->serving = true;
	fail_waiting(p);
	pg_serve_reads(p);
	pg_serve_writes(p);
	pg_serve_longs(p);
	for (unsigned i = 0; i < p->n_short; i++)
		if (p->conns[i].state == CONN_UP)
			conn_flush(&p->conns[i]);
	p->serving = false;
	if (p->turn_wanted)
		loop_turn_soon(p->loop);
	pg_watch(p);
}

void
pg_fail_queues(struct pg_pool *p)
{
	struct list *const queues[] = { &p->reads, &p->writes, &p->longs, &p->later };
	struct link *k;

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		while ((k = list_pop(queues[i])) != NULL)
			pg_op_fail(p, container_of(k, struct pg_op, link), ST_UNAVAILABLE);
}

/* A host name needs a resolver, which blocks: such log-ins begin in the work pool. */
static bool
conninfo_is_unix(const char *conninfo)
{
	PQconninfoOption *opts = PQconninfoParse(conninfo, NULL);
	bool is_unix = true;

	for (PQconninfoOption *o = opts; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, "host") == 0 && o->val != NULL && o->val[0] != '/')
			is_unix = false;
	PQconninfoFree(opts);
	return is_unix;
}
