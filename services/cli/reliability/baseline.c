/* baseline: see baseline.h. The statements are those of sql and nosql: their own code, called in this
 * process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/jwt/claims.h"
#include "auth/jwt/jws.h"
#include "auth/permission.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "bus/bus.h"
#include "cli/cli.h"
#include "cli/reliability/baseline.h"
#include "cli/reliability/load.h"
#include "database/nosql/documents.h"
#include "database/nosql/nosql.h"
#include "database/sql/sql.h"
#include "meta/intake.h"

#define KEYS_MOST        8
#define JWKS_MOST        65536
#define OPERATION_TTL_US (86400 * SEC)
#define LIMIT_US         (30 * SEC)

static struct baseline {
	struct loop *loop;
	struct bus *door;   /* where requests come in */
	struct bus *inside; /* without a socket: the way to the code of sql and nosql */
	struct target *sql, *nosql;
	size_t n_keys;
	struct jws_key *keys[KEYS_MOST];
} self;

struct job { /* one request, in its call's arena */
	struct call *c;
	struct call_dep dep;
	struct call *root; /* of the statement */
	struct rpc *rpc;
	bool over;
	struct permits permits;
	struct claims claims;
	Mf__Principal *who; /* NULL: nobody was verified */
	Mf__StoreOp op;
};

static void
baseline_execute(Mf__Meta_Service *, const Mf__TaskRequest *, Mf__TaskResponse_Closure, void *);
static void baseline_fleet(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetState_Closure, void *);
static void
baseline_heartbeat(Mf__Meta_Service *, const Mf__Beat *, Mf__BeatAnswer_Closure, void *);
static void
baseline_take_traces(Mf__Meta_Service *, const Mf__TraceBatch *, Mf__Empty_Closure, void *);
static void baseline_mode(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetMode_Closure, void *);
static bool take_keys(const char *file);
static bool open_stores(const char *var);
static bool open_bus(const char *var);
static bool draws_fault(struct call *, const Mf__TaskRequest *);
static bool form_ok(struct job *, const Mf__ApiRequirement *);
static bool may(struct job *, const Mf__AuthRequirement *);
static bool verified(struct job *, const char *);
static void store(struct job *);
static void on_stored(const Mf__StoreResult *, void *);
static void on_statement_end(struct call *, const struct call_end *, void *);
static void on_cancelled(struct call_dep *);
static void say_who(struct job *);
static void fail(struct call *, enum status, const char *);
static void to_target(struct target **, const char *, const ProtobufCServiceDescriptor *);

static Mf__Meta_Service service = MF__META__INIT(baseline_);
static const struct serve serves[] = { { &service.base, PRIMARY }, { NULL, PRIMARY } };
static const struct serve serves_sql[] = { { &sql_service.base, PRIMARY }, { NULL, PRIMARY } };
static const struct serve serves_nosql[] = { { &nosql_service.base, PRIMARY }, { NULL, PRIMARY } };

int
cli_reliability_baseline(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	if (argc != 3) {
		cli_error("usage: metafed reliability baseline VAR JWKS");
		return CLI_USAGE;
	}
	log_init(BASELINE_NODE, 1, STDERR_FILENO);
	log_set_level(LOG_WARN);
	self.loop = loop_new();
	if (!take_keys(argv[2]) || !open_stores(argv[1]) || !open_bus(argv[1]))
		return CLI_UNAVAILABLE;
	loop_run(self.loop);
	return CLI_OK;
}

static bool
take_keys(const char *file)
{
	FILE *f = fopen(file, "re");
	char text[JWKS_MOST], err[160];
	size_t n = f != NULL ? fread(text, 1, sizeof(text), f) : 0, i;
	struct json_error e;
	json_t *v = n > 0 ? json_read(text, n, &e) : NULL;
	const json_t *one;

	if (f != NULL)
		fclose(f);
	json_array_foreach(json_object_get(v, "keys"), i, one)
	{
		if (self.n_keys < KEYS_MOST)
			self.keys[self.n_keys] = jws_key_from_jwk(one, err, sizeof(err));
		if (self.n_keys < KEYS_MOST && self.keys[self.n_keys] != NULL)
			self.n_keys++;
	}
	json_decref(v);
	if (self.n_keys == 0)
		cli_error("%s: no key set", file);
	return self.n_keys > 0;
}

