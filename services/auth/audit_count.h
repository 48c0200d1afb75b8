/* audit_count: permitted decisions, and refusals beyond what is recorded one by one, as counts: per
 * principal, permission and 10 seconds. A bounded table; a count that finds no room goes to the
 * principal "", so that the sum is always right. Counts of a process that is killed are lost. */
#ifndef AUTH_AUDIT_COUNT_H
#define AUTH_AUDIT_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "auth/audit.h"

struct audit_count;

struct audit_count *audit_count_open(struct loop *l, struct audit *log);
void audit_count_close(struct audit_count **c); /* what was counted goes to the log first */
void audit_count_flush(struct audit_count *c);  /* to the log, before its time */
/* kind "decisions", outcome "ok", who, what. True: it is the first of its kind in these seconds. */
bool audit_count_add(struct audit_count *c, const char *kind, const char *outcome, const char *who,
    const char *what, uint64_t n);
/* May this one be recorded on its own? So many a second may; the others are counted. */
bool audit_count_spare(struct audit_count *c);
/* Was that report of counts here before? It is now. */
bool audit_count_again(struct audit_count *c, const char *batch);

#endif
