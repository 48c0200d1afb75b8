/* live_gw: graphql-transport-ws turn by turn, sentence by sentence of its protocol document; and what
 * subscriptions hear. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/graphql/serving.h"
#include "harness/livebed.h"

#define INIT "{\"type\":\"connection_init\"}"
#define INIT_AS(token)                                                                             \
	"{\"type\":\"connection_init\",\"payload\":{\"authorization\":\"" token "\"}}"
#define ACK            "{\"type\":\"connection_ack\"}"
#define ASK(id, query) ASK_MORE(id, query, "")
#define ASK_MORE(id, query, more)                                                                  \
	"{\"type\":\"subscribe\",\"id\":\"" id "\",\"payload\":{\"query\":\"" query "\"" more "}}"
#define EVENTS       "subscription{taskEvents{position}}"
#define HASH         "sha256:451e453fbba0904bd3bc79c6b8cbca1ba8d626952586c59527930e45d6889def" /* EVENTS' */
#define EVENTS_AFTER "subscription{taskEvents(after:\\\"0\\\"){position}}"
#define COMPLETE(id) "{\"type\":\"complete\",\"id\":\"" id "\"}"

static int
start(void **state)
{
	int r = livebed_start(state);

	live.protocol = "graphql-transport-ws";
	return r;
}
#define GW(f) cmocka_unit_test_setup_teardown(f, start, livebed_stop)

static void
assert_closed(int code, const char *reason)
{
	assert_int_equal(live.close_code, code);
	assert_string_equal(live.close_reason, reason);
}

static void
open_as_ann(void)
{
	TURN(INIT_AS("Bearer ann"));
	assert_string_equal(live.said, ACK "\n");
	assert_int_equal(live.close_code, 0);
}

/* --- the connection --- */

static void
nothing_is_said_before_the_client_does_and_it_has_ten_seconds(void **unused)
{
	(void)unused;
	livebed_turn(0, NULL);
	assert_int_equal(live.messages, 0);
	assert_true(live.wake_us > 0 && live.wake_us <= 10 * SEC);
	live.age_us = 10 * SEC;
	livebed_turn(0, NULL);
	assert_closed(4408, "Connection initialisation timeout");
}

static void
a_connection_without_a_credential_is_anonymous(void **unused)
{
	(void)unused;
	TURN(INIT);
	assert_string_equal(live.said, ACK "\n");
	assert_int_equal(live.checks, 0);
	live.age_us = 10 * SEC;
	TURN(ASK("1", "{__typename}"));
	assert_int_equal(live.close_code, 0);
	livebed_work();
	assert_string_equal(live.said,
	    "{\"id\":\"1\",\"type\":\"next\",\"payload\":{\"data\":{\"__typename\":\"Query\"}}}\n"
	    "{\"id\":\"1\",\"type\":\"complete\"}\n");
	TURN(ASK("2", EVENTS));
	assert_said("{\"id\":\"2\",\"type\":\"error\",\"payload\":[{\"message\":\"");
	assert_said("\"code\":\"UNAUTHENTICATED\"");
	assert_int_equal(live.close_code, 0);
}

static void
the_credential_stands_in_connection_init_or_in_the_handshake(void **unused)
{
	static const char *const ways[] = { INIT_AS("Bearer ann"),
		"{\"type\":\"connection_init\",\"payload\":{\"Authorization\":\"bearer ann\"}}" };

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		live.state_n = 0;
		livebed_turn(1, &ways[i]);
		assert_string_equal(live.said, ACK "\n");
		assert_string_equal(live.credential, "ann");
	}
	live.state_n = 0;
	live.authorization = "Bearer bob";
	livebed_turn(0, NULL);
	assert_int_equal(live.messages, 0);
	TURN("{\"type\":\"connection_init\",\"payload\":{\"other\":1}}");
	assert_string_equal(live.said, ACK "\n");
	assert_string_equal(live.credential, "bob");
	assert_int_equal(live.handshake, 200);
	live.state_n = 0;
	TURN(INIT_AS("Bearer ann"));
	assert_string_equal(live.said, ACK "\n");
	assert_int_equal(live.handshake, 0);
	live.state_n = 0;
	live.authorization = "Bearer bad";
	TURN("{\"type\":\"connection_init\"}");
	assert_int_equal(live.handshake, 401);
}

