/* supervisor: guard and supervisor against thirteen processes that keep the contract and do nothing
 * else (fakefleet.h). */
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness/test.h"
#include "harness/fakefleet.h"
#include "meta/runfile.h"
#include "node/contract.h"

#define NODES 13

static void
assert_same_but(const pid_t a[FLEET_SLOTS], const pid_t b[FLEET_SLOTS], const char *but)
{
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (strcmp(fleet_table[i].name, but) != 0)
			assert_int_equal(a[i], b[i]);
		else
			assert_int_not_equal(a[i], b[i]);
	}
}

static void
thirteen_start_and_are_told_exactly_what_the_contract_says(void **state)
{
	struct fleet *f = *state;
	int64_t began = time_now_us();

	fake_start(f);
	UNTIL(fake_all_ready(f));
	assert_in_range(time_now_us() - began, 1, 3 * SEC);
	assert_int_equal(fake_history(f, " start"), NODES);
	assert_int_equal(fake_table(f, "guard", "READY"), f->guard);
	assert_int_equal(fake_answer(fake_dial(fake_port(f))), fake_pid(f, "api"));
}

static void
a_killed_node_is_back_at_once_and_the_others_notice_nothing(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];
	int64_t killed;

	fake_up(f, before);
	killed = time_now_us();
	kill(fake_pid(f, "sql"), SIGKILL);
	UNTIL(fake_replaced(f, "sql", before[SLOT_SQL]));
	assert_in_range(time_now_us() - killed, 1, SEC);
	fake_pids(f, after);
	assert_same_but(before, after, "sql");
}

static void
a_killed_orchestrator_is_back_and_gets_the_whole_table(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	fake_up(f, before);
	unlink(fake_path(f, "fake/", "table"));
	kill(before[SLOT_META], SIGKILL);
	UNTIL(fake_replaced(f, "meta", before[SLOT_META]) && fake_all_ready(f));
	fake_pids(f, after);
	assert_same_but(before, after, "meta");
}

static void
connections_wait_while_api_is_replaced(void **state)
{
	struct fleet *f = *state;
	pid_t api;
	int waiting[8];

	fake_start(f);
	UNTIL(fake_all_ready(f));
	api = fake_pid(f, "api");
	kill(api, SIGSTOP);
	for (int i = 0; i < 8; i++)
		waiting[i] = fake_dial(fake_port(f));
	kill(api, SIGKILL);
	for (int i = 0; i < 8; i++)
		assert_int_not_equal(fake_answer(waiting[i]), api);
}

static void
a_stopped_node_is_found_by_its_silence_and_replaced(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	fake_up(f, before);
	kill(before[SLOT_JWT], SIGSTOP);
	UNTIL(fake_replaced(f, "jwt", before[SLOT_JWT]));
	fake_pids(f, after);
	assert_same_but(before, after, "jwt");
}

static void
a_killed_supervisor_is_replaced_and_adopts_everybody(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;

	fake_up(f, before);
	for (int i = 0; i < 3; i++) {
		super = fake_pid(f, "supervisor");
		kill(super, SIGKILL);
		UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	}
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	kill(after[SLOT_CACHE], SIGKILL); /* the adopted are watched like own children */
	UNTIL(fake_replaced(f, "cache", after[SLOT_CACHE]));
	assert_int_equal(fake_history(f, " start"), NODES + 1);
}

static void
a_stopped_supervisor_is_replaced(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;

	fake_up(f, before);
	super = fake_pid(f, "supervisor");
	kill(super, SIGSTOP);
	UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
}

/* Everybody stood still for longer than a beat may be missing, and goes on one after the other. */
static void
a_host_that_froze_restarts_nobody(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;

	fake_up(f, before);
	super = fake_pid(f, "supervisor");
	for (int sig = SIGSTOP;; sig = SIGCONT) {
		kill(f->guard, sig);
		usleep(100000);
		kill(super, sig);
		usleep(100000);
		for (int i = SLOT_META; i < FLEET_SLOTS; i++)
			kill(before[i], sig);
		if (sig == SIGCONT)
			break;
		usleep(CONTRACT_HUNG_US + 500 * MS);
	}
	fake_pause(1000); /* two beats */
	assert_int_equal(fake_pid(f, "supervisor"), super);
	UNTIL(fake_all_ready(f));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(fake_history(f, " start"), NODES);
}

