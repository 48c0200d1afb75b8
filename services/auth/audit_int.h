/* audit_int: what the files of the audit log share. audit_queue.c has what waits, audit.c its batches,
 * audit_tail.c the end of the log, audit_spool.c the file, audit_seal.c checkpoints, audit_keep.c how
 * long. */
#ifndef AUTH_AUDIT_INT_H
#define AUTH_AUDIT_INT_H

#include <uthash.h>
#include "auth/audit.h"
#include "base/list.h"
#include "base/metrics.h"
#include "node/work.h"
#include "proto/database.pb-c.h"
#include "proto/jwt.pb-c.h"

#define AUDIT_BATCH       90 /* of the 100 members that a transaction may have */
#define AUDIT_QUEUE       8192
#define AUDIT_QUEUE_BYTES (8u << 20)
#define AUDIT_CALL_US     (INT64_C(5) * 1000000)

struct audit_waiter { /* in the arena of its call */
	struct call_dep dep;
	struct call *c;
	struct audit *audit;
	struct audit_entry *entry; /* NULL: its fate is known */
	struct call_timer *patience, *soon;
	enum audit_need need;
	bool durable;
	audit_then_fn *then;
	void *ctx;
};

struct audit_entry { /* one event that is not in the log yet; in the queue, oldest first */
	struct link link;
	struct audit_waiter *waiter; /* NULL: nobody waits */
	UT_hash_handle hh;           /* by id: of those that were in the spool at the start */
	bool in_flight, spooled;
	char id[UUID_LEN];
	char kind[65], outcome[33], actor[65], subject[65], address[65];
	size_t n;
	char text[]; /* canonical JSON */
};

enum audit_busy { BUSY_NOT, BUSY_READING, BUSY_SIGNING, BUSY_WRITING, BUSY_WAITING };

struct audit {
	struct audit_opts o;
	struct loop *loop;
	struct work_pool *work;
	struct list queue;
	size_t bytes;  /* of texts in the queue */
	uint64_t lost; /* that there was no room for, and the log does not say yet */
	bool tail_known, away;
	uint64_t number; /* of the last record; 0: none */
	char hash[AUDIT_HASH_LEN];
	uint64_t seen; /* the end that was found, while what we know of is looked for */
	char seen_hash[AUDIT_HASH_LEN];
	enum audit_busy busy;
	struct call *call; /* NULL: nothing under way */
	struct rpc *rpc;
	struct timer soon; /* the next piece of work */
	int64_t backoff_us;
	/* the batch: the first of the queue */
	size_t in_batch;
	char operation_id[UUID_LEN];
	char batch_hash[AUDIT_HASH_LEN]; /* of its last record */
	char first_hash[AUDIT_HASH_LEN];
	int64_t batch_at_us;
	/* checkpoints */
	uint64_t sealed; /* up to which record */
	int64_t sealed_at_us;
	bool seal_wanted, seal_ready; /* ready: the checkpoint is first in the queue */
	uint64_t begins;              /* of the checkpoint that is wanted; 0: a plain one */
	uint64_t begun;               /* where the log may begin: every checkpoint says it */
	uint64_t signs;               /* of the checkpoint under way: where it lets the log begin */
	struct timer seal_timer;
	struct list sealers; /* struct audit_sealer: who waits for it */
	/* the file */
	struct audit_entry *replayed; /* by id */
	char replay_cursor[300];
	unsigned replay_pages;
	bool replaying, dropping;
	int spool_fd;
	size_t spool_bytes;
	bool spool_busy;
	struct spool_work *spooling; /* NULL: no write is under way */
	struct audit_keep *keep;
	struct metric_family *records;
	struct metric *queued, *spooled, *lost_total, *rewound, *checkpoints, *seconds, *dropped;
};

/* audit.c */
void audit_work(struct audit *a);         /* whatever is next; called when something changed */
void audit_retry(struct audit *a);        /* the store does not answer: later again */
struct call *audit_call(struct audit *a); /* of the log itself: no client waits for it */
void audit_call_end(struct audit *a); /* of the callback of its rpc: answered, whatever it said */
Mf__StoreOp *audit_op(struct arena *a, Mf__StoreOp__Kind kind);

/* audit_queue.c */
struct audit_entry *audit_entry_new(const char *text, size_t n); /* NULL: it is no event */
void audit_enter(struct audit *a, struct audit_entry *e, bool first);
void audit_leave(struct audit *a, struct audit_entry *e, bool durable);
void audit_told(struct audit_entry *e); /* it is in the spool: who refuses waits no longer */
void audit_refuse(struct audit_waiter *w);

/* audit_tail.c */
void audit_tail_read(struct audit *a);
void audit_row_read(struct audit *a, uint64_t number, Mf__StoreResult_Closure then);
/* The end of its callback: the record's hash, "" where there is none. False: the store did not say, and
 * is asked later again. */
bool audit_row_got(struct audit *a, const Mf__StoreResult *m, char hash[AUDIT_HASH_LEN]);
void audit_head_save(struct audit *a);
bool audit_head_load(struct audit *a);

/* audit_spool.c */
bool audit_spool_open(struct audit *a);
void audit_spool_close(struct audit *a);
void audit_spool_some(struct audit *a);  /* what is not in it yet */
void audit_spool_empty(struct audit *a); /* everything in it is in the log */
void audit_replay_check(struct audit *a);

/* audit_seal.c */
void audit_seal_start(struct audit *a);
void audit_sealed(struct audit *a, uint64_t number);
void audit_seal_due(struct audit *a); /* is it time for one? */
void audit_sign(struct audit *a);
void audit_sealers_tell(struct audit *a, bool durable);

/* audit_keep.c */
void audit_keep_start(struct audit *a);
void audit_keep_soon(struct audit *a);
void audit_keep_stop(struct audit *a);

#endif