static void
a_refused_credential_is_forbidden(void **unused)
{
	static const char *const bad[] = { INIT_AS("Bearer bad"), INIT_AS("Basic YTpi"),
		INIT_AS("Bearer "), INIT_AS("ann") };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		live.state_n = 0;
		livebed_turn(1, &bad[i]);
		assert_int_equal(live.messages, 0);
		assert_closed(4403, "Forbidden");
	}
	live.state_n = 0;
	live.authorization = "Basic YTpi";
	livebed_turn(0, NULL);
	assert_closed(4403, "Forbidden");
}

static void
while_nobody_can_judge_the_credential_the_connection_waits(void **unused)
{
	(void)unused;
	live.meta_down = true;
	TURN(INIT_AS("Bearer ann"));
	assert_int_equal(live.messages, 0);
	assert_int_equal(live.close_code, 0);
	assert_true(live.wake_us > 0 && live.wake_us <= 1 * SEC);
	live.meta_down = false;
	livebed_turn(0, NULL);
	assert_string_equal(live.said, ACK "\n");
	live.state_n = 0;
	live.age_us = 0;
	live.meta_down = true;
	TURN(INIT_AS("Bearer ann"));
	live.age_us = 10 * SEC;
	livebed_turn(0, NULL);
	assert_int_equal(live.close_code, 1013);
}

static void
a_second_connection_init_is_too_many(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(INIT);
	assert_closed(4429, "Too many initialisation requests");
	live.state_n = 0;
	TURN(INIT, INIT, "{\"type\":\"ping\"}");
	assert_closed(4429, "Too many initialisation requests");
	assert_string_equal(live.said, ACK "\n");
}

static void
subscribe_before_the_acknowledgement_is_unauthorized(void **unused)
{
	(void)unused;
	TURN(ASK("1", "{__typename}"));
	assert_closed(4401, "Unauthorized");
	assert_int_equal(live.works, 0);
	live.state_n = 0;
	live.meta_down = true;
	TURN(INIT_AS("Bearer ann"));
	TURN(ASK("1", "{__typename}"));
	assert_closed(4401, "Unauthorized");
}

static void
a_ping_is_answered_at_any_time_and_a_pong_taken(void **unused)
{
	(void)unused;
	TURN("{\"type\":\"ping\"}", "{\"type\":\"pong\",\"payload\":{\"x\":1}}",
	    "{\"type\":\"ping\",\"payload\":{\"at\":[1,\"\\u00e9\"]}}");
	assert_string_equal(live.said,
	    "{\"type\":\"pong\"}\n{\"type\":\"pong\",\"payload\":{\"at\":[1,\"\xc3\xa9\"]}}\n");
	assert_int_equal(live.close_code, 0);
}

static void
what_is_no_message_is_a_bad_request(void **unused)
{
	static const char *const bad[] = { "", "{", "[]", "7", "null", "{}", "{\"type\":7}",
		"{\"type\":\"nonsense\"}", "{\"type\":\"connection_ack\"}",
		"{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}",
		"{\"type\":\"error\",\"id\":\"1\",\"payload\":[]}", "{\"type\":\"start\"}",
		"{\"type\":\"ping\",\"payload\":[]}", "{\"type\":\"pong\",\"payload\":\"x\"}",
		"{\"type\":\"connection_init\",\"payload\":7}",
		"{\"type\":\"connection_init\",\"payload\":{\"authorization\":7}}",
		"{\"type\":\"complete\"}", "{\"type\":\"complete\",\"id\":\"\"}",
		"{\"type\":\"complete\",\"id\":7}", "{\"type\":\"subscribe\"}",
		"{\"type\":\"subscribe\",\"id\":\"1\"}",
		"{\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{}}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":7}}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\",\"variables\":"
		"[]}}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\","
		"\"operationName\":1}}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\","
		"\"extensions\":"
		"\"x\"}}" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		live.state_n = 0;
		livebed_turn(1, &bad[i]);
		assert_int_equal(live.close_code, 4400);
		assert_true(str_starts(live.close_reason, "Invalid message: "));
		assert_int_equal(live.messages, 0);
	}
}

