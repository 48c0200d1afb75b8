/* export: a backup's cut of the durable Redis, and its pieces. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/step.h"
#include "database/nosql/cut.h"
#include "database/nosql/export_int.h"

#define LOOK_US    (5 * MS)
#define UP_US      (1 * SEC)
#define PAGE       "1000"
#define PAUSE_MORE (1 * SEC) /* the server's pause outlasts ours */
#define EASE_US    (PAUSE_MORE + 500 * MS)

struct one { /* a key on its way */
	char *key;
	size_t n;
	int64_t expires_ms;
};

static struct {
	char id[UUID_LEN]; /* "": not open */
	struct redis *walker;

	bool closing, copied;
	struct timer idle, limit;
	int64_t held_us; /* when the hold began; 0: none */
	int fd;
	uint64_t bytes, keys;
	struct buf out;
	struct call *copying; /* who waits for the copy */
	struct call_dep dep;
	char version[32];
} ex = { .fd = -1 };

/* The end of a hold: what waits goes on when the server takes writes again, and has answered those it let wait. */
static struct {
	bool on, unpaused;
	int64_t until_us;
	struct timer timer;
	struct redis *walker; /* of a backup that is closed; else NULL */
} easing;

struct export_opts export_opts;

static void begin(struct call *, const Mf__StoreOp *);
static void begin_later(struct call *, void *);
static int open_unnamed(const char *);
static void on_walker_up(struct call *, void *);
static void on_quiet(const struct redis_reply *, void *);
static void on_paused(const struct redis_reply *, void *);
static void copy(struct call *);
static void copy_cancel(struct call_dep *);
static void on_info(const struct redis_reply *, void *);
static void scan(const char *);
static void on_scan(const struct redis_reply *, void *);
static void on_scan_end(const struct redis_reply *, void *);
static void on_expiry(const struct redis_reply *, void *);
static void on_dump(const struct redis_reply *, void *);
static bool spool(void);
static void copy_end(const char *);
static void end_hold(void);
static void on_unpaused(const struct redis_reply *, void *);
static void on_easing(struct timer *);
static void ease_end(void);
static void export_close(void);
static void on_limit(struct timer *);
static void on_idle(struct timer *);

void
export_docs_init(const struct export_opts *o)
{
	export_opts = *o;
	timer_init(&easing.timer, o->loop, on_easing);
}

void
export_docs_fini(void)
{
	export_close();
	if (easing.on)
		ease_end();
	import_docs_close();
}

bool
export_docs_is(const Mf__StoreOp *q)
{
	return strcmp(q->model, "backup") == 0 || strcmp(q->model, "restore") == 0;
}

bool
export_skips(const char *key, size_t n)
{
	static const char journal[] = "mf:{journal}:";

	return n >= strlen(journal) && memcmp(key, journal, strlen(journal)) == 0;
}

void
export_docs_write(struct call *c, const Mf__StoreOp *q)
{
	if (strcmp(q->model, "restore") == 0) {
		import_docs_write(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__CREATE) {
		begin(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__DELETE) {
		if (strcmp(ex.id, q->id) == 0)
			export_close();
		export_reply(c, "{}", false);
	} else if (q->kind != MF__STORE_OP__KIND__UPDATE) {
		call_fail(c, ST_UNIMPLEMENTED, "kind: a backup knows create, update, read, delete");
	} else if (strcmp(ex.id, q->id) != 0 || ex.held_us == 0) {
		call_fail_because(c, ST_ABORTED, "NOT_OPEN", 0,
		    "%s is not open in nosql any more: begin again", q->id);
	} else {
		copy(c);
	}
}

/* --- the hold --- */

static void
begin(struct call *c, const Mf__StoreOp *q)
{
	if (!uuid_ok(q->id)) {
		call_fail(c, ST_INVALID_ARGUMENT, "id: must be a UUID");
		return;
	}
	if (ex.id[0] != '\0' && strcmp(ex.id, q->id) != 0) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "BUSY", 0,
		    "another backup is under way: %s; end it first", ex.id);
		return;
	}
	export_close();
	if (easing.on) { /* what ends the last pause would end ours */
		call_after(c, LOOK_US, begin_later, (void *)(uintptr_t)q);
		return;
	}
	snprintf(ex.id, sizeof(ex.id), "%s", q->id);
	ex.fd = open_unnamed(export_opts.dir);
	if (ex.fd < 0) {
		ex.id[0] = '\0';
		call_fail(c, ST_FAILED_PRECONDITION, "a file in %s can't be made: %s",
		    export_opts.dir, strerror(errno));
		return;
	}
	ex.walker = export_opts.connect(export_opts.ctx);
	timer_init(&ex.idle, export_opts.loop, on_idle);
	timer_init(&ex.limit, export_opts.loop, on_limit);
	timer_in(&ex.idle, EXPORT_IDLE);
	export_when_up(c, ex.walker, on_walker_up, NULL);
}

