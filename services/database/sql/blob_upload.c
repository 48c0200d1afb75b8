/* blob_upload: an upload begins, grows piece by piece, becomes a blob.
 *
 * A piece is added by who has seen the upload's size and the state of its hash, and only while both
 * are still so: of two that come at once one is added, the other meets another size. Whoever does not
 * know what became of his piece sends it again: the same bytes at a place that has them are no
 * error. */
#include <stdlib.h>
#include <string.h>
#include "base/id.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "database/sql/blob.h"

#define RACES_MOST    3
#define STATE_BYTES   sizeof(crypto_hash_sha256_state)
#define METADATA_MOST 4096
#define TYPE_MOST     255

struct beginning {            /* CREATE */
	struct effect effect; /* first */
	const char *params[10];
	const char *id, *ns;
};

struct growth {               /* APPEND; UPDATE: finish */
	struct effect effect; /* first */
	const char *id, *ns, *key;
	const uint8_t *p;
	size_t n;
	uint64_t offset, size;
	bool finish;                  /* it is complete as it is */
	const char *state, *expected; /* as they are stored; NULL: none is */
	struct blob_digest digest;
	unsigned races;
};

/* $1 id, $2 namespace, $3 length, $4 media type, $5 metadata, $6 expected, $7 who, $8 state, $9
 * uploads of one principal, $10 bytes of all. An upload that does not say its length counts by what
 * it may become: $10 is a pair "most,blob_max". */
static const char text_begin[] =
    "WITH have AS MATERIALIZED (SELECT FROM blob_uploads WHERE id=$1::uuid),"
    "mine AS MATERIALIZED (SELECT count(*) AS n FROM blob_uploads WHERE digest IS NULL"
    " AND created_by IS NOT DISTINCT FROM $7::text),"
    "used AS MATERIALIZED (SELECT (SELECT coalesce(sum(delta),0) FROM blob_ledger)"
    "+(SELECT coalesce(sum(coalesce(length,split_part($10::text,',',2)::bigint)),0)"
    " FROM blob_uploads WHERE digest IS NULL)"
    "+coalesce($3::bigint,split_part($10::text,',',2)::bigint) AS n),"
    "most AS MATERIALIZED (SELECT split_part($10::text,',',1)::bigint AS n),"
    "new AS (INSERT INTO blob_uploads (id,namespace,length,media_type,metadata,expected,created_by,"
    "state) SELECT $1::uuid,$2::text,$3::bigint,$4::text,$5::text,$6::text,$7::text,$8::bytea"
    " FROM mine,used,most WHERE mine.n<$9::bigint AND (most.n=0 OR used.n<=most.n)"
    " ON CONFLICT (id) DO NOTHING RETURNING 1)"
    "SELECT CASE WHEN EXISTS(SELECT FROM new) THEN 'new' WHEN EXISTS(SELECT FROM have) THEN 'have'"
    " WHEN mine.n>=$9::bigint THEN 'many' ELSE 'full' END,used.n FROM mine,used";

static const char text_state[] =
    "SELECT size,length,state,expected,digest FROM blob_uploads WHERE id=$1::uuid"
    " AND namespace=$2::text";

static const char text_append[] =
    "WITH up AS (UPDATE blob_uploads SET size=$3::bigint,state=$4::bytea,touched_at=now()"
    " WHERE id=$1::uuid AND size=$2::bigint AND state=$6::bytea AND digest IS NULL RETURNING id),"
    "put AS (INSERT INTO blob_chunks (content,at,bytes) SELECT id,$2::bigint,$5::bytea FROM up)"
    "SELECT 1 FROM up";

static const char text_finish[] =
    "SELECT " BLOB_COLUMNS("b") " FROM mf_blob_finish($1::uuid,$2::bytea,$3::text) b";

static const char text_finished[] =
    "SELECT " BLOB_COLUMNS("b") " FROM blobs b WHERE b.namespace=$1::text AND b.digest=$2::text";

static const char text_same[] =
    "SELECT 1 FROM blob_chunks WHERE content=$1::uuid AND at=$2::bigint"
    " AND length(bytes)=$3::bigint AND encode(sha256(bytes),'hex')=$4::text";

