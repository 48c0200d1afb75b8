/* child: see child.h. A line down is "TOPIC PATH?PARAMS", an empty one ends a round; a line up is
 * {"topic","status","body"} or {"topic","status","problem"}, and {} ends the round. */
#include "cli/top/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define ROUNDS_MOST 600 /* what it has allocated goes with it; the next one begins anew */

static pid_t fork_quiet(void);
static void serve(struct cli *cli, int in, int out) __attribute__((noreturn));
static void serve_one(struct cli *cli, char *line, FILE *out);
static void
take(struct topic_answer *t, int status, json_t *body, const char *problem, int64_t now_us);
static bool take_line(struct child *c, char *line, struct snapshot *s, int64_t now_us);

bool
child_start(struct child *c, struct cli *cli)
{
	int down[2], up[2];

	*c = (struct child){ .to = -1, .from = -1 };
	if (pipe2(down, O_CLOEXEC) < 0)
		return false;
	if (pipe2(up, O_CLOEXEC) < 0) {
		close(down[0]);
		close(down[1]);
		return false;
	}
	c->pid = fork_quiet();
	if (c->pid == 0)
		serve(cli, down[0], up[1]);
	close(down[0]);
	close(up[1]);
	c->to = down[1];
	c->from = up[0];
	if (c->pid > 0)
		fcntl(c->from, F_SETFL, O_NONBLOCK);
	else
		child_stop(c);
	return c->pid > 0;
}

void
child_stop(struct child *c)
{
	if (c->to >= 0)
		close(c->to);
	if (c->from >= 0)
		close(c->from);
	c->to = c->from = -1;
	if (c->pid > 0) {
		kill(c->pid, SIGKILL); /* it keeps nothing */
		waitpid(c->pid, NULL, 0);
	}
	buf_free(&c->line);
	c->pid = 0;
}

void
child_ask(struct child *c, const struct question *q, size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%d %s?%s\n", (int)q[i].topic, q[i].path, q[i].params);
	buf_puts(&b, "\n");
	/* Less than a pipe holds: it is taken at once, or its reader is gone. */
	c->busy = write(c->to, b.p, b.n) == (ssize_t)b.n;
	buf_free(&b);
}

bool
child_read(struct child *c, struct snapshot *s, int64_t now_us)
{
	char text[65536], *end;
	bool news = false;
	ssize_t n;

	while ((n = read(c->from, text, sizeof(text))) > 0) {
		buf_add(&c->line, text, (size_t)n);
		while ((end = memchr(c->line.p, '\n', c->line.n)) != NULL) {
			size_t used = (size_t)(end - c->line.p) + 1;

			*end = '\0';
			news |= take_line(c, c->line.p, s, now_us);
			memmove(c->line.p, c->line.p + used, c->line.n - used);
			c->line.n -= used;
		}
	}
	if (n == 0) {
		waitpid(c->pid, NULL, 0);
		c->pid = 0;
	}
	return news;
}

static bool
take_line(struct child *c, char *line, struct snapshot *s, int64_t now_us)
{
	json_t *v = json_loads(line, 0, NULL), *topic = json_object_get(v, "topic");
	json_int_t at = json_is_integer(topic) ? json_integer_value(topic) : -1;

	if (v != NULL && topic == NULL)
		c->busy = false;
	if (at >= 0 && at < TOPICS)
		take(&s->of[at], (int)json_integer_value(json_object_get(v, "status")),
		    json_incref(json_object_get(v, "body")),
		    json_string_value(json_object_get(v, "problem")), now_us);
	json_decref(v);
	return at >= 0 || !c->busy;
}

/* Takes the body over. A failure leaves what was known before, with its age. */
static void
take(struct topic_answer *t, int status, json_t *body, const char *problem, int64_t now_us)
{
	t->status = status;
	snprintf(t->problem, sizeof(t->problem), "%s%s", problem != NULL ? problem : "",
	    problem != NULL && status == 401 ? "; metafed login comes first" : "");
	if (problem != NULL || body == NULL) {
		json_decref(body);
		return;
	}
	json_decref(t->v);
	t->v = body;
	t->at_us = now_us;
}

