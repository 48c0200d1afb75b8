/* busbed: a bus on loop-back with members whose behaviour a test chooses. No sockets, real time,
 * milliseconds. */
#ifndef HARNESS_BUSBED_H
#define HARNESS_BUSBED_H

#include "bus/inside.h"
#include "harness/test.h"
#include "proto/sql.pb-c.h"

enum manner { ANSWERS, FAILS, HOLDS, SLOW, FAILS_EVERY_THIRD, ASKS };

struct fake {                    /* a member that serves mf.Sql */
	Mf__Sql_Service service; /* first */
	struct serve serves[2];
	enum manner manner;
	struct failure failure; /* FAILS */
	int64_t delay_us;       /* SLOW */
	struct target *below;   /* ASKS: answers when these have */
	unsigned calls, cancelled;
	struct call *held; /* HOLDS: the newest */
	char principal[64], operation_id[64], trace[64];
	int64_t left_us; /* of the newest call, on arrival */
	uint32_t attempt;
	bool retried; /* it, or the call above */
};

struct outcome { /* of one call */
	struct call *call;
	struct rpc *rpc;
	unsigned answers; /* how often the rpc called back */
	unsigned ends;    /* how often the root ended */
	enum status status;
	char reason[32], node[32], field[32]; /* field: of the first violation */
	uint32_t retry_ms;
	bool repeated; /* rpc_repeated() */
	uint64_t rows;
	int64_t took_us;
	int64_t began_us;
	size_t n_hops;
	Mf__Hop hops[16]; /* strings are copies */
	char text[16][3][48];
};

struct bed {
	struct loop *loop;
	struct bus *bus;
};
extern struct bed bed;

int bed_start(void **state);
int bed_stop(void **state);
#define BED(f) cmocka_unit_test_setup_teardown(f, bed_start, bed_stop)

void fake_serve(struct fake *f);                  /* makes f->serves, for a bus of its own */
void fake_join(struct fake *f, const char *name); /* a member of that name is there from now on */
struct target *bed_target(const struct breaker_policy *p, const char *const *members);
#define MEMBERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Two members and a target of both, "sql" first. */
struct pair {
	struct fake sql, nosql;
	struct target *t; /* opens after 3 failures, of which 50 ms are one; probes after 20 ms */
};
extern struct pair pair;
int pair_start(void **state);
#define PAIR(f) cmocka_unit_test_setup_teardown(f, pair_start, bed_stop)
struct target *pair_only_sql(void); /* another target, without the second */

/* One root with one rpc on Sql.Read (IDEMPOTENT: Sql.Write with `write`). */
struct ask {
	int64_t limit_us; /* of the root; 0: 2 s; -1: over when it begins */
	struct rpc_opts opts;
	bool hops, write;
	const char *operation_id;
	const Mf__Principal *principal;
	const char *traceparent;
	uint64_t fence;
};
void ask(struct target *t, struct outcome *o, const struct ask *q); /* starts it */
void wait_for(struct outcome *o);                                   /* until the root has ended */
void pass(int64_t us); /* lets time go by on the loop */
struct peer *bed_peer(const char *name);

#endif
