/* inside: what the files of `database` share; nobody else includes it.
 *
 *   database.c   the service, its targets; hands each operation on by its model
 *   plan.c       the rules (pure)            explain.c   the plan instead of the operation
 *   read.c       the cache where the plan allows it, else the store
 *   flight.c     equal reads of one moment are one read of the store
 *   write.c      the store decides, then the cache forgets
 *   bulk.c       members each on their own, in whatever store
 *   mode.c       is PostgreSQL there: the record, its changes, who waits for one
 *   journal.c    reads and writes while it is not
 *   replay.c     the way back
 *   cohere.c     keys, epoch and fills of the cache
 *   forget.c     what a write makes it forget
 *   fills.c      what this process has put into the cache, and what was written since (pure)
 *   session.c    the text of a session (pure)
 *   commit.h     transactions over both stores, and what is left of them
 *   events.c     the log of what happened to tasks
 *   traces.c     what is kept of requests
 *   lead.c       who of the orchestrators leads: passes the question on, and keeps the answer
 *   keep.c       a line of text in a file
 *   backup.c     one cut of all stores       restore.c   and the way back
 *
 * An operation is one struct op in its call's arena; each step ends the call or hands the op on. */
#ifndef DATABASE_INSIDE_H
#define DATABASE_INSIDE_H

#include "bus/bus.h"
#include "database/database.h"
#include "database/session.h"
#include "database/fills.h"
#include "proto/cache.pb-c.h"
#include "proto/nosql.pb-c.h"
#include "proto/sql.pb-c.h"

struct flight;
struct explaining;
struct journalled;

struct op { /* one operation under way, in its call's arena */
	struct call *c;
	const Mf__StoreOp *q;
	struct plan plan;
	struct rpc *rpc; /* the last one that was sent for it */
	const Mf__StoreResult *result;
	const struct failure *failure; /* instead of a result, when rpc is not what failed */
	int64_t read_us;               /* when the store was asked */
	int64_t joined_us;             /* ... which was so long before the operation came */

	bool in_session;
	struct session session; /* in_session: what q asked for */

	char *key;                     /* a read's: of the epoch in which it began */
	struct fill_watch watch;       /* ... and what had been written by then */
	uint64_t generation;           /* ... a list's: of its tag; 0: not known */
	struct flight *flight;         /* it reads the store for others */
	struct call_dep cut;           /* a write's: nobody will hear how it ended */
	bool settled;                  /* ... its outcome is known, and the cache knows it */
	struct explaining *explaining; /* it is only planned */
	unsigned met;                  /* staged documents: so often */
	int64_t met_until_us;          /* ... a write: waits for them until then */
	struct call_dep out;           /* a write's: counted as under way, for cohere_peek */
	unsigned turns;                /* that it took because the mode changed */
	uint64_t epoch;                /* of the mode in which it was sent */
	struct journalled *journalled; /* on its way to the journal */
};
typedef void op_fn(struct op *);
/* m NULL: failed, rpc_failure(o->rpc) says why; ctx is the op */
typedef void op_result_fn(const Mf__StoreResult *m, void *ctx);

extern struct target *db_sql, *db_nosql, *db_cache, *db_leader;
const struct database_config *db_config(void);

/* To the store of the plan, or another; q is mostly o->q. */
void db_send_read(struct op *o, enum plan_store s, const Mf__StoreOp *q, op_result_fn *then);
void db_send_write(struct op *o, enum plan_store s, const Mf__StoreOp *q, op_result_fn *then);
/* As o->failure says, else as its last rpc failed. A write whose outcome is not known is forgotten by the cache first. */
void db_fail(struct op *o);
/* A write that failed so may have happened, or may yet. */
bool db_unknown(enum status s);
/* With o->result, and the session where one is wanted. */
void db_answer(struct op *o);

void db_read(struct op *o);
void db_read_store(struct op *o);
void db_write(struct op *o);
void db_write_store(struct op *o);
void db_explain(struct op *o, bool write);
/* Sets o->result, or o->failure. */
void bulk_write(struct op *o, op_fn *then);
void database_events(
    Mf__Database_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx);

void database_keep_traces(
    Mf__Database_Service *s, const Mf__TraceBatch *q, Mf__TraceKept_Closure reply, void *ctx);
void database_find_traces(
    Mf__Database_Service *s, const Mf__TraceQuery *q, Mf__TraceBatch_Closure reply, void *ctx);

/* var NULL: nothing is kept, and nobody waits (tests). */
void lead_open(struct bus *b, const char *var);
/* A write in a leader's name, before this process knows the number of the leader: it waits, and comes anew. */
bool lead_holds(struct call *c, const Mf__StoreOp *q);

/* False: errno says why. */
bool keep_write(const char *path, const char *text) __attribute__((warn_unused_result));
/* False: there is none. text always ends. */
bool keep_read(const char *path, char *text, size_t size) __attribute__((warn_unused_result));

void cohere_open(void);
/* A read, before anything of it is sent. False: the cache has no part in it now, *why says why. */
bool cohere_begin(struct op *o, const char **why);
bool cohere_usable(void); /* the cache may be asked */
/* Answers from the cache, or hands the op to `missed`. */
void cohere_ask(struct op *o, op_fn *missed);
/* o->result, or that there is none, goes into the cache where it may; then `then`. */
void cohere_fill(struct op *o, op_fn *then);
/* The cache forgets what o->q wrote; then the call is answered with o->result. */
void cohere_drop(struct op *o);
/* All that is in it: nobody reads it any more. */
void cohere_forget(const char *because);
/* o->q is sent to its store: what the cache has of its objects proves nothing until the call ends. */
void cohere_out(struct op *o);
void cohere_in(struct op *o); /* it surely took no effect there */
/* It was sent, perhaps took effect there, and goes on: what the cache has proves nothing after it either. */
void cohere_perhaps(struct op *o);
/* The entries of these objects, in order; one that a write is under way for counts as not found. m NULL: the cache does not answer. */
typedef void cohere_peek_fn(struct op *o, const Mf__CacheEntries *m);
void cohere_peek(struct op *o, const Mf__StoreOp *const *of, size_t n, cohere_peek_fn *then);
/* Nobody knows whether o->q was written, or whether it still will be. */
void cohere_unknown(struct op *o);
/* May an answer that was read as of then go into this session? */
bool cohere_in_session(const struct op *o, int64_t as_of_us);
/* The session as of then, for who brought one or wrote. */
char *cohere_session(struct op *o, int64_t as_of_us, const char *store);
/* Of another process's life: this one's cache says nothing about what it has seen. */
bool cohere_foreign(const struct session *s);

void flight_open(void);
/* o waits for the flight of its key, a new one where none that may answer it is in the air. */
void flight_join(struct op *o);
/* One read for the cache alone, unless it is in the air already. */
void flight_refresh(const struct op *o);
/* Those who wait for o's flight have their answer: o->result, or f. */
void flight_land(struct op *o, const struct failure *f);

#endif
