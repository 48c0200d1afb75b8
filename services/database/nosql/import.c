/* import: a restore's part of the durable Redis. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/step.h"
#include "database/nosql/documents.h"
#include "database/nosql/export_int.h"

#define PREFIX  "mfr:"
#define MARK    "mf-restore" /* whose decision counts: between the mark and the switch */
#define LARGEST (512u << 20) /* a value of Redis is never larger */

static struct {
	char id[UUID_LEN]; /* "": not open */
	struct redis *loader;
	bool closing, broken, replace;
	struct timer idle;
	struct buf in;            /* bytes that are no whole record yet */
	uint64_t next, keys, out; /* piece that comes next; keys loaded; keys on their way */
	struct call *waiting;     /* for those on their way */
	struct call_dep dep;
	char why[200];
} im;

/* What an earlier restore left goes. Answers how many documents and streams are here. */
static const char clean_script[] =
    "for _, k in ipairs(redis.call('KEYS', 'mfr:*')) do redis.call('UNLINK', k) end\n"
    "return #redis.call('KEYS', 'mf:{doc.*') + #redis.call('KEYS', 'mf:{stream.*')\n";

/* KEYS: mark. ARGV: id, "1": what is here is replaced. */
static const char mark_script[] =
    "if ARGV[2] ~= '1' and\n"
    "  #redis.call('KEYS', 'mf:{doc.*') + #redis.call('KEYS', 'mf:{stream.*') > 0 then\n"
    "  return 0\n"
    "end\n"
    "redis.call('SET', KEYS[1], ARGV[1])\n"
    "return 1\n";

/* KEYS: mark. ARGV: id. The journal stays what it is here. */
static const char switch_script[] =
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
    "for _, k in ipairs(redis.call('KEYS', 'mf:*')) do\n"
    "  if string.sub(k, 1, 13) ~= 'mf:{journal}:' then redis.call('UNLINK', k) end\n"
    "end\n"
    "for _, k in ipairs(redis.call('KEYS', 'mfr:*')) do\n"
    "  redis.call('RENAME', k, string.sub(k, 5))\n"
    "end\n"
    "redis.call('DEL', KEYS[1])\n"
    "return 1\n";

/* KEYS: mark. ARGV: id, "" or the id of another one that is being gathered: those keys are its own. */
static const char cancel_script[] =
    "local m = redis.call('GET', KEYS[1])\n"
    "if m and m ~= ARGV[1] or not m and ARGV[2] ~= '' then return 0 end\n"
    "for _, k in ipairs(redis.call('KEYS', 'mfr:*')) do redis.call('UNLINK', k) end\n"
    "redis.call('DEL', KEYS[1])\n"
    "return 1\n";

static void begin(struct call *, const Mf__StoreOp *);
static void on_loader_up(struct call *, void *);
static void on_clean(const struct redis_reply *, void *);
static void take(struct call *, const Mf__StoreOp *);
static bool load(void);
static void on_loaded(const struct redis_reply *, void *);
static void taken(void);
static void wait_cancel(struct call_dep *);
static void advance(struct call *, const Mf__StoreOp *);
static void mark(struct call *, uint64_t);
static void on_marked(const struct redis_reply *, void *);
static void on_switched(const struct redis_reply *, void *);
static void on_mark(const struct redis_reply *, void *);
static void run(struct call *, const char *, const char *, redis_done_fn *);
static void on_idle(struct timer *);
static json_t *data_of(struct call *, const Mf__StoreOp *);

void
import_docs_write(struct call *c, const Mf__StoreOp *q)
{
	if (!uuid_ok(q->id)) {
		call_fail(c, ST_INVALID_ARGUMENT, "id: must be a UUID");
	} else if (q->kind == MF__STORE_OP__KIND__CREATE) {
		begin(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__UPDATE) {
		advance(c, q);
	} else if (q->kind == MF__STORE_OP__KIND__DELETE) {
		if (strcmp(im.id, q->id) == 0)
			import_docs_close();
		run(c, cancel_script, q->id, on_switched);
	} else if (q->kind != MF__STORE_OP__KIND__APPEND) {
		call_fail(
		    c, ST_UNIMPLEMENTED, "kind: a restore knows create, append, update, delete");
	} else if (strcmp(im.id, q->id) != 0 || im.broken) {
		call_fail_because(c, ST_ABORTED, "NOT_OPEN", 0,
		    "%s is not open in nosql any more: begin again", q->id);
	} else {
		take(c, q);
	}
}

/* READ_ONE: {"mark": id or null}: a restore whose decision is PostgreSQL's. */
void
import_docs_read(struct call *c, const Mf__StoreOp *q)
{
	(void)q;
	export_command(
	    export_opts.server, c, on_mark, c, (const char *const[]){ "GET", MARK, NULL });
}

static void
on_mark(const struct redis_reply *r, void *ctx)
{
	struct call *c = ctx;

	if (!redis_fail_call(c, r))
		export_reply(c,
		    r->type == REDIS_STRING ? arena_printf(call_arena(c), "{\"mark\":\"%s\"}", r->s)
					    : "{\"mark\":null}",
		    false);
}

/* --- gathering --- */

static void
begin(struct call *c, const Mf__StoreOp *q)
{
	json_t *v = data_of(c, q);
	bool *replace = arena_alloc(call_arena(c), sizeof(*replace));

	if (v == NULL)
		return;
	if (im.id[0] != '\0' && strcmp(im.id, q->id) != 0) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "BUSY", 0,
		    "another restore is under way: %s; end it first", im.id);
		return;
	}
	import_docs_close();
	snprintf(im.id, sizeof(im.id), "%s", q->id);
	im.loader = export_opts.connect(export_opts.ctx);
	timer_init(&im.idle, export_opts.loop, on_idle);
	timer_in(&im.idle, EXPORT_IDLE);
	*replace = json_is_true(json_object_get(v, "replace"));
	export_when_up(c, im.loader, on_loader_up, replace);
}

