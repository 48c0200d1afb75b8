/* blob_read: what is there. A piece is put together by PostgreSQL from those that it was brought in:
 * only the bytes that are asked for are read (STORAGE EXTERNAL). */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "database/sql/blob.h"

#define LIST_DEFAULT 100
#define LIST_MOST    1000

struct reading {
	struct call *call;
	const char *id, *ns, *digits;
	uint64_t offset;
	uint32_t limit; /* bytes, or blobs */
	bool repeated;
};

struct removal {
	struct effect effect; /* first */
	const char *operation, *ns, *id, *digits;
};

/* $3 where, $4 how much. A piece may begin before it: the last one that begins there or before.
 * Column 6: nobody has used it for an hour. */
static const char text_piece[] = "SELECT " BLOB_COLUMNS(
    "b") ",p.bytes,b.used_at<now()-interval '1 hour' FROM blobs b"
	 " LEFT JOIN LATERAL (SELECT string_agg(substring(c.bytes"
	 " FROM (greatest($3::bigint-c.at,0)+1)::int"
	 " FOR ($3::bigint+$4::bigint-greatest(c.at,$3::bigint))::int),'' ORDER BY c.at) AS bytes"
	 " FROM blob_chunks c WHERE c.content=b.content AND c.at<$3::bigint+$4::bigint AND c.at>="
	 "(SELECT max(f.at) FROM blob_chunks f WHERE f.content=b.content AND f.at<=$3::bigint))"
	 " p ON $4::bigint>0 WHERE b.namespace=$1::text AND b.digest=$2::text";

static const char text_used[] =
    "UPDATE blobs SET used_at=now() WHERE namespace=$1::text AND digest=$2::text";

static const char text_upload[] =
    "SELECT size,length,media_type,metadata,digest,extract(epoch FROM touched_at)*1000000"
    " FROM blob_uploads WHERE id=$1::uuid AND namespace=$2::text";

static const char text_list[] =
    "SELECT " BLOB_COLUMNS("b") " FROM blobs b WHERE b.namespace=$1::text AND b.digest>$2::text"
				" ORDER BY b.digest LIMIT $3::int";

/* $1 operation or null, $2 namespace, $3 digits */
static const char text_delete[] =
    "WITH op AS MATERIALIZED (SELECT FROM operations WHERE op_id=$1::text),"
    "used AS MATERIALIZED (SELECT mf_blob_referred($2::text,$3::text) AS yes),"
    "gone AS (DELETE FROM blobs WHERE namespace=$2::text AND digest=$3::text"
    " AND NOT EXISTS(SELECT FROM op) AND NOT (SELECT yes FROM used) RETURNING content,size),"
    "junk AS (INSERT INTO blob_garbage (content) SELECT content FROM gone),"
    "less AS (INSERT INTO blob_ledger (delta) SELECT -size FROM gone),"
    "rec AS (INSERT INTO operations (op_id,model,row_id) SELECT $1::text,'blob',$3::text FROM gone"
    " WHERE $1::text IS NOT NULL)"
    "SELECT CASE WHEN EXISTS(SELECT FROM op) THEN 'repeat' WHEN EXISTS(SELECT FROM gone) THEN "
    "'done'"
    " WHEN NOT EXISTS(SELECT FROM blobs WHERE namespace=$2::text AND digest=$3::text) THEN "
    "'missing'"
    " ELSE 'used' END";

/* An upload that is given up; one that became a blob is only forgotten. */
static const char text_give_up[] =
    "WITH op AS MATERIALIZED (SELECT FROM operations WHERE op_id=$1::text),"
    "gone AS (DELETE FROM blob_uploads WHERE namespace=$2::text AND id=$3::uuid"
    " AND NOT EXISTS(SELECT FROM op) RETURNING id,digest),"
    "junk AS (INSERT INTO blob_garbage (content) SELECT id FROM gone WHERE digest IS NULL),"
    "rec AS (INSERT INTO operations (op_id,model,row_id) SELECT $1::text,'blob',$3::text FROM gone"
    " WHERE $1::text IS NOT NULL)"
    "SELECT CASE WHEN EXISTS(SELECT FROM op) THEN 'repeat' WHEN EXISTS(SELECT FROM gone) THEN "
    "'done'"
    " ELSE 'missing' END";

