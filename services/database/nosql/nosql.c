/* nosql: the node: its Redis, and the way to PostgreSQL for the time when sql is gone. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "database/nosql/cut.h"
#include "database/nosql/documents.h"
#include "database/nosql/export.h"
#include "database/nosql/nosql.h"
#include "database/nosql/stage.h"
#include "database/nosql/streams.h"
#include "store/redis.h"
#include "store/secret.h"

static void nosql_read(Mf__Nosql_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static void nosql_write(Mf__Nosql_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static void nosql_stage(Mf__Nosql_Service *, const Mf__StoreOp *, Mf__StoreResult_Closure, void *);
static void nosql_settle(Mf__Nosql_Service *, const Mf__SettleAsk *, Mf__Settled_Closure, void *);
static void nosql_staged(Mf__Nosql_Service *, const Mf__Empty *, Mf__StagedParts_Closure, void *);

Mf__Nosql_Service nosql_service = MF__NOSQL__INIT(nosql_);
const char *const nosql_capabilities[] = { "documents", "versions", "streams", "journal",
	"sql_stand_in", NULL };

static const struct config_key document_keys[] = {
	{ "redis_docs", CONFIG_STR, offsetof(struct nosql_config, redis), "", 0, 0, false, true,
	    "durable Redis, unix:PATH or tcp:HOST:PORT; empty: the private server" },
	{ "redis_docs_password_file", CONFIG_PATH, offsetof(struct nosql_config, password_file), "",
	    0, 0, false, true, "file that holds its password" },
	{ "operation_ttl", CONFIG_DURATION, offsetof(struct nosql_config, operation_ttl_us), "1d",
	    60 * SEC, 30 * 86400 * SEC, false, true,
	    "how long the result of an operation answers its repetition" },
	{ "journal_entries", CONFIG_INT, offsetof(struct nosql_config, journal_entries), "200000",
	    1, 100000000, false, true,
	    "writes that may wait in the journal while PostgreSQL is away" },
	{ "journal_bytes", CONFIG_INT, offsetof(struct nosql_config, journal_bytes), "268435456",
	    1 << 20, INT64_C(1) << 40, false, true,
	    "their bytes; Redis needs some four times as much memory" },
	{ "backup_hold", CONFIG_DURATION, offsetof(struct nosql_config, backup_hold_us), "2s",
	    100 * MS, 60 * SEC, false, true,
	    "operations wait at most so long while a backup copies the documents" },
	{ .name = NULL },
};

static struct redis *connect_docs(void *);
static void go_read(struct call *, const void *);
static void go_write(struct call *, const void *);
static void go_stage(struct call *, const void *);
static void go_settle(struct call *, const void *);

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

	server = connect_docs(n);
	if (server == NULL)
		return false;
	export_docs_init(&(const struct export_opts){ .loop = node_loop(n),
	    .server = server,
	    .connect = connect_docs,
	    .ctx = n,
	    .dir = node_var(n),
	    .hold_us = cf->backup_hold_us });
	documents_init(server, node_loop(n), cf->operation_ttl_us);
	stage_init(server, cf->operation_ttl_us);
	streams_init(server, cf->operation_ttl_us);
	journal_init(
	    server, &(const struct journal_limits){ cf->journal_entries, cf->journal_bytes });
	if (!sql_standin_init(n, &cf->sql))
		return false;
	node_ready(n);
	return true;
}

/* One more connection to the same server. NULL: no memory. */
static struct redis *
connect_docs(void *ctx)
{
	struct node *n = ctx;
	const struct nosql_config *cf = node_config(n);
	char *address = NULL, *password;
	struct redis *r;

	if (cf->redis[0] == '\0' &&
	    asprintf(&address, "unix:%s/run/stores/redis-docs.sock", node_var(n)) < 0)
		return NULL;
	password = secret_read(cf->password_file);
	r = redis_new(node_loop(n),
	    &(const struct redis_opts){ .address = address != NULL ? address : cf->redis,
		.password = password,
		.require_durable = true });
	free(address);
	secret_free(&password);
	return r;
}

void
nosql_fini(struct node *n)
{
	(void)n;
	export_docs_fini();
	redis_free(&server);
	documents_fini();
}

/* Read: a document or a list of them; events of a stream, consumers. */
void
nosql_read(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (export_docs_is(q))
		export_docs_read(ctx, q);
	else if (!cut_holds(ctx, q, go_read))
		go_read(ctx, q);
}

static void
go_read(struct call *c, const void *m)
{
	const Mf__StoreOp *q = m;

	if (streams_own(q))
		streams_read(c, q);
	else
		documents_read(c, q);
}

/* Write: documents, events, positions. */
void
nosql_write(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (export_docs_is(q))
		export_docs_write(ctx, q);
	else if (!cut_holds(ctx, q, go_write))
		go_write(ctx, q);
}

static void
go_write(struct call *c, const void *m)
{
	const Mf__StoreOp *q = m;

	if (q->explain) /* not run instead */
		call_fail(c, ST_UNIMPLEMENTED, "explain: there is no plan of a write here");
	else if (q->kind == MF__STORE_OP__KIND__TRANSACTION)
		stage_write(c, q);
	else if (streams_own(q))
		streams_write(c, q);
	else
		documents_write(c, q);
}

/* Stage: documents of one collection, in the name of a transaction. */
void
nosql_stage(Mf__Nosql_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (!cut_holds(ctx, q, go_stage))
		go_stage(ctx, q);
}

/* Settle: publishes what was staged, or drops it. */
void
nosql_settle(Mf__Nosql_Service *s, const Mf__SettleAsk *q, Mf__Settled_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	if (!cut_holds(ctx, q, go_settle))
		go_settle(ctx, q);
}

/* Staged: all that is staged, for the janitor. */
void
nosql_staged(Mf__Nosql_Service *s, const Mf__Empty *q, Mf__StagedParts_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	stage_list(ctx);
}

static void
go_stage(struct call *c, const void *q)
{
	stage_documents(c, q);
}

static void
go_settle(struct call *c, const void *q)
{
	stage_settle(c, q);
}
