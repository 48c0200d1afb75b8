/* measure: the parts of a measurement, one function each, on a private fleet, or on one that is in use
 * (live.h). Each adds runs, recoveries or timelines to the result. */
#ifndef RELIABILITY_MEASURE_H
#define RELIABILITY_MEASURE_H

#include "cli/reliability/inject.h"
#include "cli/reliability/load.h"
#include "cli/reliability/private_fleet.h"
#include "client/client.h"

enum part {
	PART_THEORY,
	PART_ACTIVE,
	PART_QUIET,
	PART_LOADS,
	PART_RECOVERY,
	PART_CORRELATED,
	PART_TIMELINE,
	PART_SHAPES,
	PARTS,
};
#define PART_BIT(p) (1u << (p))
extern const char *const part_names[PARTS];

struct measure_opts {
	uint32_t parts; /* PART_BIT */
	uint32_t scenarios;
	uint64_t seed;
	struct rates rates;
	struct tries tries; /* of the run against theory */
	double per_s;
	uint32_t deadline_ms;
	double neighbour_share; /* of the baseline's faults that are crashes */
};

struct measure {
	const struct measure_opts *o;
	struct result *r;
	struct private_fleet *fleet; /* NULL where live is not */
	struct live *live;
	struct client *client; /* of the fleet as it runs now; NULL: it does not */
	struct target *meta, *single;
	char *token, *jwks; /* jwks: file with the public keys, for the baseline */
	struct pool pool;
	const char *space; /* where what is made for scenarios is; NULL: the default namespace */
	char err[800];     /* why a part could not be made */
	/* the baseline's process */
	pid_t baseline;
	bool baseline_wanted;
	uint32_t baseline_starts;
	int64_t baseline_died_us; /* 0: it has served since */
	struct timer baseline_timer;
};

/* All of it, in order. False: m->err. Says on standard error what it does. */
bool measure_all(struct measure *m);
void measure_close(struct measure *m);
void measure_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- measure.c: the ground the parts stand on --- */
/* What all scenarios share. */
bool measure_make_shared(struct measure *m);
/* The fleet anew with these settings, READY, logged in. */
bool measure_start(struct measure *m, const char *settings);
void measure_stop(struct measure *m);
bool measure_faults(struct measure *m, const struct rates *e, enum inject_as as);
bool measure_rule(struct measure *m, uint16_t members, const char *rule);
/* Makes what n scenarios of a set need. */
bool measure_prepare(struct measure *m, uint32_t n, enum scenario_set set);
/* Turns the loop for so long. */
void measure_pause(struct measure *m, int64_t us);
#define MEASURE_LOOK_US      (2 * MS) /* so often is looked at what happens beside a load */
#define MEASURE_STEADY_PER_S 200.0    /* under which things break */
/* A load on the federation or the baseline, to be changed and run. */
struct load
measure_load(struct measure *m, struct system *out, bool single, uint32_t n, enum scenario_set set);

/* --- single.c: the baseline's process --- */
bool single_start(struct measure *m); /* and again whenever it dies, until single_stop */
void single_stop(struct measure *m);
/* What happens to each scenario there: what happened to it in the federation, else drawn. */
void single_draws(const struct measure *m, uint8_t *draws, uint32_t n, enum scenario_set set);

/* --- parts.c, recovery.c, faults.c --- */
/* Requests that nobody counts: connections, prepared statements, kept permissions. */
bool measure_warm(struct measure *m, bool single);
void measure_tell(const struct run *run); /* how a run went, on standard error */
bool part_theory(struct measure *m);
bool part_active(struct measure *m);
bool part_quiet(struct measure *m);
bool part_loads(struct measure *m);
bool part_recovery(struct measure *m);
bool part_correlated(struct measure *m);
bool part_timeline(struct measure *m, bool prevention);

#endif
