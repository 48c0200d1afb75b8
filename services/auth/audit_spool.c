/* audit_spool: VAR/audit.spool, what waits while the store is away, one event a line. It is written by
 * the thread of the log, so that no fsync holds up the loop, and emptied when all of it is in the log.
 *
 * A process that was killed between the append and the emptying finds events there that the log has
 * already: before the first batch the log's end is searched for their ids. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "auth/audit_int.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"

#define REPLAY_PAGE  1000
#define REPLAY_PAGES 40 /* of the end of the log that are searched */

struct spool_work {
	struct work work;
	struct audit *a;  /* NULL: closed meanwhile */
	struct buf lines; /* n 0: empty the file */
	size_t entries;
	int fd, error;
};

static void write_lines(struct work *w);
static void lines_written(struct work *w, bool was_dropped);
static void after_write(struct audit *a, const struct spool_work *w);
static void load(struct audit *a, char *text, size_t n);
static void cut_torn(struct audit *a, const char *text, size_t n);
static void on_page(const Mf__StoreResult *m, void *ctx);
static bool forget_replayed(void *ctx, const json_t *item);
static void replay_done(struct audit *a);

bool
audit_spool_open(struct audit *a)
{
	char path[4096];
	struct stat st;
	char *text;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/audit.spool", a->o.var);
	a->spool_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (a->spool_fd < 0 || fstat(a->spool_fd, &st) != 0) {
		log_warn("audit_spool_missing", L_STR("file", path), L_STR("why", strerror(errno)));
		return false;
	}
	if (st.st_size == 0)
		return true;
	a->spool_bytes = (size_t)st.st_size;
	text = mem_zalloc((size_t)st.st_size + 1);
	n = pread(a->spool_fd, text, (size_t)st.st_size, 0);
	if (n > 0)
		load(a, text, (size_t)n);
	if (n == st.st_size)
		cut_torn(a, text, (size_t)n);
	free(text);
	metric_set(a->spooled, (double)a->spool_bytes);
	log_info("audit_spool_read", L_INT("records", a->queue.n));
	return true;
}

/* A last line without its end was not written completely: nobody was told that it is there. */
static void
load(struct audit *a, char *text, size_t n)
{
	char *p = text, *end;

	for (; (end = memchr(p, '\n', n - (size_t)(p - text))) != NULL; p = end + 1) {
		struct audit_entry *e = audit_entry_new(p, (size_t)(end - p)), *twin = NULL;

		if (e != NULL)
			HASH_FIND_STR(a->replayed, e->id, twin);
		if (e != NULL && twin == NULL && a->queue.n >= AUDIT_QUEUE) {
			a->lost++; /* or it is in the log already: too many said is better */
			metric_inc(a->lost_total);
		}
		if (e == NULL || twin != NULL || a->queue.n >= AUDIT_QUEUE) {
			free(e);
			continue;
		}
		e->spooled = true;
		HASH_ADD_STR(a->replayed, id, e);
		audit_enter(a, e, false);
	}
}

/* Or what is written next would be the other half of its line. */
static void
cut_torn(struct audit *a, const char *text, size_t n)
{
	size_t whole = n;

	while (whole > 0 && text[whole - 1] != '\n')
		whole--;
	if (whole < n && ftruncate(a->spool_fd, (off_t)whole) == 0)
		a->spool_bytes = whole;
}

void
audit_spool_close(struct audit *a)
{
	if (a->spooling != NULL)
		a->spooling->a = NULL; /* it is done, and told later */
	if (a->spool_fd >= 0)
		(void)close(a->spool_fd);
	a->spool_fd = -1;
}

/* One piece at a time; what comes meanwhile is the next. */
void
audit_spool_some(struct audit *a)
{
	struct spool_work *w;

	if (a->spool_fd < 0 || a->spool_busy)
		return;
	w = mem_zalloc(sizeof(*w));
	LIST_EACH(&a->queue, k) {
		struct audit_entry *e = container_of(k, struct audit_entry, link);

		if (e->spooled || (e->waiter != NULL && e->waiter->need == AUDIT_MUST) ||
		    a->spool_bytes + w->lines.n + e->n >= AUDIT_QUEUE_BYTES)
			continue;
		buf_add(&w->lines, e->text, e->n);
		buf_add(&w->lines, "\n", 1);
		e->spooled = true;
		w->entries++;
	}
	if (w->entries == 0) {
		free(w);
		return;
	}
	w->a = a;
	w->fd = a->spool_fd;
	w->work.run = write_lines;
	w->work.done = lines_written;
	a->spool_bytes += w->lines.n;
	a->spool_busy = work_start(a->work, &w->work);
	a->spooling = a->spool_busy ? w : NULL;
	if (!a->spool_busy) {
		buf_free(&w->lines);
		free(w);
	}
}

