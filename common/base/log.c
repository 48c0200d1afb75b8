/* log: builds one line on the stack and hands it to the kernel with one write(2), so that lines of
 * threads and of nodes that share a pipe never mix (a line is at most PIPE_BUF long; what does not
 * fit is cut and said so: "cut":true). A line that the disk or the reader does not take (ENOSPC,
 * EAGAIN) is dropped, counted, and told of in the next one that is taken: logging never holds a node
 * up. */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/log_file.h"
#include "base/str.h"
#include "base/time.h"

#define LINE_MAX_BYTES PIPE_BUF
#define TAIL_ROOM      96   /* for "suppressed", "cut", "seq", the brace, a newline at each end */
#define VALUE_MAX      1500 /* of one field, so that one long text leaves room for its neighbours */
#define PER_WINDOW     10
#define SEQ_VARIABLE   "METAFED_LOG_SEQ"
#define WINDOW_US      SEC

struct line {
	char p[LINE_MAX_BYTES];
	size_t n;
	bool cut;
};

static const char *const level_names[] = { "debug", "info", "warn", "error", "fatal" };

static char node_name_[32];
static uint64_t node_generation_;
static int log_fd = STDERR_FILENO;
static bool initialised;
static _Atomic int threshold = LOG_INFO, configured = LOG_INFO;
static _Atomic int64_t until_us; /* of a threshold that is not the configured one; 0: no end */
static _Atomic uint64_t counts[LOG_FATAL + 1], held_back, lost, last_seq, bytes;
static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
/* under out_lock */
static uint64_t lost_untold;
static int lost_errno;
static bool torn; /* the last line ends in the middle: the next one begins on a line of its own */
static _Thread_local char trace[33];

static bool site_allows(struct log_site *site, uint32_t *suppressed);
static void line_start(struct line *l, enum log_level level, const char *event);
static void line_field(struct line *l, const struct log_field *f);
static void line_end(struct line *l, uint32_t suppressed);
static bool put(struct line *l, const char *s, size_t n);
static bool put_key(struct line *l, const char *key);
static void put_str(struct line *l, const char *s);
static size_t escape(const char *s, size_t left, char text[8], size_t *step);
static void take_back_level(int64_t now);
static void emit(struct line *l, enum log_level level);
static bool hand_over_numbered(struct line *l);
static void tell_lost(void);
static bool hand_over(const char *p, size_t n);
static void last_words(const char *event, const char *where, int line, const char *message);

void
log_init(const char *node, uint64_t generation, int fd)
{
	snprintf(node_name_, sizeof(node_name_), "%s", node);
	node_generation_ = generation;
	log_fd = fd;
	initialised = true;
	atomic_store(&last_seq, 0);
	lost_untold = 0;
	torn = false;
}

void
log_hand_over(void)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)atomic_load(&last_seq));
	setenv(SEQ_VARIABLE, number, 1);
}

void
log_take_over(void)
{
	const char *number = getenv(SEQ_VARIABLE);
	uint64_t seq;

	if (number != NULL && str_u64(str_of(number), INT64_MAX, &seq))
		atomic_store(&last_seq, seq);
	unsetenv(SEQ_VARIABLE); /* nobody else's */
}

void
log_set_level(enum log_level level)
{
	atomic_store(&configured, (int)level);
	if (atomic_load(&until_us) == 0)
		atomic_store(&threshold, (int)level);
}

void
log_set_level_for(enum log_level level, int64_t us)
{
	atomic_store(&until_us, us > 0 ? time_now_us() + us : 0);
	atomic_store(&threshold, (int)level);
	log_file_keep_level(us > 0 ? level_names[level] : NULL, time_wall_us() + us);
}