static void on_piece(const struct pg_reply *r, void *ctx);
static bool piece_of(struct reading *x, const struct pg_reply *r, ProtobufCBinaryData *out);
static void on_upload(const struct pg_reply *r, void *ctx);
static void on_list(const struct pg_reply *r, void *ctx);
static void submit_removal(struct effect *e);
static void on_removed(const struct pg_reply *r, void *ctx);

/* `limit` bytes from `offset` on; limit 0: none, only what there is to know. */
void
blob_read_one(struct call *c, const Mf__StoreOp *op)
{
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);
	struct arena *a = call_arena(c);

	*x = (struct reading){ .call = c, .offset = op->offset, .limit = op->limit };
	if (!blob_namespace(c, op, &x->ns))
		return;
	if (uuid_ok(op->id)) {
		blob_read_upload(c, op->id, x->ns, false);
		return;
	}
	if ((x->digits = blob_digits(op->id)) == NULL) {
		blob_violation(
		    c, "id", "must be \"sha256:\" and 64 hexadecimal digits, or an upload's UUID");
		return;
	}
	if (x->limit > BLOB_PIECE_MOST)
		x->limit = BLOB_PIECE_MOST;
	if (x->offset > (uint64_t)INT64_MAX - BLOB_PIECE_MOST) {
		blob_violation(c, "offset", "is too large");
		return;
	}
	pg_read(sql_pool(), c, text_piece, 4,
	    (const char *[]){ x->ns, x->digits,
		arena_printf(a, "%llu", (unsigned long long)x->offset),
		arena_printf(a, "%u", x->limit) },
	    on_piece, x);
}

static void
on_piece(const struct pg_reply *r, void *ctx)
{
	ProtobufCBinaryData raw = { 0, NULL };
	struct reading *x = ctx;

	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
	} else if (pg_rows(r) == 0) {
		call_fail(x->call, ST_NOT_FOUND, "there is no such blob");
	} else if (!piece_of(x, r, &raw)) {
		log_error("blob_incomplete", L_STR("digest", x->digits));
		call_fail(x->call, ST_INTERNAL, "bytes of the blob are missing");
	} else {
		if (pg_value(r, 0, BLOB_N_COLUMNS + 1)[0] == 't')
			pg_query(sql_pool(), NULL, text_used, 2,
			    (const char *[]){ x->ns, x->digits }, NULL, NULL);
		metric_add(blob_metrics()->out, (double)raw.len);
		blob_reply(x->call, r, 0, false, 0, raw);
	}
}

/* False: fewer bytes than the blob must have there. */
static bool
piece_of(struct reading *x, const struct pg_reply *r, ProtobufCBinaryData *out)
{
	uint64_t size = strtoull(pg_value(r, 0, 1), NULL, 10), left;
	struct str hex = { pg_value(r, 0, BLOB_N_COLUMNS), pg_length(r, 0, BLOB_N_COLUMNS) };

	left = x->offset >= size ? 0 : size - x->offset;
	out->len = left < x->limit ? (size_t)left : x->limit;
	if (out->len == 0)
		return true;
	out->data = arena_alloc(call_arena(x->call), out->len);
	return hex.n >= 2 && str_unhex((struct str){ hex.p + 2, hex.n - 2 }, out->data, out->len);
}

/* --- uploads --- */

void
blob_read_upload(struct call *c, const char *id, const char *ns, bool repeated)
{
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);

	*x = (struct reading){ .call = c, .id = id, .ns = ns, .repeated = repeated };
	pg_read(sql_pool(), c, text_upload, 2, (const char *[]){ id, ns }, on_upload, x);
}

static void
on_upload(const struct pg_reply *r, void *ctx)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct reading *x = ctx;
	struct arena *a = call_arena(x->call);
	struct jw w;

	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
		return;
	}
	if (pg_rows(r) == 0) {
		call_fail(x->call, ST_NOT_FOUND, "there is no such upload");
		return;
	}
	jw_start(&w, a, 256);
	jw_object(&w, NULL);
	jw_str(&w, "upload", x->id);
	jw_int(&w, "offset", strtoll(pg_value(r, 0, 0), NULL, 10));
	if (pg_null(r, 0, 1))
		jw_null(&w, "length");
	else
		jw_int(&w, "length", strtoll(pg_value(r, 0, 1), NULL, 10));
	jw_str(&w, "media_type", pg_null(r, 0, 2) ? NULL : pg_value(r, 0, 2));
	jw_str(&w, "metadata", pg_null(r, 0, 3) ? NULL : pg_value(r, 0, 3));
	jw_str(&w, "blob",
	    pg_null(r, 0, 4) ? NULL : arena_printf(a, BLOB_PREFIX "%s", pg_value(r, 0, 4)));
	jw_time(&w, "expires_at",
	    strtoll(pg_value(r, 0, 5), NULL, 10) + sql_config()->blob_upload_time_us);
	jw_close(&w, '}');
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	m.version = strtoull(pg_value(r, 0, 0), NULL, 10) + 1;
	m.repeated = x->repeated;
	call_reply(x->call, &m.base);
}