static void
without_its_guard_the_supervisor_goes_on_and_a_new_start_makes_a_new_guard(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;
	uint16_t port;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	port = fake_port(f);
	super = fake_pid(f, "supervisor");
	kill(f->guard, SIGKILL);
	fake_ended(f->guard);
	kill(fake_pid(f, "rbac"), SIGKILL);
	UNTIL(fake_history(f, "rbac 2 ") == 2); /* start, ready */
	assert_int_equal(fake_pid(f, "supervisor"), super);
	fake_pids(f, before);
	fake_start(f);
	UNTIL(fake_replaced(f, "supervisor", super) && fake_all_ready(f));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(fake_port(f), port);
	assert_int_equal(fake_answer(fake_dial(port)), after[SLOT_API]);
}

static void
after_both_were_killed_a_new_start_adopts_everybody_and_the_public_socket(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];
	int waiting[8];
	uint16_t port;

	fake_up(f, before);
	port = fake_port(f);
	kill(before[SLOT_API], SIGSTOP);
	for (int i = 0; i < 8; i++)
		waiting[i] = fake_dial(port);
	fake_kill_keepers(f);
	fake_start(f);
	UNTIL(fake_pid(f, "supervisor") != 0);
	assert_int_equal(fake_port(f), port);
	kill(before[SLOT_API], SIGCONT);
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_answer(waiting[i]), before[SLOT_API]);
	UNTIL(fake_all_ready(f));
	fake_pids(f, after);
	assert_memory_equal(before, after, sizeof(before));
	kill(after[SLOT_API],
	    SIGKILL); /* the new guard really holds the socket: nobody is refused */
	for (int i = 0; i < 8; i++)
		assert_int_not_equal(fake_answer(fake_dial(port)), after[SLOT_API]);
}

/* Yama, or a node that closes itself: what can't be fetched or reopened is made new, and its
 * process with it. Root may look into everybody, so this needs another user. */
static void
who_can_not_be_looked_into_is_started_anew_and_the_others_go_on(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];
	struct passwd *pw = getpwnam("nobody");

	if (geteuid() == 0) {
		assert_non_null(pw);
		fake_give(f, pw->pw_uid, pw->pw_gid);
		f->run_as = pw->pw_uid;
	}
	fake_put(f, "api", "closed");
	fake_put(f, "sql", "closed");
	chmod(fake_path(f, "fake/", "api"), 0644);
	chmod(fake_path(f, "fake/", "sql"), 0644);
	fake_up(f, before);
	fake_kill_keepers(f);
	fake_start(f);
	UNTIL(fake_replaced(f, "sql", before[SLOT_SQL]) && fake_all_ready(f));
	fake_pids(f, after);
	for (int i = 0; i < FLEET_SLOTS; i++)
		assert_int_equal(before[i] != after[i], i == SLOT_API || i == SLOT_SQL);
	assert_int_equal(fake_history(f, " drain"), 2); /* asked to go, not killed */
	assert_int_equal(fake_answer(fake_dial(fake_port(f))), after[SLOT_API]);
}

static void
killed_both_while_starting_nothing_runs_twice(void **state)
{
	struct fleet *f = *state;

	for (int i = 0; i < FLEET_SLOTS; i++)
		fake_put(f, fleet_table[i].name, i % 2 == 0 ? "slow" : "");
	for (int us = 2000; us < 40000; us += 2500) {
		pid_t super;

		fake_start(f);
		UNTIL(fake_pid(f, "guard") == f->guard);
		usleep((useconds_t)us);
		super = fake_pid(f, "supervisor");
		kill(f->guard, SIGKILL);
		if (super > 0)
			kill(super, SIGKILL);
		fake_ended(f->guard);
	}
	fake_start(f);
	UNTIL(fake_all_ready(f));
	assert_int_equal(fake_history(f, "wrong"), 0);
}