static void
who_does_not_say_that_he_speaks_this_is_turned_away(void **unused)
{
	(void)unused;
	live.protocol = "";
	livebed_turn(0, NULL);
	assert_closed(4406, "Subprotocol not acceptable");
	assert_int_equal(live.messages, 0);
}

static void
a_credential_that_ends_is_pinged_about_and_then_forbidden(void **unused)
{
	(void)unused;
	live.expires_at = (uint64_t)(time_wall_us() + 30 * SEC);
	TURN(INIT_AS("Bearer ann"));
	assert_said(ACK "\n{\"type\":\"ping\",\"payload\":{\"credentialExpiresAt\":\"20");
	assert_true(live.wake_us > 0 && live.wake_us <= 30 * SEC);
	livebed_turn(0, NULL);
	assert_int_equal(live.messages, 0);
	live.state_n = 0;
	live.expires_at = (uint64_t)(time_wall_us() - 1);
	TURN(INIT_AS("Bearer ann"));
	assert_closed(4403, "the credential has expired");
}

/* --- queries and mutations --- */

static void
a_query_is_answered_once_and_complete(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(
	    ASK_MORE("q", "query A{__typename} query B{t:__typename}", ",\"operationName\":\"B\""));
	assert_int_equal(live.works, 1);
	livebed_work();
	assert_string_equal(live.said,
	    "{\"id\":\"q\",\"type\":\"next\",\"payload\":{\"data\":{\"t\":\"Query\"}}}\n"
	    "{\"id\":\"q\",\"type\":\"complete\"}\n");
}

static void
a_mutation_is_done_with_the_jobs_operation_id(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(ASK_MORE("m", "mutation($t:String!){createTask(input:{title:$t}){title}}",
	    ",\"variables\":{\"t\":\"x\"},\"extensions\":null"));
	livebed_work();
	assert_string_equal(live.operation, "create");
	assert_string_equal(live.credential, "ann");
	assert_string_equal(live.id, TASK);
	assert_said("{\"data\":{\"createTask\":{\"title\":\"x\"}}}");
	assert_said("{\"id\":\"m\",\"type\":\"complete\"}");
}

static void
what_can_not_be_executed_is_an_error_without_complete(void **unused)
{
	static const struct {
		const char *ask, *said;
	} cases[] = {
		{ ASK("x", "{"), "\"reason\":\"GRAPHQL_PARSE_FAILED\"" },
		{ ASK("x", "{nope}"), "\"reason\":\"GRAPHQL_VALIDATION_FAILED\"" },
		{ ASK("x", "query A{__typename} query B{__typename}"),
		    "\"reason\":\"GRAPHQL_NO_OPERATION\"" },
		{ ASK("x", "query($i:ID!){task(id:$i){id}}"),
		    "\"reason\":\"GRAPHQL_BAD_VARIABLES\"" },
		{ "{\"type\":\"subscribe\",\"id\":\"x\",\"payload\":{\"documentId\":\"none\"}}",
		    "\"reason\":\"PERSISTED_DOCUMENT_NOT_FOUND\"" },
		{ "{\"type\":\"subscribe\",\"id\":\"x\",\"payload\":{\"extensions\":{"
		  "\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"00\"}}}}",
		    "{\"message\":\"PersistedQueryNotFound\"" },
	};

	(void)unused;
	open_as_ann();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		livebed_turn(1, &cases[i].ask);
		assert_int_equal(live.works, 1);
		livebed_work();
		assert_said("{\"id\":\"x\",\"type\":\"error\",\"payload\":[{\"message\":\"");
		assert_said(cases[i].said);
		assert_int_equal(live.messages, 1);
		live.messages = 0;
	}
}

