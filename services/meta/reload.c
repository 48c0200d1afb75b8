/* reload: see reload.h. */
#include "meta/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "meta/conf.h"
#include "meta/holdings.h"

#define CHECK_LIMIT (60 * SEC) /* thirteen short processes, twice, on a machine under load */
#define SAID_MOST   (64u << 10)

static void check(const struct reload *r, int out) __attribute__((noreturn));
static void say_wrong(const struct reload *r);
static void say(const char *what);

void
reload_init(struct reload *r, const struct conf *s)
{
	*r = (struct reload){ .settings = s, .out = -1 };
}

bool
reload_ask(struct reload *r, int64_t now)
{
	int out[2];

	if (r->settings->config[0] == '\0')
		return true;
	r->again = r->pid != 0;
	if (r->again)
		return false;
	if (pipe2(out, O_CLOEXEC) < 0) {
		say("no pipe");
		return false;
	}
	if ((r->pid = fork()) == 0)
		check(r, out[1]);
	close(out[1]);
	if (r->pid < 0) {
		close(out[0]);
		r->pid = 0;
		say("no process");
		return false;
	}
	r->out = held_high(out[0]);
	fcntl(r->out, F_SETFL, O_NONBLOCK);
	r->said.n = 0;
	r->late_us = now + CHECK_LIMIT;
	return false;
}

void
reload_read(struct reload *r)
{
	char text[4096];
	ssize_t n;

	while (r->out >= 0 && (n = read(r->out, text, sizeof(text))) > 0) {
		if (r->said.n < SAID_MOST)
			buf_add(&r->said, text, (size_t)n);
	}
}

void
reload_tick(struct reload *r, int64_t now)
{
	if (r->pid != 0 && now >= r->late_us)
		kill(r->pid, SIGKILL); /* our child, not reaped yet: the pid is its own */
}

bool
reload_ended(struct reload *r, int status, int64_t now)
{
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	reload_read(r);
	close(r->out);
	r->out = -1;
	r->pid = 0;
	if (r->again)
		return reload_ask(r, now);
	if (good)
		conf_say_changed(r->settings);
	else
		say_wrong(r);
	return good;
}

/* As an operator would check it by hand; it must not outlive whoever wants to know. */
static void
check(const struct reload *r, int out)
{
	const struct conf *s = r->settings;
	static char only[] = "--check", config[] = "--config", var[] = "--var", set[] = "--set";
	char exe[CONF_PATH + 32];
	char *argv[6 + 2 * CONF_SETS_MOST + 1] = { exe, only, config, (char *)(uintptr_t)s->config,
		var, (char *)(uintptr_t)s->var };
	sigset_t none;

	for (int i = 0; s->sets != NULL && s->sets[i] != NULL && i < CONF_SETS_MOST; i++) {
		argv[6 + 2 * i] = set;
		argv[7 + 2 * i] = s->sets[i];
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(exe, sizeof(exe), "%s/metafed-meta", s->exe);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(exe, argv);
	dprintf(STDERR_FILENO, "%s: %s\n", exe, strerror(errno));
	_exit(127);
}

/* Each line is "EXECUTABLE: FILE:LINE: [PART]: KEY: what is wrong". */
static void
say_wrong(const struct reload *r)
{
	struct str rest = { r->said.p, r->said.n }, line;
	char text[1024];
	bool any = false;

	while (rest.n > 0) {
		str_cut(rest, '\n', &line, &rest);
		if (str_trim(line).n == 0)
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)line.n, line.p);
		say(text);
		any = true;
	}
	if (!any)
		say("the check of the configuration did not end by itself");
}

/* Without the rate limit of a call site: thirteen nodes may have a word each. */
static void
say(const char *what)
{
	log_write(LOG_ERROR, NULL, "reload_refused",
	    (const struct log_field[]){
		L_STR("error", what), L_STR("then", "nothing was changed"), { .key = NULL } });
}