static const char text_throw_away[] =
    "WITH gone AS (DELETE FROM blob_uploads WHERE id=$1::uuid AND digest IS NULL RETURNING id)"
    "INSERT INTO blob_garbage (content) SELECT id FROM gone ON CONFLICT DO NOTHING";

static bool read_wishes(struct call *c, const Mf__StoreOp *op, struct beginning *b);
static const char *read_text(const json_t *data, const char *name, size_t most, bool *wrong);
static void submit_begin(struct effect *e);
static void on_begun(const struct pg_reply *r, void *ctx);
static struct growth *growth_new(struct call *c, const Mf__StoreOp *op);
static void submit_growth(struct effect *e);
static void on_state(const struct pg_reply *r, void *ctx);
static bool look(struct growth *g, const struct pg_reply *r);
static void compare(struct growth *g);
static void on_same(const struct pg_reply *r, void *ctx);
static void on_digest(struct call *c, struct blob_digest *d, void *ctx);
static void write_piece(struct effect *e);
static void write_end(struct effect *e);
static void on_written(const struct pg_reply *r, void *ctx);
static void throw_away(struct effect *e);
static void on_thrown_away(const struct pg_reply *r, void *ctx);
static void on_finished(const struct pg_reply *r, void *ctx);
static void wrong_offset(struct growth *g);
static char *hex_of(struct arena *a, const void *p, size_t n);
static const char *number(struct arena *a, uint64_t n);

/* --- begin --- */

void
blob_create(struct call *c, const Mf__StoreOp *op)
{
	struct beginning *b = ARENA_NEW(call_arena(c), struct beginning);
	crypto_hash_sha256_state empty;

	b->id = op->id;
	if (!uuid_ok(op->id)) {
		blob_violation(c, "id", "of an upload must be a UUID in lower case");
		return;
	}
	if (!blob_namespace(c, op, &b->ns) || !read_wishes(c, op, b))
		return;
	memset(&empty, 0, sizeof(empty)); /* its unused bytes too */
	crypto_hash_sha256_init(&empty);
	b->params[0] = b->id;
	b->params[1] = b->ns;
	b->params[6] = *op->actor != '\0' ? op->actor : NULL;
	b->params[7] = hex_of(call_arena(c), &empty, STATE_BYTES);
	b->params[8] = number(call_arena(c), (uint64_t)sql_config()->blob_uploads);
	b->params[9] = arena_printf(call_arena(c), "%lld,%lld",
	    (long long)sql_config()->blob_store_max, (long long)sql_config()->blob_max);
	effect_start(&b->effect, c, op->mode_epoch, submit_begin);
}

/* What the data says: {"length", "media_type", "metadata", "sha256"}. */
static bool
read_wishes(struct call *c, const Mf__StoreOp *op, struct beginning *b)
{
	static const char *const known[] = { "length", "media_type", "metadata", "sha256" };
	struct arena *a = call_arena(c);
	const json_t *data = sql_data_of(c, op, DATA_BYTES), *length;
	bool wrong = false;
	size_t n = 0;

	if (data == NULL)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		n += json_object_get(data, known[i]) != NULL;
	length = json_object_get(data, "length");
	b->params[3] = read_text(data, "media_type", TYPE_MOST, &wrong);
	b->params[4] = read_text(data, "metadata", METADATA_MOST, &wrong);
	b->params[5] = read_text(data, "sha256", TYPE_MOST, &wrong);
	if (wrong || !json_is_object(data) || n != json_object_size(data) ||
	    (length != NULL && (!json_is_integer(length) || json_integer_value(length) < 0))) {
		blob_violation(c, "data",
		    "must be {\"length\": bytes, \"media_type\": text, \"metadata\": text, "
		    "\"sha256\": \"sha256:HEX\"}, each of which may be absent");
		return false;
	}
	if (b->params[5] != NULL && (b->params[5] = blob_digits(b->params[5])) == NULL) {
		blob_violation(c, "sha256", "must be \"sha256:\" and 64 hexadecimal digits");
		return false;
	}
	if (length != NULL && json_integer_value(length) > sql_config()->blob_max) {
		call_fail_because(c, ST_INVALID_ARGUMENT, "TOO_LARGE", 0,
		    "a blob has at most %lld bytes", (long long)sql_config()->blob_max);
		return false;
	}
	if (length != NULL)
		b->params[2] = number(a, (uint64_t)json_integer_value(length));
	return true;
}

