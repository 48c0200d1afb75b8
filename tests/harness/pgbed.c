/* pgbed: see pgbed.h. */
#include <stdio.h>
#include <stdlib.h>
#include "base/time.h"
#include "harness/pgbed.h"

struct pgbed pgbed;

int
pgbed_start(void **state)
{
	char err[100];

	(void)state;
	log_init("test", 1, 2);
	pgbed.stores = stores_new();
	stores_start_postgres(pgbed.stores);
	pgbed.loop = loop_new();
	pgbed.work = work_pool_new(pgbed.loop, 1, 8);
	pgbed.bus = bus_new(pgbed.loop, &(const struct bus_opts){ .name = "sql", .generation = 1 },
	    err, sizeof(err));
	pgbed.pool = pg_pool_new(
	    pgbed.loop, &(const struct pg_opts){ .conninfo = stores_conninfo(pgbed.stores),
			    .work = pgbed.work,
			    .short_conns = 2,
			    .statement_timeout_us = 500 * MS });
	return 0;
}

int
pgbed_stop(void **state)
{
	(void)state;
	pg_pool_free(&pgbed.pool);
	bus_free(&pgbed.bus);
	work_pool_free(&pgbed.work);
	loop_free(&pgbed.loop);
	stores_free(&pgbed.stores);
	return 0;
}

static char own[20]; /* application_name */

void
pgbed_own_pool(unsigned short_conns, int64_t statement_timeout_us)
{
	static unsigned number;

	snprintf(own, sizeof(own), "own-%u", ++number);
	pgbed.kept = pgbed.pool;
	pgbed.pool = pg_pool_new(
	    pgbed.loop, &(const struct pg_opts){ .conninfo = stores_conninfo(pgbed.stores),
			    .application = own,
			    .short_conns = short_conns,
			    .statement_timeout_us = statement_timeout_us });
	pgbed_all_up(short_conns);
}

/* The server knows of a connection somewhat earlier than we do. */
void
pgbed_all_up(unsigned short_conns)
{
	char up[120];
	struct got n;

	snprintf(up, sizeof(up),
	    "SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'", own);
	do
		pgbed_ask(up, &n);
	while (atoi(n.value) < (int)short_conns);
	pgbed_pass(200 * MS);
}

void
pgbed_end_own_pool(void)
{
	pg_pool_free(&pgbed.pool);
	pgbed.pool = pgbed.kept;
}

/* --- operations --- */

void
got_done(const struct pg_reply *r, void *ctx)
{
	struct got *g = ctx;

	g->times++;
	g->ok = pg_ok(r);
	g->unknown = pg_unknown(r);
	g->status = pg_status(r);
	g->rows = pg_rows(r);
	g->at_us = time_now_us();
	snprintf(g->value, sizeof(g->value), "%s",
	    pg_rows(r) > 0 && pg_columns(r) > 0 ? pg_value(r, 0, pg_columns(r) - 1) : "");
	snprintf(g->sqlstate, sizeof(g->sqlstate), "%s", pg_sqlstate(r));
	snprintf(g->error, sizeof(g->error), "%s", pg_error(r));
	snprintf(g->constraint, sizeof(g->constraint), "%s", pg_constraint(r));
}

struct many {
	struct got *g;
	size_t n;
};

static bool
all_done(void *ctx)
{
	const struct many *m = ctx;

	for (size_t i = 0; i < m->n; i++)
		if (m->g[i].times == 0)
			return false;
	return true;
}

void
got_wait(struct got *g, size_t n)
{
	struct many m = { g, n };

	loop_run_until(pgbed.loop, all_done, &m, 10 * SEC);
	assert_true(all_done(&m));
}

void
pgbed_script(const char *text)
{
	struct got g = { 0 };

	pg_script(pgbed.pool, text, got_done, &g);
	got_wait(&g, 1);
	assert_true(g.ok);
}

void
pgbed_ask(const char *statement, struct got *g)
{
	*g = (struct got){ 0 };
	pg_read(pgbed.pool, NULL, statement, 0, NULL, got_done, g);
	got_wait(g, 1);
}

void
pgbed_read(struct got *g)
{
	*g = (struct got){ 0 };
	pg_read(pgbed.pool, NULL, "SELECT 7", 0, NULL, got_done, g);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

void
pgbed_pass(int64_t us)
{
	loop_run_until(pgbed.loop, never, NULL, us);
}
