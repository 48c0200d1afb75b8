/* shapes: see shapes.h. The processes are ours from fork to wait: none is left behind, whichever way
 * this ends. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/bus.h"
#include "cli/reliability/shapes.h"
#include "cli/reliability/simulate.h"
#include "cli/reliability/stats.h"
#include "cli/reliability/theory.h"
#include "proto/reliability.pb-c.h"

#define IN_FLIGHT 16
#define CALL_US   (10 * SEC) /* an injected fault answers at once: nothing else is to fail here */
#define LIFE_S    60         /* of a member, should nobody end it */

struct fleet { /* one shape, running */
	const struct shapes_opts *opts;
	const struct shape *shape;
	struct arena *arena; /* names of its members */
	char dir[96];
	size_t n;
	pid_t *pids;
	struct loop *loop;
	struct bus *bus;
	struct target *first;
	uint32_t asked, answered, ok;
	double *ms;
};

struct ask {
	struct fleet *fleet;
	struct rpc *rpc;
	int64_t start_us;
};

static const char *start(struct fleet *);
static const char *executable(const struct fleet *);
static bool start_members(struct fleet *);
static pid_t start_member(const struct fleet *, uint32_t, uint32_t);
static void
become_member(const struct fleet *, uint32_t, uint32_t, pid_t) __attribute__((noreturn));
static void run(struct fleet *);
static void ask_one(struct fleet *);
static void on_answer(const Mf__StageAnswer *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static bool all_answered(void *);
static void stop(struct fleet *);
static void remove_sockets(const struct fleet *);

void
shapes_measure(struct result *r, const struct shapes_opts *o)
{
	for (int i = 0; i < THEORY_SHAPES; i++) {
		const struct theory_shape *t = &theory_shapes[i];
		struct shape *s = result_shape(r, t->depth, t->breadth);
		struct simulated drawn = simulate_shape(
		    o->error, t->depth, t->breadth, NULL, o->simulated, o->seed + (uint64_t)i);

		s->closed = theory_depth_breadth(o->error, t->depth, t->breadth);
		s->simulated = drawn.n;
		s->simulated_ok = drawn.ok;
		if (o->calls > 0)
			shapes_run_real(r, s, o);
	}
}

void
shapes_run_real(struct result *r, struct shape *s, const struct shapes_opts *o)
{
	struct fleet f = { .opts = o, .shape = s, .arena = r->arena };
	const char *why = start(&f);

	if (why == NULL) {
		run(&f);
		stat_sort(f.ms, o->calls);
		s->real = o->calls;
		s->real_ok = f.ok;
		s->real_p50_ms = stat_quantile(f.ms, o->calls, 0.5);
		s->real_p99_ms = stat_quantile(f.ms, o->calls, 0.99);
	} else {
		s->why_not = result_text(r, "%s", why);
	}
	stop(&f);
}

/* NULL, or why it does not run. */
static const char *
start(struct fleet *f)
{
	const char *tmp = f->opts->dir != NULL ? f->opts->dir : getenv("TMPDIR");
	static struct node_config config; /* the bus keeps pointing into it until stop() */
	static char err[256];

	if (access(executable(f), X_OK) != 0)
		return "its program can't be executed";
	/* a socket's path has 107 bytes */
	snprintf(f->dir, sizeof(f->dir), "%.70s/metafed-XXXXXX",
	    tmp != NULL && strlen(tmp) <= 70 ? tmp : "/tmp");
	if (mkdtemp(f->dir) == NULL) {
		f->dir[0] = '\0';
		return strerror(errno);
	}
	if (!start_members(f))
		return "no more processes can be started";
	member_config(&config, f->dir, "", 0, f->shape->breadth);
	f->loop = loop_new();
	f->bus = bus_new(f->loop,
	    &(const struct bus_opts){ .name = "client", .generation = 1, .config = &config }, err,
	    sizeof(err));
	if (f->bus == NULL)
		return err;
	f->first = member_level(f->arena, f->bus, 1, f->shape->breadth);
	return f->first != NULL ? NULL : "its members did not come up in time";
}

static const char *
executable(const struct fleet *f)
{
	return f->opts->exe != NULL ? f->opts->exe : "/proc/self/exe";
}

static bool
start_members(struct fleet *f)
{
	f->pids = mem_zalloc(sizeof(*f->pids) * f->shape->depth * f->shape->breadth);
	for (uint32_t level = f->shape->depth; level > 0; level--)
		for (uint32_t i = 1; i <= f->shape->breadth; i++) {
			pid_t pid = start_member(f, level, i);

			if (pid < 0)
				return false;
			f->pids[f->n++] = pid;
		}
	return true;
}

static pid_t
start_member(const struct fleet *f, uint32_t level, uint32_t index)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		become_member(f, level, index, parent);
	return pid;
}

