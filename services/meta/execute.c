/* execute: one TaskRequest from arrival to TaskResponse. Called by orchestrator.
 *
 *	execute -> a slot -> FORM | GATE -> STORE | OWN -> FORMAT -> end
 *
 * One struct per request in the arena of its call; each step begins with STEP_begin and ends, now
 * or later, with done(). The plan says what needs what; whatever became free starts. Nothing with
 * an effect starts before GATE is done and well, and what depends on something that failed is
 * stopped. A request is refused as a call (call_fail) only before any work; from then on it is
 * answered, with status and problem. */
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "meta/explain.h"
#include "meta/figures.h"
#include "meta/gather.h"
#include "meta/lead.h"
#include "meta/op.h"

#define TASK_ID_MOST 128
/* of the deadline, kept to say what happened, also on a loaded machine; at most a 20th of it */
#define MARGIN_US (20 * MS)

static const char *check(struct op *);
static void ask_slot(struct op *);
static enum slot_verdict ask_as_it_is(struct op *, struct slot_ask **);
static void begin(struct op *);
static void on_waited(struct call *, void *);
static void on_late(struct call *, void *);
static bool waits_for_the_stores(const struct op *);
static void on_call_ended(struct call_dep *);
static void run(struct op *);
static bool stops(const struct op *, int);
static void end(struct op *);
static void say_about(struct op *, const Mf__TaskResponse *);
static void fall_back(struct op *, struct merge_in *, Mf__TaskResponse *, const char *);
static enum outcome outcome_of(const Mf__TaskResponse *);
static void reject(struct op *, enum status, const char *, uint32_t, const char *);

void
execute_request(struct meta *m, struct call *c, const Mf__TaskRequest *q)
{
	struct op *o = ARENA_NEW(call_arena(c), struct op);
	char err[160];
	const struct failure *refused;
	const char *wrong;
	int64_t span;

	*o = (struct op){
		.m = m, .c = c, .q = q, .began = loop_now(m->loop), .dep.cancel = on_call_ended
	};
	mf__store_op__init(&o->store);
	o->deadline = call_deadline(c);
	if (q->deadline_ms != 0 && o->began + q->deadline_ms * MS < o->deadline)
		o->deadline = o->began + q->deadline_ms * MS;
	span = o->deadline - o->began;
	if (!strategy_plan(q, &o->plan, err, sizeof(err)))
		reject(o, ST_INVALID_ARGUMENT, "BAD_REQUEST_PLAN", 0,
		    arena_strdup(call_arena(c), err));
	else if ((wrong = check(o)) != NULL)
		reject(o, ST_INVALID_ARGUMENT, "VALIDATION", 0, wrong);
	else if (span <= 0)
		reject(o, ST_DEADLINE_EXCEEDED, "", 0, "no time is left for this request");
	else if ((refused = isolation_admit(o)) != NULL)
		reject(o, refused->status, refused->reason, refused->retry_ms, refused->message);
	else {
		if (q->explain)
			explain_begin(o);
		if (o->deadline < call_deadline(c))
			call_after(c, span, on_late, o);
		o->deadline -= span / 20 < MARGIN_US ? span / 20 : MARGIN_US;
		ask_slot(o);
	}
}

/* What can be seen without asking anybody. NULL: fine. */
static const char *
check(struct op *o)
{
	const Mf__TaskRequest *q = o->q;
	const char *wrong = NULL;

	if (q->auth != NULL)
		q->auth->client_address =
		    (char *)(uintptr_t)call_client_address(o->c, q->auth->client_address);
	if (q->auth != NULL && q->auth->web != NULL)
		q->auth->web->client_address = q->auth->client_address;
	if (strlen(q->task_id) > TASK_ID_MOST)
		return "task_id: is longer than 128 bytes";
	if (q->auth != NULL && q->auth->operation[0] != '\0' && !strategy_signs(q->auth) &&
	    strcmp(q->auth->operation, "check") != 0 && strcmp(q->auth->operation, "verify") != 0)
		return "auth/operation: must be check, verify, login, refresh, logout or web";
	if (q->auth != NULL && !permits_add(&o->permits, q->auth->require_permission))
		return "auth/require_permission: is one too many";
	if (q->database != NULL) {
		wrong = intake_store(o->c, q->database, &o->store, &o->permits);
		o->has_store = true;
	}
	if (wrong == NULL && q->meta != NULL)
		wrong = op_take_own(o, q->meta);
	return wrong != NULL ? wrong : op_check_resource(o);
}

