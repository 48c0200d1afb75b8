/* audit_tail: where the log ends. What this process appended, or what VAR/audit.head says of a process
 * before it, must be there: if it is not, the log was cut (or the database restored), an error says
 * so, and the numbers go on behind what was lost, so that the gap stays to be seen. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "auth/audit_int.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

/* number and hash of the last record, where the log may begin; that is not there in older ones */
#define HEAD_LINE "%" PRIu64 " %64[0-9a-f] %" PRIu64

struct head_write {
	struct work work;
	char path[4096], fresh[4096], line[128];
	bool ok;
};

static const char zeros[AUDIT_HASH_LEN] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static void on_tail(const Mf__StoreResult *m, void *ctx);
static void row_hash(const ProtobufCBinaryData *d, char out[AUDIT_HASH_LEN]);
static void judge(struct audit *a, uint64_t number, const char *hash);
static void on_mine(const Mf__StoreResult *m, void *ctx);
static void rewound(struct audit *a, uint64_t number, const char *hash, const char *why);
static void known(struct audit *a, uint64_t number, const char *hash);
static void write_head(struct work *w);
static void head_written(struct work *w, bool was_dropped);

void
audit_tail_read(struct audit *a)
{
	Mf__StoreOp *op;

	a->busy = BUSY_READING;
	op = audit_op(call_arena(audit_call(a)), MF__STORE_OP__KIND__QUERY_MANY);
	op->sort = (char *)(uintptr_t) "-id";
	op->limit = 1;
	a->rpc =
	    rpc_new(a->call, a->o.database, &(const struct rpc_opts){ .limit_us = AUDIT_CALL_US });
	mf__database__read(&a->rpc->service, op, on_tail, a);
}

struct last {
	uint64_t number;
	char hash[AUDIT_HASH_LEN];
};

static bool
take_last(void *ctx, const json_t *item)
{
	struct last *l = ctx;
	const char *hash = json_string_value(json_object_get(item, "hash"));
	const char *id = json_string_value(json_object_get(item, "id"));

	if (id == NULL || hash == NULL || strlen(hash) != AUDIT_HASH_LEN - 1)
		return false;
	memcpy(l->hash, hash, sizeof(l->hash));
	return audit_id_number(id, &l->number);
}

static void
on_tail(const Mf__StoreResult *m, void *ctx)
{
	struct audit *a = ctx;
	struct arena *t = call_arena(a->call);
	struct last l = { 0 };
	const char *next;
	bool ok = m != NULL && json_page(t, m->data.data, m->data.len, take_last, &l, &next);

	if (l.number == 0)
		memcpy(l.hash, zeros, sizeof(l.hash));
	if (m != NULL && !ok)
		log_error("audit_unreadable", L_STR("why", "the last record is none of ours"));
	audit_call_end(a);
	if (ok)
		judge(a, l.number, l.hash);
	else
		audit_retry(a);
}

/* a->number is what we know of before: 0, nothing. */
static void
judge(struct audit *a, uint64_t number, const char *hash)
{
	if (a->number == 0) {
		known(a, number, hash);
		return;
	}
	if (number < a->number) {
		rewound(a, number, hash, "records are missing at the end");
		return;
	}
	if (number == a->number) {
		if (strcmp(hash, a->hash) == 0)
			known(a, number, hash);
		else
			rewound(a, number, hash, "the last record is another one");
		return;
	}
	a->seen = number;
	memcpy(a->seen_hash, hash, sizeof(a->seen_hash));
	audit_row_read(a, a->number, on_mine);
}

void
audit_row_read(struct audit *a, uint64_t number, Mf__StoreResult_Closure then)
{
	struct arena *m = call_arena(audit_call(a));
	Mf__StoreOp *op = audit_op(m, MF__STORE_OP__KIND__READ_ONE);

	a->busy = BUSY_READING;
	op->id = arena_alloc(m, AUDIT_NUMBER_LEN);
	audit_number_id(number, op->id);
	a->rpc =
	    rpc_new(a->call, a->o.database, &(const struct rpc_opts){ .limit_us = AUDIT_CALL_US });
	mf__database__read(&a->rpc->service, op, then, a);
}

