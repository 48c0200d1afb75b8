/* gql_agent: whole requests of /graphql against a Meta on loop-back that keeps a few tasks: what is
 * asked of it, how often, and what HTTP makes of the answer. */
#include <stdio.h>
#include <string.h>
#include "api/graphql/files.h"
#include "api/graphql/http.h"
#include "api/graphql/serving.h"
#include "api/ops/ops.h"
#include "base/time.h"
#include "harness/busbed.h"

#define ID  "0199f0c0-1234-7abc-8def-0123456789ab"
#define ID2 "0199f0c0-1234-7abc-8def-0123456789ac"
#define ID3 "0199f0c0-1234-7abc-8def-0123456789ad"

static struct {
	unsigned calls;
	char log[8192]; /* what was asked, one line each */
	size_t page;    /* items of one answer; 0: all */
	bool down;
	size_t payload; /* bytes of each task's */
} meta;

static struct {
	bool done;
	int status;
	char headers[1024];
	char body[65536];
	char principal[64];
} got;

/* --- Meta --- */

static void
note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(meta.log + strlen(meta.log), sizeof(meta.log) - strlen(meta.log), fmt, ap);
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
	char *payload = arena_zalloc(call_arena(c), meta.payload + 1);

	memset(payload, 'x', meta.payload);
	return arena_printf(call_arena(c),
	    "{\"id\":\"%s\",\"namespace\":\"default\",\"title\":\"t%c\",\"description\":null,"
	    "\"type\":"
	    "\"manual\",\"priority\":\"HIGH\",\"state\":\"QUEUED\",\"labels\":{\"a\":\"b\"},"
	    "\"payload\":"
	    "\"%s\",\"created_by\":\"u1\",\"version\":3,\"created_at\":\"2026-01-02T03:04:05Z\","
	    "\"updated_at\":\"2026-01-02T03:04:05Z\"}",
	    id, id[35], payload);
}

