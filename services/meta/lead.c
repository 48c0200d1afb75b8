/* lead: see lead.h. One timer, one question at a time, and the calls that wait for its answer. */
#include "meta/lead.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "meta/chaos.h"
#include "meta/isolation.h"
#include "meta/meta.h"
#include "meta/upgrade.h"
#include "proto/sql.pb-c.h"

#define ASKS         4          /* in a lease */
#define UNCLEAR_MOST 4          /* leases: a caller does not wait longer to hear who leads */
#define UNKNOWN      UINT32_MAX /* LeadAnswer.heard_ms */

struct lead {
	struct meta *m;
	struct target *target;
	int64_t lease_us;
	struct timer tick;
	struct waiters waiters;
	struct call *asking; /* NULL: no question is out */
	struct rpc *rpc;
	int64_t
	    asked_us; /* when it left. These are of CLOCK_BOOTTIME: a pause of the machine counts */
	bool leads, told; /* told: some answer has come */
	bool resigned;
	uint64_t number, seen; /* ours; the highest of all */
	int64_t sure_us;       /* as of then it was clear that this one leads */
	int64_t heard_us;      /* the leader was there then; 0: not known */
	char leader[24];
	struct metric *gauge, *fence;
};

struct held {
	struct lead *l;
	struct call *c;
	lead_go_fn *go;
	const void *q;
	int64_t since_us;
};

static int64_t boot_now(void);
static bool is_sure(const struct lead *l);
static void pass(struct lead *l, struct call *c, lead_go_fn *go, const void *q);
static void look_again(void *ctx);
static void not_leading(const struct lead *l, struct call *c);
static void on_tick(struct timer *t);
static void ask(struct lead *l);
static void on_answer(const Mf__LeadAnswer *m, void *ctx);
static void on_end(struct call *c, const struct call_end *end, void *ctx);
static void take(struct lead *l, const Mf__LeadAnswer *m);
static void set_leads(struct lead *l, bool leads, uint64_t number);

struct lead *
lead_new(struct meta *m, int64_t lease_us)
{
	static const char *const members[] = { "database", NULL };
	struct lead *l = mem_zalloc(sizeof(*l));

	l->m = m;
	l->lease_us = lease_us;
	l->target = target_new(m->bus,
	    &(const struct target_def){ .service = &mf__leader__descriptor, .members = members });
	waiters_init(&l->waiters);
	l->gauge = lead_gauge();
	l->fence = metric_simple(METRIC_GAUGE, "metafed_meta_fence",
	    "Highest fencing number of a leader that this orchestrator knows.");
	timer_init(&l->tick, m->loop, on_tick);
	timer_in(&l->tick, 0);
	return l;
}

struct metric *
lead_gauge(void)
{
	return metric_simple(
	    METRIC_GAUGE, "metafed_meta_leads", "1: this orchestrator leads; 0: it stands by.");
}

void
lead_free(struct lead **lp)
{
	struct lead *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	timer_stop(&l->tick);
	if (l->asking != NULL)
		call_cancel(l->asking);
	free(l);
}

void
lead_reload(struct lead *l, int64_t lease_us)
{
	if (l != NULL)
		l->lease_us = lease_us;
}

bool
lead_is(const struct lead *l)
{
	return l == NULL || l->leads;
}

uint64_t
lead_number(const struct lead *l)
{
	return l == NULL ? 0 : l->number;
}

void
lead_call(struct lead *l, struct call *c, lead_go_fn *go, const void *q)
{
	struct held *h;

	if (l == NULL) {
		go(c, q);
		return;
	}
	if (l->leads && is_sure(l)) {
		pass(l, c, go, q);
		return;
	}
	if (l->resigned || (!l->leads && l->told && call_attempt(c) <= 1)) {
		not_leading(l, c);
		return;
	}
	h = ARENA_NEW(call_arena(c), struct held);
	*h = (struct held){ l, c, go, q, boot_now() };
	waiters_add(&l->waiters, c, look_again, h);
	if (l->leads)
		ask(l);
}

bool
lead_fenced(struct lead *l, const struct failure *f)
{
	if (l == NULL || f == NULL || strcmp(f->reason, "FENCED") != 0)
		return false;
	l->sure_us = 0;
	ask(l);
	return true;
}

bool
lead_overtaken(const struct lead *l, uint64_t number)
{
	return l != NULL && (!l->leads || l->number != number);
}

