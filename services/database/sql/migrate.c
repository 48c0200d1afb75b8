/* migrate: looks what was applied, applies what is missing, each in one transaction that first
 * takes a lock and then registers itself: of two nodes that start together one does it, the other
 * finds it done and looks again. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "database/sql/migrate.h"
#include "database/sql/store.h"

#define APPLIED_MOST 1000
#define LOCK         "7738135562846291" /* any number that is ours */

static const char select_applied[] =
    "SELECT number, checksum, (extract(epoch FROM applied_at) * 1000000)::bigint"
    " FROM schema_migrations ORDER BY number";

#define LOCKED_US (2 * SEC) /* others hold what is to be changed: they get their turn between */

static bool running;
static struct timer later;

static void look(void);
static void on_later(struct timer *t);
static void on_applied(const struct pg_reply *r, void *ctx);
static void apply(const struct migration *m);
static void on_migrated(const struct pg_reply *r, void *ctx);
static void failed(const struct pg_reply *r, const char *what);
static void on_status(const struct pg_reply *r, void *ctx);

void
migrate_checksum(const char *text, char hex[65])
{
	unsigned char sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(sum, (const unsigned char *)text, strlen(text));
	str_hex(sum, sizeof(sum), hex);
}

enum migrate_verdict
migrate_decide(const struct migration *have, const struct applied *done, size_t n_done,
    size_t *next, char *why, size_t why_size)
{
	char sum[65];
	size_t i;

	for (i = 0; i < n_done; i++) {
		if (have[i].number == 0) {
			snprintf(why, why_size,
			    "migration %u was applied by a newer program: start that one, or "
			    "restore a backup "
			    "from before it",
			    done[i].number);
			return MIGRATE_REFUSE;
		}
		if (done[i].number != have[i].number) {
			snprintf(why, why_size,
			    "migration %u is missing in schema_migrations though %u was applied: "
			    "restore a backup",
			    have[i].number, done[i].number);
			return MIGRATE_REFUSE;
		}
		migrate_checksum(have[i].text, sum);
		if (strcmp(sum, done[i].checksum) != 0) {
			snprintf(why, why_size,
			    "migration %u (%s) is not the one that was applied: use the program it "
			    "came with, or "
			    "put the difference into a new migration",
			    have[i].number, have[i].name);
			return MIGRATE_REFUSE;
		}
	}
	*next = i;
	return have[i].number != 0 ? MIGRATE_NEXT : MIGRATE_NOTHING;
}

void
migrate_start(void)
{
	if (running)
		return;
	running = true;
	look();
}

void
migrate_stop(void)
{
	if (later.loop != NULL)
		timer_stop(&later);
	later = (struct timer){ 0 };
	running = false;
}

static void
look(void)
{
	/* on the short lane: the long one has no connection yet, and calls may wait for this */
	pg_read(sql_pool(), NULL, select_applied, 0, NULL, on_applied, NULL);
}

static size_t
applied_of(const struct pg_reply *r, struct applied *out)
{
	size_t n = 0;

	for (int i = 0; i < pg_rows(r) && n < APPLIED_MOST; i++)
		out[n++] = (struct applied){ (uint32_t)strtoul(pg_value(r, i, 0), NULL, 10),
			pg_value(r, i, 1) };
	return n;
}

static void
on_applied(const struct pg_reply *r, void *ctx)
{
	static struct applied done[APPLIED_MOST];
	char why[256];
	size_t next = 0;

	(void)ctx;
	if (!pg_ok(r) &&
	    strcmp(pg_sqlstate(r), "42P01") != 0) { /* no such table: nothing was applied */
		failed(r, "reading schema_migrations");
		return;
	}
	switch (
	    migrate_decide(sql_migrations, done, applied_of(r, done), &next, why, sizeof(why))) {
	case MIGRATE_NEXT:
		apply(&sql_migrations[next]);
		return;
	case MIGRATE_NOTHING:
		running = false;
		STEP("sql.migration.complete");
		sql_schema_is(SQL_USABLE, NULL);
		return;
	case MIGRATE_REFUSE:
		running = false;
		sql_schema_is(SQL_REFUSED, why);
		return;
	}
}

