/* node: the life of a daemon, from main() to leave_now().
 *
 *	STARTING -- node_ready --> READY -- SIGTERM, node_drain, orphaned --> DRAINING
 *	DRAINING -- nothing in flight --> exit 0
 *
 * The state changes in one function, which tells the supervisor. After DRAINING there is no way
 * back. Nodes leave without clean-up: nng_close may hang, and what must be kept has been written
 * before it was acknowledged. */
#include "node/node.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/leave.h"
#include "base/log.h"
#include "base/log_file.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"
#include "bus/bus.h"
#include "node/build.h"
#include "node/crash.h"
#include "node/heap.h"
#include "node/inside.h"

#define DRAIN_TICK_US (5 * MS)
#define DRAIN_QUIET   4 /* ticks: calls that were under way when "draining" left us still arrive */
#define WORK_THREADS  2
#define WORK_QUEUE    256

static void parse_options(struct node *n, int argc, char **argv);
static void usage(FILE *f, const struct service_def *def);
static void print_steps(void);
static void load_first(struct node *n);
static void private_dir(const char *path);
static void make_dirs(const char *path);
static void start(struct node *n);
static void watch_signals(struct node *n);
static void on_stop_signal(uv_signal_t *h, int signum);
static void on_hup(uv_signal_t *h, int signum);
static void reload(struct node *n);
static void trace_as_configured(struct node *n);
static void set_state(struct node *n, enum contract_state s);
static void on_drain_tick(struct timer *t);
static void leave(struct node *n, int status) __attribute__((noreturn));

int
node_main(int argc, char **argv, const struct service_def *def)
{
	static struct node node;
	struct node *n = &node;

	n->def = def;
	n->name = def->name;
	n->state = NODE_STARTING;
	contract_take(n);
	umask(077);
	heap_set_up();
	parse_options(n, argc, argv);
	load_first(n);
	if (n->options.print)
		settings_print(n, n->now);
	if (n->options.print || n->options.check)
		return 0;
	crash_start(&(const struct crash_opts){ .var = n->supervised ? n->now->common.var : NULL,
	    .node = n->name,
	    .generation = n->generation,
	    .cores = n->now->supervise.cores });
	start(n);
	if (!def->init(n))
		leave(n, 1);
	loop_run(n->loop);
	leave(n, 0);
}

const char *
node_name(const struct node *n)
{
	return n->name;
}

uint64_t
node_generation(const struct node *n)
{
	return n->generation;
}

const void *
node_config(const struct node *n)
{
	return n->now->own;
}

const char *
node_var(const struct node *n)
{
	return n->now->common.var;
}

struct loop *
node_loop(struct node *n)
{
	return n->loop;
}

struct bus *
node_bus(struct node *n)
{
	return n->bus;
}

struct work_pool *
node_work(struct node *n)
{
	if (n->work == NULL)
		n->work = work_pool_new(n->loop, WORK_THREADS, WORK_QUEUE);
	return n->work;
}

void
node_ready(struct node *n)
{
	char err[512];

	if (n->state != NODE_STARTING)
		return; /* asked to stop before it was ready */
	if (!bus_listen(n->bus, err, sizeof(err)))
		fatal("%s", err);
	set_state(n, NODE_READY);
	log_info("ready", L_INT("pid", getpid()));
}

void
node_drain(struct node *n)
{
	if (n->state == NODE_DRAINING)
		return;
	set_state(n, NODE_DRAINING);
	log_info("draining", L_INT("in_flight", bus_in_flight(n->bus)));
	bus_set_draining(n->bus);
	if (n->def->drain != NULL)
		n->def->drain(n);
	n->drain_limit_us = time_now_us() + n->now->common.drain_us;
	timer_in(&n->drain_tick, 0);
}

int
node_listener(const struct node *n)
{
	return n->listener;
}

enum contract_state
node_state(const struct node *n)
{
	return n->state;
}

const struct node_config *
node_common(const struct node *n)
{
	return &n->now->common;
}

