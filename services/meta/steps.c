/* steps: what the steps of a request do. Each begins with STEP_begin and ends, now or later, with
 * op_done or op_skip. Called by execute when all that the step needs has finished.
 *
 * Invariant: store_begin and own_begin run only after GATE was done and well. */
#include <string.h>

#include "auth/scope.h"
#include "base/id.h"
#include "base/json.h"
#include "base/step.h"
#include "meta/explain.h"
#include "meta/gather.h"
#include "meta/op.h"

static void form_begin(struct op *);
static void on_form(const Mf__ApiOutcome *, void *);
static const struct failure *take_form(struct op *);
static bool cut_off(struct op *, enum step, Mf__Domain);
static void gate_begin(struct op *);
static const char *resource_of(struct op *);
static Mf__Proof *proof_of(struct op *);
static const struct failure *may_ask_auth(void *);
static void on_gate(void *);
static void recall(void *);
static const char *operation_id(struct op *);
static const struct failure *beyond_scope(struct op *, bool);
static void store_begin(struct op *);
static const struct failure *too_many_wait(struct op *);
static void on_stored(const Mf__StoreResult *, void *);
static void own_begin(struct op *);
static void on_own(void *);
static void sign_begin(struct op *);
static void on_sign(void *);
static void format_begin(struct op *);
static void on_format(const Mf__ApiOutcome *, void *);

void (*const op_begin[STEPS])(struct op *) = {
	[STEP_FORM] = form_begin,
	[STEP_GATE] = gate_begin,
	[STEP_STORE] = store_begin,
	[STEP_OWN] = own_begin,
	[STEP_SIGN] = sign_begin,
	[STEP_FORMAT] = format_begin,
};

static void
form_begin(struct op *o)
{
	Mf__ApiWork work = MF__API_WORK__INIT;

	work.api = o->q->api;
	work.database = o->q->database;
	work.stage = (char *)"translate";
	if (cut_off(o, STEP_FORM, MF__DOMAIN__DOMAIN_API))
		return;
	o->form_rpc = rpc_new(o->c, o->m->api,
	    &(const struct rpc_opts){ .limit_us = op_left(o), .priority = o->slot.priority });
	mf__api__perform(&o->form_rpc->service, &work, on_form, o);
}

static void
on_form(const Mf__ApiOutcome *m, void *ctx)
{
	struct op *o = ctx;

	o->form = m;
	isolation_back(o, STEP_FORM, m == NULL ? rpc_failure(o->form_rpc) : NULL);
	if (m == NULL)
		op_done(o, STEP_FORM, rpc_failure(o->form_rpc));
	else
		op_done(o, STEP_FORM, o->plan.api_alone ? take_form(o) : NULL);
}

/* True: the domain is not called, and the step has failed by that. */
static bool
cut_off(struct op *o, enum step s, Mf__Domain d)
{
	const struct failure *f = isolation_pass(o, s, d);

	if (f != NULL)
		op_done(o, s, f);
	return f != NULL;
}

/* What `api` alone means is held to the same rules as what a client asks for itself. */
static const struct failure *
take_form(struct op *o)
{
	const char *wrong = NULL;

	if (!permits_add(&o->permits, o->form->permission))
		wrong = "api: needs too many permissions at once";
	if (wrong == NULL && o->form->database != NULL) {
		o->has_store = true;
		wrong = intake_store(o->c, o->form->database, &o->store, &o->permits);
	}
	if (wrong == NULL)
		wrong = op_check_resource(o);
	if (wrong == NULL && o->form->meta != NULL)
		wrong = op_take_own(o, o->form->meta);
	return wrong == NULL ? NULL : op_failure(o, ST_INVALID_ARGUMENT, "VALIDATION", wrong);
}

/* Without `auth` a request is anonymous and gets what policy gives to that: the question is asked
 * all the same, unless nothing is asked for. */