static void
begin_later(struct call *c, void *q)
{
	begin(c, q);
}

/* Not every file system knows how to make one without a name: then it loses it at once. */
static int
open_unnamed(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	if (asprintf(&path, "%s/backup.XXXXXX", dir) < 0)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

/* From here on nothing is sent by others; what was sent is over when the server answers. */
static void
on_walker_up(struct call *c, void *ctx)
{
	(void)ctx;
	cut_hold();
	ex.held_us = time_now_us();
	timer_in(&ex.limit, export_opts.hold_us);
	export_command(export_opts.server, c, on_quiet, c,
	    (const char *const[]){ "XLEN", "mf:{journal}:log", NULL });
}

static void
on_quiet(const struct redis_reply *r, void *ctx)
{
	struct call *c = ctx;
	char *ms = arena_printf(call_arena(c), "%" PRId64, (export_opts.hold_us + PAUSE_MORE) / MS);

	if (redis_fail_call(c, r)) {
		export_close();
		return;
	}
	if (r->i > 0) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "DEGRADED", 0,
		    "writes wait in the journal for PostgreSQL: back up when they are applied");
		export_close();
		return;
	}
	export_command(ex.walker, c, on_paused, c,
	    (const char *const[]){ "CLIENT", "PAUSE", ms, "WRITE", NULL });
}

static void
on_paused(const struct redis_reply *r, void *ctx)
{
	if (redis_fail_call(ctx, r)) {
		export_close();
		return;
	}
	STEP("nosql.backup.held");
	export_reply(ctx, "{}", false);
}

static void
end_hold(void)
{
	if (ex.held_us == 0)
		return;
	ex.held_us = 0;
	timer_stop(&ex.limit);
	easing.on = true;
	easing.unpaused = false;
	easing.until_us = time_now_us() + EASE_US;
	export_command(
	    ex.walker, NULL, on_unpaused, NULL, (const char *const[]){ "CLIENT", "UNPAUSE", NULL });
	timer_in(&easing.timer, 0);
}

static void
on_unpaused(const struct redis_reply *r, void *ctx)
{
	(void)ctx;
	easing.unpaused = r->type != REDIS_FAILED;
	if (easing.on)
		timer_in(&easing.timer, 0);
}

static void
on_easing(struct timer *t)
{
	if ((easing.unpaused && redis_up(export_opts.server)) || time_now_us() > easing.until_us)
		ease_end();
	else
		timer_in(t, LOOK_US);
}

static void
ease_end(void)
{
	timer_stop(&easing.timer);
	easing.on = false;
	redis_free(&easing.walker);
	cut_release();
}

static void
on_limit(struct timer *t)
{
	(void)t;
	if (ex.copying != NULL)
		copy_end("the documents can't be copied within backup_hold: raise it");
	else
		export_close();
}

/* --- the copy --- */

static void
copy(struct call *c)
{
	if (ex.copying != NULL || ex.copied) {
		call_fail(c, ST_FAILED_PRECONDITION, "the copy is made already");
		return;
	}
	ex.copying = c;
	ex.dep.cancel = copy_cancel;
	call_attach(c, &ex.dep);
	export_command(
	    ex.walker, NULL, on_info, NULL, (const char *const[]){ "INFO", "server", NULL });
}

static void
copy_cancel(struct call_dep *d)
{
	(void)d;
	ex.copying = NULL;
	end_hold();
}

static void
on_info(const struct redis_reply *r, void *ctx)
{
	static const char field[] = "redis_version:";
	const char *p;

	(void)ctx;
	if (ex.closing || ex.copying == NULL)
		return;
	if (r->type == REDIS_FAILED) {
		copy_end(r->s);
		return;
	}
	p = memmem(r->s, r->n, field, strlen(field));
	if (p != NULL)
		snprintf(ex.version, sizeof(ex.version), "%.*s",
		    (int)strcspn(p + strlen(field), "\r\n"), p + strlen(field));
	scan("0");
}

