/* live_sse: streams of events turn by turn: what opens one, what is said, and what a later turn makes
 * of the state. */
#include <stdio.h>
#include <string.h>
#include "harness/livebed.h"

static void
open_stream(const char *query, const char *last)
{
	live.protocol = "sse";
	live.authorization = "Bearer ann";
	live.query = query;
	live.last = last;
	livebed_turn(0, NULL);
}

static void
a_stream_begins_at_the_end_of_the_log_and_says_where(void **unused)
{
	(void)unused;
	live.n_events = 3;
	open_stream(NULL, NULL);
	assert_int_equal(live.refused, 0);
	assert_string_equal(live.permission, "task.read");
	assert_said("retry: 1000\n\n");
	assert_said("id: 3\nevent: subscribed\ndata: {\"topics\":[\"tasks\"]}\n\n");
	assert_said("id: 3\nevent: caught_up\ndata: {\"topic\":\"tasks\"}\n\n");
	assert_string_equal(live.listens, "task ");
	live.n_events = 4;
	livebed_ring();
	assert_said("id: 4\nevent: task.created\ndata: {\"at\":");
	assert_said("\"data\":{\"id\":\"task-4\"");
	assert_int_equal(live.messages, 1);
}

static void
a_stream_resumes_behind_the_id_that_the_client_saw_last(void **unused)
{
	(void)unused;
	live.n_events = 5;
	open_stream("after=1", "3");
	assert_int_equal(livebed_count("event: task.created"), 2);
	assert_said("id: 4\nevent: task.created");
	assert_said("id: 5\nevent: task.created");
}

static void
with_both_topics_an_id_says_where_each_stands(void **unused)
{
	(void)unused;
	live.n_events = 3;
	livebed_publish("sql", "READY");
	open_stream("topics=fleet,tasks", NULL);
	assert_int_equal(livebed_count("event: subscribed"), 1);
	assert_said(",3\nevent: subscribed\ndata: {\"topics\":[\"fleet\",\"tasks\"]}");
	live.n_events = 4;
	livebed_ring();
	assert_said(",4\nevent: task.created");
	assert_int_equal(live.messages, 1);
}

static void
with_both_topics_the_first_word_is_that_it_begins_and_every_id_is_whole(void **unused)
{
	static const char *const topics[] = { "topics=fleet,tasks", "topics=tasks,fleet" };

	(void)unused;
	live.n_events = 3;
	livebed_publish("sql", "READY");
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		live.state_n = 0;
		open_stream(topics[i], NULL);
		assert_int_equal(livebed_count("event: "), 3);
		assert_int_equal(livebed_count("event: subscribed"), 1);
		assert_int_equal(livebed_count("event: caught_up"), 2);
		assert_true(
		    strstr(live.said, "event: subscribed") < strstr(live.said, "event: caught_up"));
		assert_int_equal(livebed_count(",\nevent:"), 0);
		assert_int_equal(livebed_count("id: ,"), 0);
	}
}

static void
who_comes_back_with_both_positions_hears_first_that_it_begins(void **unused)
{
	(void)unused;
	live.n_events = 9;
	open_stream("topics=tasks,fleet", "5,1.1");
	assert_int_equal(livebed_count("event: task.created"), 4);
	assert_int_equal(livebed_count("event: subscribed"), 1);
	assert_true(
	    strstr(live.said, "event: subscribed") < strstr(live.said, "event: task.created"));
}

static void
what_has_caught_up_before_the_other_can_be_asked_is_told_behind_the_beginning(void **unused)
{
	(void)unused;
	live.n_events = 3;
	livebed_publish("sql", "READY");
	live.log_down = true;
	open_stream("topics=fleet,tasks", NULL);
	assert_int_equal(livebed_count("event: "), 0);
	live.log_down = false;
	livebed_ring();
	assert_int_equal(livebed_count("event: subscribed"), 1);
	assert_int_equal(livebed_count("event: caught_up"), 2);
	assert_true(strstr(live.said, "event: subscribed") < strstr(live.said, "event: caught_up"));
}

