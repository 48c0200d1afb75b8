/* gqlmeta: see gqlmeta.h. */
#include "harness/gqlmeta.h"
#include "harness/unserved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/graphql/graphql.h"
#include "api/ops/ops.h"

struct gqlmeta gqlmeta;
struct gqlgot gqlgot;

/* --- Meta --- */

static void
note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(
	    gqlmeta.log + strlen(gqlmeta.log), sizeof(gqlmeta.log) - strlen(gqlmeta.log), fmt, ap);
	va_end(ap);
}

static void
answer(struct call *c, Mf__TaskResponse *m, const char *result)
{
	static Mf__Principal who = MF__PRINCIPAL__INIT;

	who.id = (char *)"u1";
	m->principal = &who;
	m->success = true;
	m->result = (ProtobufCBinaryData){ strlen(result), (uint8_t *)result };
	call_reply(c, &m->base);
}

static void
refuse(struct call *c, Mf__TaskResponse *m, enum status s, const char *reason)
{
	Mf__Problem p = MF__PROBLEM__INIT;

	p.code = (uint32_t)s;
	p.reason = (char *)reason;
	p.message = (char *)"because";
	m->status = (uint32_t)s;
	m->problem = &p;
	call_reply(c, &m->base);
}

static const char *
task_json(struct call *c, const char *id)
{
	char *payload = arena_zalloc(call_arena(c), gqlmeta.payload + 1);

	memset(payload, 'x', gqlmeta.payload);
	return arena_printf(call_arena(c),
	    "{\"id\":\"%s\",\"namespace\":\"default\",\"title\":\"t%c\",\"description\":null,"
	    "\"type\":"
	    "\"manual\",\"priority\":\"HIGH\",\"state\":\"QUEUED\",\"labels\":{\"a\":\"b\"},"
	    "\"payload\":"
	    "\"%s\",\"created_by\":\"%s\",\"version\":3,\"created_at\":\"2026-01-02T03:04:05Z\","
	    "\"updated_at\":\"2026-01-02T03:04:05Z\"}",
	    id, id[35], payload, gqlmeta.by_users ? id : "u1");
}

static const char *
member_json(struct call *c, const char *model, const char *id)
{
	if (strcmp(model, "task") == 0)
		return task_json(c, id);
	return arena_printf(call_arena(c),
	    "{\"id\":\"%s\",\"username\":\"u%c\",\"roles\":[\"viewer\",\"gone\",\"clerk\"],"
	    "\"disabled\":"
	    "false,\"permissions\":[\"task.*\"],\"inherits\":[],\"version\":2,\"created_at\":"
	    "\"2026-01-02T03:04:05Z\",\"updated_at\":\"2026-01-02T03:04:05Z\"}",
	    id, id[strlen(id) - 1]);
}

static bool
is_task(const Mf__DatabaseRequirement *q)
{
	return strcmp(q->model, "task") == 0;
}

/* ID3 is nobody's, nor is the role "gone". */
static void
list(struct call *c, Mf__TaskResponse *m, const Mf__DatabaseRequirement *q)
{
	struct arena *a = call_arena(c);
	size_t n = 0, from = q->cursor[0] == '\0' ? 0 : strtoul(q->cursor + 1, NULL, 10), i = 0;
	const char *items = "", *cursors = "", *ids = ID2 "," ID;
	bool more = false;
	struct str rest, one;

	note("query %s%s%u %s%s", is_task(q) ? "" : q->model, is_task(q) ? "" : " ", q->limit,
	    q->cursor, q->cursors ? " cursors" : "");
	for (size_t k = 0; k < q->n_filters; k++) {
		note(" %s=%s", q->filters[k]->key, q->filters[k]->value);
		if (strcmp(q->filters[k]->key, "id") == 0)
			ids = q->filters[k]->value;
	}
	note("\n");
	for (rest = str_of(ids); rest.n != 0; i++) {
		str_cut(rest, ',', &one, &rest);
		if (i < from || str_eq(one, ID3) || str_eq(one, "gone"))
			continue;
		if (gqlmeta.page != 0 && n == gqlmeta.page) {
			more = true;
			break;
		}
		items = arena_printf(a, "%s%s%s", items, n == 0 ? "" : ",",
		    member_json(c, q->model, arena_strndup(a, one.p, one.n)));
		cursors = arena_printf(a, "%s%s\"c%zu\"", cursors, n++ == 0 ? "" : ",", i + 1);
	}
	answer(c, m,
	    arena_printf(a, "{\"items\":[%s],\"cursors\":[%s],\"next_cursor\":%s}", items, cursors,
		more ? arena_printf(a, "\"c%zu\"", i) : "null"));
}