bool
audit_row_got(struct audit *a, const Mf__StoreResult *m, char hash[AUDIT_HASH_LEN])
{
	enum status st = m != NULL ? ST_OK : rpc_failure(a->rpc)->status;

	hash[0] = '\0';
	if (m != NULL)
		row_hash(&m->data, hash);
	audit_call_end(a);
	if (st == ST_OK || st == ST_NOT_FOUND)
		return true;
	audit_retry(a);
	return false;
}

/* Others have appended since; what we know of must be below it. A record that is gone may have been
 * dropped after its time: whether it was, verify finds out. */
static void
on_mine(const Mf__StoreResult *m, void *ctx)
{
	struct audit *a = ctx;
	char hash[AUDIT_HASH_LEN];

	if (!audit_row_got(a, m, hash))
		return;
	if (m != NULL && strcmp(hash, a->hash) != 0) {
		rewound(a, a->seen, a->seen_hash, "a record is another one");
		return;
	}
	a->number = 0;
	audit_tail_read(a);
}

/* The numbers of what was lost are not given again. `number`, `hash`: the end that was found. */
static void
rewound(struct audit *a, uint64_t number, const char *hash, const char *why)
{
	bool cut = number < a->number;
	const struct audit_event e = { .kind = "rewound",
		.outcome = "failed",
		.agent = "auth",
		.cause = "LOG_CUT",
		.count = cut ? a->number - number : 0,
		.detail = why };

	log_error("audit_rewound", L_STR("why", why), L_INT("found", number),
	    L_INT("appended", a->number));
	metric_inc(a->rewound);
	audit_note(a, &e);
	known(a, cut ? a->number : number, cut ? a->hash : hash);
}

static void
known(struct audit *a, uint64_t number, const char *hash)
{
	if (a->number != number || hash != a->hash) {
		a->number = number;
		memmove(a->hash, hash, sizeof(a->hash));
	}
	a->tail_known = true;
	a->backoff_us = 0;
	audit_work(a);
}

/* Left as it is when there is none. */
static void
row_hash(const ProtobufCBinaryData *d, char out[AUDIT_HASH_LEN])
{
	struct json_error e;
	json_t *v = json_read(d->data, d->len, &e);
	const char *hash = json_string_value(json_object_get(v, "hash"));

	if (hash != NULL && strlen(hash) == AUDIT_HASH_LEN - 1)
		memcpy(out, hash, AUDIT_HASH_LEN);
	json_decref(v);
}

/* --- VAR/audit.head --- */

bool
audit_head_load(struct audit *a)
{
	char path[4096], line[128] = "";
	uint64_t number, begun = 0;
	char hash[AUDIT_HASH_LEN];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/audit.head", a->o.var);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	(void)close(fd);
	if (n <= 0 || sscanf(line, HEAD_LINE, &number, hash, &begun) < 2 ||
	    strlen(hash) != AUDIT_HASH_LEN - 1)
		return false;
	a->number = number;
	a->begun = begun;
	memcpy(a->hash, hash, sizeof(a->hash));
	return true;
}

void
audit_head_save(struct audit *a)
{
	struct head_write *w = mem_zalloc(sizeof(*w));

	w->work.run = write_head;
	w->work.done = head_written;
	(void)snprintf(w->path, sizeof(w->path), "%s/audit.head", a->o.var);
	(void)snprintf(w->fresh, sizeof(w->fresh), "%s/audit.head.%d", a->o.var, (int)getpid());
	(void)snprintf(
	    w->line, sizeof(w->line), "%" PRIu64 " %s %" PRIu64 "\n", a->number, a->hash, a->begun);
	if (!work_start(a->work, &w->work))
		free(w); /* the next one says it */
}

static void
write_head(struct work *work)
{
	struct head_write *w = container_of(work, struct head_write, work);
	int fd = open(w->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	w->ok = write(fd, w->line, strlen(w->line)) == (ssize_t)strlen(w->line) && fsync(fd) == 0;
	w->ok = close(fd) == 0 && w->ok && rename(w->fresh, w->path) == 0;
}

static void
head_written(struct work *work, bool was_dropped)
{
	struct head_write *w = container_of(work, struct head_write, work);

	if (!w->ok && !was_dropped)
		log_warn(
		    "audit_head_not_saved", L_STR("file", w->path), L_STR("why", strerror(errno)));
	free(w);
}