static void
scan(const char *cursor)
{
	export_command(ex.walker, NULL, on_scan, NULL,
	    (const char *const[]){ "SCAN", cursor, "MATCH", "mf:*", "COUNT", PAGE, NULL });
}

/* Answers come in order: that of the next page comes when all keys of this one are here. */
static void
on_scan(const struct redis_reply *r, void *ctx)
{
	const struct redis_reply *keys;

	(void)ctx;
	if (ex.closing || ex.copying == NULL)
		return;
	if (r->type != REDIS_ARRAY || r->n_items != 2) {
		copy_end(r->type == REDIS_FAILED ? r->s : "SCAN answers oddly");
		return;
	}
	if (!spool())
		return;
	keys = r->items[1];
	for (size_t i = 0; i < keys->n_items; i++) {
		struct one *k;

		if (export_skips(keys->items[i]->s, keys->items[i]->n))
			continue;
		k = mem_zalloc(sizeof(*k));
		k->n = keys->items[i]->n;
		k->key = mem_zalloc(k->n + 1);
		memcpy(k->key, keys->items[i]->s, k->n);
		redis_command(ex.walker, NULL, 2, (const char *const[]){ "PEXPIRETIME", k->key },
		    (const size_t[]){ 11, k->n }, on_expiry, k);
		redis_command(ex.walker, NULL, 2, (const char *const[]){ "DUMP", k->key },
		    (const size_t[]){ 4, k->n }, on_dump, k);
	}
	if (strcmp(r->items[0]->s, "0") != 0)
		scan(r->items[0]->s);
	else
		export_command(
		    ex.walker, NULL, on_scan_end, NULL, (const char *const[]){ "PING", NULL });
}

static void
on_expiry(const struct redis_reply *r, void *ctx)
{
	struct one *k = ctx;

	k->expires_ms = r->type == REDIS_INTEGER && r->i > 0 ? r->i : 0;
}

static void
on_dump(const struct redis_reply *r, void *ctx)
{
	struct one *k = ctx;
	struct record head = { .key_n = (uint32_t)k->n,
		.value_n = (uint32_t)r->n,
		.expires_ms = (uint64_t)k->expires_ms };

	if (!ex.closing && ex.copying != NULL) {
		if (r->type == REDIS_FAILED) {
			copy_end(r->s);
		} else if (r->type == REDIS_STRING) {
			buf_add(&ex.out, &head, sizeof(head));
			buf_add(&ex.out, k->key, k->n);
			buf_add(&ex.out, r->s, r->n);
			ex.keys++;
		}
	}
	free(k->key);
	free(k);
}

static bool
spool(void)
{
	size_t at = 0;

	while (at < ex.out.n) {
		ssize_t n = write(ex.fd, ex.out.p + at, ex.out.n - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			copy_end(strerror(errno));
			return false;
		}
		at += (size_t)n;
	}
	ex.bytes += ex.out.n;
	ex.out.n = 0;
	return true;
}

static void
on_scan_end(const struct redis_reply *r, void *ctx)
{
	(void)ctx;
	if (ex.closing || ex.copying == NULL)
		return;
	if (r->type == REDIS_FAILED)
		copy_end(r->s);
	else if (spool())
		copy_end(NULL);
}

/* why NULL: it is complete. Only if nothing was written meanwhile: the hold still lasts. */
static void
copy_end(const char *why)
{
	struct call *c = ex.copying;
	int64_t took_us = time_now_us() - ex.held_us;
	char *json;

	ex.copying = NULL;
	call_detach(c, &ex.dep);
	if (why == NULL && took_us > export_opts.hold_us)
		why = "the documents can't be copied within backup_hold: raise it";
	end_hold();
	STEP("nosql.backup.copied");
	if (why != NULL) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "NOT_COPIED", 0, "%s", why);
		export_close();
		return;
	}
	ex.copied = true;
	log_info("backup_copied", L_INT("keys", (int64_t)ex.keys),
	    L_INT("bytes", (int64_t)ex.bytes), L_INT("held_us", took_us));
	json = arena_printf(call_arena(c),
	    "{\"server\":\"Redis %s\",\"keys\":%" PRIu64 ",\"bytes\":%" PRIu64
	    ",\"held_ms\":%" PRId64 "}",
	    ex.version, ex.keys, ex.bytes, took_us / MS);
	export_reply(c, json, false);
}