/* ID3 is nobody's. */
static void
list(struct call *c, Mf__TaskResponse *m, const Mf__DatabaseRequirement *q)
{
	struct arena *a = call_arena(c);
	size_t n = 0, from = q->cursor[0] == '\0' ? 0 : strtoul(q->cursor + 1, NULL, 10), i = 0;
	const char *items = "", *cursors = "", *ids = ID2 "," ID;
	bool more = false;
	struct str rest, one;

	note("query %u %s%s", q->limit, q->cursor, q->cursors ? " cursors" : "");
	for (size_t k = 0; k < q->n_filters; k++) {
		note(" %s=%s", q->filters[k]->key, q->filters[k]->value);
		if (strcmp(q->filters[k]->key, "id") == 0)
			ids = q->filters[k]->value;
	}
	note("\n");
	for (rest = str_of(ids); rest.n != 0; i++) {
		str_cut(rest, ',', &one, &rest);
		if (i < from || str_eq(one, ID3))
			continue;
		if (meta.page != 0 && n == meta.page) {
			more = true;
			break;
		}
		items = arena_printf(a, "%s%s%s", items, n == 0 ? "" : ",",
		    task_json(c, arena_strndup(a, one.p, one.n)));
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
	note("%s %s v%llu %.*s by %s\n", q->operation, q->id, (unsigned long long)q->if_version,
	    (int)q->data.len, (const char *)q->data.data, call_operation_id(c));
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
		answer(c, m, strcmp(q->operation, "delete") == 0 ? "" : task_json(c, q->id));
}

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	Mf__TaskResponse m = MF__TASK_RESPONSE__INIT;

	(void)s, (void)reply;
	meta.calls++;
	if (meta.down) {
		call_fail_because(ctx, ST_UNAVAILABLE, "BREAKER_OPEN", 700, "not now");
	} else if (q->database != NULL) {
		store(ctx, &m, q->database);
	} else if (q->meta != NULL) {
		note("%s %s\n", q->meta->operation, q->meta->node);
		answer(ctx, &m,
		    "{\"nodes\":[{\"name\":\"sql\",\"level\":2,\"state\":\"READY\",\"rss\":"
		    "5000000000}],"
		    "\"apart\":[],\"mode\":\"normal\",\"status\":\"ok\",\"domains\":{\"api\":"
		    "\"up\","
		    "\"auth\":\"down\"},\"node\":\"sql\",\"generation\":2,\"pid\":7,\"took_ms\":5,"
		    "\"state\":\"READY\"}");
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

static void
meta_heartbeat(Mf__Meta_Service *s, const Mf__Beat *q, Mf__BeatAnswer_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not asked for here");
}

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
	got.status = (int)m->status;
	assert_true(m->body.len < sizeof(got.body));
	snprintf(got.body, sizeof(got.body), "%.*s", (int)m->body.len, (const char *)m->body.data);
	snprintf(got.principal, sizeof(got.principal), "%s",
	    m->principal == NULL ? "-" : m->principal->id);
	for (size_t i = 0; i < m->n_headers; i++)
		snprintf(got.headers + strlen(got.headers),
		    sizeof(got.headers) - strlen(got.headers), "%s: %s\n", m->headers[i]->key,
		    m->headers[i]->value);
	call_reply(q->c, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)ctx;
	assert_null(end->failure);
	got.done = true;
}

static bool
is_done(void *ctx)
{
	(void)ctx;
	return got.done;
}

static struct call *
root(void)
{
	memset(&got, 0, sizeof(got));
	return call_root(bed.bus,
	    &(const struct call_opts){ .limit_us = 2 * SEC, .done = on_end, .operation_id = ID });
}

/* headers: name, value, ... NULL */
static void
http(const char *method, const char *query, const char *body, const char *const *headers)
{
	static const char *const members[] = { "graphql", NULL };
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	struct call *c = root();
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
	loop_run_until(bed.loop, is_done, NULL, 3 * SEC);
	assert_true(got.done);
}

#define H(...)              ((const char *const[]){ __VA_ARGS__, NULL })
#define JSON_BODY           "content-type", "application/json"
#define NEWER               "accept", "application/graphql-response+json"
#define assert_header(line) assert_non_null(strstr(got.headers, line "\n"))

/* A document without quotes in it, or with them escaped; what was asked of Meta begins anew. */
static void
run(const char *document, const char *variables)
{
	static char body[32768];

	meta.calls = 0;
	meta.log[0] = '\0';
	snprintf(body, sizeof(body), "{\"query\":\"%s\",\"variables\":%s}", document, variables);
	http("POST", "", body, H(JSON_BODY, NEWER, "authorization", "Bearer tok"));
}

static void
one_task_is_one_read(void **unused)
{
	(void)unused;
	run("{task(id:\\\"" ID
	    "\\\"){id taskId title labels payload version createdAt description}}",
	    "null");
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body,
	    "{\"data\":{\"task\":{\"id\":\"VGFzazowMTk5ZjBjMC0xMjM0LTdhYmMtOGRlZi0wMTIzNDU2Nzg5YWI="
	    "\","
	    "\"taskId\":\"" ID
	    "\",\"title\":\"tb\",\"labels\":{\"a\":\"b\"},\"payload\":\"\",\"version\":"
	    "3,\"createdAt\":\"2026-01-02T03:04:05Z\",\"description\":null}}}");
	assert_string_equal(meta.log, "read " ID " v0  by " ID "\n");
	assert_string_equal(got.principal, "u1");
}

static void
many_tasks_are_one_read_wherever_they_are_asked_for(void **unused)
{
	(void)unused;
	run("query($n:[ID!]!){a:task(id:\\\"" ID "\\\"){title} b:task(id:\\\"" ID2
	    "\\\"){title} c:task(id:\\\"" ID
	    "\\\"){title} nodes(ids:$n){...on Task{title}} x:task(id:"
	    "\\\"nothing\\\"){title}}",
	    "{\"n\":[\"VGFzazowMTk5ZjBjMC0xMjM0LTdhYmMtOGRlZi0wMTIzNDU2Nzg5YWM=\",\"" ID
	    "\",\"\"]}");
	assert_string_equal(got.body,
	    "{\"data\":{\"a\":{\"title\":\"tb\"},\"b\":{\"title\":\"tc\"},\"c\":{\"title\":\"tb\"},"
	    "\"nodes\":[{\"title\":\"tc\"},null,null],\"x\":null}}");
	assert_string_equal(meta.log, "query 2  id=" ID "," ID2 "\n");
}

