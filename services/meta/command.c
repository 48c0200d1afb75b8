/* command: see command.h. --detach is a fork, a pipe and one record: the parent waits until the
 * guard says that all are READY or why not, and returns that. */
#include "meta/command.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "meta/check.h"
#include "meta/guard.h"
#include "meta/handover.h"
#include "meta/holdings.h"
#include "meta/manager.h"
#include "meta/conf.h"
#include "meta/stop.h"

enum {
	OPT_VAR = 256,
	OPT_CONFIG,
	OPT_SET,
	OPT_DETACH,
	OPT_STOP,
	OPT_STATUS,
	OPT_CHECK,
	OPT_PRINT,
	OPT_SWEEP,
	OPT_RESUME
};

struct command {
	struct conf_options options;
	char *sets[CONF_SETS_MOST + 1];
	int n_sets;
	bool detach, stop, status, check, print, sweep;
	int resume; /* what a guard left that has become this executable; -1: none */
};

const char *argp_program_version = "metafed-meta " METAFED_VERSION;

/* clang-format off: a table */
static const struct argp_option options[] = {
	{ "var", OPT_VAR, "DIR", 0,
	    "directory of run files, sockets, logs and private stores (var)", 0 },
	{ "config", OPT_CONFIG, "FILE", 0, "configuration (METAFED_CONFIG, else DIR/metafed.conf)",
	    0 },
	{ "set", OPT_SET, "KEY=VALUE", 0, "a key of part [guard], over file and environment", 0 },
	{ "detach", OPT_DETACH, NULL, 0, "return when all are READY (0), or say why not (1)", 0 },
	{ "stop", OPT_STOP, NULL, 0, "stop the fleet of DIR, return when everybody is gone", 0 },
	{ "status", OPT_STATUS, NULL, 0,
	    "who of the fleet of DIR runs; 0: it is kept by a guard or supervisor", 0 },
	{ "check", OPT_CHECK, NULL, 0, "only check the configuration, that of all nodes too", 0 },
	{ "print-config", OPT_PRINT, NULL, 0, "print the configuration as it is now", 0 },
	{ "sweep", OPT_SWEEP, NULL, OPTION_HIDDEN, "what the last of abandoned nodes becomes", 0 },
	{ "resume", OPT_RESUME, "FD", OPTION_HIDDEN, "what a guard becomes (renew.h)", 0 },
	{ "role", 0, "orchestrator", OPTION_DOC, "run the node meta alone, as a container does",
	    0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};
/* clang-format on */

static error_t parse(int key, char *arg, struct argp_state *state);
static bool can_resume(int fd);
static int start_detached(const struct conf *s);
static void become_daemon(const struct conf *s, int news) __attribute__((noreturn));
static int hear(const struct conf *s, pid_t guard, int news);
static void last_line(const struct conf *s, const char *node);
static void close_inherited(int but);

int
meta_command(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"Starts and supervises a fleet: guard, supervisor, orchestrator and the twelve "
		"other nodes.",
		NULL, NULL, NULL };
	static struct conf s; /* for the life of the guard and of what it forks */
	struct command c = { .resume = -1 };
	char err[512];
	int given;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	c.options.sets = c.sets;
	if (c.stop || c.status || c.sweep) {
		if (!conf_find_var(&s, &c.options, err, sizeof(err)))
			fatal("%s", err);
		if (c.sweep)
			return fleet_sweep_abandoned(&s);
		return c.stop ? fleet_stop(&s) : fleet_status(&s);
	}
	if (!conf_load(&s, &c.options, err, sizeof(err)))
		fatal("%s", err);
	if (c.print)
		conf_print(&s, stdout);
	if (c.resume >= 0 && c.check && !can_resume(c.resume))
		return 1;
	if (c.check)
		return check_configuration(&s) ? 0 : 1;
	if (c.print)
		return 0;
	if (c.detach)
		return start_detached(&s);
	if (c.resume >= 0)
		guard_resume(&s, c.resume);
	if ((given = manager_socket(err, sizeof(err))) < 0 && err[0] != '\0')
		fatal("%s", err);
	close_inherited(given);
	guard_run(&s, -1, given);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct command *c = state->input;

	switch (key) {
	case OPT_VAR:
		c->options.var = arg;
		break;
	case OPT_CONFIG:
		c->options.config = arg;
		break;
	case OPT_SET:
		if (c->n_sets == CONF_SETS_MOST)
			argp_error(state, "more than %d --set", CONF_SETS_MOST);
		c->sets[c->n_sets++] = arg;
		break;
	case OPT_DETACH:
		c->detach = true;
		break;
	case OPT_STOP:
		c->stop = true;
		break;
	case OPT_STATUS:
		c->status = true;
		break;
	case OPT_CHECK:
		c->check = true;
		break;
	case OPT_PRINT:
		c->print = true;
		break;
	case OPT_SWEEP:
		c->sweep = true;
		break;
	case OPT_RESUME:
		c->resume = (int)strtol(arg, NULL, 10);
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected \"%s\"", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Of the guard that asks us; what we start to check the rest gets none of its descriptors. */
static bool
can_resume(int fd)
{
	static struct handover o;
	struct holdings h;
	char err[256];

	if (handover_read(fd, &o, &h, err, sizeof(err))) {
		handover_keep(fd, &o, &h, false);
		return true;
	}
	fprintf(stderr, "metafed-meta: %s\n", err);
	return false;
}

static int
start_detached(const struct conf *s)
{
	int news[2];
	pid_t guard;

	if (pipe2(news, O_CLOEXEC) < 0)
		fatal("pipe: %s", strerror(errno));
	if ((guard = fork()) < 0)
		fatal("fork: %s", strerror(errno));
	if (guard == 0) {
		close(news[0]);
		become_daemon(s, news[1]);
	}
	close(news[1]);
	return hear(s, guard, news[0]);
}

/* Standard error stays until the start has gone well: that is where it says why it has not. */
static void
become_daemon(const struct conf *s, int news)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	news = held_high(news);
	close_inherited(news);
	guard_run(s, news, -1);
}

static int
hear(const struct conf *s, pid_t guard, int news)
{
	struct guard_news n;
	ssize_t got;
	int status;

	while ((got = read(news, &n, sizeof(n))) < 0 && errno == EINTR)
		;
	if (got != (ssize_t)sizeof(n)) {
		waitpid(guard, &status, 0);
		fprintf(stderr,
		    "metafed: the fleet did not start; the reason stands above or in "
		    "%s/log/guard.log\n",
		    s->var);
		return 1;
	}
	if (n.kind == NEWS_READY)
		return 0;
	fprintf(stderr, "metafed: %s %s%s; see %s/log/%s.log\n", n.node,
	    n.kind == NEWS_FAILED ? "died again and again and was given up"
				  : "is not READY in time, it is ",
	    n.kind == NEWS_FAILED ? "" : n.state, s->var, n.node);
	last_line(s, n.node);
	if (n.found > 0) {
		fprintf(stderr, "metafed: the rest of the fleet ran before and runs on\n");
		return 1;
	}
	kill(guard, SIGTERM); /* our child, not reaped yet: the pid is its own */
	waitpid(guard, &status, 0);
	return 1;
}

/* What a log ends with is mostly the reason. */
static void
last_line(const struct conf *s, const char *node)
{
	FILE *f = fopen(conf_path(s, "log/%s.log", node), "re");
	char text[2048], *line;
	size_t n;

	if (f == NULL)
		return;
	if (fseek(f, -(long)sizeof(text) + 1, SEEK_END) < 0)
		rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	if (n > 0)
		fprintf(stderr, "  %s\n", line == NULL ? text : line + 1);
}

static void
close_inherited(int but)
{
	if (but < 0) {
		close_range(STDERR_FILENO + 1, ~0U, 0);
		return;
	}
	close_range(STDERR_FILENO + 1, (unsigned)but - 1, 0);
	close_range((unsigned)but + 1, ~0U, 0);
}
