/* runfile: who holds it, who it names, and that neither is taken for the other. */
#include "harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "meta/runfile.h"

#define NOBODY 65534

static const char *path;

static int
fresh(void **state)
{
	(void)state;
	path = test_file("node.run", "");
	unlink(path);
	return 0;
}

/* A name in the directory of `path`, good until the fourth call after it. */
static const char *
beside(const char *name)
{
	static char names[4][256];
	static unsigned next;
	char *p = names[next++ % 4];

	snprintf(p, sizeof(names[0]), "%.*s%s", (int)(strrchr(path, '/') + 1 - path), path, name);
	return p;
}

/* A process that has the lock; it enters its name when `enter`. Returns when it has. */
static pid_t
holder(bool enter, uint64_t *generation)
{
	int fd = runfile_claim(path, generation), done[2];
	char c;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(pipe(done), 0);
	pid = fork();
	if (pid == 0) {
		if (enter && !runfile_enter(fd, *generation))
			_exit(1);
		(void)!write(done[1], "x", 1);
		pause();
		_exit(0);
	}
	close(fd);
	assert_int_equal(read(done[0], &c, 1), 1);
	close(done[0]);
	close(done[1]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
nobody_runs_where_there_is_no_file(void **state)
{
	struct contract_run run;
	int pidfd;

	(void)state;
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_FREE);
	assert_int_equal(pidfd, -1);
}

static void
each_start_has_the_next_generation(void **state)
{
	uint64_t generation = 0;

	(void)state;
	for (uint64_t want = 1; want <= 3; want++) {
		int fd = runfile_claim(path, &generation);

		assert_true(fd >= 0);
		assert_int_equal(generation, want);
		close(fd);
	}
}

static void
a_lock_that_somebody_holds_is_not_given_twice(void **state)
{
	uint64_t generation, other;
	pid_t pid = holder(true, &generation);

	(void)state;
	assert_int_equal(runfile_claim(path, &other), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	end(pid);
}

static void
who_runs_is_found_by_pid_generation_and_start_time(void **state)
{
	uint64_t generation;
	pid_t pid = holder(true, &generation);
	struct contract_run run;
	int pidfd;

	(void)state;
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_ALIVE);
	assert_int_equal(run.pid, pid);
	assert_int_equal(run.generation, generation);
	assert_int_equal(run.start_ticks, proc_start_ticks(pid, NULL));
	assert_true(pidfd >= 0);
	close(pidfd);
	end(pid);
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_FREE);
	assert_int_equal(run.generation, generation); /* the next start goes on from it */
}

static void
who_has_the_lock_but_not_entered_yet_is_nobody_to_adopt(void **state)
{
	uint64_t generation;
	pid_t pid = holder(false, &generation);
	struct contract_run run;
	int pidfd;

	(void)state;
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_BUSY);
	end(pid);
}

static void
a_reused_pid_is_not_taken_for_the_one_who_had_it(void **state)
{
	uint64_t generation;
	pid_t pid = holder(true, &generation);
	struct contract_run run;
	int fd = open(path, O_RDWR | O_CLOEXEC), pidfd;

	(void)state;
	assert_int_equal(pread(fd, &run, sizeof(run), 0), sizeof(run));
	run.start_ticks--;
	assert_int_equal(pwrite(fd, &run, sizeof(run), 0), sizeof(run));
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_BUSY);
	close(fd);
	end(pid);
}

static void
a_file_of_garbage_names_nobody_and_counts_from_one(void **state)
{
	struct contract_run run;
	uint64_t generation;
	int pidfd, fd;

	(void)state;
	test_file("node.run", "this was never written by us, whoever wrote it, and is long enough");
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_FREE);
	fd = runfile_claim(path, &generation);
	assert_true(fd >= 0);
	assert_int_equal(generation, 1);
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_BUSY);
	close(fd);
}

static void
a_zombie_is_dead(void **state)
{
	siginfo_t si;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_start_ticks(pid, NULL), 0);
	waitpid(pid, NULL, 0);
	assert_int_equal(proc_start_ticks(pid, NULL), 0);
}

static void
a_process_held_by_a_stop_signal_is_seen(void **state)
{
	uint64_t generation;
	pid_t pid = holder(true, &generation);
	bool stopped = true;
	siginfo_t si;

	(void)state;
	assert_int_not_equal(proc_start_ticks(pid, &stopped), 0);
	assert_false(stopped);
	kill(pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WSTOPPED), 0);
	assert_int_not_equal(proc_start_ticks(pid, &stopped), 0);
	assert_true(stopped);
	end(pid);
}