static void
what_does_not_fit_on_a_page_is_read_on(void **unused)
{
	(void)unused;
	meta.page = 1;
	run("{a:task(id:\\\"" ID "\\\"){title} b:task(id:\\\"" ID2 "\\\"){title} c:task(id:\\\"" ID3
	    "\\\"){title}}",
	    "null");
	assert_string_equal(
	    got.body, "{\"data\":{\"a\":{\"title\":\"tb\"},\"b\":{\"title\":\"tc\"},\"c\":null}}");
	assert_string_equal(
	    meta.log, "query 3  id=" ID "," ID2 "," ID3 "\nquery 3 c1 id=" ID "," ID2 "," ID3 "\n");
}

static void
nodes_of_the_fleet_are_one_look_beside_the_tasks(void **unused)
{
	(void)unused;
	run("{a:node(id:\\\"RmxlZXROb2RlOnNxbA==\\\"){id ...on FleetNode{rss}} "
	    "b:node(id:\\\"RmxlZXROb2RlOmdvbmU=\\\"){id} task(id:\\\"" ID "\\\"){title}}",
	    "null");
	assert_string_equal(got.body, "{\"data\":{\"a\":{\"id\":\"RmxlZXROb2RlOnNxbA==\",\"rss\":"
				      "5000000000},\"b\":null,\"task\":"
				      "{\"title\":\"tb\"}}}");
	assert_string_equal(meta.log, "read " ID " v0  by " ID "\nfleet \n");
}

static void
what_can_not_be_read_fails_each_field_that_wanted_it(void **unused)
{
	(void)unused;
	meta.down = true;
	run("{a:task(id:\\\"" ID "\\\"){title} health{status}}", "null");
	assert_int_equal(got.status, 294);
	assert_non_null(
	    strstr(got.body, "\"path\":[\"a\"],\"extensions\":{\"code\":\"UNAVAILABLE\","
			     "\"reason\":\"BREAKER_OPEN\",\"retry_after_ms\":700,"));
	assert_non_null(strstr(got.body, "\"data\":{\"a\":null,\"health\":null}}"));
}

static void
a_connection_has_edges_cursors_and_pages(void **unused)
{
	(void)unused;
	run("{tasks(first:5,filter:{state:QUEUED,priority:LOW,type:\\\"x\\\",labels:[\\\"a\\\","
	    "\\\"b=c"
	    "\\\"],createdBy:\\\"me\\\"}){edges{cursor node{title}} nodes{title} "
	    "pageInfo{hasNextPage "
	    "hasPreviousPage startCursor endCursor}}}",
	    "null");
	assert_string_equal(got.body,
	    "{\"data\":{\"tasks\":{\"edges\":[{\"cursor\":\"c1\",\"node\":{\"title\":\"tc\"}},{"
	    "\"cursor\":"
	    "\"c2\",\"node\":{\"title\":\"tb\"}}],\"nodes\":[{\"title\":\"tc\"},{\"title\":\"tb\"}]"
	    ","
	    "\"pageInfo\":{\"hasNextPage\":false,\"hasPreviousPage\":false,\"startCursor\":\"c1\","
	    "\"endCursor\":\"c2\"}}}}");
	assert_string_equal(meta.log,
	    "query 5  cursors state=QUEUED priority=LOW type=x created_by=me label=a label=b=c\n");
	meta.page = 1;
	run("{tasks(first:1,after:\\\"c1\\\"){nodes{title}}}", "null");
	assert_string_equal(got.body, "{\"data\":{\"tasks\":{\"nodes\":[{\"title\":\"tb\"}]}}}");
	assert_string_equal(meta.log, "query 1 c1\n");
	run("{tasks{pageInfo{hasNextPage hasPreviousPage}}}", "null");
	assert_string_equal(got.body, "{\"data\":{\"tasks\":{\"pageInfo\":{\"hasNextPage\":true,"
				      "\"hasPreviousPage\":false}}}}");
}

static void
a_page_size_out_of_bounds_is_refused_here(void **unused)
{
	static const char *const bad[] = { "0", "-1", "1001", NULL };

	(void)unused;
	for (const char *const *b = bad; *b != NULL; b++) {
		char document[64];

		snprintf(document, sizeof(document), "{tasks(first:%s){nodes{id}}}", *b);
		run(document, "null");
		assert_int_equal(meta.calls, 0);
		assert_non_null(strstr(got.body, "\"reason\":\"VALIDATION\""));
		assert_non_null(
		    strstr(got.body, "\"errors\":[{\"parameter\":\"first\",\"detail\":\"must "
				     "be 1 to 1000\"}]"));
	}
}

