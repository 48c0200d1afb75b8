/* inject: see inject.h. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/inject.h"
#include "proto/node.pb-c.h"

#define ASK_US    (5 * SEC)
#define LASTS_MS  3600000 /* whoever forgets to end them has no faulty fleet for ever */
#define SPEC_ROOM 512

struct asking {
	struct loop *loop;
	struct call *root;
	struct rpc *rpc;
	bool done, ok;
	char why[200];
};

/* What a request of a scenario calls on each member. The cache is not asked for what must be fresh, and
 * of auth's agents only the one that verifies draws: one stage per domain. */
static const char *const methods[MEMBERS][3] = {
	[MEMBER_META] = { "Meta.Execute" },
	[MEMBER_API] = { "Api.Perform" },
	[MEMBER_DATABASE] = { "Database.Read", "Database.Write" },
	[MEMBER_AUTH] = { "Auth.Check" },
	[MEMBER_REST] = { "Rest.Perform" },
	[MEMBER_GRAPHQL] = { "Rest.Perform" },
	[MEMBER_WEBSOCKET] = { "Rest.Perform" },
	[MEMBER_SQL] = { "Sql.Read", "Sql.Write" },
	[MEMBER_NOSQL] = { "Sql.Read", "Sql.Write" },
	[MEMBER_JWT] = { "Jwt.Verify" },
	[MEMBER_OAUTH] = { "Jwt.Verify" },
};
/* nosql is primary of documents besides. */
static const char documents[] = "; Nosql.Read: %s=%.6f; Nosql.Write: %s=%.6f";

static void on_set(const Mf__Empty *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static bool is_done(void *);
static void spec_of(enum member, double, const char *, char *, size_t);

bool
inject_direct(
    void *ctx, const char *node, const char *spec, uint64_t seed, char *err, size_t err_size)
{
	struct bus *b = ctx;
	struct asking k = { .loop = bus_loop(b) };
	Mf__FaultSet q = MF__FAULT_SET__INIT;

	q.spec = (char *)(uintptr_t)spec;
	q.seed = seed;
	q.for_ms = LASTS_MS;
	k.root = call_root(
	    b, &(const struct call_opts){ .limit_us = ASK_US, .done = on_end, .ctx = &k });
	k.rpc = rpc_new(k.root, bus_node_target(b, node), NULL);
	mf__node__set_faults(&k.rpc->service, &q, on_set, &k);
	while (!k.done)
		loop_run_until(k.loop, is_done, &k, ASK_US);
	if (!k.ok)
		snprintf(err, err_size, "faults of %s: %s", node, k.why);
	return k.ok;
}

bool
inject_rates(inject_fn *set, void *ctx, const struct rates *e, enum inject_as as, uint64_t seed,
    char *err, size_t err_size)
{
	const double rate[LEVELS] = { e->meta, e->domain, e->agent };
	char spec[SPEC_ROOM];

	for (enum member m = 0; m < MEMBERS; m++) {
		enum level l = member_table[m].level;

		spec_of(m, rate[l], l == LEVEL_AGENT && as == INJECT_STAGES ? "corrupt" : "error",
		    spec, sizeof(spec));
		if (!set(ctx, member_table[m].name, spec, seed * MEMBERS + m + 1, err, err_size))
			return false;
	}
	return true;
}

bool
inject_rule(inject_fn *set, void *ctx, uint16_t members, const char *rule, uint64_t seed, char *err,
    size_t err_size)
{
	for (enum member m = 0; m < MEMBERS; m++)
		if (!set(ctx, member_table[m].name, (members & MEMBER_BIT(m)) != 0 ? rule : "",
			seed * MEMBERS + m + 1, err, err_size))
			return false;
	return true;
}

bool
inject_nothing(inject_fn *set, void *ctx, char *err, size_t err_size)
{
	return inject_rule(set, ctx, 0, "", 0, err, err_size);
}

static void
spec_of(enum member m, double rate, const char *item, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < 3 && methods[m][i] != NULL && rate > 0; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s: %s=%.6f", n > 0 ? "; " : "",
		    methods[m][i], item, rate);
	if (m == MEMBER_NOSQL && rate > 0)
		snprintf(out + n, size - n, documents, item, rate, item, rate);
}

static void
on_set(const Mf__Empty *m, void *ctx)
{
	struct asking *k = ctx;

	k->ok = m != NULL;
	if (m != NULL)
		call_reply(k->root, &m->base);
	else
		call_fail_with(k->root, rpc_failure(k->rpc));
}

static void
on_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct asking *k = ctx;

	(void)root;
	if (end->failure != NULL)
		snprintf(k->why, sizeof(k->why), "%s", end->failure->message);
	k->done = true;
	loop_stop(k->loop);
}

static bool
is_done(void *ctx)
{
	return ((const struct asking *)ctx)->done;
}