static const char *
read_text(const json_t *data, const char *name, size_t most, bool *wrong)
{
	const json_t *v = json_object_get(data, name);

	if (v == NULL || json_is_null(v))
		return NULL;
	if (!json_is_string(v) || json_string_length(v) > most ||
	    strlen(json_string_value(v)) != json_string_length(v)) {
		*wrong = true;
		return NULL;
	}
	return json_string_value(v);
}

static void
submit_begin(struct effect *e)
{
	struct beginning *b = (struct beginning *)e;

	STEP("sql.blob.begin");
	pg_write(sql_pool(), e->call, NULL, 1,
	    &(const struct pg_statement){ text_begin, 10, b->params }, on_begun, b);
}

static void
on_begun(const struct pg_reply *r, void *ctx)
{
	struct beginning *b = ctx;
	struct call *c = b->effect.call;
	const char *outcome;

	if (effect_unknown(&b->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(c, r);
		return;
	}
	outcome = pg_value(r, 0, 0);
	if (strcmp(outcome, "many") == 0) {
		metric_inc(blob_metrics()->refused);
		call_fail_because(c, ST_RESOURCE_EXHAUSTED, "TOO_MANY_UPLOADS", 0,
		    "at most %lld uploads of one principal may be open",
		    (long long)sql_config()->blob_uploads);
		return;
	}
	if (strcmp(outcome, "full") == 0) {
		metric_inc(blob_metrics()->refused);
		call_fail_because(c, ST_RESOURCE_EXHAUSTED, "BLOB_STORE_FULL", 0,
		    "all blobs together have at most %lld bytes",
		    (long long)sql_config()->blob_store_max);
		return;
	}
	blob_used(strtoull(pg_value(r, 0, 1), NULL, 10), (uint64_t)sql_config()->blob_store_max);
	STEP("sql.blob.begun");
	blob_read_upload(c, b->id, b->ns, strcmp(outcome, "have") == 0 && b->effect.tries == 0);
}

/* --- a piece more, and the end --- */

void
blob_append(struct call *c, const Mf__StoreOp *op)
{
	struct growth *g = growth_new(c, op);

	if (g == NULL)
		return;
	g->p = op->raw.data;
	g->n = op->raw.len;
	g->offset = op->offset;
	if (g->n == 0 || g->n > BLOB_PIECE_MOST)
		blob_violation(c, "raw", "must have 1 to 1048576 bytes");
	else if (g->offset > (uint64_t)sql_config()->blob_max - g->n)
		call_fail_because(c, ST_INVALID_ARGUMENT, "TOO_LARGE", 0,
		    "a blob has at most %lld bytes", (long long)sql_config()->blob_max);
	else
		effect_start(&g->effect, c, op->mode_epoch, submit_growth);
}

/* UPDATE {"finish": true}. */
void
blob_finish(struct call *c, const Mf__StoreOp *op)
{
	struct growth *g = growth_new(c, op);
	const json_t *data = g == NULL ? NULL : sql_data_of(c, op, DATA_BYTES);
	bool wrong = false;

	if (data == NULL)
		return;
	g->expected = read_text(data, "sha256", TYPE_MOST, &wrong);
	g->finish = true;
	if (!json_is_true(json_object_get(data, "finish")) || wrong ||
	    json_object_size(data) != 1 + (size_t)(g->expected != NULL))
		blob_violation(c, "data", "must be {\"finish\": true}, perhaps with \"sha256\"");
	else if (g->expected != NULL && (g->expected = blob_digits(g->expected)) == NULL)
		blob_violation(c, "sha256", "must be \"sha256:\" and 64 hexadecimal digits");
	else
		effect_start(&g->effect, c, op->mode_epoch, submit_growth);
}

static struct growth *
growth_new(struct call *c, const Mf__StoreOp *op)
{
	struct growth *g = ARENA_NEW(call_arena(c), struct growth);

	g->id = op->id;
	if (!uuid_ok(op->id)) {
		blob_violation(c, "id", "of an upload must be a UUID in lower case");
		return NULL;
	}
	g->key = arena_printf(call_arena(c), "blob/%s", op->id);
	return blob_namespace(c, op, &g->ns) ? g : NULL;
}

/* From the beginning each time: what became of the first sending is seen by what is there. */
static void
submit_growth(struct effect *e)
{
	struct growth *g = (struct growth *)e;

	pg_read(sql_pool(), e->call, text_state, 2, (const char *[]){ g->id, g->ns }, on_state, g);
}

static void
on_state(const struct pg_reply *r, void *ctx)
{
	struct growth *g = ctx;
	struct call *c = g->effect.call;

	if (effect_unknown(&g->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(c, r);
		return;
	}
	if (pg_rows(r) == 0) {
		call_fail(c, ST_NOT_FOUND, "there is no such upload");
		return;
	}
	g->size = strtoull(pg_value(r, 0, 0), NULL, 10);
	if (!pg_null(r, 0, 4)) { /* its bytes can't be other ones any more */
		if (g->offset + g->n > g->size)
			wrong_offset(g);
		else
			pg_read(sql_pool(), c, text_finished, 2,
			    (const char *[]){ g->ns, pg_value(r, 0, 4) }, on_finished, g);
		return;
	}
	if (!g->finish && g->offset < g->size)
		compare(g);
	else if (!g->finish && g->offset > g->size)
		wrong_offset(g);
	else if (look(g, r))
		blob_digest(c, &g->digest, on_digest, g);
}

/* What the hash begins with, and whether this is the end. */
static bool
look(struct growth *g, const struct pg_reply *r)
{
	struct call *c = g->effect.call;
	struct arena *a = call_arena(c);
	struct str state = { pg_value(r, 0, 2), pg_length(r, 0, 2) };
	bool known = !pg_null(r, 0, 1);
	uint64_t length = strtoull(pg_value(r, 0, 1), NULL, 10), after = g->size + g->n;

	if (known && after > length) {
		blob_violation(c, "raw", "goes beyond the length that was announced");
		return false;
	}
	if (g->finish && known && after != length) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "INCOMPLETE", 0,
		    "%llu of %llu bytes are there", (unsigned long long)after,
		    (unsigned long long)length);
		return false;
	}
	g->digest = (struct blob_digest){
		.last = g->finish || (known && after == length), .p = g->p, .n = g->n
	};
	if (state.n < 2 || !str_unhex((struct str){ state.p + 2, state.n - 2 },
			       (uint8_t *)&g->digest.state, STATE_BYTES)) {
		log_error("blob_state_broken", L_STR("upload", g->id));
		call_fail(c, ST_INTERNAL, "the upload can't be continued: begin a new one");
		return false;
	}
	g->state = arena_strdup(a, pg_value(r, 0, 2));
	if (!pg_null(r, 0, 3))
		g->expected = arena_strdup(a, pg_value(r, 0, 3));
	return true;
}

