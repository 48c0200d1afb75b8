/* gql_agent: what the fields of the schema ask of Meta, how often, and what they make of its answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/graphql/files.h"
#include "api/graphql/serving.h"
#include "harness/gqlmeta.h"

static void
one_task_is_one_read(void **unused)
{
	(void)unused;
	gqlmeta_run("{task(id:\\\"" ID
		    "\\\"){id taskId title labels payload version createdAt description}}",
	    "null");
	assert_int_equal(gqlgot.status, 200);
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"task\":{\"id\":\"VGFzazowMTk5ZjBjMC0xMjM0LTdhYmMtOGRlZi0wMTIzNDU2Nzg5YWI="
	    "\","
	    "\"taskId\":\"" ID
	    "\",\"title\":\"tb\",\"labels\":{\"a\":\"b\"},\"payload\":\"\",\"version\":"
	    "3,\"createdAt\":\"2026-01-02T03:04:05Z\",\"description\":null}}}");
	assert_string_equal(gqlmeta.log, "read " ID " v0  by " ID "\n");
	assert_string_equal(gqlgot.principal, "u1");
}

static void
many_tasks_are_one_read_wherever_they_are_asked_for(void **unused)
{
	(void)unused;
	gqlmeta_run("query($n:[ID!]!){a:task(id:\\\"" ID "\\\"){title} b:task(id:\\\"" ID2
		    "\\\"){title} c:task(id:\\\"" ID
		    "\\\"){title} nodes(ids:$n){...on Task{title}} x:task(id:"
		    "\\\"nothing\\\"){title}}",
	    "{\"n\":[\"VGFzazowMTk5ZjBjMC0xMjM0LTdhYmMtOGRlZi0wMTIzNDU2Nzg5YWM=\",\"" ID
	    "\",\"\"]}");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"a\":{\"title\":\"tb\"},\"b\":{\"title\":\"tc\"},\"c\":{\"title\":\"tb\"},"
	    "\"nodes\":[{\"title\":\"tc\"},null,null],\"x\":null}}");
	assert_string_equal(gqlmeta.log, "query 2  id=" ID "," ID2 "\n");
}

static void
what_does_not_fit_on_a_page_is_read_on(void **unused)
{
	(void)unused;
	gqlmeta.page = 1;
	gqlmeta_run("{a:task(id:\\\"" ID "\\\"){title} b:task(id:\\\"" ID2
		    "\\\"){title} c:task(id:\\\"" ID3 "\\\"){title}}",
	    "null");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"a\":{\"title\":\"tb\"},\"b\":{\"title\":\"tc\"},\"c\":null}}");
	assert_string_equal(gqlmeta.log,
	    "query 3  id=" ID "," ID2 "," ID3 "\nquery 3 c1 id=" ID "," ID2 "," ID3 "\n");
}

static void
nodes_of_the_fleet_are_one_look_beside_the_tasks(void **unused)
{
	(void)unused;
	gqlmeta_run("{a:node(id:\\\"RmxlZXROb2RlOnNxbA==\\\"){id ...on FleetNode{rss}} "
		    "b:node(id:\\\"RmxlZXROb2RlOmdvbmU=\\\"){id} task(id:\\\"" ID "\\\"){title}}",
	    "null");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"a\":{\"id\":\"RmxlZXROb2RlOnNxbA==\",\"rss\":"
	    "5000000000},\"b\":null,\"task\":"
	    "{\"title\":\"tb\"}}}");
	assert_string_equal(gqlmeta.log, "read " ID " v0  by " ID "\nfleet  \n");
}

static void
what_can_not_be_read_fails_each_field_that_wanted_it(void **unused)
{
	(void)unused;
	gqlmeta.down = true;
	gqlmeta_run("{a:task(id:\\\"" ID "\\\"){title} health{status}}", "null");
	assert_int_equal(gqlgot.status, 294);
	assert_non_null(
	    strstr(gqlgot.body, "\"path\":[\"a\"],\"extensions\":{\"code\":\"UNAVAILABLE\","
				"\"reason\":\"BREAKER_OPEN\",\"retry_after_ms\":700,"));
	assert_non_null(strstr(gqlgot.body, "\"data\":{\"a\":null,\"health\":null}}"));
}

static void
a_connection_has_edges_cursors_and_pages(void **unused)
{
	(void)unused;
	gqlmeta_run(
	    "{tasks(first:5,filter:{state:QUEUED,priority:LOW,type:\\\"x\\\",labels:[\\\"a\\\","
	    "\\\"b=c"
	    "\\\"],createdBy:\\\"me\\\"}){edges{cursor node{title}} nodes{title} "
	    "pageInfo{hasNextPage "
	    "hasPreviousPage startCursor endCursor}}}",
	    "null");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"tasks\":{\"edges\":[{\"cursor\":\"c1\",\"node\":{\"title\":\"tc\"}},{"
	    "\"cursor\":"
	    "\"c2\",\"node\":{\"title\":\"tb\"}}],\"nodes\":[{\"title\":\"tc\"},{\"title\":\"tb\"}]"
	    ","
	    "\"pageInfo\":{\"hasNextPage\":false,\"hasPreviousPage\":false,\"startCursor\":\"c1\","
	    "\"endCursor\":\"c2\"}}}}");
	assert_string_equal(gqlmeta.log,
	    "query 5  cursors state=QUEUED priority=LOW type=x label=a label=b=c created_by=me\n");
	gqlmeta.page = 1;
	gqlmeta_run("{tasks(first:1,after:\\\"c1\\\"){nodes{title}}}", "null");
	assert_string_equal(gqlgot.body, "{\"data\":{\"tasks\":{\"nodes\":[{\"title\":\"tb\"}]}}}");
	assert_string_equal(gqlmeta.log, "query 1 c1\n");
	gqlmeta_run("{tasks{pageInfo{hasNextPage hasPreviousPage}}}", "null");
	assert_string_equal(gqlgot.body, "{\"data\":{\"tasks\":{\"pageInfo\":{\"hasNextPage\":true,"
					 "\"hasPreviousPage\":false}}}}");
}

static void
tasks_their_creators_and_those_roles_are_one_read_each(void **unused)
{
	(void)unused;
	gqlmeta.by_users = true;
	gqlmeta_run("{tasks(first:5){nodes{title createdBy creator{userId username roles "
		    "roleDetails{name permissions}}}}}",
	    "null");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"tasks\":{\"nodes\":[{\"title\":\"tc\",\"createdBy\":\"" ID2
	    "\",\"creator\":{\"userId\":\"" ID2
	    "\",\"username\":\"uc\",\"roles\":[\"viewer\",\"gone\",\"clerk\"],"
	    "\"roleDetails\":[{\"name\":\"viewer\",\"permissions\":[\"task.*\"]},null,{\"name\":"
	    "\"clerk\",\"permissions\":[\"task.*\"]}]}},{\"title\":\"tb\",\"createdBy\":\"" ID
	    "\",\"creator\":{\"userId\":\"" ID
	    "\",\"username\":\"ub\",\"roles\":[\"viewer\",\"gone\",\"clerk\"],"
	    "\"roleDetails\":[{\"name\":\"viewer\",\"permissions\":[\"task.*\"]},null,{\"name\":"
	    "\"clerk\",\"permissions\":[\"task.*\"]}]}}]}}}");
	assert_string_equal(gqlmeta.log,
	    "query 5 \nquery user 2  id=" ID2 "," ID "\nquery role 3  id=viewer,gone,clerk\n");
	gqlmeta.by_users = false; /* nobody of that id can be */
	gqlmeta_run("{task(id:\\\"" ID "\\\"){createdBy creator{userId}}}", "null");
	assert_string_equal(
	    gqlgot.body, "{\"data\":{\"task\":{\"createdBy\":\"u1\",\"creator\":null}}}");
	assert_int_equal(gqlmeta.calls, 1);
}

