/* store: the pool, whether the schema in it is ours, and the effects that wait for the server to
 * come back. One per process: a service vtable has no room for a context. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"
#include "database/sql/export.h"
#include "database/sql/migrate.h"
#include "database/sql/store.h"
#include "database/sql/text.h"
#include "store/secret.h"

#define EFFECT_TRIES    8
#define EFFECT_MARGIN   (50 * MS) /* before the deadline: the answer has to get back */
#define SETTLE_US       (10 * MS)
#define UPKEEP_FIRST_US (5 * SEC)
#define LOGGED_KEYS     "task/" /* sql_key of objects whose changes are in the log */

static struct {
	struct loop *loop;
	struct pg_pool *pool;
	enum sql_state state;
	char *refusal;
	struct list waiting; /* effects */
	struct timer settle;
	struct node *node;
	struct work_pool *work;
	struct sql_config
	    config; /* of the start: a change needs another one; its texts may be gone */
} store;

static void on_up(void *ctx);
static void on_commit(void *ctx, const char *key);
static void on_settle(struct timer *t);
static void effect_cancel(struct call_dep *d);
static void on_effect_late(struct call *c, void *ctx);

const struct config_key sql_keys[] = { SQL_KEYS(struct sql_config, ), { .name = NULL } };

/* --- life --- */

bool
sql_open(struct loop *l, struct work_pool *work, const struct sql_config *config, const char *var)
{
	char *password =
	    *config->pg_password_file != '\0' ? secret_read(config->pg_password_file) : NULL;
	char private[512];

	const struct pg_opts opts = {
		.conninfo = *config->pg != '\0' ? config->pg : private,
		.password = password,
		.application = "metafed-sql",
		.short_conns = (unsigned)config->pg_short_conns,
		.long_conns = (unsigned)config->pg_long_conns,
		.statement_timeout_us = config->pg_statement_timeout_us,
		.lock_timeout_us = config->pg_lock_timeout_us,
		.lifetime_us = config->pg_lifetime_us,
		.pooler = config->pg_pooler,
		.group_delay_us = config->pg_group_delay_us,
		.group_most = (unsigned)config->pg_group_most,
		.slow_us = config->pg_slow_us,
		.work = work,
	};

	if (*config->pg == '\0')
		snprintf(private, sizeof(private), "host=%s/run/stores dbname=metafed user=metafed",
		    var);
	store.loop = l;
	store.work = work;
	store.config = *config;
	store.state = SQL_WAITING;
	list_init(&store.waiting);
	hold_init();
	store.pool = pg_pool_new(l, &opts);
	replicas_open(&opts, config->pg_replicas != NULL ? config->pg_replicas : "");
	secret_free(&password);
	pg_pool_fence(store.pool, 0, text_fence);
	pg_pool_fence(store.pool, 1, text_fence_leader);
	lead_start();
	traces_room_start();
	pg_pool_on_up(store.pool, on_up, NULL);
	pg_pool_on_commit(store.pool, on_commit, NULL);
	return true;
}

void
sql_close(void)
{
	struct link *k;

	lead_stop();
	upkeep_stop();
	export_stop();
	events_stop();
	hold_drop();
	while ((k = list_pop(&store.waiting)) != NULL) {
		struct effect *e = container_of(k, struct effect, link);

		call_detach(e->call, &e->dep);
	}
	migrate_stop();
	replicas_close();
	pg_pool_free(&store.pool);
	free(store.refusal);
	store.refusal = NULL;
}

bool
sql_init(struct node *n)
{
	if (!sql_open(node_loop(n), node_work(n), node_config(n), node_var(n)))
		return false;
	store.node = n;
	timer_init(&store.settle, node_loop(n), on_settle);
	timer_in(&store.settle, SETTLE_US);
	upkeep_start(UPKEEP_FIRST_US);
	return true;
}

bool
sql_standin_init(struct node *n, const struct sql_config *config)
{
	return sql_open(node_loop(n), node_work(n), config, node_var(n));
}

void
sql_fini(struct node *n)
{
	(void)n;
	if (store.node != NULL)
		timer_stop(&store.settle);
	sql_close();
}

/* Ready as soon as it is known how things stand; a store that is down is no reason to stay away. */
static void
on_settle(struct timer *t)
{
	if (store.state == SQL_REFUSED)
		fatal("sql: %s", store.refusal);
	if (store.state == SQL_USABLE || pg_pool_down(store.pool))
		node_ready(store.node);
	else
		timer_in(t, SETTLE_US);
}

static void
on_up(void *ctx)
{
	struct list now;
	struct link *k;

	(void)ctx;
	if (store.state == SQL_WAITING)
		migrate_start();
	list_init(&now);
	while ((k = list_pop(&store.waiting)) != NULL)
		list_add(&now, k);
	while ((k = list_pop(&now)) != NULL) {
		struct effect *e = container_of(k, struct effect, link);

		call_detach(e->call, &e->dep);
		effect_submit(e);
	}
	events_happened(); /* what was out when the server went may have been committed */
}

/* Whether anybody still waits for it or not. */
static void
on_commit(void *ctx, const char *key)
{
	(void)ctx;
	if (key == NULL || strncmp(key, LOGGED_KEYS, strlen(LOGGED_KEYS)) == 0)
		events_happened();
}

struct pg_pool *
sql_pool(void)
{
	return store.pool;
}

struct work_pool *
sql_work(void)
{
	return store.work;
}

const struct sql_config *
sql_config(void)
{
	return &store.config;
}

