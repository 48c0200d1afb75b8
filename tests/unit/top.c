/* top: the screen of `metafed top` as a grid, and what keys do to it; without a terminal and a fleet. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cli/top/model.h"
#include "harness/test.h"

#define NOW (100 * SEC)

static struct snapshot s;
static struct state st;
static struct arena *a;
static char screen[65536];

static const char fleet[] =
    "{\"nodes\":["
    "{\"name\":\"meta\",\"level\":0,\"state\":\"READY\",\"restarts_in_window\":0,\"uptime\":61,"
    "\"breakers\":{},\"rss\":7200000,\"calls_per_s\":12.5,\"errors_per_s\":0,\"p50_ms\":1.2,"
    "\"p99_ms\":4,\"cpu_percent\":3.25,\"leads\":true},"
    "{\"name\":\"api\",\"level\":1,\"state\":\"READY\",\"restarts_in_window\":0,\"uptime\":61,"
    "\"breakers\":{\"mf.Rest -> rest\":\"open\"},\"rss\":9000000,\"calls_per_s\":25,"
    "\"errors_per_s\":0.5,\"p50_ms\":2,\"p99_ms\":8,\"cpu_percent\":1},"
    "{\"name\":\"rest\",\"level\":2,\"state\":\"BACKOFF\",\"restarts_in_window\":3,\"uptime\":0,"
    "\"breakers\":{},\"rss\":0}],"
    "\"apart\":[{\"name\":\"guard\",\"level\":0,\"state\":\"READY\",\"restarts_in_window\":0,"
    "\"uptime\":9000,\"breakers\":{},\"rss\":3400000}],"
    "\"mode\":\"normal\",\"stores\":\"normal\",\"journal_entries\":0}";

static void
give(enum topic t, const char *json)
{
	json_decref(s.of[t].v);
	s.of[t].v = json_loads(json, 0, NULL);
	assert_non_null(s.of[t].v);
	s.of[t].at_us = NOW;
}

static const char *
drawn(int rows, int cols, int64_t now)
{
	struct grid *g = screen_draw(&s, &st, rows, cols, now);
	struct buf b = { 0 };

	assert_true(g->rows >= 1 && g->cols >= 1);
	grid_text(g, false, &b);
	assert_true(b.n < sizeof(screen));
	memcpy(screen, b.p, b.n);
	screen[b.n] = '\0';
	buf_free(&b);
	grid_free(&g);
	return screen;
}

#define SHOWS(text)     assert_non_null(strstr(drawn(24, 80, NOW), text))
#define SHOWS_NOT(text) assert_null(strstr(drawn(24, 80, NOW), text))

static enum todo
press(int key)
{
	const char *node = "";

	return keys_press(a, &s, &st, key, 24, &node);
}

static int
start(void **unused)
{
	(void)unused;
	a = arena_new(1 << 20);
	s = (struct snapshot){ 0 };
	st = (struct state){ .sort = -1, .where = "var", .local = true };
	give(TOPIC_FLEET, fleet);
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	for (int i = 0; i < TOPICS; i++)
		json_decref(s.of[i].v);
	arena_free(&a);
	return 0;
}

static int
row_of(const char *text)
{
	const char *at = strstr(drawn(24, 80, NOW), text);
	int row = 0;

	assert_non_null(at);
	for (const char *p = screen; p < at; p++)
		row += *p == '\n';
	return row;
}

static void
the_head_says_how_the_fleet_is(void **unused)
{
	(void)unused;
	give(TOPIC_RELIABILITY, "{\"windows\":[{\"window\":\"1m\",\"reliability\":0.9985}]}");
	give(TOPIC_COUNTS,
	    "{\"by_state\":{\"QUEUED\":12,\"FAILED\":2},\"count\":14,\"more\":false}");
	SHOWS("metafed var  fleet normal  stores normal  journal 0\n");
	SHOWS("requests 25.0/s  p50 2.00 ms  p99 8.00 ms  errors 0.50/s  reliability 99.85 %\n");
	SHOWS("tasks  QUEUED 12  FAILED 2\n");
}

static void
each_node_has_a_row_and_who_does_not_answer_has_dashes(void **unused)
{
	(void)unused;
	SHOWS("meta         READY        12.5       4     0   0  3.25  7.2 MB   61 s leads\n");
	SHOWS(" api         READY          25       8  0.50   0     1  9.0 MB   61 s rest:open\n");
	SHOWS("  rest       BACKOFF         -       -     -   3     -       -      -\n");
	SHOWS("guard        READY           -       -     -   0     -  3.4 MB    2 h\n");
}

static void
what_is_old_is_said_to_be_and_what_is_wrong_too(void **unused)
{
	(void)unused;
	assert_null(strstr(drawn(24, 80, NOW + 2 * SEC), "STALE"));
	assert_non_null(strstr(drawn(24, 80, NOW + 65 * SEC), "STALE 65 s\n"));
	snprintf(s.of[TOPIC_FLEET].problem, sizeof(s.of[0].problem), "no answer from var");
	assert_non_null(strstr(drawn(24, 80, NOW + 65 * SEC), "\nno answer from var\n"));
	assert_non_null(strstr(screen, " api ")); /* what was known stays */
}

