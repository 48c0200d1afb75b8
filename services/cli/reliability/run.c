/* run: metafed reliability run.
 *
 * Three processes: the command; its child, the keeper; and the keeper's, which measures and starts the
 * fleet. When that one ends, of itself, by a signal or by a bug, the kernel ends the fleet
 * (private_fleet.h), and the keeper removes the directory; of a fleet that is in use it takes back what
 * was done to it (undo.h). The kernel tells the keeper when the command was killed; when the keeper
 * was, the command does its work: kill -9 of any of them leaves nothing. */
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "cli/reliability/live.h"
#include "cli/reliability/reliability.h"
#include "cli/reliability/report.h"

#define SCENARIOS_MOST 1000000
#define TRIES_MOST     10
#define PER_S_MOST     20000.0
#define DEADLINE_MS    10000
#define NEIGHBOURS     0.05
#define DIR_ROOM       64
#define NOT_SAID       (-1.0)
#define RUN_MOST_S     1500 /* twice that, for both systems: credential and faults last an hour */

struct options {
	struct measure_opts measure;
	const char *html;
	bool live;
	/* --- where it is measured --- */
	char dir[DIR_ROOM]; /* of the private fleet */
	struct undo *undo;  /* of a live one */
};

static const struct rates default_rates = { 0.05, 0.08, 0.12 };

static volatile sig_atomic_t caught;
static volatile sig_atomic_t child; /* pid */

static bool parse(int, char **, struct options *);
static bool take(struct options *, const char *, const char *);
static bool take_number(const char *, const char *, double, double, double *);
static bool take_rates(const char *, struct rates *);
static bool take_parts(const char *, uint32_t *);
static bool plausible(const struct options *);
static void handle_signals(void (*)(int));
static bool settle(struct options *);
static bool settle_live(const struct cli *, struct options *);
static bool ground(struct options *);
static int leave(struct cli *, const struct options *);
static int command(struct cli *, const struct options *);
static int keep(struct cli *, const struct options *);
static bool fork_child(int *);
static void on_signal(int);
static int measure(struct cli *, const struct options *);
static int measure_private(struct measure *, const struct options *);
static int put(struct cli *, const struct options *, struct result *);
static void say_machine(struct result *);
static void say_faults(struct result *);

int
cli_reliability_run(struct cli *cli, int argc, char **argv)
{
	struct options o = { .measure = { .scenarios = 1000,
				 .seed = 1,
				 .rates = { NOT_SAID, NOT_SAID, NOT_SAID },
				 .deadline_ms = DEADLINE_MS,
				 .neighbour_share = NEIGHBOURS } };

	if (!parse(argc, argv, &o) || !(o.live ? settle_live(cli, &o) : settle(&o)) ||
	    !plausible(&o))
		return CLI_USAGE;
	(void)signal(SIGPIPE, SIG_IGN);
	handle_signals(on_signal);
	return ground(&o) ? command(cli, &o) : CLI_UNAVAILABLE;
}

static bool
ground(struct options *o)
{
	char err[256];

	if (o->live)
		o->undo = undo_new();
	else if (!private_fleet_dir(o->dir, sizeof(o->dir), err, sizeof(err))) {
		cli_error("%s", err);
		return false;
	}
	return true;
}

/* What there was is no more, in a process that outlives the measurement. */
static int
leave(struct cli *cli, const struct options *o)
{
	if (o->live) {
		measure_say("taking back what was done to the fleet");
		return undo_all(cli, o->undo);
	}
	private_fleet_remove(o->dir);
	return CLI_OK;
}

static bool
parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(name, "--live") == 0) {
			o->live = true;
			continue;
		}
		if (value == NULL) {
			cli_error("reliability run: %s needs a value, or is no option", name);
			return false;
		}
		i++;
		if (!take(o, name, value))
			return false;
	}
	return true;
}

static bool
take(struct options *o, const char *name, const char *value)
{
	double v = 0;
	bool good;

	if (strcmp(name, "--html") == 0) {
		o->html = value;
		return true;
	}
	if (strcmp(name, "--rates") == 0)
		return take_rates(value, &o->measure.rates);
	if (strcmp(name, "--parts") == 0)
		return take_parts(value, &o->measure.parts);
	if (strcmp(name, "--load") == 0)
		return take_number(name, value, 1, PER_S_MOST, &o->measure.per_s);
	if (strcmp(name, "--scenarios") == 0) {
		good = take_number(name, value, 100, SCENARIOS_MOST, &v);
		o->measure.scenarios = (uint32_t)v;
	} else if (strcmp(name, "--seed") == 0) {
		good = take_number(name, value, 0, 1e15, &v);
		o->measure.seed = (uint64_t)v;
	} else if (strcmp(name, "--tries") == 0) {
		good = take_number(name, value, 1, TRIES_MOST, &v);
		o->measure.tries = (struct tries){ (uint32_t)v, (uint32_t)v, 3 };
	} else {
		cli_error("reliability run: %s is no option of it", name);
		return false;
	}
	return good;
}

