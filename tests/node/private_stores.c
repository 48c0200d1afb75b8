/* private_stores: the private PostgreSQL and Redis servers as entries of the fleet table, for real.
 * PostgreSQL refuses to run as root: root's fleet runs as user postgres, which shows the change of
 * user, too. */
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/str.h"
#include "harness/test.h"
#include "harness/fakefleet.h"

#define PG_BIN "/usr/lib/postgresql/15/bin"
#define STORES "postgres,redis-docs,redis-cache"

static struct passwd *who; /* NULL: ourselves */

/* A program as the fleet's user; its output goes nowhere. */
static pid_t
as_user(char *const argv[])
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (who != NULL && (setgid(who->pw_gid) < 0 || setuid(who->pw_uid) < 0))
		_exit(126);
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	(void)!chdir("/");
	execv(argv[0], argv);
	_exit(127);
}

static int
setup(void **state)
{
	static const char *const dirs[] = { "", "bin", "fake", "redis-docs", "redis-cache", "pg" };
	struct fleet *f;
	char pg[300];
	FILE *conf;

	fake_setup(state);
	f = *state;
	f->stores = STORES;
	if (geteuid() == 0) {
		if ((who = getpwnam("postgres")) == NULL)
			return -1;
		f->user = "postgres";
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		mkdir(fake_path(f, "", dirs[i]), 0700);
		if (who != NULL && chown(fake_path(f, "", dirs[i]), who->pw_uid, who->pw_gid) < 0)
			return -1;
	}
	snprintf(pg, sizeof(pg), "%s", fake_path(f, "", "pg"));
	if (fake_ended(as_user((char *[]){
		PG_BIN "/initdb", "-N", "-D", pg, "-U", "postgres", "-A", "trust", NULL })) != 0)
		return -1;
	snprintf(pg, sizeof(pg), "%s", fake_path(f, "pg/", "postgresql.conf"));
	if ((conf = fopen(pg, "ae")) == NULL)
		return -1;
	fputs("fsync = off\n",
	    conf); /* else its recovery syncs the fresh directory file by file: a second */
	return fclose(conf);
}

static pid_t
psql(const struct fleet *f, const char *statement)
{
	char dir[300];

	snprintf(dir, sizeof(dir), "%s", fake_path(f, "run/", "stores"));
	return as_user((char *[]){
	    PG_BIN "/psql", "-X", "-h", dir, "-U", "postgres", "-c", (char *)statement, NULL });
}

/* Arguments of a process, blanks between them. */
static const char *
command_line(pid_t pid)
{
	static char text[1024];
	char path[64];
	size_t n = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if ((in = fopen(path, "re")) != NULL) {
		n = fread(text, 1, sizeof(text) - 1, in);
		fclose(in);
	}
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] == '\0' ? ' ' : text[i];
	text[n] = '\0';
	return text;
}

static void
stores_are_ready_before_the_nodes_and_show_whose_they_are(void **state)
{
	static const char *const names[] = { "postgres", "redis-docs", "redis-cache" };
	struct fleet *f = *state;
	struct stat st;
	char path[64];

	fake_start(f);
	UNTIL(fake_all_ready(f));
	for (int i = 0; i < 3; i++) {
		assert_non_null(strstr(command_line(fake_pid(f, names[i])), f->var));
		snprintf(path, sizeof(path), "/proc/%d", (int)fake_pid(f, names[i]));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, who == NULL ? geteuid() : who->pw_uid);
	}
	assert_int_equal(fake_ended(psql(f, "select 1")), 0);
}

static void
a_killed_store_is_back_within_two_seconds(const char *name, struct fleet *f)
{
	pid_t before = fake_pid(f, name);
	int64_t killed = time_now_us();

	kill(before, SIGKILL);
	UNTIL(fake_replaced(f, name, before));
	assert_in_range(time_now_us() - killed, 1, 2 * SEC);
}

