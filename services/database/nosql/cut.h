/* cut: operations wait while a backup takes its cut of the documents. Nothing fails by it: what
 * waits goes on within its deadline. */
#ifndef DATABASE_NOSQL_CUT_H
#define DATABASE_NOSQL_CUT_H

#include "bus/call.h"

typedef void cut_go_fn(struct call *c, const void *q);

/* True: go(c, q) comes later; q lives as long as c. */
bool cut_holds(struct call *c, const void *q, cut_go_fn *go);
void cut_hold(void);
void cut_release(void);
bool cut_holding(void); /* for what nobody asked for: it is for later */

#endif