void
ask_now(struct cli *cli, const struct question *q, size_t n, struct snapshot *s, int64_t now_us)
{
	for (size_t i = 0; i < n; i++) {
		const struct answer *a =
		    cli_send(cli, &(const struct query){
				      .method = "GET", .path = q[i].path, .params = q[i].params });

		take(&s->of[q[i].topic], a->status, json_incref(a->json), a->problem, now_us);
	}
}

/* Its terminal is ours: it neither reads nor writes it, and ends with us. */
static pid_t
fork_quiet(void)
{
	pid_t parent = getpid(), pid = fork();
	int null;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (int s = 1; s < 32; s++)
		signal(s, s == SIGINT || s == SIGTSTP || s == SIGWINCH || s == SIGPIPE ? SIG_IGN
										       : SIG_DFL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	return 0;
}

static void
serve(struct cli *cli, int in, int out)
{
	FILE *from = fdopen(in, "r"), *to = fdopen(out, "w");
	char *line = NULL;
	size_t cap = 0, rounds = 0;
	ssize_t n;

	must(from != NULL && to != NULL);
	while ((n = getline(&line, &cap, from)) > 0) {
		line[n - 1] = '\0';
		if (line[0] != '\0') {
			serve_one(cli, line, to);
			continue;
		}
		fputs("{}\n", to);
		fflush(to);
		if (++rounds == ROUNDS_MOST)
			break;
	}
	_exit(0);
}

static void
serve_one(struct cli *cli, char *line, FILE *out)
{
	char *path = strchr(line, ' '), *params = strchr(line, '?');
	const struct answer *a;
	json_t *v;

	if (path == NULL || params == NULL)
		return;
	*path++ = *params++ = '\0';
	a = cli_send(cli, &(const struct query){ .method = "GET", .path = path, .params = params });
	v = json_pack("{s:i,s:i}", "topic", atoi(line), "status", a->status);
	if (a->problem != NULL)
		json_object_set_new(v, "problem", json_string(a->problem));
	else if (a->json != NULL)
		json_object_set(v, "body", a->json);
	json_dumpf(v, out, JSON_COMPACT);
	fputc('\n', out);
	fflush(out);
	json_decref(v);
}

bool
errand_restart(struct errand *e, struct cli *cli, const char *node)
{
	int up[2];

	if (e->pid != 0 || pipe2(up, O_CLOEXEC) < 0)
		return false;
	e->pid = fork_quiet();
	if (e->pid == 0) {
		const struct answer *a = cli_send(
		    cli, &(const struct query){ .method = "POST",
			     .path = arena_printf(cli->arena, "/v1/fleet/%s:restart", node) });

		if (a->problem != NULL)
			dprintf(up[1], "!%s: %s%s", node, a->problem,
			    a->status == 401 ? "; metafed login comes first" : "");
		else
			dprintf(up[1], " Restarted %s: %s.", node,
			    json_string_value(json_object_get(a->json, "state")) ?: "done");
		_exit(0);
	}
	close(up[1]);
	e->from = up[0];
	if (e->pid < 0) {
		close(e->from);
		e->pid = 0;
	}
	return e->pid != 0;
}

bool
errand_read(struct errand *e, char *text, size_t size, bool *bad)
{
	char said[256] = "!it ended without a word";
	ssize_t n;

	if (e->pid == 0)
		return false;
	n = read(e->from, said, sizeof(said) - 1);
	if (n < 0 && errno == EINTR)
		return false;
	if (n > 0)
		said[n] = '\0';
	*bad = said[0] == '!';
	snprintf(text, size, "%s", said + 1);
	close(e->from);
	waitpid(e->pid, NULL, 0);
	e->pid = 0;
	return true;
}
