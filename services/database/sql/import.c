/* import: a restore's part of PostgreSQL. Tables are gathered in temporary ones: what is there is
 * untouched until it is finished, and a crash leaves nothing. Finishing is one transaction, whose
 * decision (decide.h) is under the restore's id: who was not told how it ended asks for that. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/step.h"
#include "database/sql/export_int.h"

static struct {
	struct export_session s; /* first */
	uint64_t next;           /* number of the piece that comes next */
	size_t table;            /* being gathered; those before it are complete */
	bool copying, finished;
	bool replace;
	char *migrations; /* that the backup was made with */
	bool not_empty, other_schema;
} im;

static void begin(struct call *, const Mf__StoreOp *);
static bool begin_run(struct piece *);
static void begin_done(struct piece *);
static void take(struct call *, const Mf__StoreOp *);
static struct piece *piece_of(struct call *, const json_t *);
static bool take_run(struct piece *);
static void take_done(struct piece *);
static void finish(struct call *);
static bool finish_run(struct piece *);
static bool finish_statement(struct piece *, struct buf *);
static void finish_done(struct piece *);
static void reply_done(struct call *, bool);

void
import_write(struct call *c, const Mf__StoreOp *op)
{
	switch (op->kind) {
	case MF__STORE_OP__KIND__CREATE:
		begin(c, op);
		return;
	case MF__STORE_OP__KIND__APPEND:
		if (export_has(&im.s, c, op->id))
			take(c, op);
		return;
	case MF__STORE_OP__KIND__UPDATE:
		if (export_has(&im.s, c, op->id))
			finish(c);
		return;
	case MF__STORE_OP__KIND__DELETE:
		if (strcmp(im.s.id, op->id) == 0)
			export_end(&im.s);
		reply_done(c, false);
		return;
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__BULK_CREATE:
	case MF__STORE_OP__KIND__TRANSACTION:
	case MF__STORE_OP__KIND__BULK:
	case MF__STORE_OP__KIND__TRIM:
	case _MF__STORE_OP__KIND_IS_INT_SIZE:
		break;
	}
	call_fail(c, ST_UNIMPLEMENTED, "kind: a restore knows create, append, update and delete");
}

void
import_stop(void)
{
	export_end(&im.s);
	free(im.migrations);
	im.migrations = NULL;
}

/* data: {"migrations", "replace"} */
static void
begin(struct call *c, const Mf__StoreOp *op)
{
	struct json_error e;
	json_t *v = json_read(op->data.data, op->data.len, &e);
	const char *migrations = json_string_value(json_object_get(v, "migrations"));

	if (v != NULL)
		call_own_json(c, v);
	if (migrations == NULL) {
		call_fail(c, ST_INVALID_ARGUMENT, "data/migrations: is missing");
		return;
	}
	if (!export_open(&im.s, c, op->id))
		return;
	free(im.migrations);
	im.migrations = strdup(migrations);
	im.replace = json_is_true(json_object_get(v, "replace"));
	im.next = 0;
	im.table = 0;
	im.copying = im.finished = im.not_empty = im.other_schema = false;
	export_run(&im.s, c, piece_new(begin_run, begin_done));
}

/* The first start makes an administrator, roles and the like: tasks and blobs are what counts. */
static bool
begin_run(struct piece *p)
{
	struct pg_session *pg = p->s->pg;

	if (!pg_session_open(pg) || !export_schema(p))
		return false;
	im.other_schema = strcmp(pg_session_value(pg, 0, 0), im.migrations) != 0;
	if (!pg_session_run(pg, "SELECT EXISTS (SELECT FROM tasks)"))
		return false;
	im.not_empty = pg_session_value(pg, 0, 0)[0] == 't';
	return true;
}

static void
begin_done(struct piece *p)
{
	const char *why =
	    im.other_schema ? "the backup was made with other migrations of the schema: restore "
			      "with the version of the program that made it, then upgrade"
	    : im.not_empty && !im.replace ? "there are tasks here; say that they shall be replaced"
					  : NULL;

	if (piece_failed(p))
		return;
	if (why == NULL) {
		STEP("sql.restore.begun");
		if (p->c != NULL)
			reply_done(p->c, false);
		return;
	}
	if (p->c != NULL)
		call_fail_because(p->c, ST_FAILED_PRECONDITION,
		    im.other_schema ? "OTHER_SCHEMA" : "NOT_EMPTY", 0, "%s", why);
	export_end(p->s);
}