static void
a_node_that_keeps_dying_is_given_up_until_an_operator_starts_it(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS], super;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	fake_put(f, "oauth", "crash");
	kill(fake_pid(f, "oauth"), SIGKILL);
	UNTIL(fake_table(f, "oauth", "FAILED") == 0);
	fake_pids(f, before);
	assert_int_equal(fake_history(f, "oauth "),
	    2 + 6); /* start, ready; then as many starts as the policy allows */
	super = fake_pid(f, "supervisor");
	kill(super, SIGKILL); /* the next one does not try either */
	UNTIL(fake_replaced(f, "supervisor", super));
	fake_pause(100);
	assert_true(fake_table(f, "oauth", "FAILED") == 0);
	fake_put(f, "oauth", "");
	fake_put(f, "command", "3 oauth"); /* VERB_START */
	UNTIL(fake_all_ready(f));
	fake_pids(f, after);
	assert_same_but(before, after, "oauth");
}

static void
configure(const struct fleet *f, const char *text)
{
	FILE *out = fopen(fake_path(f, "", "metafed.conf"), "we");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void
the_orchestrator_is_never_given_up_for_nobody_could_start_it(void **state)
{
	struct fleet *f = *state;

	configure(f, "[meta]\nrestart_cap = 20ms\nrestart_max = 2\n");
	fake_start(f);
	UNTIL(fake_all_ready(f));
	fake_put(f, "meta", "crash");
	kill(fake_pid(f, "meta"), SIGKILL);
	UNTIL(fake_history(f, "meta ") > 2 + 2 + 3);
	fake_put(f, "meta", "");
	UNTIL(fake_replaced(f, "meta", 0) && fake_all_ready(f));
}

static void
each_node_starts_again_as_its_part_says(void **state)
{
	struct fleet *f = *state;
	pid_t super;

	configure(f, "[rest]\nrestart = transient\n[graphql]\nrestart = temporary\n"
		     "[sql]\nrestart_max = 1\n");
	fake_start(f);
	UNTIL(fake_all_ready(f));
	kill(fake_pid(f, "rest"), SIGTERM); /* it ends well */
	kill(fake_pid(f, "graphql"), SIGKILL);
	UNTIL(fake_table(f, "rest", "STOPPED") == 0 && fake_table(f, "graphql", "FAILED") == 0);
	for (int i = 0; i < 2; i++) {
		pid_t sql = fake_pid(f, "sql");

		kill(sql, SIGKILL);
		UNTIL(fake_pid(f, "sql") != sql && (i == 1 || fake_ready(f, "sql")));
	}
	UNTIL(fake_table(f, "sql", "FAILED") == 0);
	super = fake_pid(f, "supervisor");
	kill(super, SIGKILL); /* the next one leaves them as they are */
	UNTIL(fake_replaced(f, "supervisor", super));
	fake_pause(100);
	assert_int_equal(fake_pid(f, "rest"), 0);
	fake_put(f, "command", "3 rest"); /* VERB_START */
	UNTIL(fake_ready(f, "rest"));
	kill(fake_pid(f, "rest"), SIGKILL); /* not well: again */
	UNTIL(fake_history(f, "rest 3 ") >= 2);
}

static void
whoever_starts_after_one_that_died_is_restarted_with_it_where_that_is_said(void **state)
{
	struct fleet *f = *state;
	pid_t before[FLEET_SLOTS], after[FLEET_SLOTS];

	configure(
	    f, "[jwt]\nstrategy = rest_for_one\n[rbac]\nafter = jwt\n[oauth]\nafter = rbac\n");
	fake_up(f, before);
	kill(before[SLOT_RBAC], SIGKILL); /* one_for_one */
	UNTIL(fake_replaced(f, "rbac", before[SLOT_RBAC]) && fake_all_ready(f));
	fake_pids(f, after);
	assert_same_but(before, after, "rbac");
	kill(after[SLOT_JWT], SIGKILL);
	UNTIL(fake_replaced(f, "jwt", after[SLOT_JWT]) &&
	      fake_replaced(f, "rbac", after[SLOT_RBAC]) &&
	      fake_replaced(f, "oauth", after[SLOT_OAUTH]) && fake_all_ready(f));
	assert_int_equal(fake_history(f, "rbac 2 "), 3); /* start, ready, drain */
	assert_int_equal(fake_pid(f, "sql"), after[SLOT_SQL]);
	assert_int_equal(fake_restarts(f, "oauth"), 0); /* it has done nothing */
}

static void
a_planned_restart_drains_and_counts_for_nothing(void **state)
{
	struct fleet *f = *state;
	pid_t rest;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	for (int i = 0; i < 8; i++) { /* more often than restart_max */
		rest = fake_pid(f, "rest");
		fake_put(f, "command", "1 rest"); /* VERB_RESTART */
		UNTIL(fake_replaced(f, "rest", rest));
	}
	assert_int_equal(fake_history(f, "rest "), 9 * 2 + 8);
	assert_int_equal(fake_restarts(f, "rest"), 0);
}

static void
a_node_that_an_operator_stopped_stays_down_whoever_supervises(void **state)
{
	struct fleet *f = *state;
	pid_t super;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	fake_put(f, "command", "2 graphql"); /* VERB_STOP */
	UNTIL(fake_table(f, "graphql", "STOPPED") == 0);
	super = fake_pid(f, "supervisor");
	kill(super, SIGKILL);
	UNTIL(fake_replaced(f, "supervisor", super));
	fake_pause(100);
	assert_int_equal(fake_pid(f, "graphql"), 0);
	fake_put(f, "command", "3 graphql");
	UNTIL(fake_all_ready(f));
}

static void
an_order_to_start_holds_though_the_node_is_just_going_and_the_supervisor_dies(void **state)
{
	struct fleet *f = *state;
	pid_t super, going;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	super = fake_pid(f, "supervisor");
	kill(going = fake_pid(f, "graphql"), SIGSTOP); /* it does not go at once */
	fake_put(f, "command", "2 graphql");           /* VERB_STOP */
	UNTIL(fake_table(f, "graphql", "STOPPING") == going);
	fake_put(f, "command", "3 graphql"); /* VERB_START */
	UNTIL(access(fake_path(f, "fake/", "command"), F_OK) < 0);
	fake_pause(30);
	kill(super, SIGKILL);
	UNTIL(fake_replaced(f, "supervisor", super));
	UNTIL(fake_replaced(f, "graphql", going));
}

static void
an_order_to_start_holds_though_the_node_ends_well_and_that_would_be_its_end(void **state)
{
	struct fleet *f = *state;
	pid_t going;

	configure(f, "[graphql]\nrestart = transient\n");
	fake_start(f);
	UNTIL(fake_all_ready(f));
	kill(going = fake_pid(f, "graphql"), SIGSTOP);
	fake_put(f, "command", "2 graphql"); /* VERB_STOP */
	UNTIL(fake_table(f, "graphql", "STOPPING") == going);
	fake_put(f, "command", "3 graphql"); /* VERB_START */
	UNTIL(access(fake_path(f, "fake/", "command"), F_OK) < 0);
	fake_pause(30);
	kill(going, SIGCONT);
	UNTIL(fake_replaced(f, "graphql", going));
	assert_int_equal(fake_restarts(f, "graphql"), 0);
}

/* "slow" takes SIGHUP only when it is READY. */
static void
who_is_starting_is_told_of_a_reload_when_it_is_ready_by_whoever_supervises_then(void **state)
{
	struct fleet *f = *state;
	char line[16];

	fake_start(f);
	UNTIL(fake_all_ready(f));
	fake_put(f, "sql", "slow");
	for (unsigned round = 1; round <= 2; round++) {
		pid_t sql = fake_pid(f, "sql"), super = fake_pid(f, "supervisor");

		kill(sql, SIGKILL);
		snprintf(line, sizeof(line), "sql %u ", round + 1);
		UNTIL(fake_history(f, line) == 1); /* start */
		kill(f->guard, SIGHUP);
		UNTIL(fake_history(f, " reload") >= round * NODES - 1);
		if (round == 2)
			kill(super, SIGKILL);
		UNTIL(fake_replaced(f, "sql", sql));
		UNTIL(fake_history(f, line) == 3); /* start, ready, reload */
	}
	assert_int_equal(fake_history(f, " reload"), 2 * NODES);
}

static void
a_node_that_is_not_ready_in_time_is_killed(void **state)
{
	struct fleet *f = *state;

	fake_put(f, "nosql", "deaf");
	fake_start(f);
	UNTIL(fake_history(f, "nosql 2 ") == 1);
	fake_put(f, "nosql", "");
	UNTIL(fake_all_ready(f));
	assert_int_equal(fake_history(f, "nosql 1 "), 1);
}

static void
a_fleet_stops_in_the_way_of_a_request_and_leaves_nothing(void **state)
{
	static const char *const order[] = { "api", "rest", "meta", "database", "sql" };
	struct fleet *f = *state;
	char line[256], name[32];
	unsigned at = 0;
	FILE *in;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	kill(f->guard, SIGTERM);
	assert_int_equal(fake_ended(f->guard), 0);
	for (int i = 0; i < FLEET_SLOTS; i++)
		assert_int_equal(fake_pid(f, fleet_table[i].name), 0);
	assert_int_equal(fake_history(f, " drain"), NODES);
	in = fopen(fake_path(f, "fake/", "history"), "re");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL && at < 5) {
		if (strstr(line, " drain") != NULL && sscanf(line, "%31s", name) == 1 &&
		    strcmp(name, order[at]) == 0)
			at++;
	}
	fclose(in);
	assert_int_equal(at, 5);
}

