/* perform: mf.Api, level 1 as meta sees it: work on the form of a TaskRequest, done by an agent of
 * our choice. */
#include "api/api.h"
#include "base/time.h"

struct performing { /* in its call's arena */
	struct call *c;
	struct rpc *rpc;
};

static void api_perform(Mf__Api_Service *, const Mf__ApiWork *, Mf__ApiOutcome_Closure, void *);
static void on_performed(const Mf__ApiOutcome *, void *);

Mf__Api_Service api_service = MF__API__INIT(api_);

static void
api_perform(Mf__Api_Service *s, const Mf__ApiWork *q, Mf__ApiOutcome_Closure reply, void *ctx)
{
	static const char *const members[] = { "rest", "graphql", "websocket", NULL };
	/* Of a domain towards each agent: 3 failures of 50 ms (spec 1, cascade prevention). */
	static const struct breaker_policy breaker = { .failures = 3, .limit_us = 50 * MS };
	static struct target *agents;
	struct performing *p;
	struct call *c = ctx;

	(void)s, (void)reply;
	if (agents == NULL)
		agents = target_new(call_bus(c),
		    &(const struct target_def){ &mf__rest__descriptor, members, breaker });
	p = ARENA_NEW(call_arena(c), struct performing);
	*p = (struct performing){ .c = c, .rpc = rpc_new(c, agents, NULL) };
	mf__rest__perform(&p->rpc->service, q, on_performed, p);
}

static void
on_performed(const Mf__ApiOutcome *m, void *ctx)
{
	struct performing *p = ctx;
	Mf__ApiOutcome out;

	if (m == NULL) {
		call_fail_with(p->c, rpc_failure(p->rpc));
		return;
	}
	out = *m;
	out.agent = (char *)rpc_node(p->rpc);
	call_reply(p->c, &out.base);
}
