/* stage: transactions over documents. A document's new state is staged beside its old one, in the name
 * of a transaction, until that is settled: published, or dropped. A document is held by one
 * transaction at a time.
 *
 * What is kept, all in the slot of the collection, and only while something is staged:
 *
 *	P held	hash, id of a document -> the transaction that holds it
 *	P tx	sorted set, transactions by the time (ms) at which they staged
 *	P tx:ID	hash: `docs`, the new states as publish() takes them; `answer`; `record`, the
 *		operation's id; `until`, when that may be forgotten (ms)
 *	P rs	hash, slot and key -> id: unique entries that the new states will have
 *
 * (P as in document_scripts.h), and P tr:OPERATION, what a transaction answered, for its repetition.
 * mf:staging is the set of the collections in which something was ever staged.
 *
 * Whoever reads or writes documents does it in a script that looks at `held`:
 *
 *  - a write of a document that is held changes nothing and returns held(id), of which stage_refused()
 *    makes a failure (ABORTED, STAGED, the transaction as a violation's text): `database` asks for
 *    the decision, settles, and sends the write again;
 *  - a read answers the old state, and the transactions in StoreResult.staged: `database` asks for the
 *    decision before it shows it to anybody. A list names all of the collection. */
#ifndef DATABASE_NOSQL_STAGE_H
#define DATABASE_NOSQL_STAGE_H

#include "proto/nosql.pb-c.h"
#include "store/redis.h"

/* True: the answer is {'HELD', transaction}, and the call has failed. */
bool stage_refused(struct call *c, const struct redis_reply *r);
/* Of an answer, array of transactions or one or NIL, into `out->staged`. */
void stage_named(struct arena *a, const struct redis_reply *r, Mf__StoreResult *out);

void stage_init(struct redis *r, int64_t operation_ttl_us);
/* Each ends the call. q: TRANSACTION whose members are of one collection; stage_write needs no
 * decision and publishes at once. */
void stage_documents(struct call *c, const Mf__StoreOp *q);
void stage_write(struct call *c, const Mf__StoreOp *q);
void stage_settle(struct call *c, const Mf__SettleAsk *q);
void stage_list(struct call *c);

#endif