static void
store(struct call *c, Mf__TaskResponse *m, const Mf__DatabaseRequirement *q)
{
	struct arena *a = call_arena(c);

	if (strcmp(q->operation, "query") == 0) {
		list(c, m, q);
		return;
	}
	note("%s%s%s %s v%llu %.*s by %s\n", q->operation, is_task(q) ? "" : " ",
	    is_task(q) ? "" : q->model, q->id, (unsigned long long)q->if_version, (int)q->data.len,
	    (const char *)q->data.data, call_operation_id(c));
	if (strcmp(q->id, ID3) == 0)
		refuse(c, m, ST_NOT_FOUND, "");
	else if (q->if_version == 9)
		refuse(c, m, ST_ABORTED, "VERSION_CONFLICT");
	else if (strcmp(q->operation, "bulk_create") == 0)
		answer(c, m,
		    arena_printf(a,
			"{\"items\":[{\"data\":%s,\"version\":1},{\"problem\":{\"code\":\"INVALID_"
			"ARGUMENT\","
			"\"message\":\"no\",\"reason\":\"VALIDATION\",\"violations\":[{\"field\":"
			"\"/1/title\","
			"\"description\":\"is too long\"}]}}]}",
			task_json(c, ID)));
	else
		answer(c, m,
		    strcmp(q->operation, "delete") == 0 ? "" : member_json(c, q->model, q->id));
}

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	Mf__TaskResponse m = MF__TASK_RESPONSE__INIT;

	(void)s, (void)reply;
	gqlmeta.calls++;
	if (gqlmeta.down) {
		call_fail_because(ctx, ST_UNAVAILABLE, "BREAKER_OPEN", 700, "not now");
	} else if (q->database != NULL) {
		store(ctx, &m, q->database);
	} else if (q->meta != NULL) {
		note("%s %s %.*s\n", q->meta->operation, q->meta->node, (int)q->meta->data.len,
		    (const char *)q->meta->data.data);
		answer(ctx, &m,
		    "{\"nodes\":[{\"name\":\"sql\",\"level\":2,\"state\":\"READY\",\"rss\":"
		    "5000000000}],"
		    "\"apart\":[],\"mode\":\"normal\",\"status\":\"ok\",\"domains\":{\"api\":"
		    "\"up\","
		    "\"auth\":\"down\"},\"node\":\"sql\",\"generation\":2,\"pid\":7,\"took_ms\":5,"
		    "\"state\":\"READY\",\"faults\":\"\",\"level\":\"warn\"}");
	} else {
		note("auth %s %s %.*s\n", q->auth->operation, q->auth->credential,
		    (int)q->auth->data.len, (const char *)q->auth->data.data);
		answer(ctx, &m,
		    q->auth->operation[0] == '\0'
			? "{\"id\":\"u1\",\"name\":\"ann\",\"roles\":[\"user\"],\"permissions\":[]}"
			: "{\"access_token\":\"A\",\"refresh_token\":\"R\",\"expires_in\":3600,"
			  "\"token_type\":\"Bearer\"}");
	}
}

static void
meta_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not asked for here");
}

UNSERVED(meta_heartbeat, Meta, Beat, BeatAnswer)
UNSERVED(meta_mode, Meta, Empty, FleetMode)
UNSERVED(meta_take_traces, Meta, TraceBatch, Empty)

