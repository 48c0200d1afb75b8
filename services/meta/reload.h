/* reload: SIGHUP to the guard. A process of its own, this executable with --check, reads the whole
 * configuration for all nodes while the guard's loop goes on; the nodes hear of it only when all of
 * it is good. Else the log says what is wrong, and nothing changes anywhere. */
#ifndef META_RELOAD_H
#define META_RELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include "meta/checker.h"

struct conf;

struct reload {
	const struct conf *settings;
	struct checker check;
	bool again; /* asked for once more meanwhile: the file may have changed since */
};

void reload_init(struct reload *r, const struct conf *s);
/* True: there is nothing to check, the nodes may hear of it at once. Else reload_ended says. */
bool reload_ask(struct reload *r, int64_t now) __attribute__((warn_unused_result));
/* The check was reaped, status as of waitpid. True: all is good, the nodes shall read it. */
bool reload_ended(struct reload *r, int status, int64_t now) __attribute__((warn_unused_result));

#endif
