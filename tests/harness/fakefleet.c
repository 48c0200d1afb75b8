/* fakefleet: see fakefleet.h. */
#include "harness/fakefleet.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness/fakenode.h"
#include "harness/test.h"
#include "meta/command.h"
#include "meta/runfile.h"
#include "node/crash.h"

#define ARGS 32

static char stop_exe[300], stop_var[300]; /* of the fleet of the test that runs */

static void on_term(int sig);
static bool
find_in_table(const struct fleet *f, const char *name, char state[32], int *pid, int *restarts);
static bool wanted(const struct fleet *f, int slot);
static void install(const struct fleet *f);
static unsigned count_left(const struct fleet *f);
static unsigned count_in_memory(const struct fleet *f);

void
fake_main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	base = base == NULL ? argv[0] : base + 1;
	if (strncmp(base, "metafed-", 8) == 0 && getenv("METAFED_NODE") == NULL &&
	    (strcmp(base, "metafed-meta") != 0 ||
		(argc > 1 && strcmp(argv[1], "--role=orchestrator") == 0)))
		exit(0); /* a node that is asked about its configuration */
	if (strncmp(base, "metafed-", 8) == 0)
		exit(getenv("METAFED_NODE") != NULL ? fakenode_main() : meta_command(argc, argv));
	unsetenv("METAFED_CONFIG");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int
fake_setup(void **state)
{
	struct fleet *f = calloc(1, sizeof(*f));

	snprintf(f->var, sizeof(f->var), "%s", test_dir());
	mkdir(fake_path(f, "", "bin"), 0755);
	mkdir(fake_path(f, "", "fake"), 0755);
	install(f);
	snprintf(stop_exe, sizeof(stop_exe), "%s", fake_path(f, "bin/", "metafed-meta"));
	snprintf(stop_var, sizeof(stop_var), "%s", f->var);
	signal(SIGTERM, on_term);
	*state = f;
	return 0;
}

int
fake_teardown(void **state)
{
	struct fleet *f = *state;
	int stopped = fake_ended(fake_run(f, "--stop", -1));
	unsigned left = count_left(f) + count_in_memory(f), wrong = fake_history(f, "wrong");

	if (stopped != 0 || left != 0 || wrong != 0)
		fprintf(stderr, "--stop: %d, left: %u, wrong in the history: %u\n", stopped, left,
		    wrong);
	if (f->guard > 0)
		waitpid(f->guard, NULL, WNOHANG);
	fake_pause(0);
	free(f);
	return stopped == 0 && left == 0 && wrong == 0 ? 0 : -1;
}

void
fake_give(struct fleet *f, uid_t uid, gid_t gid)
{
	static const char *const dirs[] = { "", "bin", "fake" };

	for (int i = 0; i < 3; i++)
		assert_int_equal(chown(fake_path(f, "", dirs[i]), uid, gid), 0);
}

void
fake_start(struct fleet *f)
{
	f->guard = fake_run(f, NULL, -1);
}

void
fake_up(struct fleet *f, pid_t pids[FLEET_SLOTS])
{
	fake_start(f);
	UNTIL(fake_all_ready(f));
	fake_pids(f, pids);
}

pid_t
fake_run(const struct fleet *f, const char *option, int err)
{
	char exe_dir[256], user[64], stores[64],
	    *argv[ARGS] = { "metafed-meta", "--var", (char *)f->var, "--set", exe_dir, "--set",
		    "listen=127.0.0.1:0", "--set", "restart_base=10ms", "--set", "restart_max=6",
		    "--set", "ready_limit=1s", "--set", "kill_after=2s" };
	pid_t pid, parent = getpid();
	int n = 15;

	snprintf(exe_dir, sizeof(exe_dir), "exe_dir=%s/bin", f->var);
	snprintf(user, sizeof(user), "user=%s", f->user == NULL ? "" : f->user);
	snprintf(stores, sizeof(stores), "stores=%s", f->stores == NULL ? "" : f->stores);
	argv[n++] = "--set";
	argv[n++] = user;
	argv[n++] = "--set";
	argv[n++] = stores;
	argv[n++] = (char *)option;
	pid = fork();
	if (pid != 0)
		return pid;
	if (f->run_as != 0 && setuid(f->run_as) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO); /* standard output is the report of the tests */
	execv(fake_path(f, "bin/", "metafed-meta"), argv);
	_exit(127);
}

int
fake_ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void
fake_kill_keepers(struct fleet *f)
{
	pid_t super = fake_pid(f, "supervisor");

	kill(f->guard, SIGKILL);
	kill(super, SIGKILL);
	fake_ended(f->guard);
	UNTIL(fake_pid(f, "supervisor") == 0);
}

/* Only orphans are reaped: who waits for the guard by its pid does that himself. */
void
fake_pause(int ms)
{
	siginfo_t si = { .si_pid = 0 };
	char name[64], file[64];
	FILE *in;

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid != 0) {
		snprintf(file, sizeof(file), "/proc/%d/comm", (int)si.si_pid);
		name[0] = '\0';
		if ((in = fopen(file, "re")) != NULL) {
			(void)!fgets(name, sizeof(name), in);
			fclose(in);
		}
		if (strcmp(name, "metafed-guard\n") == 0)
			break;
		waitpid(si.si_pid, NULL, WNOHANG);
		si.si_pid = 0;
	}
	poll(NULL, 0, ms);
}

