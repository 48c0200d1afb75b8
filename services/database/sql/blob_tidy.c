/* blob_tidy: what of large values is thrown away (the statements; upkeep.c runs them), and what is
 * counted.
 *
 * An upload that got no piece for its time goes, and one that became a blob long ago. A blob that
 * nobody has used for its time goes unless a task refers to it: then its time begins anew. Whose
 * pieces nobody can reach any more stands in blob_garbage until the last one is gone. */
#include "base/log.h"
#include "base/time.h"
#include "database/sql/blob.h"
#include "database/sql/upkeep.h"

#define FOLD_FROM "100" /* rows of the ledger that are worth a write */

const char blob_slice_uploads[] = UPKEEP_ME
    "old AS MATERIALIZED (SELECT id,touched_at AS at FROM blob_uploads"
    " WHERE (SELECT mine FROM me) AND touched_at>=$2::timestamptz AND touched_at<" UPKEEP_KEPT
    " ORDER BY touched_at LIMIT $1::int),"
    "gone AS (DELETE FROM blob_uploads WHERE id=ANY(ARRAY(SELECT id FROM old))"
    " AND touched_at<" UPKEEP_KEPT " RETURNING id,digest),"
    "junk AS (INSERT INTO blob_garbage (content) SELECT id FROM gone WHERE digest IS NULL"
    " ON CONFLICT DO NOTHING) " UPKEEP_ANSWER(UPKEEP_KEPT);

const char blob_slice_unused[] = UPKEEP_ME
    "old AS MATERIALIZED (SELECT namespace,digest,used_at AS at,"
    "mf_blob_referred(namespace,digest) AS referred FROM blobs"
    " WHERE (SELECT mine FROM me) AND used_at>=$2::timestamptz AND used_at<" UPKEEP_KEPT
    " ORDER BY used_at LIMIT $1::int),"
    "kept AS (UPDATE blobs b SET used_at=now() FROM old o WHERE o.referred"
    " AND b.namespace=o.namespace AND b.digest=o.digest),"
    "gone AS (DELETE FROM blobs b USING old o WHERE NOT o.referred AND b.namespace=o.namespace"
    " AND b.digest=o.digest AND b.used_at<" UPKEEP_KEPT " RETURNING b.content,b.size),"
    "junk AS (INSERT INTO blob_garbage (content) SELECT content FROM gone"
    " ON CONFLICT DO NOTHING),"
    "less AS (INSERT INTO blob_ledger (delta) SELECT -size FROM gone) " UPKEEP_ANSWER(UPKEEP_KEPT);

/* A piece is as large as a thousand other rows: a slice has fewer of them. */
const char blob_slice_chunks[] =
    UPKEEP_ME "old AS MATERIALIZED (SELECT c.content,c.at AS place,g.at FROM blob_garbage g"
	      " JOIN blob_chunks c ON c.content=g.content WHERE (SELECT mine FROM me)"
	      " AND $2::timestamptz IS NOT NULL LIMIT $1::int),"
	      "gone AS (DELETE FROM blob_chunks c USING old o WHERE c.content=o.content"
	      " AND c.at=o.place RETURNING 1) " UPKEEP_ANSWER("now()");

const char blob_slice_garbage[] =
    UPKEEP_ME "old AS MATERIALIZED (SELECT content,at FROM blob_garbage g"
	      " WHERE (SELECT mine FROM me) AND at>=$2::timestamptz"
	      " AND NOT EXISTS(SELECT FROM blob_chunks c WHERE c.content=g.content) LIMIT $1::int),"
	      "gone AS (DELETE FROM blob_garbage WHERE content=ANY(ARRAY(SELECT content FROM old))"
	      " RETURNING 1) " UPKEEP_ANSWER("now()");

const char blob_slice_ledger[] =
    UPKEEP_ME "old AS MATERIALIZED (SELECT id,at FROM blob_ledger WHERE (SELECT mine FROM me)"
	      " AND at>=$2::timestamptz AND (SELECT count(*) FROM (SELECT FROM blob_ledger"
	      " LIMIT " FOLD_FROM "+1) few)>" FOLD_FROM " ORDER BY at LIMIT $1::int),"
	      "gone AS (DELETE FROM blob_ledger WHERE id=ANY(ARRAY(SELECT id FROM old))"
	      " RETURNING delta),"
	      "sum AS (INSERT INTO blob_ledger (delta) SELECT sum(delta) FROM gone"
	      " HAVING count(*)>0) " UPKEEP_ANSWER("now()");

int64_t
blob_keep_upload_us(void)
{
	return sql_config()->blob_upload_time_us;
}

int64_t
blob_keep_us(void)
{
	return sql_config()->blob_keep_us;
}

const struct blob_metrics *
blob_metrics(void)
{
	static const char *const labels[] = { "direction", NULL };
	static struct blob_metrics m;
	struct metric_family *bytes;
	const char *in = "in", *out = "out";

	if (m.in != NULL)
		return &m;
	bytes = metric_family(METRIC_COUNTER, "metafed_blob_bytes_total",
	    "Bytes of blobs taken in and given out.", labels);
	m.in = metric_get(bytes, &in);
	m.out = metric_get(bytes, &out);
	m.uploads =
	    metric_simple(METRIC_COUNTER, "metafed_blob_uploads_total", "Uploads that were begun.");
	m.stored = metric_simple(METRIC_GAUGE, "metafed_blob_stored_bytes",
	    "Bytes of all blobs, and of what is announced, when the last upload was begun.");
	m.refused = metric_simple(METRIC_COUNTER, "metafed_blob_refused_total",
	    "Uploads refused because there were too many, or no room was left.");
	return &m;
}

void
blob_used(uint64_t used, uint64_t most)
{
	static bool said;

	metric_inc(blob_metrics()->uploads);
	metric_set(blob_metrics()->stored, (double)used);
	if (most == 0 || used < most / 2) {
		said = false;
		return;
	}
	if (!said)
		log_warn("blob_store_half_full", L_INT("bytes", (int64_t)used),
		    L_INT("blob_store_max", (int64_t)most));
	said = true;
}
