/* read: one object, pages of objects, and the operators' statements. */
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "database/sql/filter.h"
#include "database/sql/render.h"
#include "database/sql/spill.h"
#include "database/sql/store.h"
#include "database/sql/text.h"

#define ROWS_DEFAULT 1000        /* of an operator's statement */
#define ROWS_BYTES   (3u << 20)  /* of all its rows: an answer of the bus takes 4 MiB */
#define SORTED_BYTES (32u << 20) /* that PostgreSQL may answer, of which a page is taken */

struct reading {
	struct call *call;
	const struct model *model;
	const Mf__StoreOp *op;
	struct filter filter;
	const char *id, *ns;
	void (*send)(struct reading *x);
	struct replica *replica; /* that is asked; NULL: the primary */
	int64_t fresh_us;        /* ... and shows what was committed before; 0: not known */
	uint64_t logins;         /* of its pool then */
	bool one, cursors;
};

static void on_one(const struct pg_reply *r, void *ctx);
static void reply_read(struct reading *x, const struct row *row);
static void on_many(const struct pg_reply *r, void *ctx);
static void
explain(struct reading *x, const char *lane, const char *text, int n, const char *const *params);
static void on_rows(const struct pg_reply *r, void *ctx);
static bool read_filter(struct reading *x, const Mf__StoreOp *op);
static void start(struct reading *x);
static bool again_at_primary(struct reading *x, const struct pg_reply *r);
static void send_by_id(struct reading *x);
static void send_query(struct reading *x);

static struct reading *
reading_new(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);

	x->call = c;
	x->model = m;
	x->op = op;
	return x;
}

static struct pg_pool *
pool_of(const struct reading *x)
{
	return x->replica != NULL ? replica_pool(x->replica) : sql_pool();
}

static void
start(struct reading *x)
{
	if (!x->op->explain)
		x->replica = replica_for(x->op, &x->fresh_us);
	if (x->replica != NULL)
		x->logins = pg_pool_logins(replica_pool(x->replica));
	x->send(x);
}

/* A stand-by that fails, or was so slow that what it shows is too old by now, is none; nor is one
 * that may have begun anew meanwhile. */
static bool
again_at_primary(struct reading *x, const struct pg_reply *r)
{
	bool late = strcmp(x->op->consistency, "bounded") == 0 &&
	            time_now_us() - x->fresh_us > (int64_t)x->op->max_age_ms * MS;

	if (x->replica == NULL ||
	    (pg_ok(r) && !late && pg_pool_logins(replica_pool(x->replica)) == x->logins))
		return false;
	x->replica = NULL;
	x->send(x);
	return true;
}

static uint64_t
age_of(const struct reading *x)
{
	return x->replica != NULL ? (uint64_t)(time_now_us() - x->fresh_us) : 0;
}

/* --- one --- */

void
sql_read_one(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct complaints e = { .arena = call_arena(c) };
	struct reading *x = reading_new(c, m, op);

	x->one = true;
	x->id = op->id;
	x->ns = op->namespace_;
	if (*op->id == '\0' && op->n_filters > 0) {
		if (read_filter(x, op)) {
			x->filter.limit = 1; /* a second one is seen by the look ahead */
			x->filter.after = NULL;
			x->send = send_query;
			start(x);
		}
		return;
	}
	if (!intake_id(m, op->id, &e) || !intake_namespace(&x->ns, &e)) {
		sql_refuse(c, &e);
		return;
	}
	x->send = send_by_id;
	start(x);
}

static void
send_by_id(struct reading *x)
{
	const struct model *m = x->model;
	const char *const params[] = { x->id, x->ns };

	if (x->op->explain)
		explain(x, "short", text_read(m), m->namespaced ? 2 : 1, params);
	else
		pg_read(
		    pool_of(x), x->call, text_read(m), m->namespaced ? 2 : 1, params, on_one, x);
}

static void
explain(struct reading *x, const char *lane, const char *text, int n, const char *const *params)
{
	struct arena *a = call_arena(x->call);
	struct pg_statement *s = ARENA_NEW(a, struct pg_statement);

	*s = (struct pg_statement){ text, n, arena_dup(a, params, (size_t)n * sizeof(*params)) };
	sql_explain(x->call, lane, 1, s);
}