/* What was not said. One of the parts that make a report has to be among them. */
static bool
settle(struct options *o)
{
	struct measure_opts *m = &o->measure;

	if (m->parts == 0)
		m->parts = PART_BIT(PARTS) - 1;
	if (m->rates.agent == NOT_SAID)
		m->rates = default_rates;
	if (m->tries.meta == 0)
		m->tries = (struct tries){ 2, 2, 3 };
	if (m->per_s == 0)
		m->per_s = 200;
	if ((m->parts & (PART_BIT(PART_THEORY) | PART_BIT(PART_ACTIVE))) != 0)
		return true;
	cli_error("--parts: theory or active must be among them");
	return false;
}

/* Harm is only done where faults were asked for, by their rates or as a part. */
static bool
settle_live(const struct cli *cli, struct options *o)
{
	static const struct rates none;
	struct measure_opts *m = &o->measure;

	if (cli->url != NULL) {
		cli_error("--live goes over the fleet's bus: --var DIR, not --url");
		return false;
	}
	if (m->tries.meta != 0) {
		cli_error("--tries: with --live they are as the fleet has them");
		return false;
	}
	if (m->parts == 0)
		m->parts =
		    PART_BIT(PART_QUIET) | (m->rates.agent == NOT_SAID ? 0 : PART_BIT(PART_ACTIVE));
	if (m->rates.agent == NOT_SAID)
		m->rates = (m->parts & PART_BIT(PART_ACTIVE)) != 0 ? default_rates : none;
	if (m->per_s == 0)
		m->per_s = LIVE_PER_S;
	for (enum part p = 0; p < PARTS; p++)
		if ((m->parts & PART_BIT(p) & ~(LIVE_PARTS_QUIET | LIVE_PARTS_HARM)) != 0) {
			cli_error("--parts: %s needs a private fleet, not --live", part_names[p]);
			return false;
		}
	if ((m->parts & (PART_BIT(PART_QUIET) | PART_BIT(PART_ACTIVE))) != 0)
		return true;
	cli_error("--parts: with --live, quiet or active must be among them");
	return false;
}

static bool
take_number(const char *name, const char *text, double least, double most, double *out)
{
	if (str_double(str_of(text), out) && *out >= least && *out <= most &&
	    (strcmp(name, "--load") == 0 || floor(*out) == *out))
		return true;
	cli_error("%s: \"%s\": must be %s from %.0f to %.0f", name, text,
	    strcmp(name, "--load") == 0 ? "a number" : "a whole number", least, most);
	return false;
}

/* AGENT,ORCHESTRATOR,META */
static bool
take_rates(const char *text, struct rates *e)
{
	double *const to[] = { &e->agent, &e->domain, &e->meta };
	struct str rest = str_of(text), one;

	for (int i = 0; i < 3; i++) {
		str_cut(rest, ',', &one, &rest);
		if (!str_double(one, to[i]) || *to[i] < 0 || *to[i] > 0.9) {
			cli_error("--rates: \"%s\": must be three shares from 0 to 0.9, "
				  "AGENT,ORCHESTRATOR,META",
			    text);
			return false;
		}
	}
	return true;
}

static bool
take_parts(const char *text, uint32_t *parts)
{
	struct str rest = str_of(text), one;

	*parts = 0;
	while (rest.n > 0) {
		enum part p = 0;

		str_cut(rest, ',', &one, &rest);
		while (p < PARTS && !str_eq(one, part_names[p]))
			p++;
		if (p == PARTS) {
			cli_error("--parts: \"%.*s\" is none of theory, active, quiet, loads, "
				  "recovery, correlated, timeline, shapes",
			    (int)one.n, one.p);
			return false;
		}
		*parts |= PART_BIT(p);
	}
	if (*parts == 0)
		cli_error("--parts: names none");
	return *parts != 0;
}

static bool
plausible(const struct options *o)
{
	if (o->html != NULL && strcmp(o->html, "-") == 0) {
		cli_error("--html: must be a file, as the result is on standard output");
		return false;
	}
	if (o->measure.scenarios <= RUN_MOST_S * o->measure.per_s)
		return true;
	cli_error("--scenarios: %u at %g/s take longer than %d s: --load must be greater",
	    o->measure.scenarios, o->measure.per_s, RUN_MOST_S);
	return false;
}