/* --- many --- */

void
blob_list(struct call *c, const Mf__StoreOp *op)
{
	struct reading *x = ARENA_NEW(call_arena(c), struct reading);

	*x = (struct reading){ .call = c, .limit = op->limit != 0 ? op->limit : LIST_DEFAULT };
	if (!blob_namespace(c, op, &x->ns))
		return;
	if (op->n_filters != 0 || op->sort[0] != '\0') {
		blob_violation(c, op->n_filters != 0 ? op->filters[0]->key : "sort",
		    "blobs are listed by their ids, without filters");
	} else if (x->limit > LIST_MOST) {
		blob_violation(c, "limit", "must be 1 to 1000");
	} else if (op->cursor[0] != '\0' && blob_digits(op->cursor) == NULL) {
		blob_violation(c, "cursor", "is none of this list");
	} else {
		pg_read(sql_pool(), c, text_list, 3,
		    (const char *[]){ x->ns, op->cursor[0] != '\0' ? blob_digits(op->cursor) : "",
			arena_printf(call_arena(c), "%u", x->limit + 1) },
		    on_list, x);
	}
}

static void
on_list(const struct pg_reply *r, void *ctx)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct reading *x = ctx;
	struct jw w;
	int n;

	if (!pg_ok(r)) {
		pg_fail_call(x->call, r);
		return;
	}
	n = pg_rows(r) > (int)x->limit ? (int)x->limit : pg_rows(r);
	jw_start(&w, call_arena(x->call), 256 + 250 * (size_t)n);
	jw_object(&w, NULL);
	jw_array(&w, "items");
	for (int i = 0; i < n; i++)
		blob_object(&w, r, i, 0);
	jw_close(&w, ']');
	jw_str(&w, "next_cursor",
	    pg_rows(r) > n ? arena_printf(w.a, BLOB_PREFIX "%s", pg_value(r, n - 1, 0)) : NULL);
	jw_close(&w, '}');
	m.data.data = (uint8_t *)jw_text(&w, &m.data.len);
	call_reply(x->call, &m.base);
}

/* --- delete --- */

void
blob_delete(struct call *c, const Mf__StoreOp *op)
{
	struct removal *x = ARENA_NEW(call_arena(c), struct removal);

	x->id = op->id;
	x->operation = sql_operation_of(c, op);
	x->digits = blob_digits(op->id);
	if (x->digits == NULL && !uuid_ok(op->id))
		blob_violation(
		    c, "id", "must be \"sha256:\" and 64 hexadecimal digits, or an upload's UUID");
	else if (blob_namespace(c, op, &x->ns))
		effect_start(&x->effect, c, op->mode_epoch, submit_removal);
}

static void
submit_removal(struct effect *e)
{
	struct removal *x = (struct removal *)e;

	pg_write(sql_pool(), e->call, NULL, 1,
	    &(const struct pg_statement){ x->digits != NULL ? text_delete : text_give_up, 3,
		(const char *[]){ x->operation, x->ns, x->digits != NULL ? x->digits : x->id } },
	    on_removed, x);
}

static void
on_removed(const struct pg_reply *r, void *ctx)
{
	Mf__StoreResult m = MF__STORE_RESULT__INIT;
	struct removal *x = ctx;
	struct call *c = x->effect.call;
	const char *outcome;

	if (effect_unknown(&x->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(c, r);
		return;
	}
	outcome = pg_value(r, 0, 0);
	if (strcmp(outcome, "missing") == 0) {
		call_fail(
		    c, ST_NOT_FOUND, "there is no such %s", x->digits != NULL ? "blob" : "upload");
	} else if (strcmp(outcome, "used") == 0) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "BLOB_IN_USE", 0,
		    "the payload of a task refers to this blob");
	} else {
		m.rows_affected = 1;
		m.repeated = strcmp(outcome, "repeat") == 0 && x->effect.tries == 0;
		call_reply(c, &m.base);
	}
}
