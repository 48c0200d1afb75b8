/* export_int: what the files of export share.
 *
 *   export.c    a backup
 *   import.c    a restore
 *   export_session.c  a session with PostgreSQL that does one piece of work at a time in the pool
 */
#ifndef SQL_EXPORT_INT_H
#define SQL_EXPORT_INT_H

#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "database/sql/export.h"
#include "store/pg_session.h"

#define EXPORT_PIECE   (512u << 10)
#define EXPORT_SECTION "sql/"

/* Tables that travel, in the order in which they were made. Not the log of events, which means
 * nothing elsewhere; not the schema itself; not how far a journal was replayed, which is another's
 * elsewhere. */
extern const char export_tables_text[];
/* "number:checksum ..." of the migrations, and the server's version */
extern const char export_schema_text[];

struct table {
	char *name, *columns; /* quoted, with commas */
};

struct export_session {
	char id[UUID_LEN]; /* "": not open */
	struct pg_session *pg;
	struct table *tables;
	size_t n_tables;
	struct timer idle;
	struct piece *running; /* in the pool */
	bool closing;          /* ... and when it comes back, it is over */
};

/* A piece of work; `done` on the loop, also when its call has ended meanwhile (c NULL then). */
struct piece {
	struct work work;
	struct call_dep dep;
	struct call *c;
	struct export_session *s;
	bool ok;
	bool (*run)(struct piece *p);
	void (*done)(struct piece *p); /* in it, p->c may be answered */
	/* arguments and results; what is `owned` goes with the piece */
	struct buf owned;
	const void *data;
	size_t n;
	char *text;
	uint64_t rows;
};

/* False: it was refused, the call has ended. */
bool export_open(struct export_session *s, struct call *c, const char *id);
bool export_has(struct export_session *s, struct call *c, const char *id);
void export_end(struct export_session *s); /* harmless when it is not open */
void export_run(struct export_session *s, struct call *c, struct piece *p);
struct piece *piece_new(bool (*run)(struct piece *), void (*done)(struct piece *));
/* In the pool: reads the tables and what the schema is, JSON into p->owned. */
bool export_schema(struct piece *p);
/* On the loop: the work failed; so does the call, and the session is closed. */
bool piece_failed(struct piece *p);

void import_write(struct call *c, const Mf__StoreOp *op);
void import_stop(void);

#endif