static void
each_mutation_has_an_id_of_its_own_and_the_first_that_of_the_request(void **unused)
{
	char first[sizeof(meta.log)];

	(void)unused;
	run("mutation{a:createTask(input:{title:\\\"x\\\"}){taskId} "
	    "b:createTask(input:{title:\\\"y\\\","
	    "description:null,labels:{k:\\\"v\\\"}}){taskId} updateTask(id:\\\"" ID2
	    "\\\",patch:{title:\\\"z\\\",payload:null},ifVersion:4){title} deleteTask(id:\\\"" ID2
	    "\\\")}",
	    "null");
	assert_int_equal(got.status, 200);
	snprintf(first, sizeof(first), "%s", meta.log);
	assert_non_null(strstr(first, "create " ID " v0 {\"title\":\"x\"} by " ID "\n"));
	assert_non_null(strstr(
	    first, " v0 {\"title\":\"y\",\"description\":null,\"labels\":{\"k\":\"v\"}} by "));
	assert_non_null(strstr(first, "update " ID2 " v4 {\"title\":\"z\",\"payload\":null} by "));
	assert_non_null(strstr(first, "delete " ID2 " v0  by "));
	for (const char *at = first, *end; (at = strstr(at, " by ")) != NULL; at = end) {
		char one[64];

		end = strchr(at, '\n');
		snprintf(one, sizeof(one), "%.*s", (int)(end - at), at);
		assert_ptr_equal(strstr(first, one), at); /* none twice */
	}
	/* The same request, answered by a stand-in, has the same ids. */
	run("mutation{a:createTask(input:{title:\\\"x\\\"}){taskId} "
	    "b:createTask(input:{title:\\\"y\\\","
	    "description:null,labels:{k:\\\"v\\\"}}){taskId} updateTask(id:\\\"" ID2
	    "\\\",patch:{title:\\\"z\\\",payload:null},ifVersion:4){title} deleteTask(id:\\\"" ID2
	    "\\\")}",
	    "null");
	assert_string_equal(meta.log, first);
}

static void
mutations_fail_as_in_rest(void **unused)
{
	(void)unused;
	run("mutation{a:updateTask(id:\\\"" ID
	    "\\\",patch:{},ifVersion:9){id} b:deleteTask(id:\\\"" ID3
	    "\\\") c:updateTask(id:\\\"no/id\\\",patch:{}){id}}",
	    "null");
	assert_int_equal(got.status, 294);
	assert_non_null(strstr(got.body, "{\"code\":\"ABORTED\",\"reason\":\"VERSION_CONFLICT\""));
	assert_non_null(
	    strstr(got.body, "\"path\":[\"b\"],\"extensions\":{\"code\":\"NOT_FOUND\""));
	assert_non_null(
	    strstr(got.body, "\"path\":[\"c\"],\"extensions\":{\"code\":\"NOT_FOUND\""));
	assert_non_null(strstr(got.body, "\"data\":{\"a\":null,\"b\":null,\"c\":null}}"));
	assert_int_equal(meta.calls, 2);
}

static void
a_bulk_create_answers_for_each_member(void **unused)
{
	(void)unused;
	run("mutation{createTasks(input:[{title:\\\"x\\\"},{title:\\\"y\\\"}]){status task{title} "
	    "error{code reason errors{pointer detail}}}}",
	    "null");
	assert_string_equal(got.body,
	    "{\"data\":{\"createTasks\":[{\"status\":201,\"task\":{\"title\":\"tb\"},\"error\":"
	    "null},"
	    "{\"status\":422,\"task\":null,\"error\":{\"code\":\"INVALID_ARGUMENT\",\"reason\":"
	    "\"VALIDATION\",\"errors\":[{\"pointer\":\"#/input/1/title\",\"detail\":\"is too "
	    "long\"}]}}]}}");
}