static void
gate_begin(struct op *o)
{
	const Mf__AuthRequirement *a = o->q->auth;

	if (a == NULL && o->permits.n == 0 && !o->has_store && !o->q->explain) {
		recall(o);
		return;
	}
	o->gate = (struct gate_ask){
		.c = o->c,
		.credential = a != NULL ? a->credential : "",
		.resource = o->q->explain ? "" : resource_of(o),
		.ns = o->q->explain  ? ""
		      : o->has_store ? o->store.namespace_
		      : a != NULL    ? a->namespace_
		                     : "",
		.proof = proof_of(o),
		.client_address = a != NULL ? a->client_address : "",
		.permits = o->q->explain ? explain_permits : o->permits,
		.deadline = o->deadline,
		.priority = o->slot.priority,
		.ask_auth = o->q->want_trace || (a != NULL && strcmp(a->operation, "verify") == 0),
		.may_ask = may_ask_auth,
		.done = on_gate,
		.ctx = o,
	};
	gate_pass(o->m->gate, &o->gate);
}

/* What it is done to. Of many at once nothing is told: then only what holds for all of them does. */
static const char *
resource_of(struct op *o)
{
	const Mf__AuthRequirement *a = o->q->auth;

	if (a != NULL && a->resource[0] != '\0')
		return a->resource;
	if (!o->has_store || o->store.kind == MF__STORE_OP__KIND__TRANSACTION ||
	    o->store.kind == MF__STORE_OP__KIND__BULK)
		return "";
	return o->store.id[0] == '\0'
	           ? o->store.model
	           : arena_printf(call_arena(o->c), "%s/%s", o->store.model, o->store.id);
}

/* NULL: the credential came as Bearer. */
static Mf__Proof *
proof_of(struct op *o)
{
	const Mf__AuthRequirement *a = o->q->auth;
	Mf__Proof *p;

	if (a == NULL || a->dpop[0] == '\0')
		return NULL;
	p = ARENA_NEW(call_arena(o->c), Mf__Proof);
	mf__proof__init(p);
	p->proof = a->dpop;
	p->method = a->dpop_method;
	p->url = a->dpop_url;
	return p;
}

static const struct failure *
may_ask_auth(void *ctx)
{
	return isolation_pass(ctx, STEP_GATE, MF__DOMAIN__DOMAIN_AUTH);
}

static void
on_gate(void *ctx)
{
	struct op *o = ctx;

	isolation_back(o, STEP_GATE, o->gate.failure);
	if (o->gate.failure != NULL) {
		op_done(o, STEP_GATE, o->gate.failure);
		return;
	}
	o->who = o->gate.who;
	call_set_principal(o->c, o->who);
	if (o->q->explain)
		o->answered = explain_write(o);
	else if (o->plan.steps == STEP_BIT(STEP_GATE))
		o->answered = sign_principal(call_arena(o->c), o->who);
	o->parts[MF__DOMAIN__DOMAIN_AUTH].state = PART_WORKED;
	recall(o);
}

/* The end of GATE: has this been done before? Only now is it known for whom. */
static void
recall(void *ctx)
{
	struct op *o = ctx;
	struct remember_key k;
	Mf__TaskResponse *r;

	/* What the auth domain answers may show a secret, once: its effect is known by its id alone. */
	if (o->q->remember && !o->q->explain && o->q->task_id[0] != '\0' &&
	    !(o->has_store && permits_of_auth(o->store.model))) {
		remember_key(o->who != NULL ? o->who->id : "",
		    o->q->auth != NULL ? o->q->auth->client_address : "", o->q->task_id, &k);
		switch (remember_begin(o->m->remember, &k, loop_now(o->m->loop), &o->remembered)) {
		case REMEMBER_FIRST:
			break;
		case REMEMBER_RUNS:
			waiters_add(remember_waiters(o->remembered), o->c, recall, o);
			o->remembered = NULL;
			return;
		case REMEMBER_KEPT:
			r = remember_result(o->remembered, call_arena(o->c));
			o->remembered = NULL;
			if (r == NULL)
				break;
			metric_inc(o->m->remembered);
			op_give_back(o, NULL);
			call_reply(o->c, &r->base);
			execute_next(o->m);
			return;
		}
	}
	op_skip(o, STEP_GATE);
}