/* Between fork and exec: only what a signal handler may do, beside formatting into the stack. */
static void
become_member(const struct fleet *f, uint32_t level, uint32_t index, pid_t parent)
{
	char level_text[16], index_text[16], depth[16], breadth[16], error[32], seed[32];
	char *const argv[] = { (char[]){ "metafed" }, (char[]){ "reliability" },
		(char[]){ "member" }, (char *)(uintptr_t)f->dir, level_text, index_text, depth,
		breadth, error, seed, NULL };
	uint64_t own = f->opts->seed + level * 100 + index; /* each its own draws */

	snprintf(level_text, sizeof(level_text), "%u", level);
	snprintf(index_text, sizeof(index_text), "%u", index);
	snprintf(depth, sizeof(depth), "%u", f->shape->depth);
	snprintf(breadth, sizeof(breadth), "%u", f->shape->breadth);
	snprintf(error, sizeof(error), "%.17g", f->opts->error);
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)(own & INT64_MAX));
	signal(SIGALRM, SIG_DFL);
	alarm(LIFE_S); /* outlives exec */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent) /* else it had gone before */
		execv(executable(f), argv);
	_exit(127);
}

static void
run(struct fleet *f)
{
	f->ms = mem_grow(NULL, f->opts->calls, sizeof(*f->ms));
	while (f->asked < f->opts->calls && f->asked < IN_FLIGHT)
		ask_one(f);
	while (!all_answered(f))
		loop_run_until(f->loop, all_answered, f, SEC);
}

static void
ask_one(struct fleet *f)
{
	Mf__StageAsk q = MF__STAGE_ASK__INIT;
	struct ask *a = mem_zalloc(sizeof(*a));
	struct call *c = call_root(
	    f->bus, &(const struct call_opts){ .limit_us = CALL_US, .done = on_end, .ctx = a });

	a->fleet = f;
	a->start_us = time_now_us();
	q.number = f->asked++;
	a->rpc = rpc_new(c, f->first, &(const struct rpc_opts){ .limit_us = CALL_US });
	mf__stage__pass(&a->rpc->service, &q, on_answer, c);
}

static void
on_answer(const Mf__StageAnswer *m, void *ctx)
{
	if (m == NULL)
		call_fail(ctx, ST_UNAVAILABLE, "a level failed");
	else
		call_reply(ctx, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct ask *a = ctx;
	struct fleet *f = a->fleet;
	const Mf__StageAnswer *m = (const Mf__StageAnswer *)end->reply;

	(void)c;
	f->ms[f->answered++] = (double)(time_now_us() - a->start_us) / 1e3;
	f->ok += m != NULL && m->stages == f->shape->depth;
	free(a);
	if (f->asked < f->opts->calls)
		ask_one(f);
}

static bool
all_answered(void *ctx)
{
	const struct fleet *f = ctx;

	return f->answered == f->opts->calls;
}

static void
stop(struct fleet *f)
{
	if (f->bus != NULL)
		bus_free(&f->bus);
	if (f->loop != NULL)
		loop_free(&f->loop);
	for (size_t i = 0; i < f->n; i++)
		kill(f->pids[i], SIGKILL); /* our child until it is waited for */
	for (size_t i = 0; i < f->n; i++)
		while (waitpid(f->pids[i], NULL, 0) < 0 && errno == EINTR)
			;
	if (f->dir[0] != '\0')
		remove_sockets(f);
	free(f->pids);
	free(f->ms);
}

/* The directory is ours alone, and flat. */
static void
remove_sockets(const struct fleet *f)
{
	DIR *d = opendir(f->dir);

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(f->dir);
}