struct loop *
sql_loop(void)
{
	return store.loop;
}

void
sql_schema_is(enum sql_state s, const char *refusal)
{
	store.state = s;
	free(store.refusal);
	store.refusal = refusal != NULL ? strdup(refusal) : NULL;
	if (s == SQL_REFUSED)
		log_error("schema_refused", L_STR("why", store.refusal));
	hold_release();
}

enum sql_state
sql_state(void)
{
	return store.state;
}

const char *
sql_refusal(void)
{
	return store.refusal != NULL ? store.refusal : "";
}

bool
sql_store_down(void)
{
	return pg_pool_down(store.pool);
}

/* --- effects --- */

void
effect_start(struct effect *e, struct call *c, uint64_t epoch, void (*submit)(struct effect *e))
{
	e->call = c;
	e->submit = submit;
	e->fences[0] = epoch;
	e->fences[1] = call_fence(c);
	e->dep.cancel = effect_cancel;
	events_bus(call_bus(c));
	effect_submit(e);
}

void
effect_submit(struct effect *e)
{
	effect_go_on(e, e->submit);
}

void
effect_go_on(struct effect *e, void (*write)(struct effect *e))
{
	static const uint64_t none[PG_FENCES];

	pg_fence_with(store.pool, e->fences);
	write(e);
	pg_fence_with(store.pool, none);
}

bool
effect_unknown(struct effect *e, const struct pg_reply *r)
{
	if (strcmp(pg_sqlstate(r), "MF412") == 0) {
		call_fail_because(e->call, ST_ABORTED, "MODE_CHANGED", 10,
		    "the mode of the stores has changed since this write was sent");
		return true;
	}
	if (strcmp(pg_sqlstate(r), "MF413") == 0) {
		call_fail_because(
		    e->call, ST_ABORTED, "FENCED", 0, "another meta leads since this was begun");
		return true;
	}
	if (pg_ok(r) || !(pg_unknown(r) || (e->tries > 0 && pg_status(r) == ST_UNAVAILABLE)) ||
	    e->tries >= EFFECT_TRIES)
		return false;
	STEP("sql.outcome.unknown");
	if (e->tries++ == 0) {
		int64_t left = call_left(e->call) - EFFECT_MARGIN;

		call_set_repeated(e->call);
		call_after(e->call, left > 0 ? left : 0, on_effect_late, NULL);
	}
	if (pg_pool_up(store.pool)) {
		effect_submit(e);
	} else {
		list_add(&store.waiting, &e->link);
		call_attach(e->call, &e->dep);
	}
	return true;
}

static void
effect_cancel(struct call_dep *d)
{
	list_del(&store.waiting, &container_of(d, struct effect, dep)->link);
}

static void
on_effect_late(struct call *c, void *ctx)
{
	(void)ctx;
	call_fail_because(c, ST_UNAVAILABLE, "OUTCOME_UNKNOWN", 1000,
	    "the connection to PostgreSQL broke during the commit; the same operation again is "
	    "safe");
}

/* --- for handlers --- */

const struct model *
sql_model_of(struct call *c, const Mf__StoreOp *op)
{
	const struct model *m = model_find(op->model);

	if (m == NULL)
		call_fail_with(c, &(const struct failure){
				      .status = ST_INVALID_ARGUMENT,
				      .message = "there is no such model",
				      .reason = "VALIDATION",
				      .n_violations = 1,
				      .violations = &(const struct violation){ "model",
					  "there is no such model" },
				  });
	return m;
}

void
sql_refuse(struct call *c, const struct complaints *e)
{
	call_fail_with(c,
	    &(const struct failure){
		.status = ST_INVALID_ARGUMENT,
		.reason = "VALIDATION",
		.n_violations = e->n,
		.violations = e->list,
		.message = arena_printf(call_arena(c), "%s: %s", e->list[0].field, e->list[0].what),
	    });
}

json_t *
sql_data_of(struct call *c, const Mf__StoreOp *op, size_t most)
{
	struct json_error e;
	json_t *v = op->data.len <= most ? json_read(op->data.data, op->data.len, &e) : NULL;

	if (op->data.len > most)
		call_fail_because(
		    c, ST_INVALID_ARGUMENT, "TOO_LARGE", 0, "data: is larger than %zu bytes", most);
	else if (v == NULL)
		call_fail_because(c, ST_INVALID_ARGUMENT, "JSON", 0,
		    "data: %s (line %d, column %d)", e.what, e.line, e.column);
	else
		call_own_json(c, v);
	return v;
}

const char *
sql_operation_of(struct call *c, const Mf__StoreOp *op)
{
	const char *id = *op->operation_id != '\0' ? op->operation_id : call_operation_id(c);

	return *id != '\0' ? id : NULL;
}

const char *
sql_now(struct arena *a)
{
	char *t = arena_alloc(a, TIME_RFC3339_LEN);

	time_rfc3339(time_wall_us(), t);
	return t;
}

const char *
sql_key(struct arena *a, const struct model *m, const char *id)
{
	return arena_printf(a, "%s/%s", m->name, id);
}

void
sql_fail_write(struct call *c, const struct model *m, const struct pg_reply *r)
{
	if (pg_status(r) == ST_ALREADY_EXISTS)
		call_fail_because(c, ST_ALREADY_EXISTS, "ALREADY_EXISTS", 0,
		    "there is a %s with the same %s already", m->name,
		    model_unique(m, pg_constraint(r)));
	else
		pg_fail_call(c, r);
}
