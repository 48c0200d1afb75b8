/* top: the fleet on one screen, of now. `metafed top --once` prints one frame. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/top/child.h"
#include "cli/top/term.h"

#define EVERY_US   SEC
#define GIVE_UP_US (90 * SEC) /* a round that takes longer: the child begins anew */
#define ONCE_ROWS  24
#define ONCE_COLS  80

struct top {
	struct cli *cli;
	struct snapshot snapshot;
	struct state state;
	struct child child;
	struct errand errand;
	struct arena *arena; /* of a key */
	unsigned turn;
	int64_t asked_us;
};

static int once(struct cli *, struct top *);
static int run(struct top *);
static void ask(struct top *, int64_t);
static void ask_when_due(struct top *, int64_t);
static bool take_keys(struct top *);
static void follow(struct top *, const char *);
static void hear(struct top *, int64_t);
static void draw(struct top *);
static void forget(struct top *);

int
cli_top(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = { { "once", 0, NULL, 'o' }, { 0 } };
	struct top t = { .cli = cli, .arena = arena_new(64u << 20) };
	bool just_once = false;
	const char *why;
	int status;

	for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;)
		if (o == '?')
			return CLI_USAGE;
		else
			just_once = true;
	if (optind != argc) {
		cli_error("usage: metafed top [--once]");
		return CLI_USAGE;
	}
	t.state.sort = -1;
	t.state.local = cli->url == NULL;
	t.state.where = cli->url != NULL ? cli->url : cli->var;
	if (just_once)
		return once(cli, &t);
	if (!term_open(&why)) {
		cli_error("%s", why);
		return CLI_USAGE;
	}
	status = run(&t);
	term_close();
	forget(&t);
	if (term_signal() != 0) { /* as who did not catch it */
		signal(term_signal(), SIG_DFL);
		raise(term_signal());
	}
	return status;
}

static int
once(struct cli *cli, struct top *t)
{
	struct question q[QUESTIONS_MOST];
	int rows = ONCE_ROWS, cols = ONCE_COLS;
	const struct topic_answer *f = &t->snapshot.of[TOPIC_FLEET];
	struct answer as = { 0 };
	struct buf text = { 0 };
	struct grid *g;
	char *e;

	if ((e = getenv("COLUMNS")) != NULL && atoi(e) >= 40 && atoi(e) <= 1000)
		cols = atoi(e);
	if ((e = getenv("LINES")) != NULL && atoi(e) >= 10 && atoi(e) <= 1000)
		rows = atoi(e);
	ask_now(cli, q, questions_of(t->arena, &t->state, 0, q), &t->snapshot, time_now_us());
	as.status = f->status;
	if (f->v == NULL) {
		cli_error("%s", f->problem);
	} else {
		g = screen_draw(&t->snapshot, &t->state, rows, cols, time_now_us());
		grid_text(g, false, &text);
		fwrite(text.p, 1, text.n, stdout);
		grid_free(&g);
		buf_free(&text);
	}
	forget(t);
	return cli_exit_of(&as);
}

static int
run(struct top *t)
{
	if (!child_start(&t->child, t->cli))
		return CLI_UNAVAILABLE;
	ask(t, time_now_us());
	while (!term_ending()) {
		struct pollfd p[] = { { .fd = 0, .events = POLLIN },
			{ .fd = t->child.from, .events = POLLIN },
			{ .fd = t->errand.pid != 0 ? t->errand.from : -1, .events = POLLIN } };
		int64_t now;

		draw(t);
		if (poll(p, 3, 250) < 0 && errno != EINTR)
			break;
		if ((p[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
			break; /* the terminal is gone */
		now = time_now_us();
		if (p[1].revents != 0)
			hear(t, now);
		if (p[2].revents != 0 && errand_read(&t->errand, t->state.message,
					     sizeof(t->state.message), &t->state.message_bad))
			t->asked_us = 0; /* what has become of it is shown at once */
		if (!take_keys(t))
			break;
		ask_when_due(t, time_now_us());
	}
	child_stop(&t->child);
	return CLI_OK;
}

/* One that ended (after ten minutes, or by an accident) is followed by another. */
static void
hear(struct top *t, int64_t now)
{
	(void)child_read(&t->child, &t->snapshot, now);
	if (t->child.pid != 0)
		return;
	child_stop(&t->child);
	(void)child_start(&t->child, t->cli);
}

static void
ask(struct top *t, int64_t now)
{
	struct question q[QUESTIONS_MOST];
	size_t n = questions_of(t->arena, &t->state, t->turn++, q);

	child_ask(&t->child, q, n);
	t->asked_us = now;
	arena_reset(t->arena);
}

/* A round at a time: who takes longer than a second is asked less often. */
static void
ask_when_due(struct top *t, int64_t now)
{
	if ((t->child.busy && now - t->asked_us > GIVE_UP_US) ||
	    (t->child.pid <= 0 && now - t->asked_us >= EVERY_US)) {
		child_stop(&t->child);
		(void)child_start(&t->child, t->cli);
	}
	if (!t->child.busy && now - t->asked_us >= EVERY_US)
		ask(t, now);
}

/* False: that was the end. */
static bool
take_keys(struct top *t)
{
	const char *node = "";
	int key, rows, cols;

	while ((key = term_key()) >= 0) {
		term_size(&rows, &cols);
		if (key == 0)
			continue; /* another size */
		switch (keys_press(t->arena, &t->snapshot, &t->state, key, rows, &node)) {
		case DO_QUIT:
			return false;
		case DO_ASK:
			t->turn = 0; /* all that it shows */
			t->asked_us = 0;
			break;
		case DO_RESTART:
			if (!errand_restart(&t->errand, t->cli, node))
				snprintf(t->state.message, sizeof(t->state.message),
				    "Another restart is under way.");
			break;
		case DO_LOGS:
			follow(t, node);
			break;
		case DO_NOTHING:
			break;
		}
		draw(t);
		arena_reset(t->arena); /* many may have been pasted */
	}
	arena_reset(t->arena);
	return true;
}

/* `metafed logs -f NODE` has the terminal until Ctrl-C. */
static void
follow(struct top *t, const char *node)
{
	char *argv[] = { (char *)(uintptr_t) "metafed", (char *)(uintptr_t) "--var",
		(char *)(uintptr_t)t->cli->var, (char *)(uintptr_t) "logs",
		(char *)(uintptr_t) "-f", (char *)(uintptr_t)node, NULL };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	pid_t pid;

	term_lend();
	printf("The log of %s; Ctrl-C comes back.\n", node);
	fflush(stdout);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGQUIT, &ignore, NULL);
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR && !term_ending())
		;
	if (pid > 0 && term_ending())
		kill(pid, SIGTERM);
	term_back();
}

static void
draw(struct top *t)
{
	struct grid *g;
	int rows, cols;

	term_size(&rows, &cols);
	g = screen_draw(&t->snapshot, &t->state, rows, cols, time_now_us());
	term_draw(g);
	grid_free(&g);
}

static void
forget(struct top *t)
{
	for (int i = 0; i < TOPICS; i++)
		json_decref(t->snapshot.of[i].v);
	arena_free(&t->arena);
}
