/* source: where the events of a topic come from, read after a position. Nothing is kept here: the
 * log is somebody else's, and the position stands in the session's state.
 *
 * Reads that begin in one turn of the loop at the same position of the same source are one read: a
 * bell for a thousand sessions at the end of the log is one question. */
#ifndef LIVE_SOURCE_H
#define LIVE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include "api/ops/ops.h"
#include "bus/bus.h"

#define SOURCE_PAGE 256 /* events, at most */

struct source_event {
	const char *position;
	const char *kind; /* "task.updated" */
	int64_t at_us;    /* wall clock */
	size_t n_facts;   /* in the order of the source's names, absent ones "" */
	const char *const *facts;
	const char *data; /* JSON */
	size_t data_n;
	bool asked; /* for those alone who ask for its kind by name */
};
struct source_page {
	size_t n;
	const struct source_event *events;
	const char *position; /* behind them, and behind what is nobody's business */
	bool gap;             /* what came right behind the position is not kept any more */
	bool more;            /* there is more behind them already */
};

/* page NULL: f says why. What they point to lives for the callback. */
typedef void source_fn(void *ctx, const struct source_page *page, const struct failure *f);

struct source_read;
struct source {
	const char *topic;        /* as clients name it */
	const char *bell;         /* as api knows it (SessionStep.listens) */
	const char *permission;   /* to hear of it */
	const char *const *facts; /* what a filter may ask for, NULL-ended; the kind first */
	bool (*position_ok)(struct str s);
	/* In a call of its own; ends with source_answer or source_fail. Position "": the end of
	 * the log, no events. */
	void (*read)(struct source_read *r);
};

void sources_init(struct bus *b);                    /* once, before the first read */
const struct source *source_find(const char *topic); /* NULL: there is none */
/* The callback comes once, later, unless c ends before. */
void source_page_after(
    struct call *c, const struct source *s, const char *position, source_fn *fn, void *ctx);

/* --- for a source --- */
struct call *source_call(struct source_read *r);
const char *source_position(const struct source_read *r);
void source_answer(struct source_read *r, const struct source_page *p);
void source_fail(struct source_read *r, const struct failure *f);

extern const struct source source_fleet, source_tasks;

#endif
