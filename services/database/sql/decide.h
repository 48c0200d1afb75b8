/* decide: what was decided of two-phase commits. A row of `decisions` is the decision, the first one
 * stands for ever: a commit writes its row in the transaction of its effect (transact.c), giving up
 * writes one too, so whoever comes second fails on the key. */
#ifndef SQL_DECIDE_H
#define SQL_DECIDE_H

#include "proto/sql.pb-c.h"

struct call;

/* $1: the id. Fails with a unique violation when it was decided already. */
extern const char text_decision[];

enum decision { UNDECIDED, DECIDED_COMMIT, DECIDED_ABORT };
/* Of one; should it not be known, the call fails. `id` lives as long as the call. */
void
decision_of(struct call *c, const char *id, void (*then)(enum decision d, void *ctx), void *ctx);

void sql_decide(Mf__Sql_Service *s, const Mf__DecideAsk *q, Mf__Decisions_Closure reply, void *ctx);
void sql_forget(Mf__Sql_Service *s, const Mf__ForgetAsk *q, Mf__Forgotten_Closure reply, void *ctx);

#endif