static void
handle_signals(void (*how)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = how };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static int
command(struct cli *cli, const struct options *o)
{
	int status = 0;

	if (!fork_child(&status))
		_exit(keep(cli, o));
	if (WIFEXITED(status)) /* it has removed what there was, and said what it had to say */
		return caught != 0 ? 128 + (int)caught : WEXITSTATUS(status);
	(void)leave(cli, o);
	cli_error("the measurement ended without a result");
	return CLI_UNAVAILABLE;
}

static int
keep(struct cli *cli, const struct options *o)
{
	int status = 0, left;

	if (!fork_child(&status)) {
		handle_signals(SIG_DFL);
		_exit(caught == 0 ? measure(cli, o) : CLI_UNAVAILABLE);
	}
	left = leave(cli, o);
	if (caught != 0) {
		cli_error("ended by signal %d; %s", (int)caught,
		    !o->live         ? "the private fleet is gone"
		    : left == CLI_OK ? "experiments have ended, and what was made is removed"
				     : "not everything could be undone");
		return 128 + (int)caught;
	}
	if (!WIFEXITED(status)) {
		cli_error("the measurement ended without a result");
		return CLI_UNAVAILABLE;
	}
	return WEXITSTATUS(status) == CLI_OK ? left : WEXITSTATUS(status);
}

/* False: in the child, which gets SIGTERM when its parent is gone. True: it has ended, and how. Whom it
 * left behind has become a child of ours, as private_fleet_remove() wants it. */
static bool
fork_child(int *status)
{
	pid_t us = getpid(), pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = 0;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != us)
			raise(SIGTERM);
		return false;
	}
	child = pid;
	if (caught != 0 && pid > 0)
		kill(pid, SIGTERM);
	*status = pid < 0 ? SIGKILL : 0; /* as if it had been killed at once */
	while (pid > 0 && waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	child = 0;
	return true;
}

static void
on_signal(int sig)
{
	caught = sig;
	if (child > 0)
		kill((pid_t)child, SIGTERM);
}

/* In a process of its own. */
static int
measure(struct cli *cli, const struct options *o)
{
	char started[TIME_RFC3339_LEN];
	struct measure m = { .o = &o->measure, .r = result_new(o->measure.seed) };
	int64_t began = time_now_us();
	int status;

	time_rfc3339(time_wall_us(), started);
	m.r->started_at = started;
	m.r->scenarios = o->measure.scenarios;
	m.r->neighbour_share = o->live ? NAN : o->measure.neighbour_share;
	m.r->deadline_ms = o->measure.deadline_ms;
	say_machine(m.r);
	status = o->live ? live_measure(&m, cli, o->undo) : measure_private(&m, o);
	measure_close(&m);
	private_fleet_free(&m.fleet);
	if (status != CLI_OK) {
		cli_error("%s", m.err);
		return status;
	}
	m.r->took_us = time_now_us() - began;
	status = put(cli, o, m.r);
	result_free(&m.r);
	return status;
}

static int
measure_private(struct measure *m, const struct options *o)
{
	say_faults(m->r);
	m->fleet = private_fleet_new(o->dir, m->err, sizeof(m->err));
	return m->fleet != NULL && measure_all(m) ? CLI_OK : CLI_UNAVAILABLE;
}

static int
put(struct cli *cli, const struct options *o, struct result *r)
{
	json_t *doc;
	bool ok;

	measure_say("analysis");
	doc = report_json(r);
	if (cli->json)
		cli_put_json(doc, JSON_INDENT(2));
	else
		report_table(stdout, doc);
	ok = fflush(stdout) == 0 && (o->html == NULL || report_write_page(doc, o->html));
	json_decref(doc);
	return ok ? CLI_OK : CLI_REFUSED;
}

static void
say_machine(struct result *r)
{
	struct utsname u;
	char text[64];

	snprintf(text, sizeof(text), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	result_fact(r, "cores", text);
	if (uname(&u) == 0)
		result_fact(r, "kernel", u.release);
	result_fact(r, "version", METAFED_VERSION);
}

/* Of a private fleet. */
static void
say_faults(struct result *r)
{
	result_fact(r, "faults against theory",
	    "meta and orchestrators answer UNAVAILABLE; agents' answers are damaged: tried again "
	    "by "
	    "the orchestrator alone, so that stages are independent, as in the formula");
	result_fact(r, "faults by default",
	    "all levels answer UNAVAILABLE; a second try of an orchestrator is a new chance for "
	    "its "
	    "agents too, so that the formula is a lower bound");
	result_fact(r, "pairs",
	    "what happened to the first try of an agent in the federation happens to the same "
	    "scenario in the baseline");
}
