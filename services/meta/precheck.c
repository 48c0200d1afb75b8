/* precheck: see precheck.h. The executable lies beside ours. One thread of the work pool starts it
 * and waits for it; a check outlives the call that wanted it. */
#include "meta/precheck.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "meta/image.h"
#include "node/node.h"

#define LIMIT    (5 * SEC) /* one short process that asks nobody anything */
#define ENV_MOST 1024

struct precheck {
	struct work work;
	struct call_dep dep;
	struct call *c; /* NULL: nobody waits any more */
	precheck_fn *fn;
	void *ctx;
	/* the thread's until it is done */
	char node[24];
	bool good;
	char said[1024];
};

static void run(struct work *w);
static pid_t start(const char *node, int *out);
static void environment(char *kept[ENV_MOST]);
static bool hear(char *said, size_t size, int out);
static void on_done(struct work *w, bool dropped);
static void on_call_ended(struct call_dep *d);

void
precheck_node(struct work_pool *pool, struct call *c, const char *node, precheck_fn *fn, void *ctx)
{
	struct precheck *p = mem_zalloc(sizeof(*p));

	*p = (struct precheck){ .work = { .run = run, .done = on_done },
		.dep.cancel = on_call_ended,
		.c = c,
		.fn = fn,
		.ctx = ctx };
	snprintf(p->node, sizeof(p->node), "%s", node);
	call_attach(c, &p->dep);
	if (!work_start(pool, &p->work))
		on_done(&p->work, true);
}

bool
precheck_run(const char *node, char *said, size_t size)
{
	int out, status = -1;
	pid_t pid = start(node, &out);
	bool good;

	if (pid < 0) {
		snprintf(said, size, "its executable does not start: %s", strerror(errno));
		return false;
	}
	if (!hear(said, size, out)) {
		snprintf(said, size, "the check did not end within %d s", (int)(LIMIT / SEC));
		kill(pid, SIGKILL); /* our child, not reaped yet: the pid is its own */
	}
	close(out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	said[strcspn(said, "\n")] = '\0';
	if (!good && (said[0] == '\0' || !str_utf8_ok(said, strlen(said))))
		snprintf(said, size, "its configuration is wrong");
	return good;
}

static void
run(struct work *w)
{
	struct precheck *p = container_of(w, struct precheck, work);

	p->good = precheck_run(p->node, p->said, sizeof(p->said));
}

static pid_t
start(const char *node, int *out)
{
	static char role[] = "--role=orchestrator", check[] = "--check";
	char exe[PATH_MAX], *kept[ENV_MOST];
	char *argv[] = { exe, check, NULL, NULL };
	posix_spawn_file_actions_t fds;
	int ends[2], rc;
	pid_t pid;

	image_path(node, exe);
	if (fleet_is_meta(node)) {
		argv[1] = role;
		argv[2] = check;
	}
	environment(kept);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&fds);
	posix_spawn_file_actions_adddup2(&fds, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&fds, ends[1], STDERR_FILENO);
	rc = posix_spawn(&pid, exe, &fds, NULL, argv, kept);
	posix_spawn_file_actions_destroy(&fds);
	close(ends[1]);
	*out = ends[0];
	if (rc == 0)
		return pid;
	close(ends[0]);
	errno = rc;
	return -1;
}

/* That of a node that is started by hand: the descriptors of the contract are ours alone. */
static void
environment(char *kept[ENV_MOST])
{
	static const char *const ours[] = {
		"METAFED_SUPERVISED=", "METAFED_LISTENER=", "METAFED_NODE=", "METAFED_GENERATION="
	};
	size_t n = 0;

	for (char **e = environ; *e != NULL && n + 1 < ENV_MOST; e++) {
		bool keep = true;

		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			keep &= !str_starts(*e, ours[i]);
		if (keep)
			kept[n++] = *e;
	}
	kept[n] = NULL;
}

/* Until it has closed its end. False: not in time. */
static bool
hear(char *said, size_t size, int out)
{
	struct pollfd ready = { .fd = out, .events = POLLIN };
	int64_t limit = time_now_us() + LIMIT, left;
	char text[512];
	size_t have = 0;
	ssize_t n;

	said[0] = '\0';
	while ((left = limit - time_now_us()) > 0) {
		if (poll(&ready, 1, (int)(left / MS) + 1) < 1)
			continue;
		if ((n = read(out, text, sizeof(text))) == 0)
			return true;
		for (ssize_t i = 0; i < n && have + 1 < size; i++)
			said[have++] = text[i];
		said[have] = '\0';
	}
	return false;
}

static void
on_done(struct work *w, bool dropped)
{
	struct precheck *p = container_of(w, struct precheck, work);
	const char *wrong = NULL;

	if (p->c != NULL) {
		call_detach(p->c, &p->dep);
		if (dropped)
			wrong = "there is no room for the check of its configuration; try again";
		else if (!p->good)
			wrong = arena_strdup(call_arena(p->c), p->said);
		p->fn(p->ctx, wrong);
	}
	free(p);
}

static void
on_call_ended(struct call_dep *d)
{
	container_of(d, struct precheck, dep)->c = NULL;
}
