/* permits: two tables, one of models, one of the operations of level 0. Called by execute, before
 * anything runs. */
#include <string.h>

#include "base/log.h"
#include "meta/permits.h"

/* What a request may name. Sessions, revocations, keys and the audit log are auth's own and not
 * here. */
static const struct model_permits {
	const char *model, *create, *read, *update, *delete;
	bool of_auth;
} models[] = {
	{ "task", "task.create", "task.read", "task.update", "task.delete", false },
	{ "user", "user.create", "user.read", "user.update", "user.delete", true },
	{ "role", "role.create", "role.read", "role.update", "role.delete", true },
};

static const struct {
	const char *operation, *permission;
} own[] = {
	{ "fleet", "fleet.read" },
	{ "restart", "node.restart" },
	{ "health", "" },
	{ "faults", "fault.inject" },
	{ "log_level", "node.log_level" },
};

static const struct {
	const char *operation;
	Mf__StoreOp__Kind kind;
} kinds[] = {
	{ "create", MF__STORE_OP__KIND__CREATE },
	{ "read", MF__STORE_OP__KIND__READ_ONE },
	{ "query", MF__STORE_OP__KIND__QUERY_MANY },
	{ "update", MF__STORE_OP__KIND__UPDATE },
	{ "delete", MF__STORE_OP__KIND__DELETE },
	{ "bulk_create", MF__STORE_OP__KIND__BULK_CREATE },
	{ "transaction", MF__STORE_OP__KIND__TRANSACTION },
};

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct model_permits *model_find(const char *);

bool
permits_add(struct permits *p, const char *name)
{
	if (name[0] == '\0')
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->names[i], name) == 0)
			return true;
	if (p->n == PERMITS_MOST)
		return false;
	p->names[p->n++] = name;
	return true;
}

const char *
permits_kind(const char *operation, Mf__StoreOp__Kind *out)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kinds[i].operation, operation) == 0) {
			*out = kinds[i].kind;
			return NULL;
		}
	return "operation: must be create, read, update, delete, query, bulk_create or transaction";
}

bool
permits_model(const char *model)
{
	return model_find(model) != NULL;
}

bool
permits_of_auth(const char *model)
{
	const struct model_permits *m = model_find(model);

	return m != NULL && m->of_auth;
}

const char *
permits_store(Mf__StoreOp__Kind kind, const char *model)
{
	const struct model_permits *m = model_find(model);

	must(m != NULL); /* permits_model was asked first */
	switch (kind) {
	case MF__STORE_OP__KIND__CREATE:
	case MF__STORE_OP__KIND__BULK_CREATE:
		return m->create;
	case MF__STORE_OP__KIND__UPDATE:
		return m->update;
	case MF__STORE_OP__KIND__DELETE:
		return m->delete;
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__TRANSACTION:
	case _MF__STORE_OP__KIND_IS_INT_SIZE:
		break;
	}
	return m->read;
}

const char *
permits_own(const char *operation)
{
	for (size_t i = 0; i < COUNT(own); i++)
		if (strcmp(own[i].operation, operation) == 0)
			return own[i].permission;
	return NULL;
}

static const struct model_permits *
model_find(const char *model)
{
	for (size_t i = 0; i < COUNT(models); i++)
		if (strcmp(models[i].model, model) == 0)
			return &models[i];
	return NULL;
}
