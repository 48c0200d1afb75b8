/* sql_search: tasks by their words and by the attributes of their payloads, against a real PostgreSQL. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "harness/sqlbed.h"

static const struct {
	const char *title, *description, *payload;
} tasks[] = {
	{ "Rotate the signing key", "Before the old one ends",
	    "{\"team\":{\"id\":7},\"tags\":[\"key\",\"late\"]}" },
	{ "Lock of the repository hangs", "The signing waits, and waits, for a key",
	    "{\"team\":{\"id\":8},\"note\":\"7\"}" },
	{ "Locking, anew", NULL, "{\"team\":{\"id\":7.0},\"a/b\":{\"~\":true}}" },
	{ "It's a \\ quote's task: 'x':* & !y", NULL, "{\"big\":1e308,\"deep\":[[[\"x\"]]]}" },
	{ "Schlüssel drehen", "größer", "[1,2]" },
};
#define TASKS (sizeof(tasks) / sizeof(tasks[0]))

static int
make_tasks(void **state)
{
	if (sqlbed_start(state) != 0)
		return -1;
	for (size_t i = 0; i < TASKS; i++) {
		json_error_t e;
		json_t *v = json_pack("{ss ss* so}", "title", tasks[i].title, "description",
		    tasks[i].description, "payload", json_loads(tasks[i].payload, 0, &e));
		char *text = json_dumps(v, 0);
		struct done d = op_run(OP(CREATE, .id = S(new_id()), .namespace_ = S("search"),
		    .data = { strlen(text), (uint8_t *)text }));

		assert_int_equal(d.status, ST_OK);
		done_free(&d);
		free(text);
		json_decref(v);
	}
	return 0;
}

static struct done
ask(const char *key, const char *value, const char *sort, uint32_t limit, const char *cursor)
{
	Mf__KeyValue kv = { PROTOBUF_C_MESSAGE_INIT(&mf__key_value__descriptor), S(key), S(value) };
	Mf__KeyValue *filters[] = { &kv };

	return op_run(OP(QUERY, .namespace_ = S("search"), .n_filters = 1, .filters = filters,
	    .sort = S(sort), .limit = limit, .cursor = S(cursor)));
}

/* The numbers of the tasks that were found, in the order of the answer: "02". */
static const char *
found_sorted(const char *key, const char *value, const char *sort)
{
	static char out[TASKS + 1];
	struct done d = ask(key, value, sort, 0, "");
	const json_t *one;
	size_t n = 0, i;

	if (d.status != ST_OK)
		print_message("%s=%s: %s\n", key, value, d.message);
	assert_int_equal(d.status, ST_OK);
	json_array_foreach(json_object_get(d.json, "items"), i, one)
	{
		const char *title = json_string_value(json_object_get(one, "title"));

		for (size_t k = 0; k < TASKS; k++)
			if (strcmp(title, tasks[k].title) == 0)
				out[n++] = (char)('0' + k);
	}
	out[n] = '\0';
	done_free(&d);
	return out;
}

static const char *
found(const char *key, const char *value)
{
	return found_sorted(key, value, "");
}

static void
tasks_are_found_by_words_of_title_and_description(void **unused)
{
	(void)unused;
	assert_string_equal(found("q", "signing"), "01");
	assert_string_equal(found("q", "SIGNING waits"), "1");
	assert_string_equal(found("q", "signing -waits"), "0");
	assert_string_equal(found("q", "repository or rotate"), "01");
	assert_string_equal(found("q", "\"signing key\""), "0");
	assert_string_equal(found("q", "größer"), "4");
	assert_string_equal(found("q", "nothing"), "");
	assert_string_equal(found("q", "!!! ???"), "");
}

static void
a_word_with_a_star_is_the_beginning_of_one(void **unused)
{
	(void)unused;
	assert_string_equal(found("q", "lock*"), "12");
	assert_string_equal(found("q", "lock* repo*"), "1");
	assert_string_equal(found("q", "signing rot*"), "0");
	assert_string_equal(found("q", "Schlüs*"), "4");
}

