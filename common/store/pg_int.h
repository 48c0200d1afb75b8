/* pg_int: what the files of pg share; nobody else includes it.
 *
 *   pg.c          the pool, its queues, and the turn in which they are served
 *   pg_op.c       an operation from its caller to its end
 *   pg_connect.c  log-in, back-off, loss of a connection
 *   pg_guard.c    which server a connection may be made to; when it is made anew
 *   pg_metrics.c  what can be seen of it; pg_slow.c what took long
 *   pg_watch.c    what takes too long; a server that hangs
 *   pg_batch.c    queued operations become a batch: what lies between two Syncs on one connection
 *   pg_prepared.c the statements that a connection has prepared
 *   pg_result.c   results find their batch, operations their callbacks
 *   pg_long.c     the long lane
 *   pg_reply.c    a result as its caller sees it; SQLSTATE
 *   pg_session.c  connections of their own, for backup and restore
 *
 * An operation is in exactly one place: in a queue (op->in), or in a batch (op->in NULL). */
#ifndef STORE_PG_INT_H
#define STORE_PG_INT_H

#include <libpq-fe.h>
#include <uv.h>
#include "base/list.h"
#include "base/metrics.h"
#include "base/str.h"
#include "base/time.h"
#include "store/pg.h"
#include <uthash.h>

#define PG_WAIT_US       (2 * SEC) /* in a queue, at most */
#define PG_LOCK_US       (1500 * MS) /* others hold a row: longer than PostgreSQL's deadlock_timeout */
#define PG_LOGIN_US      (5 * SEC)   /* one log-in, at most */
#define PG_IDLE_US       (30 * SEC)  /* a long connection without work is closed */
#define PG_TICK_US       (100 * MS)  /* how exactly the limits above and below are kept */
#define PG_AGE_TICK_US   (1 * SEC)   /* where nothing is done but connections grow old */
#define PG_SILENT_US     (500 * MS)  /* owes an answer and says nothing */
#define PG_PROBE_US      (1 * SEC)   /* a server that lives makes a log-in in this time */
#define PG_FRESH_US      (500 * MS)  /* a server that is there makes a first log-in in this time */
#define PG_RESTART_US    (1500 * MS) /* one that restarts is back: a checkpoint, a start, a log-in */
#define PG_BACKOFF_MIN   (50 * MS)
#define PG_BACKOFF_MAX   (250 * MS) /* a server that recovers is asked often: each wait is outage */
#define PG_BACKOFF_MORE  (5 * SEC)  /* one that serves us, but makes no more connections */
#define PG_READS_MOST    64         /* reads that share a Sync */
#define PG_TRIES         10
#define PG_LOST_TRIES    3 /* its connection was lost: a server that shuts down drops one by one */
#define PG_ROWS_MOST     10000 /* of an answer of the long lane */
#define PG_BYTES_MOST    (4u << 20)
#define PG_PARAMS_MOST   48  /* of one statement */
#define PG_PREPARED_MOST 128 /* of one connection; each is some 30 kB of the server's memory */

struct login;
struct pg_conn;

enum pg_kind { PG_READ, PG_SINGLE, PG_WRITE, PG_INSERT, PG_LONG, PG_SCRIPT };

struct pg_text { /* a statement of the short lane, by address */
	const char *text;
	unsigned index; /* into pg_conn.prepared; its name is "s<index>" */
	UT_hash_handle hh;
};

struct pg_param {
	const char *text; /* NULL: null */
	int length;
};

struct pg_stmt {
	struct pg_text *text; /* PG_LONG: NULL */
	int n;
	struct pg_param *params;
	PGresult *result; /* of a write: kept until the commit */
};

struct pg_op {
	struct link link;
	struct list *in;
	struct call_dep dep;
	struct call *call; /* NULL: none, or it has ended */
	pg_done_fn *done;  /* NULL: nobody waits any more */
	void *ctx;
	enum pg_kind kind;
	enum pg_isolation isolation;
	bool alone;  /* not in a group with others */
	bool yields; /* lost a deadlock: starts when no other write is under way */
	uint8_t tries;
	int64_t queued_us, due_us;  /* due: in pool->later */
	enum status failed;         /* in pool->failing: why */
	const char *key;            /* NULL: several */
	UT_hash_handle hh;          /* in pool->keys while in a batch */
	uint64_t fences[PG_FENCES]; /* 0: none */
	const char *long_text;
	struct pg_most most;  /* PG_LONG */
	struct pg_conn *conn; /* PG_LONG under way */
	size_t n;
	struct pg_stmt stmts[]; /* params, key and texts follow in the same block */
};

struct pg_step {                 /* one result to come */
	struct pg_text *prepare; /* of a PREPARE; else NULL */
	bool setting;            /* of the isolation */
	bool drop;               /* of a DEALLOCATE ... */
	unsigned dropped;        /* ... of the text with this index */
	uint32_t op, n_ops;      /* range of batch->ops: several for a merged insert */
	uint32_t stmt;
	struct pg_text *fence; /* the pool's own, at the end of an effect */
};