static void
stop_ends_nodes_whose_guard_and_supervisor_are_gone(void **state)
{
	struct fleet *f = *state;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	fake_kill_keepers(f);
	assert_int_equal(fake_ended(fake_run(f, "--stop", -1)), 0);
	assert_int_equal(fake_history(f, " drain"), NODES);
	for (int i = 0; i < FLEET_SLOTS; i++)
		assert_int_equal(fake_pid(f, fleet_table[i].name), 0);
}

/* Whoever the fleet runs as writes its run files, and would have root end what he may not end. */
static void
stop_by_root_refuses_a_run_file_that_names_a_process_of_another_user(void **state)
{
	struct fleet *f = *state;
	const char *path = fake_path(f, "run/", "guard.run");
	char text[2048] = "";
	uint64_t generation;
	int fd, p[2], status;
	pid_t stranger;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(fake_path(f, "", "run"), 0700), 0);
	assert_true((fd = runfile_claim(path, &generation)) >= 0);
	assert_int_equal(chown(fake_path(f, "", "run"), 65534, 65534), 0);
	if ((stranger = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(runfile_enter(fd, generation) ? pause() : 1);
	}
	UNTIL(pread(fd, &status, sizeof(status), offsetof(struct contract_run, pid)) ==
		  (ssize_t)sizeof(status) &&
	      status == stranger);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fake_ended(fake_run(f, "--stop", p[1])), 1);
	close(p[1]);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	close(p[0]);
	assert_non_null(strstr(text, path));
	assert_non_null(strstr(text, "refused"));
	assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
	kill(stranger, SIGKILL);
	fake_ended(stranger);
	close(fd);
}