static void
users_and_roles_are_found_and_listed_as_tasks_are(void **unused)
{
	(void)unused;
	gqlmeta_run(
	    "{user(id:\\\"" ID "\\\"){id username disabled} role(id:\\\"Clerk\\\"){id name} "
	    "users(first:2,filter:{username:\\\"x\\\",disabled:false,createdAfter:"
	    "\\\"2026-01-02T03:04:05Z\\\"},sort:[{by:USERNAME,direction:DESC}]){edges{cursor "
	    "node{username}}} roles(sort:[{by:UPDATED_AT}]){nodes{version}}}",
	    "null");
	assert_int_equal(gqlgot.status, 200);
	assert_non_null(
	    strstr(gqlgot.body, "\"role\":{\"id\":\"Um9sZTpDbGVyaw==\",\"name\":\"Clerk\"}"));
	assert_non_null(strstr(gqlgot.body, "{\"cursor\":\"c1\",\"node\":{\"username\":\"uc\"}}"));
	assert_non_null(strstr(gqlmeta.log, "read user " ID " v0"));
	assert_non_null(strstr(gqlmeta.log, "read role Clerk v0"));
	assert_non_null(strstr(gqlmeta.log, "query user 2  cursors username=x disabled=false "
					    "created_after=2026-01-02T03:04:05Z\n"));
	assert_non_null(strstr(gqlmeta.log, "query role 100 \n"));
}

