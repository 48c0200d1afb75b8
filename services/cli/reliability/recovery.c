/* recovery: processes are killed while requests come steadily: how long until one that needs the killed
 * one is served, and until it is READY again. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/live.h"
#include "cli/reliability/measure.h"
#include "proto/node.pb-c.h"

#define KILL_EVERY_US (400 * MS) /* from one recovery to the next kill */
#define KILL_MOST_US  (5 * SEC)  /* nobody came back: the next one */
/* of one node: after more than ten in a minute (restart_max) its supervisor would give it up */
#define KILLS_MOST  7
#define SETTLE_US   (1500 * MS)
#define KILL_MEAN_S 3 /* for each, at most */
/* on a fleet that is in use */
#define ASK_EVERY_US (100 * MS) /* for an experiment that is refused while the fleet is not whole */
#define UNSEEN_US    (400 * MS) /* meta dies 100 ms after it has answered */

static const char *const agents[] = { "sql", "jwt", "rest", "nosql", "rbac" };
static const char *const domains[] = { "database", "auth", "api" };
#define N_AGENTS  (sizeof(agents) / sizeof(agents[0]))
#define N_DOMAINS (sizeof(domains) / sizeof(domains[0]))

struct killing {
	struct measure *m;
	struct load load;
	struct timer timer;
	unsigned done, wanted;
	bool out;      /* somebody was killed and is not back yet */
	bool ordering; /* somebody is to be killed by an experiment */
	const char *node;
	enum recovery_of of;
	pid_t pid; /* of the one that was killed; 0: not known yet */
	int64_t killed_us, served_us, back_us, next_us;
	struct experiment order; /* of a fleet that is in use */
	struct call *root;
	struct rpc *rpc;
};

static void on_turn(struct timer *);
static void kill_next(struct killing *);
static bool kill_private(struct killing *);
static void order_kill(struct killing *);
static void await_death(struct killing *);
static bool needs(const struct killing *, const struct scenario *);
static void on_steady(void *, const struct scenario *, const struct record *);
static void look(struct killing *);
static void ask_info(struct killing *);
static void on_info(const Mf__NodeInfo *, void *);
static void on_looked(struct call *, const struct call_end *, void *);
static void over(struct killing *);

bool
part_recovery(struct measure *m)
{
	struct system out = { .asked = false };
	struct killing k = { .m = m };
	unsigned each = m->live != NULL ? 1 : m->o->scenarios / 300;
	double per_s = m->live != NULL ? m->o->per_s : MEASURE_STEADY_PER_S;
	uint32_t n;

	each = each < 1 ? 1 : each > KILLS_MOST ? KILLS_MOST : each;
	k.wanted = each * (unsigned)(N_AGENTS + N_DOMAINS + 1);
	n = (uint32_t)(k.wanted * per_s * KILL_MEAN_S); /* stopped before */
	measure_say("%u kills under %.0f requests/s", k.wanted, per_s);
	if (!measure_prepare(m, n, SCENARIOS_WHOLE))
		return false;
	k.load = measure_load(m, &out, false, n, SCENARIOS_WHOLE);
	k.load.per_s = per_s;
	k.load.ask.ask_auth = true; /* else nobody would miss auth and its agents */
	k.load.answered = on_steady;
	k.load.ctx = &k;
	k.next_us = time_now_us() + SETTLE_US;
	timer_init(&k.timer, client_loop(m->client), on_turn);
	timer_in(&k.timer, MEASURE_LOOK_US);
	load_run(&k.load);
	timer_stop(&k.timer);
	if (k.out) /* unserved to the end: the longest, not to be left out */
		over(&k);
	if (k.done < k.wanted)
		measure_say("  time for %u kills only", k.done);
	while (k.root != NULL)
		measure_pause(m, MEASURE_LOOK_US);
	experiment_end_all(m, &k.order, 1);
	free(out.records);
	return true;
}

static void
on_turn(struct timer *t)
{
	struct killing *k = container_of(t, struct killing, timer);
	int64_t now = time_now_us();

	if (k->m->live != NULL && !k->out && !k->ordering)
		experiment_end(&k->order);
	if (k->ordering)
		order_kill(k);
	else if (k->out && now > k->killed_us + KILL_MOST_US)
		over(k);
	else if (k->out && k->back_us == 0 && k->root == NULL)
		look(k);
	else if (!k->out && k->done == k->wanted)
		k->load.stop = true;
	else if (!k->out && now >= k->next_us && !experiment_is_open(&k->order))
		kill_next(k);
	if (k->out && k->served_us != 0 && k->back_us != 0)
		over(k);
	timer_in(t, MEASURE_LOOK_US);
}

