/* plan: the rules by which `database` chooses, as one table of models and a few sentences.
 *
 * - A model lives in PostgreSQL (sql knows which there are and refuses others); "doc.NAME" is a
 * collection in Redis.
 * - A read is strong unless it says otherwise: straight to the store. "bounded" takes an entry of
 * the cache that is not older
 *    than max_age_ms, "eventual" any entry that lives. Only reads by id of the model "task" go that way: users, roles and tokens are never cached.
 * - An update or delete of a cacheable model, also within a transaction, drops its key before it is
 * acknowledged; a create
 *    has no entry to drop. */
#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "database/plan.h"

static bool cacheable(const Mf__StoreOp *);
static const char *plan_read(const Mf__StoreOp *, bool, struct plan *);

const char *
plan_operation(const Mf__StoreOp *op, bool write, struct plan *p)
{
	bool reads =
	    op->kind == MF__STORE_OP__KIND__READ_ONE || op->kind == MF__STORE_OP__KIND__QUERY_MANY;

	*p = (struct plan){ .store = PLAN_SQL };
	if (reads == write)
		return write ? "kind: a read was sent to Write" : "kind: a write was sent to Read";
	if (str_starts(op->model, "doc."))
		p->store = PLAN_NOSQL;
	if (!write)
		return plan_read(op, cacheable(op), p);
	p->drop = plan_drops(op);
	return NULL;
}

bool
plan_drops(const Mf__StoreOp *op)
{
	for (size_t i = 0; op->kind == MF__STORE_OP__KIND__TRANSACTION && i < op->n_members; i++)
		if (op->members[i]->kind != MF__STORE_OP__KIND__TRANSACTION &&
		    plan_drops(op->members[i]))
			return true;
	return cacheable(op) &&
	       (op->kind == MF__STORE_OP__KIND__UPDATE || op->kind == MF__STORE_OP__KIND__DELETE);
}

static bool
cacheable(const Mf__StoreOp *op)
{
	return strcmp(op->model, "task") == 0;
}

static const char *
plan_read(const Mf__StoreOp *op, bool cached, struct plan *p)
{
	bool bounded = strcmp(op->consistency, "bounded") == 0;
	bool eventual = strcmp(op->consistency, "eventual") == 0;

	if (op->consistency[0] != '\0' && strcmp(op->consistency, "strong") != 0 && !bounded &&
	    !eventual)
		return "consistency: must be strong, bounded or eventual";
	if (bounded && op->max_age_ms == 0)
		return "max_age_ms: a bounded read needs it";
	if (cached && (bounded || eventual) && op->kind == MF__STORE_OP__KIND__READ_ONE &&
	    op->id[0] != '\0') {
		p->from_cache = p->fill = true;
		p->max_age_us = bounded ? (uint64_t)op->max_age_ms * 1000 : UINT64_MAX;
	}
	return NULL;
}
