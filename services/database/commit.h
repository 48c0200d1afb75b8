/* commit: transactions over PostgreSQL and documents, or over documents of several collections.
 *
 * Two phases: every document is staged beside its old state (nosql, Stage); PostgreSQL commits with a
 * row that says so: that commit is the decision (sql, Write with `transaction`); the documents are
 * published (Settle). A reader or writer that meets a staged document asks for the decision first;
 * what a crash left is resolved by the janitor. Each attempt has an id of its own, so an attempt that
 * was given up does not stand in the way of the next one under the same operation id; what was done
 * under an operation id is recorded by both stores.
 *
 *	commit.c         the transaction, from staging to the answer
 *	commit_parts.c   what goes to which store, and the answers put together again
 *	commit_met.c     readers and writers that meet a staged document
 *	janitor.c        what nobody works at any more */
#ifndef DATABASE_COMMIT_H
#define DATABASE_COMMIT_H

#include "base/id.h"
#include "database/inside.h"

/* --- commit.c --- */
void commit_open(struct bus *b);
/* Takes the operation; its work goes on though the call should end, so that nothing is left staged. */
void commit_run(struct op *o);
bool commit_under_way(const char *transaction); /* here and now: leave it alone */

/* --- commit_parts.c; pure --- */
enum commit_kind {
	COMMIT_SQL,        /* no documents: PostgreSQL alone */
	COMMIT_COLLECTION, /* documents of one collection: nosql alone, in one step */
	COMMIT_BOTH,       /* two phases */
};
enum commit_kind commit_kind(const Mf__StoreOp *q);

struct commit_part { /* of one collection, or PostgreSQL's */
	Mf__StoreOp op;
	const size_t *at; /* by member: its place in the whole */
	const Mf__StoreResult *result;
};
struct commit_parts {
	struct commit_part sql; /* perhaps without members: then it only decides */
	size_t n;
	struct commit_part *docs; /* in order of their names: no two transactions wait in a ring */
};
/* q and transaction live as long as a. */
void commit_split(struct arena *a, const Mf__StoreOp *q, const char *operation,
    const char *transaction, struct commit_parts *out);
/* The answers in the order of q's members. */
void commit_join(
    struct arena *a, const Mf__StoreOp *q, const struct commit_parts *p, Mf__StoreResult *out);
/* A copy that speaks of members by their places in the whole. */
struct failure *
commit_refusal(struct arena *a, const struct commit_part *p, const struct failure *f);

/* --- commit_met.c --- */
/* o->result is what was read, and something of it is staged: asks whether that was decided. Then it is
 * published and read `again`, else go_on, with o->result or o->failure. */
void met_by_read(struct op *o, op_fn *again, op_fn *go_on);
/* f: a write was refused for a staged document (reason STAGED). then(ctx, NULL): write again; else
 * why not. Waits until until_us for one that is under way. */
typedef void met_fn(void *ctx, const struct failure *f);
bool met_is(const struct failure *f);
void met_by_write(struct call *c, const struct failure *f, const char *collection, int64_t until_us,
    met_fn *then, void *ctx);
int64_t met_until(struct op *o); /* from the first time that it meets one */
/* The same for a plain write, which o->failure says was refused: `again`, or the call fails. False:
 * that is not why. */
bool met_by_op(struct op *o, op_fn *again);

/* --- janitor.c --- */
void janitor_open(struct bus *b); /* resolves at once what is there, then keeps looking */
void janitor_close(void);
void janitor_kick(void); /* something was left */

#endif