static void
no_control_character_gets_into_the_grid(void **unused)
{
	(void)unused;
	st.tab = TAB_TASKS;
	give(TOPIC_TASKS,
	    "{\"items\":[{\"id\":\"0199f0c0-1234-7abc-8def-0123456789ab\",\"state\":\"QUEUED\","
	    "\"priority\":\"HIGH\",\"type\":\"a\",\"created_at\":\"2026-11-21T09:30:00.000000Z\","
	    "\"title\":\"a\\u001b]0;b\\u0007c\\u009bd\\u202ee\\u007ff\"}]}");
	SHOWS("..6789ab  QUEUED     HIGH      a         2026-11-21 09:30  a ]0;b c d e f\n");
	for (const char *p = screen; *p != '\0'; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= ' ');
	press(KEY_OF_ENTER);
	assert_null(strchr(drawn(24, 80, NOW), '\033'));
}

static void
wide_characters_take_two_cells_and_are_not_cut_in_half(void **unused)
{
	struct grid *g = grid_new(1, 5);
	struct buf b = { 0 };

	(void)unused;
	assert_int_equal(grid_width("\xe6\xbc\xa2\xe5\xad\x97 e\xcc\x81"), 6);
	assert_int_equal(
	    grid_put(g, 0, 0, 5, LOOK_PLAIN, "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2"), 4);
	grid_text(g, false, &b);
	assert_memory_equal(b.p, "\xe6\xbc\xa2\xe5\xad\x97\n", 7);
	b.n = 0;
	grid_text(g, true, &b);
	assert_memory_equal(b.p, "??\n", 3);
	b.n = 0;
	grid_put(g, 0, 0, 5, LOOK_PLAIN, "\xff\xc0\x80\xed\xa0\x80"); /* no UTF-8 */
	grid_text(g, true, &b);
	assert_memory_equal(b.p, "?????\n", 6);
	buf_free(&b);
	grid_free(&g);
}

static void
any_size_is_drawn(void **unused)
{
	(void)unused;
	for (int rows = 1; rows < 40; rows += 3)
		for (int cols = 1; cols < 200; cols += 7)
			for (int tab = 0; tab < TABS; tab++) {
				st.tab = (enum tab)tab;
				st.help = cols % 2 != 0;
				st.detail = rows % 2 != 0;
				(void)drawn(rows, cols, NOW + 9 * SEC);
			}
}

static void
arrows_move_and_the_choice_stays_with_the_row(void **unused)
{
	(void)unused;
	press('j');
	assert_string_equal(st.chosen, "api");
	press(KEY_OF_DOWN);
	assert_string_equal(st.chosen, "rest");
	press(KEY_OF_END);
	press(KEY_OF_DOWN);
	assert_string_equal(st.chosen, "guard");
	press(KEY_OF_HOME);
	press('k');
	assert_string_equal(st.chosen, "meta");
	press('j');
	st.sort = 5; /* restarts: rest comes first, the choice is still api's */
	press(KEY_OF_DOWN);
	assert_string_equal(st.chosen, "guard");
}

static void
rows_are_sorted_by_a_column_and_come_back(void **unused)
{
	(void)unused;
	assert_true(row_of("meta ") < row_of(" api "));
	for (int i = 0; i < 3; i++)
		press('s'); /* node, state, calls */
	assert_true(row_of(" api ") < row_of("meta ") && row_of("meta ") < row_of("rest "));
	press('S');
	assert_true(row_of("meta ") < row_of(" api "));
	for (int i = 0; i <= tab_columns(TAB_NODES); i++)
		press('s');
	assert_int_equal(st.sort, -1);
}

static void
a_filter_keeps_rows_with_its_words(void **unused)
{
	(void)unused;
	press('/');
	for (const char *p = "BACKx"; *p != '\0'; p++)
		press(*p);
	press(KEY_OF_BACKSPACE);
	SHOWS("/BACK_\n");
	SHOWS("rest ");
	SHOWS_NOT(" api ");
	assert_int_equal(press('q'), DO_NOTHING); /* a letter like others */
	SHOWS("nothing has what the filter says");
	press(KEY_OF_ESCAPE);
	SHOWS(" api ");
	assert_int_equal(press('q'), DO_QUIT);
}