static void
kill_next(struct killing *k)
{
	unsigned i = k->done % (unsigned)(N_AGENTS + N_DOMAINS + 1);

	k->of = i < N_AGENTS               ? RECOVERY_AGENT
	        : i < N_AGENTS + N_DOMAINS ? RECOVERY_DOMAIN
	                                   : RECOVERY_META;
	k->node = k->of == RECOVERY_AGENT    ? agents[i]
	          : k->of == RECOVERY_DOMAIN ? domains[i - N_AGENTS]
	                                     : "meta";
	k->pid = 0;
	k->killed_us = time_now_us();
	k->served_us = k->back_us = 0;
	if (k->m->live != NULL) {
		k->order = (struct experiment){
			.action = "kill", .target = k->node, .for_ms = (uint32_t)(KILL_MOST_US / MS)
		};
		k->ordering = true;
	} else if (!kill_private(k)) {
		measure_say("  %s is not there to be killed", k->node);
		k->done++;
	}
}

static bool
kill_private(struct killing *k)
{
	k->pid = private_fleet_pid(k->m->fleet, k->node);
	k->out = k->pid > 0 && kill(k->pid, SIGKILL) == 0;
	return k->out;
}

/* By an experiment, as soon as the fleet is whole and lets us. Who it is is asked first. */
static void
order_kill(struct killing *k)
{
	int64_t now = time_now_us();

	if (k->order.state == EXPERIMENT_ASKED || k->order.state == EXPERIMENT_RUNS) {
		await_death(k);
	} else if (now > k->killed_us + KILL_MOST_US) {
		if (k->order.why[0] == '\0')
			snprintf(k->order.why, sizeof(k->order.why), "it does not answer");
		measure_say("  %s was not killed: %s", k->node, k->order.why);
		result_not_measured(k->m->r, "recovery",
		    result_text(k->m->r, "%s was not killed: %s", k->node, k->order.why));
		k->ordering = false;
		k->done++;
	} else if (k->pid == 0 && k->root == NULL) {
		ask_info(k);
	} else if (k->pid != 0 && k->order.root == NULL && now >= k->next_us) {
		k->next_us = now + ASK_EVERY_US;
		experiment_begin(k->m, &k->order);
	}
}

/* Its link breaks when it dies. One that came back between two looks is taken to have died when the
 * order was answered. */
static void
await_death(struct killing *k)
{
	int64_t now = time_now_us(), answered = k->order.from_us;
	bool gone = !target_ready(bus_node_target(client_bus(k->m->client), k->node));

	if (!gone && (answered == 0 || now < answered + UNSEEN_US))
		return;
	k->killed_us = gone ? now : answered;
	k->ordering = false;
	k->out = true;
}

static void
on_steady(void *ctx, const struct scenario *s, const struct record *r)
{
	struct killing *k = ctx;
	int64_t due = k->load.began_us + r->start_us;

	if (k->out && k->served_us == 0 && due >= k->killed_us && needs(k, s) &&
	    r->outcome == OUTCOME_SUCCESS)
		k->served_us = time_now_us();
}

static bool
needs(const struct killing *k, const struct scenario *s)
{
	const struct member_info *of = &member_table[member_find(k->node)];
	const char *agent;

	if (of->level == LEVEL_META)
		return true;
	if (of->level == LEVEL_DOMAIN || strcmp(of->name, "rbac") == 0)
		return (s->domains & 1u << of->domain) != 0;
	agent = scenario_agent(s, of->domain);
	return agent != NULL && strcmp(agent, of->name) == 0;
}

/* Is it READY again? */
static void
look(struct killing *k)
{
	pid_t now = k->m->live != NULL ? -1 : private_fleet_pid(k->m->fleet, k->node);

	if (now != 0 && now != k->pid)
		ask_info(k);
}

static void
ask_info(struct killing *k)
{
	Mf__Empty q = MF__EMPTY__INIT;

	k->root = call_root(client_bus(k->m->client),
	    &(const struct call_opts){ .limit_us = SEC, .done = on_looked, .ctx = k });
	k->rpc = rpc_new(k->root, bus_node_target(client_bus(k->m->client), k->node),
	    &(const struct rpc_opts){ .once = true });
	mf__node__info(&k->rpc->service, &q, on_info, k);
}

static void
on_info(const Mf__NodeInfo *i, void *ctx)
{
	struct killing *k = ctx;

	if (i != NULL && k->ordering && k->pid == 0)
		k->pid = (pid_t)i->pid;
	if (i != NULL && k->out && (pid_t)i->pid != k->pid && i->state == NODE_READY)
		k->back_us = time_now_us();
	if (i != NULL)
		call_reply(k->root, &i->base);
	else
		call_fail_with(k->root, rpc_failure(k->rpc));
}

static void
on_looked(struct call *root, const struct call_end *end, void *ctx)
{
	struct killing *k = ctx;

	(void)root, (void)end;
	k->root = NULL;
}

static void
over(struct killing *k)
{
	struct recovery *v = result_recovery(k->m->r);

	v->of = k->of;
	v->node = k->node;
	v->how = k->served_us != 0 ? "killed" : "killed; not served until it was given up";
	v->served_us = (k->served_us != 0 ? k->served_us : time_now_us()) - k->killed_us;
	v->back_us = k->back_us != 0 ? k->back_us - k->killed_us : -1;
	k->out = false;
	k->done++;
	k->next_us = time_now_us() + KILL_EVERY_US;
}