enum log_level
log_level(void)
{
	if (atomic_load(&until_us) != 0)
		take_back_level(time_now_us());
	return (enum log_level)atomic_load(&threshold);
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

bool
log_level_from_name(const char *name, enum log_level *out)
{
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool
log_on(enum log_level level)
{
	if (atomic_load_explicit(&until_us, memory_order_relaxed) != 0)
		take_back_level(time_now_us());
	return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void
log_write(
    enum log_level level, struct log_site *site, const char *event, const struct log_field *fields)
{
	uint32_t suppressed = 0;
	struct line l;

	if (!log_on(level) || (site != NULL && !site_allows(site, &suppressed)))
		return;
	line_start(&l, level, event);
	for (; fields != NULL && fields->key != NULL; fields++)
		line_field(&l, fields);
	line_end(&l, suppressed);
	atomic_fetch_add(&counts[level], 1);
	emit(&l, level);
}

void
log_set_trace(const char *trace_id)
{
	size_t n = trace_id != NULL ? strnlen(trace_id, sizeof(trace) - 1) : 0;

	if (n > 0)
		memcpy(trace, trace_id, n);
	trace[n] = '\0';
}

uint64_t
log_count(enum log_level level)
{
	return atomic_load(&counts[level]);
}

uint64_t
log_held_back(void)
{
	return atomic_load(&held_back);
}

uint64_t
log_bytes(void)
{
	return atomic_load(&bytes);
}

uint64_t
log_lost(void)
{
	return atomic_load(&lost);
}

void
fatal(const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	last_words("fatal", NULL, 0, message);
	exit(1);
}

void
panic_at(const char *file, int line, const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	last_words("panic", file, line, message);
	abort();
}

/* Ten lines in a window; the first line of the next window says how many were held back. */
static bool
site_allows(struct log_site *site, uint32_t *suppressed)
{
	int64_t now = time_now_us();
	bool allowed;

	pthread_mutex_lock(&site_lock);
	if (now - site->window_us >= WINDOW_US || site->window_us == 0) {
		site->window_us = now;
		site->count = 0;
	}
	allowed = site->count < PER_WINDOW;
	if (allowed) {
		site->count++;
		*suppressed = site->suppressed;
		site->suppressed = 0;
	} else {
		site->suppressed++;
		atomic_fetch_add(&held_back, 1);
	}
	pthread_mutex_unlock(&site_lock);
	return allowed;
}

static void
line_start(struct line *l, enum log_level level, const char *event)
{
	char stamp[TIME_RFC3339_LEN];

	time_rfc3339(time_wall_us(), stamp);
	l->cut = false;
	l->n = (size_t)snprintf(l->p, sizeof(l->p),
	    "{\"time\":\"%s\",\"level\":\"%s\",\"node\":", stamp, level_names[level]);
	put_str(l, initialised ? node_name_ : program_invocation_short_name);
	l->n += (size_t)snprintf(l->p + l->n, sizeof(l->p) - l->n, ",\"generation\":%llu",
	    (unsigned long long)node_generation_);
	if (trace[0] != '\0' && put_key(l, "trace"))
		put_str(l, trace);
	put_key(l, "event");
	put_str(l, event);
}

static void
line_field(struct line *l, const struct log_field *f)
{
	char number[40];

	if (f->kind == LOG_F_STR) {
		if (!put_key(l, f->key))
			return;
		if (f->v.s == NULL)
			put(l, "null", 4);
		else
			put_str(l, f->v.s);
		return;
	}
	if (f->kind == LOG_F_INT)
		snprintf(number, sizeof(number), "%lld", (long long)f->v.i);
	else if (f->kind == LOG_F_NUM)
		snprintf(number, sizeof(number), isfinite(f->v.d) ? "%.9g" : "null", f->v.d);
	else
		snprintf(number, sizeof(number), "%s", f->v.b ? "true" : "false");
	if (put_key(l, f->key))
		put(l, number, strlen(number));
}

static void
line_end(struct line *l, uint32_t suppressed)
{
	if (l->cut)
		l->n += (size_t)snprintf(l->p + l->n, sizeof(l->p) - l->n, ",\"cut\":true");
	if (suppressed > 0)
		l->n += (size_t)snprintf(
		    l->p + l->n, sizeof(l->p) - l->n, ",\"suppressed\":%u", suppressed);
}

static bool
put(struct line *l, const char *s, size_t n)
{
	if (n > sizeof(l->p) - TAIL_ROOM - l->n) {
		l->cut = true;
		return false;
	}
	memcpy(l->p + l->n, s, n);
	l->n += n;
	return true;
}

/* A key is taken only with room for the shortest sensible value behind it: the line stays JSON. */
static bool
put_key(struct line *l, const char *key)
{
	size_t n = strlen(key);

	if (n + 48 > sizeof(l->p) - TAIL_ROOM - l->n) {
		l->cut = true;
		return false;
	}
	put(l, ",\"", 2);
	put(l, key, n);
	return put(l, "\":", 2);
}

/* Quoted and escaped; ends early, still quoted, where the room ends. */
static void
put_str(struct line *l, const char *s)
{
	size_t left = strlen(s), room = sizeof(l->p) - TAIL_ROOM - l->n - 2, taken = 0, step;
	char text[8];

	if (room > VALUE_MAX)
		room = VALUE_MAX;
	put(l, "\"", 1);
	for (; left > 0; s += step, left -= step) {
		size_t n = escape(s, left, text, &step);

		if (taken + n > room) {
			l->cut = true;
			break;
		}
		put(l, text, n);
		taken += n;
	}
	put(l, "\"", 1);
}

/* One character as it stands between quotes: its length; *step: bytes of s that it was. */
static size_t
escape(const char *s, size_t left, char text[8], size_t *step)
{
	size_t len = str_utf8_char(s, left);
	unsigned char c = (unsigned char)*s;

	*step = len == 0 ? 1 : len;
	if (len == 0)
		return (size_t)snprintf(text, 8, "\xef\xbf\xbd");
	if (c == '"' || c == '\\')
		return (size_t)snprintf(text, 8, "\\%c", c);
	if (c == '\n')
		return (size_t)snprintf(text, 8, "\\n");
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(text, 8, "\\u%04x", c);
	memcpy(text, s, len);
	return len;
}

/* Nobody has to be awake for it: whoever asks after the end finds it over. */
static void
take_back_level(int64_t now)
{
	int64_t end = atomic_load(&until_us);

	if (end == 0 || now < end || !atomic_compare_exchange_strong(&until_us, &end, 0))
		return;
	atomic_store(&threshold, atomic_load(&configured));
	log_file_keep_level(NULL, 0);
}

/* Numbers stand in the log in their order: they are given and written under one lock. A process that
 * ends itself may hold that lock (a watchdog's thread beside a loop that hangs in write): it does
 * without. */
static void
emit(struct line *l, enum log_level level)
{
	bool locked = true;
	int saved = errno;

	if (level == LOG_FATAL)
		locked = pthread_mutex_trylock(&out_lock) == 0;
	else
		pthread_mutex_lock(&out_lock);
	if (locked && log_file_full(l->n + TAIL_ROOM))
		log_file_turn(log_fd);
	if (hand_over_numbered(l) && locked && lost_untold > 0)
		tell_lost();
	if (locked)
		pthread_mutex_unlock(&out_lock);
	errno = saved;
}

static bool
hand_over_numbered(struct line *l)
{
	l->n += (size_t)snprintf(l->p + l->n, sizeof(l->p) - l->n, ",\"seq\":%llu}\n",
	    (unsigned long long)atomic_fetch_add(&last_seq, 1) + 1);
	if (hand_over(l->p, l->n))
		return true;
	atomic_fetch_add(&lost, 1);
	lost_untold++;
	lost_errno = errno;
	return false;
}

/* There is room again: a line of its own, behind the first one that was taken. */
static void
tell_lost(void)
{
	uint64_t n = lost_untold;
	struct line l;

	line_start(&l, LOG_WARN, "lines_lost");
	line_field(&l, &(const struct log_field)L_INT("lines", n));
	line_field(&l, &(const struct log_field)L_STR("error", strerror(lost_errno)));
	lost_untold = 0;
	if (hand_over_numbered(&l))
		atomic_fetch_add(&counts[LOG_WARN], 1);
	else
		lost_untold += n;
}

/* All of it, or it counts as lost: what a full disk took of a line stays as a bad one, and the next
 * begins behind it. */
static bool
hand_over(const char *p, size_t n)
{
	const struct iovec v[] = { { (char[]){ "\n" }, torn ? 1 : 0 },
		{ (char *)(uintptr_t)p, n } };
	ssize_t done;

	do {
		done = writev(log_fd, v, 2);
	} while (done < 0 && errno == EINTR);
	if (done <= 0)
		return false;
	log_file_grew((size_t)done);
	atomic_fetch_add(&bytes, (uint64_t)done);
	torn = (size_t)done > v[0].iov_len && (size_t)done < v[0].iov_len + n;
	if ((size_t)done == v[0].iov_len + n)
		return true;
	errno = ENOSPC;
	return false;
}

/* Before log_init a person is at the other end: plain text. */
static void
last_words(const char *event, const char *where, int line, const char *message)
{
	char text[1200];
	int n;

	if (initialised) {
		const struct log_field fields[] = { L_STR("message", message), L_INT("line", line),
			L_STR("file", where), { .key = NULL } };
		const struct log_field brief[] = { L_STR("message", message), { .key = NULL } };

		log_write(LOG_FATAL, NULL, event, where == NULL ? brief : fields);
		return;
	}
	atomic_fetch_add(&counts[LOG_FATAL], 1);
	if (where == NULL)
		n = snprintf(
		    text, sizeof(text), "%s: %s\n", program_invocation_short_name, message);
	else
		n = snprintf(text, sizeof(text), "%s: %s:%d: %s\n", program_invocation_short_name,
		    where, line, message);
	hand_over(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}
