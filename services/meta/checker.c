/* checker: see checker.h. As an operator would check by hand. */
#include "meta/checker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/time.h"
#include "meta/holdings.h"

#define LIMIT     (60 * SEC) /* thirteen short processes, twice, on a machine under load */
#define SAID_MOST (64u << 10)

static void run(char *const *args, int out) __attribute__((noreturn));

bool
checker_start(struct checker *c, char *const *args, void (*before)(void *ctx), void *ctx,
    int64_t now, const char **why)
{
	int out[2];

	*why = "no pipe";
	if (pipe2(out, O_CLOEXEC) < 0)
		return false;
	if ((c->pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive whoever wants to know */
		if (before != NULL)
			before(ctx);
		run(args, out[1]);
	}
	close(out[1]);
	if (c->pid < 0) {
		close(out[0]);
		c->pid = 0;
		*why = "no process";
		return false;
	}
	c->out = held_high(out[0]);
	fcntl(c->out, F_SETFL, O_NONBLOCK);
	c->said.n = 0;
	c->late_us = now + LIMIT;
	return true;
}

void
checker_read(struct checker *c)
{
	char text[4096];
	ssize_t n;

	while (c->out >= 0 && (n = read(c->out, text, sizeof(text))) > 0) {
		if (c->said.n < SAID_MOST)
			buf_add(&c->said, text, (size_t)n);
	}
}

void
checker_tick(struct checker *c, int64_t now)
{
	if (c->pid != 0 && now >= c->late_us)
		kill(c->pid, SIGKILL); /* our child, not reaped yet: the pid is its own */
}

bool
checker_ended(struct checker *c, int status)
{
	checker_read(c);
	close(c->out);
	c->out = -1;
	c->pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void
checker_each(const struct checker *c, void (*fn)(const char *line))
{
	struct str rest = { c->said.p, c->said.n }, line;
	char text[1024];
	bool any = false;

	while (rest.n > 0) {
		str_cut(rest, '\n', &line, &rest);
		if (str_trim(line).n == 0)
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)line.n, line.p);
		fn(text);
		any = true;
	}
	if (!any)
		fn("the check did not end by itself");
}

char *const *
guard_arguments(const struct conf *s, const char *const *more)
{
	static char config[] = "--config", var[] = "--var", set[] = "--set";
	static char exe[CONF_PATH + 32], *args[CHECKER_ARGS + 1];
	int n = 0;

	snprintf(exe, sizeof(exe), "%s/metafed-meta", s->exe);
	args[n++] = exe;
	for (; *more != NULL; more++)
		args[n++] = (char *)(uintptr_t)*more;
	if (s->config[0] != '\0') {
		args[n++] = config;
		args[n++] = (char *)(uintptr_t)s->config;
	}
	args[n++] = var;
	args[n++] = (char *)(uintptr_t)s->var;
	for (int i = 0; s->sets != NULL && s->sets[i] != NULL && i < CONF_SETS_MOST; i++) {
		args[n++] = set;
		args[n++] = s->sets[i];
	}
	args[n] = NULL;
	return args;
}

static void
run(char *const *args, int out)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(args[0], args);
	dprintf(STDERR_FILENO, "%s: %s\n", args[0], strerror(errno));
	_exit(127);
}
