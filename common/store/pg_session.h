/* pg_session: a connection of its own to the server of a pool, for what takes a whole session: a
 * snapshot that stays, COPY, temporary tables. It blocks, so it is used from the work pool, by one
 * piece of work at a time; new and free are of the loop thread. Each function that can fail says
 * false, pg_session_error says why, and the session is good for nothing more. */
#ifndef STORE_PG_SESSION_H
#define STORE_PG_SESSION_H

#include "store/pg.h"

struct pg_session;

/* No connection yet. limit_us: of each wait for the server. */
struct pg_session *pg_session_new(const struct pg_pool *p, int64_t limit_us);
void pg_session_free(struct pg_session **s); /* ends it; what it had begun is undone */
const char *pg_session_error(const struct pg_session *s);
const char *pg_session_sqlstate(const struct pg_session *s); /* "": not the server's */

/* --- from the work pool --- */
bool pg_session_open(struct pg_session *s) __attribute__((warn_unused_result));
/* One or several statements without parameters; the rows are the last one's, until the next. */
bool pg_session_run(struct pg_session *s, const char *text) __attribute__((warn_unused_result));
int pg_session_rows(const struct pg_session *s);
const char *pg_session_value(const struct pg_session *s, int row, int column);

/* COPY ... TO STDOUT has been run: takes bytes until `most` or more are in b. False: failed; at the
 * end *rows is how many there were, until then UINT64_MAX. */
bool pg_session_take(struct pg_session *s, struct buf *b, size_t most, uint64_t *rows)
    __attribute__((warn_unused_result));
/* COPY ... FROM STDIN has been run: gives bytes; n 0 ends it, and *rows says how many came. */
bool pg_session_give(struct pg_session *s, const void *p, size_t n, uint64_t *rows)
    __attribute__((warn_unused_result));

#endif
