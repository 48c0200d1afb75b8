/* blob: see blob.h. Which operation it is, and what goes back. */
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "database/sql/blob.h"

bool
blob_is(const Mf__StoreOp *op)
{
	return strcmp(op->model, "blob") == 0;
}

void
blob_read(struct call *c, const Mf__StoreOp *op)
{
	if (op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		blob_list(c, op);
	else
		blob_read_one(c, op);
}

void
blob_write(struct call *c, const Mf__StoreOp *op)
{
	switch (op->kind) {
	case MF__STORE_OP__KIND__CREATE:
		blob_create(c, op);
		break;
	case MF__STORE_OP__KIND__APPEND:
		blob_append(c, op);
		break;
	case MF__STORE_OP__KIND__UPDATE:
		blob_finish(c, op);
		break;
	case MF__STORE_OP__KIND__DELETE:
		blob_delete(c, op);
		break;
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__BULK_CREATE:
	case MF__STORE_OP__KIND__TRANSACTION:
	case MF__STORE_OP__KIND__BULK:
	case MF__STORE_OP__KIND__TRIM:
	case _MF__STORE_OP__KIND_IS_INT_SIZE:
		blob_violation(c, "operation",
		    "of a blob must be create, append, update, read, query or delete");
		break;
	}
}

const char *
blob_digits(const char *id)
{
	const char *hex = id + strlen(BLOB_PREFIX);

	if (!str_starts(id, BLOB_PREFIX) || strlen(hex) != BLOB_DIGEST ||
	    strspn(hex, "0123456789abcdef") != BLOB_DIGEST)
		return NULL;
	return hex;
}

bool
blob_namespace(struct call *c, const Mf__StoreOp *op, const char **ns)
{
	struct complaints e = { .arena = call_arena(c) };

	*ns = op->namespace_;
	if (intake_namespace(ns, &e))
		return true;
	sql_refuse(c, &e);
	return false;
}

void
blob_violation(struct call *c, const char *field, const char *what)
{
	struct complaints e = { .arena = call_arena(c) };

	complain(&e, field, "%s", what);
	sql_refuse(c, &e);
}

void
blob_object(struct jw *w, const struct pg_reply *r, int row, int from)
{
	jw_object(w, NULL);
	jw_str(w, "id", arena_printf(w->a, BLOB_PREFIX "%s", pg_value(r, row, from)));
	jw_int(w, "size", strtoll(pg_value(r, row, from + 1), NULL, 10));
	jw_str(w, "media_type", pg_null(r, row, from + 2) ? NULL : pg_value(r, row, from + 2));
	jw_str(w, "created_by", pg_null(r, row, from + 3) ? NULL : pg_value(r, row, from + 3));
	jw_time(w, "created_at", strtoll(pg_value(r, row, from + 4), NULL, 10));
	jw_close(w, '}');
}

void
blob_reply(struct call *c, const struct pg_reply *r, int from, bool repeated, uint64_t affected,
    ProtobufCBinaryData raw)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct jw w;

	jw_start(&w, call_arena(c), 256);
	blob_object(&w, r, 0, from);
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.version = 1; /* the bytes under a digest never change */
	m.repeated = repeated;
	m.rows_affected = affected;
	m.raw = raw;
	call_reply(c, &m.base);
}
