/* private: what the supervisor asks of a private server, many times while it starts. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness/test.h"
#include "meta/conf.h"
#include "meta/fleet.h"
#include "meta/private.h"

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
a_server_that_is_not_there_is_not_ready_and_costs_no_descriptor(void **state)
{
	static struct conf near, far;
	unsigned before = open_files();

	(void)state;
	strcpy(near.var, test_dir());
	memset(far.var, 'x', 120); /* no socket's path can be that long */
	for (int i = 0; i < 50; i++) {
		assert_false(private_ready(&near, SLOT_REDIS_DOCS, 1));
		assert_false(private_ready(&far, SLOT_REDIS_DOCS, 1));
	}
	assert_int_equal(open_files(), before);
}

static void
put_pid(const char *path, pid_t pid)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fprintf(f, "%d\nmore\n", (int)pid);
	assert_int_equal(fclose(f), 0);
}

/* An adopted server is nobody's child: process 1 may take its time. */
static void
a_lock_of_a_zombie_does_not_keep_the_next_server_out(void **state)
{
	static struct conf s;
	siginfo_t si;
	pid_t zombie;

	(void)state;
	strcpy(s.var, test_dir());
	mkdir(conf_path(&s, "pg"), 0700);
	mkdir(conf_path(&s, "run"), 0700);
	mkdir(conf_path(&s, "run/stores"), 0700);
	if ((zombie = fork()) == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)zombie, &si, WEXITED | WNOWAIT), 0);
	put_pid(conf_path(&s, "pg/postmaster.pid"), zombie);
	put_pid(conf_path(&s, "run/stores/.s.PGSQL.5432.lock"), zombie);
	test_expect_log(LOG_WARN, 2);
	private_clean(&s, SLOT_POSTGRES);
	assert_int_equal(access(conf_path(&s, "pg/postmaster.pid"), F_OK), -1);
	assert_int_equal(access(conf_path(&s, "run/stores/.s.PGSQL.5432.lock"), F_OK), -1);
	/* once it is reaped, PostgreSQL sees by itself that the lock is nobody's */
	assert_int_equal(waitpid(zombie, NULL, 0), zombie);
	put_pid(conf_path(&s, "run/stores/.s.PGSQL.5432.lock"), zombie);
	private_clean(&s, SLOT_POSTGRES);
	assert_int_equal(access(conf_path(&s, "run/stores/.s.PGSQL.5432.lock"), F_OK), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_server_that_is_not_there_is_not_ready_and_costs_no_descriptor),
		T(a_lock_of_a_zombie_does_not_keep_the_next_server_out),
	};

	return TEST_RUN(tests);
}
