/* redis_int: what the files of redis share; nobody else includes it.
 *
 *   redis.c        commands, from their caller to their end
 *   redis_conn.c   life of the connection: resolving, connecting, checking, silence, loss
 *   redis_loop.c   hiredis on libuv
 *
 * The connection is in one state and changes it in redis_enter alone. */
#ifndef STORE_REDIS_INT_H
#define STORE_REDIS_INT_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include "base/arena.h"
#include "base/metrics.h"
#include "store/redis.h"

/* SILENT: was UP, owes answers and says nothing. */
enum redis_state { DOWN, RESOLVING, CONNECTING, CHECKING, UP, SILENT };

/* outlives hiredis' context until libuv has closed the poll */
struct conn {
	uv_poll_t poll;
	struct redis *r; /* NULL: given up */
	redisAsyncContext *ac;
	int events;
	bool want_write;
};

struct redis {
	struct loop *loop;
	char *address, *password;
	bool require_durable;
	enum redis_state state;
	struct conn *conn;
	struct timer timer; /* DOWN: try again; else: watch over the answers owed */
	int64_t due_us;     /* when the timer was to run */
	struct loop_turn turn;
	int64_t backoff_us, heard_us;
	unsigned owed;
	struct arena *arena; /* of the reply being given out */
	bool complained;
	uv_getaddrinfo_t *resolve;
	struct metric *up;
};

/* redis_conn.c */
void redis_conn_init(struct redis *r);
void redis_conn_free(struct redis *r);
void redis_owes(struct redis *r); /* a command has been sent */
void redis_heard(struct redis *r);
void redis_lost(struct redis *r);

/* redis_loop.c */
void redis_loop_init(struct redis *r); /* what a turn issues leaves at its end */
void redis_loop_free(struct redis *r);
void redis_watch(struct redis *r, redisAsyncContext *ac); /* makes r->conn */

#endif