static void
accounts_fleet_health_and_viewer_are_those_of_rest(void **unused)
{
	(void)unused;
	run("mutation{login(username:\\\"a\\\",password:\\\"p\\\"){accessToken refreshToken "
	    "expiresIn "
	    "tokenType} refresh(refreshToken:\\\"r\\\"){accessToken} "
	    "logout(refreshToken:\\\"r\\\") "
	    "restartNode(name:\\\"sql\\\"){node state generation pid tookMs}}",
	    "null");
	assert_string_equal(got.body,
	    "{\"data\":{\"login\":{\"accessToken\":\"A\",\"refreshToken\":\"R\",\"expiresIn\":3600,"
	    "\"tokenType\":\"Bearer\"},\"refresh\":{\"accessToken\":\"A\"},\"logout\":true,"
	    "\"restartNode\":{\"node\":\"sql\",\"state\":\"READY\",\"generation\":2,\"pid\":7,"
	    "\"tookMs\":"
	    "5}}}");
	assert_string_equal(meta.log,
	    "auth login tok {\"username\":\"a\",\"password\":\"p\"}\nauth refresh tok "
	    "{\"refresh_token\":\"r\"}\nauth logout tok {\"refresh_token\":\"r\"}\nrestart sql\n");
	run("mutation{login(username:\\\"a\\\",password:\\\"p\\\"){accessToken}}", "null");
	assert_string_equal(got.principal, "-"); /* that one is not the request's own */
	run("{fleet{mode nodes{name}} health{status domains{name up}} viewer{userId name roles}}",
	    "null");
	assert_string_equal(got.body,
	    "{\"data\":{\"fleet\":{\"mode\":\"NORMAL\",\"nodes\":[{\"name\":\"sql\"}]},\"health\":"
	    "{\"status\":\"OK\",\"domains\":[{\"name\":\"api\",\"up\":true},{\"name\":\"auth\","
	    "\"up\":"
	    "false}]},\"viewer\":{\"userId\":\"u1\",\"name\":\"ann\",\"roles\":[\"user\"]}}}");
}

static void
statuses_are_those_of_the_edition_in_the_newer_type(void **unused)
{
	static const struct {
		const char *body;
		int newer, older;
	} all[] = {
		{ "{\"query\":\"{__typename}\"}", 200, 200 },
		{ "{\"query\":\"{tasks(first:0){nodes{id}}}\"}", 294, 200 },
		{ "{\"query\":\"{\"}", 400, 200 },
		{ "{\"query\":\"{nope}\"}", 422, 200 },
		{ "{\"query\":\"query A{__typename} query B{__typename}\"}", 422, 200 },
		{ "{\"query\":\"{__typename}\",\"operationName\":\"X\"}", 422, 200 },
		{ "{\"query\":\"query($i:ID!){task(id:$i){id}}\"}", 422, 200 },
		{ "{\"query\":\"query($i:ID!){task(id:$i){id}}\",\"variables\":{\"i\":{}}}", 422,
		    200 },
		{ "{\"query\":\"subscription{fleetEvents{name}}\"}", 422, 200 },
		{ "{\"documentId\":\"sha256:00\"}", 404, 200 },
		{ "{\"query\":7}", 400, 400 },
		{ "{\"qeury\":\"{__typename}\"}", 400, 400 },
		{ "{\"query\":\"{__typename}\",\"variables\":[]}", 400, 400 },
		{ "[]", 400, 400 },
		{ "{", 400, 400 },
		{ "", 400, 400 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		http("POST", "", all[i].body, H(JSON_BODY, NEWER));
		if (got.status != all[i].newer)
			print_error("%s: %d\n", all[i].body, got.status);
		assert_int_equal(got.status, all[i].newer);
		assert_header("Content-Type: application/graphql-response+json; charset=utf-8");
		http("POST", "", all[i].body, H(JSON_BODY, "accept", "application/json"));
		assert_int_equal(got.status, all[i].older);
		assert_header("Content-Type: application/json; charset=utf-8");
		assert_header("Vary: Accept");
	}
}

static void
methods_types_and_credentials_are_held_to_theirs(void **unused)
{
	(void)unused;
	http("GET", "query=%7B%0A__typename%7D", "", NULL);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.body, "{\"data\":{\"__typename\":\"Query\"}}");
	http("HEAD", "query={__typename}", "", NULL);
	assert_int_equal(got.status, 200);
	http("GET",
	    "query=query($n:String!){__type(name:$n){name}}&variables=%7B%22n%22:%22Task%22%7D", "",
	    NULL);
	assert_string_equal(got.body, "{\"data\":{\"__type\":{\"name\":\"Task\"}}}");
	http("GET", "query=mutation{logout(refreshToken:%22x%22)}", "", H(NEWER));
	assert_int_equal(got.status, 405);
	assert_header("Allow: POST");
	assert_int_equal(meta.calls, 0);
	http("GET", "", "", NULL);
	assert_int_equal(got.status, 400);
	http("GET", "query=%zz", "", NULL);
	assert_int_equal(got.status, 400);
	http("GET", "query={__typename}&variables={", "", NULL);
	assert_int_equal(got.status, 400);
	http("PUT", "", "", NULL);
	assert_int_equal(got.status, 405);
	assert_header("Allow: GET, HEAD, POST, OPTIONS");
	http("OPTIONS", "", "", NULL);
	assert_int_equal(got.status, 204);
	http("POST", "", "{\"query\":\"{__typename}\"}", H("content-type", "text/plain"));
	assert_int_equal(got.status, 415);
	http("POST", "", "{\"query\":\"{__typename}\"}", NULL);
	assert_int_equal(got.status, 415);
	http("POST", "", "{\"query\":\"{__typename}\"}", H(JSON_BODY, "accept", "image/png"));
	assert_int_equal(got.status, 406);
	http("POST", "", "{\"query\":\"{__typename}\"}",
	    H(JSON_BODY, "authorization", "Basic eDp5"));
	assert_int_equal(got.status, 401);
	assert_header("WWW-Authenticate: Bearer realm=\"metafed\", error=\"invalid_token\"");
}