const char *
op_check_resource(struct op *o)
{
	const Mf__AuthRequirement *a = o->q->auth;

	if (!o->has_store || a == NULL || a->resource[0] == '\0' ||
	    strcmp(a->resource,
		arena_printf(call_arena(o->c), "%s/%s", o->store.model, o->store.id)) == 0)
		return NULL;
	return "auth/resource: is not what the operation touches";
}

const char *
op_take_own(struct op *o, const Mf__MetaRequirement *q)
{
	const char *wrong = own_check(q);

	if (wrong != NULL)
		return wrong;
	o->own_q = q;
	return permits_add(&o->permits, permits_own(q->operation))
	           ? NULL
	           : "meta: needs too many permissions at once";
}

/* --- slots --- */

static void
ask_slot(struct op *o)
{
	struct meta *m = o->m;
	struct slot_ask *refused;

	o->slot.priority = strategy_priority(o->q);
	o->slot.units = o->plan.units;
	o->slot.kind = o->q->explain ? SLOT_OF_NONE : op_slot_kind(o->q);
	o->slot.deadline = o->deadline;
	call_attach(o->c, &o->dep);
	switch (ask_as_it_is(o, &refused)) {
	case SLOT_GO:
		begin(o);
		break;
	case SLOT_WAIT:
		call_after(o->c, o->deadline - o->began, on_waited, o);
		if (refused != NULL)
			reject(container_of(refused, struct op, slot), ST_RESOURCE_EXHAUSTED,
			    "NO_SLOT", slots_retry_ms(&m->slots, refused->kind, o->began),
			    "more important requests wait; this one was given up");
		execute_next(m);
		break;
	case SLOT_FULL:
		isolation_full(m->isolation);
		reject(o, ST_RESOURCE_EXHAUSTED, "NO_SLOT",
		    slots_retry_ms(&m->slots, o->slot.kind, o->began),
		    "too many requests wait already");
		break;
	case SLOT_LATE:
		reject(o, ST_DEADLINE_EXCEEDED, "TOO_LATE", 0,
		    "would not be begun before its deadline");
		break;
	}
}

/* Who can't wait for the stores behind those that do begins without them, and is told at that step:
 * the rest of it is done, and the domain that it lacks is named. */
static enum slot_verdict
ask_as_it_is(struct op *o, struct slot_ask **refused)
{
	struct slots *s = &o->m->slots;
	enum slot_verdict v = slots_ask(s, &o->slot, o->began, refused);

	if ((v != SLOT_FULL && v != SLOT_LATE) || o->slot.kind != SLOT_OF_STORE ||
	    !slots_walled(s, &o->slot))
		return v;
	o->slot.kind = SLOT_OF_NONE;
	return slots_ask(s, &o->slot, o->began, refused);
}

/* Requests that begin here may end here and free their slot: the outermost turn of this loop goes
 * on for them. */
void
execute_next(struct meta *m)
{
	struct slot_ask *a;

	if (m->waking || m->slots.waiting == 0)
		return;
	m->waking = true;
	while ((a = slots_next(&m->slots, loop_now(m->loop))) != NULL)
		begin(container_of(a, struct op, slot));
	m->waking = false;
}

void
execute_wake(struct loop_msg *w)
{
	struct meta *m = container_of(w, struct meta, wake);

	m->wake_posted = false;
	execute_next(m);
}

static void
begin(struct op *o)
{
	if (o->q->want_trace)
		call_set_want_hops(o->c);
	run(o);
}

/* Its time to begin is over, but there is still time to say so. */
static void
on_waited(struct call *c, void *ctx)
{
	struct op *o = ctx;

	if (o->slot.place == SLOT_WAITING)
		on_late(c, o);
}

/* The request's own deadline, before the call's. What is not finished has failed by it; what is, is
 * told. */
static void
on_late(struct call *c, void *ctx)
{
	struct op *o = ctx;

	(void)c;
	if (o->over)
		return;
	if (o->begun == 0 && !waits_for_the_stores(o)) {
		reject(o, ST_DEADLINE_EXCEEDED, "TOO_LATE", 0, "was not begun before its deadline");
		return;
	}
	o->running = true; /* nothing starts any more */
	if (o->begun == 0)
		o->begun = STEP_BIT(STEP_STORE); /* what it has waited for is what failed */
	for (int i = 0; i < STEPS; i++) {
		struct part *p = &o->parts[strategy_domain((enum step)i)];

		if ((o->begun & ~o->finished & STEP_BIT(i)) != 0)
			op_done(o, (enum step)i,
			    op_failure(o, ST_DEADLINE_EXCEEDED, "", "its time was over"));
		else if ((o->plan.steps & ~o->begun & STEP_BIT(i)) != 0 && p->state == PART_NONE)
			p->state = PART_STOPPED;
	}
	end(o);
}

