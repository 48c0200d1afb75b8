/* service: the vtable of mf.Sql. No object is touched before the schema is known to be ours. */
#include "bus/call.h"
#include "database/sql/migrate.h"
#include "database/sql/store.h"

static void
do_read(struct call *c, const void *q)
{
	const Mf__StoreOp *op = q;
	const struct model *m = sql_model_of(c, op);

	if (m == NULL)
		return;
	if (op->kind == MF__STORE_OP__KIND__READ_ONE)
		sql_read_one(c, m, op);
	else if (op->kind == MF__STORE_OP__KIND__QUERY_MANY)
		sql_query_many(c, m, op);
	else
		call_fail(c, ST_INVALID_ARGUMENT, "kind: Read takes READ_ONE and QUERY_MANY");
}

static void
sql_read(Mf__Sql_Service *s, const Mf__StoreOp *op, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	hold_call(ctx, do_read, op);
}

static void
do_write(struct call *c, const void *q)
{
	const Mf__StoreOp *op = q;
	const struct model *m;

	if (op->kind == MF__STORE_OP__KIND__TRANSACTION) {
		sql_transact(c, op);
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