static void
a_job_that_is_completed_by_the_client_is_dropped(void **unused)
{
	(void)unused;
	open_as_ann();
	live.running = "q";
	TURN(COMPLETE("q"), COMPLETE("unknown"));
	assert_string_equal(live.dropped, "q");
	assert_int_equal(live.messages, 0);
	assert_int_equal(live.close_code, 0);
}

static void
an_id_is_free_as_soon_as_the_client_has_completed_it(void **unused)
{
	(void)unused;
	open_as_ann();
	live.running = "q";
	TURN(COMPLETE("q"), ASK("q", "{__typename}"));
	assert_string_equal(live.dropped, "q");
	assert_int_equal(live.works, 1);
	assert_int_equal(live.close_code, 0);
	live.running = NULL;
	TURN(ASK("r", "{__typename}"), COMPLETE("r"), ASK("r", EVENTS), COMPLETE("r"),
	    ASK("r", "{__typename}"));
	assert_string_equal(live.dropped, "");
	assert_int_equal(live.works, 1);
	assert_int_equal(live.close_code, 0);
	assert_string_equal(live.listens, "");
}

static void
a_state_that_is_none_is_an_internal_error(void **unused)
{
	(void)unused;
	live.state[0] = 0xff;
	live.state_n = 1;
	test_expect_log(LOG_ERROR, 1);
	livebed_turn(0, NULL);
	assert_closed(4500, "Internal server error");
}

static void
an_id_in_use_is_not_taken_twice(void **unused)
{
	(void)unused;
	open_as_ann();
	live.running = "q";
	TURN(ASK("q", "{__typename}"));
	assert_closed(4409, "Subscriber for q already exists");
	live.running = NULL;
	live.state_n = 0;
	open_as_ann();
	TURN(ASK("s", EVENTS));
	TURN(ASK("s", EVENTS));
	assert_closed(4409, "Subscriber for s already exists");
	live.state_n = 0;
	open_as_ann();
	TURN(ASK("a", "{__typename}"), ASK("a", EVENTS));
	assert_closed(4409, "Subscriber for a already exists");
}

/* --- subscriptions --- */

static void
a_subscription_hears_what_happens_from_now_on(void **unused)
{
	(void)unused;
	open_as_ann();
	live.n_events = 5;
	TURN(ASK("s", "subscription{taskEvents{kind taskId state at position version}}"));
	assert_int_equal(live.messages, 0);
	assert_string_equal(live.permission, "task.read");
	assert_string_equal(live.listens, "task ");
	live.n_events = 7;
	livebed_ring();
	assert_int_equal(live.messages, 2);
	assert_said("{\"id\":\"s\",\"type\":\"next\",\"payload\":{\"data\":{\"taskEvents\":{"
		    "\"kind\":\"CREATED\",\"taskId\":\"task-6\",\"state\":\"FAILED\",\"at\":\"1970-"
		    "01-01T00:00:00.000000Z\",\"position\":\"6\",\"version\":0}}}}\n");
	livebed_ring();
	assert_int_equal(live.messages, 0);
	TURN(COMPLETE("s"));
	assert_string_equal(live.listens, "");
	live.n_events = 8;
	livebed_ring();
	assert_int_equal(live.messages, 0);
}

static void
variables_fragments_and_filters_count_for_each_event(void **unused)
{
	(void)unused;
	open_as_ann();
	live.n_events = 4;
	TURN(ASK_MORE("s",
	    "subscription S($s:TaskState,$a:String,$more:Boolean!){taskEvents(after:$a,filter:{"
	    "state:$s,kinds:[CREATED,UPDATED]}){...F version @include(if:$more)}} fragment F on "
	    "TaskEvent{p:position}",
	    ",\"variables\":{\"s\":\"FAILED\",\"a\":\"0\",\"more\":false}"));
	assert_int_equal(live.messages, 2);
	assert_said("{\"data\":{\"taskEvents\":{\"p\":\"2\"}}}");
	assert_said("{\"data\":{\"taskEvents\":{\"p\":\"4\"}}}");
}

