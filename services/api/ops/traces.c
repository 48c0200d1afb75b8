/* traces: the traces of requests that entered here go to whoever leads; and by which route a request is
 * known in them. */
#include <string.h>

#include "api/ops/ops.h"
#include "api/ops/web.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define LIMIT_US (5 * SEC) /* longer than an orchestrator takes to be replaced */

struct sending { /* in its call's arena */
	struct call *c;
	struct rpc *rpc;
	size_t n;
};

static struct target *keeper;
static struct metric *lost;

static void on_batch(void *, const Mf__TraceBatch *);
static void on_kept(const Mf__Empty *, void *);

void
ops_traces_init(struct bus *b, struct target *meta)
{
	keeper = meta;
	lost = metric_simple(METRIC_COUNTER, "metafed_traces_lost_total",
	    "Traces that were to be kept, and no orchestrator took.");
	bus_hear_traces(b, on_batch, b);
}

static void
on_batch(void *ctx, const Mf__TraceBatch *m)
{
	struct call *c = call_root(ctx, &(const struct call_opts){ .limit_us = LIMIT_US + SEC });
	struct sending *s = ARENA_NEW(call_arena(c), struct sending);

	*s = (struct sending){ .c = c,
		.rpc = rpc_new(
		    c, keeper, &(const struct rpc_opts){ .limit_us = LIMIT_US, .quiet = true }),
		.n = m->n_items };
	mf__meta__take_traces(&s->rpc->service, m, on_kept, s);
}

static void
on_kept(const Mf__Empty *m, void *ctx)
{
	struct sending *s = ctx;

	if (m == NULL) {
		metric_add(lost, (double)s->n);
		log_info("traces_lost", L_INT("traces", s->n),
		    L_STR("why", rpc_failure(s->rpc)->message));
	}
	call_cancel(s->c);
}

/* Never what a client wrote: a path of ours, or none. */
const char *
ops_route_of(struct arena *a, const char *method, const char *path)
{
	static const char *const others[] = { "/graphql", "/health", "/openapi.json", "/docs",
		"/v1/ws" };
	const struct web_path *w = web_path(path);
	struct route_match m = { .route = NULL };
	const char *id;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i], path) == 0)
			return others[i];
	if (w != NULL)
		return w->path;
	if (str_starts(path, "/v1/"))
		m = route_find(a, method, path + strlen("/v1"));
	if (m.route == NULL)
		return "";
	id = strstr(m.route->pattern, "ID");
	if (id == NULL)
		return arena_printf(a, "/v1%s", m.route->pattern);
	return arena_printf(
	    a, "/v1%.*s{id}%s", (int)(id - m.route->pattern), m.route->pattern, id + strlen("ID"));
}
