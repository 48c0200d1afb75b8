/* pg: PostgreSQL on the loop. libpq is seen nowhere else than in common/store.
 *
 * A pool has two lanes. The short lane pipelines: many statements of many callers on few
 * connections, a Sync per statement or group, guarded by statement_timeout, never cancelled. The
 * long lane gives one connection to one caller and cancels the statement, over the
 * short one, when its call ends. One log-in in flight, delay with back-off after a
 * failed one, bounded wait: a statement that no connection took in time fails with UNAVAILABLE at
 * its deadline or after 2 s, whichever is first; at once when the server is known to be down. It is
 * known to be down when it could not be reached for 500 ms, or when it hangs: it answers nothing on
 * any connection and makes no log-in (some 2 s). No callback ever comes from inside the function
 * that was given it. */
#ifndef STORE_PG_H
#define STORE_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bus/call.h"
#include "node/loop.h"
#include "node/work.h"

struct pg_pool;

struct pg_opts {
	const char *conninfo; /* without password */
	const char
	    *password; /* NULL or "": none; copied into locked memory, wiped by pg_pool_free */
	const char *application; /* application_name; NULL: "metafed" */
	unsigned short_conns; /* default 3; one of them is left to reads when there are several */
	unsigned long_conns;  /* default 4, opened when needed, closed after 30 s without work */
	int64_t statement_timeout_us; /* of the short lane, default 5 s */
	int64_t lock_timeout_us;      /* default 1.5 s, at most half of statement_timeout */
	int64_t lifetime_us;          /* of a connection, -10 % at random; 0: as long as it works */
	bool pooler;                  /* a pooler in session mode may stand between */
	int64_t group_delay_us; /* a group waits at most so long for company while another is under
	                           way; default 0 */
	unsigned group_most;    /* members of a group, default 64 */
	unsigned queue_most;    /* statements waiting, default 4096; beyond: RESOURCE_EXHAUSTED */
	int64_t slow_us; /* what took longer is logged (text without parameters); 0: nothing is */
	struct work_pool *work;
	bool standby; /* conninfo names a stand-by, of which there is only read */
};
struct pg_pool *pg_pool_new(struct loop *l, const struct pg_opts *o);
void pg_pool_free(struct pg_pool **p);      /* callbacks of what is left never come */
bool pg_pool_up(const struct pg_pool *p);   /* some connection is usable */
bool pg_pool_down(const struct pg_pool *p); /* none is, and the server is away or hangs */
/* Of the short lane, so far. After each one the server may be another, or have begun anew: what a
 * stand-by has shown before, it need not show then. */
uint64_t pg_pool_logins(const struct pg_pool *p);
void pg_pool_on_up(struct pg_pool *p, void (*fn)(void *ctx),
    void *ctx); /* each time the first connection comes up; several may ask */
/* Why it is down, for callers: "PostgreSQL is not available", or what an operator must change. */
const char *pg_pool_why(const struct pg_pool *p);
/* A pg_write or pg_insert has been committed, or may have been: the connection went while its commit
 * was out. With its key, or NULL; also when nobody waits for it any more. */
void pg_pool_on_commit(struct pg_pool *p, void (*fn)(void *ctx, const char *key), void *ctx);

/* --- results: text format; valid until the callback has returned --- */
struct pg_reply;
bool pg_ok(const struct pg_reply *r);
enum status
pg_status(const struct pg_reply *r); /* SQLSTATE mapped: 23505 ALREADY_EXISTS, 40001 ABORTED, 57014
                                        DEADLINE_EXCEEDED, 08xxx 57Pxx UNAVAILABLE, ... */
enum status pg_status_of(const char *sqlstate);    /* that table */
const char *pg_sqlstate(const struct pg_reply *r); /* "" when the failure is not the server's */
const char *pg_error(const struct pg_reply *r);
const char *pg_constraint(const struct pg_reply *r); /* "" when none is named */
/* The connection went while a COMMIT was out: the effect may be there or not. Ask by operation id.
 */
bool pg_unknown(const struct pg_reply *r);
int pg_rows(const struct pg_reply *r);
int pg_columns(const struct pg_reply *r);
const char *pg_column(const struct pg_reply *r, int column);
const char *pg_value(const struct pg_reply *r, int row, int column); /* NUL-ended; "" for null */
size_t pg_length(const struct pg_reply *r, int row, int column);
bool pg_null(const struct pg_reply *r, int row, int column);
uint64_t pg_affected(const struct pg_reply *r);
/* Of a pg_write with several statements: the reply of each; when it failed, which one did. */
const struct pg_reply *pg_reply_at(const struct pg_reply *r, size_t statement);
size_t pg_failed_at(const struct pg_reply *r);
/* The call fails as the reply did; STORE_DOWN, STORE_BUSY, TOO_LARGE or OUTCOME_UNKNOWN as reason
 * where it is so. */