/* As the nodes have them, with the defaults of their tables. */
static bool
open_stores(const char *var)
{
	static struct sql_config config; /* of the process: a pool keeps its texts */
	const struct config_key *const tables[] = { sql_keys };
	void *const outs[] = { &config };
	struct arena *a = arena_new(4u << 20);
	char file[512], address[512], err[256];
	struct redis *r;

	if (!config_load(a, tables, outs, 1, &(const struct config_source){ .node = "sql" }, err,
		sizeof(err))) {
		cli_error("%s", err);
		return false;
	}
	snprintf(file, sizeof(file), "%s/secrets/pg-password", var);
	snprintf(address, sizeof(address), "unix:%s/run/stores/redis-docs.sock", var);
	config.pg_password_file = arena_strdup(a, file);
	if (!sql_open(self.loop, work_pool_new(self.loop, 2, 256), &config, var))
		return false;
	r = redis_new(self.loop, &(const struct redis_opts){ .address = arena_strdup(a, address),
				     .require_durable = true });
	if (r == NULL)
		return false;
	documents_init(r, self.loop, OPERATION_TTL_US);
	return true;
}

static bool
open_bus(const char *var)
{
	static struct node_config config;
	static char dir[512];
	char err[256] = "";

	snprintf(dir, sizeof(dir), "%s/run/bus", var);
	config = (struct node_config){ .var = var,
		.log_level = "warn",
		.bus_dir = dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "",
		.retry_budget = 0.3 };
	self.door = bus_new(self.loop,
	    &(const struct bus_opts){ .name = BASELINE_NODE,
		.generation = (uint64_t)time_wall_us(),
		.config = &config,
		.serves = serves },
	    err, sizeof(err));
	self.inside =
	    bus_new(self.loop, &(const struct bus_opts){ .name = BASELINE_NODE }, err, sizeof(err));
	if (self.door == NULL || self.inside == NULL) {
		cli_error("%s", err);
		return false;
	}
	bus_loopback(self.inside, "sql", serves_sql);
	bus_loopback(self.inside, "nosql", serves_nosql);
	to_target(&self.sql, "sql", &mf__sql__descriptor);
	to_target(&self.nosql, "nosql", &mf__nosql__descriptor);
	if (!bus_listen(self.door, err, sizeof(err)))
		cli_error("%s", err);
	return err[0] == '\0';
}

static void
to_target(struct target **t, const char *name, const ProtobufCServiceDescriptor *d)
{
	const char *const members[] = { name, NULL };

	*t =
	    target_new(self.inside, &(const struct target_def){ .service = d, .members = members });
}

/* --- a request --- */

void
baseline_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct job *w = ARENA_NEW(call_arena(c), struct job);
	const char *wrong;

	(void)s, (void)reply;
	w->c = c;
	mf__store_op__init(&w->op);
	if (draws_fault(c, q) || (q->api != NULL && !form_ok(w, q->api)))
		return;
	if (q->database != NULL &&
	    (wrong = intake_store(c, q->database, &w->op, &w->permits)) != NULL) {
		fail(c, ST_INVALID_ARGUMENT, wrong);
		return;
	}
	if (q->auth != NULL && !may(w, q->auth))
		return;
	if (q->database != NULL && q->auth == NULL)
		fail(c, ST_UNAUTHENTICATED, "this needs a credential");
	else if (q->database != NULL)
		store(w);
	else
		say_who(w);
}

/* True: the call has failed, or the process. */
static bool
draws_fault(struct call *c, const Mf__TaskRequest *q)
{
	unsigned draw;

	if (sscanf(q->task_id, "draw/%x", &draw) != 1 || (draw & DRAW_FAULTS) == 0)
		return false;
	if ((draw & DRAW_CRASH) != 0)
		_exit(BASELINE_CRASH);
	call_fail_because(c, ST_UNAVAILABLE, "FAULT_INJECTED", 0, "injected fault");
	return true;
}

static bool
form_ok(struct job *w, const Mf__ApiRequirement *q)
{
	struct json_error e;
	json_t *v = q->data.len > 0 ? json_read(q->data.data, q->data.len, &e) : NULL;

	if (q->data.len > 0 && v == NULL)
		fail(w->c, ST_INVALID_ARGUMENT, "api/data: is no JSON");
	json_decref(v);
	return q->data.len == 0 || v != NULL;
}