void
audit_spool_empty(struct audit *a)
{
	struct spool_work *w;

	if (a->spool_bytes == 0 || a->spool_fd < 0 || a->spool_busy)
		return;
	w = mem_zalloc(sizeof(*w));
	w->a = a;
	w->fd = a->spool_fd;
	w->work.run = write_lines;
	w->work.done = lines_written;
	a->spool_busy = work_start(a->work, &w->work);
	a->spooling = a->spool_busy ? w : NULL;
	if (a->spool_busy)
		a->spool_bytes = 0;
	else
		free(w);
}

static void
write_lines(struct work *work)
{
	struct spool_work *w = container_of(work, struct spool_work, work);
	off_t before = lseek(w->fd, 0, SEEK_END);
	bool ok = w->lines.n == 0 ? ftruncate(w->fd, 0) == 0
	                          : write(w->fd, w->lines.p, w->lines.n) == (ssize_t)w->lines.n;

	if (ok && fdatasync(w->fd) == 0)
		return;
	w->error = errno != 0 ? errno : EIO;
	if (w->lines.n > 0 && before >= 0 && ftruncate(w->fd, before) != 0)
		w->error = errno; /* half a line stays */
}

static void
lines_written(struct work *work, bool was_dropped)
{
	struct spool_work *w = container_of(work, struct spool_work, work);

	if (w->a != NULL) {
		w->a->spooling = NULL;
		w->a->spool_busy = false;
		if (!was_dropped)
			after_write(w->a, w);
	}
	buf_free(&w->lines);
	free(w);
}

static void
after_write(struct audit *a, const struct spool_work *w)
{
	metric_set(a->spooled, (double)a->spool_bytes);
	if (w->error != 0)
		log_warn("audit_spool_failed", L_STR("why", strerror(w->error)));
	STEP("auth.audit.spooled");
	LIST_EACH(&a->queue, k) {
		struct audit_entry *e = container_of(k, struct audit_entry, link);

		if (w->error == 0 && w->lines.n > 0 && e->spooled)
			audit_told(e);
	}
	if (a->away)
		audit_spool_some(a);
	else if (a->queue.n == 0)
		audit_spool_empty(a);
}

/* --- what the log may have already --- */

void
audit_replay_check(struct audit *a)
{
	Mf__StoreOp *op;

	a->busy = BUSY_READING;
	op = audit_op(call_arena(audit_call(a)), MF__STORE_OP__KIND__QUERY_MANY);
	op->sort = (char *)(uintptr_t) "-id";
	op->limit = REPLAY_PAGE;
	op->cursor = a->replay_cursor;
	a->rpc =
	    rpc_new(a->call, a->o.database, &(const struct rpc_opts){ .limit_us = AUDIT_CALL_US });
	mf__database__read(&a->rpc->service, op, on_page, a);
}

static void
on_page(const Mf__StoreResult *m, void *ctx)
{
	struct audit *a = ctx;
	const char *next = NULL;
	bool ok = m != NULL && json_page(call_arena(a->call), m->data.data, m->data.len,
				   forget_replayed, a, &next);

	(void)snprintf(
	    a->replay_cursor, sizeof(a->replay_cursor), "%s", ok && next != NULL ? next : "");
	audit_call_end(a);
	if (m == NULL) {
		audit_retry(a);
		return;
	}
	if (next == NULL || ++a->replay_pages >= REPLAY_PAGES)
		replay_done(a);
	audit_work(a);
}

static bool
forget_replayed(void *ctx, const json_t *item)
{
	struct audit *a = ctx;
	const json_t *event = json_object_get(json_object_get(item, "record"), "event");
	const char *id = json_string_value(json_object_get(event, "id"));
	struct audit_entry *e = NULL;

	if (id != NULL)
		HASH_FIND_STR(a->replayed, id, e);
	if (e != NULL) {
		HASH_DEL(a->replayed, e);
		audit_leave(a, e, true);
	}
	return true;
}

static void
replay_done(struct audit *a)
{
	HASH_CLEAR(hh, a->replayed);
	a->replayed = NULL;
}