/* --- a client --- */

struct asked {
	struct call *c;
	struct rpc *rpc;
};

static void
on_handled(const Mf__HttpResponse *m, void *ctx)
{
	struct asked *q = ctx;

	if (m == NULL) {
		call_fail_with(q->c, rpc_failure(q->rpc));
		return;
	}
	gqlgot.status = (int)m->status;
	assert_true(m->body.len < sizeof(gqlgot.body));
	snprintf(
	    gqlgot.body, sizeof(gqlgot.body), "%.*s", (int)m->body.len, (const char *)m->body.data);
	snprintf(gqlgot.principal, sizeof(gqlgot.principal), "%s",
	    m->principal == NULL ? "-" : m->principal->id);
	for (size_t i = 0; i < m->n_headers; i++)
		snprintf(gqlgot.headers + strlen(gqlgot.headers),
		    sizeof(gqlgot.headers) - strlen(gqlgot.headers), "%s: %s\n", m->headers[i]->key,
		    m->headers[i]->value);
	call_reply(q->c, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)ctx;
	assert_null(end->failure);
	gqlgot.done = true;
}

bool
gqlmeta_done(void *ctx)
{
	(void)ctx;
	return gqlgot.done;
}

struct call *
gqlmeta_root(void)
{
	memset(&gqlgot, 0, sizeof(gqlgot));
	return call_root(bed.bus,
	    &(const struct call_opts){ .limit_us = 2 * SEC, .done = on_end, .operation_id = ID });
}

void
gqlmeta_http(const char *method, const char *query, const char *body, const char *const *headers)
{
	static const char *const members[] = { "graphql", NULL };
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	struct call *c = gqlmeta_root();
	struct asked *a = ARENA_NEW(call_arena(c), struct asked);
	Mf__KeyValue kv[4], *list_of[4];

	a->c = c;
	a->rpc = rpc_new(c,
	    target_new(bed.bus,
		&(const struct target_def){ &mf__graphql__descriptor, members, { .failures = 3 } }),
	    NULL);
	q.method = (char *)method, q.path = (char *)"/graphql", q.query = (char *)query;
	q.operation_id = (char *)ID;
	q.want_principal = true;
	q.body = (ProtobufCBinaryData){ strlen(body), (uint8_t *)body };
	q.headers = list_of;
	for (; headers != NULL && headers[2 * q.n_headers] != NULL; q.n_headers++) {
		mf__key_value__init(&kv[q.n_headers]);
		kv[q.n_headers].key = (char *)headers[2 * q.n_headers];
		kv[q.n_headers].value = (char *)headers[2 * q.n_headers + 1];
		list_of[q.n_headers] = &kv[q.n_headers];
	}
	mf__graphql__handle(&a->rpc->service, &q, on_handled, a);
	loop_run_until(bed.loop, gqlmeta_done, NULL, 3 * SEC);
	assert_true(gqlgot.done);
}

void
gqlmeta_run(const char *document, const char *variables)
{
	static char body[512 << 10];

	gqlmeta.calls = 0;
	gqlmeta.log[0] = '\0';
	snprintf(body, sizeof(body), "{\"query\":\"%s\",\"variables\":%s}", document, variables);
	gqlmeta_http("POST", "", body, H(JSON_BODY, NEWER, "authorization", "Bearer tok"));
}

int
gqlmeta_start(void **state)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static struct serve metas[] = { { NULL, PRIMARY }, { NULL, 0 } },
			    graphqls[] = { { NULL, PRIMARY }, { NULL, 0 } };

	if (bed_start(state) != 0)
		return -1;
	memset(&gqlmeta, 0, sizeof(gqlmeta));
	metas[0].service = &service.base;
	graphqls[0].service = &graphql_service.base;
	bus_loopback(bed.bus, "meta", metas);
	bus_loopback(bed.bus, "graphql", graphqls);
	ops_init(bed.bus);
	pass(5 * MS); /* its subscription has begun */
	return 0;
}
