/* session: what a caller brings back so that it never reads behind what it wrote or has seen. The text is
 * opaque to it: "<process>.<as of>.<of the store>".
 *
 * `process` names this process's life, `as of` is its own monotonic clock in us: an entry that was
 * read from its store before that must not answer. Of another process nothing in this one's cache
 * may. The last part is sql's own, passed on as it is. Pure. */
#ifndef DATABASE_SESSION_H
#define DATABASE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"

struct session {
	uint64_t process;
	int64_t as_of_us;
	const char *store; /* within the text that was read */
};

/* false: none of ours */
bool session_read(const char *text, struct session *s) __attribute__((warn_unused_result));
char *session_text(struct arena *a, const struct session *s);

#endif