static bool
waits_for_the_stores(const struct op *o)
{
	return o->slot.place == SLOT_WAITING && o->slot.kind == SLOT_OF_STORE &&
	       slots_walled(&o->m->slots, &o->slot);
}

/* The caller is gone, or the deadline of the call: nobody reads an answer. Others are started from
 * the loop, not from inside the end of this call. */
static void
on_call_ended(struct call_dep *d)
{
	struct op *o = container_of(d, struct op, dep);

	o->over = true;
	metric_inc(o->m->requests[OUTCOME_CANCELLED]);
	figures_ended(o->m->figures, OUTCOME_CANCELLED, loop_now(o->m->loop));
	op_give_back(o, NULL);
	if (!o->m->wake_posted && o->m->slots.waiting != 0) {
		o->m->wake_posted = true;
		loop_post(o->m->loop, &o->m->wake);
	}
}

/* --- the flow --- */

/* Starts all that is free to start. Steps may finish from inside: the outermost turn goes on for
 * them. */
static void
run(struct op *o)
{
	bool moved = true;

	if (o->running || o->over)
		return;
	o->running = true;
	while (moved && !o->over) {
		moved = false;
		for (int s = 0; s < STEPS && !o->over; s++) {
			if ((o->plan.steps & ~o->begun & STEP_BIT(s)) == 0 ||
			    (o->plan.needs[s] & ~o->finished) != 0)
				continue;
			o->begun |= STEP_BIT(s);
			moved = true;
			if (stops(o, s)) {
				struct part *p = &o->parts[strategy_domain(s)];

				if (p->state == PART_NONE)
					p->state = PART_STOPPED;
				o->bad |= STEP_BIT(s);
				o->finished |= STEP_BIT(s);
			} else {
				op_begin[s](o);
			}
		}
	}
	o->running = false;
	if (!o->over && o->finished == o->plan.steps)
		end(o);
}

/* A form that could not be checked for lack of an API agent stops nothing but the form: what shall
 * be done is known. One that was refused stops all. */
static bool
stops(const struct op *o, int s)
{
	uint32_t bad = o->plan.needs[s] & o->bad;
	const struct part *api = &o->parts[MF__DOMAIN__DOMAIN_API];

	if (bad == STEP_BIT(STEP_FORM) && s != STEP_FORMAT && !o->plan.api_alone)
		return !status_is_fault(api->why->status);
	return bad != 0;
}

void
op_done(struct op *o, enum step s, const struct failure *f)
{
	struct part *p = &o->parts[strategy_domain(s)];

	if (lead_fenced(o->m->lead, f) ||
	    (f != NULL && lead_overtaken(o->m->lead, call_fence(o->c)))) {
		/* whoever leads now does it, under the same ids */
		reject(o, ST_UNAVAILABLE, "NOT_LEADING", 0, "another orchestrator leads by now");
		return;
	}
	o->begun |= STEP_BIT(s);
	o->finished |= STEP_BIT(s);
	if (f != NULL) {
		o->bad |= STEP_BIT(s);
		*p = (struct part){ PART_FAILED, f };
	} else if (p->state != PART_FAILED) {
		p->state = PART_WORKED;
	}
	run(o);
}

/* There was nothing to do. */
void
op_skip(struct op *o, enum step s)
{
	o->finished |= STEP_BIT(s);
	run(o);
}

/* --- the end --- */

static void
end(struct op *o)
{
	struct merge_in in = {
		.task_id = o->q->task_id,
		.stored = o->stored,
		.own = o->answered,
		.formatted = o->formatted,
		.who = o->who,
		.want_trace = o->q->want_trace,
		.node = bus_name(o->m->bus),
		.attempt = call_attempt(o->c),
		.retried = o->store_rpc != NULL && rpc_repeated(o->store_rpc),
		.took_us = time_now_us() - o->began,
	};
	Mf__TaskResponse *r = arena_alloc(call_arena(o->c), sizeof(*r));
	const char *wrong;

	memcpy(in.parts, o->parts, sizeof(in.parts));
	if (o->q->meta == NULL && in.parts[MF__DOMAIN__DOMAIN_META].state == PART_WORKED)
		in.parts[MF__DOMAIN__DOMAIN_META].state =
		    PART_NONE; /* what `api` meant by its form: api's work */
	if (o->q->want_trace)
		in.n_hops = call_hops(o->c, &in.hops);
	merge_parts(call_arena(o->c), &in, r);
	wrong = merge_unsound(r);
	isolation_unsound(o->m->isolation, wrong != NULL);
	if (wrong != NULL)
		fall_back(o, &in, r, wrong);
	r->web = o->sign.web;
	say_about(o, r);
	metric_inc(o->m->requests[outcome_of(r)]);
	o->m->answered++;
	o->m->faulted += status_is_fault((enum status)r->status) != 0;
	metric_time(o->m->seconds[o->slot.priority], loop_now(o->m->loop) - o->began);
	figures_answered(o->m->figures, outcome_of(r), (enum status)r->status, in.parts,
	    loop_now(o->m->loop) - o->began, loop_now(o->m->loop));
	op_give_back(o, r);
	call_reply(o->c, &r->base);
	execute_next(o->m);
}

