/* log_file: the log of a process is turned over without losing a line, and stays within its budget. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/json.h"
#include "base/log_file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "harness/test.h"

#define FILE_BYTES INT64_C(65536)
#define BUDGET     (LOG_FILES_LEAST * FILE_BYTES)

static char var[64], log_dir[80], path[400];
static int fd = -1;

static const char *
in_log(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", log_dir, name);
	return path;
}

static void
begin(const char *name, uint64_t generation)
{
	if (fd >= 0)
		close(fd);
	fd = log_file_open(var, name);
	assert_true(fd >= 0);
	log_init(name, generation, fd);
	log_file_use(fd, var, name, FILE_BYTES, BUDGET);
}

static int
start(void **unused)
{
	(void)unused;
	snprintf(var, sizeof(var), "/tmp/mf-log-XXXXXX");
	if (mkdtemp(var) == NULL)
		return -1;
	snprintf(log_dir, sizeof(log_dir), "%s/log", var);
	return mkdir(log_dir, 0700);
}

static int
stop(void **unused)
{
	DIR *d = opendir(log_dir);
	struct dirent *e;

	(void)unused;
	log_set_level_for(LOG_INFO, 0);
	log_set_level(LOG_INFO);
	log_file_use(-1, var, "none", 0, 0);
	log_init("test", 0, STDERR_FILENO);
	while (d != NULL && (e = readdir(d)) != NULL)
		unlink(in_log(e->d_name));
	if (d != NULL)
		closedir(d);
	if (fd >= 0)
		close(fd);
	fd = -1;
	return rmdir(log_dir) == 0 && rmdir(var) == 0 ? 0 : -1;
}

static void
say(const char *event, const char *text)
{
	log_write(LOG_INFO, NULL, event,
	    (const struct log_field[]){ L_STR("text", text), { .key = NULL } });
}

/* The whole of a file; the caller frees it. */
static char *
content(const char *name)
{
	FILE *f = fopen(in_log(name), "re");
	char *text = mem_zalloc(1 << 20);

	if (f != NULL) {
		text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
		fclose(f);
	}
	return text;
}

/* Each line of it is JSON, its number follows *seq. */
static void
check_lines(const char *name, json_int_t *seq)
{
	char *text = content(name), *end;

	for (char *p = text; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		struct json_error e;
		json_t *v = json_read(p, (size_t)(end - p), &e);

		assert_non_null(v);
		assert_int_equal(json_integer_value(json_object_get(v, "seq")), ++*seq);
		json_decref(v);
		p = end;
	}
	free(text);
}

static void
a_full_file_becomes_an_old_one_and_no_line_is_lost(void **unused)
{
	json_int_t seq = 0;
	char name[32];
	struct stat st;

	(void)unused;
	begin("sql", 3);
	for (int i = 0; i < 2000; i++)
		say("filled", "a text that makes a line longer than it would be without it");
	for (int i = 1; i < 100; i++) {
		snprintf(name, sizeof(name), "sql.log.%06d", i);
		if (stat(in_log(name), &st) < 0)
			break;
		assert_true(st.st_size <= FILE_BYTES && st.st_size > FILE_BYTES - PIPE_BUF);
		check_lines(name, &seq);
	}
	assert_true(seq > 1000);
	check_lines("sql.log", &seq);
	assert_int_equal(seq, 2000);
}

static void
what_goes_to_standard_error_by_itself_goes_along(void **unused)
{
	int status;
	pid_t pid = fork();
	char *now;

	(void)unused;
	if (pid == 0) {
		begin("sql", 1);
		dup2(fd, STDERR_FILENO);
		dup2(fd, STDOUT_FILENO);
		for (int i = 0; i < 500; i++)
			say("filled",
			    "a text that makes a line longer than it would be without it, and then "
			    "it has to be longer still, so that a file is full sooner");
		(void)!write(STDERR_FILENO, "of a library\n", 13);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(in_log("sql.log.000001"), F_OK), 0);
	now = content("sql.log");
	assert_non_null(strstr(now, "}\nof a library\n"));
	free(now);
}

