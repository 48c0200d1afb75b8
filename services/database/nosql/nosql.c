/* nosql: the node: its Redis, and the way to PostgreSQL for the time when sql is gone. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "database/nosql/documents.h"
#include "database/nosql/nosql.h"
#include "store/redis.h"
#include "store/secret.h"

static void nosql_read(Mf__Nosql_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static void nosql_write(Mf__Nosql_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);

Mf__Nosql_Service nosql_service = MF__NOSQL__INIT(nosql_);
const char *const nosql_capabilities[] = { "documents", "versions", "sql_stand_in", NULL };

static const struct config_key document_keys[] = {
	{ "redis_docs", CONFIG_STR, offsetof(struct nosql_config, redis), "", 0, 0, false, true,
	    "durable Redis, unix:PATH or tcp:HOST:PORT; empty: the private server" },
	{ "redis_docs_password_file", CONFIG_PATH, offsetof(struct nosql_config, password_file), "",
	    0, 0, false, true, "file that holds its password" },
	{ "operation_ttl", CONFIG_DURATION, offsetof(struct nosql_config, operation_ttl_us), "1d",
	    60 * SEC, 30 * 86400 * SEC, false, true,
	    "how long the result of an operation answers its repetition" },
	{ .name = NULL },
};

static struct redis *server;

/* The keys of the stand-in, then our own: struct nosql_config begins with struct sql_config. */
const struct config_key *
nosql_keys(void)
{
	static struct config_key all[64];
	size_t n = 0;

	for (const struct config_key *k = sql_keys; k->name != NULL; k++)
		all[n++] = *k;
	for (const struct config_key *k = document_keys; k->name != NULL; k++)
		all[n++] = *k;
	must(n < sizeof(all) / sizeof(all[0]));
	return all;
}

bool
nosql_init(struct node *n)
{
	const struct nosql_config *cf = node_config(n);
	char *address = NULL, *password = secret_read(cf->password_file);

	if (cf->redis[0] == '\0' &&
	    asprintf(&address, "unix:%s/run/stores/redis-docs.sock", node_var(n)) < 0)
		return false;
	server = redis_new(node_loop(n),
	    &(const struct redis_opts){ .address = address != NULL ? address : cf->redis,
		.password = password,
		.require_durable = true });
	free(address);
	secret_free(&password);
	documents_init(server, cf->operation_ttl_us);
	if (!sql_standin_init(n, &cf->sql))
		return false;
	node_ready(n);
	return true;
}

void
nosql_fini(struct node *n)
{
	(void)n;
	redis_free(&server);
}

/* Read: a document, or a list of them. */
void
nosql_read(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	documents_read(ctx, q);
}

/* Write: create, update, delete a document. */
void
nosql_write(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	documents_write(ctx, q);
}
