/* export: a backup's part of PostgreSQL. READ_ONE with cursor "sql:N" answers the N-th piece; the
 * last one that was answered is kept, so that a lost answer can be asked for again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/step.h"
#include "database/sql/export_int.h"

static struct {
	struct export_session s; /* first */
	uint64_t next;           /* number of the piece that comes next */
	size_t table;            /* being copied */
	bool copying;
	char *last; /* the piece before it, as it was answered */
} ex;

static void begin(struct call *, const Mf__StoreOp *);
static bool begin_run(struct piece *);
static void begin_done(struct piece *);
static bool piece_copy(struct piece *);
static void copy_done(struct piece *);
static void reply_text(struct call *, const char *, size_t);
static void reply_done(struct call *);

bool
export_is(const Mf__StoreOp *op)
{
	return strcmp(op->model, "backup") == 0 || strcmp(op->model, "restore") == 0;
}

void
export_write(struct call *c, const Mf__StoreOp *op)
{
	if (strcmp(op->model, "restore") == 0) {
		import_write(c, op);
	} else if (op->kind == MF__STORE_OP__KIND__CREATE) {
		begin(c, op);
	} else if (op->kind == MF__STORE_OP__KIND__DELETE) {
		if (strcmp(ex.s.id, op->id) == 0)
			export_end(&ex.s);
		reply_done(c);
	} else {
		call_fail(c, ST_UNIMPLEMENTED, "kind: a backup knows create, read and delete");
	}
}

void
export_stop(void)
{
	export_end(&ex.s);
	free(ex.last);
	ex.last = NULL;
	import_stop();
}

static void
begin(struct call *c, const Mf__StoreOp *op)
{
	if (!export_open(&ex.s, c, op->id))
		return;
	ex.next = 0;
	ex.table = 0;
	ex.copying = false;
	free(ex.last);
	ex.last = NULL;
	export_run(&ex.s, c, piece_new(begin_run, begin_done));
}

/* The first statement takes the snapshot. */
static bool
begin_run(struct piece *p)
{
	return pg_session_open(p->s->pg) &&
	       pg_session_run(p->s->pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") &&
	       export_schema(p);
}

static void
begin_done(struct piece *p)
{
	if (piece_failed(p))
		return;
	STEP("sql.backup.snapshot");
	if (p->c != NULL)
		reply_text(p->c, p->owned.p, p->owned.n);
}

void
export_read(struct call *c, const Mf__StoreOp *op)
{
	struct str store, number;
	uint64_t n;

	if (!str_cut(str_of(op->cursor), ':', &store, &number) || !str_eq(store, "sql") ||
	    !str_u64(number, UINT64_MAX, &n) || strcmp(op->model, "backup") != 0) {
		call_fail(c, ST_INVALID_ARGUMENT, "cursor: must be sql:N");
		return;
	}
	if (!export_has(&ex.s, c, op->id))
		return;
	if (n + 1 == ex.next && ex.last != NULL)
		reply_text(c, ex.last, strlen(ex.last));
	else if (n != ex.next)
		call_fail(c, ST_OUT_OF_RANGE, "cursor: the next piece is sql:%" PRIu64, ex.next);
	else
		export_run(&ex.s, c, piece_new(piece_copy, copy_done));
}

/* One piece is of one table; the last of a table says how many rows there were. */
static bool
piece_copy(struct piece *p)
{
	const struct table *t = &ex.s.tables[ex.table];
	char *text;
	bool ok = true;

	p->rows = UINT64_MAX;
	if (ex.table >= ex.s.n_tables)
		return true;
	if (!ex.copying) {
		if (asprintf(&text, "COPY (SELECT %s FROM public.\"%s\") TO STDOUT (FORMAT binary)",
			t->columns, t->name) < 0)
			return false;
		ok = pg_session_run(p->s->pg, text);
		free(text);
		ex.copying = true;
	}
	return ok && pg_session_take(p->s->pg, &p->owned, EXPORT_PIECE, &p->rows);
}

static void
copy_done(struct piece *p)
{
	struct buf out = { 0 };
	char *b64;

	if (piece_failed(p))
		return;
	ex.next++;
	b64 = malloc(str_b64url_len(p->owned.n) + 1);
	if (b64 == NULL)
		abort();
	str_b64url(p->owned.p != NULL ? p->owned.p : "", p->owned.n, b64);
	if (ex.table < ex.s.n_tables)
		buf_printf(&out, "{\"section\":\"sql/%s\",\"data\":\"", ex.s.tables[ex.table].name);
	else
		buf_puts(&out, "{\"section\":null,\"data\":\"");
	buf_puts(&out, b64);
	buf_puts(&out, "\"");
	if (p->rows != UINT64_MAX) {
		buf_printf(&out, ",\"rows\":%" PRIu64, p->rows);
		ex.table++;
		ex.copying = false;
	}
	if (ex.table < ex.s.n_tables)
		buf_printf(&out, ",\"next\":\"sql:%" PRIu64 "\"}", ex.next);
	else
		buf_puts(&out, ",\"next\":null}");
	free(b64);
	free(ex.last);
	ex.last = out.p; /* NUL-ended by buf_printf and buf_puts */
	if (p->c != NULL)
		reply_text(p->c, out.p, strlen(out.p));
}

static void
reply_text(struct call *c, const char *text, size_t n)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	out.data = (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)text };
	call_reply(c, &out.base);
}

static void
reply_done(struct call *c)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	out.rows_affected = 1;
	call_reply(c, &out.base);
}