/* The call is answered whatever became of the request: the bus does not look inside. */
static void
say_about(struct op *o, const Mf__TaskResponse *r)
{
	struct call_about *about;

	if (o->q->want_trace)
		call_ask_trace(o->c);
	if (!status_is_fault((enum status)r->status) && r->status != ST_RESOURCE_EXHAUSTED)
		return;
	about = ARENA_NEW(call_arena(o->c), struct call_about);
	about->status = (enum status)r->status;
	about->reason = r->problem != NULL ? r->problem->reason : "";
	call_say_about(o->c, about);
}

/* A fault of ours: contained, said, never silent. What the domains did stays done: the answer is made
 * again of that alone, without form and trace. Where even this contradicts itself nothing is claimed. */
static void
fall_back(struct op *o, struct merge_in *in, Mf__TaskResponse *r, const char *wrong)
{
	log_error("unsound_result", L_STR("why", wrong), L_STR("task_id", o->q->task_id));
	gather_own(o->m, ST_INTERNAL, "META_FAILURE", wrong);
	in->formatted = (ProtobufCBinaryData){ 0, NULL };
	in->want_trace = false;
	in->n_hops = 0;
	merge_parts(call_arena(o->c), in, r);
	r->meta_failure = r->degraded = true;
	if (merge_unsound(r) == NULL)
		return;
	r->success = r->partial_success = false;
	r->result = (ProtobufCBinaryData){ 0, NULL };
	r->status = ST_INTERNAL;
	r->problem =
	    merge_problem(call_arena(o->c), op_failure(o, ST_INTERNAL, "META_FAILURE", wrong));
}

static enum outcome
outcome_of(const Mf__TaskResponse *r)
{
	if (r->success)
		return OUTCOME_SUCCESS;
	if (r->partial_success)
		return OUTCOME_PARTIAL;
	return r->status == ST_UNAUTHENTICATED || r->status == ST_PERMISSION_DENIED
	           ? OUTCOME_REFUSED
	           : OUTCOME_FAILED;
}

/* Before any work, or before any that took effect. Who waits may have waited for it. */
static void
reject(struct op *o, enum status s, const char *reason, uint32_t retry_ms, const char *message)
{
	metric_inc(o->m->requests[OUTCOME_REJECTED]);
	figures_ended(o->m->figures, OUTCOME_REJECTED, loop_now(o->m->loop));
	gather_own(o->m, s, reason, message);
	op_give_back(o, NULL);
	call_fail_because(o->c, s, reason, retry_ms, "%s", message);
	execute_next(o->m);
}

/* What others may use again. Harmless when there is nothing. */
void
op_give_back(struct op *o, const Mf__TaskResponse *r)
{
	o->over = true;
	call_detach(o->c, &o->dep);
	isolation_end(o, r);
	slots_leave(&o->m->slots, &o->slot, loop_now(o->m->loop));
	if (o->remembered != NULL) {
		struct remembered *e = o->remembered;

		o->remembered = NULL;
		remember_end(o->m->remember, e, r, loop_now(o->m->loop));
	}
}

enum slot_kind
op_slot_kind(const Mf__TaskRequest *q)
{
	if (q->database != NULL)
		return SLOT_OF_STORE;
	return q->auth != NULL && strategy_signs(q->auth) ? SLOT_OF_SIGN : SLOT_OF_NONE;
}

int64_t
op_left(const struct op *o)
{
	int64_t us = o->deadline - loop_now(o->m->loop);

	return us > 1 ? us : 1; /* 0 would mean the method's own limit */
}

const struct failure *
op_failure(struct op *o, enum status s, const char *reason, const char *message)
{
	struct failure *f = ARENA_NEW(call_arena(o->c), struct failure);

	*f = (struct failure){ .status = s, .message = message, .reason = reason };
	return f;
}
