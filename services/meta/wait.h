/* wait: calls that wait for one thing (an answer that all of them share). Who ends meanwhile is
 * taken out by itself. */
#ifndef META_WAIT_H
#define META_WAIT_H

#include "base/list.h"
#include "bus/call.h"

struct waiters {
	struct list list;
};

void waiters_init(struct waiters *w);
/* fn runs once, from waiters_wake, unless `c` has ended before. It may wait again. */
void waiters_add(struct waiters *w, struct call *c, void (*fn)(void *ctx), void *ctx);
void waiters_move(struct waiters *to, struct waiters *from); /* all, behind those of `to` */
void waiters_wake(struct waiters *w); /* all that wait now, in order of arrival */

#endif
