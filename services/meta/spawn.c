/* spawn: see spawn.h. The order in the child matters: descriptors first, then the run file, then
 * exec, so that whoever finds the process by its run file finds its descriptors in place, too. */
#include "meta/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log_file.h"
#include "meta/fleet.h"
#include "meta/holdings.h"
#include "meta/limit.h"
#include "meta/runfile.h"
#include "meta/conf.h"
#include "meta/private.h"

static void child(const struct conf *s, const struct holdings *h, int slot, int run_fd,
    uint64_t generation, int image) __attribute__((noreturn));
static void reset_signals(void);
static void open_log(const struct conf *s, const struct fleet_entry *e);
static void lay_out(const struct holdings *h, int slot, int run_fd);
static void environment(const struct conf *s, int slot, uint64_t generation);
static void environment_of_a_store(void);

pid_t
spawn_process(const struct conf *s, const struct holdings *h, int slot, int run_fd,
    uint64_t generation, int image)
{
	pid_t pid = fork();

	if (pid == 0)
		child(s, h, slot, run_fd, generation, image);
	return pid;
}

static void
child(const struct conf *s, const struct holdings *h, int slot, int run_fd, uint64_t generation,
    int image)
{
	const struct fleet_entry *e = &fleet_table[slot];
	static char role[] = "--role=orchestrator";
	char exe[CONF_PATH + 32], *argv[PRIVATE_ARGS] = { exe, NULL };

	setsid();
	reset_signals();
	umask(077);
	unsetenv("NOTIFY_SOCKET"); /* the guard's; PostgreSQL and Redis would speak for it */
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	open_log(s, e);
	lay_out(h, slot, run_fd);
	if (e->store)
		setrlimit(RLIMIT_CORE, &(const struct rlimit){ 0, 0 }); /* of all that is stored */
	else
		limit_impose(&s->of[slot]);
	if (chdir(s->var) < 0)
		dprintf(STDERR_FILENO, "metafed: %s: %s\n", s->var, strerror(errno));
	if (e->store) {
		environment_of_a_store();
		private_argv(s, slot, argv);
	} else {
		environment(s, slot, generation);
		snprintf(exe, sizeof(exe), "%s/metafed-%s", s->exe,
		    e->program != NULL ? e->program : e->name);
		if (e->orders)
			argv[1] = role;
	}
	if (runfile_enter(CONTRACT_RUN, generation)) {
		if (image >= 0)
			fexecve(image, argv, environ);
		else
			execv(argv[0], argv);
	}
	dprintf(STDERR_FILENO, "metafed: %s does not start: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* An ignored signal would stay ignored after exec. */
static void
reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Without its own log it keeps the supervisor's. */
static void
open_log(const struct conf *s, const struct fleet_entry *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log;

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (s->log_stderr)
		return;
	if (e->store)
		log_file_turn_idle(s->var, e->name, s->log_file_bytes, s->log_budget);
	log = log_file_open(s->var, e->name);
	if (log < 0)
		dprintf(STDERR_FILENO, "metafed: %s: %s\n", conf_path(s, "log/%s.log", e->name),
		    strerror(errno));
	dup2(log >= 0 ? log : STDERR_FILENO, STDOUT_FILENO);
	if (log >= 0)
		dup2(log, STDERR_FILENO);
}

/* Sources are 9 or above 15 (holdings.h): no dup2 overwrites one that a later one needs. */
static void
lay_out(const struct holdings *h, int slot, int run_fd)
{
	const struct fleet_entry *e = &fleet_table[slot];
	const struct holding *k = &h->slot[slot];

	close_range(CONTRACT_STATUS, CONTRACT_REPORTS, 0);
	dup2(run_fd, CONTRACT_RUN);
	if (e->store)
		return;
	dup2(k->status_w, CONTRACT_STATUS);
	dup2(k->life_r, CONTRACT_LIFE);
	if (e->listener)
		dup2(HELD_LISTENER, CONTRACT_LISTENER);
	if (e->orders) {
		dup2(k->commands_w, CONTRACT_COMMANDS);
		dup2(k->reports_r, CONTRACT_REPORTS);
	}
}

static void
environment(const struct conf *s, int slot, uint64_t generation)
{
	const struct fleet_entry *e = &fleet_table[slot];
	char number[24], sweep[CONF_PATH + 32];

	snprintf(number, sizeof(number), "%" PRIu64, generation);
	snprintf(sweep, sizeof(sweep), "%s/metafed-meta", s->exe);
	setenv("METAFED_SWEEP", sweep, 1);
	setenv("METAFED_SUPERVISED", "1", 1);
	setenv("METAFED_NODE", e->name, 1);
	setenv("METAFED_GENERATION", number, 1);
	snprintf(number, sizeof(number), "%d", (int)s->standbys);
	setenv("METAFED_STANDBYS", number, 1);
	setenv("METAFED_VAR", s->var, 1);
	if (s->config[0] != '\0')
		setenv("METAFED_CONFIG", s->config, 1);
	else
		unsetenv("METAFED_CONFIG");
	if (e->listener)
		setenv("METAFED_LISTENER", "1", 1);
	else
		unsetenv("METAFED_LISTENER");
}

/* What is meant for nodes may hold secrets, and PG... would change what the command line says. */
static void
environment_of_a_store(void)
{
	for (char **e = environ; *e != NULL;) {
		char name[128];
		size_t n = strcspn(*e, "=");

		if ((strncmp(*e, "METAFED_", 8) != 0 && strncmp(*e, "PG", 2) != 0) ||
		    n >= sizeof(name)) {
			e++;
			continue;
		}
		memcpy(name, *e, n);
		name[n] = '\0';
		unsetenv(name); /* moves the rest down: the same place again */
	}
}