/* data: {"piece", "section", "data", "rows": at the end of the table} */
static void
take(struct call *c, const Mf__StoreOp *op)
{
	struct json_error e;
	json_t *v = json_read(op->data.data, op->data.len, &e);
	uint64_t n = (uint64_t)json_integer_value(json_object_get(v, "piece"));
	struct piece *p;

	if (v != NULL)
		call_own_json(c, v);
	if (n + 1 == im.next) {
		reply_done(c, true);
		return;
	}
	if (n != im.next || !json_is_integer(json_object_get(v, "piece"))) {
		call_fail(c, ST_OUT_OF_RANGE, "data/piece: the next piece is %" PRIu64, im.next);
		return;
	}
	if ((p = piece_of(c, v)) != NULL)
		export_run(&im.s, c, p);
}

static struct piece *
piece_of(struct call *c, const json_t *v)
{
	const json_t *data = json_object_get(v, "data"), *rows = json_object_get(v, "rows");
	const char *section = json_string_value(json_object_get(v, "section"));
	size_t n = json_string_length(data);
	struct piece *p;
	uint8_t *bytes;

	if (im.table >= im.s.n_tables || section == NULL || !str_starts(section, EXPORT_SECTION) ||
	    strcmp(section + strlen(EXPORT_SECTION), im.s.tables[im.table].name) != 0) {
		call_fail(c, ST_INVALID_ARGUMENT, "data/section: the next one is sql/%s",
		    im.table < im.s.n_tables ? im.s.tables[im.table].name : "(none)");
		return NULL;
	}
	bytes = arena_alloc(call_arena(c), n + 1);
	if (!str_unb64url((struct str){ json_string_value(data) ?: "", n }, bytes, n + 1, &n)) {
		call_fail(c, ST_INVALID_ARGUMENT, "data/data: must be base64url");
		return NULL;
	}
	p = piece_new(take_run, take_done);
	buf_add(&p->owned, bytes, n);
	p->rows = json_is_integer(rows) ? (uint64_t)json_integer_value(rows) : UINT64_MAX;
	return p;
}

static bool
take_run(struct piece *p)
{
	const struct table *t = &im.s.tables[im.table];
	struct pg_session *pg = p->s->pg;
	uint64_t rows = 0;
	char *text;
	bool ok;

	if (!im.copying) {
		if (asprintf(&text,
			"CREATE TEMP TABLE \"r_%s\" AS SELECT %s FROM public.\"%s\" LIMIT 0;"
			"COPY \"r_%s\" FROM STDIN (FORMAT binary)",
			t->name, t->columns, t->name, t->name) < 0)
			return false;
		ok = pg_session_run(pg, text);
		free(text);
		if (!ok)
			return false;
		im.copying = true;
	}
	if (p->owned.n > 0 && !pg_session_give(pg, p->owned.p, p->owned.n, &rows))
		return false;
	if (p->rows == UINT64_MAX)
		return true;
	if (!pg_session_give(pg, NULL, 0, &rows))
		return false;
	p->data = rows == p->rows ? "" : NULL;
	return true;
}

static void
take_done(struct piece *p)
{
	if (piece_failed(p))
		return;
	if (p->rows != UINT64_MAX && p->data == NULL) {
		if (p->c != NULL)
			call_fail(p->c, ST_DATA_LOSS, "%s has not as many rows as it says",
			    im.s.tables[im.table].name);
		export_end(p->s);
		return;
	}
	im.next++;
	if (p->rows != UINT64_MAX) {
		im.table++;
		im.copying = false;
	}
	STEP("sql.restore.taken");
	if (p->c != NULL)
		reply_done(p->c, false);
}

static void
finish(struct call *c)
{
	if (im.finished) {
		reply_done(c, true);
		return;
	}
	if (im.table < im.s.n_tables) {
		call_fail(
		    c, ST_FAILED_PRECONDITION, "%s is not complete", im.s.tables[im.table].name);
		return;
	}
	export_run(&im.s, c, piece_new(finish_run, finish_done));
}