static void
what_an_event_does_not_have_is_loaded_as_the_one_who_hears_it(void **unused)
{
	(void)unused;
	open_as_ann();
	live.task = TASK;
	TURN(ASK("s", "subscription{taskEvents{taskId task{title}}}"));
	live.n_events = 40;
	live.credential[0] = '\0';
	livebed_ring();
	assert_int_equal(
	    livebed_count("{\"taskEvents\":{\"taskId\":\"" TASK "\",\"task\":null}}"), 40);
	assert_string_equal(live.credential, "ann");
	assert_string_equal(live.permission, "task.read");
}

static void
an_event_that_takes_too_long_is_tried_again_and_then_told_as_an_error(void **unused)
{
	(void)unused;
	open_as_ann();
	live.task = TASK;
	live.hangs = true;
	TURN(ASK("s", "subscription{taskEvents{task{title}}}"));
	live.n_events = 1;
	for (int i = 0; i < 3; i++) {
		livebed_ring();
		assert_int_equal(live.messages, 0);
		assert_false(live.more);
		assert_in_range(live.wake_us, 1, 1 * SEC);
	}
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said("\"type\":\"next\"");
	assert_said("\"code\":\"DEADLINE_EXCEEDED\"}}],\"data\":null}");
	live.hangs = false;
	live.n_events = 2;
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said("{\"data\":{\"taskEvents\":{\"task\":null}}}");
}

static void
the_same_document_is_each_sessions_own(void **unused)
{
	(void)unused;
	open_as_ann();
	live.task = TASK;
	TURN(ASK("s", "subscription{taskEvents{task{title}}}"));
	live.state_n = 0;
	TURN(INIT_AS("Bearer bob"), ASK("s", "subscription{taskEvents{task{title}}}"));
	live.n_events = 1;
	live.credential[0] = '\0';
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_string_equal(live.credential, "bob");
}

static void
a_subscription_resumes_behind_the_last_event_seen(void **unused)
{
	(void)unused;
	open_as_ann();
	live.n_events = 5;
	TURN(ASK_MORE("s", "subscription($a:String){taskEvents(after:$a){position}}",
	    ",\"variables\":{\"a\":\"3\"}"));
	assert_int_equal(live.messages, 2);
	assert_said("\"position\":\"4\"");
	assert_said("\"position\":\"5\"");
}

static void
the_fleets_events_have_positions_and_filters_too(void **unused)
{
	(void)unused;
	open_as_ann();
	livebed_publish("sql", "READY");
	TURN(ASK("f", "subscription{fleetEvents(filter:{name:\\\"sql\\\"}){name state position "
		      "at}}"));
	assert_int_equal(live.messages, 0);
	assert_string_equal(live.permission, "fleet.read");
	assert_string_equal(live.listens, "fleet ");
	livebed_publish("rest", "READY");
	livebed_publish("sql", "DRAINING");
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said(
	    "{\"fleetEvents\":{\"name\":\"sql\",\"state\":\"DRAINING\",\"position\":\"7.3\","
	    "\"at\":\"20");
	TURN(ASK("g", "subscription{fleetEvents(after:\\\"7.1\\\"){name}}"));
	assert_int_equal(livebed_count("{\"id\":\"g\",\"type\":\"next\""), 2);
}

static void
events_that_are_lost_end_the_subscription_with_an_error(void **unused)
{
	(void)unused;
	open_as_ann();
	live.n_events = 9;
	live.first = 5;
	TURN(ASK("s", EVENTS_AFTER));
	assert_int_equal(live.messages, 1);
	assert_said("{\"id\":\"s\",\"type\":\"error\",\"payload\":[{\"message\":\"Events behind ");
	assert_said("\"reason\":\"EVENTS_LOST\"");
	assert_string_equal(live.listens, "");
	TURN(ASK("s", EVENTS));
	assert_int_equal(live.close_code, 0);
	assert_string_equal(live.listens, "task ");
}

