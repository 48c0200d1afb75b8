/* rest: the service. Handle is a whole HTTP request (handle.c); Perform is the work on the form of
 * a TaskRequest that meta asks for through the orchestrator: what does this endpoint mean, and how
 * shall the result look? */
#include <string.h>

#include "api/ops/ops.h"
#include "api/rest/contract.h"
#include "api/rest/export.h"
#include "api/rest/rest.h"
#include "base/id.h"
#include "base/log.h"

static void
rest_handle(Mf__Rest_Service *, const Mf__HttpRequest *, Mf__HttpResponse_Closure, void *);
static void rest_perform(Mf__Rest_Service *, const Mf__ApiWork *, Mf__ApiOutcome_Closure, void *);
static void
rest_export(Mf__Rest_Service *, const Mf__TraceBatch *, Mf__TraceExport_Closure, void *);
static void translate(struct call *, const Mf__ApiWork *);
static bool read_endpoint(struct call *, const Mf__ApiRequirement *, struct op *, struct failure *);
static void format(struct call *, const Mf__ApiWork *);

Mf__Rest_Service rest_service = MF__REST__INIT(rest_);
const char *const rest_capabilities[] = { "crud", "resource_modelling", "http_methods",
	"merge_patch", "bulk", NULL };

bool
rest_init(struct node *n)
{
	contract_load();
	ops_init(node_bus(n));
	node_ready(n);
	return true;
}

static void
rest_handle(
    Mf__Rest_Service *s, const Mf__HttpRequest *q, Mf__HttpResponse_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	rest_answer(ctx, q);
}

static void
rest_perform(Mf__Rest_Service *s, const Mf__ApiWork *q, Mf__ApiOutcome_Closure reply, void *ctx)
{
	struct call *c = ctx;

	(void)s, (void)reply;
	if (q->api == NULL)
		call_fail(c, ST_INVALID_ARGUMENT, "api: is missing");
	else if (q->api->format[0] != '\0' && strcmp(q->api->format, "json") != 0)
		call_fail_because(
		    c, ST_INVALID_ARGUMENT, "VALIDATION", 0, "api.format: must be json");
	else if (strcmp(q->stage, "translate") == 0)
		translate(c, q);
	else if (strcmp(q->stage, "format") == 0)
		format(c, q);
	else
		call_fail(c, ST_INVALID_ARGUMENT, "stage: must be translate or format");
}

static void
rest_export(Mf__Rest_Service *s, const Mf__TraceBatch *q, Mf__TraceExport_Closure reply, void *ctx)
{
	(void)s, (void)reply;
	export_traces(ctx, q);
}

/* Beside a database requirement the form only has to be one; alone, it says what is meant. */
static void
translate(struct call *c, const Mf__ApiWork *q)
{
	Mf__ApiOutcome out = MF__API_OUTCOME__INIT;
	struct op o = { .credential = "", .client_address = "" };
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	Mf__TaskRequest *t;

	if (!read_endpoint(c, q->api, &o, &f)) {
		call_fail_with(c, &f);
		return;
	}
	out.permission = (char *)o.route->permission;
	if (q->database != NULL) {
		call_reply(c, &out.base);
		return;
	}
	if (o.route->kind == OP_REQUEST || o.route->kind == OP_STRATEGY ||
	    o.route->kind == OP_LOGIN || o.route->kind == OP_REFRESH ||
	    o.route->kind == OP_LOGOUT || o.route->kind == OP_APPLY || o.route->kind == OP_EVENTS ||
	    o.route->kind == OP_ME || op_is_bytes(o.route->kind)) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
		    "api.endpoint: is no operation on data");
		return;
	}
	if (!contract_body(call_arena(c), o.route, o.body, &f) ||
	    (t = ops_build(call_arena(c), &o, &f)) == NULL) {
		call_fail_with(c, &f);
		return;
	}
	out.database = t->database;
	out.meta = t->meta;
	call_reply(c, &out.base);
}

static bool
read_endpoint(struct call *c, const Mf__ApiRequirement *api, struct op *o, struct failure *f)
{
	struct arena *a = call_arena(c);
	struct str path, query;
	struct param *params;
	struct route_match m;
	struct json_error e;

	str_cut(str_of(api->endpoint), '?', &path, &query);
	m = route_find(a, api->method, arena_strndup(a, path.p, path.n));
	if (m.route == NULL) {
		f->status = m.allow == NULL ? ST_NOT_FOUND : ST_INVALID_ARGUMENT;
		f->message = m.allow == NULL
		                 ? "api.endpoint: there is no such resource"
		                 : arena_printf(a, "api.method: the resource has %s", m.allow);
		return false;
	}
	if (!query_parse(a, arena_strndup(a, query.p, query.n), &params, &o->n_params, f) ||
	    !contract_query(a, m.route, params, o->n_params, f))
		return false;
	o->route = m.route;
	o->id = m.id;
	o->params = params;
	o->operation_id = ""; /* what it creates is named by meta: it knows for whom */
	if (api->data.len == 0)
		return true;
	o->text = (struct str){ (const char *)api->data.data, api->data.len };
	if ((o->body = json_read(api->data.data, api->data.len, &e)) == NULL) {
		failure_violation(a, f, "/api/data", "is no JSON: %s", arena_strdup(a, e.what));
		return false;
	}
	call_own_json(c, (json_t *)o->body);
	return true;
}

/* "json" is what the domains speak: the merged result must be one text of it, and that is the
 * representation. */
static void
format(struct call *c, const Mf__ApiWork *q)
{
	Mf__ApiOutcome out = MF__API_OUTCOME__INIT;
	struct json_error e;
	json_t *v;

	if (q->result.len != 0) {
		if ((v = json_read(q->result.data, q->result.len, &e)) == NULL) {
			log_error("result_is_no_json", L_STR("what", e.what));
			call_fail(c, ST_INTERNAL, "the result of the other domains is no JSON");
			return;
		}
		json_decref(v);
	}
	out.result = q->result;
	call_reply(c, &out.base);
}
