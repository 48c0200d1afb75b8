/* streams_int: what the files of streams share; nobody else includes it.
 *
 *   streams.c         which operation, and the way through Redis that all take
 *   streams_events.c  of "stream.": append, range, trim, retention
 *   consumers.c       of "consumer."
 */
#ifndef DATABASE_NOSQL_STREAMS_INT_H
#define DATABASE_NOSQL_STREAMS_INT_H

#include "base/json.h"
#include "base/str.h"
#include "bus/call.h"
#include "database/nosql/stream_scripts.h"
#include "database/nosql/streams.h"

#define STREAM_EVENTS_MOST  100           /* of one append */
#define STREAM_EVENT_BYTES  (256u << 10)  /* of one event; what is larger is a blob */
#define STREAM_ANSWER_BYTES (1024u << 10) /* of one range, but for the last event */
#define STREAM_LIST_DEFAULT 100
#define STREAM_LIST_MOST    1000
#define STREAM_FIELDS       12

struct stream_op {
	struct call *c;
	const Mf__StoreOp *q;
	const char *subject;
	size_t limit;
	/* NULL-ended after the keys and the life of the result; of argv_n[i] bytes */
	const char **argv;
	size_t *argv_n;
	int n;
	/* what a result becomes: writes its fields */
	void (*write)(struct jw *w, const struct str *field);
};

struct stream_op *stream_op_new(struct call *c, const Mf__StoreOp *q, size_t n_arguments);
void stream_arg(struct stream_op *o, const char *s);
void stream_argn(struct stream_op *o, const void *p, size_t n);
void stream_arg_number(struct stream_op *o, uint64_t v);
/* done NULL: the answer is one result */
void stream_run(struct stream_op *o, const char *script, redis_done_fn *done);
/* Has the call failed, or is the word one that fails it? */
bool stream_failed(struct stream_op *o, const struct redis_reply *r);
/* "version:rows:field:..." */
bool stream_fields(const struct redis_reply *r, struct str *out);
void stream_write_number(struct jw *w, const char *key, struct str s);
/* Filters that this operation knows, by name into values[]; "" where absent. False: refused. */
bool stream_filters(struct stream_op *o, const char *const *known, const char **values);
bool stream_position(struct stream_op *o, const char *field, const char *s);
bool stream_limit(struct stream_op *o);
/* Members of data, an object that has no others than these; absent ones NULL. */
bool stream_members(struct stream_op *o, const char *const *known, const json_t **values);
void stream_refuse(struct stream_op *o, const char *field, const char *what);

/* streams_events.c */
void stream_append(struct call *c, const Mf__StoreOp *q);
void stream_query(struct call *c, const Mf__StoreOp *q);
void stream_trim(struct call *c, const Mf__StoreOp *q);
void stream_retain(struct call *c, const Mf__StoreOp *q);
void stream_stat(struct call *c, const Mf__StoreOp *q);
void stream_delete(struct call *c, const Mf__StoreOp *q);

/* consumers.c */
void consumer_create(struct call *c, const Mf__StoreOp *q);
void consumer_read(struct call *c, const Mf__StoreOp *q);
void consumer_list(struct call *c, const Mf__StoreOp *q);
void consumer_update(struct call *c, const Mf__StoreOp *q);
void consumer_delete(struct call *c, const Mf__StoreOp *q);

#endif
