/* txbed: transactions over PostgreSQL and documents: database over the real sql, nosql, PostgreSQL and
 * Redis. The way to sql goes over a relay that can lose answers. One bed for all tests of a program. */
#ifndef HARNESS_TXBED_H
#define HARNESS_TXBED_H

#include "harness/sqlbed.h"
#include "store/redis.h"

enum tx_manner { /* of the relay */
	PASSES,
	LOSES_COMMITS,
	LOSES_WRITES,
	LOSES_ALL,
	IS_DOWN,
	SEES_A_TAKEOVER
};

struct txbed {
	struct bus *bus;
	struct redis *docs;
	enum tx_manner manner;
	uint64_t fence; /* of calls from now on */
	/* collections; the next settle of the one fails, those of the other wait until it is NULL */
	const char *lost_settle, *held_settle;
	unsigned looks; /* at all that is staged: the janitor's */
};
extern struct txbed txbed;

int txbed_start(void **state);
int txbed_stop(void **state);
int txbed_resume(void **state); /* a teardown: the relay passes all again */
void txbed_reopen(void);        /* database, as a process that was started again */
#define TX(f) cmocka_unit_test_setup_teardown(f, test_log_mark, txbed_resume)

struct tx_said { /* what became of a call; good until 512 others */
	bool ended;
	enum status status;
	char reason[40], message[200], field[40];
	struct call *call;
	struct rpc *rpc;
	Mf__StoreResult *m;
	json_t *json;
};
struct tx_said *tx_start(const Mf__StoreOp *op);
struct tx_said *tx_start_within(const Mf__StoreOp *op, int64_t limit_us);
void tx_wait(struct tx_said *x);
struct tx_said *tx_ask(const Mf__StoreOp *op);
struct tx_said *tx_done(const Mf__StoreOp *op); /* fails the test when it does */
/* What another `database` would do, and be killed in the middle of it. */
struct tx_said *tx_stage(const Mf__StoreOp *op);
void tx_decide(const char *transaction, bool commit);

#define MEMBERS(...)                                                                               \
	.members = (Mf__StoreOp *[]){ __VA_ARGS__ },                                               \
	.n_members = sizeof((Mf__StoreOp *[]){ __VA_ARGS__ }) / sizeof(Mf__StoreOp *)
#define M(...) ((Mf__StoreOp *)(uintptr_t)OP(__VA_ARGS__))
#define DOC(i) .model = S("doc.n"), .id = S(i)

/* A task and a document, in one transaction. */
const Mf__StoreOp *
tx_both(const char *operation, const char *task, const char *doc, const char *data);
void put_doc(const char *id, const char *data);
/* "VERSION:DATA", or why it can't be read; one of 8. */
const char *doc_read(const char *model, const char *id);
const char *title_of(const char *id); /* of a task */

/* What a command says to a key, for what nobody else would ask; -1: no number. */
int64_t redis_number(const char *verb, const char *key);
void assert_nothing_staged(void);
void await_nothing_staged(void);

#endif