struct pg_prepared {   /* of a connection, by pg_text.index */
	uint32_t used; /* as pg_conn.uses was */
	bool there;
};

struct pg_batch {
	struct link link; /* conn->batches, oldest first */
	bool effect;      /* operations end at the Sync, not at their result */
	bool looked_at;   /* was it slow? */
	bool at_commit;   /* error: came when all statements were done */
	int64_t sent_us;
	uint32_t n_ops, n_steps, cap_steps, at; /* at: the step whose result comes next */
	struct pg_step *steps;
	PGresult *error;  /* first one */
	PGresult *merged; /* rows of the merged insert that is being told */
	uint32_t failed_op, failed_stmt;
	struct pg_op *ops[];
};

enum conn_state { CONN_CLOSED, CONN_STARTING, CONN_CONNECTING, CONN_SETUP, CONN_UP, CONN_STATES };

/* CONN_PROBE: logs in, and that is all that is wanted of it. */
enum conn_kind { CONN_SHORT, CONN_LONG, CONN_PROBE, CONN_KINDS };

struct pg_conn {
	struct pg_pool *pool;
	enum conn_kind kind;
	enum conn_state state;  /* changed by conn_set alone */
	int64_t since_us;       /* of the state; long: of the last use */
	int64_t ends_us;        /* 0: it has no end */
	int pid;                /* of the back end, also behind a pooler */
	bool retiring;          /* gets no more work; closed when it has done what it has */
	struct login *starting; /* in the work pool */
	PGconn *pg;
	uv_poll_t *poll;
	int poll_fd, poll_events;
	/* short */
	struct list batches;
	int64_t synced_us; /* of the last answered Sync */
	int64_t heard_us;  /* or when it began to owe an answer */
	bool silent;
	unsigned writes; /* batches with effect among them */
	bool ended_one;  /* the terminating NULL of a result is to come */
	struct pg_prepared *prepared;
	unsigned n_prepared, n_there; /* entries; of these there */
	uint32_t uses;
	/* long */
	struct pg_op *op;
	PGresult *rows;   /* so far */
	PGresult *result; /* the last one, or the first error */
	unsigned n_rows;
	size_t n_bytes;
	char mark[24];     /* of a script */
	bool cancelling;   /* a cancel is under way: no other statement may be hit by it */
	bool setting;      /* statement_timeout, before the statement */
	int64_t began_us;  /* the statement */
	unsigned limit_ms; /* what it is set to; 0: none */
};

struct pg_listener {
	void (*fn)(void *ctx);
	void *ctx;
	struct pg_listener *next;
};

struct pg_pool {
	struct loop *loop;
	struct work_pool *work;
	struct loop_turn turn;
	struct timer tick, retry, group, again, life;
	struct pg_pool *next; /* of all pools */
	char *conninfo, *application, *setup;
	char *password; /* sodium_malloc, or NULL */
	unsigned n_short, n_long, n_conns, group_most, queue_most;
	int64_t statement_timeout_us, group_delay_us, slow_us;
	int64_t lock_timeout_us, lifetime_us;
	const char *name; /* in the log */
	bool unix_socket, pooler, standby, down, serving, turn_wanted;
	unsigned shares;   /* how often a pooler gave two of us one back end */
	char refused[256]; /* what is wrong with the server; "": nothing */
	int64_t backoff_us;
	int64_t patience_us;   /* no short connection is up: until then it may be a restart */
	int64_t ticked_us;     /* the tick was armed ... */
	int64_t tick_us;       /* ... for so long */
	struct pg_conn *login; /* the one log-in in flight ... */
	int64_t login_us;      /* ... and its start */
	int64_t probed_us;     /* end of the last probe */
	uint64_t logins;       /* of the short lane that were made */
	struct pg_conn *conns; /* n_short, n_long, the probe */
	unsigned in_state[CONN_KINDS][CONN_STATES];
	struct list reads, writes, longs, failing, later;
	struct pg_op *keys; /* in flight */
	struct pg_text *texts;
	struct pg_listener *listeners;
	void (*on_commit)(void *ctx, const char *key); /* NULL: nobody asked */
	void *commit_ctx;
	struct buf arrays; /* scratch of merged inserts */
	struct metric *m_groups, *m_members, *m_wait, *m_lost, *m_logins[2];
	struct pg_text *fences[PG_FENCES]; /* NULL: nobody asked for one */
	uint64_t fence_values[PG_FENCES];  /* of the writes that are issued now */
	struct rng *rng;
};

struct pg_reply {
	const PGresult *result; /* NULL: the failure is ours */
	const PGresult *end;    /* of rows that came one by one: what came after them; else NULL */
	int row, n_rows;
	bool ok, unknown, too_large;
	enum status status;
	const char *error;
	const struct pg_op *op; /* for pg_reply_at */
	const char *mark;       /* NULL: it was no script */
	size_t failed_at;
};

