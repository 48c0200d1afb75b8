/* result: what a measurement of reliability found, before anybody judges it. The live run fills it,
 * the analysis reads it; what is stored of it is the JSON document of report.h.
 *
 * A measurement is a list of runs. A run sends a list of scenarios to the federation, and (where
 * `baseline.asked` is set) the same scenarios with the same seed to the single process. Times are
 * CLOCK_MONOTONIC microseconds since the start of the run. Everything belongs to the result:
 * result_free() takes it all. */
#ifndef RELIABILITY_RESULT_H
#define RELIABILITY_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"

enum level { LEVEL_META, LEVEL_DOMAIN, LEVEL_AGENT, LEVELS };
enum domain { DOMAIN_API, DOMAIN_DATABASE, DOMAIN_AUTH, DOMAINS, DOMAIN_NONE = DOMAINS };
#define DOMAINS_ALL ((1u << DOMAINS) - 1)

/* Nodes as bits of a set, so that a request's faults fit into one word. */
enum member {
	MEMBER_META,
	MEMBER_API,
	MEMBER_DATABASE,
	MEMBER_AUTH,
	MEMBER_REST,
	MEMBER_GRAPHQL,
	MEMBER_WEBSOCKET,
	MEMBER_SQL,
	MEMBER_NOSQL,
	MEMBER_CACHE,
	MEMBER_JWT,
	MEMBER_OAUTH,
	MEMBER_RBAC,
	MEMBERS,
};
#define MEMBER_BIT(m) ((uint16_t)(1u << (m)))
struct member_info {
	const char *name; /* as on the bus */
	enum level level;
	enum domain domain; /* DOMAIN_NONE: meta */
};
extern const struct member_info member_table[MEMBERS];
enum member member_find(const char *name);      /* MEMBERS: no node of that name */
extern const char *const level_names[LEVELS];   /* "meta" "orchestrator" "agent" */
extern const char *const domain_names[DOMAINS]; /* "api" "database" "auth" */

/* --- requests --- */
enum outcome { OUTCOME_SUCCESS, OUTCOME_PARTIAL, OUTCOME_FAILED, OUTCOMES };

enum record_flag {
	RECORD_CASCADE = 1,  /* failed where no fault was injected: the spec's definition */
	RECORD_FAILOVER = 2, /* another member answered than the first one asked */
	RECORD_DEGRADED = 4,
	RECORD_COMMON = 8, /* met a fault of a common cause (store down, level slow) */
	RECORD_SHED = 16,  /* refused with a retry delay: RESOURCE_EXHAUSTED, shed, throttled */
	RECORD_LATE = 32,  /* its deadline passed */
	RECORD_CRASH = 64, /* baseline: its own fault took the shared process down */
};

struct record {              /* one request to one system */
	uint32_t scenario;   /* the same number in both systems: the pair */
	uint16_t kind;       /* index of result.kinds */
	uint8_t outcome;     /* enum outcome */
	uint8_t flags;       /* enum record_flag */
	uint8_t domains;     /* bit per domain that the request uses */
	uint8_t status;      /* enum status of the answer; 0: success */
	uint16_t faults;     /* MEMBER_BIT: where a fault was injected into this request */
	uint16_t failed;     /* MEMBER_BIT: where it failed in the end; 0: nowhere */
	uint16_t tries;      /* of all hops together; 0: not known */
	uint32_t latency_us; /* from when it was due (open loop) to its answer */
	int64_t start_us;    /* when it was due */
};

/* Tries made to one node, by its callers' hops. */
struct hop_figures {
	uint64_t tries;
	uint64_t own;   /* ... that failed because of this node itself */
	uint64_t below; /* ... that failed because of what is below it: not counted against it */
};

struct system { /* what one system did in one run */
	bool asked;
	size_t n, cap;
	struct record *records;
	struct hop_figures hops[MEMBERS];
	uint64_t faults;        /* injected, all levels */
	uint64_t faults_common; /* of those: by a common cause */
	int64_t took_us;        /* first request due to last answer */
	uint32_t restarts;      /* processes that had to be started again */
};

/* --- runs --- */
enum run_kind {
	RUN_THEORY,     /* independent faults, breakers observe: what the formula describes */
	RUN_ACTIVE,     /* the same faults, breakers active, tries as they are by default */
	RUN_CORRELATED, /* a store down, a level slow: common causes */
	RUN_QUIET,      /* no faults: latency, overhead */
	RUN_LOAD,       /* no faults, `load` times the rate: throughput, scaling */
	RUN_KINDS,
};
extern const char *const run_names[RUN_KINDS]; /* "independent, breakers observe" ... */