static void
what_a_dead_process_left_behind_holds_the_lock_and_can_be_ended(void **state)
{
	uint64_t generation;
	pid_t left = holder(false, &generation), stranger = fork();
	int status;

	(void)state;
	if (stranger == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(runfile_signal_holders(path, SIGTERM), 1);
	assert_int_equal(waitpid(left, &status, 0), left);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
	assert_int_equal(runfile_signal_holders(path, SIGTERM), 0);
	end(stranger);
}

/* Between the lock that is refused and the look at who has it, he dies. */
static void
who_dies_under_the_eyes_of_a_probe_is_not_taken_for_one_being_started(void **state)
{
	struct contract_run run;
	enum run_probe found;
	uint64_t generation;
	int pidfd;

	(void)state;
	for (int i = 0; i < 400; i++) {
		pid_t pid = holder(true, &generation);

		kill(pid, SIGKILL);
		while ((found = runfile_probe(path, &run, &pidfd)) == RUN_ALIVE)
			close(pidfd);
		assert_int_equal(found, RUN_FREE);
		waitpid(pid, NULL, 0);
	}
}

/* The user of a fleet could name any process there, and lock any file that others lock. */
static void
root_acts_on_nobody_but_the_user_whom_the_directory_belongs_to(void **state)
{
	struct contract_run run;
	uint64_t generation;
	int pidfd;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = holder(true, &generation);
	assert_int_equal(chown(beside(""), NOBODY, NOBODY), 0);
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_STRANGE);
	assert_int_equal(run.pid, pid);
	assert_int_equal(pidfd, -1);
	assert_int_equal(runfile_signal_holders(path, SIGTERM), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(chown(beside(""), 0, 0), 0);
	assert_int_equal(runfile_probe(path, &run, &pidfd), RUN_ALIVE);
	close(pidfd);
	end(pid);
}

static void
no_link_is_followed_from_the_directory_on(void **state)
{
	const char *link = beside("link.run"), *dir = beside("link"),
		   *below = beside("link/node.run");
	struct contract_run run;
	uint64_t generation, other;
	pid_t pid = holder(true, &generation);
	int pidfd;

	(void)state;
	assert_int_equal(symlink("node.run", link), 0);
	assert_int_equal(symlink(".", dir), 0);
	assert_int_equal(runfile_probe(link, &run, &pidfd), RUN_STRANGE);
	assert_int_equal(run.pid, 0);
	assert_int_equal(runfile_probe(below, &run, &pidfd), RUN_STRANGE);
	assert_int_equal(runfile_signal_holders(link, SIGTERM), 0);
	assert_int_equal(runfile_signal_holders(below, SIGTERM), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	end(pid);
	assert_int_equal(runfile_claim(link, &other), -1);
	assert_int_equal(runfile_claim(below, &other), -1);
}

/* A process that does `what` again and again until it is killed. */
static pid_t
repeats(void (*what)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0)
		what();
	return pid;
}

static void
probe_once(void)
{
	struct contract_run run;
	int pidfd;

	runfile_probe(path, &run, &pidfd);
	usleep(20);
}

static void
a_probe_keeps_nobody_from_claiming(void **state)
{
	uint64_t generation;
	pid_t pid = repeats(probe_once);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		int fd = runfile_claim(path, &generation);

		assert_true(fd >= 0);
		close(fd);
	}
	end(pid);
}

static void
who_only_looks_is_not_ended_with_what_a_dead_process_left_behind(void **state)
{
	uint64_t generation;
	int fd = runfile_claim(path, &generation), done[2], status;
	pid_t looks;
	char c;

	(void)state;
	close(fd);
	assert_int_equal(pipe(done), 0);
	looks = fork();
	if (looks == 0) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		(void)!flock(fd, LOCK_SH | LOCK_NB);
		(void)!write(done[1], "x", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(done[0], &c, 1), 1);
	close(done[0]);
	close(done[1]);
	assert_int_equal(runfile_signal_holders(path, SIGTERM), 0);
	assert_int_equal(waitpid(looks, &status, WNOHANG), 0);
	end(looks);
}

static void
a_start_time_is_told_on_the_monotonic_clock(void **state)
{
	int64_t at = proc_start_us(proc_start_ticks(getpid(), NULL));

	(void)state;
	assert_in_range(time_now_us() - at + SEC, 1, 120 * SEC); /* the kernel counts in 10 ms */
}

#define R(f) cmocka_unit_test_setup(f, fresh)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		R(nobody_runs_where_there_is_no_file),
		R(each_start_has_the_next_generation),
		R(a_lock_that_somebody_holds_is_not_given_twice),
		R(who_runs_is_found_by_pid_generation_and_start_time),
		R(who_has_the_lock_but_not_entered_yet_is_nobody_to_adopt),
		R(a_reused_pid_is_not_taken_for_the_one_who_had_it),
		R(a_file_of_garbage_names_nobody_and_counts_from_one),
		R(a_zombie_is_dead),
		R(a_process_held_by_a_stop_signal_is_seen),
		R(what_a_dead_process_left_behind_holds_the_lock_and_can_be_ended),
		R(who_dies_under_the_eyes_of_a_probe_is_not_taken_for_one_being_started),
		R(root_acts_on_nobody_but_the_user_whom_the_directory_belongs_to),
		R(no_link_is_followed_from_the_directory_on),
		R(a_probe_keeps_nobody_from_claiming),
		R(who_only_looks_is_not_ended_with_what_a_dead_process_left_behind),
		R(a_start_time_is_told_on_the_monotonic_clock),
	};

	return TEST_RUN(tests);
}