/* pg.c */
void pg_soon(struct pg_pool *p); /* serve the queues at the end of this turn */
void pg_fail_queues(struct pg_pool *p);

/* pg_op.c */
void pg_op_end(struct pg_op *op, const struct pg_reply *r); /* callback, then memory */
void pg_op_free(struct pg_op *op);
void pg_op_queue(struct pg_pool *p, struct pg_op *op, bool first);
struct pg_text *pg_text_of(struct pg_pool *p, const char *text);
/* pg_query for the pool's own: before what waits, however much that is */
void pg_op_urgent(struct pg_pool *p, const char *statement, int n, const char *const *params,
    pg_done_fn *done, void *ctx);
void pg_op_fail(struct pg_pool *p, struct pg_op *op, enum status s); /* at the end of the turn */
void pg_op_down(struct pg_pool *p, struct pg_op *op, bool unknown);  /* now: STORE_DOWN */
void pg_op_later(struct pg_pool *p, struct pg_op *op, int64_t wait_us);
void pg_again(struct timer *t);
void pg_op_committed(struct pg_pool *p, const struct pg_op *op); /* or perhaps */

/* pg_connect.c */
void conn_set(struct pg_conn *k, enum conn_state s);
void conn_login_next(struct pg_pool *p); /* if none is in flight and one is wanted */
void conn_lost(struct pg_conn *k, const char *why);
void conn_close(struct pg_conn *k); /* quietly; nothing of it may be under way */
void conn_poll(struct pg_conn *k, int events);
void conn_flush(struct pg_conn *k);
void conn_retry(struct timer *t);
void conn_probe(struct pg_pool *p); /* does the server make a log-in? pool->login tells */
void pool_down(struct pg_pool *p, const char *why);

/* pg_guard.c */
/* Of values that don't acknowledge what the disk has not got, the operator's own is kept. */
#define PG_DURABLE                                                                                 \
	"set_config('synchronous_commit',CASE WHEN current_setting('synchronous_commit') IN"       \
	" ('remote_apply','remote_write') THEN current_setting('synchronous_commit') ELSE 'on' "   \
	"END,false)"
void
conn_setup_short(const struct pg_pool *p, char *out, size_t size); /* what a short one says first */
extern const char conn_setup_long[];
/* What is wrong with the server, by its answer to that; NULL: nothing. Valid until the next. */
const char *conn_judge(struct pg_conn *k, const PGresult *r);
void conn_life_begin(struct pg_conn *k); /* its life begins */
void conn_life(struct timer *t);
void conn_retire(struct pg_conn *k); /* if it is to, and may */

/* pg_slow.c: at each result of a step, and at the end of a long one */
void
pg_slow_step(struct pg_conn *k, struct pg_batch *b, const struct pg_step *s, const PGresult *r);
void pg_slow_long(const struct pg_conn *k, const struct pg_op *op, const PGresult *r);

/* pg_metrics.c */
void pg_metrics_init(struct pg_pool *p);
void pg_metrics_end(struct pg_pool *p);
void pg_count_again(const char *sqlstate); /* an operation runs again */

/* pg_watch.c */
void pg_watch(struct pg_pool *p); /* when there is something to watch */
void pg_tick(struct timer *t);
void conn_heard(struct pg_conn *k);

/* pg_batch.c */
void pg_serve_reads(struct pg_pool *p);
void pg_serve_writes(struct pg_pool *p);
void pg_batch_free(struct pg_batch **b);
void pg_ask_idle(struct pg_pool *p); /* for a sign of life */
/* Policy: how long an operation waits before it runs for the (tries+1)th time. */
int64_t pg_again_wait_us(unsigned tries, uint32_t random);
/* Policy: does the next group start now, with `waiting` operations of which the oldest has waited
 * so long? */
bool pg_group_starts(unsigned under_way, unsigned most_under_way, size_t waiting,
    unsigned group_most, int64_t waited_us, int64_t delay_us);

struct pg_step *pg_step_add(struct pg_batch *b);

/* pg_prepared.c */
/* Sends what it takes to have t prepared, before `op` of b; `name` is what it is called. False: the
 * connection failed. */
bool
pg_prepare(struct pg_conn *k, struct pg_batch *b, uint32_t op, struct pg_text *t, char name[16]);
/* r is a failure of step s; used: the text that a step executes which neither prepares nor drops. */
void pg_prepare_failed(
    struct pg_conn *k, const struct pg_step *s, const struct pg_text *used, const PGresult *r);
void pg_prepare_forget(struct pg_conn *k);

/* pg_result.c */
void conn_read_short(struct pg_conn *k);
void conn_drop_batches(struct pg_conn *k); /* the connection is gone */

/* pg_long.c */
/* Policy: the server's limit for a statement whose call has so long left. */
unsigned pg_long_limit_ms(int64_t left_us);
void pg_serve_longs(struct pg_pool *p);
void conn_read_long(struct pg_conn *k);
void conn_drop_long(struct pg_conn *k);
void conn_cancel_long(struct pg_conn *k);

#endif