void pg_fail_call(struct call *c, const struct pg_reply *r);

typedef void pg_done_fn(const struct pg_reply *r, void *ctx);

/* --- short lane: one statement, autocommit. Prepared on first use per connection, by its text:
 * keep texts few and fixed. `statement` must live as long as the pool; params (text, NULL = null)
 * are copied. With c, the callback never comes after c has ended (the statement itself is not
 * cancelled); c NULL: for the node's own work. The answer is in memory as a whole: what may be large
 * is bounded by the statement itself. --- */
void pg_query(struct pg_pool *p, struct call *c, const char *statement, int n,
    const char *const *params, pg_done_fn *done, void *ctx);

/* --- the same for statements without effect: those of one turn share a Sync (libpq 15 sends at
 * each one); when one of them fails, the rest of them run again. */
void pg_read(struct pg_pool *p, struct call *c, const char *statement, int n,
    const char *const *params, pg_done_fn *done, void *ctx);

/* --- short lane: grouped commits. What arrives while a group is under way leaves together as the
 * next one: all members' statements and ONE commit, in one pipeline; `done` with the last
 * statement's rows only after the commit was acknowledged. A member whose key is taken by one ahead
 * of it waits for the next group; members run in key order. Key NULL: touches several rows, runs by
 * itself. When a member fails, the group is rolled back and its members run one by one;
 * serialisation failures, deadlocks and locks that others hold (lock_timeout) run again, ten times
 * in all, with back-off, as long as the call's deadline leaves room; then ABORTED. Does not end with
 * a call: an effect under way is finished; the caller's callback is dropped when c has ended. */
struct pg_statement {
	const char *text; /* lives as long as the pool */
	int n;
	const char *const *params; /* copied */
};
void pg_write(struct pg_pool *p, struct call *c, const char *key, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx);
/* The same by itself, in a transaction of this isolation. */
enum pg_isolation { PG_READ_COMMITTED, PG_REPEATABLE_READ, PG_SERIALIZABLE };
void pg_write_isolated(struct pg_pool *p, struct call *c, enum pg_isolation isolation, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx);

/* --- fences: statements that end each batch of pg_write and pg_insert, right before its commit, and
 * raise an error when what the batch did is too old. $1: the smallest of the values that its members
 * were issued with. A member whose value is 0 asks for none. text lives as long as the pool. --- */
#define PG_FENCES 2
void pg_pool_fence(struct pg_pool *p, size_t which, const char *text);
/* what is issued from now on, until said anew */
void pg_fence_with(struct pg_pool *p, const uint64_t values[PG_FENCES]);

/* --- the same for many rows of one kind: creates of one model. Members with the same `text` in a
 * group are merged into ONE statement over arrays: param i of all members becomes $i::text[], for
 * unnest. The statement must return one row per input row that took effect, in their order, first
 * column the row's first param as it was given (a UUID in lower case); `done` gets a reply with
 * just its own row, or none. --- */
void pg_insert(struct pg_pool *p, struct call *c, const char *key, const char *text, int n,
    const char *const *params, pg_done_fn *done, void *ctx);

/* --- long lane: one statement, not prepared, copied, in a READ ONLY transaction; cancelled when c
 * ends, and should the cancel be lost, ended by the server at most a second, or by half, after the
 * call's deadline. An answer that is larger than `most` (NULL: 10 000 rows, 4 MiB) ends the statement as soon
 * as that is seen, with RESOURCE_EXHAUSTED and words that say of what there was too much; a row is
 * seen when all of it is there. --- */
struct pg_most {
	unsigned rows;
	size_t bytes; /* of the values, and PG_FIELD_BYTES for each of them and each row */
	/* the statement is somebody else's: what it has set or locked goes with its connection */
	bool foreign;
};
#define PG_FIELD_BYTES 8
void pg_query_long(struct pg_pool *p, struct call *c, const char *statement, int n,
    const char *const *params, const struct pg_most *most, pg_done_fn *done, void *ctx);
/* Several statements without parameters, which say BEGIN READ WRITE themselves (migrations). The
 * reply is the last one's. */
void pg_script(struct pg_pool *p, const char *text, pg_done_fn *done, void *ctx);
/* The same for a call: cancelled when it ends. */
void pg_script_of(struct pg_pool *p, struct call *c, const char *text, pg_done_fn *done, void *ctx);
/* How far a script came: the value of its last "SELECT value AS mf_mark"; "" without one. */
#define PG_MARK "mf_mark"
const char *pg_mark(const struct pg_reply *r);

#endif