static void
a_subscription_that_can_not_be_is_an_error(void **unused)
{
	static const struct {
		const char *ask, *said;
	} cases[] = {
		{ ASK("x", "subscription{taskEvents{nope}}"), "GRAPHQL_VALIDATION_FAILED" },
		{ ASK("x", "subscription{taskEvents{position} fleetEvents{name}}"),
		    "GRAPHQL_VALIDATION_FAILED" },
		{ ASK_MORE("x",
		      "subscription($s:TaskState!){taskEvents(filter:{state:$s}){position}}",
		      ",\"variables\":{\"s\":\"NOPE\"}"),
		    "GRAPHQL_BAD_VARIABLES" },
		{ ASK("x", "subscription{__typename}"), "GRAPHQL_VALIDATION_FAILED" },
		{ ASK("x", "subscription{taskEvents @skip(if:true){position}}"),
		    "GRAPHQL_VALIDATION_FAILED" },
		{ ASK_MORE("x",
		      "subscription($n:Boolean!){...F @include(if:$n)} fragment F on "
		      "Subscription{taskEvents{position}}",
		      ",\"variables\":{\"n\":false}"),
		    "GRAPHQL_VALIDATION_FAILED" },
		{ ASK("x", "subscription{taskEvents(filter:{kinds:[]}){position}}"),
		    "INVALID_ARGUMENT" },
		{ ASK("x", "subscription{fleetEvents(after:\\\"x\\\"){name}}"),
		    "INVALID_ARGUMENT" },
		{ ASK("x", "subscription{taskEvents(after:\\\"nonsense\\\"){position}}"),
		    "BAD_POSITION" },
	};

	(void)unused;
	open_as_ann();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		livebed_turn(1, &cases[i].ask);
		assert_int_equal(live.messages, 1);
		assert_said("{\"id\":\"x\",\"type\":\"error\",\"payload\":[{\"message\":\"");
		assert_said(cases[i].said);
		assert_int_equal(live.works, 0);
		assert_int_equal(live.close_code, 0);
		assert_string_equal(live.listens, "");
	}
}

static void
who_has_no_room_hears_it_later_and_loses_nothing(void **unused)
{
	unsigned heard = 0;
	char want[40];

	(void)unused;
	open_as_ann();
	live.n_events = 30;
	live.room = 600;
	TURN(ASK("s", EVENTS_AFTER));
	for (unsigned turns = 0; heard < 30; turns++) {
		assert_true(turns < 30 && live.messages != 0);
		for (unsigned i = 0; i < live.messages; i++) {
			snprintf(want, sizeof(want), "\"position\":\"%u\"", heard + i + 1);
			assert_said(want);
		}
		heard += live.messages;
		assert_int_equal(live.more, heard < 30);
		livebed_ring();
	}
	assert_int_equal(heard, 30);
	assert_int_equal(live.messages, 0);
}

static void
an_answer_larger_than_all_the_room_comes_alone(void **unused)
{
	char ask[4000];
	const char *one = ask;
	int n = snprintf(ask, sizeof(ask), "%s",
	    "{\"type\":\"subscribe\",\"id\":\"s\",\"payload\":{\"query\":\""
	    "subscription{taskEvents(after:\\\"0\\\"){position");

	(void)unused;
	for (int i = 0; i < 99; i++)
		n += snprintf(ask + n, sizeof(ask) - (size_t)n, " a%d:taskId", i);
	snprintf(ask + n, sizeof(ask) - (size_t)n, "}}\"}}");
	open_as_ann();
	live.n_events = 3;
	live.room = 600;
	livebed_turn(1, &one);
	for (int i = 1; i <= 3; i++) {
		char want[40];

		assert_int_equal(live.messages, 1);
		snprintf(want, sizeof(want), "{\"position\":\"%d\",", i);
		assert_said(want);
		livebed_ring();
	}
	assert_int_equal(live.messages, 0);
}

