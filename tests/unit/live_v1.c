/* live_v1: metafed.v1 turn by turn: what is said, and what the next turn makes of the state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness/livebed.h"
#include "proto/live.pb-c.h"

static void
open_signed(void)
{
	live.authorization = "Bearer ann";
	livebed_turn(0, NULL);
	assert_said("\"type\":\"authenticated\"");
}

#define SUBSCRIBE(id, more) "{\"type\":\"subscribe\",\"id\":\"" id "\",\"topic\":\"tasks\"" more "}"

static void
a_session_begins_with_hello_and_waits_for_auth(void **unused)
{
	(void)unused;
	livebed_turn(0, NULL);
	assert_said("{\"type\":\"hello\",\"protocol\":\"metafed.v1\",\"session\":\"" TASK "\"");
	assert_int_equal(live.messages, 1);
	assert_true(live.wake_us > 0 && live.wake_us <= 10 * SEC);
	TURN("{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "tasks\"}}",
	    SUBSCRIBE("2", ""));
	assert_int_equal(livebed_count("\"reason\":\"AUTH_REQUIRED\""), 2);
	assert_int_equal(live.works, 0);
	TURN("{\"type\":\"auth\",\"id\":\"a\",\"token\":\"ann\"}");
	assert_said("{\"type\":\"authenticated\",\"id\":\"a\",\"principal\":{\"id\":\"ann\"");
	assert_string_equal(live.credential, "ann");
}

static void
a_header_of_the_handshake_says_who_it_is(void **unused)
{
	(void)unused;
	live.authorization = "bearer ann";
	TURN("{\"type\":\"ping\",\"id\":\"p\"}");
	assert_said("\"type\":\"hello\"");
	assert_said("\"type\":\"authenticated\"");
	assert_said("{\"type\":\"pong\",\"id\":\"p\"}");
	assert_int_equal(live.close_code, 0);
}

static void
a_bad_credential_ends_the_session(void **unused)
{
	(void)unused;
	livebed_turn(0, NULL);
	TURN("{\"type\":\"auth\",\"token\":\"bad\"}", "{\"type\":\"ping\"}");
	assert_said("\"code\":\"UNAUTHENTICATED\",\"reason\":\"TOKEN_INVALID\"");
	assert_int_equal(live.close_code, 4401);
	assert_null(strstr(live.said, "pong"));
}

static void
when_nobody_can_judge_a_credential_the_session_goes_on_without_it(void **unused)
{
	(void)unused;
	livebed_turn(0, NULL);
	live.meta_down = true;
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("\"code\":\"UNAVAILABLE\"");
	assert_int_equal(live.close_code, 0);
	live.meta_down = false;
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("authenticated");
}

static void
nobody_by_its_time_is_sent_away(void **unused)
{
	(void)unused;
	livebed_turn(0, NULL);
	live.age_us = 10 * SEC;
	livebed_turn(0, NULL);
	assert_said("{\"type\":\"goodbye\",\"reason\":\"AUTH_TIMEOUT\"");
	assert_int_equal(live.close_code, 4408);
}

static void
a_session_stays_one_persons(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"auth\",\"id\":\"x\",\"token\":\"bob\"}");
	assert_said("\"reason\":\"OTHER_PRINCIPAL\"");
	assert_int_equal(live.close_code, 0);
	TURN("{\"type\":\"auth\",\"id\":\"y\",\"token\":\"ann\"}");
	assert_said("\"type\":\"authenticated\",\"id\":\"y\"");
}

static void
a_credential_that_ends_is_asked_for_and_then_missed(void **unused)
{
	(void)unused;
	live.expires_at = (uint64_t)(time_wall_us() + 30 * SEC);
	live.authorization = "Bearer ann";
	livebed_turn(0, NULL);
	assert_said("{\"type\":\"reauthenticate\",\"expires_at\":\"20");
	assert_true(live.wake_us <= 30 * SEC);
	TURN("{\"type\":\"ping\"}");
	assert_int_equal(livebed_count("reauthenticate"), 0);
	live.expires_at = (uint64_t)(time_wall_us() - 1);
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("{\"type\":\"goodbye\",\"reason\":\"TOKEN_EXPIRED\"");
	assert_int_equal(live.close_code, 4401);
}

static void
who_is_silent_and_wants_nothing_is_sent_away(void **unused)
{
	(void)unused;
	open_signed();
	live.idle_us = 600 * SEC;
	live.running = "job";
	livebed_turn(0, NULL);
	assert_int_equal(live.close_code, 0);
	live.running = NULL;
	livebed_turn(0, NULL);
	assert_said("\"reason\":\"IDLE\"");
	assert_int_equal(live.close_code, 1000);
}

static void
last_words_are_a_goodbye(void **unused)
{
	(void)unused;
	open_signed();
	live.leaving = true;
	livebed_turn(0, NULL);
	assert_said("{\"type\":\"goodbye\",\"reason\":\"GOING_AWAY\"");
}

static void
what_is_no_message_is_refused_and_the_session_goes_on(void **unused)
{
	static const char *const bad[] = { "", "{", "[]", "1", "{}", "{\"type\":1}",
		"{\"type\":\"nonsense\"}", "{\"type\":\"ping\",\"other\":1}",
		"{\"type\":\"ping\",\"id\":7}", "{\"type\":\"ping\",\"id\":\"\"}",
		"{\"type\":\"ping\",\"id\":\"a\\u0001b\"}", "{\"type\":\"auth\"}",
		"{\"type\":\"auth\",\"token\":\"\"}", "{\"type\":\"submit\",\"id\":\"1\"}",
		"{\"type\":\"submit\",\"request\":{}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"request\":{},\"api\":{}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":[]}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\"}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":"
		"\"tasks\"}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
		"tasks\",\"x\":1}}",
		"{\"type\":\"submit\",\"id\":\"1\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
		"tasks\",\"headers\":{\"authorization\":\"Bearer bob\"}}}",
		SUBSCRIBE("1", ",\"filter\":1"), SUBSCRIBE("1", ",\"filter\":{\"label\":\"x\"}"),
		SUBSCRIBE("1", ",\"filter\":{\"state\":[]}"),
		SUBSCRIBE("1", ",\"filter\":{\"state\":7}"), SUBSCRIBE("1", ",\"window\":0"),
		SUBSCRIBE("1", ",\"window\":257"), SUBSCRIBE("1", ",\"after\":\"\""),
		"{\"type\":\"subscribe\",\"id\":\"1\",\"topic\":\"weather\"}",
		"{\"type\":\"subscribe\",\"id\":\"1\",\"topic\":\"fleet\",\"after\":\"x\"}",
		"{\"type\":\"ack\",\"id\":\"1\"}" };

	(void)unused;
	open_signed();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		livebed_turn(1, &bad[i]);
		assert_int_equal(live.messages, 1);
		assert_said("\"code\":\"INVALID_ARGUMENT\"");
		assert_int_equal(live.works, 0);
		assert_int_equal(live.close_code, 0);
	}
	assert_string_equal(live.listens, "");
}

static void
a_submit_is_done_as_over_http_and_answered_under_its_id(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"submit\",\"id\":\"c\",\"api\":{\"method\":\"POST\",\"endpoint\":\"/"
	     "tasks\","
	     "\"data\":{\"title\":\"x\"}}}");
	assert_int_equal(live.messages, 0);
	assert_int_equal(live.works, 1);
	livebed_work();
	assert_string_equal(live.permission, "task.create");
	assert_string_equal(live.operation, "create");
	assert_string_equal(live.credential, "ann");
	assert_string_equal(live.id, TASK);
	assert_said(
	    "{\"type\":\"result\",\"id\":\"c\",\"status\":201,\"headers\":{\"Location\":\"/v1/"
	    "tasks/" TASK "\",\"ETag\":\"\\\"1\\\"\"}");
	assert_said("\"data\":{\"title\":\"x\"}");
}

static void
a_submit_may_be_a_whole_request(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"submit\",\"id\":\"r\",\"request\":{\"task_id\":\"t\",\"requirements\":{"
	     "\"database\":{\"operation\":\"create\",\"model\":\"task\",\"data\":{\"title\":\"x\"}}"
	     "}}}");
	livebed_work();
	assert_said("{\"type\":\"result\",\"id\":\"r\",\"status\":200");
	assert_said("\"execution_trace\":[");
}

static void
a_refused_submit_is_an_error_with_the_problem_that_http_has(void **unused)
{
	(void)unused;
	open_signed();
	TURN("{\"type\":\"submit\",\"id\":\"q\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "tasks?limit=0\"}}");
	livebed_work();
	assert_said("{\"type\":\"error\",\"id\":\"q\",");
	assert_said("\"error\":{\"type\":\"about:blank\"");
	assert_said("\"status\":422");
	TURN("{\"type\":\"submit\",\"id\":\"n\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "nothing\"}}");
	livebed_work();
	assert_said("\"code\":\"NOT_FOUND\",\"reason\":\"NO_RESOURCE\"");
}

static void
an_id_that_is_under_way_is_not_taken_twice_and_can_be_cancelled(void **unused)
{
	(void)unused;
	open_signed();
	live.running = "c";
	TURN("{\"type\":\"submit\",\"id\":\"c\",\"api\":{\"method\":\"GET\",\"endpoint\":\"/"
	     "tasks\"}}");
	assert_said("\"reason\":\"ID_IN_USE\"");
	assert_int_equal(live.works, 0);
	TURN("{\"type\":\"cancel\",\"id\":\"c\"}", "{\"type\":\"cancel\",\"id\":\"d\"}");
	assert_string_equal(live.dropped, "c");
	assert_said("{\"type\":\"cancelled\",\"id\":\"c\"}");
	assert_said("\"reason\":\"NOTHING_UNDER_WAY\"");
}

static void
a_subscription_begins_at_the_end_of_the_log(void **unused)
{
	(void)unused;
	open_signed();
	live.n_events = 5;
	TURN(SUBSCRIBE("s", ""));
	assert_said("{\"type\":\"subscribed\",\"id\":\"s\",\"position\":\"5\"}\n"
		    "{\"type\":\"caught_up\",\"id\":\"s\",\"position\":\"5\"}");
	assert_string_equal(live.permission, "task.read");
	assert_string_equal(live.listens, "task ");
	live.n_events = 7;
	livebed_ring();
	assert_int_equal(live.messages, 2);
	assert_said(
	    "{\"type\":\"event\",\"subscription\":\"s\",\"position\":\"6\",\"event\":\"task."
	    "created\",\"at\":\"1970-01-01T00:00:00.000000Z\",\"data\":{\"id\":\"task-6\"");
	livebed_ring();
	assert_int_equal(live.messages, 0);
}

static void
a_subscription_resumes_behind_the_last_event_seen(void **unused)
{
	(void)unused;
	open_signed();
	live.n_events = 5;
	TURN(SUBSCRIBE("s", ",\"after\":\"3\""));
	assert_int_equal(live.messages, 4);
	assert_said("\"type\":\"subscribed\",\"id\":\"s\",\"position\":\"3\"");
	assert_said("\"position\":\"4\"");
	assert_said("\"position\":\"5\",\"event\"");
	assert_said("\"type\":\"caught_up\",\"id\":\"s\",\"position\":\"5\"");
}

static void
what_the_log_has_lost_is_said(void **unused)
{
	(void)unused;
	open_signed();
	live.first = 3;
	live.n_events = 5;
	TURN(SUBSCRIBE("s", ",\"after\":\"1\""));
	assert_said("{\"type\":\"gap\",\"id\":\"s\"");
	assert_int_equal(livebed_count("\"type\":\"event\""), 2);
}

static void
a_position_of_no_log_ends_the_subscription(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ",\"after\":\"nonsense\""), SUBSCRIBE("t", ""));
	assert_said("{\"type\":\"error\",\"id\":\"s\"");
	assert_said("\"reason\":\"BAD_POSITION\"");
	assert_said("\"type\":\"subscribed\",\"id\":\"t\"");
	TURN("{\"type\":\"unsubscribe\",\"id\":\"s\"}");
	assert_said("\"reason\":\"NO_SUBSCRIPTION\"");
	assert_string_equal(live.listens, "task ");
}

static void
a_filter_passes_only_what_it_names(void **unused)
{
	(void)unused;
	open_signed();
	live.n_events = 10;
	TURN(SUBSCRIBE("f", ",\"after\":\"0\",\"filter\":{\"state\":\"FAILED\"}"),
	    SUBSCRIBE("b", ",\"after\":\"0\",\"filter\":{\"state\":[\"FAILED\",\"QUEUED\"],\"id\":"
			   "\"task-3\"}"));
	assert_int_equal(livebed_count("\"subscription\":\"f\""), 5);
	assert_int_equal(livebed_count("\"subscription\":\"b\""), 1);
	livebed_ring();
	assert_int_equal(live.messages, 0);
}

static void
subscriptions_at_the_same_position_share_a_read(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("a", ""), SUBSCRIBE("b", ""), SUBSCRIBE("c", ""));
	live.n_events = 1;
	live.reads = 0;
	livebed_ring();
	assert_int_equal(live.messages, 3);
	assert_true(live.reads <= 3);
}

static void
who_has_no_room_lags_and_loses_nothing(void **unused)
{
	unsigned turns = 0, events = 0;

	(void)unused;
	open_signed();
	live.n_events = 300;
	live.room = 4000;
	TURN(SUBSCRIBE("s", ",\"after\":\"0\""));
	assert_int_equal(livebed_count("\"type\":\"lagging\""), 1);
	assert_true(live.more);
	assert_true(strlen(live.said) <= 4000 + 200);
	for (events = livebed_count("\"type\":\"event\""); live.more; turns++) {
		livebed_ring();
		assert_int_equal(livebed_count("\"type\":\"lagging\""), 0);
		events += livebed_count("\"type\":\"event\"");
		assert_true(turns < 100);
	}
	assert_int_equal(events, 300);
	assert_said("{\"type\":\"caught_up\",\"id\":\"s\",\"position\":\"300\"}");
	live.room = 100;
	live.n_events = 301;
	livebed_ring();
	assert_int_equal(live.messages, 0);
	assert_true(live.more);
}

static void
a_long_way_is_gone_in_several_turns(void **unused)
{
	(void)unused;
	open_signed();
	live.n_events = 600;
	live.room = 250 << 10;
	TURN(SUBSCRIBE("s", ",\"after\":\"0\",\"filter\":{\"id\":\"task-600\"}"));
	assert_int_equal(livebed_count("\"type\":\"event\""), 1);
	assert_int_equal(live.reads, 3);
}

static void
a_window_holds_events_until_they_are_acknowledged(void **unused)
{
	(void)unused;
	open_signed();
	live.n_events = 10;
	TURN(SUBSCRIBE("w", ",\"after\":\"0\",\"window\":3"));
	assert_int_equal(livebed_count("\"type\":\"event\""), 3);
	assert_false(live.more);
	livebed_ring();
	assert_int_equal(live.messages, 0);
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"nothing of ours\"}");
	assert_int_equal(live.messages, 0);
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"2\"}");
	assert_int_equal(livebed_count("\"type\":\"event\""), 2);
	assert_said("\"position\":\"5\"");
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"5\"}");
	assert_int_equal(livebed_count("\"type\":\"event\""), 3);
	TURN("{\"type\":\"ack\",\"id\":\"w\",\"position\":\"8\"}");
	assert_said("\"position\":\"10\"");
	assert_said("caught_up");
}

static void
an_unsubscribed_one_hears_no_more(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""), SUBSCRIBE("t", ""));
	TURN("{\"type\":\"unsubscribe\",\"id\":\"s\"}", SUBSCRIBE("t", ""));
	assert_said("{\"type\":\"unsubscribed\",\"id\":\"s\"}");
	assert_said("\"reason\":\"ID_IN_USE\"");
	live.n_events = 1;
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said("\"subscription\":\"t\"");
	TURN("{\"type\":\"unsubscribe\",\"id\":\"t\"}");
	assert_string_equal(live.listens, "");
}

static void
a_session_has_at_most_thirty_two_subscriptions(void **unused)
{
	char one[100];
	const char *text = one;

	(void)unused;
	open_signed();
	for (int i = 0; i < 32; i++) {
		snprintf(one, sizeof(one),
		    "{\"type\":\"subscribe\",\"id\":\"%d\",\"topic\":\"tasks\"}", i);
		livebed_turn(1, &text);
		assert_int_equal(livebed_count("error"), 0);
	}
	TURN(SUBSCRIBE("one more", ""));
	assert_said("\"reason\":\"TOO_MANY_SUBSCRIPTIONS\"");
}

static void
a_state_that_is_full_is_said(void **unused)
{
	char one[2000];
	const char *text = one;
	unsigned refused = 0;
	int n;

	(void)unused;
	open_signed();
	for (int i = 0; i < 32; i++) {
		n = snprintf(one, sizeof(one),
		    "{\"type\":\"subscribe\",\"id\":\"%d\",\"topic\":\"tasks\",\"window\":1,"
		    "\"filter\":{\"type\":[",
		    i);
		while (n < 1850)
			n += snprintf(one + n, sizeof(one) - (size_t)n, "\"%0100d\",", n);
		snprintf(one + n, sizeof(one) - (size_t)n, "\"x\"]}}");
		livebed_turn(1, &text);
		refused += livebed_count("\"reason\":\"TOO_MANY_SUBSCRIPTIONS\"");
	}
	assert_in_range(refused, 1, 8);
	assert_int_equal(live.close_code, 0);
	assert_true(live.state_n <= 56 << 10);
}

static void
without_the_permission_there_is_no_subscription(void **unused)
{
	(void)unused;
	open_signed();
	live.forbidden = true;
	TURN(SUBSCRIBE("s", ""));
	assert_said("\"code\":\"PERMISSION_DENIED\"");
	assert_string_equal(live.listens, "");
	assert_int_equal(live.close_code, 0);
}

static void
a_permission_that_was_taken_away_ends_what_it_was_for(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	live.age_us += 1 * SEC;
	live.forbidden = true;
	live.n_events = 2;
	livebed_ring();
	assert_int_equal(livebed_count("\"type\":\"event\""), 0);
	assert_said("{\"type\":\"error\",\"id\":\"s\"");
	assert_string_equal(live.listens, "");
	assert_int_equal(live.close_code, 0);
}

static void
what_is_confirmed_of_a_principal_counts_from_then_on(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	live.age_us += 1 * SEC;
	live.n_events = 1;
	live.expires_at = (uint64_t)(time_wall_us() + 30 * SEC);
	livebed_ring();
	assert_int_equal(livebed_count("\"type\":\"event\""), 1);
	TURN("{\"type\":\"ping\"}");
	assert_int_equal(livebed_count("reauthenticate"), 1);
}

static void
who_says_again_who_he_is_may_hear_no_more_for_it(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	live.age_us += 1 * SEC;
	live.n_events = 2;
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	live.forbidden = true;
	live.permission[0] = '\0';
	livebed_ring();
	assert_string_equal(live.permission, "task.read");
	assert_int_equal(livebed_count("\"type\":\"event\""), 0);
	assert_said("{\"type\":\"error\",\"id\":\"s\"");
}

static void
the_handshakes_credential_is_told_apart_from_that_of_a_message(void **unused)
{
	(void)unused;
	open_signed();
	assert_int_equal(live.handshake, 200);
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_int_equal(live.handshake, 0);
	live.state_n = 0;
	live.authorization = "Bearer bad";
	livebed_turn(0, NULL);
	assert_int_equal(live.handshake, 401);
	live.state_n = 0;
	live.authorization = NULL;
	TURN("{\"type\":\"auth\",\"token\":\"ann\"}");
	assert_said("\"type\":\"authenticated\"");
	assert_int_equal(live.handshake, 0);
}

static void
a_revoked_credential_hears_nothing_more(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	live.age_us += 1 * SEC;
	live.revoked = true;
	live.n_events = 2;
	livebed_ring();
	assert_int_equal(livebed_count("\"type\":\"event\""), 0);
	assert_said("{\"type\":\"goodbye\",\"reason\":\"TOKEN_INVALID\"");
	assert_int_equal(live.close_code, 4401);
}

static void
a_revoked_credential_ends_a_session_to_which_nothing_is_told_too(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	assert_true(live.wake_us <= 300 * SEC);
	live.revoked = true;
	live.age_us += 301 * SEC;
	livebed_turn(0, NULL);
	assert_int_equal(live.close_code, 4401);
}

static void
when_nobody_can_judge_nothing_is_told_and_nothing_is_lost(void **unused)
{
	(void)unused;
	open_signed();
	TURN(SUBSCRIBE("s", ""));
	live.age_us += 1 * SEC;
	live.meta_down = true;
	live.n_events = 2;
	livebed_ring();
	assert_int_equal(live.messages, 0);
	assert_int_equal(live.failed, ST_OK);
	assert_true(live.wake_us > 0 && live.wake_us <= 1 * SEC);
	live.meta_down = false;
	live.age_us += 1 * SEC;
	livebed_turn(0, NULL);
	assert_int_equal(livebed_count("\"type\":\"event\""), 2);
}

static void
while_the_log_can_not_be_read_it_is_asked_again(void **unused)
{
	(void)unused;
	open_signed();
	live.log_down = true;
	TURN(SUBSCRIBE("s", ",\"after\":\"0\""));
	assert_int_equal(live.messages, 0);
	assert_true(live.wake_us > 0 && live.wake_us <= 1 * SEC);
	TURN("{\"type\":\"ping\"}");
	assert_true(live.wake_us > 0 && live.wake_us <= 1 * SEC);
	live.log_down = false;
	live.n_events = 1;
	live.age_us += 1 * SEC;
	livebed_turn(0, NULL);
	assert_said("subscribed");
	assert_int_equal(livebed_count("\"type\":\"event\""), 1);
}

static void
the_fleets_events_are_numbered_by_meta(void **unused)
{
	Mf__Empty nothing = MF__EMPTY__INIT;

	(void)unused;
	open_signed();
	livebed_publish("sql", "READY");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"filter\":{\"name\":"
	     "\"sql\"}}");
	assert_said("{\"type\":\"subscribed\",\"id\":\"f\",\"position\":\"7.1\"}");
	assert_string_equal(live.permission, "fleet.read");
	assert_string_equal(live.listens, "fleet ");
	livebed_publish("rest", "READY");
	bus_publish(live.bus, "breaker", &nothing.base);
	livebed_publish("sql", "DRAINING");
	livebed_ring();
	assert_int_equal(live.messages, 1);
	assert_said("\"position\":\"7.4\",\"event\":\"fleet.node\"");
	assert_said("\"name\":\"sql\",\"level\":0,\"domain\":\"database\",\"pid\":0,\"state\":"
		    "\"DRAINING\"");
	TURN("{\"type\":\"subscribe\",\"id\":\"g\",\"topic\":\"fleet\",\"after\":\"7.1\"}");
	assert_int_equal(livebed_count("\"subscription\":\"g\""), 2);
	assert_int_equal(livebed_count("\"type\":\"gap\""), 0);
}

static void
error_patterns_are_told_to_who_names_their_kind(void **unused)
{
	Mf__ErrorPattern p = MF__ERROR_PATTERN__INIT;

	(void)unused;
	open_signed();
	livebed_publish("sql", "READY");
	p.node = (char *)(uintptr_t) "sql";
	p.cause = (char *)(uintptr_t) "PEER_LOST";
	bus_publish(live.bus, "error.pattern", &p.base);
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"after\":\"7.0\"}");
	assert_said("\"position\":\"7.1\",\"event\":\"fleet.node\"");
	assert_int_equal(livebed_count("error.pattern"), 0);
	TURN("{\"type\":\"subscribe\",\"id\":\"g\",\"topic\":\"fleet\",\"after\":\"7.0\","
	     "\"filter\":{\"kind\":\"error.pattern\",\"domain\":\"database\"}}");
	assert_int_equal(livebed_count("\"type\":\"event\""), 1);
	assert_said("\"position\":\"7.2\",\"event\":\"error.pattern\"");
	assert_said("\"node\":\"sql\",\"method\":\"\",\"status\":\"\",\"cause\":\"PEER_LOST\"");
}

static void
events_of_a_meta_that_is_gone_are_a_gap(void **unused)
{
	(void)unused;
	open_signed();
	livebed_publish("sql", "READY");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"after\":\"6.123\"}");
	assert_said("{\"type\":\"gap\",\"id\":\"f\"");
	assert_said("\"position\":\"7.1\",\"event\"");
	assert_said("{\"type\":\"caught_up\",\"id\":\"f\",\"position\":\"7.1\"}");
}

/* All of them publish what the supervisor reports; the numbers of one say nothing of another's. */
static void
the_fleets_events_are_those_of_whoever_leads(void **unused)
{
	(void)unused;
	open_signed();
	livebed_publish("sql", "READY");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\"}");
	assert_said("\"position\":\"7.1\"");
	live.stand_by = 1;
	livebed_publish("sql", "DRAINING");
	livebed_ring();
	assert_said("{\"type\":\"gap\",\"id\":\"f\",\"position\":\"7.1\"}");
	assert_int_equal(livebed_count("\"type\":\"event\""), 0);
	livebed_publish("rest", "READY");
	livebed_ring();
	assert_said("\"position\":\"7.3.2\",\"event\":\"fleet.node\"");
	assert_int_equal(livebed_count("\"type\":\"event\""), 1);
	assert_int_equal(livebed_count("\"type\":\"gap\""), 0);
	TURN("{\"type\":\"subscribe\",\"id\":\"g\",\"topic\":\"fleet\",\"after\":\"7.1.2\"}");
	assert_int_equal(livebed_count("\"type\":\"gap\""), 0);
	assert_int_equal(livebed_count("\"type\":\"event\",\"subscription\":\"g\""), 2);
	TURN("{\"type\":\"subscribe\",\"id\":\"h\",\"topic\":\"fleet\",\"after\":\"7.1.4\"}");
	assert_said("\"type\":\"error\",\"id\":\"h\"");
}