static void
twenty_thousand_orders_cost_no_more_memory_than_a_few(void **unused)
{
	static char variables[400 << 10];
	size_t n = 0;

	(void)unused;
	n += (size_t)snprintf(variables, sizeof(variables), "{\"s\":[{\"by\":\"STATE\"}");
	for (int i = 0; i < 20000; i++)
		n += (size_t)snprintf(variables + n, sizeof(variables) - n, ",{\"by\":\"STATE\"}");
	assert_true(n + 3 < sizeof(variables));
	strcpy(variables + n, "]}");
	gqlmeta_run("query($s:[TaskOrder!]){tasks(first:1,sort:$s){nodes{id}}}", variables);
	assert_int_equal(gqlmeta.calls, 1);
}

static void
users_and_roles_are_changed_as_tasks_are(void **unused)
{
	(void)unused;
	gqlmeta_run(
	    "mutation{a:createUser(input:{username:\\\"ann\\\",password:\\\"long enough\\\",roles:["
	    "\\\"viewer\\\"]"
	    "}){userId} b:updateUser(id:\\\"" ID2
	    "\\\",patch:{disabled:true},ifVersion:2){username} c:deleteUser(id:\\\"" ID2
	    "\\\") d:createRole(input:{id:\\\"clerk\\\",permissions:[\\\"task.*\\\"]}){id} "
	    "e:updateRole(id:\\\"clerk\\\",patch:{inherits:null}){name} "
	    "f:deleteRole(id:\\\"clerk\\\") "
	    "g:deleteRole(id:\\\"no name\\\")}",
	    "null");
	assert_int_equal(gqlgot.status, 294);
	assert_non_null(strstr(gqlmeta.log,
	    "create user " ID
	    " v0 {\"username\":\"ann\",\"password\":\"long enough\",\"roles\":[\"viewer\"]} "
	    "by " ID "\nupdate user " ID2 " v2 {\"disabled\":true} by "));
	assert_non_null(strstr(gqlmeta.log, "\ndelete user " ID2 " v0  by "));
	assert_non_null(
	    strstr(gqlmeta.log, "\ncreate role clerk v0 {\"permissions\":[\"task.*\"]} by "));
	assert_non_null(strstr(gqlmeta.log, "\nupdate role clerk v0 {\"inherits\":null} by "));
	assert_non_null(strstr(gqlmeta.log, "\ndelete role clerk v0  by "));
	assert_non_null(strstr(gqlgot.body, "\"f\":\"Um9sZTpjbGVyaw==\",\"g\":null}}"));
	assert_non_null(
	    strstr(gqlgot.body, "\"path\":[\"g\"],\"extensions\":{\"code\":\"NOT_FOUND\""));
}

