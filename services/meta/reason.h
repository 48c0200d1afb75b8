/* reason: why a process does not run, in one line for people: how its last end came about, as the
 * supervisor saw it, and what its log ends with. */
#ifndef META_REASON_H
#define META_REASON_H

#include "node/contract.h"

#define REASON_MAX 320

/* "" for a state in which nothing needs to be said. `var`: of the run-time directory; NULL: the log
 * is not to be read. Reads 2 KiB of a local file at most. */
void reason_of(char out[REASON_MAX], const char *var, const struct contract_report *p);
/* Only how it ended. */
void reason_end(char out[REASON_MAX], uint8_t end, uint8_t code);

#endif