struct clean {
	struct call *c;
	bool replace;
};

/* Not while another restore waits for its decision. */
static void
on_no_mark(const struct redis_reply *r, void *ctx)
{
	struct clean *x = ctx;

	if (redis_fail_call(x->c, r)) {
		import_docs_close();
	} else if (r->type == REDIS_STRING) {
		call_fail_because(
		    x->c, ST_UNAVAILABLE, "RESTORING", 1000, "a restore is being ended: %s", r->s);
		import_docs_close();
	} else {
		redis_script(export_opts.server, x->c, clean_script, 0, 0, NULL, NULL, on_clean, x);
	}
}

static void
on_loader_up(struct call *c, void *ctx)
{
	struct clean *x = ARENA_NEW(call_arena(c), struct clean);

	im.replace = *(const bool *)ctx;
	*x = (struct clean){ c, im.replace };
	export_command(
	    export_opts.server, c, on_no_mark, x, (const char *const[]){ "GET", MARK, NULL });
}

static void
on_clean(const struct redis_reply *r, void *ctx)
{
	struct clean *x = ctx;

	if (redis_fail_call(x->c, r)) {
		import_docs_close();
	} else if (r->i > 0 && !x->replace) {
		call_fail_because(x->c, ST_FAILED_PRECONDITION, "NOT_EMPTY", 0,
		    "there are documents or streams here; say that they shall be replaced");
		import_docs_close();
	} else {
		STEP("nosql.restore.begun");
		export_reply(x->c, "{}", false);
	}
}

/* data: {"piece", "data"} */
static void
take(struct call *c, const Mf__StoreOp *q)
{
	json_t *v = data_of(c, q), *data = json_object_get(v, "data");
	uint64_t piece = (uint64_t)json_integer_value(json_object_get(v, "piece"));
	size_t n = json_string_length(data);
	uint8_t *bytes;

	if (v == NULL)
		return;
	timer_in(&im.idle, EXPORT_IDLE);
	if (im.waiting != NULL) {
		call_fail_because(
		    c, ST_UNAVAILABLE, "BUSY", 100, "the piece before is still under way");
		return;
	}
	if (piece + 1 == im.next && im.out == 0) {
		export_reply(c, "{}", true);
		return;
	}
	if (piece != im.next || im.out > 0) {
		call_fail(c, ST_OUT_OF_RANGE, "data/piece: the next piece is %" PRIu64, im.next);
		return;
	}
	bytes = arena_alloc(call_arena(c), n + 1);
	if (!str_unb64url((struct str){ json_string_value(data) ?: "", n }, bytes, n + 1, &n)) {
		call_fail(c, ST_INVALID_ARGUMENT, "data/data: must be base64url");
		return;
	}
	im.next++;
	buf_add(&im.in, bytes, n);
	im.waiting = c;
	im.dep.cancel = wait_cancel;
	call_attach(c, &im.dep);
	if (!load()) {
		im.broken = true;
		snprintf(im.why, sizeof(im.why), "the bytes are no records");
	}
	if (im.out == 0)
		taken();
}

static void
wait_cancel(struct call_dep *d)
{
	(void)d;
	im.waiting = NULL;
}