static void
a_request_as_it_is_has_the_names_of_here(void **unused)
{
	(void)unused;
	gqlmeta_run(
	    "mutation($d:JSON){execute(request:{taskId:\\\"x\\\",priority:LOW,requirements:{"
	    "database:{operation:\\\"update\\\",model:\\\"task\\\",id:\\\"" ID2
	    "\\\",ifVersion:4,data:$d},auth:{requirePermission:\\\"task.update\\\"}},dependsOn:[{"
	    "domain:\\\"database\\\",on:\\\"auth\\\"}],deadlineMs:500}){success result "
	    "successfulDomains executionTrace{level hops{node}}}}",
	    "{\"d\":{\"snakeCase\":{\"a_b\":1}}}");
	assert_int_equal(gqlgot.status, 200);
	assert_string_equal(
	    gqlmeta.log, "update " ID2 " v4 {\"snakeCase\":{\"a_b\":1}} by " ID "\n");
	assert_non_null(
	    strstr(gqlgot.body, "{\"data\":{\"execute\":{\"success\":true,\"result\":{\"id\":"));
	assert_non_null(strstr(gqlgot.body, "\"successfulDomains\":[],\"executionTrace\":[{"
					    "\"level\":0,\"hops\":[]},{\"level\":1,\"hops\":"
					    "[]},{\"level\":2,\"hops\":[]}]}}}"));
	gqlmeta_run("mutation{execute(request:{taskId:\\\"x\\\",requirements:{database:{operation:"
		    "\\\"read\\\","
		    "model:\\\"task\\\"},auth:{requirePermission:\\\"task.update\\\"}}}){success}}",
	    "null");
	assert_non_null(strstr(
	    gqlgot.body, "\"errors\":[{\"pointer\":\"#/requirements/auth/requirePermission\","));
}

static void
nodes_are_ordered_about_as_in_rest(void **unused)
{
	(void)unused;
	gqlmeta_run(
	    "mutation{setFaults(node:\\\"sql\\\",spec:\\\"error:0.1\\\",forMs:4000000000){node} "
	    "setLogLevel(node:\\\"sql\\\",level:WARN){node} "
	    "restartNode(name:\\\"a/b\\\"){node}}",
	    "null");
	assert_string_equal(gqlmeta.log,
	    "faults sql {\"spec\":\"error:0.1\",\"for_ms\":4000000000}\n"
	    "log_level sql {\"level\":\"warn\"}\nrestart ? \n");
}

static void
a_page_size_out_of_bounds_is_refused_here(void **unused)
{
	static const char *const bad[] = { "0", "-1", "1001", NULL };

	(void)unused;
	for (const char *const *b = bad; *b != NULL; b++) {
		char document[64];

		snprintf(document, sizeof(document), "{tasks(first:%s){nodes{id}}}", *b);
		gqlmeta_run(document, "null");
		assert_int_equal(gqlmeta.calls, 0);
		assert_non_null(strstr(gqlgot.body, "\"reason\":\"VALIDATION\""));
		assert_non_null(strstr(gqlgot.body, "\"errors\":[{\"parameter\":\"first\","));
	}
}