static void
what_is_wrong_with_the_request_is_answered_as_over_http(void **unused)
{
	static char long_id[202];
	const struct {
		int http;
		const char *query, *last, *authorization;
	} all[] = {
		{ 401, NULL, NULL, "Basic eDp5" },
		{ 401, NULL, NULL, "Bearer bad" },
		{ 401, NULL, NULL, NULL },
		{ 422, "topics=users", NULL, "Bearer ann" },
		{ 422, "topics=tasks,tasks", NULL, "Bearer ann" },
		{ 422, "colour=red", NULL, "Bearer ann" },
		{ 422, "domain=api", NULL, "Bearer ann" },
		{ 422, "after=nonsense", NULL, "Bearer ann" },
		{ 422, NULL, "1,2", "Bearer ann" },
		{ 422, "topics=fleet", "nonsense", "Bearer ann" },
		{ 422, NULL, "with space", "Bearer ann" },
		{ 400, NULL, long_id, "Bearer ann" },
	};

	(void)unused;
	memset(long_id, '1', sizeof(long_id) - 1);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		live.state_n = 0;
		live.protocol = "sse";
		live.authorization = all[i].authorization;
		live.query = all[i].query;
		live.last = all[i].last;
		livebed_turn(0, NULL);
		if (live.refused != all[i].http)
			fail_msg("%zu: %d", i, live.refused);
	}
	live.forbidden = true;
	live.state_n = 0;
	open_stream(NULL, NULL);
	assert_int_equal(live.refused, 403);
}

static void
while_nobody_can_judge_the_stream_is_neither_opened_nor_refused(void **unused)
{
	(void)unused;
	live.meta_down = true;
	open_stream(NULL, NULL);
	assert_int_equal(live.failed, ST_UNAVAILABLE);
	live.meta_down = false;
	live.state_n = 0;
	open_stream(NULL, NULL);
	assert_said("event: subscribed");
}

static void
filters_pass_only_what_they_name(void **unused)
{
	(void)unused;
	live.n_events = 9;
	open_stream("id=task-4&id=task-7&kind=task.created&after=1", NULL);
	assert_int_equal(livebed_count("event: task.created"), 2);
	assert_said("id: 4\n");
	assert_said("id: 7\n");
	assert_said("id: 9\nevent: caught_up");
}

static void
a_log_that_has_moved_on_is_a_gap(void **unused)
{
	(void)unused;
	live.n_events = 9;
	live.first = 5;
	open_stream("after=2", NULL);
	assert_said("id: 2\nevent: gap\ndata: {\"topic\":\"tasks\"}");
	assert_int_equal(livebed_count("event: task.created"), 4);
}

static void
a_credential_or_a_permission_that_is_gone_ends_it_and_nothing_more_is_told(void **unused)
{
	(void)unused;
	for (int revoked = 0; revoked < 2; revoked++) {
		live.revoked = live.forbidden = false;
		live.state_n = 0;
		live.close_code = 0;
		open_stream(NULL, NULL);
		live.revoked = revoked;
		live.forbidden = !revoked;
		live.age_us += 1 * SEC;
		live.n_events++;
		livebed_ring();
		assert_said("event: goodbye\ndata: {\"reason\":\"");
		assert_int_equal(live.messages, 1);
		assert_int_equal(live.close_code, 1008);
	}
}

static void
last_words_are_a_goodbye(void **unused)
{
	(void)unused;
	open_stream(NULL, NULL);
	live.leaving = true;
	livebed_turn(0, NULL);
	assert_said("event: goodbye\ndata: {\"reason\":\"GOING_AWAY\"");
}

static void
who_has_no_room_lags_and_loses_nothing(void **unused)
{
	unsigned told = 0;

	(void)unused;
	live.n_events = 100;
	live.room = 2000;
	open_stream("after=0", NULL);
	assert_true(live.more);
	assert_int_equal(livebed_count("event: lagging"), 1);
	for (told = livebed_count("event: task.created"); told < 100;) {
		livebed_ring();
		assert_true(livebed_count("event: task.created") > 0);
		told += livebed_count("event: task.created");
	}
	assert_int_equal(told, 100);
	assert_said("id: 100\nevent: caught_up");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(a_stream_begins_at_the_end_of_the_log_and_says_where),
		LIVE(a_stream_resumes_behind_the_id_that_the_client_saw_last),
		LIVE(with_both_topics_an_id_says_where_each_stands),
		LIVE(with_both_topics_the_first_word_is_that_it_begins_and_every_id_is_whole),
		LIVE(who_comes_back_with_both_positions_hears_first_that_it_begins),
		LIVE(what_has_caught_up_before_the_other_can_be_asked_is_told_behind_the_beginning),
		LIVE(what_is_wrong_with_the_request_is_answered_as_over_http),
		LIVE(while_nobody_can_judge_the_stream_is_neither_opened_nor_refused),
		LIVE(filters_pass_only_what_they_name),
		LIVE(a_log_that_has_moved_on_is_a_gap),
		LIVE(a_credential_or_a_permission_that_is_gone_ends_it_and_nothing_more_is_told),
		LIVE(last_words_are_a_goodbye),
		LIVE(who_has_no_room_lags_and_loses_nothing),
	};

	return TEST_RUN(tests);
}