static void
apply(const struct migration *m)
{
	struct buf b = { 0 };

	STEP("sql.migration.chosen");
	migrate_begin(&b);
	migrate_add(&b, m);
	buf_puts(&b, "\nCOMMIT");
	pg_script(sql_pool(), b.p, on_migrated, (void *)(uintptr_t)m);
	buf_free(&b);
}

void
migrate_begin(struct buf *b)
{
	buf_puts(b, "BEGIN READ WRITE; SELECT pg_advisory_xact_lock(" LOCK ");"
		    " CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, "
		    "name text NOT NULL,"
		    " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());");
}

void
migrate_add(struct buf *b, const struct migration *m)
{
	char sum[65];

	migrate_checksum(m->text, sum);
	buf_printf(b,
	    " INSERT INTO schema_migrations (number, name, checksum) VALUES (%u, '%s', '%s');\n",
	    m->number, m->name, sum);
	buf_puts(b, m->text);
}

static void
on_migrated(const struct pg_reply *r, void *ctx)
{
	const struct migration *m = ctx;
	char what[128];

	if (pg_ok(r)) {
		STEP("sql.migration.durable");
		log_info("migrated", L_INT("number", m->number), L_STR("name", m->name));
		look();
	} else if (strcmp(pg_constraint(r), "schema_migrations_pkey") == 0) {
		look(); /* another node was faster */
	} else {
		snprintf(what, sizeof(what), "migration %u (%s)", m->number, m->name);
		failed(r, what);
	}
}

/* A lock, a deadlock, no time, no room: once more, later. The server went: the next one that comes up
 * starts this again. Anything else is for a person. */
static void
failed(const struct pg_reply *r, const char *what)
{
	enum status s = pg_status(r);
	/* it answered, so it is there: no room, or the like */
	bool unable = s == ST_UNAVAILABLE && pg_sqlstate(r)[0] != '\0' &&
	              strncmp(pg_sqlstate(r), "57", 2) != 0;
	char why[400];

	if (s == ST_ABORTED || s == ST_DEADLINE_EXCEEDED || s == ST_RESOURCE_EXHAUSTED || unable) {
		log_warn("migration_waits", L_STR("at", what), L_STR("why", pg_error(r)));
		if (later.loop == NULL)
			timer_init(&later, sql_loop(), on_later);
		timer_in(&later, LOCKED_US);
		return;
	}
	running = false;
	if (s == ST_UNAVAILABLE) {
		log_warn("migration_interrupted", L_STR("at", what));
		if (pg_pool_up(sql_pool()))
			migrate_start();
		return;
	}
	snprintf(
	    why, sizeof(why), "%s failed: %s (SQLSTATE %s)", what, pg_error(r), pg_sqlstate(r));
	sql_schema_is(SQL_REFUSED, why);
}

static void
on_later(struct timer *t)
{
	(void)t;
	look();
}

/* --- Sql.MigrationStatus --- */

void
migrate_status(struct call *c)
{
	pg_query_long(sql_pool(), c, select_applied, 0, NULL, NULL, on_status, c);
}

static void
on_status(const struct pg_reply *r, void *ctx)
{
	struct call *c = ctx;
	struct arena *a = call_arena(c);
	Mf__Migrations m = MF__MIGRATIONS__INIT;

	if (!pg_ok(r) && strcmp(pg_sqlstate(r), "42P01") != 0) {
		pg_fail_call(c, r);
		return;
	}
	for (size_t i = 0; sql_migrations[i].number != 0; i++)
		m.n_items++;
	m.items = ARENA_ARRAY(a, Mf__Migration *, m.n_items);
	for (size_t i = 0; i < m.n_items; i++) {
		Mf__Migration *one = m.items[i] = ARENA_NEW(a, Mf__Migration);

		mf__migration__init(one);
		one->number = sql_migrations[i].number;
		one->name = arena_strdup(a, sql_migrations[i].name);
		one->checksum = arena_zalloc(a, 65);
		migrate_checksum(sql_migrations[i].text, one->checksum);
		if ((int)i < pg_rows(r))
			one->applied_at = strtoull(pg_value(r, (int)i, 2), NULL, 10);
	}
	call_reply(c, &m.base);
}