static void
whatever_is_typed_is_words_and_never_an_error(void **unused)
{
	static const char *const typed[] = { "'", "\\*", "'*", "a'b\\*", "it's", "x':* & !y", "(",
		")*", "<->", "& | !", "a:*b*", "\"", "\"a", "-", "--", "-*", "* *", "or or or", "%",
		"$1", "'; DROP TABLE tasks; --", "{\"a\":1}" };

	(void)unused;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++)
		assert_true(strlen(found("q", typed[i])) <= TASKS);
	assert_string_equal(found("q", "quote's"), "3");
	assert_int_equal(bed_count("SELECT count(*) FROM tasks WHERE namespace='search'"), TASKS);
}

static void
the_best_match_is_first_when_it_is_asked_for(void **unused)
{
	struct done d;

	(void)unused;
	assert_string_equal(found_sorted("q", "signing key", "relevance"), "01");
	assert_string_equal(found_sorted("q", "waits* lock* key", "relevance"), "1");
	d = ask("state", "QUEUED", "relevance", 0, "");
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "sort");
	d = ask("q", "x", "-relevance", 0, "");
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
}

static void
pages_of_what_was_found_hold_each_task_once(void **unused)
{
	static const char *const sorts[] = { "", "relevance", "-created_at" };

	(void)unused;
	for (size_t s = 0; s < 3; s++) {
		char cursor[200] = "", seen[200] = "";
		size_t pages = 0;

		do {
			struct done d = ask("q", "the or a or größer or anew", sorts[s], 2, cursor);
			const json_t *next = json_object_get(d.json, "next_cursor"), *one;
			size_t i;

			assert_int_equal(d.status, ST_OK);
			json_array_foreach(json_object_get(d.json, "items"), i, one)
			{
				const char *id = json_string_value(json_object_get(one, "id"));

				assert_null(strstr(seen, id));
				strncat(seen, id, sizeof(seen) - strlen(seen) - 1);
			}
			snprintf(cursor, sizeof(cursor), "%s",
			    json_is_string(next) ? json_string_value(next) : "");
			done_free(&d);
			pages++;
		} while (cursor[0] != '\0');
		assert_int_equal(pages, 3);
		assert_int_equal(strlen(seen), 5 * (UUID_LEN - 1));
	}
}

static void
a_page_of_another_question_is_refused(void **unused)
{
	struct done d = ask("q", "the or a", "relevance", 1, "");
	char cursor[200];

	(void)unused;
	snprintf(cursor, sizeof(cursor), "%s", done_str(&d, "next_cursor"));
	done_free(&d);
	d = ask("q", "the or b", "relevance", 1, cursor);
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
	assert_string_equal(d.field, "cursor");
	d = ask("q", "the or a", "", 1, cursor);
	assert_int_equal(d.status, ST_INVALID_ARGUMENT);
}

static void
tasks_are_found_by_an_attribute_of_their_payload(void **unused)
{
	(void)unused;
	assert_string_equal(found("payload", "/team/id=7"), "02");
	assert_string_equal(found("payload", "/team={\"id\":8}"), "1");
	assert_string_equal(found("payload", "/note=\"7\""), "1");
	assert_string_equal(found("payload", "/note=7"), "");
	assert_string_equal(found("payload", "/tags=late"), "0");
	assert_string_equal(found("payload", "/a~1b/~0=true"), "2");
	assert_string_equal(found("payload", "/deep=[[\"x\"]]"), "3");
}

static void
what_is_no_pointer_or_no_value_is_refused_with_words(void **unused)
{
	static const char *const bad[] = { "", "=", "team=7", "/team", "/~2=1", "/~=1",
		"/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a=1", "/a=\"\\u0000\"", "/\xff=1" };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct done d = ask("payload", bad[i], "", 0, "");

		assert_int_equal(d.status, ST_INVALID_ARGUMENT);
		assert_string_equal(d.field, "payload");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(tasks_are_found_by_words_of_title_and_description),
		T(a_word_with_a_star_is_the_beginning_of_one),
		T(whatever_is_typed_is_words_and_never_an_error),
		T(the_best_match_is_first_when_it_is_asked_for),
		T(pages_of_what_was_found_hold_each_task_once),
		T(a_page_of_another_question_is_refused),
		T(tasks_are_found_by_an_attribute_of_their_payload),
		T(what_is_no_pointer_or_no_value_is_refused_with_words),
	};

	return cmocka_run_group_tests(tests, make_tasks, sqlbed_stop);
}
