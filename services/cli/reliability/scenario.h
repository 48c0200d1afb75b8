/* scenario: what a measurement asks, as arithmetic: from a seed and a number follow kind, priority and
 * what it is done to; the same pair always gives the same request. */
#ifndef RELIABILITY_SCENARIO_H
#define RELIABILITY_SCENARIO_H

#include "base/arena.h"
#include "base/id.h"
#include "cli/reliability/result.h"
#include "proto/meta.pb-c.h"

/* Which kinds are drawn. WHOLE: those that use each of the three domains exactly once, with one
 * agent stage in each: what the formula of the specification describes. SPACED: those that can be
 * about a namespace: a form names none. */
enum scenario_set { SCENARIOS_ALL, SCENARIOS_WHOLE, SCENARIOS_SPACED };

struct scenario {
	uint32_t number;
	uint32_t serial; /* among those of its kind */
	uint16_t kind;   /* scenario_name */
	uint8_t domains; /* bit per enum domain */
	uint8_t priority;
};

/* What is there for them: made before a run, so that a read finds something. */
#define POOL_SHARED 64
struct pool {
	char tasks[POOL_SHARED][UUID_LEN], documents[POOL_SHARED][UUID_LEN];
	/* to be deleted, one by one; by serial */
	size_t n_doomed;
	char (*doomed_tasks)[UUID_LEN], (*doomed_documents)[UUID_LEN];
};
#define SCENARIO_COLLECTION "doc.reliability"

size_t scenario_kinds(void);
const char *scenario_name(size_t kind);
struct scenario scenario_at(uint64_t seed, uint32_t number, enum scenario_set set);
/* The most that n scenarios from the first one on may delete, of either kind. */
size_t scenario_deletes(uint32_t n, enum scenario_set set);

struct scenario_ask {
	const struct pool *pool;
	const char *token;
	bool ask_auth;     /* no kept permission: auth is asked each time */
	const char *space; /* the namespace of what it is about; NULL: the default one */
	bool last;         /* the lowest priority, whatever the scenario's */
};
/* Everything in *q lives in a. */
void scenario_request(
    struct arena *a, const struct scenario *s, const struct scenario_ask *k, Mf__TaskRequest *q);

/* Its agents are those of one domain: which of them does a kind need? NULL: the domain is not used. */
const char *scenario_agent(const struct scenario *s, enum domain d);

#endif
