/* store: what the files of sql share: the one pool, whether its schema is ours, and effects whose
 * outcome is unknown.
 *
 *   service.c   the vtable                       hold.c     calls wait for the first log-in
 *   read.c      READ_ONE, QUERY_MANY, Query      create.c   CREATE, BULK_CREATE
 *   change.c    UPDATE, DELETE                   transact.c TRANSACTION
 *   store.c     the pool, waiting effects        migrate.c  migrations
 *   explain.c   how statements would be run      replicas.c stand-bys that answer reads
 *   events.c    the log of what happened    upkeep.c   what is thrown away after its time
 *   brief.c     tasks counted, their ids, the history of one
 *   traces.c    what is kept of requests    traces_room.c  the bound of that in bytes
 *   blob.c      large values (blob.h) */
#ifndef SQL_STORE_H
#define SQL_STORE_H

#include "database/sql/intake.h"
#include "database/sql/sql.h"
#include "store/pg.h"

struct pg_pool *sql_pool(void);
struct loop *sql_loop(void);
struct work_pool *sql_work(void);
const struct sql_config *sql_config(void);
void sql_schema_is(enum sql_state s, const char *refusal); /* migrate.c says so */

/* --- an effect of a call: sent, and should its outcome be unknown, sent again when the server is
 * there. Every effect is idempotent by operation id, so the second sending finds what the first one
 * did; `tries` > 0 tells the two apart. --- */
struct effect {
	struct link link;
	struct call_dep dep;
	struct call *call;
	void (*submit)(struct effect *e);
	unsigned tries;
	uint64_t fences[PG_FENCES]; /* StoreOp.mode_epoch, call_fence */
};
void
effect_start(struct effect *e, struct call *c, uint64_t epoch, void (*submit)(struct effect *e));
void effect_submit(struct effect *e); /* once more, of the owner's own */
/* Its next step, from a callback: what write() issues is fenced as what submit() did. */
void effect_go_on(struct effect *e, void (*write)(struct effect *e));
bool effect_unknown(struct effect *e,
    const struct pg_reply *r); /* true: submitted again, or refused by the fence; that is all */

/* --- hold.c: go(c, q) as soon as the schema is known to be ours; else the call fails. q lives as
 * long as c. --- */
typedef void hold_go_fn(struct call *c, const void *q);
void hold_call(struct call *c, hold_go_fn *go, const void *q);
void hold_init(void);    /* the time for which calls are held begins */
void hold_release(void); /* the state of the schema has changed */
void hold_drop(void);

/* --- for handlers --- */
/* Limits that keep a call within its arena (64 MiB): written anew a JSON text may take four times
 * its bytes ("1e9"), a growing buffer twice that, and it stands there twice. */
#define DATA_BYTES (1u << 20) /* of one object, and of all of a transaction */
#define BULK_BYTES (3u << 20)
const struct model *
sql_model_of(struct call *c, const Mf__StoreOp *op);         /* NULL: the call has failed */
void sql_refuse(struct call *c, const struct complaints *e); /* INVALID_ARGUMENT, VALIDATION */
json_t *sql_data_of(struct call *c, const Mf__StoreOp *op,
    size_t most); /* belongs to the call; NULL: it has failed */
const char *sql_operation_of(struct call *c, const Mf__StoreOp *op); /* NULL: none */
const char *sql_now(struct arena *a);
void sql_fail_write(struct call *c, const struct model *m,
    const struct pg_reply *r); /* unique violations get words */
const char *sql_key(struct arena *a, const struct model *m, const char *id);

