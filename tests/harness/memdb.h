/* memdb: mf.Database in memory, for tests of who calls it. Models are as
 * services/database/sql/README.md says, as far as the auth domain uses them: versions, unique
 * names, operation ids, merge patches, transactions that are all or nothing. */
#ifndef HARNESS_MEMDB_H
#define HARNESS_MEMDB_H

#include <jansson.h>
#include <stdbool.h>
#include "bus/bus.h"
#include "proto/database.pb-c.h"

struct memdb {
	Mf__Database_Service service; /* first */
	struct serve serves[2];
	json_t *rows;          /* {model: {id: object}} */
	json_t *operations;    /* {operation id: true} */
	json_t *seen;          /* rows of the policy when their log was last read */
	bool down;             /* UNAVAILABLE */
	bool hangs;            /* reads are taken and not answered */
	unsigned page;         /* items of a page; 0: as many as are asked for */
	unsigned lose_answers; /* so many more writes take effect and answer UNAVAILABLE */
	bool dies_writing;     /* the next write takes effect, is not answered, and down is set */
	void (*before_write)(
	    struct memdb *db);    /* once, when set: something that happens in between */
	const char *before_model; /* before a write of this model alone; NULL: of any */
	unsigned reads, writes;
	/* The audit log beside it: none of the above but down is its, and none of its writes counts
	 * there. */
	bool log_down;
	bool log_hangs;     /* its writes are taken and not answered */
	unsigned log_loses; /* as lose_answers */
	unsigned log_writes;
};

void memdb_open(struct memdb *db, struct bus *bus); /* serves as "database" on a loop-back bus */
void memdb_close(struct memdb *db);
json_t *memdb_row(struct memdb *db, const char *model, const char *id); /* borrowed; NULL: none */
size_t memdb_count(struct memdb *db, const char *model);
void memdb_put(
    struct memdb *db, const char *model, const char *id, json_t *object); /* takes the object */

#endif