static void
compare(struct growth *g)
{
	struct arena *a = call_arena(g->effect.call);
	uint8_t sum[crypto_hash_sha256_BYTES];
	char *hex = arena_alloc(a, 2 * sizeof(sum) + 1);

	crypto_hash_sha256(sum, g->p, g->n);
	str_hex(sum, sizeof(sum), hex);
	pg_read(sql_pool(), g->effect.call, text_same, 4,
	    (const char *[]){ g->id, number(a, g->offset), number(a, g->n), hex }, on_same, g);
}

static void
on_same(const struct pg_reply *r, void *ctx)
{
	struct growth *g = ctx;

	if (effect_unknown(&g->effect, r))
		return;
	if (!pg_ok(r))
		pg_fail_call(g->effect.call, r);
	else if (pg_rows(r) == 0)
		wrong_offset(g);
	else
		blob_read_upload(g->effect.call, g->id, g->ns, g->effect.tries == 0);
}

static void
on_digest(struct call *c, struct blob_digest *d, void *ctx)
{
	struct growth *g = ctx;

	(void)c;
	if (d->last && g->expected != NULL && strcmp(d->sum, g->expected) != 0)
		effect_go_on(&g->effect, throw_away);
	else if (g->finish)
		effect_go_on(&g->effect, write_end);
	else
		effect_go_on(&g->effect, write_piece);
}