static bool
may(struct job *w, const Mf__AuthRequirement *q)
{
	const Mf__Principal *p = &w->claims.principal;

	if (!verified(w, q->credential)) {
		fail(w->c, ST_UNAUTHENTICATED, "the credential is no good");
		return false;
	}
	w->who = &w->claims.principal;
	for (size_t i = 0; i < w->permits.n; i++) {
		bool covered = false;

		for (size_t k = 0; k < p->n_permissions && !covered; k++)
			covered = permission_covers(p->permissions[k], w->permits.names[i]);
		if (!covered) {
			fail(w->c, ST_PERMISSION_DENIED, "this needs another permission");
			return false;
		}
	}
	return true;
}

static bool
verified(struct job *w, const char *token)
{
	static const struct claims_expect expect = { .issuer = CLAIMS_ISSUER,
		.audience = CLAIMS_ISSUER };
	struct arena *a = call_arena(w->c);
	struct jws t;

	if (!jws_parse(a, str_of(token), &t))
		return false;
	for (size_t i = 0; i < self.n_keys; i++)
		if (strcmp(jws_key_id(self.keys[i]), t.key_id) == 0)
			return jws_verify(&t, self.keys[i]) &&
			       claims_read(a, t.payload, t.n_payload, &expect, time_wall_us(),
				   &w->claims) == TOKEN_OK;
	return false;
}

static void
store(struct job *w)
{
	bool reads = w->op.kind == MF__STORE_OP__KIND__READ_ONE ||
	             w->op.kind == MF__STORE_OP__KIND__QUERY_MANY;
	bool document = strncmp(w->op.model, "doc.", 4) == 0;

	if (!reads)
		intake_sign(call_arena(w->c), &w->op,
		    &(const struct intake_mark){ w->claims.principal.id, call_trace_id(w->c) },
		    w->op.id[0] != '\0' && w->op.kind == MF__STORE_OP__KIND__CREATE
			? w->op.id
			: call_operation_id(w->c));
	w->dep.cancel = on_cancelled;
	call_attach(w->c, &w->dep);
	w->root = call_root(self.inside, &(const struct call_opts){ .limit_us = call_left(w->c) + 1,
					     .operation_id = call_operation_id(w->c),
					     .done = on_statement_end,
					     .ctx = w });
	w->rpc = rpc_new(w->root, document ? self.nosql : self.sql,
	    &(const struct rpc_opts){ .once = true, .limit_us = LIMIT_US });
	if (document && reads)
		mf__nosql__read(&w->rpc->service, &w->op, on_stored, w);
	else if (document)
		mf__nosql__write(&w->rpc->service, &w->op, on_stored, w);
	else if (reads)
		mf__sql__read(&w->rpc->service, &w->op, on_stored, w);
	else
		mf__sql__write(&w->rpc->service, &w->op, on_stored, w);
}

static void
on_stored(const Mf__StoreResult *m, void *ctx)
{
	struct job *w = ctx;

	if (m == NULL)
		call_fail_with(w->root, rpc_failure(w->rpc));
	else
		call_reply(w->root, &m->base);
}

static void
on_statement_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct job *w = ctx;
	const Mf__StoreResult *m = (const Mf__StoreResult *)end->reply;
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;

	(void)root;
	if (w->over)
		return;
	call_detach(w->c, &w->dep);
	if (m == NULL) {
		call_fail_with(w->c, end->failure);
		return;
	}
	r.success = true;
	r.result = m->data;
	r.version = m->version;
	r.rows_affected = m->rows_affected;
	r.principal = w->who;
	call_reply(w->c, &r.base);
}

static void
on_cancelled(struct call_dep *d)
{
	struct job *w = container_of(d, struct job, dep);

	w->over = true;
	call_cancel(w->root);
}

static void
say_who(struct job *w)
{
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;

	r.success = true;
	r.principal = w->who;
	call_reply(w->c, &r.base);
}

static void
fail(struct call *c, enum status s, const char *what)
{
	call_fail(c, s, "%s", what);
}

/* --- what a single process has no answer to --- */

void
baseline_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	fail(ctx, ST_UNIMPLEMENTED, "one process is no fleet");
}

void
baseline_heartbeat(Mf__Meta_Service *s, const Mf__Beat *q, Mf__BeatAnswer_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	fail(ctx, ST_UNIMPLEMENTED, "one process supervises nobody");
}

void
baseline_mode(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetMode_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	fail(ctx, ST_UNIMPLEMENTED, "one process has no modes");
}

/* It has nobody to keep them for. */
static void
baseline_take_traces(
    Mf__Meta_Service *s, const Mf__TraceBatch *q, Mf__Empty_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_reply(ctx, &(Mf__Empty)MF__EMPTY__INIT.base);
}