static void
parse_options(struct node *n, int argc, char **argv)
{
	enum { O_CONFIG = 1, O_SET, O_CHECK, O_PRINT, O_KEYS, O_STEPS, O_VERSION, O_HELP };
	static const struct option options[] = {
		{ "config", required_argument, NULL, O_CONFIG },
		{ "set", required_argument, NULL, O_SET },
		{ "check", no_argument, NULL, O_CHECK },
		{ "print-config", no_argument, NULL, O_PRINT },
		{ "keys", no_argument, NULL, O_KEYS },
		{ "steps", no_argument, NULL, O_STEPS },
		{ "version", no_argument, NULL, O_VERSION },
		{ "help", no_argument, NULL, O_HELP },
		{ 0 },
	};
	size_t n_sets = 0;
	int o;

	n->options.file = getenv("METAFED_CONFIG");
	n->options.sets = mem_zalloc(((size_t)argc + 1) * sizeof(char *));
	optind = 0; /* meta's main may have read some already */
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == O_CONFIG) {
			n->options.file = optarg;
		} else if (o == O_SET) {
			n->options.sets[n_sets++] = optarg;
		} else if (o == O_CHECK) {
			n->options.check = true;
		} else if (o == O_PRINT) {
			n->options.print = true;
		} else if (o == O_KEYS) {
			settings_print_keys(n);
			exit(0);
		} else if (o == O_STEPS) {
			print_steps();
			exit(0);
		} else if (o == O_VERSION) {
			printf("metafed-%s %s\n", n->def->name, build_own.version);
			exit(0);
		} else {
			usage(o == O_HELP ? stdout : stderr, n->def);
			exit(o == O_HELP ? 0 : 2);
		}
	}
	if (optind < argc) {
		usage(stderr, n->def);
		exit(2);
	}
	if (n->options.file != NULL && n->options.file[0] == '\0')
		n->options.file = NULL;
}

static void
usage(FILE *f, const struct service_def *def)
{
	fprintf(f,
	    "Usage: metafed-%s [OPTION]...\n\n"
	    "  --config FILE    read FILE (default: $METAFED_CONFIG); the part [%s] of it is this "
	    "node's own\n"
	    "  --set KEY=VALUE  wins over file and environment; may be repeated\n"
	    "  --check          read and check the configuration, then exit\n"
	    "  --print-config   print the configuration with what each key means, then exit\n"
	    "  --keys           print the names of the keys that only this node has, then exit\n"
	    "  --steps          print the places where a fault test can end or stop this node, "
	    "then "
	    "exit\n"
	    "  --version, --help\n",
	    def->name, def->name);
}

static void
print_steps(void)
{
	const struct step_place *s;
	size_t n = steps(&s);

	for (size_t i = 0; i < n; i++)
		if (s[i].name[0] != '\0')
			printf("%s\n", s[i].name);
}

static void
load_first(struct node *n)
{
	enum log_level level;
	char err[1024];

	n->now = n->first = settings_load(n, err, sizeof(err));
	if (n->now == NULL)
		fatal("%s", err);
	if (log_level_from_name(n->now->common.log_level, &level))
		log_set_level(level);
}

static void
start(struct node *n)
{
	const struct node_config *c = &n->first->common;
	char err[1024];

	log_init(n->name, n->generation, STDERR_FILENO);
	if (n->supervised) /* else standard error is another's to keep */
		log_file_use(STDERR_FILENO, c->var, n->name, c->log_file_bytes, c->log_budget);
	if (!n->supervised) /* a guard has looked for all nodes */
		settings_warn(n);
	if (c->bus_listen[0] == '\0')
		private_dir(c->bus_dir);
	n->loop = loop_new();
	timer_init(&n->drain_tick, n->loop, on_drain_tick);
	watch_signals(n);
	process_metrics();
	n->bus = bus_new(n->loop,
	    &(const struct bus_opts){ .name = n->name,
		.generation = n->generation,
		.config = c,
		.serves = n->def->serves },
	    err, sizeof(err));
	if (n->bus == NULL)
		fatal("%s", err);
	bus_set_info(n->bus, n);
	bus_set_capabilities(n->bus, n->def->capabilities);
	if (n->def->judges_itself)
		bus_judge_itself(n->bus);
	bus_tell_tries(n->bus, fleet_meta());
	trace_as_configured(n);
	contract_start(n);
	beat_start(n);
	watchdog_start(n);
	heap_start(n);
}