static void
write_piece(struct effect *e)
{
	struct growth *g = (struct growth *)e;
	struct call *c = e->call;
	struct arena *a = call_arena(c);
	const char *after = hex_of(a, &g->digest.state, STATE_BYTES);
	const struct pg_statement statements[] = {
		{ text_append, 6,
		    (const char *[]){ g->id, number(a, g->size), number(a, g->size + g->n), after,
			g->digest.hex, g->state } },
		{ text_finish, 3, (const char *[]){ g->id, after, g->digest.sum } },
	};

	STEP("sql.blob.append");
	pg_write(sql_pool(), c, g->digest.last ? NULL : g->key, g->digest.last ? 2 : 1, statements,
	    on_written, g);
}

static void
write_end(struct effect *e)
{
	struct growth *g = (struct growth *)e;

	STEP("sql.blob.finish");
	pg_write(sql_pool(), g->effect.call, NULL, 1,
	    &(const struct pg_statement){
		text_finish, 3, (const char *[]){ g->id, g->state, g->digest.sum } },
	    on_written, g);
}

static void
on_written(const struct pg_reply *r, void *ctx)
{
	struct growth *g = ctx;
	struct call *c = g->effect.call;

	if (effect_unknown(&g->effect, r))
		return;
	if (!pg_ok(r)) {
		pg_fail_call(c, r);
		return;
	}
	if (pg_rows(r) == 0) { /* another one was faster: what is there now? */
		if (++g->races > RACES_MOST)
			wrong_offset(g);
		else
			submit_growth(&g->effect);
		return;
	}
	STEP("sql.blob.appended");
	metric_add(blob_metrics()->in, (double)g->n);
	if (g->digest.last)
		blob_reply(c, r, 0, false, 1, (ProtobufCBinaryData){ 0, NULL });
	else
		blob_read_upload(c, g->id, g->ns, false);
}

/* Other bytes than were announced: nobody wants them. */
static void
throw_away(struct effect *e)
{
	struct growth *g = (struct growth *)e;

	pg_write(sql_pool(), g->effect.call, g->key, 1,
	    &(const struct pg_statement){ text_throw_away, 1, (const char *[]){ g->id } },
	    on_thrown_away, g);
}

static void
on_thrown_away(const struct pg_reply *r, void *ctx)
{
	struct growth *g = ctx;

	if (effect_unknown(&g->effect, r))
		return;
	if (!pg_ok(r))
		pg_fail_call(g->effect.call, r);
	else
		call_fail_because(g->effect.call, ST_INVALID_ARGUMENT, "DIGEST_MISMATCH", 0,
		    "the bytes that came are sha256:%s", g->digest.sum);
}

static void
on_finished(const struct pg_reply *r, void *ctx)
{
	struct growth *g = ctx;

	if (effect_unknown(&g->effect, r))
		return;
	if (!pg_ok(r))
		pg_fail_call(g->effect.call, r);
	else if (pg_rows(r) == 0)
		call_fail(g->effect.call, ST_NOT_FOUND, "the blob has been deleted meanwhile");
	else
		blob_reply(g->effect.call, r, 0, g->effect.tries == 0, 0,
		    (ProtobufCBinaryData){ 0, NULL });
}

static void
wrong_offset(struct growth *g)
{
	call_fail_because(g->effect.call, ST_ABORTED, "OFFSET", 0, "the next byte is that at %llu",
	    (unsigned long long)g->size);
}

static char *
hex_of(struct arena *a, const void *p, size_t n)
{
	char *hex = arena_alloc(a, 2 * n + 3);

	memcpy(hex, "\\x", 3);
	str_hex(p, n, hex + 2);
	return hex;
}

static const char *
number(struct arena *a, uint64_t n)
{
	return arena_printf(a, "%llu", (unsigned long long)n);
}