static void
browsers_get_a_page_that_needs_nothing_from_elsewhere(void **unused)
{
	char nonce[64], *at;

	(void)unused;
	http("GET", "", "", H("accept", "text/html,*/*;q=0.8"));
	assert_int_equal(got.status, 200);
	assert_header("Content-Type: text/html; charset=utf-8");
	at = strstr(got.headers, "script-src 'nonce-");
	assert_non_null(at);
	snprintf(
	    nonce, sizeof(nonce), "<script nonce=\"%.32s\">", at + strlen("script-src 'nonce-"));
	assert_non_null(strstr(got.body, nonce));
	assert_null(strstr(got.body, "NONCE"));
	assert_null(strstr(got.body, "//cdn"));
	assert_null(strstr(got.body, "https:"));
	assert_null(strstr(got.body, " onclick=\""));
	assert_null(strstr(got.body, " style=\""));
}

/* --- documents by name --- */

static struct gql_limits limits;

static bool
load(const char *dir, bool only, bool take, char *err)
{
	limits = gql_limits_default;
	return documents_load(
	    &(const struct documents_opts){
		.dir = dir, .only = only, .take = take, .limits = &limits },
	    err, 400);
}

#define SHA "sha256:"

static void
configured_documents_are_named_by_hash_or_file(void **unused)
{
	char err[400], body[200], id[80];
	const char *file = test_file("who.graphql", "query Who { __typename }");
	char dir[256];

	(void)unused;
	snprintf(dir, sizeof(dir), "%s", file);
	*strrchr(dir, '/') = '\0';
	assert_true(load(dir, false, false, err));
	http("POST", "", "{\"documentId\":\"who\"}", H(JSON_BODY, NEWER));
	assert_string_equal(got.body, "{\"data\":{\"__typename\":\"Query\"}}");
	snprintf(id, sizeof(id), SHA "%s",
	    "7a9f6c0a1b6a6a4a5f4e3d2c1b0a99887766554433221100ffeeddccbbaa9988");
	snprintf(body, sizeof(body), "documentId=%s", id);
	http("GET", body, "", H(NEWER));
	assert_int_equal(got.status, 404);
	assert_non_null(strstr(got.body, "PERSISTED_DOCUMENT_NOT_FOUND"));
	http("GET", "documentId=who&operationName=Who", "", H(NEWER));
	assert_int_equal(got.status, 200);
	assert_true(load(dir, true, false, err));
	http("POST", "", "{\"query\":\"{__typename}\"}", H(JSON_BODY, NEWER));
	assert_int_equal(got.status, 403);
	assert_non_null(strstr(got.body, "DOCUMENT_NOT_CONFIGURED"));
	test_file("bad.graphql", "{ nope }");
	assert_false(load(dir, true, false, err));
	assert_non_null(strstr(err, "bad.graphql: Cannot query field \"nope\""));
	http("POST", "", "{\"documentId\":\"who\"}", H(JSON_BODY, NEWER)); /* the old ones stay */
	assert_int_equal(got.status, 200);
	remove(test_file("bad.graphql", ""));
	assert_true(load("", false, false, err));
}

