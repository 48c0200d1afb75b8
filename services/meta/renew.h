/* renew: the guard becomes the executable that stands in its place by now: the same process with the same
 * children, lock, pipes and socket. First that executable is asked, in a process of its own and with all
 * that it would get, whether it can: after the exec there is no way back. One that was replaced, or
 * written to, since then has not been asked. */
#ifndef META_RENEW_H
#define META_RENEW_H

#include <sys/stat.h>
#include "meta/checker.h"
#include "meta/handover.h"

struct renew {
	const struct conf *settings;
	struct checker check;
	struct stat asked; /* the executable that is being checked */
};

void renew_init(struct renew *r, const struct conf *s);
void renew_ask(struct renew *r, const struct handover *o, const struct holdings *h, int64_t now);
/* The check was reaped, status as of waitpid. True: renew_now may follow. */
bool renew_ended(struct renew *r, int status) __attribute__((warn_unused_result));
/* Returns only when it could not: then all is as before. */
void renew_now(const struct renew *r, const struct handover *o, const struct holdings *h);

#endif