static void
export_close(void)
{
	if (ex.id[0] == '\0')
		return;
	if (ex.copying != NULL) {
		call_detach(ex.copying, &ex.dep);
		call_fail_because(
		    ex.copying, ST_ABORTED, "NOT_OPEN", 0, "the backup was ended meanwhile");
		ex.copying = NULL;
	}
	end_hold();
	ex.closing = true;
	timer_stop(&ex.idle);
	if (easing.on)
		easing.walker = ex.walker; /* until it has said so */
	else
		redis_free(&ex.walker);
	close(ex.fd);
	buf_free(&ex.out);
	memset(&ex, 0, sizeof(ex));
	ex.fd = -1;
}

static void
on_idle(struct timer *t)
{
	(void)t;
	log_warn("backup_idle", L_STR("id", ex.id));
	export_close();
}

/* --- pieces --- */

void
export_docs_read(struct call *c, const Mf__StoreOp *q)
{
	struct arena *a = call_arena(c);
	struct str store, number;
	uint64_t piece;
	char *bytes, *b64;
	ssize_t n;
	bool last;

	if (strcmp(q->model, "restore") == 0) {
		import_docs_read(c, q);
		return;
	}
	if (!str_cut(str_of(q->cursor), ':', &store, &number) || !str_eq(store, "nosql") ||
	    !str_u64(number, UINT32_MAX, &piece)) {
		call_fail(c, ST_INVALID_ARGUMENT, "cursor: must be nosql:N");
		return;
	}
	if (strcmp(ex.id, q->id) != 0 || !ex.copied) {
		call_fail_because(c, ST_ABORTED, "NOT_OPEN", 0,
		    "%s is not open in nosql any more: begin again", q->id);
		return;
	}
	timer_in(&ex.idle, EXPORT_IDLE);
	bytes = arena_alloc(a, EXPORT_PIECE);
	n = pread(ex.fd, bytes, EXPORT_PIECE, (off_t)(piece * EXPORT_PIECE));
	if (n < 0) {
		call_fail(c, ST_INTERNAL, "the copy can't be read: %s", strerror(errno));
		return;
	}
	last = (piece + 1) * EXPORT_PIECE >= ex.bytes;
	b64 = arena_alloc(a, str_b64url_len((size_t)n) + 1);
	str_b64url(bytes, (size_t)n, b64);
	export_reply(c,
	    last ? arena_printf(a,
		       "{\"section\":\"nosql\",\"data\":\"%s\",\"rows\":%" PRIu64 ",\"next\":null}",
		       b64, ex.keys)
		 : arena_printf(a,
		       "{\"section\":\"nosql\",\"data\":\"%s\",\"next\":\"nosql:%" PRIu64 "\"}",
		       b64, piece + 1),
	    false);
}

/* --- common --- */

struct look {
	struct redis *r;
	int64_t until_us;
	void (*then)(struct call *, void *);
	void *ctx;
};

static void
on_look(struct call *c, void *ctx)
{
	struct look *x = ctx;

	if (redis_up(x->r))
		x->then(c, x->ctx);
	else if (time_now_us() > x->until_us)
		call_fail_because(c, ST_UNAVAILABLE, "STORE_DOWN", 1000, "redis: is down");
	else
		call_after(c, LOOK_US, on_look, x);
}

void
export_when_up(struct call *c, struct redis *r, void (*then)(struct call *c, void *ctx), void *ctx)
{
	struct look *x = ARENA_NEW(call_arena(c), struct look);

	*x = (struct look){ r, time_now_us() + UP_US, then, ctx };
	call_after(c, 0, on_look, x);
}

void
export_command(
    struct redis *r, struct call *c, redis_done_fn *done, void *ctx, const char *const *words)
{
	size_t lens[8];
	int n = 0;

	for (; words[n] != NULL; n++)
		lens[n] = strlen(words[n]);
	redis_command(r, c, n, words, lens, done, ctx);
}

void
export_reply(struct call *c, const char *json, bool repeated)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	out.data = (ProtobufCBinaryData){ strlen(json), (uint8_t *)(uintptr_t)json };
	out.rows_affected = 1;
	out.repeated = repeated;
	call_reply(c, &out.base);
}