static void
each_mutation_has_an_id_of_its_own_and_the_first_that_of_the_request(void **unused)
{
	char first[sizeof(gqlmeta.log)];

	(void)unused;
	gqlmeta_run(
	    "mutation{a:createTask(input:{title:\\\"x\\\"}){taskId} "
	    "b:createTask(input:{title:\\\"y\\\","
	    "description:null,labels:{k:\\\"v\\\"}}){taskId} updateTask(id:\\\"" ID2
	    "\\\",patch:{title:\\\"z\\\",payload:null},ifVersion:4){title} deleteTask(id:\\\"" ID2
	    "\\\")}",
	    "null");
	assert_int_equal(gqlgot.status, 200);
	snprintf(first, sizeof(first), "%s", gqlmeta.log);
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
	gqlmeta_run(
	    "mutation{a:createTask(input:{title:\\\"x\\\"}){taskId} "
	    "b:createTask(input:{title:\\\"y\\\","
	    "description:null,labels:{k:\\\"v\\\"}}){taskId} updateTask(id:\\\"" ID2
	    "\\\",patch:{title:\\\"z\\\",payload:null},ifVersion:4){title} deleteTask(id:\\\"" ID2
	    "\\\")}",
	    "null");
	assert_string_equal(gqlmeta.log, first);
}

static void
mutations_fail_as_in_rest(void **unused)
{
	(void)unused;
	gqlmeta_run("mutation{a:updateTask(id:\\\"" ID
		    "\\\",patch:{},ifVersion:9){id} b:deleteTask(id:\\\"" ID3
		    "\\\") c:updateTask(id:\\\"no/id\\\",patch:{}){id}}",
	    "null");
	assert_int_equal(gqlgot.status, 294);
	assert_non_null(
	    strstr(gqlgot.body, "{\"code\":\"ABORTED\",\"reason\":\"VERSION_CONFLICT\""));
	assert_non_null(
	    strstr(gqlgot.body, "\"path\":[\"b\"],\"extensions\":{\"code\":\"NOT_FOUND\""));
	assert_non_null(
	    strstr(gqlgot.body, "\"path\":[\"c\"],\"extensions\":{\"code\":\"NOT_FOUND\""));
	assert_non_null(strstr(gqlgot.body, "\"data\":{\"a\":null,\"b\":null,\"c\":null}}"));
	assert_int_equal(gqlmeta.calls, 2);
}

static void
a_bulk_create_answers_for_each_member(void **unused)
{
	(void)unused;
	gqlmeta_run(
	    "mutation{createTasks(input:[{title:\\\"x\\\"},{title:\\\"y\\\"}]){status task{title} "
	    "error{code reason errors{pointer detail}}}}",
	    "null");
	assert_string_equal(gqlgot.body,
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
	gqlmeta_run(
	    "mutation{login(username:\\\"a\\\",password:\\\"p\\\"){accessToken refreshToken "
	    "expiresIn "
	    "tokenType} refresh(refreshToken:\\\"r\\\"){accessToken} "
	    "logout(refreshToken:\\\"r\\\") "
	    "restartNode(name:\\\"sql\\\"){node state generation pid tookMs}}",
	    "null");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"login\":{\"accessToken\":\"A\",\"refreshToken\":\"R\",\"expiresIn\":3600,"
	    "\"tokenType\":\"Bearer\"},\"refresh\":{\"accessToken\":\"A\"},\"logout\":true,"
	    "\"restartNode\":{\"node\":\"sql\",\"state\":\"READY\",\"generation\":2,\"pid\":7,"
	    "\"tookMs\":"
	    "5}}}");
	assert_string_equal(gqlmeta.log,
	    "auth login tok {\"username\":\"a\",\"password\":\"p\"}\nauth refresh tok "
	    "{\"refresh_token\":\"r\"}\nauth logout tok {\"refresh_token\":\"r\"}\nrestart sql \n");
	gqlmeta_run("mutation{login(username:\\\"a\\\",password:\\\"p\\\"){accessToken}}", "null");
	assert_string_equal(gqlgot.principal, "-"); /* that one is not the request's own */
	gqlmeta_run(
	    "{fleet{mode nodes{name}} health{status domains{name up}} viewer{userId name roles}}",
	    "null");
	assert_string_equal(gqlgot.body,
	    "{\"data\":{\"fleet\":{\"mode\":\"NORMAL\",\"nodes\":[{\"name\":\"sql\"}]},\"health\":"
	    "{\"status\":\"OK\",\"domains\":[{\"name\":\"api\",\"up\":true},{\"name\":\"auth\","
	    "\"up\":"
	    "false}]},\"viewer\":{\"userId\":\"u1\",\"name\":\"ann\",\"roles\":[\"user\"]}}}");
}