const char *
fake_path(const struct fleet *f, const char *dir, const char *name)
{
	static char ring[4][300];
	static unsigned next;
	char *at = ring[next++ % 4];

	must(snprintf(at, sizeof(ring[0]), "%s/%s%s", f->var, dir, name) < (int)sizeof(ring[0]));
	return at;
}

void
fake_put(const struct fleet *f, const char *name, const char *text)
{
	FILE *out = fopen(fake_path(f, "fake/new.", name), "we");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	assert_int_equal(rename(fake_path(f, "fake/new.", name), fake_path(f, "fake/", name)), 0);
}

unsigned
fake_history(const struct fleet *f, const char *text)
{
	FILE *in = fopen(fake_path(f, "fake/", "history"), "re");
	char line[256];
	unsigned n = 0;

	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		n += strstr(line, text) != NULL;
	if (in != NULL)
		fclose(in);
	return n;
}

pid_t
fake_pid(const struct fleet *f, const char *name)
{
	char file[64];
	struct contract_run run;
	int pidfd;

	snprintf(file, sizeof(file), "%s.run", name);
	if (runfile_probe(fake_path(f, "run/", file), &run, &pidfd) != RUN_ALIVE)
		return 0;
	close(pidfd);
	return run.pid;
}

int
fake_table(const struct fleet *f, const char *name, const char *state)
{
	int pid, restarts;
	char is[32];

	return find_in_table(f, name, is, &pid, &restarts) && strcmp(is, state) == 0 ? pid : -1;
}

int
fake_restarts(const struct fleet *f, const char *name)
{
	int pid, restarts;
	char is[32];

	return find_in_table(f, name, is, &pid, &restarts) ? restarts : -1;
}

bool
fake_ready(const struct fleet *f, const char *name)
{
	pid_t pid = fake_pid(f, name);

	return pid > 0 && fake_table(f, name, "READY") == pid;
}

bool
fake_replaced(const struct fleet *f, const char *name, pid_t old)
{
	pid_t pid = fake_pid(f, name);

	return pid > 0 && pid != old && fake_table(f, name, "READY") == pid;
}

bool
fake_all_ready(const struct fleet *f)
{
	for (int i = 0; i < FLEET_SLOTS; i++) {
		if (wanted(f, i) && !fake_ready(f, fleet_table[i].name))
			return false;
	}
	return fake_ready(f, "supervisor");
}

void
fake_pids(const struct fleet *f, pid_t pids[FLEET_SLOTS])
{
	for (int i = 0; i < FLEET_SLOTS; i++)
		pids[i] = wanted(f, i) ? fake_pid(f, fleet_table[i].name) : 0;
}

uint16_t
fake_port(const struct fleet *f)
{
	FILE *in = fopen(fake_path(f, "run/", "listen"), "re");
	unsigned port = 0;

	assert_non_null(in);
	assert_int_equal(fscanf(in, "127.0.0.1:%u", &port), 1);
	fclose(in);
	return (uint16_t)port;
}

int
fake_dial(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0); /* never refused */
	return fd;
}

pid_t
fake_answer(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[32] = "";

	assert_int_equal(poll(&p, 1, (int)(FAKE_LIMIT / MS)), 1);
	assert_true(read(fd, text, sizeof(text) - 1) > 0); /* never reset */
	close(fd);
	return atoi(text);
}

static void
on_term(int sig)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(stop_exe, "metafed-meta", "--var", stop_var, "--stop", NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	_exit(128 + sig);
}

static bool
find_in_table(const struct fleet *f, const char *name, char state[32], int *pid, int *restarts)
{
	FILE *in = fopen(fake_path(f, "fake/", "table"), "re");
	char line[128], n[32];
	bool found = false;

	while (!found && in != NULL && fgets(line, sizeof(line), in) != NULL)
		found = sscanf(line, "%31s %31s %d %*u %d", n, state, pid, restarts) == 4 &&
		        strcmp(n, name) == 0;
	if (in != NULL)
		fclose(in);
	return found;
}

static bool
wanted(const struct fleet *f, int slot)
{
	return (!fleet_table[slot].store && fleet_table[slot].standby == 0) ||
	       (f->stores != NULL && strstr(f->stores, fleet_table[slot].name) != NULL);
}

/* A copy, not a link to where it was built: another user may not be able to go there. */
static void
install(const struct fleet *f)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(fake_path(f, "bin/", "test"), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char name[64];
	struct stat st;

	assert_int_equal(fstat(in, &st), 0);
	for (off_t at = 0; at < st.st_size;)
		assert_true(sendfile(out, in, &at, (size_t)(st.st_size - at)) > 0);
	close(in);
	close(out);
	for (int i = 0; i < FLEET_SLOTS; i++) {
		snprintf(name, sizeof(name), "metafed-%s", fleet_table[i].name);
		assert_int_equal(symlink("test", fake_path(f, "bin/", name)), 0);
	}
}

static unsigned
count_left(const struct fleet *f)
{
	unsigned left = (fake_pid(f, "guard") != 0) + (fake_pid(f, "supervisor") != 0);

	for (int i = 0; i < FLEET_SLOTS; i++)
		left += fake_pid(f, fleet_table[i].name) != 0;
	return left;
}

/* What processes of this fleet, and of our user, have left in shared memory. */
static unsigned
count_in_memory(const struct fleet *f)
{
	char dir[CRASH_PATH], prefix[32];
	unsigned left = 0;
	struct dirent *e;
	DIR *d;

	crash_place(f->var, dir, prefix);
	if (prefix[0] == '\0' || (d = opendir(dir)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		left += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return left;
}
