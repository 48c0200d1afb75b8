/* cohbed: database over the real sql, cache, PostgreSQL and Redis. The ways from database to sql and to
 * cache go over relays that count, hold back, and lose. One bed for all tests of a program. */
#ifndef HARNESS_COHBED_H
#define HARNESS_COHBED_H

#include "database/cache/cache.h"
#include "database/database.h"
#include "harness/sqlbed.h"

struct asked;

struct cohbed {
	struct bus *bus;
	struct target *database, *cache;
	struct database_config config;
	bool hold_reads, hold_writes; /* sql's answers stay in the relay until it is false */
	bool
	    lose_writes; /* sql does it, its answer is lost: UNAVAILABLE, as the bus would say it */
	bool fail_reads;
	bool leaves;       /* sql does the next write, nobody is told, and PostgreSQL is away */
	bool away;         /* sql says that PostgreSQL is */
	bool hold_fence;   /* a replay that begins waits in the relay */
	bool keep_replays; /* what replay asks of sql is not answered */
	unsigned replays;  /* that were kept so */
	bool lose_drops;   /* nothing of a drop gets to the cache */
	struct asked *gone_by_get; /* has gone by the time that the cache answers the next get */
	bool late_sets;            /* fills get to the cache when cohbed_send_late is called */
	unsigned reads, writes;    /* that came to sql */
	unsigned gets, sets, drops, tags; /* that came to cache */
};
extern struct cohbed cohbed;

int cohbed_start(void **state);
int cohbed_stop(void **state);
int cohbed_resume(void **state); /* a teardown: nothing is held, lost or paused any more */

struct asked { /* a call to database */
	struct call *call;
	struct rpc *rpc;
	bool ended;
	enum status status;
	char reason[40];
	char title[40]; /* of the object; of a list: of its first */
	char session[80];
	size_t items; /* of a list, or outcomes */
	json_t *json; /* data; NULL: none */
	uint64_t age_us, version;
};
void asked_start(struct asked *q, const Mf__StoreOp *op); /* q lives until it has ended */
void asked_cancel(struct asked *q);
void asked_wait(struct asked *q);
struct asked answer(const Mf__StoreOp *op); /* must be OK */
struct asked outcome(const Mf__StoreOp *op);
void asked_free(struct asked *q); /* its json */

bool cohbed_holds(void *ctx); /* an answer of sql is in the relay; ctx unused */
void cohbed_step(void);       /* what sql has answered goes on, where nothing holds it */
void cohbed_send_late(void);  /* fills that were kept back get to the cache now */
void cohbed_wait_for_cache(void);

#define EVENTUAL(i)    OP(READ_ONE, .id = S(i), .consistency = S("eventual"))
#define LIST(n)        OP(QUERY, .namespace_ = S(n), .consistency = S("eventual"))
#define STRONG_LIST(n) OP(QUERY, .namespace_ = S(n))
void put(const char *id, const char *title, bool create);
void put_in(const char *ns, const char *id, const char *title, bool create);
/* Its lists are kept again: nobody wrote to it for a while. */
void quiet(void);

#endif