struct tries { /* independent tries or members on each level: the k of the formula */
	uint32_t meta, domain, agent;
};
struct rates { /* a try's chance to fail by injection: the e of the formula */
	double meta, domain, agent;
};

struct run {
	enum run_kind kind;
	struct rates rates;
	struct tries tries;
	bool breakers_observe;
	double load;        /* factor of the rate; 1 */
	double asked_per_s; /* open loop */
	struct system federation, baseline;
	const char *note; /* one sentence for the reader, or NULL */
};

/* --- recovery: from the moment of the fault to the first success through that path --- */
enum recovery_of {
	RECOVERY_AGENT,
	RECOVERY_DOMAIN,
	RECOVERY_META,
	RECOVERY_STORE,
	RECOVERY_BASELINE,
	RECOVERIES
};
extern const char *const recovery_names[RECOVERIES]; /* "agent" "orchestrator" "meta" ... */
struct recovery {
	enum recovery_of of;
	const char *node, *how; /* "sql", "killed" | "stopped" | ... */
	int64_t served_us;      /* until requests of that path succeed again */
	int64_t back_us;        /* until the node itself is READY again; -1: not seen */
};

/* --- timeline of a cascade: what a fault does to a loaded fleet, second by second --- */
struct moment {
	int64_t at_us;
	double success_per_s, failed_per_s, shed_per_s;
	uint32_t in_flight;
	const char *mode; /* "normal" "shedding" "throttled" "essential"; NULL: not known */
};
struct bystanders { /* requests that need nothing of what is slow */
	uint64_t asked, success;
	double p50_ms, p99_ms; /* NAN: there were none */
};
struct timeline {
	const char *name, *note; /* "database slow by 2 s" */
	bool prevention;         /* breakers, isolation and shedding act */
	int64_t fault_from_us, fault_until_us;
	uint64_t asked, success, failed, cascades;
	struct bystanders before, meanwhile; /* the fault */
	size_t n, cap;
	struct moment *moments;
};

/* --- depth x breadth: D levels in series, B members on each (shapes.h) --- */
struct shape {
	uint32_t depth, breadth;
	double closed;                    /* by arithmetic */
	uint64_t simulated, simulated_ok; /* 0: not done */
	uint64_t real, real_ok;           /* processes of that shape; 0: not done */
	double real_p50_ms, real_p99_ms;
	const char *why_not; /* real is 0: the reason */
};

/* --- of a fleet that is in use: what was done to it (experiment.h) --- */
struct trial {
	const char *action, *target;
	double probability; /* 0: always */
	uint32_t delay_ms;
	int64_t from_us, until_us;
	/* requests that were due meanwhile, also those that did not need the target */
	uint64_t outcomes[OUTCOMES], cascades;
	const char *refused; /* it did not take place: why; NULL: it did */
};

struct fact { /* "machine", "2 x ..." */
	const char *name, *value;
};

struct result {
	struct arena *arena; /* of all texts */
	uint64_t seed;
	uint32_t scenarios;
	const char *started_at; /* RFC 3339 */
	int64_t took_us;
	double neighbour_share; /* baseline: chance that a fault is a crash of the shared process */
	uint32_t deadline_ms;   /* of a request */
	bool live;              /* a fleet that was in use, not a private one */
	size_t n_kinds, n_runs, n_recoveries, n_timelines, n_shapes, n_facts, n_trials,
	    n_not_measured;
	const char **kinds; /* of scenarios */
	struct run *runs;   /* the first one of RUN_THEORY is the headline */
	struct recovery *recoveries;
	struct timeline *timelines;
	struct shape *shapes;
	struct fact *facts; /* versions, machine, settings: told as they are */
	struct trial *trials;
	struct fact *not_measured; /* what can't be on such a fleet, or was not asked for: why */
};

struct result *result_new(uint64_t seed);
void result_free(struct result **r);
const char *result_text(struct result *r, const char *fmt, ...) /* lives as long as r */
    __attribute__((format(printf, 2, 3)));
uint16_t result_kind(struct result *r, const char *name); /* its index; made on first use */
/* What these answer is the result's and moves when another one of the same kind is added: use the
 * index (n_runs - 1) across additions. */
struct run *result_run(struct result *r, enum run_kind kind);
struct record *result_record(struct system *s); /* cleared */
struct recovery *result_recovery(struct result *r);
struct timeline *result_timeline(struct result *r, const char *name);
struct moment *result_moment(struct timeline *t);
struct shape *result_shape(struct result *r, uint32_t depth, uint32_t breadth);
void result_fact(struct result *r, const char *name, const char *value); /* copies both */
struct trial *result_trial(struct result *r);
void result_not_measured(struct result *r, const char *what, const char *why); /* copies both */

#endif
