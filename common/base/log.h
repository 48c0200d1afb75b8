/* log: one JSON line per fact, on standard error (deploy/logging/README.md is what readers of it go by).
 *
 *   {"time":"...Z","level":"warn","node":"api","generation":3,"trace":"4bf9...","event":"peer_lost","peer":"sql","after_ms":12,"seq":7}
 *
 * warn = someone should look, error = we broke a promise. A call site writes at most 10 lines a
 * second; what it held back is said in the next line ("suppressed"). Lines of a process are numbered
 * from 1 ("seq") in the order in which they stand in the log; a number that is missing is a line that
 * the disk, or a reader, did not take. Loop thread and work pool may both log. No secret ever. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_F_STR, LOG_F_INT, LOG_F_NUM, LOG_F_BOOL } kind;
	union {
		const char *s; /* NULL is written as null */
		int64_t i;
		double d;
		bool b;
	} v;
};

struct log_site { /* one per call site, static: rate limit */
	int64_t window_us;
	uint32_t count, suppressed;
};

/* clang-format off */
#define L_STR(k, x)	{ .key = (k), .kind = LOG_F_STR, .v.s = (x) }
#define L_INT(k, x)	{ .key = (k), .kind = LOG_F_INT, .v.i = (int64_t)(x) }
#define L_NUM(k, x)	{ .key = (k), .kind = LOG_F_NUM, .v.d = (x) }
#define L_BOOL(k, x)	{ .key = (k), .kind = LOG_F_BOOL, .v.b = (x) }
/* clang-format on */

/* log_info("peer_lost", L_STR("peer", p->name), L_INT("after_ms", ms)); the event is a word, its
 * facts are fields */
#define log_debug(...) LOG_AT_(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  LOG_AT_(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  LOG_AT_(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT_(LOG_ERROR, __VA_ARGS__)
/* The empty first field is there so that no field at all is fine too. */
/* clang-format off */
#define LOG_AT_(level, event, ...)                                                                 \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		if (log_on(level))                                                                 \
			log_write((level), &log_site_, (event),                                    \
			    (const struct log_field[]){                                            \
				{ .key = NULL }, ##__VA_ARGS__, { .key = NULL } } +                \
				1);                                                                \
	} while (0)
/* clang-format on */

void log_init(const char *node, uint64_t generation, int fd);
/* A process that becomes another executable (exec) is of the same generation: its numbers go on. */
void log_hand_over(void); /* right before the exec */
void log_take_over(void); /* behind log_init; and right behind an exec that failed */
/* As configured. One that was set for a time stays until that is over. */
void log_set_level(enum log_level level);
/* An operator's, for so long, then it is as configured again, by itself; 0: until the next
 * log_set_level. Where there is a log file (log_file.h) a process that starts again takes it over. */
void log_set_level_for(enum log_level level, int64_t us);
enum log_level log_level(void); /* now */
const char *log_level_name(enum log_level level);
bool log_level_from_name(const char *name, enum log_level *out);
bool log_on(enum log_level level);
void log_write(
    enum log_level level, struct log_site *site, const char *event, const struct log_field *fields);
/* 32 hex digits, copied; NULL or "": none. Per thread; the bus sets it around each handler */
void log_set_trace(const char *trace_id);
/* lines of that level so far: tests fail on unexpected warn or error */
uint64_t log_count(enum log_level level);
uint64_t log_held_back(void); /* lines that call sites held back */
uint64_t log_bytes(void);     /* written so far */
uint64_t log_lost(void); /* lines that were not taken: disk full, a reader that does not read */

/* The environment is wrong at start: says what to do, exit 1. */
void fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A bug of ours: abort, core kept. */
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
void panic_at(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			panic("must: %s", #cond);                                                  \
	} while (0)

#endif
