/* ask: a resolver's way to level 0: one TaskRequest, made by ops as for every protocol, and the field
 * settled with what comes of it. */
#include <stdio.h>
#include <string.h>

#include "api/graphql/serving.h"
#include "api/rest/contract.h"
#include "base/id.h"
#include "base/log.h"

static bool holds(struct asking *, struct failure *);
static struct gql_value refuse(struct asking *, const struct failure *);
static struct gql_value take_refusal(struct asking *, const Mf__TaskResponse *, const json_t *);
static bool is_write(const struct op *);
static void name_write(struct asking *);
static void send_task(struct asking *);
static void on_executed(const Mf__TaskResponse *, void *);
static struct gql_value taken(struct asking *, const Mf__TaskResponse *);
static void failure_of(struct asking *, const Mf__TaskResponse *, struct failure *);
static void end(struct asking *, struct gql_value);

#define RESULTS_MOST (8u << 20) /* bytes of all answers that one request reads */

static const struct failure broken = {
	.status = ST_INTERNAL,
	.message = "the result of the other domains is no JSON",
	.reason = "",
};
static const struct failure too_much = {
	.status = ST_RESOURCE_EXHAUSTED,
	.message = "what the request asks for is too large: ask for less at once",
	.reason = "TOO_LARGE",
};

struct asking *
ask_of(struct serving *s, const char *method, const char *path)
{
	struct asking *k = ARENA_NEW(s->a, struct asking);
	struct route_match m = route_find(s->a, method, path);

	must(m.route != NULL);
	k->s = s;
	k->op = (struct op){
		.route = m.route,
		.id = m.id,
		.operation_id = s->q->operation_id,
		.credential = s->q->credential,
		.proof = s->q->proof,
		.client_address = s->q->client_address,
		.session = s->session != NULL ? s->session : s->q->session,
	};
	return k;
}

struct asking *
ask_new(const struct gql_at *at, const char *method, const char *path)
{
	struct asking *k = ask_of(gql_host(at), method, path);

	k->at = arena_dup(k->s->a, at, sizeof(*at));
	return k;
}

void
ask_body(struct asking *k, const struct jw *w)
{
	struct json_error e;
	json_t *v;

	k->op.text = (struct str){ w->p, w->n };
	if ((v = json_read(w->p, w->n, &e)) == NULL)
		return; /* nested too deep: ops says that there is no body */
	call_own_json(k->s->c, v);
	k->op.body = v;
}

struct gql_value
ask_meta(struct asking *k, asked_fn *take)
{
	struct gql_value refused;

	return ask_build(k, &refused) ? ask_raw(k, k->task, take) : refused;
}

bool
ask_build(struct asking *k, struct gql_value *refused)
{
	struct failure f;

	if (is_write(&k->op))
		name_write(k);
	if (!holds(k, &f))
		*refused = refuse(k, &f);
	else if ((k->task = ops_build(k->s->a, &k->op, &f)) == NULL)
		*refused = ask_failed(k->s, &f);
	return k->task != NULL;
}

/* As in REST: what the document of the API says against it comes before anybody else is asked. */
static bool
holds(struct asking *k, struct failure *f)
{
	const struct route *r = k->op.route;
	struct arena *a = k->s->a;
	const json_t *members;

	*f = (struct failure){ .status = ST_OK, .message = "", .reason = "" };
	(void)contract_query(a, r, k->op.params, k->op.n_params, f);
	(void)contract_body(a, r, k->op.body, f);
	if (f->status != ST_OK)
		return false;
	if (r->kind == OP_BULK) {
		members = json_object_get(k->op.body, "tasks");
		k->op.refused =
		    ARENA_ARRAY(a, const struct failure *, json_array_size(members) + 1);
		contract_members(a, r, members, k->op.refused);
	}
	return true;
}

/* Who is nobody hears that first, and only then what is wrong with what he asks for. */
static struct gql_value
refuse(struct asking *k, const struct failure *f)
{
	struct gql_value why = ask_failed(k->s, f), pending;
	const char *permission = k->op.route->permission;

	if (k->op.credential[0] != '\0' || permission[0] == '\0')
		return why;
	pending = gql_later(k->at, &k->later);
	k->take = take_refusal;
	k->ctx = (void *)(uintptr_t)why.failure;
	k->rpc = ops_ask(k->s->c, &k->op, permission, NULL, on_executed, k);
	return pending;
}

static struct gql_value
take_refusal(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m, (void)result;
	return gql_failed(k->ctx);
}

