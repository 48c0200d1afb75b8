/* lead: see lead.h. Questions are answered one after the other; what needs the server runs in the
 * work pool, over the one session, which nobody else touches meanwhile. */
#include "database/sql/lead.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "bus/bus.h"
#include "database/sql/store.h"
#include "store/pg_session.h"

#define LOCK           "7738135562846292" /* any number that is ours; migrate.c has the one before */
#define UNKNOWN        UINT32_MAX         /* LeadAnswer.heard_ms */
#define LEASE_MS_LEAST 100
#define LEASE_MS_MOST  60000
#define GRACE          3 /* a part of the lease: longer than between two asks of the holder */

struct ask {
	struct work work;
	struct link link; /* lead.waiting */
	struct call_dep dep;
	struct call *call; /* NULL: nobody waits any more */
	uint64_t life;     /* lead.life */
	char candidate[LEAD_NAME];
	uint64_t generation, seen;
	int64_t lease_us;
	bool resign;
	enum lead_turn turn;
	/* for the pool, and what comes back */
	struct pg_session *pg;
	char text[160], look[160];
	bool ok, locked, leads;
	uint64_t number;
	char leader[LEAD_NAME];
};

static struct {
	uint64_t life; /* of this store: an ask of the one before counts for nothing */
	struct lead_seat seat;
	struct pg_session *pg; /* NULL: none, or in the pool */
	struct ask *running;
	struct list waiting;
} lead;

static void leader_ask(Mf__Leader_Service *, const Mf__LeadAsk *, Mf__LeadAnswer_Closure, void *);
static const char *complaint(const Mf__LeadAsk *q);
static void enqueue(struct call *c, const void *q);
static void next(void);
static void begin(struct ask *a);
static void run(struct work *w);
static bool take_lock(struct ask *a);
static bool take_answer(struct ask *a);
static void done(struct work *w, bool dropped);
static void settle(struct ask *a);
static void answer(struct ask *a);
static void refuse(struct ask *a);
static void fail(struct ask *a);
static void end(struct ask *a);
static void ask_cancel(struct call_dep *d);
static void leave(void);

Mf__Leader_Service sql_leader_service = MF__LEADER__INIT(leader_);

void
lead_start(void)
{
	lead.life++;
	lead.seat = (struct lead_seat){ .held = false };
	list_init(&lead.waiting);
}

void
lead_stop(void)
{
	struct link *k;

	leave();
	lead.running = NULL; /* comes back to another life */
	while ((k = list_pop(&lead.waiting)) != NULL)
		end(container_of(k, struct ask, link));
	lead.life++;
}

/* --- policy --- */

enum lead_turn
lead_turn(struct lead_seat *s, const char *name, uint64_t generation, int64_t lease_us, int64_t now)
{
	bool same = strcmp(s->holder, name) == 0;
	bool all_silent = now - s->asked_us >= lease_us / 2;

	s->asked_us = now;
	if (same && generation < s->generation)
		return LEAD_REFUSED;
	if (same) {
		s->contested_us = 0;
		return s->held && generation == s->generation ? LEAD_CONFIRM : LEAD_TRY;
	}
	if (s->contested_us == 0 || all_silent)
		s->contested_us = now;
	if (s->held && now - s->heard_us < s->lease_us)
		return LEAD_REFUSED;
	if (s->resigned || now - s->contested_us >= lease_us / GRACE)
		return LEAD_TAKE;
	return s->held ? LEAD_REFUSED : LEAD_TRY;
}

/* --- asks --- */

/* Ask: a candidate wants to lead, or to go on leading. */
static void
leader_ask(Mf__Leader_Service *s, const Mf__LeadAsk *q, Mf__LeadAnswer_Closure reply, void *ctx)
{
	const char *wrong = complaint(q);

	(void)s, (void)reply;
	if (wrong != NULL)
		call_fail(ctx, ST_INVALID_ARGUMENT, "%s", wrong);
	else
		hold_call(ctx, enqueue, q);
}

