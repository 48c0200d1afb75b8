/* migrate: the schema in PostgreSQL becomes the one that this program was built with, or the
 * program refuses to use it. */
#ifndef SQL_MIGRATE_H
#define SQL_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"
#include "bus/call.h"

struct migration { /* embedded from migrations/NNNN_name.sql */
	uint32_t number;
	const char *name;
	const char *text;
};
extern const struct migration
    sql_migrations[]; /* generated; from 1 without a gap, ended by number 0 */

struct applied {
	uint32_t number;
	const char *checksum; /* SHA-256, hex */
};

/* Policy: what to do about `have`, of which `done` (by number) were applied. */
enum migrate_verdict { MIGRATE_NOTHING, MIGRATE_NEXT, MIGRATE_REFUSE };
enum migrate_verdict migrate_decide(const struct migration *have, const struct applied *done,
    size_t n_done, size_t *next, char *why, size_t why_size);
void migrate_checksum(const char *text, char hex[65]);

/* The statements that begin a migration's transaction; that register one and are it. */
void migrate_begin(struct buf *b);
void migrate_add(struct buf *b, const struct migration *m);

void migrate_start(
    void); /* harmless while it runs; ends in sql_schema_is, or silently when the server goes */
void migrate_stop(void);
void migrate_status(struct call *c); /* answers Sql.MigrationStatus */

#endif