struct gql_value
ask_raw(struct asking *k, Mf__TaskRequest *t, asked_fn *take)
{
	struct gql_value pending = gql_later(k->at, &k->later);

	k->task = t;
	k->take = take;
	send_task(k);
	return pending;
}

void
ask_for(struct asking *k, asked_fn *take)
{
	struct failure f;

	k->take = take;
	if (k->task == NULL && (k->task = ops_build(k->s->a, &k->op, &f)) == NULL)
		k->done(k, ask_failed(k->s, &f));
	else
		send_task(k);
}

static bool
is_write(const struct op *o)
{
	return strcmp(o->route->method, "GET") != 0;
}

/* The request's id names its first effect, as in REST; the others get ids that follow from it and
 * their number: the same request, answered by a stand-in, makes nothing twice. Root fields of a
 * mutation run one after the other, so the number is always the same. (bulk_id of the id itself
 * names members of a bulk create.) */
static void
name_write(struct asking *k)
{
	uint32_t number = k->s->writes++;
	char others[UUID_LEN], *id = arena_alloc(k->s->a, UUID_LEN);

	if (number == 0) {
		snprintf(id, UUID_LEN, "%s", k->s->q->operation_id);
	} else {
		bulk_id(k->s->q->operation_id, UINT32_MAX, others);
		bulk_id(others, number, id);
	}
	k->op.operation_id = id;
	call_set_operation_id(k->s->c, id);
}

static void
send_task(struct asking *k)
{
	k->rpc = ops_execute(k->s->c, k->task, on_executed, k);
}

static void
on_executed(const Mf__TaskResponse *m, void *ctx)
{
	struct asking *k = ctx;
	struct failure f;

	if (m == NULL) {
		end(k, ask_failed(k->s, rpc_failure(k->rpc)));
		return;
	}
	if (m->principal != NULL && op_tells_principal(k->op.route->kind))
		k->s->principal = m->principal;
	if (!m->success && !(m->partial_success && k->op.route->kind == OP_REQUEST)) {
		failure_of(k, m, &f);
		end(k, ask_failed(k->s, &f));
		return;
	}
	k->s->degraded |= m->degraded;
	if (m->age_us > k->s->age_us)
		k->s->age_us = m->age_us;
	for (size_t i = 0; i < m->n_warnings && k->s->n_warnings < WARNINGS_MOST; i++)
		k->s->warnings[k->s->n_warnings++] = arena_strdup(k->s->a, m->warnings[i]);
	if (m->session[0] != '\0' && is_write(&k->op))
		k->s->session = arena_strdup(k->s->a, m->session);
	end(k, taken(k, m));
}

static struct gql_value
taken(struct asking *k, const Mf__TaskResponse *m)
{
	struct json_error e;
	json_t *v;

	if (m->result.len == 0)
		return k->take(k, m, NULL);
	k->s->results_bytes += m->result.len;
	if (k->s->results_bytes > RESULTS_MOST)
		return gql_failed(&too_much);
	if ((v = json_read(m->result.data, m->result.len, &e)) == NULL) {
		log_error("result_broken", L_STR("what", e.what));
		return gql_failed(&broken);
	}
	call_own_json(k->s->c, v);
	return k->take(k, m, v);
}

static void
end(struct asking *k, struct gql_value v)
{
	if (k->done != NULL)
		k->done(k, v);
	else
		gql_settle(k->later, v);
}

static void
failure_of(struct asking *k, const Mf__TaskResponse *m, struct failure *f)
{
	*f = (struct failure){ .status = m->status == ST_OK ? ST_UNKNOWN : (enum status)m->status,
		.message = "the request failed",
		.reason = "" };
	if (m->problem != NULL)
		problem_from(k->s->a, m->problem, f);
}

struct gql_value
take_thing(struct asking *k, const Mf__TaskResponse *m, const json_t *result)
{
	(void)m;
	return thing_value(k->s->a, gql_type_name(k->at), result);
}

struct gql_value
ask_failed(struct serving *s, const struct failure *f)
{
	struct failure *to = arena_dup(s->a, f, sizeof(*f));
	struct violation *v = ARENA_ARRAY(s->a, struct violation, f->n_violations);

	to->message = arena_strdup(s->a, f->message);
	to->reason = arena_strdup(s->a, f->reason);
	for (size_t i = 0; i < f->n_violations; i++) {
		v[i].field = name_of_violation(s->a, arena_strdup(s->a, f->violations[i].field));
		v[i].what = arena_strdup(s->a, f->violations[i].what);
	}
	to->violations = v;
	return gql_failed(to);
}
