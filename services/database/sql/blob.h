/* blob: large values, named by the SHA-256 of their bytes ("sha256:HEX").
 *
 *   blob.c         what is asked: kinds, ids, the JSON of blobs and uploads
 *   blob_upload.c  an upload begins, grows by a piece, becomes a blob
 *   blob_read.c    a blob, a piece of it, an upload's state, pages of blobs, delete
 *   blob_digest.c  SHA-256 over a piece, on the work pool
 *   blob_tidy.c    what is thrown away, what is counted
 *
 * An upload is a row; each acknowledged piece is one of blob_chunks and on disk, and the state of the
 * hash over all of them stands in the upload's row: whoever comes next goes on from there. */
#ifndef SQL_BLOB_H
#define SQL_BLOB_H

#include <sodium.h>
#include "base/json.h"
#include "base/metrics.h"
#include "database/sql/store.h"

#define BLOB_PIECE_MOST (1u << 20) /* bytes of one APPEND, and of one READ_ONE */
#define BLOB_DIGEST     64         /* hexadecimal digits */
#define BLOB_PREFIX     "sha256:"
#define BLOB_KEY        64 /* room for sql_key of an upload */

bool blob_is(const Mf__StoreOp *op);
void blob_read(struct call *c, const Mf__StoreOp *op);
void blob_write(struct call *c, const Mf__StoreOp *op);

/* The digits of "sha256:HEX"; NULL: it is none. */
const char *blob_digits(const char *id);
bool blob_namespace(struct call *c, const Mf__StoreOp *op, const char **ns); /* false: failed */
void blob_violation(struct call *c, const char *field, const char *what);

/* Columns of a blob in statements, in the order that blob_write_json reads them. */
#define BLOB_COLUMNS(t)                                                                            \
	t ".digest," t ".size," t ".media_type," t ".created_by,extract(epoch FROM " t             \
	  ".created_at)*1000000"
#define BLOB_N_COLUMNS 5
void blob_object(struct jw *w, const struct pg_reply *r, int row, int from);
/* The blob in a row of the reply is the answer. */
void blob_reply(struct call *c, const struct pg_reply *r, int from, bool repeated,
    uint64_t affected, ProtobufCBinaryData raw);

/* --- blob_upload.c --- */
void blob_create(struct call *c, const Mf__StoreOp *op);
void blob_append(struct call *c, const Mf__StoreOp *op);
void blob_finish(struct call *c, const Mf__StoreOp *op);

/* --- blob_read.c --- */
void blob_read_one(struct call *c, const Mf__StoreOp *op);
void blob_list(struct call *c, const Mf__StoreOp *op);
void blob_delete(struct call *c, const Mf__StoreOp *op);
void blob_read_upload(struct call *c, const char *id, const char *ns, bool repeated);

/* --- blob_digest.c: the sum over `n` bytes more. done comes later, or from inside; not when c ends
 * first. --- */
struct blob_digest {
	crypto_hash_sha256_state state; /* before, and afterwards */
	bool last;                      /* `sum` is wanted */
	const uint8_t *p;
	size_t n;
	char sum[BLOB_DIGEST + 1];
	const char *
	    hex; /* "\\x..." of the bytes, as PostgreSQL reads them; lives until done has returned */
};
void blob_digest(struct call *c, struct blob_digest *d,
    void (*done)(struct call *c, struct blob_digest *d, void *ctx), void *ctx);

/* --- blob_tidy.c --- */
struct blob_metrics {
	struct metric *in, *out, *uploads, *stored, *refused;
};
const struct blob_metrics *blob_metrics(void);
/* What is stored has come to `used` of `most` bytes: from half on that is said. */
void blob_used(uint64_t used, uint64_t most);

#endif