/* Whoever can enter the directory can speak to the nodes as if it were one: it is ours alone, or we
 * do not start. */
static void
private_dir(const char *path)
{
	struct stat st;

	make_dirs(path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		fatal("%s: %s", path, strerror(errno));
	if (lstat(path, &st) < 0)
		fatal("%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		fatal("%s: is no directory", path);
	if (st.st_uid != geteuid())
		fatal("%s: belongs to user %u, not to us", path, (unsigned)st.st_uid);
	if ((st.st_mode & 077) != 0)
		fatal("%s: open to others (mode %03o); say: chmod 700 %s", path, st.st_mode & 0777U,
		    path);
}

/* The parents; whether they serve shows when the last one is made. */
static void
make_dirs(const char *path)
{
	char p[PATH_MAX];
	int n = snprintf(p, sizeof(p), "%s", path);

	if (n >= (int)sizeof(p))
		fatal("bus_dir: path too long");
	for (char *at = p + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		(void)mkdir(p, 0700);
		*at = '/';
	}
}

static void
watch_signals(struct node *n)
{
	uv_loop_t *uv = loop_uv(n->loop);

	uv_signal_init(uv, &n->on_term);
	uv_signal_init(uv, &n->on_int);
	uv_signal_init(uv, &n->on_hup);
	uv_signal_start(&n->on_term, on_stop_signal, SIGTERM);
	uv_signal_start(&n->on_int, on_stop_signal, SIGINT);
	uv_signal_start(&n->on_hup, on_hup, SIGHUP);
	n->on_term.data = n->on_int.data = n->on_hup.data = n;
}

static void
on_stop_signal(uv_signal_t *h, int signum)
{
	struct node *n = h->data;

	if (n->state == NODE_DRAINING) {
		log_warn("stopped_at_once", L_INT("signal", signum),
		    L_INT("in_flight", bus_in_flight(n->bus)));
		leave_now(1);
	}
	node_drain(n);
}

static void
on_hup(uv_signal_t *h, int signum)
{
	(void)signum;
	reload(h->data);
}

static void
reload(struct node *n)
{
	struct settings *old = n->now, *fresh;
	enum log_level level;
	char err[1024];

	fresh = settings_load(n, err, sizeof(err));
	if (fresh == NULL) {
		log_error("reload_refused", L_STR("error", err));
		return;
	}
	settings_keep(n, old, fresh);
	n->now = fresh;
	if (log_level_from_name(fresh->common.log_level, &level))
		log_set_level(level);
	trace_as_configured(n);
	if (n->def->reload != NULL)
		n->def->reload(n, old->own, fresh->own);
	if (old != n->first) /* the bus points into the first */
		settings_free(&old);
	log_info("reloaded");
}

static void
trace_as_configured(struct node *n)
{
	const struct node_config *c = &n->now->common;

	bus_set_tracing(
	    n->bus, &(const struct trace_opts){ c->trace_slow_us, c->trace_sample, c->trace_rate });
}

static void
set_state(struct node *n, enum contract_state s)
{
	n->state = s;
	contract_say(n);
	beat_say(n);
}

/* Quiet for some ticks in a row: the last answers have left, and what was under way has come. */
static void
on_drain_tick(struct timer *t)
{
	struct node *n = container_of(t, struct node, drain_tick);
	bool quiet = bus_in_flight(n->bus) == 0 && (n->def->drained == NULL || n->def->drained(n));

	n->quiet_ticks = quiet ? n->quiet_ticks + 1 : 0;
	if (n->quiet_ticks >= DRAIN_QUIET) {
		loop_stop(n->loop);
	} else if (time_now_us() >= n->drain_limit_us) {
		log_warn("drain_cut_short", L_INT("in_flight", bus_in_flight(n->bus)));
		loop_stop(n->loop);
	} else {
		timer_in(t, DRAIN_TICK_US);
	}
}

static void
leave(struct node *n, int status)
{
	if (status == 0 && n->def->fini != NULL)
		n->def->fini(n);
	log_info("stopped", L_INT("status", status));
	fflush(NULL);
	if (status == 0)
		crash_end();
	contract_leave(n);
	leave_now(status);
}
