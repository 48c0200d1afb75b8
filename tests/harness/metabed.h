/* metabed: the orchestrator on loop-back, with domains and agents whose behaviour a test chooses.
 * The domains are fakes that really call their agents (auth: jwt and rbac side by side; database:
 * sql; api: rest, then graphql), so traces are true. */
#ifndef HARNESS_METABED_H
#define HARNESS_METABED_H

#include "harness/test.h"
#include "meta/fleet_state.h"
#include "meta/meta.h"

struct behaviour {         /* of a domain or an agent; all 0: it answers well */
	enum status fails; /* ST_OK: it does not */
	bool hangs;
	unsigned calls;
};

struct metabed {
	struct loop *loop;
	struct bus *bus;
	struct meta *meta;
	struct meta_config config;
	struct behaviour api, database, auth, rest, graphql, sql, jwt, rbac;
	/* auth: tokens are names; "alice" may all of task.*, "bob" only task.read, "admin"
	 * everything, "" only task.read of nothing (anonymous), anything else is no token */
	uint64_t sequence, epoch;
	int64_t token_life_us; /* 0: an hour */
	unsigned checks, sequences;
	unsigned accounts;  /* reads and writes of users and roles */
	char asked[16][64]; /* permissions, in order */
	char resources[16][64];
	/* database */
	unsigned writes, reads;
	char id[64], operation_id[64], actor[64], model[64], data[512];
	unsigned members;
	bool degraded;
	/* api: what "translate" answers */
	const char *means_operation, *means_data, *means_meta, *means_permission;
	unsigned formats;
	/* traces: a store that counts them and finds `found`, and a collector behind rest that says
	 * `exports` */
	struct behaviour traces;
	bool traces_wait; /* it takes none, and finds all the same */
	bool find_waits;  /* one search is answered right after what is stored next, without it */
	struct call *searching;
	unsigned traces_stored, traces_exported;
	uint32_t traces_refused; /* so many of each batch are, for want of room */
	size_t traces_bytes;     /* of the largest batch */
	Mf__TraceBatch found;
	Mf__TraceExport exports;
	/* what sql was asked and has not answered: the test does */
	struct call *hung[8];
	unsigned n_hung;
	/* who leads, where others stand by: metabed_lead */
	bool leads;
	uint64_t number;
};
extern struct metabed mb;

int metabed_start(void **state);
int metabed_stop(void **state);
#define METABED(f) cmocka_unit_test_setup_teardown(f, metabed_start, metabed_stop)

/* A request with the requirements that are not NULL: database "create task", api "POST /tasks",
 * auth with that token. */
struct req {
	const char *database, *api, *token, *permission, *task_id, *meta, *node, *auth_operation,
	    *auth_data, *data, *model, *id, *resource;
	Mf__Priority priority;
	uint32_t deadline_ms;
	bool trace, remember, explain;
	Mf__Dependency **depends_on;
	size_t n_depends_on;
	const char *operation_id; /* of the call */
};

struct result { /* of one request */
	struct call *root;
	struct rpc *rpc;
	bool ended;
	enum status failed; /* the call itself; ST_OK: answered */
	char reason[32], message[160];
	uint32_t retry_ms;
	Mf__TaskResponse *r; /* NULL: failed. A copy, freed by metabed_stop */
	int64_t took_us;
};

void metabed_send(struct result *out, const struct req *q);
void metabed_wait(struct result *out);
#define RUN(out, ...) (metabed_send((out), &(const struct req){ __VA_ARGS__ }), metabed_wait(out))
void metabed_pass(int64_t us);
/* Others stand by: from now on mb.leads says whether this one leads. */
void metabed_lead(void);

bool has_name(size_t n, char **names, const char *name);
const Mf__TraceLevel *trace_level(const Mf__TaskResponse *r, uint32_t level);
bool result_has(const struct result *r, const char *text); /* in the JSON of the result */

#endif