static void
configure(bool only, bool take)
{
	char err[100];

	assert_true(documents_load(
	    &(const struct documents_opts){
		.dir = "", .only = only, .take = take, .limits = &gql_limits_default },
	    err, sizeof(err)));
	serve_set_limits(&gql_limits_default);
}

static void
a_document_that_may_not_be_asked_for_any_more_ends_its_subscriptions(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(ASK("s", EVENTS));
	configure(true, false);
	live.n_events = 1;
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said("{\"id\":\"s\",\"type\":\"error\"");
	assert_said("\"reason\":\"DOCUMENT_NOT_CONFIGURED\"");
	assert_string_equal(live.listens, "");
	configure(false, false);
}

/* The next event may be another process's. */
static void
a_subscription_by_hash_needs_no_more_than_its_state(void **unused)
{
	(void)unused;
	configure(false, true);
	documents_keep(HASH, EVENTS);
	open_as_ann();
	TURN("{\"type\":\"subscribe\",\"id\":\"s\",\"payload\":{\"documentId\":\"" HASH "\"}}");
	assert_int_equal(live.messages, 0);
	configure(false, false);
	live.n_events = 1;
	livebed_ring();
	assert_said("{\"id\":\"s\",\"type\":\"next\"");
}

static void
a_long_way_is_gone_in_order(void **unused)
{
	const char *p;

	(void)unused;
	open_as_ann();
	live.n_events = LOG;
	live.room = sizeof(live.said) - 1;
	TURN(ASK("s", EVENTS_AFTER));
	while (live.more)
		livebed_ring();
	assert_int_equal(live.messages, LOG);
	p = live.said;
	for (unsigned i = 1; i <= LOG; i++) {
		p = strstr(p, "\"position\":\"");
		assert_non_null(p);
		p += strlen("\"position\":\"");
		assert_int_equal(strtoul(p, NULL, 10), i);
	}
}

