/* lead: mf.Leader on its way from the orchestrators to sql or its stand-in. It is passed on by
 * `database` so that this one, through which all work on the stores goes, hears of a new number before
 * the new leader does anything: the bus refuses calls of a lower one from then on, also those that
 * end in Redis or in the journal.
 *
 * The number is on disk before the new leader hears of it, so that the next process knows it at once.
 * Where there is no such file (the first start, a container's) writes in a leader's name wait for the
 * next question of the one that leads, a quarter of his lease. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "database/inside.h"

#define HOLD_US     (3 * SEC)
#define HOLD_MARGIN (50 * MS) /* before the deadline: the answer has to get back */

struct pass {
	struct call *c;
	struct rpc *rpc;
};

struct held {
	struct link link;
	struct call_dep dep;
	struct call *c;
	const Mf__StoreOp *q;
	struct call_timer *late;
};

static struct {
	bool known;      /* no leader has a higher number, unless it came through here */
	uint64_t number; /* of the leader, as PostgreSQL confirmed it last, or as it was kept */
	char path[512];  /* "": nothing is kept */
	struct list held;
} lead;

static void leader_ask(Mf__Leader_Service *, const Mf__LeadAsk *, Mf__LeadAnswer_Closure, void *);
static void on_answer(const Mf__LeadAnswer *, void *);
static void keep(uint64_t);
static void release(void);
static void held_cancel(struct call_dep *);
static void on_late(struct call *, void *);

Mf__Leader_Service database_leader_service = MF__LEADER__INIT(leader_);

void
lead_open(struct bus *b, const char *var)
{
	struct str line, rest;
	char text[40];

	memset(&lead, 0, sizeof(lead));
	list_init(&lead.held);
	lead.known = var == NULL;
	if (var == NULL)
		return;
	snprintf(lead.path, sizeof(lead.path), "%s/database.leader", var);
	lead.known = keep_read(lead.path, text, sizeof(text)) &&
	             str_cut(str_of(text), '\n', &line, &rest) &&
	             str_u64(line, INT64_MAX, &lead.number);
	if (lead.known)
		bus_raise_fence(b, lead.number);
}

bool
lead_holds(struct call *c, const Mf__StoreOp *q)
{
	int64_t left = call_left(c) - HOLD_MARGIN;
	struct held *h;

	if (lead.known || call_fence(c) == 0)
		return false;
	h = ARENA_NEW(call_arena(c), struct held);
	*h = (struct held){ .dep.cancel = held_cancel, .c = c, .q = q };
	call_attach(c, &h->dep);
	list_add(&lead.held, &h->link);
	if (left > HOLD_US)
		left = HOLD_US;
	h->late = call_after(c, left > 0 ? left : 0, on_late, h);
	return true;
}

/* What was kept counts as seen: a PostgreSQL that knows less, one made anew, is told by it. */
static void
leader_ask(Mf__Leader_Service *s, const Mf__LeadAsk *q, Mf__LeadAnswer_Closure reply, void *ctx)
{
	struct pass *p = ARENA_NEW(call_arena(ctx), struct pass);
	Mf__LeadAsk ask = *q;

	(void)s, (void)reply;
	if (ask.seen < lead.number)
		ask.seen = lead.number;
	p->c = ctx;
	p->rpc = rpc_new(ctx, db_leader, NULL);
	mf__leader__ask(&p->rpc->service, &ask, on_answer, p);
}

static void
on_answer(const Mf__LeadAnswer *m, void *ctx)
{
	struct pass *p = ctx;

	if (m == NULL) {
		call_fail_with(p->c, rpc_failure(p->rpc));
		return;
	}
	if (m->leads && m->number > lead.number)
		keep(m->number);
	bus_raise_fence(call_bus(p->c), m->number);
	call_reply(p->c, &m->base);
	if (m->leads && !lead.known)
		release();
}

/* What can't be kept is not known to the next process: it waits. */
static void
keep(uint64_t number)
{
	char text[40];

	lead.number = number;
	if (lead.path[0] == '\0')
		return;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
	if (!keep_write(lead.path, text)) {
		log_warn(
		    "leader_not_kept", L_STR("path", lead.path), L_STR("why", strerror(errno)));
		unlink(lead.path);
	}
	STEP("database.lead.kept");
}

/* One of a lower number than the leader's gets no further than to its first call out. */
static void
release(void)
{
	struct link *k;

	lead.known = true;
	while ((k = list_pop(&lead.held)) != NULL) {
		struct held *h = container_of(k, struct held, link);

		call_timer_stop(h->late);
		call_detach(h->c, &h->dep);
		database_service.write(&database_service, h->q, NULL, h->c);
	}
}

static void
held_cancel(struct call_dep *d)
{
	list_del(&lead.held, &container_of(d, struct held, dep)->link);
}

static void
on_late(struct call *c, void *ctx)
{
	struct held *h = ctx;

	list_del(&lead.held, &h->link);
	call_detach(c, &h->dep);
	call_fail_because(c, ST_UNAVAILABLE, "LEADER_UNKNOWN", 500,
	    "which orchestrator leads is not known here yet");
}