/* Whole records go on their way; what is left waits for the next piece. */
static bool
load(void)
{
	size_t at = 0;
	struct record head;

	while (im.in.n - at >= sizeof(head)) {
		const char *p = im.in.p + at + sizeof(head);
		char key[1024], expires[24];

		memcpy(&head, im.in.p + at, sizeof(head));
		if (head.key_n < 3 || head.key_n > 900 || head.value_n > LARGEST)
			return false;
		if (im.in.n - at - sizeof(head) < (size_t)head.key_n + head.value_n)
			break;
		if (memcmp(p, "mf:", 3) != 0 || export_skips(p, head.key_n))
			return false;
		memcpy(key, PREFIX, strlen(PREFIX));
		memcpy(key + strlen(PREFIX), p, head.key_n);
		snprintf(expires, sizeof(expires), "%" PRIu64, head.expires_ms);
		im.out++;
		redis_command(im.loader, NULL, 6,
		    (const char *const[]){
			"RESTORE", key, expires, p + head.key_n, "REPLACE", "ABSTTL" },
		    (const size_t[]){
			7, strlen(PREFIX) + head.key_n, strlen(expires), head.value_n, 7, 6 },
		    on_loaded, NULL);
		at += sizeof(head) + head.key_n + head.value_n;
	}
	memmove(im.in.p, im.in.p + at, im.in.n - at);
	im.in.n -= at;
	return true;
}

static void
on_loaded(const struct redis_reply *r, void *ctx)
{
	(void)ctx;
	if (im.closing)
		return;
	im.out--;
	if (r->type == REDIS_FAILED && !im.broken) {
		im.broken = true;
		snprintf(im.why, sizeof(im.why), "%.*s", (int)r->n, r->s);
	}
	im.keys += r->type != REDIS_FAILED;
	if (im.out == 0)
		taken();
}

static void
taken(void)
{
	struct call *c = im.waiting;

	if (c == NULL)
		return;
	im.waiting = NULL;
	call_detach(c, &im.dep);
	if (im.broken)
		call_fail(c, ST_DATA_LOSS, "a value can't be restored: %s", im.why);
	else
		export_reply(c, "{}", false);
}

/* --- ending --- */

/* data: {"phase": "mark", "keys": so many} or {"phase": "switch"} */
static void
advance(struct call *c, const Mf__StoreOp *q)
{
	json_t *v = data_of(c, q);
	const char *phase = json_string_value(json_object_get(v, "phase"));

	if (v == NULL)
		return;
	if (phase != NULL && strcmp(phase, "switch") == 0) {
		if (strcmp(im.id, q->id) == 0)
			import_docs_close();
		run(c, switch_script, q->id, on_switched);
	} else if (strcmp(im.id, q->id) != 0 || im.broken) {
		call_fail_because(c, ST_ABORTED, "NOT_OPEN", 0,
		    "%s is not open in nosql any more: begin again", q->id);
	} else {
		mark(c, (uint64_t)json_integer_value(json_object_get(v, "keys")));
	}
}

static void
mark(struct call *c, uint64_t keys)
{
	if (im.out > 0 || im.in.n > 0 || im.keys != keys)
		call_fail(c, ST_DATA_LOSS, "%" PRIu64 " keys came, not %" PRIu64, im.keys, keys);
	else
		redis_script(export_opts.server, c, mark_script, 1, 3,
		    (const char *const[]){ MARK, im.id, im.replace ? "1" : "" },
		    (const size_t[]){ strlen(MARK), strlen(im.id), im.replace }, on_marked, c);
}

static void
on_marked(const struct redis_reply *r, void *ctx)
{
	if (redis_fail_call(ctx, r))
		return;
	STEP("nosql.restore.marked");
	if (r->i == 1)
		export_reply(ctx, "{}", false);
	else
		call_fail_because(ctx, ST_FAILED_PRECONDITION, "NOT_EMPTY", 0,
		    "there are documents or streams here by now; say that they shall be replaced");
}

static void
on_switched(const struct redis_reply *r, void *ctx)
{
	struct call *c = ctx;

	if (redis_fail_call(c, r))
		return;
	STEP("nosql.restore.switched");
	documents_look_again();
	export_reply(c, "{}", r->i == 0);
}

static void
run(struct call *c, const char *script, const char *id, redis_done_fn *done)
{
	redis_script(export_opts.server, c, script, 1, 3, (const char *const[]){ MARK, id, im.id },
	    (const size_t[]){ strlen(MARK), strlen(id), strlen(im.id) }, done, c);
}

void
import_docs_close(void)
{
	if (im.id[0] == '\0')
		return;
	if (im.waiting != NULL) {
		struct call *c = im.waiting;

		im.waiting = NULL;
		call_detach(c, &im.dep);
		call_fail_because(c, ST_ABORTED, "NOT_OPEN", 0, "the restore was ended meanwhile");
	}
	im.closing = true;
	timer_stop(&im.idle);
	redis_free(&im.loader);
	buf_free(&im.in);
	memset(&im, 0, sizeof(im));
}

static void
on_idle(struct timer *t)
{
	(void)t;
	log_warn("restore_idle", L_STR("id", im.id));
	import_docs_close();
}

static json_t *
data_of(struct call *c, const Mf__StoreOp *q)
{
	struct json_error e;
	json_t *v = json_read(q->data.data, q->data.len, &e);

	if (v == NULL)
		call_fail(c, ST_INVALID_ARGUMENT, "data: %s", e.what);
	else
		call_own_json(c, v);
	return v;
}