static int
with_standbys(void **state)
{
	setenv("METAFED_STANDBYS", "1", 1);
	return livebed_start(state);
}

static int
without_standbys(void **state)
{
	unsetenv("METAFED_STANDBYS");
	return livebed_stop(state);
}

static void
what_the_ring_has_lost_is_a_gap(void **unused)
{
	(void)unused;
	open_signed();
	for (int i = 0; i < 4100; i++)
		livebed_publish("sql", i % 2 ? "READY" : "DRAINING");
	TURN("{\"type\":\"subscribe\",\"id\":\"f\",\"topic\":\"fleet\",\"after\":\"7.1\"}");
	assert_said("{\"type\":\"gap\",\"id\":\"f\"");
	assert_said("\"position\":\"7.5\",\"event\"");
}

static void
a_state_that_is_none_is_refused(void **unused)
{
	(void)unused;
	live.state[0] = 0xff;
	live.state_n = 1;
	livebed_turn(0, NULL);
	assert_int_equal(live.failed, ST_INTERNAL);
}

static void
a_topic_of_a_newer_program_is_refused(void **unused)
{
	Mf__LiveState s = MF__LIVE_STATE__INIT;
	Mf__LiveSubscription one = MF__LIVE_SUBSCRIPTION__INIT, *all[] = { &one };

	(void)unused;
	s.version = 1;
	s.subscriptions = all;
	s.n_subscriptions = 1;
	one.topic = (char *)(uintptr_t) "weather";
	live.state_n = mf__live_state__pack(&s, live.state);
	livebed_ring();
	assert_int_equal(live.failed, ST_INTERNAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(a_session_begins_with_hello_and_waits_for_auth),
		LIVE(a_header_of_the_handshake_says_who_it_is),
		LIVE(a_bad_credential_ends_the_session),
		LIVE(when_nobody_can_judge_a_credential_the_session_goes_on_without_it),
		LIVE(nobody_by_its_time_is_sent_away),
		LIVE(a_session_stays_one_persons),
		LIVE(a_credential_that_ends_is_asked_for_and_then_missed),
		LIVE(who_is_silent_and_wants_nothing_is_sent_away),
		LIVE(last_words_are_a_goodbye),
		LIVE(what_is_no_message_is_refused_and_the_session_goes_on),
		LIVE(a_submit_is_done_as_over_http_and_answered_under_its_id),
		LIVE(a_submit_may_be_a_whole_request),
		LIVE(a_refused_submit_is_an_error_with_the_problem_that_http_has),
		LIVE(an_id_that_is_under_way_is_not_taken_twice_and_can_be_cancelled),
		LIVE(a_subscription_begins_at_the_end_of_the_log),
		LIVE(a_subscription_resumes_behind_the_last_event_seen),
		LIVE(what_the_log_has_lost_is_said),
		LIVE(a_position_of_no_log_ends_the_subscription),
		LIVE(a_filter_passes_only_what_it_names),
		LIVE(subscriptions_at_the_same_position_share_a_read),
		LIVE(who_has_no_room_lags_and_loses_nothing),
		LIVE(a_long_way_is_gone_in_several_turns),
		LIVE(a_window_holds_events_until_they_are_acknowledged),
		LIVE(an_unsubscribed_one_hears_no_more),
		LIVE(a_session_has_at_most_thirty_two_subscriptions),
		LIVE(a_state_that_is_full_is_said),
		LIVE(without_the_permission_there_is_no_subscription),
		LIVE(a_permission_that_was_taken_away_ends_what_it_was_for),
		LIVE(what_is_confirmed_of_a_principal_counts_from_then_on),
		LIVE(who_says_again_who_he_is_may_hear_no_more_for_it),
		LIVE(the_handshakes_credential_is_told_apart_from_that_of_a_message),
		LIVE(a_revoked_credential_hears_nothing_more),
		LIVE(a_revoked_credential_ends_a_session_to_which_nothing_is_told_too),
		LIVE(when_nobody_can_judge_nothing_is_told_and_nothing_is_lost),
		LIVE(while_the_log_can_not_be_read_it_is_asked_again),
		LIVE(the_fleets_events_are_numbered_by_meta),
		LIVE(error_patterns_are_told_to_who_names_their_kind),
		LIVE(events_of_a_meta_that_is_gone_are_a_gap),
		cmocka_unit_test_setup_teardown(
		    the_fleets_events_are_those_of_whoever_leads, with_standbys, without_standbys),
		LIVE(what_the_ring_has_lost_is_a_gap),
		LIVE(a_state_that_is_none_is_refused),
		LIVE(a_topic_of_a_newer_program_is_refused),
	};

	return TEST_RUN(tests);
}
