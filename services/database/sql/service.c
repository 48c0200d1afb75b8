/* service: the vtable of mf.Sql. No object is touched before the schema is known to be ours. */
#include <string.h>
#include "bus/call.h"
#include "database/sql/blob.h"
#include "database/sql/decide.h"
#include "database/sql/export.h"
#include "database/sql/migrate.h"
#include "database/sql/store.h"

/* What has no plan here is not run instead. False: the call has failed. */
static bool
may_explain(struct call *c, const Mf__StoreOp *op)
{
	bool many = op->kind == MF__STORE_OP__KIND__BULK_CREATE;

	if (!op->explain || (!many && !blob_is(op) && !export_is(op)))
		return true;
	call_fail(c, ST_UNIMPLEMENTED, "explain: there is no plan of this");
	return false;
}

static void
do_read(struct call *c, const void *q)
{
	const Mf__StoreOp *op = q;
	const struct model *m;

	if (!may_explain(c, op))
		return;
	if (blob_is(op)) {
		blob_read(c, op);
		return;
	}
	if (export_is(op)) {
		export_read(c, op);
		return;
	}
	if ((m = sql_model_of(c, op)) == NULL)
		return;
	if (op->kind == MF__STORE_OP__KIND__READ_ONE)
		sql_read_one(c, m, op);
	else if (op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		sql_query_many(c, m, op);
	else
		call_fail(c, ST_INVALID_ARGUMENT, "kind: Read takes READ_ONE and QUERY_MANY");
}

static void
do_migrations(struct call *c, const void *q)
{
	const Mf__StoreOp *op = q;

	if (op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		sql_migrations_query(c, op);
	else
		call_fail(c, ST_INVALID_ARGUMENT, "kind: migrations take QUERY_MANY only");
}

/* Migrations can be asked for where the schema is not ours too: there all the more. */
static void
sql_read(Mf__Sql_Service *s, const Mf__StoreOp *op, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (strcmp(op->model, "migration") != 0)
		hold_call(ctx, do_read, op);
	else if (sql_state() == SQL_REFUSED)
		do_migrations(ctx, op);
	else
		hold_call(ctx, do_migrations, op);
}

static void
do_write(struct call *c, const void *q)
{
	const Mf__StoreOp *op = q;
	const struct model *m;

	if (!may_explain(c, op))
		return;
	if (op->kind == MF__STORE_OP__KIND__TRANSACTION) {
		sql_transact(c, op);
		return;
	}
	if (blob_is(op)) {
		blob_write(c, op);
		return;
	}
	if (export_is(op)) {
		export_write(c, op);
		return;
	}
	if (op->isolation[0] != '\0') {
		call_fail(c, ST_INVALID_ARGUMENT, "isolation: is of a TRANSACTION only");
		return;
	}
	if ((m = sql_model_of(c, op)) == NULL)
		return;
	if (op->kind == MF__STORE_OP__KIND__CREATE)
		sql_create(c, m, op);
	else if (op->kind == MF__STORE_OP__KIND__BULK_CREATE)
		sql_bulk_create(c, m, op);
	else if (op->kind == MF__STORE_OP__KIND__UPDATE)
		sql_update(c, m, op);
	else if (op->kind == MF__STORE_OP__KIND__DELETE)
		sql_delete(c, m, op);
	else
		call_fail(c, ST_INVALID_ARGUMENT,
		    "kind: Write takes CREATE, UPDATE, DELETE, BULK_CREATE and TRANSACTION");
}

static void
sql_write(Mf__Sql_Service *s, const Mf__StoreOp *op, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	hold_call(ctx, do_write, op);
}

static void
sql_query(Mf__Sql_Service *s, const Mf__SqlQuery *q, Mf__SqlRows_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	sql_statement(ctx, q);
}

static void
sql_migration_status(
    Mf__Sql_Service *s, const Mf__Empty *q, Mf__Migrations_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	migrate_status(ctx);
}

Mf__Sql_Service sql_service = MF__SQL__INIT(sql_);