static void
documents_are_registered_with_their_hash_when_that_is_allowed(void **unused)
{
	static const char hash[] =
	    "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"; /* {__typename} */
	char err[400], with[300], wrong[300], without[300];

	(void)unused;
	snprintf(with, sizeof(with),
	    "{\"query\":\"{__typename}\",\"extensions\":{\"persistedQuery\":{\"version\":1,"
	    "\"sha256Hash\":\"%s\"}}}",
	    hash);
	snprintf(wrong, sizeof(wrong),
	    "{\"query\":\"{ __typename}\",\"extensions\":{\"persistedQuery\":{\"version\":1,"
	    "\"sha256Hash\":\"%s\"}}}",
	    hash);
	snprintf(without, sizeof(without),
	    "{\"extensions\":{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"%s\"}}}", hash);
	assert_true(load("", false, false, err));
	http("POST", "", with, H(JSON_BODY, NEWER));
	assert_int_equal(got.status, 200);
	http("POST", "", without, H(JSON_BODY, NEWER));
	assert_int_equal(got.status, 404); /* not kept: that is the default */
	assert_non_null(strstr(got.body, "\"message\":\"PersistedQueryNotFound\""));
	assert_true(load("", false, true, err));
	http("POST", "", wrong, H(JSON_BODY, NEWER));
	assert_int_equal(got.status, 400);
	assert_non_null(strstr(got.body, "PERSISTED_DOCUMENT_MISMATCH"));
	http("POST", "", without, H(JSON_BODY, NEWER));
	assert_int_equal(got.status, 404);
	http("POST", "", with, H(JSON_BODY, NEWER));
	http("POST", "", without, H(JSON_BODY, NEWER));
	assert_int_equal(got.status, 200);
	assert_true(load("", false, false, err));
}

/* --- limits --- */

static void
answers_that_are_too_large_say_so(void **unused)
{
	(void)unused;
	meta.payload = 600000;
	run("{a:task(id:\\\"" ID
	    "\\\"){p1:payload p2:payload p3:payload p4:payload p5:payload p6:payload "
	    "p7:payload p8:payload}}",
	    "null");
	assert_int_equal(got.status, 422);
	assert_non_null(
	    strstr(got.body, "\"code\":\"RESOURCE_EXHAUSTED\",\"reason\":\"TOO_LARGE\""));
	assert_null(strstr(got.body, "\"data\""));
}

static void
what_a_request_reads_is_bounded(void **unused)
{
	static char document[4096];
	size_t n = 0;

	(void)unused;
	meta.payload = 600000;
	n += (size_t)snprintf(document + n, sizeof(document) - n, "{");
	for (int i = 0; i < 20; i++)
		n += (size_t)snprintf(document + n, sizeof(document) - n,
		    "a%d:tasks(first:%d){nodes{title}}", i, i + 1);
	snprintf(document + n, sizeof(document) - n, "}");
	run(document, "null");
	assert_int_equal(got.status, 294);
	assert_non_null(strstr(got.body, "\"reason\":\"TOO_LARGE\""));
	assert_non_null(strstr(got.body, "\"data\":{\"a0\":{\"nodes\":[{\"title\":\"tc\"}"));
}

/* --- subscriptions --- */

static void
on_event(void *ctx, const struct graphql_answer *a)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	snprintf(got.body, sizeof(got.body), "%.*s", (int)a->n, a->json);
	call_reply(ctx, &nothing.base);
}

