/* upkeep: the form of a statement that throws away a slice of what is due (upkeep.c).
 *
 * $1: rows of the slice, $2: where the last one ended (a time), and for who has a time of his own to
 * keep things $3: that time in seconds. Answers: is the lock ours, rows found, rows gone, where this
 * slice ended, by how many seconds the oldest of them was late. `old` has the rows that were found
 * with their time `at`, `gone` those that went. */
#ifndef SQL_UPKEEP_H
#define SQL_UPKEEP_H

#include <stdint.h>

#define UPKEEP_ME                                                                                  \
	"WITH me AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(7738135562846292) AS mine),"
#define UPKEEP_KEPT "now()-make_interval(secs=>$3::float8)"
#define UPKEEP_ANSWER(due)                                                                         \
	"SELECT me.mine,count(o.at),(SELECT count(*) FROM gone),max(o.at),"                        \
	"extract(epoch FROM " due "-min(o.at)) FROM me LEFT JOIN old o ON true GROUP BY me.mine"

/* --- blob_tidy.c --- */
extern const char blob_slice_uploads[], blob_slice_unused[], blob_slice_chunks[],
    blob_slice_garbage[], blob_slice_ledger[];

/* Configured: how long. */
int64_t blob_keep_upload_us(void);
int64_t blob_keep_us(void);

#endif
