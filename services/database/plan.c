/* plan: the rules by which `database` chooses. A new rule is a row. */
#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "database/plan.h"

static const char *plan_read(const Mf__StoreOp *, struct plan *);
static const char *plan_write(const Mf__StoreOp *, const struct plan_kind *, struct plan *);
static const char *level_of(const Mf__StoreOp *, enum plan_level *);
static const char *why_not_cached(const Mf__StoreOp *, const struct plan *);

/* Users, roles and tokens are never cached: what was taken from them must be gone at once. */
static const struct plan_model models[] = {
	{ "task", PLAN_SQL, SAYS_ALL, "task", 86400 * SEC, 15 * SEC, 15 * SEC, 5 * SEC, 2 * SEC },
	{ .model = "doc.", .store = PLAN_NOSQL, .says = SAYS_READS },
	{ .model = "collection", .store = PLAN_NOSQL, .says = SAYS_NOTHING },
	{ .model = "stream.", .store = PLAN_NOSQL, .says = SAYS_NOTHING },
	{ .model = "consumer.", .store = PLAN_NOSQL, .says = SAYS_NOTHING },
	{ .model = "migration", .store = PLAN_SQL, .says = SAYS_NOTHING },
	{ .model = "blob", .store = PLAN_SQL, .says = SAYS_NOTHING },
	/* sql knows which there are and refuses others */
	{ .model = "", .store = PLAN_SQL },
};

static const struct plan_kind kinds[] = {
	[MF__STORE_OP__KIND__READ_ONE] = { "read", false, false, true, 0 },
	[MF__STORE_OP__KIND__QUERY_MANY] = { "query", false, false, true, 0 },
	[MF__STORE_OP__KIND__CREATE] = { "create", true, false, true, OLD_LISTS | OLD_ABSENT },
	[MF__STORE_OP__KIND__UPDATE] = { "update", true, false, true, OLD_ENTRY | OLD_LISTS },
	[MF__STORE_OP__KIND__DELETE] = { "delete", true, false, true, OLD_ENTRY | OLD_LISTS },
	[MF__STORE_OP__KIND__BULK_CREATE] = { "bulk_create", true, false, false,
	    OLD_LISTS | OLD_ABSENT | OLD_MANY },
	[MF__STORE_OP__KIND__TRANSACTION] = { "transaction", true, true, true, 0 },
	[MF__STORE_OP__KIND__BULK] = { "bulk", true, true, false, 0 },
	[MF__STORE_OP__KIND__APPEND] = { "append", true, false, false, 0 },
	[MF__STORE_OP__KIND__TRIM] = { "trim", true, false, false, 0 },
};

static const struct plan_consistency consistencies[] = {
	[PLAN_STRONG] = { "strong", "shows every acknowledged write", false, false },
	[PLAN_BOUNDED] = { "bounded", "at most max_age_ms old", true, true },
	[PLAN_EVENTUAL] = { "eventual", "as old as a copy lives", true, true },
};

const char *
plan_operation(const Mf__StoreOp *op, bool write, struct plan *p)
{
	const struct plan_kind *k = plan_kind(op->kind);

	*p = (struct plan){ .store = PLAN_SQL };
	if (k == NULL)
		return "kind: is none";
	if (k->write != write)
		return write ? "kind: a read was sent to Write" : "kind: a write was sent to Read";
	return write ? plan_write(op, k, p) : plan_read(op, p);
}

static const char *
plan_read(const Mf__StoreOp *op, struct plan *p)
{
	const char *wrong = level_of(op, &p->level);

	if (wrong != NULL)
		return wrong;
	p->rule = plan_model(op->model);
	p->store = p->rule->store;
	p->list = op->kind == MF__STORE_OP__KIND__QUERY_MANY;
	p->why_not = why_not_cached(op, p);
	p->from_cache = p->why_not == NULL;
	p->max_age_us =
	    p->level == PLAN_BOUNDED ? (uint64_t)op->max_age_ms * (uint64_t)MS : UINT64_MAX;
	return NULL;
}

static const char *
plan_write(const Mf__StoreOp *op, const struct plan_kind *kind, struct plan *p)
{
	if (!kind->members) {
		p->rule = plan_model(op->model);
		p->store = p->rule->store;
		p->drop = plan_makes_old(op) != 0;
		return NULL;
	}
	for (size_t i = 0; i < op->n_members; i++) {
		const Mf__StoreOp *m = op->members[i];
		const struct plan_kind *k = plan_kind(m->kind);
		enum plan_store s = plan_model(m->model)->store;

		if (k == NULL || !k->write || k->members)
			return "members: only writes that have no members themselves";
		p->store = i == 0 || s == p->store ? s : PLAN_BOTH;
		p->drop = p->drop || plan_makes_old(m) != 0;
	}
	return NULL;
}

static const char *
level_of(const Mf__StoreOp *op, enum plan_level *l)
{
	const size_t n = sizeof(consistencies) / sizeof(consistencies[0]);
	size_t i = 0;

	if (op->consistency[0] != '\0')
		while (i < n && strcmp(op->consistency, consistencies[i].name) != 0)
			i++;
	if (i == n)
		return "consistency: must be strong, bounded or eventual";
	*l = (enum plan_level)i;
	if (*l == PLAN_BOUNDED && op->max_age_ms == 0)
		return "max_age_ms: a bounded read needs it";
	return NULL;
}

static const char *
why_not_cached(const Mf__StoreOp *op, const struct plan *p)
{
	if (p->rule->tag == NULL)
		return "model";
	if (!consistencies[p->level].cache)
		return "consistency";
	if (!p->list && op->id[0] == '\0')
		return "not by id";
	if ((!p->list && op->n_fields != 0) || op->want[0] != '\0')
		return "projection";
	return NULL;
}

unsigned
plan_makes_old(const Mf__StoreOp *op)
{
	const struct plan_kind *k = plan_kind(op->kind);

	return k == NULL || plan_model(op->model)->tag == NULL ? 0 : k->makes_old;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

struct plan_lives
plan_lives(const struct plan *p, int64_t most_us)
{
	const struct plan_model *r = p->rule;
	struct plan_lives l;

	l.ttl_us = least(p->list ? r->list_ttl_us : r->ttl_us, most_us);
	l.soft_us = least(p->list ? r->list_soft_us : r->soft_us, l.ttl_us / 4);
	l.absent_us = least(r->absent_us, most_us);
	return l;
}

const struct plan_model *
plan_model(const char *name)
{
	const struct plan_model *m = models;

	for (; m->model[0] != '\0'; m++) {
		size_t n = strlen(m->model);

		if (m->model[n - 1] == '.' ? strncmp(name, m->model, n) == 0
					   : strcmp(name, m->model) == 0)
			break;
	}
	return m;
}

const struct plan_kind *
plan_kind(Mf__StoreOp__Kind k)
{
	return (size_t)k < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[k] : NULL;
}

const struct plan_consistency *
plan_consistency(enum plan_level l)
{
	return &consistencies[l];
}

const char *
plan_store_name(enum plan_store s)
{
	static const char *const names[] = { "postgresql", "redis", "both" };

	return names[s];
}