/* The name stands in a statement: nothing but what can stand there. */
static const char *
complaint(const Mf__LeadAsk *q)
{
	size_t n = strlen(q->candidate);

	if (n == 0 || n >= LEAD_NAME ||
	    strspn(q->candidate, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
		return "candidate: must be 1 to 23 of a-z, 0-9 and -";
	if (q->lease_ms < LEASE_MS_LEAST || q->lease_ms > LEASE_MS_MOST)
		return "lease_ms: must be 100 to 60000";
	if (q->generation > INT64_MAX || q->seen >= INT64_MAX)
		return "generation, seen: are too large";
	return NULL;
}

static void
enqueue(struct call *c, const void *m)
{
	const Mf__LeadAsk *q = m;
	struct ask *a = mem_zalloc(sizeof(*a));

	a->call = c;
	a->life = lead.life;
	memcpy(a->candidate, q->candidate, strlen(q->candidate));
	a->generation = q->generation;
	a->seen = q->seen;
	a->lease_us = q->lease_ms * MS;
	a->resign = q->resign;
	a->dep.cancel = ask_cancel;
	call_attach(c, &a->dep);
	list_add(&lead.waiting, &a->link);
	next();
}

static void
next(void)
{
	struct link *k;

	while (lead.running == NULL && (k = list_pop(&lead.waiting)) != NULL)
		begin(container_of(k, struct ask, link));
}

static void
begin(struct ask *a)
{
	struct lead_seat *s = &lead.seat;
	bool same = strcmp(s->holder, a->candidate) == 0 && a->generation == s->generation;

	if (a->resign) {
		if (same && s->held) {
			leave();
			s->resigned = true;
		}
		refuse(a);
		return;
	}
	a->turn = lead_turn(s, a->candidate, a->generation, a->lease_us, time_now_us());
	if (a->turn == LEAD_REFUSED) {
		refuse(a);
		return;
	}
	if (a->turn == LEAD_TAKE)
		leave(); /* PostgreSQL has ended it, or is about to */
	a->pg = lead.pg != NULL ? lead.pg : pg_session_new(sql_pool(), a->lease_us);
	a->locked = lead.pg != NULL;
	lead.pg = NULL;
	lead.running = a;
	snprintf(a->text, sizeof(a->text),
	    "SELECT leads,number,leader FROM mf_lead('%s',%" PRIu64 ",%" PRIu64 ",%s)",
	    a->candidate, a->generation, a->seen, a->turn == LEAD_TAKE ? "true" : "false");
	snprintf(a->look, sizeof(a->look),
	    "SELECT holder='%s' AND generation=%" PRIu64 " AND number>=%" PRIu64
	    ",number,holder FROM leader",
	    a->candidate, a->generation, a->seen);
	a->work.run = run;
	a->work.done = done;
	if (!work_start(sql_work(), &a->work))
		done(&a->work, true);
}

/* --- in the pool --- */

static void
run(struct work *w)
{
	struct ask *a = container_of(w, struct ask, work);

	if (a->locked || take_lock(a))
		a->ok = pg_session_run(a->pg, a->locked ? a->text : a->look) && take_answer(a);
}

static bool
take_lock(struct ask *a)
{
	char setup[120];

	snprintf(setup, sizeof(setup),
	    "SET idle_session_timeout=%" PRId64 ";SELECT pg_try_advisory_lock(" LOCK ")",
	    a->lease_us / MS);
	if (!pg_session_open(a->pg) || !pg_session_run(a->pg, setup) || pg_session_rows(a->pg) != 1)
		return false;
	a->locked = pg_session_value(a->pg, 0, 0)[0] == 't';
	return true;
}

static bool
take_answer(struct ask *a)
{
	if (pg_session_rows(a->pg) != 1)
		return false;
	a->leads = pg_session_value(a->pg, 0, 0)[0] == 't';
	a->number = strtoull(pg_session_value(a->pg, 0, 1), NULL, 10);
	snprintf(a->leader, sizeof(a->leader), "%s", pg_session_value(a->pg, 0, 2));
	return true;
}

/* --- on the loop again --- */

static void
done(struct work *w, bool dropped)
{
	struct ask *a = container_of(w, struct ask, work);
	bool again = !a->ok && !dropped && a->turn == LEAD_CONFIRM;

	if (a->life != lead.life) { /* the store was closed meanwhile */
		pg_session_free(&a->pg);
		end(a);
		return;
	}
	lead.running = NULL;
	if (a->ok)
		settle(a);
	else
		lead.seat.held = false;
	if (!a->ok && !again)
		log_warn("lead_unknown", L_STR("candidate", a->candidate),
		    L_STR("why", pg_session_error(a->pg)));
	if (a->ok && a->locked && a->leads)
		lead.pg = a->pg;
	else
		pg_session_free(&a->pg);
	if (again && a->call != NULL) /* the session was gone: its lock may still be had */
		begin(a);
	else if (a->ok)
		answer(a);
	else
		fail(a);
	next();
}

static void
settle(struct ask *a)
{
	struct lead_seat *s = &lead.seat;

	if (a->leads && a->number != s->number)
		log_info("leader", L_STR("is", a->candidate),
		    L_INT("its_generation", (int64_t)a->generation),
		    L_INT("number", (int64_t)a->number), L_STR("before", s->holder));
	s->held = a->leads && a->locked;
	s->number = a->number;
	memcpy(s->holder, a->leader, sizeof(s->holder));
	s->generation = a->leads ? a->generation : 0;
	if (a->leads) {
		s->lease_us = a->lease_us;
		s->heard_us = time_now_us();
		s->contested_us = 0;
		s->resigned = false;
	}
	if (a->leads)
		STEP("sql.lead.taken");
}

static void
answer(struct ask *a)
{
	const struct lead_seat *s = &lead.seat;
	Mf__LeadAnswer m = MF__LEAD_ANSWER__INIT;

	if (a->call != NULL) {
		m.leads = a->turn != LEAD_REFUSED && a->leads;
		m.number = s->number;
		m.leader = lead.seat.holder;
		if (!m.leads)
			m.heard_ms =
			    s->held ? (uint32_t)((time_now_us() - s->heard_us) / MS) : UNKNOWN;
		bus_raise_fence(call_bus(a->call), m.number);
		call_detach(a->call, &a->dep);
		call_reply(a->call, &m.base);
	}
	free(a);
}

static void
refuse(struct ask *a)
{
	a->turn = LEAD_REFUSED;
	answer(a);
}

static void
fail(struct ask *a)
{
	if (a->call != NULL) {
		call_detach(a->call, &a->dep);
		call_fail_because(
		    a->call, ST_UNAVAILABLE, "STORE_DOWN", 0, "PostgreSQL does not say who leads");
	}
	free(a);
}

static void
end(struct ask *a)
{
	if (a->call != NULL)
		call_detach(a->call, &a->dep);
	free(a);
}

/* What is in the pool goes on: what it finds is true for the next one. */
static void
ask_cancel(struct call_dep *d)
{
	struct ask *a = container_of(d, struct ask, dep);

	a->call = NULL;
	if (a == lead.running || a->life != lead.life)
		return;
	list_del(&lead.waiting, &a->link);
	free(a);
}

static void
leave(void)
{
	pg_session_free(&lead.pg);
	lead.seat.held = false;
}