static void
a_state_that_is_full_is_said(void **unused)
{
	static char ask[40000];
	const char *one = ask;
	size_t n = 0;

	(void)unused;
	open_as_ann();
	n = (size_t)snprintf(ask, sizeof(ask), "%s",
	    "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"" EVENTS " #");
	memset(ask + n, 'x', sizeof(ask) - n - 4);
	memcpy(ask + sizeof(ask) - 4, "\"}}", 4);
	livebed_turn(1, &one);
	assert_int_equal(live.messages, 0);
	ask[strlen("{\"type\":\"subscribe\",\"id\":\"")] = '2';
	livebed_turn(1, &one);
	assert_said("{\"id\":\"2\",\"type\":\"error\"");
	assert_said("\"code\":\"RESOURCE_EXHAUSTED\",\"reason\":\"TOO_MANY_SUBSCRIPTIONS\"");
	assert_int_equal(live.close_code, 0);
	assert_string_equal(live.listens, "task ");
	TURN(ASK("3", EVENTS));
	assert_int_equal(live.messages, 0);
}

static void
a_connection_has_at_most_thirty_two_subscriptions(void **unused)
{
	char ask[200];
	const char *one = ask;

	(void)unused;
	open_as_ann();
	for (int i = 0; i < 33; i++) {
		snprintf(ask, sizeof(ask),
		    "{\"type\":\"subscribe\",\"id\":\"%d\",\"payload\":{\"query\":\"%s\"}}", i,
		    EVENTS);
		livebed_turn(1, &one);
		assert_int_equal(live.messages, i == 32);
	}
	assert_said("{\"id\":\"32\",\"type\":\"error\"");
	live.n_events = 1;
	livebed_ring();
	assert_int_equal(live.messages + (live.more ? 32 : 0) >= 32, true);
}

static void
without_the_permission_there_is_no_subscription(void **unused)
{
	(void)unused;
	open_as_ann();
	live.forbidden = true;
	TURN(ASK("s", EVENTS));
	assert_said("{\"id\":\"s\",\"type\":\"error\"");
	assert_said("\"code\":\"PERMISSION_DENIED\"");
	assert_int_equal(live.close_code, 0);
	assert_string_equal(live.listens, "");
}

static void
a_permission_that_was_taken_away_ends_what_it_was_for(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(ASK("s", EVENTS));
	live.age_us += 1 * SEC;
	live.forbidden = true;
	live.n_events = 3;
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said("{\"id\":\"s\",\"type\":\"error\"");
	assert_said("\"code\":\"PERMISSION_DENIED\"");
}

static void
a_revoked_credential_hears_nothing_more(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(ASK("s", EVENTS));
	live.age_us += 1 * SEC;
	live.revoked = true;
	live.n_events = 3;
	livebed_ring();
	assert_int_equal(live.messages, 0);
	assert_int_equal(live.close_code, 4403);
}

static void
when_nobody_can_judge_nothing_is_told_and_nothing_is_lost(void **unused)
{
	(void)unused;
	open_as_ann();
	TURN(ASK("s", EVENTS));
	live.age_us += 1 * SEC;
	live.meta_down = true;
	live.n_events = 2;
	livebed_ring();
	assert_int_equal(live.messages, 0);
	assert_int_equal(live.failed, ST_OK);
	live.meta_down = false;
	live.age_us += 1 * SEC;
	livebed_turn(0, NULL);
	assert_int_equal(live.messages, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GW(nothing_is_said_before_the_client_does_and_it_has_ten_seconds),
		GW(a_connection_without_a_credential_is_anonymous),
		GW(the_credential_stands_in_connection_init_or_in_the_handshake),
		GW(a_refused_credential_is_forbidden),
		GW(while_nobody_can_judge_the_credential_the_connection_waits),
		GW(a_second_connection_init_is_too_many),
		GW(subscribe_before_the_acknowledgement_is_unauthorized),
		GW(a_ping_is_answered_at_any_time_and_a_pong_taken),
		GW(what_is_no_message_is_a_bad_request),
		GW(who_does_not_say_that_he_speaks_this_is_turned_away),
		GW(a_credential_that_ends_is_pinged_about_and_then_forbidden),
		GW(a_query_is_answered_once_and_complete),
		GW(a_mutation_is_done_with_the_jobs_operation_id),
		GW(what_can_not_be_executed_is_an_error_without_complete),
		GW(a_job_that_is_completed_by_the_client_is_dropped),
		GW(an_id_is_free_as_soon_as_the_client_has_completed_it),
		GW(an_id_in_use_is_not_taken_twice),
		GW(a_state_that_is_none_is_an_internal_error),
		GW(a_subscription_hears_what_happens_from_now_on),
		GW(variables_fragments_and_filters_count_for_each_event),
		GW(what_an_event_does_not_have_is_loaded_as_the_one_who_hears_it),
		GW(an_event_that_takes_too_long_is_tried_again_and_then_told_as_an_error),
		GW(the_same_document_is_each_sessions_own),
		GW(a_subscription_resumes_behind_the_last_event_seen),
		GW(the_fleets_events_have_positions_and_filters_too),
		GW(events_that_are_lost_end_the_subscription_with_an_error),
		GW(a_subscription_that_can_not_be_is_an_error),
		GW(who_has_no_room_hears_it_later_and_loses_nothing),
		GW(an_answer_larger_than_all_the_room_comes_alone),
		GW(a_document_that_may_not_be_asked_for_any_more_ends_its_subscriptions),
		GW(a_subscription_by_hash_needs_no_more_than_its_state),
		GW(a_long_way_is_gone_in_order),
		GW(a_state_that_is_full_is_said),
		GW(a_connection_has_at_most_thirty_two_subscriptions),
		GW(without_the_permission_there_is_no_subscription),
		GW(a_permission_that_was_taken_away_ends_what_it_was_for),
		GW(a_revoked_credential_hears_nothing_more),
		GW(when_nobody_can_judge_nothing_is_told_and_nothing_is_lost),
	};

	return TEST_RUN(tests);
}