static void
an_event_becomes_the_answer_that_was_subscribed_for(void **unused)
{
	static const char text[] = "subscription($k:[TaskEventKind!]){taskEvents(filter:{kinds:$k,"
				   "type:\"x\"}){kind taskId "
				   "version at task{title}}}";
	struct arena *a = arena_new(1 << 20);
	struct json_error je;
	json_t *vars = json_read("{\"k\":[\"CREATED\"]}", 17, &je),
	       *event = json_pack("{s:s,s:s,s:s,s:i,s:s}", "position", "1", "kind", "task.created",
		   "task_id", ID, "version", 1, "at", "2026-01-02T03:04:05Z");
	struct graphql_ask q = { .query = text,
		.operation_name = "",
		.variables = vars,
		.credential = "tok",
		.client_address = "",
		.operation_id = ID };
	struct graphql_answer refused;
	struct graphql_subscription *s = graphql_subscribe(a, &q, &refused);
	char *args;

	(void)unused;
	assert_non_null(s);
	assert_string_equal(graphql_source(s), "taskEvents");
	args = json_dumps(graphql_source_args(s), JSON_COMPACT);
	assert_string_equal(args, "{\"filter\":{\"kinds\":[\"CREATED\"],\"type\":\"x\"}}");
	free(args);
	for (int i = 0; i < 2; i++) {
		struct call *c = root();

		graphql_event(c, s, event, on_event, c);
		loop_run_until(bed.loop, is_done, NULL, 3 * SEC);
		assert_string_equal(got.body,
		    "{\"data\":{\"taskEvents\":{\"kind\":\"CREATED\",\"taskId\":\"" ID
		    "\",\"version\":1,\"at\":\"2026-01-02T03:04:05Z\",\"task\":{\"title\":\"tb\"}}}"
		    "}");
	}
	graphql_unsubscribe(&s);
	q.query = "{__typename}";
	assert_null(graphql_subscribe(a, &q, &refused));
	assert_int_equal(refused.outcome, GRAPHQL_INVALID);
	assert_non_null(strstr(refused.json, "GRAPHQL_NOT_A_SUBSCRIPTION"));
	json_decref(vars);
	json_decref(event);
	arena_free(&a);
}

static void
the_schema_prints_as_its_file_is_written(void **unused)
{
	struct arena *a = arena_new(1 << 20);
	size_t n;

	(void)unused;
	assert_string_equal(
	    gql_schema_print(a, graphql_schema(), &n), graphql_file("schema.graphql").p);
	arena_free(&a);
}

static int
setup(void **state)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static struct serve metas[] = { { NULL, PRIMARY }, { NULL, 0 } },
			    graphqls[] = { { NULL, PRIMARY }, { NULL, 0 } };

	if (bed_start(state) != 0)
		return -1;
	memset(&meta, 0, sizeof(meta));
	metas[0].service = &service.base;
	graphqls[0].service = &graphql_service.base;
	bus_loopback(bed.bus, "meta", metas);
	bus_loopback(bed.bus, "graphql", graphqls);
	ops_init(bed.bus);
	return 0;
}

#define A(f) cmocka_unit_test_setup_teardown(f, setup, bed_stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		A(one_task_is_one_read),
		A(many_tasks_are_one_read_wherever_they_are_asked_for),
		A(what_does_not_fit_on_a_page_is_read_on),
		A(nodes_of_the_fleet_are_one_look_beside_the_tasks),
		A(what_can_not_be_read_fails_each_field_that_wanted_it),
		A(a_connection_has_edges_cursors_and_pages),
		A(a_page_size_out_of_bounds_is_refused_here),
		A(each_mutation_has_an_id_of_its_own_and_the_first_that_of_the_request),
		A(mutations_fail_as_in_rest),
		A(a_bulk_create_answers_for_each_member),
		A(accounts_fleet_health_and_viewer_are_those_of_rest),
		A(statuses_are_those_of_the_edition_in_the_newer_type),
		A(methods_types_and_credentials_are_held_to_theirs),
		A(browsers_get_a_page_that_needs_nothing_from_elsewhere),
		A(configured_documents_are_named_by_hash_or_file),
		A(documents_are_registered_with_their_hash_when_that_is_allowed),
		A(answers_that_are_too_large_say_so),
		A(what_a_request_reads_is_bounded),
		A(an_event_becomes_the_answer_that_was_subscribed_for),
		A(the_schema_prints_as_its_file_is_written),
	};

	return TEST_RUN(tests);
}
