/* migrate_status: which migrations there are, which of them PostgreSQL has; and a dry run: the ones to
 * come are applied in one transaction that is rolled back. While that runs it holds the locks of what
 * it changes, as the real thing would; it ends with its call. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/sql/migrate.h"
#include "database/sql/render.h"
#include "database/sql/store.h"

#define APPLIED_MOST 1000

struct looking {
	struct call *call;
	bool dry_run;
	size_t n; /* rows */
	struct seen {
		uint32_t number;
		const char *name, *checksum, *at;
	} * seen;
	size_t pending; /* the first one, into sql_migrations */
};

static const char select_applied[] =
    "SELECT number, name, checksum, applied_at FROM schema_migrations ORDER BY number";

static void on_applied(const struct pg_reply *r, void *ctx);
static void dry_run(struct looking *x);
static void on_dry_run(const struct pg_reply *r, void *ctx);
static void answer(struct looking *x, const struct pg_reply *tried);
static const char *state_of(const struct looking *x, uint32_t number, const struct seen **out);

void
sql_migrations_query(struct call *c, const Mf__StoreOp *op)
{
	struct looking *x = ARENA_NEW(call_arena(c), struct looking);

	x->call = c;
	for (size_t i = 0; i < op->n_filters; i++) {
		if (strcmp(op->filters[i]->key, "dry_run") != 0 ||
		    !str_bool(str_of(op->filters[i]->value), &x->dry_run)) {
			call_fail(c, ST_INVALID_ARGUMENT,
			    "filters: migrations take dry_run, true or false");
			return;
		}
	}
	pg_query_long(sql_pool(), c, select_applied, 0, NULL,
	    &(const struct pg_most){ .rows = APPLIED_MOST, .bytes = 1u << 20 }, on_applied, x);
}

static void
on_applied(const struct pg_reply *r, void *ctx)
{
	struct looking *x = ctx;
	struct arena *a = call_arena(x->call);

	if (!pg_ok(r) && strcmp(pg_sqlstate(r), "42P01") != 0) {
		pg_fail_call(x->call, r);
		return;
	}
	x->n = (size_t)pg_rows(r);
	x->seen = ARENA_ARRAY(a, struct seen, x->n + 1);
	for (size_t i = 0; i < x->n; i++) {
		char *at = arena_alloc(a, TIME_RFC3339_LEN);

		time_of_column(pg_value(r, (int)i, 3), at);
		x->seen[i] = (struct seen){ (uint32_t)strtoul(pg_value(r, (int)i, 0), NULL, 10),
			arena_strdup(a, pg_value(r, (int)i, 1)),
			arena_strdup(a, pg_value(r, (int)i, 2)), at };
	}
	while (sql_migrations[x->pending].number != 0 &&
	       strcmp(state_of(x, sql_migrations[x->pending].number, NULL), "pending") != 0)
		x->pending++;
	if (x->dry_run && sql_migrations[x->pending].number != 0)
		dry_run(x);
	else
		answer(x, NULL);
}

static const char *
state_of(const struct looking *x, uint32_t number, const struct seen **out)
{
	const struct migration *m = sql_migrations;
	char sum[65];

	while (m->number != 0 && m->number != number)
		m++;
	for (size_t i = 0; i < x->n; i++) {
		if (x->seen[i].number != number)
			continue;
		if (out != NULL)
			*out = &x->seen[i];
		if (m->number == 0)
			return "unknown";
		migrate_checksum(m->text, sum);
		return strcmp(sum, x->seen[i].checksum) == 0 ? "applied" : "changed";
	}
	return "pending";
}

/* --- dry run --- */

static void
dry_run(struct looking *x)
{
	struct buf b = { 0 };

	migrate_begin(&b);
	for (size_t i = x->pending; sql_migrations[i].number != 0; i++) {
		buf_printf(&b, "SELECT %u AS " PG_MARK ";\n", sql_migrations[i].number);
		migrate_add(&b, &sql_migrations[i]);
		buf_puts(&b, ";\n");
	}
	buf_puts(&b, "ROLLBACK");
	log_info("migrations_dry_run", L_INT("from", sql_migrations[x->pending].number));
	pg_script_of(sql_pool(), x->call, b.p, on_dry_run, x);
	buf_free(&b);
}

static void
on_dry_run(const struct pg_reply *r, void *ctx)
{
	struct looking *x = ctx;

	if (!pg_ok(r) && *pg_sqlstate(r) == '\0')
		pg_fail_call(x->call, r);
	else
		answer(x, r);
}

/* --- the answer --- */

static void
add_item(struct jw *w, const struct looking *x, uint32_t number, const char *name, const char *text)
{
	const struct seen *s = NULL;
	const char *state = state_of(x, number, &s);
	char sum[65] = "";

	jw_object(w, NULL);
	jw_int(w, "number", number);
	jw_str(w, "name", name);
	jw_str(w, "state", state);
	if (text != NULL)
		migrate_checksum(text, sum);
	jw_str(w, "checksum", text != NULL ? sum : NULL);
	jw_str(w, "applied_checksum", s != NULL ? s->checksum : NULL);
	jw_str(w, "applied_at", s != NULL ? s->at : NULL);
	jw_close(w, '}');
}

static void
add_tried(struct jw *w, const struct looking *x, const struct pg_reply *r)
{
	jw_object(w, "dry_run");
	jw_bool(w, "ok", r == NULL || pg_ok(r));
	if (r != NULL && !pg_ok(r)) {
		jw_int(w, "failed", (int64_t)strtoul(pg_mark(r), NULL, 10));
		jw_str(w, "sqlstate", pg_sqlstate(r));
		jw_str(w, "problem", pg_error(r));
	}
	jw_array(w, "tried");
	for (size_t i = x->pending; sql_migrations[i].number != 0; i++)
		jw_int(w, NULL, sql_migrations[i].number);
	jw_close(w, ']');
	jw_close(w, '}');
}

static void
answer(struct looking *x, const struct pg_reply *tried)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	size_t n = 0;
	struct jw w;

	jw_start(&w, call_arena(x->call), 4096);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (; sql_migrations[n].number != 0; n++)
		add_item(&w, x, sql_migrations[n].number, sql_migrations[n].name,
		    sql_migrations[n].text);
	for (size_t i = 0; i < x->n; i++)
		if (x->seen[i].number > n)
			add_item(&w, x, x->seen[i].number, x->seen[i].name, NULL);
	jw_close(&w, ']');
	jw_null(&w, "next_cursor");
	if (x->dry_run)
		add_tried(&w, x, tried);
	jw_close(&w, '}');
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	call_reply(x->call, &m.base);
}