static void
on_one(const struct pg_reply *r, void *ctx)
{
	struct reading *x = ctx;
	struct row row;

	if (again_at_primary(x, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
	} else if (pg_rows(r) == 0) {
		call_fail(x->call, ST_NOT_FOUND, "there is no such %s", x->model->name);
	} else if (pg_rows(r) > 1) {
		call_fail(x->call, ST_FAILED_PRECONDITION, "more than one %s is like that",
		    x->model->name);
	} else {
		row_of_reply(r, 0, 0, x->model, &row);
		reply_read(x, &row);
	}
}

static bool
result_of(struct call *c, const struct row *row, Mf__StoreResult *m)
{
	mf__store_result__init(m);
	m->version = row_version(row);
	if ((m->data.data = render_alone(call_arena(c), row, &m->data.len)) != NULL)
		return true;
	call_fail(c, ST_RESOURCE_EXHAUSTED, "the object is too large to be answered");
	return false;
}

static void
reply_read(struct reading *x, const struct row *row)
{
	Mf__StoreResult m;

	if (!result_of(x->call, row, &m))
		return;
	m.age_us = age_of(x);
	call_reply(x->call, &m.base);
}

void
sql_reply_row(struct call *c, const struct row *row, bool repeated, uint64_t affected)
{
	sql_reply_row_warned(c, row, repeated, affected, NULL);
}

void
sql_reply_row_warned(struct call *c, const struct row *row, bool repeated, uint64_t affected,
    const struct warnings *warnings)
{
	Mf__StoreResult m;

	if (!result_of(c, row, &m))
		return;
	m.rows_affected = affected;
	m.repeated = repeated;
	if (warnings != NULL) {
		m.n_warnings = warnings->n;
		m.warnings = (char **)(uintptr_t)warnings->list;
	}
	sql_reply_write(c, &m);
}

/* --- many --- */

void
sql_query_many(struct call *c, const struct model *m, const Mf__StoreOp *op)
{
	struct reading *x = reading_new(c, m, op);

	if (op->want[0] != '\0') {
		brief_query(c, m, op);
		return;
	}
	x->cursors = op->cursors;
	x->send = send_query;
	if (read_filter(x, op))
		start(x);
}

static bool
read_filter(struct reading *x, const Mf__StoreOp *op)
{
	struct complaints e = { .arena = call_arena(x->call) };

	if (filter_read(call_arena(x->call), x->model, op, &x->filter, &e))
		return true;
	sql_refuse(x->call, &e);
	return false;
}

static void
send_query(struct reading *x)
{
	pg_done_fn *done = x->one ? on_one : on_many;
	struct arena *a = call_arena(x->call);
	const char *params[QUERY_PARAMS_MOST];
	size_t n = text_query_params(a, &x->filter, params, QUERY_PARAMS_MOST);

	/* What is sorted or bounded otherwise than by an index may take long: it is not prepared,
	 * and cancelled when nobody waits for it. */
	if (x->op->explain)
		explain(x, filter_is_rare(&x->filter) ? "long" : "short", text_query(a, &x->filter),
		    (int)n, params);
	else if (filter_is_rare(&x->filter))
		pg_query_long(pool_of(x), x->call, text_query(a, &x->filter), (int)n, params,
		    &(const struct pg_most){ .rows = LIMIT_MOST + 1, .bytes = SORTED_BYTES }, done,
		    x);
	else
		pg_read(pool_of(x), x->call, text_query(a, &x->filter), (int)n, params, done, x);
}

/* Of the fields that are counted in the query. */
static size_t
row_bytes(const struct pg_reply *r, int i, const struct model *m)
{
	size_t n = 0;

	for (size_t k = 0; k < m->n_fields; k++)
		if (text_counts(&m->fields[k]))
			n += pg_length(r, i, (int)k);
	return n;
}

static void
on_many(const struct pg_reply *r, void *ctx)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct reading *x = ctx;
	const char **cursors;
	size_t bytes = 0;
	struct row row, last = { .model = x->model };
	struct jw w;
	int n;

	if (again_at_primary(x, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
		return;
	}
	cursors = ARENA_ARRAY(call_arena(x->call), const char *, (size_t)pg_rows(r));
	n = pg_rows(r) > (int)x->filter.limit ? (int)x->filter.limit : pg_rows(r);
	jw_start(&w, call_arena(x->call), 256 + 400 * (size_t)n);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (int i = 0; i < n; i++) {
		row_of_reply(r, i, 0, x->model, &row);
		bytes += row_bytes(r, i, x->model);
		if (i > 0 && (bytes >= PAGE_BYTES || w.n + render_most(&row) > PAGE_BYTES)) {
			n = i; /* a page may be shorter than its limit */
			break;
		}
		render_row(&w, &row);
		last = row;
		if (x->cursors)
			cursors[i] = filter_cursor(w.a, &x->filter, &row, (uint32_t)i + 1);
	}
	jw_close(&w, ']');
	if (x->cursors) {
		jw_array(&w, "cursors");
		for (int i = 0; i < n; i++)
			jw_str(&w, NULL, cursors[i]);
		jw_close(&w, ']');
	}
	jw_str(&w, "next_cursor",
	    pg_rows(r) > n ? filter_cursor(w.a, &x->filter, &last, (uint32_t)n) : NULL);
	jw_close(&w, '}');
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.age_us = age_of(x);
	call_reply(x->call, &m.base);
}

/* --- operators --- */

void
sql_statement(struct call *c, const Mf__SqlQuery *q)
{
	struct reading *x = reading_new(c, NULL, NULL);
	const char *params[40];

	if (*q->statement == '\0' || q->n_params > sizeof(params) / sizeof(params[0])) {
		call_fail(c, ST_INVALID_ARGUMENT,
		    *q->statement == '\0' ? "statement: is empty" : "params: must be at most 40");
		return;
	}
	for (size_t i = 0; i < q->n_params; i++)
		params[i] = q->params[i]->null ? NULL : q->params[i]->text;
	pg_query_long(sql_pool(), c, q->statement, (int)q->n_params, params,
	    &(const struct pg_most){
		.rows = q->most_rows != 0 ? q->most_rows : ROWS_DEFAULT,
		.bytes = ROWS_BYTES,
		.foreign = true,
	    },
	    on_rows, x);
}

static void
on_rows(const struct pg_reply *r, void *ctx)
{
	Mf__SqlRows m = MF__SQL_ROWS__INIT;
	struct reading *x = ctx;
	struct arena *a = call_arena(x->call);

	if (!pg_ok(r)) {
		if (strncmp(pg_sqlstate(r), "42", 2) == 0 || strcmp(pg_sqlstate(r), "25006") == 0)
			call_fail(x->call, ST_INVALID_ARGUMENT, "%s", pg_error(r));
		else
			pg_fail_call(x->call, r);
		return;
	}
	m.n_columns = (size_t)pg_columns(r);
	m.columns = ARENA_ARRAY(a, char *, m.n_columns + 1);
	for (size_t i = 0; i < m.n_columns; i++)
		m.columns[i] = arena_strdup(a, pg_column(r, (int)i));
	m.n_rows = (size_t)pg_rows(r);
	m.rows = ARENA_ARRAY(a, Mf__SqlRow *, m.n_rows + 1);
	for (size_t i = 0; i < m.n_rows; i++) {
		Mf__SqlRow *row = m.rows[i] = ARENA_NEW(a, Mf__SqlRow);

		mf__sql_row__init(row);
		row->n_fields = m.n_columns;
		row->fields = ARENA_ARRAY(a, Mf__SqlParam *, m.n_columns + 1);
		for (size_t j = 0; j < m.n_columns; j++) {
			Mf__SqlParam *f = row->fields[j] = ARENA_NEW(a, Mf__SqlParam);

			mf__sql_param__init(f);
			f->null = pg_null(r, (int)i, (int)j);
			f->text = (char *)(uintptr_t)pg_value(r, (int)i, (int)j);
		}
	}
	m.rows_affected = pg_affected(r);
	call_reply(x->call, &m.base);
}
