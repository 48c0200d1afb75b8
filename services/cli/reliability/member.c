/* member: `metafed reliability member DIR LEVEL INDEX DEPTH BREADTH ERROR SEED`: one process of a
 * measured shape. Hidden: shapes.c starts it. It listens only when all members of the level below
 * are there, so whoever reaches level 1 reaches them all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/leave.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/bus.h"
#include "cli/reliability/reliability.h"
#include "cli/reliability/shapes.h"
#include "proto/reliability.pb-c.h"

#define SEEN_US   (10 * SEC) /* the level below must be there by then */
#define RETRY_ALL 1.0        /* budget: what is measured is not to end by it */

static void stage_pass(Mf__Stage_Service *, const Mf__StageAsk *, Mf__StageAnswer_Closure, void *);
static Mf__Stage_Service stage_service = MF__STAGE__INIT(stage_);
static const struct serve serves[] = { { &stage_service.base, PRIMARY }, { NULL, PRIMARY } };
static struct target *below; /* NULL: the last level */

struct pass {
	struct call *call;
	struct rpc *rpc;
	uint64_t number;
};

struct sight { /* of one member of a level */
	bool done, seen;
};

static void on_below(const Mf__StageAnswer *, void *);
static void answer(struct call *, uint64_t, uint32_t);
static bool see(struct bus *, const char *);
static void on_info(const Mf__NodeInfo *, void *);
static void on_seen(struct call *, const struct call_end *, void *);
static bool is_done(void *);
static int usage(void);

int
cli_reliability_member(struct cli *cli, int argc, char **argv)
{
	uint64_t level, index, depth, breadth, seed;
	char name[MEMBER_NAME], faults[64], err[256];
	struct node_config config;
	struct loop *loop;
	struct bus *bus;
	double error;

	(void)cli;
	if (argc != 8 || !str_u64(str_of(argv[2]), 16, &level) ||
	    !str_u64(str_of(argv[3]), MEMBERS_MOST, &index) ||
	    !str_u64(str_of(argv[4]), 16, &depth) ||
	    !str_u64(str_of(argv[5]), MEMBERS_MOST, &breadth) ||
	    !str_double(str_of(argv[6]), &error) || !str_u64(str_of(argv[7]), INT64_MAX, &seed) ||
	    !(error >= 0 && error <= 1))
		return usage();
	log_set_level(LOG_ERROR);
	member_name(name, (uint32_t)level, (uint32_t)index);
	snprintf(faults, sizeof(faults), "Stage.Pass: error=%.17g", error);
	member_config(&config, argv[1], faults, seed, (uint32_t)breadth);
	loop = loop_new();
	bus = bus_new(loop,
	    &(const struct bus_opts){
		.name = name, .generation = 1, .config = &config, .serves = serves },
	    err, sizeof(err));
	if (bus != NULL && level < depth)
		below =
		    member_level(arena_new(1u << 20), bus, (uint32_t)level + 1, (uint32_t)breadth);
	if (bus == NULL || (level < depth && below == NULL) || !bus_listen(bus, err, sizeof(err)))
		leave_now(CLI_UNAVAILABLE);
	loop_run(loop);
	leave_now(CLI_OK);
}

static int
usage(void)
{
	cli_error("usage: metafed reliability member DIR LEVEL INDEX DEPTH BREADTH ERROR SEED");
	return CLI_USAGE;
}

void
member_name(char out[MEMBER_NAME], uint32_t level, uint32_t index)
{
	snprintf(out, MEMBER_NAME, "s%um%u", level % 100, index % 100);
}

void
member_config(
    struct node_config *c, const char *dir, const char *faults, uint64_t seed, uint32_t breadth)
{
	*c = (struct node_config){ .var = dir,
		.log_level = "error",
		.bus_dir = dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = faults,
		.faults_seed = (int64_t)seed,
		.retry_budget = RETRY_ALL,
		.retry_tries = breadth };
}

/* --- the service --- */

static void
stage_pass(Mf__Stage_Service *s, const Mf__StageAsk *q, Mf__StageAnswer_Closure reply, void *ctx)
{
	struct call *c = ctx;
	struct pass *p;

	(void)s, (void)reply;
	if (below == NULL) {
		answer(c, q->number, 1);
		return;
	}
	p = ARENA_NEW(call_arena(c), struct pass);
	p->call = c;
	p->number = q->number;
	p->rpc = rpc_new(c, below, NULL);
	mf__stage__pass(&p->rpc->service, q, on_below, p);
}

static void
on_below(const Mf__StageAnswer *m, void *ctx)
{
	struct pass *p = ctx;

	if (m == NULL)
		call_fail(p->call, ST_ABORTED, "below: %s", rpc_failure(p->rpc)->message);
	else
		answer(p->call, p->number, m->stages + 1);
}

static void
answer(struct call *c, uint64_t number, uint32_t stages)
{
	Mf__StageAnswer m = MF__STAGE_ANSWER__INIT;

	m.number = number;
	m.stages = stages;
	call_reply(c, &m.base);
}

/* --- a level that is there --- */

struct target *
member_level(struct arena *a, struct bus *b, uint32_t level, uint32_t breadth)
{
	const char **members = ARENA_ARRAY(a, const char *, breadth + 1);
	struct target *t;
	bool all = true;

	for (uint32_t i = 0; i < breadth; i++) {
		char name[MEMBER_NAME];

		member_name(name, level, i + 1);
		members[i] = arena_strdup(a, name);
	}
	t = target_new(
	    b, &(const struct target_def){ &mf__stage__descriptor, members, { .failures = 5 } });
	for (uint32_t i = 0; i < breadth; i++)
		all &= see(b, members[i]);
	return all ? t : NULL;
}

/* One call waits for the member for as long as a call does; a process that starts takes longer. */
static bool
see(struct bus *b, const char *name)
{
	int64_t until = time_now_us() + SEEN_US;
	Mf__Empty nothing = MF__EMPTY__INIT;
	struct sight s;

	do {
		struct call *c = call_root(
		    b, &(const struct call_opts){ .limit_us = SEC, .done = on_seen, .ctx = &s });
		struct rpc *r = rpc_new(c, bus_node_target(b, name), NULL);

		s = (struct sight){ .done = false };
		mf__node__info(&r->service, &nothing, on_info, c);
		loop_run_until(bus_loop(b), is_done, &s, 2 * SEC);
	} while (!s.seen && time_now_us() < until);
	return s.seen;
}

static void
on_info(const Mf__NodeInfo *m, void *ctx)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	if (m == NULL)
		call_fail(ctx, ST_UNAVAILABLE, "it is not there");
	else
		call_reply(ctx, &nothing.base);
}

static void
on_seen(struct call *c, const struct call_end *end, void *ctx)
{
	struct sight *s = ctx;

	(void)c;
	s->seen = end->reply != NULL;
	s->done = true;
}

static bool
is_done(void *ctx)
{
	return ((struct sight *)ctx)->done;
}
