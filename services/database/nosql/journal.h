/* journal: writes to tasks that wait for PostgreSQL, in the durable Redis, and the mode of the stores.
 * Serves mf.Journal; see proto/journal.proto.
 *
 *	mf:{journal}:mode  hash: mode, epoch, journal, since, last, bytes
 *	mf:{journal}:log   stream of the entries, "<number>-0"
 *	mf:{journal}:o     hash: id of a task -> what it is after the journal
 *	mf:{journal}:ops   hash: operation id -> what it did
 *
 * One hash tag: each step is one script, so an entry, the object after it and its operation are there
 * together or not at all, and all in the mode that the caller knew. */
#ifndef DATABASE_NOSQL_JOURNAL_H
#define DATABASE_NOSQL_JOURNAL_H

#include "proto/journal.pb-c.h"
#include "store/redis.h"

struct journal_limits { /* of what waits; beyond it writes are refused */
	int64_t entries, bytes;
};

extern Mf__Journal_Service journal_service;
void journal_init(struct redis *r, const struct journal_limits *l);

#endif
