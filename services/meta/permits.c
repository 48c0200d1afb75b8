/* permits: two tables, one of models, one of the operations of level 0. Called by execute, before
 * anything runs. */
#include <string.h>

#include "base/log.h"
#include "meta/permits.h"

/* What a request may name. Revocations and states of log-ins are auth's own and not here. A model that ends with a dot stands for all that begin so: "doc.NAME". */
static const struct model_permits {
	const char *model, *create, *read, *update, *delete;
	bool of_auth;
} models[] = {
	{ "task", "task.create", "task.read", "task.update", "task.delete", false },
	{ "user", "user.create", "user.read", "user.update", "user.delete", true },
	{ "role", "role.create", "role.read", "role.update", "role.delete", true },
	{ "group", "group.create", "group.read", "group.update", "group.delete", true },
	{ "grant", "grant.create", "grant.read", "grant.update", "grant.delete", true },
	{ "policy", "policy.write", "policy.read", "policy.write", "policy.write", true },
	{ "decision", "policy.read", "policy.read", "policy.read", "policy.read", true },
	{ "session", "session.delete", "session.read", "session.delete", "session.delete", true },
	{ "api_key", "api_key.create", "api_key.read", "api_key.update", "api_key.delete", true },
	{ "factor", "factor.delete", "factor.read", "factor.delete", "factor.delete", true },
	{ "signing_key", "signing_key.rotate", "signing_key.read", "signing_key.rotate",
	    "signing_key.rotate", true },
	{ "client", "client.create", "client.read", "client.update", "client.delete", true },
	{ "consent", "consent.delete", "consent.read", "consent.delete", "consent.delete", true },
	{ "provider", "provider.create", "provider.read", "provider.update", "provider.delete",
	    true },
	{ "identity", "identity.create", "identity.read", "identity.delete", "identity.delete",
	    true },
	{ "audit", "audit.read", "audit.read", "audit.read", "audit.read", true },
	/* one's own: who he is suffices */
	{ "my.", "", "", "", "", true },
	{ "doc.", "doc.create", "doc.read", "doc.update", "doc.delete", false },
	{ "collection", "collection.create", "collection.read", "collection.update",
	    "collection.delete", false },
	/* an append is a create, a trim a delete */
	{ "stream.", "stream.append", "stream.read", "stream.append", "stream.trim", false },
	{ "consumer.", "stream.consume", "stream.read", "stream.consume", "stream.consume", false },
	{ "blob", "blob.create", "blob.read", "blob.create", "blob.delete", false },
	{ "backup", "store.backup", "store.backup", "store.backup", "store.backup", false },
	{ "restore", "store.restore", "store.restore", "store.restore", "store.restore", false },
	{ "migration", "store.migrate", "store.migrate", "store.migrate", "store.migrate", false },
};

static const struct {
	const char *operation, *permission;
} own[] = {
	{ "fleet", "fleet.read" },
	{ "calls", "fleet.read" },
	{ "settings", "settings.read" },
	{ "restart", "node.restart" },
	{ "health", "" },
	{ "faults", "fault.inject" },
	{ "log_level", "node.log_level" },
	{ "errors", "fleet.read" },
	{ "figures", "fleet.read" },
	{ "crashes", "crash.read" },
	{ "crash", "crash.read" },
	{ "upgrade", "node.restart" },
	{ "upgrade_state", "fleet.read" },
	{ "chaos", "fault.inject" },
	{ "chaos_list", "fault.inject" },
	{ "chaos_end", "fault.inject" },
	{ "traces", "trace.read" },
	{ "trace", "trace.read" },
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
	{ "bulk", MF__STORE_OP__KIND__BULK },
	{ "append", MF__STORE_OP__KIND__APPEND },
	{ "trim", MF__STORE_OP__KIND__TRIM },
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
	return "operation: must be create, read, update, delete, query, bulk_create, transaction, "
	       "bulk, append or trim";
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
	case MF__STORE_OP__KIND__APPEND:
		return m->create;
	case MF__STORE_OP__KIND__UPDATE:
		return m->update;
	case MF__STORE_OP__KIND__DELETE:
	case MF__STORE_OP__KIND__TRIM:
		return m->delete;
	case MF__STORE_OP__KIND__READ_ONE:
	case MF__STORE_OP__KIND__QUERY_MANY:
	case MF__STORE_OP__KIND__TRANSACTION:
	case MF__STORE_OP__KIND__BULK:
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
	for (size_t i = 0; i < COUNT(models); i++) {
		size_t n = strlen(models[i].model);

		if (models[i].model[n - 1] == '.' ? strncmp(models[i].model, model, n) == 0
						  : strcmp(models[i].model, model) == 0)
			return &models[i];
	}
	return NULL;
}
