/* pg_pooler: a real PgBouncer before the server. In transaction mode it is refused, whatever was
 * promised; in session mode it serves when the operator says that it is there. */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "harness/pgbed.h"
#include "store/pg_int.h"

#define PGBOUNCER "/usr/sbin/pgbouncer"

static char dir[128], conninfo[200];
static pid_t pooler;

static void
file_write(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* In a directory of the servers, which a user without privileges may enter. */
static void
pooler_start(const char *mode)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
	pid_t parent = getpid();
	char ini[800], path[160];

	snprintf(dir, sizeof(dir), "%s/pooler", stores_dir(pgbed.stores));
	mkdir(dir, 0755);
	if (pw != NULL)
		assert_int_equal(chown(dir, pw->pw_uid, pw->pw_gid), 0);
	snprintf(ini, sizeof(ini),
	    "[databases]\nmetafed = host=%s/pg dbname=metafed\n[pgbouncer]\nlisten_addr =\n"
	    "unix_socket_dir = %s\nlisten_port = 6432\nauth_type = trust\nauth_file = %s/users\n"
	    "pool_mode = %s\nmax_client_conn = 50\ndefault_pool_size = 10\n",
	    stores_dir(pgbed.stores), dir, dir, mode);
	file_write("ini", ini);
	file_write("users", "\"metafed\" \"\"\n");
	snprintf(path, sizeof(path), "%s/ini", dir);
	snprintf(conninfo, sizeof(conninfo), "host=%s port=6432 dbname=metafed user=metafed", dir);
	if ((pooler = fork()) == 0) {
		if (pw != NULL && (setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
			_exit(126);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			execl(PGBOUNCER, "pgbouncer", "-q", path, NULL);
		_exit(127);
	}
	snprintf(path, sizeof(path), "%s/.s.PGSQL.6432", dir);
	for (int i = 0; i < 500 && access(path, F_OK) != 0; i++)
		pgbed_pass(10 * MS);
	assert_int_equal(access(path, F_OK), 0);
}

static void
pooler_stop(void)
{
	kill(pooler, SIGKILL);
	waitpid(pooler, NULL, 0);
}

static bool
is_down(void *ctx)
{
	return pg_pool_down(ctx);
}

static bool
all_up(void *ctx)
{
	return ((struct pg_pool *)ctx)->in_state[CONN_SHORT][CONN_UP] == 3;
}

static struct pg_pool *
open_pool(bool promised)
{
	return pg_pool_new(pgbed.loop,
	    &(const struct pg_opts){
		.conninfo = conninfo, .short_conns = 3, .long_conns = 1, .pooler = promised });
}

static void
until(bool (*what)(void *ctx), void *ctx)
{
	loop_run_until(pgbed.loop, what, ctx, 10 * SEC);
	assert_true(what(ctx));
}

static void
a_pooler_that_nobody_told_of_is_refused(void **unused)
{
	static const char *const modes[] = { "transaction", "session" };

	(void)unused;
	for (int i = 0; i < 2; i++) {
		struct pg_pool *p;

		pooler_start(modes[i]);
		p = open_pool(false);
		until(is_down, p);
		assert_non_null(strstr(pg_pool_why(p), "pg_pooler = true"));
		pg_pool_free(&p);
		pooler_stop();
	}
}

static void
a_pooler_in_transaction_mode_is_found_out(void **unused)
{
	struct pg_pool *p;

	(void)unused;
	pooler_start("transaction");
	p = open_pool(true);
	until(is_down, p);
	assert_non_null(strstr(pg_pool_why(p), "pool_mode = session"));
	assert_false(all_up(p));
	pg_pool_free(&p);
	pooler_stop();
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	(void)c, (void)end;
	*(bool *)ctx = true;
}

static bool
is_set(void *ctx)
{
	return *(bool *)ctx;
}

static void
a_pooler_in_session_mode_serves_and_cancels(void **unused)
{
	static const char upsert[] = "INSERT INTO pooled VALUES ($1, 1) ON CONFLICT (id)"
				     " DO UPDATE SET n = pooled.n + 1 RETURNING n::text";
	static const char *const ids[] = { "a", "b", "a", "a" };
	struct got g[4] = { 0 }, active;
	bool over = false;
	struct call *c;

	(void)unused;
	pgbed_script("BEGIN READ WRITE; CREATE TABLE pooled (id text PRIMARY KEY, n int); COMMIT");
	pooler_start("session");
	pgbed.kept = pgbed.pool;
	pgbed.pool = open_pool(true);
	until(all_up, pgbed.pool);
	for (int round = 0; round < 4; round++) {
		g[round] = (struct got){ 0 };
		pg_write(pgbed.pool, NULL, ids[round], 1,
		    &(const struct pg_statement){ upsert, 1, &ids[round] }, got_done, &g[round]);
	}
	got_wait(g, 4);
	assert_string_equal(g[3].value, "3");
	c = call_root(pgbed.bus,
	    &(const struct call_opts){ .limit_us = 300 * MS, .done = on_end, .ctx = &over });
	pg_query_long(pgbed.pool, c, "SELECT pg_sleep(20), 'through a pooler'", 0, NULL, NULL,
	    got_done, &g[0]);
	until(is_set, &over);
	for (int i = 0; i < 100; i++) {
		pgbed_ask("SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND"
			  " query LIKE '%through a pooler%' AND pid <> pg_backend_pid()",
		    &active);
		if (strcmp(active.value, "0") == 0)
			break;
		pgbed_pass(50 * MS);
	}
	assert_string_equal(active.value, "0");
	pgbed_end_own_pool();
	pooler_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pooler_that_nobody_told_of_is_refused),
		cmocka_unit_test(a_pooler_in_transaction_mode_is_found_out),
		cmocka_unit_test(a_pooler_in_session_mode_serves_and_cancels),
	};

	if (access(PGBOUNCER, X_OK) != 0) {
		printf("skipped: no %s (scripts/setup --test installs it)\n", PGBOUNCER);
		return 0;
	}
	return cmocka_run_group_tests(tests, pgbed_start, pgbed_stop);
}