static void
asked_twice_a_fleet_does_not_wait_for_who_does_not_go(void **state)
{
	struct fleet *f = *state;
	int64_t asked;

	fake_start(f);
	UNTIL(fake_all_ready(f));
	kill(fake_pid(f, "api"), SIGSTOP);
	asked = time_now_us();
	kill(f->guard, SIGTERM);
	fake_pause(50);
	kill(f->guard, SIGTERM);
	assert_int_equal(fake_ended(f->guard), 0);
	assert_in_range(time_now_us() - asked, 1, 1500 * MS); /* kill_after is 2 s */
}

static void
a_second_fleet_in_the_same_directory_is_refused(void **state)
{
	struct fleet *f = *state;
	char text[512] = "";
	int p[2];

	fake_start(f);
	UNTIL(fake_all_ready(f));
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fake_ended(fake_run(f, NULL, p[1])), 1);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "already"));
	close(p[0]);
	close(p[1]);
	assert_true(fake_all_ready(f));
}

/* Whoever owns VAR swaps a directory for a link while a guard, root perhaps, sets it up. A file in the
 * place of the next directory ends each try at once. */
static void
a_link_in_the_place_of_a_directory_is_never_followed(void **state)
{
	struct fleet *f = *state;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct stat st;
	pid_t swapper;

	assert_int_equal(mkdir(fake_path(f, "", "victim"), 0755), 0);
	assert_int_equal(chmod(fake_path(f, "", "victim"), 0755), 0);
	assert_int_equal(mkdir(fake_path(f, "", "run"), 0700), 0);
	assert_int_equal(mkdir(fake_path(f, "run/", "bus"), 0700), 0);
	assert_int_equal(symlink("../victim", fake_path(f, "run/", "link")), 0);
	close(open(fake_path(f, "run/", "stores"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	swapper = fork();
	if (swapper == 0) {
		const char *dir = fake_path(f, "run/", "bus"), *link = fake_path(f, "run/", "link");

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (renameat2(AT_FDCWD, dir, AT_FDCWD, link, RENAME_EXCHANGE) == 0)
			;
		_exit(1);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(fake_ended(fake_run(f, NULL, null)), 1);
	kill(swapper, SIGKILL);
	assert_int_equal(fake_ended(swapper), 128 + SIGKILL);
	assert_int_equal(stat(fake_path(f, "", "victim"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	close(null);
}

static void
detach_returns_when_all_are_ready_and_has_let_go_of_what_it_inherited(void **state)
{
	struct fleet *f = *state;
	char text[8];
	int p[2];

	assert_int_equal(pipe(p), 0); /* inherited, not close-on-exec */
	assert_int_equal(fake_ended(fake_run(f, "--detach", p[1])), 0);
	close(p[1]);
	assert_int_equal(read(p[0], text, sizeof(text)),
	    0); /* end of file: nobody of the fleet has the other end */
	close(p[0]);
	assert_int_equal(fake_history(f, " ready"), NODES);
	UNTIL(fake_all_ready(f));
}

static void
detach_says_who_does_not_come_and_why_and_leaves_nothing(void **state)
{
	struct fleet *f = *state;
	char text[1024] = "";
	size_t n = 0;
	ssize_t got;
	int p[2];

	fake_put(f, "auth", "crash");
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fake_ended(fake_run(f, "--detach", p[1])), 1);
	close(p[1]);
	while ((got = read(p[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(p[0]);
	assert_non_null(strstr(text, "auth"));
	assert_non_null(strstr(text, "on fire")); /* the last line of its log */
	for (int i = 0; i < FLEET_SLOTS; i++)
		assert_int_equal(fake_pid(f, fleet_table[i].name), 0);
}

#define F(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		F(thirteen_start_and_are_told_exactly_what_the_contract_says),
		F(a_killed_node_is_back_at_once_and_the_others_notice_nothing),
		F(a_killed_orchestrator_is_back_and_gets_the_whole_table),
		F(connections_wait_while_api_is_replaced),
		F(a_stopped_node_is_found_by_its_silence_and_replaced),
		F(a_killed_supervisor_is_replaced_and_adopts_everybody),
		F(a_stopped_supervisor_is_replaced),
		F(a_host_that_froze_restarts_nobody),
		F(without_its_guard_the_supervisor_goes_on_and_a_new_start_makes_a_new_guard),
		F(after_both_were_killed_a_new_start_adopts_everybody_and_the_public_socket),
		F(who_can_not_be_looked_into_is_started_anew_and_the_others_go_on),
		F(killed_both_while_starting_nothing_runs_twice),
		F(a_node_that_keeps_dying_is_given_up_until_an_operator_starts_it),
		F(the_orchestrator_is_never_given_up_for_nobody_could_start_it),
		F(each_node_starts_again_as_its_part_says),
		F(whoever_starts_after_one_that_died_is_restarted_with_it_where_that_is_said),
		F(a_planned_restart_drains_and_counts_for_nothing),
		F(a_node_that_an_operator_stopped_stays_down_whoever_supervises),
		F(an_order_to_start_holds_though_the_node_is_just_going_and_the_supervisor_dies),
		F(an_order_to_start_holds_though_the_node_ends_well_and_that_would_be_its_end),
		F(who_is_starting_is_told_of_a_reload_when_it_is_ready_by_whoever_supervises_then),
		F(a_node_that_is_not_ready_in_time_is_killed),
		F(a_fleet_stops_in_the_way_of_a_request_and_leaves_nothing),
		F(stop_ends_nodes_whose_guard_and_supervisor_are_gone),
		F(stop_by_root_refuses_a_run_file_that_names_a_process_of_another_user),
		F(asked_twice_a_fleet_does_not_wait_for_who_does_not_go),
		F(a_second_fleet_in_the_same_directory_is_refused),
		F(a_link_in_the_place_of_a_directory_is_never_followed),
		F(detach_returns_when_all_are_ready_and_has_let_go_of_what_it_inherited),
		F(detach_says_who_does_not_come_and_why_and_leaves_nothing),
	};

	fake_main(argc, argv);
	return TEST_RUN(tests);
}