/* The id under which the effect is known: the create's own, else what follows from the task (so
 * that the same task again, even after a crash of ours, is the same effect), else the edge's, else
 * a new one. An id that is only the edge's operation id was not chosen by the client. */
static const char *
operation_id(struct op *o)
{
	const char *edge = call_operation_id(o->c);
	char *id = arena_alloc(call_arena(o->c), UUID_LEN);
	struct remember_key k;

	if (o->q->remember && o->q->task_id[0] != '\0') {
		if (edge[0] != '\0' && strcmp(o->store.id, edge) == 0)
			o->store.id = (char *)"";
		remember_key(o->who != NULL ? o->who->id : "",
		    o->q->auth != NULL ? o->q->auth->client_address : "", o->q->task_id, &k);
		remember_operation(&k, id);
		return id;
	}
	if (o->store.kind == MF__STORE_OP__KIND__CREATE && o->store.id[0] != '\0')
		return o->store.id;
	if (edge[0] != '\0')
		return edge;
	uuid7(id);
	return id;
}

/* One's own things need no permission, but who lent out a limited credential did not lend out those:
 * it would make itself an unlimited one. */
static const struct failure *
beyond_scope(struct op *o, bool reads)
{
	const char *wanted;

	if (!str_starts(o->store.model, "my."))
		return NULL;
	wanted = arena_printf(call_arena(o->c), "%s.%s", o->store.model, reads ? "read" : "write");
	if (scope_permits(o->who, wanted))
		return NULL;
	return op_failure(o, ST_PERMISSION_DENIED, "SCOPE",
	    arena_printf(call_arena(o->c), "the credential is not for %s", wanted));
}

bool
op_reads(const struct op *o)
{
	return o->store.kind == MF__STORE_OP__KIND__READ_ONE ||
	       o->store.kind == MF__STORE_OP__KIND__QUERY_MANY;
}

/* Users and roles are the auth domain's: the same operation goes there. */
static void
store_begin(struct op *o)
{
	bool auth = permits_of_auth(o->store.model), reads = op_reads(o);
	const struct failure *beyond;

	if (!o->has_store) {
		op_skip(o, STEP_STORE);
		return;
	}
	if ((beyond = beyond_scope(o, reads)) != NULL) {
		op_done(o, STEP_STORE, beyond);
		return;
	}
	if (!slots_turn(&o->m->slots, &o->slot, SLOT_OF_STORE, loop_now(o->m->loop))) {
		op_done(o, STEP_STORE, too_many_wait(o));
		return;
	}
	if (cut_off(o, STEP_STORE, auth ? MF__DOMAIN__DOMAIN_AUTH : MF__DOMAIN__DOMAIN_DATABASE))
		return;
	if (reads) {
		o->store.actor = o->who->id;
	} else {
		const char *id = operation_id(o);

		const struct intake_mark by = { o->who->id, call_trace_id(o->c) };

		intake_sign(call_arena(o->c), &o->store, &by, id);
		if (o->store.kind == MF__STORE_OP__KIND__BULK_CREATE &&
		    (o->plan.api_alone || o->q->remember))
			intake_name_members(o->c, &o->store, id);
		call_set_operation_id(o->c, id);
	}
	o->store_rpc = rpc_new(o->c, auth ? o->m->auth : o->m->database,
	    &(const struct rpc_opts){ .limit_us = op_left(o), .priority = o->slot.priority });
	if (auth && reads)
		mf__auth__read(&o->store_rpc->service, &o->store, on_stored, o);
	else if (auth)
		mf__auth__write(&o->store_rpc->service, &o->store, on_stored, o);
	else if (reads)
		mf__database__read(&o->store_rpc->service, &o->store, on_stored, o);
	else
		mf__database__write(&o->store_rpc->service, &o->store, on_stored, o);
	if (!reads)
		STEP("meta.store.sent");
}