static void
killed_stores_are_back_within_two_seconds_and_no_node_is_touched(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	fake_up(f, before);
	a_killed_store_is_back_within_two_seconds("redis-docs", f);
	a_killed_store_is_back_within_two_seconds("redis-cache", f);
	a_killed_store_is_back_within_two_seconds("postgres", f);
	fake_pids(f, after);
	for (int i = SLOT_META; i < FLEET_SLOTS; i++)
		assert_int_equal(before[i], after[i]);
	assert_int_equal(fake_ended(psql(f, "select 1")), 0);
}

/* A busy back end does not notice that its postmaster is gone, and a new one refuses to start
 * beside it. */
static void
a_postmaster_killed_under_a_busy_back_end_is_back_within_two_seconds(void **state)
{
	struct fleet *f = *state;
	pid_t client;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	client = psql(f, "select count(*) from generate_series(1, 100000000000)");
	fake_pause(500);
	a_killed_store_is_back_within_two_seconds("postgres", f);
	UNTIL(kill(client, 0) < 0); /* reaped with the orphans */
	assert_int_equal(fake_ended(psql(f, "select 1")), 0);
}

static void
a_new_start_adopts_stores_too(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	fake_up(f, before);
	fake_kill_keepers(f);
	fake_start(f);
	UNTIL(fake_pid(f, "supervisor") != 0 && fake_all_ready(f));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	a_killed_store_is_back_within_two_seconds("postgres", f);
}

static void
stop_leaves_no_store_even_without_guard_and_supervisor(void **state)
{
	struct fleet *f = *state;
	pid_t postmaster;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	postmaster = fake_pid(f, "postgres");
	fake_kill_keepers(f);
	assert_int_equal(fake_ended(fake_run(f, "--stop", -1)), 0);
	UNTIL(kill(postmaster, 0) < 0); /* we reap it */
	assert_int_equal(access(fake_path(f, "pg/", "postmaster.pid"), F_OK),
	    -1); /* it was shut down, not killed */
}

static unsigned
running(const struct fleet *f, int from, int to)
{
	unsigned n = 0;

	for (int i = from; i < to; i++)
		n += fake_pid(f, fleet_table[i].name) != 0;
	return n;
}

static void
stores_outlive_guard_and_supervisor_until_the_last_node_has_left(void **state)
{
	struct fleet *f = *state;
	pid_t last, postmaster;

	fake_put(f, "grace", "200");
	chmod(fake_path(f, "fake/", "grace"), 0644);
	fake_start(f);
	UNTIL(fake_all_ready(f));
	postmaster = fake_pid(f, "postgres");
	last = fake_pid(f, "jwt");
	kill(last, SIGSTOP);
	kill(fake_pid(f, "meta"), SIGKILL); /* whoever looks for the executable gets all three */
	fake_kill_keepers(f);
	UNTIL(running(f, SLOT_META, FLEET_SLOTS) == 1);
	fake_pause(300);
	assert_int_equal(running(f, 0, SLOT_META), 3);
	kill(last, SIGCONT);
	UNTIL(running(f, 0, FLEET_SLOTS) == 0);
	UNTIL(kill(postmaster, 0) < 0);
	assert_int_equal(access(fake_path(f, "pg/", "postmaster.pid"), F_OK), -1);
	UNTIL(fake_pid(f, "guard") == 0); /* the sweep had its lock */
}

#define F(test) cmocka_unit_test_setup_teardown(test, setup, fake_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		F(stores_are_ready_before_the_nodes_and_show_whose_they_are),
		F(killed_stores_are_back_within_two_seconds_and_no_node_is_touched),
		F(a_postmaster_killed_under_a_busy_back_end_is_back_within_two_seconds),
		F(a_new_start_adopts_stores_too),
		F(stores_outlive_guard_and_supervisor_until_the_last_node_has_left),
		F(stop_leaves_no_store_even_without_guard_and_supervisor),
	};

	fake_main(argc, argv);
	return TEST_RUN(tests);
}
