/* execute: the one way from an API agent to level 0, and to what an agent itself keeps. */
#include <string.h>

#include "api/ops/ops.h"
#include "base/time.h"

static void say_resource(struct arena *, const Mf__TaskRequest *, Mf__AuthRequirement *);

static struct target *meta, *database;

void
ops_init(struct bus *b)
{
	static const char *const stores[] = { "database", NULL };

	/* The work of a whole request lies behind this call: its own deadline is the limit, not a
	 * breaker's. */
	meta = target_new(b, &(const struct target_def){
				 &mf__meta__descriptor,
				 fleet_meta(),
				 { .failures = 3 },
			     });
	target_set_watch(meta, fleet_meta_watch_us());
	database = target_new(b, &(const struct target_def){
				     &mf__database__descriptor,
				     stores,
				     { .failures = 5 },
				 });
	ops_mode_init(b, meta);
	ops_traces_init(b, meta);
}

bool
ops_ready(void)
{
	return target_ready(meta);
}

struct rpc *
ops_execute(struct call *c, const Mf__TaskRequest *q, Mf__TaskResponse_Closure done, void *ctx)
{
	/* Beyond the request's own deadline meta gets a moment to say so itself. */
	int64_t limit = q->deadline_ms == 0 ? 0 : q->deadline_ms * MS + 50 * MS;
	struct rpc *r = rpc_new(c, meta,
	    &(const struct rpc_opts){ .limit_us = limit, .refused = ops_mode_refuses(c, q) });

	mf__meta__execute(&r->service, q, done, ctx);
	return r;
}

struct rpc *
ops_leader(struct call *c, Mf__FleetMode_Closure done, void *ctx)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct rpc *r = rpc_new(c, meta, NULL);

	mf__meta__mode(&r->service, &empty, done, ctx);
	return r;
}

struct rpc *
ops_ask(struct call *c, const struct op *o, const char *permission, const Mf__TaskRequest *of,
    Mf__TaskResponse_Closure done, void *ctx)
{
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;

	auth.credential = (char *)(uintptr_t)o->credential;
	auth.client_address = (char *)(uintptr_t)o->client_address;
	auth.require_permission = (char *)(uintptr_t)permission;
	if (of != NULL)
		say_resource(call_arena(c), of, &auth);
	ops_prove(&auth, o->proof);
	q.task_id = (char *)(uintptr_t)o->operation_id;
	q.auth = &auth;
	return ops_execute(c, &q, done, ctx);
}

/* As meta names it for the request itself. */
static void
say_resource(struct arena *a, const Mf__TaskRequest *of, Mf__AuthRequirement *out)
{
	const Mf__DatabaseRequirement *d = of->database;

	if (d != NULL)
		out->namespace_ = d->namespace_;
	if (of->auth != NULL && of->auth->resource[0] != '\0')
		out->resource = of->auth->resource;
	else if (d != NULL && strcmp(d->operation, "transaction") != 0 &&
		 strcmp(d->operation, "bulk") != 0)
		out->resource =
		    d->id[0] == '\0' ? d->model : arena_printf(a, "%s/%s", d->model, d->id);
}

struct rpc *
ops_store(struct call *c, const Mf__StoreOp *q, Mf__StoreResult_Closure done, void *ctx)
{
	struct rpc *r = rpc_new(c, database, NULL);

	mf__database__write(&r->service, q, done, ctx);
	return r;
}

struct rpc *
ops_events(struct call *c, const Mf__EventsAfter *q, Mf__EventPage_Closure done, void *ctx)
{
	struct rpc *r = rpc_new(c, database, NULL);

	mf__database__events(&r->service, q, done, ctx);
	return r;
}