static const struct failure *
too_many_wait(struct op *o)
{
	struct failure *f = ARENA_NEW(call_arena(o->c), struct failure);

	*f = (struct failure){ .status = ST_RESOURCE_EXHAUSTED,
		.reason = "BULKHEAD",
		.message = "too many requests wait for the stores already",
		.retry_ms = slots_retry_ms(&o->m->slots, SLOT_OF_STORE, loop_now(o->m->loop)) };
	gather_own(o->m, f->status, f->reason, f->message);
	return f;
}

static void
on_stored(const Mf__StoreResult *m, void *ctx)
{
	struct op *o = ctx;

	STEP("meta.store.answered");
	o->stored = m;
	isolation_back(o, STEP_STORE, m == NULL ? rpc_failure(o->store_rpc) : NULL);
	op_done(o, STEP_STORE, m == NULL ? rpc_failure(o->store_rpc) : NULL);
}

static void
own_begin(struct op *o)
{
	if (o->own_q == NULL) {
		op_skip(o, STEP_OWN);
		return;
	}
	o->own = (struct own_ask){
		.c = o->c, .q = o->own_q, .deadline = o->deadline, .done = on_own, .ctx = o
	};
	own_start(o->m, &o->own);
}

static void
on_own(void *ctx)
{
	struct op *o = ctx;

	o->answered = o->own.result;
	op_done(o, STEP_OWN, o->own.failure);
}

static void
sign_begin(struct op *o)
{
	if (cut_off(o, STEP_SIGN, MF__DOMAIN__DOMAIN_AUTH))
		return;
	o->sign = (struct sign_ask){ .c = o->c,
		.q = o->q->auth,
		.deadline = o->deadline,
		.priority = o->slot.priority,
		.done = on_sign,
		.ctx = o };
	sign_start(o->m, &o->sign);
}

static void
on_sign(void *ctx)
{
	struct op *o = ctx;

	isolation_back(o, STEP_SIGN, o->sign.failure);
	o->answered = o->sign.result;
	o->who = o->sign.who;
	op_done(o, STEP_SIGN, o->sign.failure);
}

static void
format_begin(struct op *o)
{
	Mf__ApiWork work = MF__API_WORK__INIT;

	work.api = o->q->api;
	work.stage = (char *)"format";
	if (o->stored != NULL)
		work.result = o->stored->n_items != 0 ? merge_items(call_arena(o->c), o->stored,
							    rpc_repeated(o->store_rpc))
		                                      : o->stored->data;
	else
		work.result = o->answered;
	if (work.result.len == 0) {
		op_skip(o, STEP_FORMAT);
		return;
	}
	if (cut_off(o, STEP_FORMAT, MF__DOMAIN__DOMAIN_API))
		return;
	o->format_rpc = rpc_new(o->c, o->m->api,
	    &(const struct rpc_opts){ .limit_us = op_left(o), .priority = o->slot.priority });
	mf__api__perform(&o->format_rpc->service, &work, on_format, o);
}

/* A representation that is no JSON does not leave: the plain result does. */
static void
on_format(const Mf__ApiOutcome *m, void *ctx)
{
	struct op *o = ctx;
	struct json_error e;
	json_t *v;

	isolation_back(o, STEP_FORMAT, m == NULL ? rpc_failure(o->format_rpc) : NULL);
	if (m == NULL) {
		op_done(o, STEP_FORMAT, rpc_failure(o->format_rpc));
		return;
	}
	v = json_read(m->result.data, m->result.len, &e);
	if (v != NULL)
		o->formatted = m->result;
	json_decref(v);
	op_done(o, STEP_FORMAT,
	    v != NULL ? NULL
		      : op_failure(o, ST_DATA_LOSS, "BAD_FORMAT",
			    "what the API agent made of the result is no JSON"));
}