static void
a_restart_is_asked_for_and_only_yes_does_it(void **unused)
{
	const char *node = "";

	(void)unused;
	press('j');
	assert_int_equal(press('r'), DO_NOTHING);
	SHOWS("Restart api? It drains first, no request fails. y or n\n");
	assert_int_equal(press('n'), DO_NOTHING);
	SHOWS("Nothing was done.\n");
	press('r');
	assert_int_equal(keys_press(a, &s, &st, 'y', 24, &node), DO_RESTART);
	assert_string_equal(node, "api");
	press(KEY_OF_END);
	press('r');
	SHOWS("guard and supervisor are not restarted by request.\n");
	press('3');
	assert_int_equal(press('r'), DO_NOTHING);
	SHOWS("That is of a node: key 1.\n");
}

static void
logs_are_followed_where_they_are(void **unused)
{
	const char *node = "";

	(void)unused;
	assert_int_equal(keys_press(a, &s, &st, 'l', 24, &node), DO_LOGS);
	assert_string_equal(node, "meta");
	st.local = false;
	assert_int_equal(press('l'), DO_NOTHING);
	SHOWS("Logs are files of a local fleet: --var DIR, not --url.\n");
}

static void
what_is_looked_at_has_its_facts_and_goes_away(void **unused)
{
	(void)unused;
	give(TOPIC_CALLS,
	    "{\"window_s\":10,\"items\":[{\"from\":\"api\",\"to\":\"rest\",\"service\":\"Rest\","
	    "\"per_s\":25,\"errors_per_s\":0,\"p50_ms\":1,\"p99_ms\":null,\"breaker\":\"open\"}]}");
	press('j');
	assert_int_equal(press(KEY_OF_ENTER), DO_ASK);
	SHOWS("cpu_percent          1\n");
	SHOWS("  mf.Rest -> rest                open\n");
	SHOWS("api        > rest       Rest          25.0/s       0 err/s p99       - ms open\n");
	press('q');
	assert_false(st.detail);
	SHOWS("NODE ");
}

static void
only_what_is_shown_is_asked_for(void **unused)
{
	struct question q[QUESTIONS_MOST];

	(void)unused;
	assert_int_equal(questions_of(a, &st, 0, q), 3);
	assert_int_equal(questions_of(a, &st, 1, q), 2); /* counts: now and then */
	assert_int_equal(q[0].topic, TOPIC_FLEET);
	st.tab = TAB_TASKS;
	assert_int_equal(questions_of(a, &st, 1, q), 2);
	assert_int_equal(questions_of(a, &st, 2, q), 3);
	st.detail = true;
	snprintf(st.chosen, sizeof(st.chosen), "a/../b"); /* no part of a path */
	assert_int_equal(questions_of(a, &st, 1, q), 2);
	snprintf(st.chosen, sizeof(st.chosen), "0199f0c0-1234-7abc-8def-0123456789ab");
	assert_int_equal(questions_of(a, &st, 1, q), 4);
	assert_string_equal(q[3].path, "/v1/tasks/0199f0c0-1234-7abc-8def-0123456789ab/history");
}

static void
a_trace_is_a_tree_of_its_spans(void **unused)
{
	(void)unused;
	st.tab = TAB_TRACES;
	st.detail = true;
	give(TOPIC_TRACES, "{\"items\":[{\"trace_id\":\"t1\",\"at\":\"2026-11-21T09:30:00Z\","
			   "\"duration_us\":2500,\"status\":\"ok\",\"name\":\"POST /v1/tasks\"}]}");
	give(TOPIC_TRACE,
	    "{\"trace_id\":\"t1\",\"name\":\"POST /v1/tasks\",\"status\":\"ok\","
	    "\"duration_us\":2500,\"spans\":["
	    "{\"span_id\":\"b\",\"parent_id\":\"a\",\"node\":\"rest\",\"method\":\"Rest.Handle\"},"
	    "{\"span_id\":\"a\",\"parent_id\":\"\",\"node\":\"api\",\"method\":\"HTTP\"}]}");
	assert_true(row_of("api ") < row_of("  rest "));
	SHOWS("POST /v1/tasks  ok  2.50 ms  t1\n");
}

#undef T
#define T(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_head_says_how_the_fleet_is),
		T(each_node_has_a_row_and_who_does_not_answer_has_dashes),
		T(what_is_old_is_said_to_be_and_what_is_wrong_too),
		T(no_control_character_gets_into_the_grid),
		T(wide_characters_take_two_cells_and_are_not_cut_in_half),
		T(any_size_is_drawn),
		T(arrows_move_and_the_choice_stays_with_the_row),
		T(rows_are_sorted_by_a_column_and_come_back),
		T(a_filter_keeps_rows_with_its_words),
		T(a_restart_is_asked_for_and_only_yes_does_it),
		T(logs_are_followed_where_they_are),
		T(what_is_looked_at_has_its_facts_and_goes_away),
		T(only_what_is_shown_is_asked_for),
		T(a_trace_is_a_tree_of_its_spans),
	};

	return TEST_RUN(tests);
}