/* --- limits --- */

static void
answers_that_are_too_large_say_so(void **unused)
{
	(void)unused;
	gqlmeta.payload = 600000;
	gqlmeta_run("{a:task(id:\\\"" ID
		    "\\\"){p1:payload p2:payload p3:payload p4:payload p5:payload p6:payload "
		    "p7:payload p8:payload}}",
	    "null");
	assert_int_equal(gqlgot.status, 422);
	assert_non_null(
	    strstr(gqlgot.body, "\"code\":\"RESOURCE_EXHAUSTED\",\"reason\":\"TOO_LARGE\""));
	assert_null(strstr(gqlgot.body, "\"data\""));
}

static void
what_a_request_reads_is_bounded(void **unused)
{
	static char document[4096];
	size_t n = 0;

	(void)unused;
	gqlmeta.payload = 600000;
	n += (size_t)snprintf(document + n, sizeof(document) - n, "{");
	for (int i = 0; i < 20; i++)
		n += (size_t)snprintf(document + n, sizeof(document) - n,
		    "a%d:tasks(first:%d){nodes{title}}", i, i + 1);
	snprintf(document + n, sizeof(document) - n, "}");
	gqlmeta_run(document, "null");
	assert_int_equal(gqlgot.status, 294);
	assert_non_null(strstr(gqlgot.body, "\"reason\":\"TOO_LARGE\""));
	assert_non_null(strstr(gqlgot.body, "\"data\":{\"a0\":{\"nodes\":[{\"title\":\"tc\"}"));
}

/* --- subscriptions --- */

static void
on_event(void *ctx, const struct graphql_answer *a)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	snprintf(gqlgot.body, sizeof(gqlgot.body), "%.*s", (int)a->n, a->json);
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
		   "id", ID, "version", 1, "at", "2026-01-02T03:04:05Z");
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
	args = json_dumps(graphql_source_filter(s), JSON_COMPACT);
	assert_string_equal(args, "{\"kind\":[\"task.created\"],\"type\":\"x\"}");
	free(args);
	for (int i = 0; i < 2; i++) {
		struct call *c = gqlmeta_root();

		graphql_event(c, s, &q, event, on_event, c);
		loop_run_until(bed.loop, gqlmeta_done, NULL, 3 * SEC);
		assert_string_equal(gqlgot.body,
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		META(one_task_is_one_read),
		META(many_tasks_are_one_read_wherever_they_are_asked_for),
		META(what_does_not_fit_on_a_page_is_read_on),
		META(nodes_of_the_fleet_are_one_look_beside_the_tasks),
		META(what_can_not_be_read_fails_each_field_that_wanted_it),
		META(a_connection_has_edges_cursors_and_pages),
		META(tasks_their_creators_and_those_roles_are_one_read_each),
		META(users_and_roles_are_found_and_listed_as_tasks_are),
		META(twenty_thousand_orders_cost_no_more_memory_than_a_few),
		META(users_and_roles_are_changed_as_tasks_are),
		META(a_request_as_it_is_has_the_names_of_here),
		META(nodes_are_ordered_about_as_in_rest),
		META(a_page_size_out_of_bounds_is_refused_here),
		META(each_mutation_has_an_id_of_its_own_and_the_first_that_of_the_request),
		META(mutations_fail_as_in_rest),
		META(a_bulk_create_answers_for_each_member),
		META(accounts_fleet_health_and_viewer_are_those_of_rest),
		META(answers_that_are_too_large_say_so),
		META(what_a_request_reads_is_bounded),
		META(an_event_becomes_the_answer_that_was_subscribed_for),
		META(the_schema_prints_as_its_file_is_written),
	};

	return TEST_RUN(tests);
}
