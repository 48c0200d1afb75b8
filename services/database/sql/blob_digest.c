/* blob_digest: SHA-256 over a piece, and the piece as PostgreSQL reads it. A quarter of a mebibyte is
 * a millisecond: that is the work pool's. What is small is done here. */
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/sql/blob.h"

#define INLINE_MOST (16u << 10)

struct job { /* not in the call's arena: the call may end while a thread is at it */
	struct work work;
	struct call_dep dep;
	struct call *call; /* NULL: it has ended */
	struct blob_digest *d;
	struct blob_digest own;
	void (*done)(struct call *c, struct blob_digest *d, void *ctx);
	void *ctx;
	uint8_t *bytes;
	char *hex;
};

static void digest(struct blob_digest *d, char *hex);
static void on_run(struct work *w);
static void on_done(struct work *w, bool dropped);
static void on_call_ended(struct call_dep *d);

void
blob_digest(struct call *c, struct blob_digest *d,
    void (*done)(struct call *c, struct blob_digest *d, void *ctx), void *ctx)
{
	struct job *j;

	if (d->n <= INLINE_MOST) {
		char *hex = arena_alloc(call_arena(c), 2 * d->n + 3);

		digest(d, hex);
		done(c, d, ctx);
		return;
	}
	j = mem_zalloc(sizeof(*j));
	*j = (struct job){ .work = { .run = on_run, .done = on_done },
		.dep = { .cancel = on_call_ended },
		.call = c,
		.d = d,
		.own = *d,
		.done = done,
		.ctx = ctx,
		.bytes = mem_zalloc(d->n),
		.hex = mem_zalloc(2 * d->n + 3) };
	memcpy(j->bytes, d->p, d->n);
	j->own.p = j->bytes;
	call_attach(c, &j->dep);
	if (!work_start(sql_work(), &j->work))
		on_done(&j->work, true);
}

static void
digest(struct blob_digest *d, char *hex)
{
	crypto_hash_sha256_state last;
	uint8_t sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_update(&d->state, d->p, d->n);
	if (d->last) {
		last = d->state;
		crypto_hash_sha256_final(&last, sum);
		str_hex(sum, sizeof(sum), d->sum);
	}
	memcpy(hex, "\\x", 3);
	str_hex(d->p, d->n, hex + 2);
	d->hex = hex;
}

static void
on_run(struct work *w)
{
	struct job *j = container_of(w, struct job, work);

	digest(&j->own, j->hex);
}

static void
on_done(struct work *w, bool dropped)
{
	struct job *j = container_of(w, struct job, work);
	struct call *c = j->call;

	if (c != NULL) {
		call_detach(c, &j->dep);
		if (dropped) {
			call_fail_because(c, ST_RESOURCE_EXHAUSTED, "BUSY", 200,
			    "too many pieces of blobs are being hashed");
		} else {
			*j->d = j->own;
			j->done(c, j->d, j->ctx);
		}
	}
	free(j->bytes);
	free(j->hex);
	free(j);
}

static void
on_call_ended(struct call_dep *d)
{
	container_of(d, struct job, dep)->call = NULL;
}