void
lead_resign(struct lead *l)
{
	if (l == NULL || l->resigned)
		return;
	timer_stop(&l->tick);
	if (l->asking != NULL)
		call_cancel(l->asking);
	l->resigned = true;
	if (l->leads) {
		set_leads(l, false, l->number);
		ask(l);
	}
	waiters_wake(&l->waiters);
}

static int64_t
boot_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * SEC + t.tv_nsec / 1000;
}

static bool
is_sure(const struct lead *l)
{
	return boot_now() - l->sure_us < l->lease_us / 2;
}

static void
pass(struct lead *l, struct call *c, lead_go_fn *go, const void *q)
{
	call_set_fence(c, l->number);
	STEP("meta.lead.passed");
	go(c, q);
}

/* Something was said. */
static void
look_again(void *ctx)
{
	struct held *h = ctx;
	struct lead *l = h->l;

	if (l->leads && is_sure(l))
		pass(l, h->c, h->go, h->q);
	else if (l->resigned || (!l->leads && l->heard_us > h->since_us) ||
		 boot_now() - h->since_us > UNCLEAR_MOST * l->lease_us)
		not_leading(l, h->c);
	else
		waiters_add(&l->waiters, h->c, look_again, h);
}

static void
not_leading(const struct lead *l, struct call *c)
{
	call_fail_because(c, ST_UNAVAILABLE, "NOT_LEADING", 0, "%s leads, %s stands by",
	    l->leader[0] != '\0' ? l->leader : "another orchestrator", bus_name(l->m->bus));
}

/* --- the question --- */

static void
on_tick(struct timer *t)
{
	struct lead *l = container_of(t, struct lead, tick);

	timer_in(t, l->lease_us / ASKS);
	ask(l);
}

static void
ask(struct lead *l)
{
	Mf__LeadAsk q = MF__LEAD_ASK__INIT;

	if (l->asking != NULL)
		return;
	l->asked_us = boot_now();
	l->asking = call_root(l->m->bus,
	    &(const struct call_opts){ .limit_us = l->lease_us / 2, .done = on_end, .ctx = l });
	l->rpc = rpc_new(l->asking, l->target, &(const struct rpc_opts){ .quiet = true });
	q.candidate = (char *)(uintptr_t)bus_name(l->m->bus);
	q.generation = l->m->node != NULL ? node_generation(l->m->node) : 1;
	q.seen = l->seen;
	q.lease_ms = (uint32_t)(l->lease_us / MS);
	q.resign = l->resigned;
	mf__leader__ask(&l->rpc->service, &q, on_answer, l);
}

static void
on_answer(const Mf__LeadAnswer *m, void *ctx)
{
	struct lead *l = ctx;

	if (m == NULL)
		call_fail_with(l->asking, rpc_failure(l->rpc));
	else
		call_reply(l->asking, &m->base);
}

/* A question that fails contradicts nobody, if it was us who waited for it: a process that was
 * stopped meanwhile has not heard anything. */
static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct lead *l = ctx;
	bool stopped = boot_now() - l->asked_us > l->lease_us;

	(void)c;
	l->asking = NULL;
	l->rpc = NULL;
	if (l->resigned)
		return;
	if (end->failure == NULL)
		take(l, (const Mf__LeadAnswer *)end->reply);
	else if (!stopped && l->leads)
		l->sure_us = boot_now();
	waiters_wake(&l->waiters);
	if (l->leads && !is_sure(l))
		timer_in(&l->tick, 0); /* not from here: this root is about to end */
}

static void
take(struct lead *l, const Mf__LeadAnswer *m)
{
	l->told = true;
	if (m->number > l->seen)
		l->seen = m->number;
	metric_set(l->fence, (double)l->seen);
	snprintf(l->leader, sizeof(l->leader), "%s", m->leader);
	l->heard_us = m->leads || m->heard_ms == UNKNOWN ? 0 : l->asked_us - m->heard_ms * MS;
	if (m->leads)
		l->sure_us = l->asked_us;
	set_leads(l, m->leads, m->number);
}

static void
set_leads(struct lead *l, bool leads, uint64_t number)
{
	bool news = leads && (!l->leads || l->number != number);

	if (l->leads && !leads)
		log_info("leads_no_more", L_INT("number", (int64_t)l->number),
		    L_STR("leader", l->leader));
	l->leads = leads;
	l->number = number;
	metric_set(l->gauge, leads);
	if (!news)
		return;
	log_info("leads", L_INT("number", (int64_t)number));
	STEP("meta.lead.taken");
	if (l->m->isolation != NULL) /* none in tests */
		isolation_announce(l->m->isolation);
	upgrader_take(l->m->upgrade);
	chaos_take(l->m->chaos);
}
