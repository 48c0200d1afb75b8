/* render: values of a row become its JSON object. Faster here than by PostgreSQL, which the
 * measurement in tests/bench/sql.c shows; pure. */
#ifndef SQL_RENDER_H
#define SQL_RENDER_H

#include "base/json.h"
#include "base/time.h"
#include "database/sql/intake.h"
#include "store/pg.h"

void render_row(struct jw *w, const struct row *r); /* one object, key NULL */
size_t render_most(const struct row *r);            /* bytes that it takes at most */
/* By itself. NULL: the arena has no room for it. */
uint8_t *render_alone(struct arena *a, const struct row *r, size_t *n);
void row_of_reply(const struct pg_reply *r, int row, int first_column, const struct model *m,
    struct row *out); /* lives as the reply */
/* What PostgreSQL writes, as RFC 3339. */
void time_of_column(const char *v, char out[TIME_RFC3339_LEN]);
uint64_t row_version(const struct row *r);

#endif