void sql_read_one(struct call *c, const struct model *m, const Mf__StoreOp *op);
void sql_query_many(struct call *c, const struct model *m, const Mf__StoreOp *op);
void sql_create(struct call *c, const struct model *m, const Mf__StoreOp *op);
void sql_bulk_create(struct call *c, const struct model *m, const Mf__StoreOp *op);
void sql_update(struct call *c, const struct model *m, const Mf__StoreOp *op);
void sql_delete(struct call *c, const struct model *m, const Mf__StoreOp *op);
void sql_transact(struct call *c, const Mf__StoreOp *op);
/* What a transaction is known by beside its operation id; NULL: refused, the call has ended. */
const char *sql_transaction_hash(struct call *c, const Mf__StoreOp *op);
void sql_statement(struct call *c, const Mf__SqlQuery *q);
void sql_reply_row(struct call *c, const struct row *row, bool repeated, uint64_t affected);
struct warnings;
void sql_reply_row_warned(struct call *c, const struct row *row, bool repeated, uint64_t affected,
    const struct warnings *warnings); /* NULL: none */

void brief_query(struct call *c, const struct model *m, const Mf__StoreOp *op); /* brief.c */

void sql_migrations_query(struct call *c, const Mf__StoreOp *op); /* migrate_status.c */

/* --- replicas.c --- */
struct replica;
void replicas_open(const struct pg_opts *as, const char *conninfos); /* "": none */
void replicas_close(void);
/* A stand-by that may answer this read now; NULL: the primary has to. What was committed before
 * *fresh_us (of time_now_us) is there; 0: not known. */
struct replica *replica_for(const Mf__StoreOp *op, int64_t *fresh_us);
struct pg_pool *replica_pool(const struct replica *r);
/* Answers a write, with the position in the WAL that a read must not be older than, if there are
 * stand-bys; *m is copied, what it points to must live as long as the call. */
void sql_reply_write(struct call *c, const Mf__StoreResult *m);

/* --- explain.c: answers how these statements would be run, and runs none; they live as long as the
 * call --- */
void sql_explain(struct call *c, const char *lane, size_t n, const struct pg_statement *s);
/* What pg_insert makes of one row. */
void sql_explain_merged(struct call *c, const char *text, int n, const char *const *values);

/* --- events.c --- */
void
sql_events(Mf__Sql_Service *s, const Mf__EventsAfter *q, Mf__EventPage_Closure reply, void *ctx);
void events_bus(struct bus *b); /* where the bell rings */
void events_happened(void);     /* there may be more in the log: rings the bell */
void events_stop(void);

/* --- traces.c --- */
void sql_keep_traces(
    Mf__Sql_Service *s, const Mf__TraceBatch *q, Mf__TraceKept_Closure reply, void *ctx);
void sql_find_traces(
    Mf__Sql_Service *s, const Mf__TraceQuery *q, Mf__TraceBatch_Closure reply, void *ctx);

/* --- traces_room.c: what trace_store_max leaves room for. Nothing is known at first, and again when
 * much was stored or time has passed since it was measured: who stores then measures first. --- */
#define TRACES_BYTES "mf_traces_bytes()"
enum traces_stored { TRACES_ALL, TRACES_FAILED, TRACES_NONE };
void traces_room_start(void);
bool traces_room_known(void);
/* Measured; trimmed: what could be dropped has been. A change is logged. */
void traces_room_is(int64_t bytes, bool trimmed);
bool traces_room_for(bool failed);               /* may one of such a request be stored? */
void traces_room_took(size_t bytes);             /* stored since it was measured, about */
void traces_room_refused(size_t n, bool failed); /* answered as refused */
/* The arithmetic: over_for_us is for how long it has been larger than the bound, -1: it is not. */
enum traces_stored traces_room_decide(
    enum traces_stored was, int64_t bytes, int64_t most, int64_t over_for_us, bool trimmed);

/* --- lead.c --- */
void lead_start(void);
void lead_stop(void); /* who leads loses the lock */

/* --- replay.c --- */
void
sql_replay(Mf__Sql_Service *s, const Mf__ReplayBatch *q, Mf__ReplayIs_Closure reply, void *ctx);

/* --- upkeep.c; the first round begins after first_us --- */
void upkeep_start(int64_t first_us);
void upkeep_stop(void); /* the pool goes next, and with it what is under way */

#endif