/* With the tables locked nobody can give the restore up any more; who did so before is found. The
 * log of events begins anew: nothing of before means anything now. The place of a replay is locked
 * too: one that is half-way has a number from before, and its events would stand before the beginning.
 * In the order in which a write takes them, the log last. */
static bool
finish_run(struct piece *p)
{
	struct export_session *s = p->s;
	struct buf b = { 0 };
	bool ok;

	buf_puts(&b, "BEGIN;SET LOCAL lock_timeout='5s';LOCK TABLE replay");
	for (size_t i = 0; i < s->n_tables; i++)
		buf_printf(&b, ",public.\"%s\"", s->tables[i].name);
	buf_printf(&b,
	    ",events,events_gone;SELECT count(*),EXISTS (SELECT FROM tasks) FROM decisions WHERE "
	    "id='%s'",
	    s->id);
	ok = finish_statement(p, &b);
	if (ok && strcmp(pg_session_value(s->pg, 0, 0), "0") != 0)
		p->data = "the restore was given up meanwhile";
	else if (ok && !im.replace && pg_session_value(s->pg, 0, 1)[0] == 't')
		p->data = "there are tasks here by now; say that they shall be replaced";
	if (p->data != NULL) {
		buf_free(&b);
		return pg_session_run(s->pg, "ROLLBACK");
	}
	buf_puts(&b, "TRUNCATE events");
	for (size_t i = 0; i < s->n_tables; i++)
		buf_printf(&b, ",public.\"%s\"", s->tables[i].name);
	ok = ok && finish_statement(p, &b);
	for (size_t i = 0; ok && i < s->n_tables; i++) {
		const struct table *t = &s->tables[i];

		buf_printf(&b,
		    "ALTER TABLE public.\"%s\" DISABLE TRIGGER USER;"
		    "INSERT INTO public.\"%s\" (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM "
		    "\"r_%s\";"
		    "ALTER TABLE public.\"%s\" ENABLE TRIGGER USER",
		    t->name, t->name, t->columns, t->columns, t->name, t->name);
		ok = finish_statement(p, &b);
	}
	/* Numbers that are drawn go on behind those that are there. */
	ok = ok &&
	     pg_session_run(s->pg,
		 "DO $$ DECLARE r record; BEGIN FOR r IN SELECT c.relname t,a.attname a,"
		 "pg_get_serial_sequence(format('public.%I',c.relname),a.attname) s FROM pg_class c"
		 " JOIN pg_attribute a ON a.attrelid=c.oid AND a.attidentity<>''"
		 " WHERE c.relnamespace='public'::regnamespace AND c.relkind IN ('r','p') LOOP"
		 " EXECUTE format('SELECT setval(%L,greatest(nextval(%L),"
		 "(SELECT coalesce(max(%I),0)+1 FROM public.%I)))',r.s,r.s,r.a,r.t);"
		 " END LOOP; END $$;"
		 "UPDATE events_gone SET xid=pg_current_xact_id(),seq=0,log=mf_log()");
	buf_printf(&b, "INSERT INTO decisions (id,committed) VALUES ('%s',true)", s->id);
	ok = ok && finish_statement(p, &b);
	buf_free(&b);
	return ok && pg_session_run(s->pg, "COMMIT");
}

static bool
finish_statement(struct piece *p, struct buf *b)
{
	bool ok = pg_session_run(p->s->pg, b->p);

	b->n = 0;
	return ok;
}

static void
finish_done(struct piece *p)
{
	const char *refused = p->data;

	if (piece_failed(p))
		return;
	STEP("sql.restore.committed");
	im.finished = refused == NULL;
	if (p->c != NULL && refused != NULL)
		call_fail(p->c, ST_ABORTED, "%s", refused);
	else if (p->c != NULL)
		reply_done(p->c, false);
	export_end(p->s);
	events_happened();
}

static void
reply_done(struct call *c, bool repeated)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	out.rows_affected = 1;
	out.repeated = repeated;
	call_reply(c, &out.base);
}