static void
old_files_of_all_processes_stay_within_the_budget_and_the_oldest_go_first(void **unused)
{
	const char *const names[] = { "api", "sql" };
	uint64_t bytes = 0;
	struct dirent *e;
	struct stat st;
	DIR *d;

	(void)unused;
	for (int round = 0; round < 6; round++)
		for (int k = 0; k < 2; k++) {
			begin(names[k], 1);
			for (int i = 0; i < 3000; i++)
				say("filled",
				    "a text that makes a line longer than it would be without");
		}
	d = opendir(log_dir);
	while ((e = readdir(d)) != NULL)
		if (stat(in_log(e->d_name), &st) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	closedir(d);
	assert_true(bytes <= BUDGET);
	assert_true(bytes > BUDGET - 4 * FILE_BYTES);
	assert_int_not_equal(access(in_log("api.log.000001"), F_OK), 0);
	assert_int_not_equal(access(in_log("sql.log.000001"), F_OK), 0);
	assert_int_equal(access(in_log("api.log"), F_OK), 0);
}

static void
half_a_line_of_one_that_was_killed_does_not_spoil_the_next(void **unused)
{
	int torn = open(in_log("sql.log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char *text;

	(void)unused;
	assert_int_equal(write(torn, "{\"time\":\"20", 11), 11);
	close(torn);
	begin("sql", 2);
	log_info("whole");
	text = content("sql.log");
	assert_true(strncmp(text, "{\"time\":\"20\n{\"time\":", 20) == 0);
	free(text);
}

static void
a_disk_that_is_full_costs_lines_and_nothing_else(void **unused)
{
	const struct rlimit none = { 1000, RLIM_INFINITY };
	int status;
	char *text;
	pid_t pid;

	(void)unused;
	pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN); /* EFBIG, a part of a line first: as ENOSPC */
		begin("sql", 1);
		setrlimit(RLIMIT_FSIZE, &none);
		for (int i = 0; i < 20; i++)
			say("filled",
			    "a text that makes a line longer than it would be without it");
		setrlimit(RLIMIT_FSIZE, &(const struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
		say("again", "there is room");
		_exit(log_lost() > 10 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	text = content("sql.log");
	assert_non_null(
	    strstr(text, "\n{\"time\"")); /* and behind what was cut: a line of its own */
	for (char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		struct json_error e;
		json_t *v = json_read(p, (size_t)(end - p), &e);
		const char *event = json_string_value(json_object_get(v, "event"));

		if (event != NULL && strcmp(event, "again") == 0)
			assert_non_null(strstr(end, "\"event\":\"lines_lost\",\"lines\":1"));
		json_decref(v);
	}
	assert_non_null(strstr(text, "\"again\""));
	free(text);
}

static void
where_the_directory_has_gone_it_goes_on_in_the_file_that_is_open(void **unused)
{
	char away[96];
	struct stat st;

	(void)unused;
	begin("sql", 1);
	snprintf(away, sizeof(away), "%s/away", var);
	assert_int_equal(rename(log_dir, away), 0);
	for (int i = 0; i < 1000; i++)
		say("filled", "a text that makes a line longer than it would be without it");
	assert_int_equal(rename(away, log_dir), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > FILE_BYTES);
	assert_int_equal(log_lost(), 0);
	say("filled", "and the next time it is looked for it is there");
}

static void
a_level_for_a_time_is_taken_over_by_the_next_process(void **unused)
{
	(void)unused;
	begin("sql", 1);
	log_set_level_for(LOG_DEBUG, 3600 * SEC);
	log_set_level_for(
	    LOG_WARN, 0); /* of another process now, in memory: the file is gone as well */
	assert_int_not_equal(access(in_log("sql.level"), F_OK), 0);
	log_set_level_for(LOG_DEBUG, 3600 * SEC);
	assert_int_equal(access(in_log("sql.level"), F_OK), 0);
	log_file_use(-1, var, "none", 0, 0);
	log_set_level_for(LOG_INFO, 0);
	assert_int_equal(access(in_log("sql.level"), F_OK), 0);
	begin("sql", 2);
	assert_int_equal(log_level(), LOG_DEBUG);
	begin("api", 1);
	log_set_level_for(LOG_INFO, 0);
	assert_int_equal(access(in_log("sql.level"), F_OK), 0);
}

static void
a_level_whose_time_is_over_or_that_is_none_is_not_taken_over(void **unused)
{
	static const char *const texts[] = { "debug 1700000000000000\n", "loud 4102444800000000\n",
		"debug", "", "debug x\n" };

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *f = fopen(in_log("sql.level"), "we");

		assert_non_null(f);
		fputs(texts[i], f);
		fclose(f);
		begin("sql", i + 1);
		assert_int_equal(log_level(), LOG_INFO);
		assert_int_not_equal(access(in_log("sql.level"), F_OK), 0);
	}
}

static void
of_a_server_that_cannot_be_told_the_older_part_is_given_back_in_place(void **unused)
{
	static char block[65536];
	int server = open(in_log("postgres.log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	(void)unused;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 10; i++)
		assert_int_equal(write(server, block, sizeof(block)), sizeof(block));
	log_file_trim(in_log("postgres.log"), 5 * FILE_BYTES);
	assert_int_equal(fstat(server, &st), 0);
	assert_true(st.st_blocks * 512 >= 10 * FILE_BYTES);
	log_file_trim(in_log("postgres.log"), FILE_BYTES);
	assert_int_equal(write(server, "last\n", 5), 5);
	assert_int_equal(fstat(server, &st), 0);
	assert_true(st.st_blocks * 512 <= 3 * FILE_BYTES);
	close(server);
	log_file_turn_idle(var, "postgres", 100 * FILE_BYTES, BUDGET);
	assert_int_equal(access(in_log("postgres.log"), F_OK), 0);
	log_file_turn_idle(var, "postgres", FILE_BYTES, BUDGET);
	assert_int_equal(stat(in_log("postgres.log"), &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(access(in_log("postgres.log.000001"), F_OK), 0);
}

static void
the_end_of_a_log_is_read_over_a_file_that_was_just_turned_over(void **unused)
{
	static const char *const files[] = { "sql.log.000009", "sql.log.000010", "sql.log" };
	static const char *const texts[] = { "old\n", "one\ntwo\n", "three\n" };
	char out[12];

	(void)unused;
	assert_int_equal(log_file_tail(var, "sql", out, sizeof(out)), 0);
	for (size_t i = 0; i < 3; i++) {
		FILE *f = fopen(in_log(files[i]), "we");

		assert_non_null(f);
		fputs(texts[i], f);
		fclose(f);
	}
	assert_int_equal(log_file_tail(var, "sql", out, 6), 6);
	assert_memory_equal(out, "three\n", 6);
	assert_int_equal(log_file_tail(var, "sql", out, 10), 10);
	assert_memory_equal(out, "two\nthree\n", 10);
	unlink(in_log("sql.log"));
	assert_int_equal(log_file_tail(var, "sql", out, sizeof(out)), 8);
	assert_memory_equal(out, "one\ntwo\n", 8);
}

static void
a_budget_has_room_for_a_file_of_each_process(void **unused)
{
	char err[160];

	(void)unused;
	assert_true(log_file_check(8 << 20, 512 << 20, err, sizeof(err)));
	assert_false(log_file_check(64 << 20, 512 << 20, err, sizeof(err)));
	assert_non_null(strstr(err, "log_budget: must be at least 32 times"));
}

#define L(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		L(a_full_file_becomes_an_old_one_and_no_line_is_lost),
		L(what_goes_to_standard_error_by_itself_goes_along),
		L(old_files_of_all_processes_stay_within_the_budget_and_the_oldest_go_first),
		L(half_a_line_of_one_that_was_killed_does_not_spoil_the_next),
		L(a_disk_that_is_full_costs_lines_and_nothing_else),
		L(where_the_directory_has_gone_it_goes_on_in_the_file_that_is_open),
		L(a_level_for_a_time_is_taken_over_by_the_next_process),
		L(a_level_whose_time_is_over_or_that_is_none_is_not_taken_over),
		L(of_a_server_that_cannot_be_told_the_older_part_is_given_back_in_place),
		L(the_end_of_a_log_is_read_over_a_file_that_was_just_turned_over),
		L(a_budget_has_room_for_a_file_of_each_process),
	};

	return TEST_RUN(tests);
}
