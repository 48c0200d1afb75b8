/* replay: what the journal (nosql) shares with the statements here: it accepts, merges and renders as
 * PostgreSQL would, so that what it answers is what will be in the row when it is replayed. Pure. */
#ifndef SQL_REPLAY_H
#define SQL_REPLAY_H

#include "base/json.h"
#include "database/sql/intake.h"

/* An object as render_row wrote it. False: it is none. */
bool replay_row(struct arena *a, const struct model *m, const void *json, size_t n, struct row *out)
    __attribute__((warn_unused_result));
/* The patch as intake_patch made it, merged into the row as text_update does; version + 1. */
void replay_patch(struct arena *a, struct row *r, const char *patch, const char *now);
/* The row as mf_replay_change reads it: columns by name. */
void replay_state(struct jw *w, const char *key, const struct row *r);

#endif
