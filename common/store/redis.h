/* redis: Redis on the loop (hiredis async). hiredis is seen nowhere else than in common/store.
 *
 * One connection, pipelined; what one turn issues leaves in one write. Reconnects with back-off (50
 * to 250 ms). While it is down a command fails at once with UNAVAILABLE, also when it hangs: owes an
 * answer and says nothing for a second. A command that was written when the connection broke fails
 * with UNAVAILABLE too, and `unknown` says that it may have run. hiredis 0.14 has no TLS: unix
 * sockets or an internal network only. */
#ifndef STORE_REDIS_H
#define STORE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bus/call.h"
#include "node/loop.h"

struct redis;

struct redis_opts {
	const char *address;  /* "unix:/abs/path" or "tcp:host:port" */
	const char *password; /* may be NULL */
	/* checks appendonly=yes, appendfsync=always, maxmemory-policy=noeviction; else never up,
	 * logged */
	bool require_durable;
};
struct redis *redis_new(struct loop *l, const struct redis_opts *o);
void redis_free(struct redis **r);
bool redis_up(const struct redis *r);

enum redis_type { REDIS_NIL, REDIS_STRING, REDIS_INTEGER, REDIS_ARRAY, REDIS_STATUS, REDIS_FAILED };
struct redis_reply { /* valid until the callback has returned */
	enum redis_type type;
	enum status status; /* of REDIS_FAILED */
	bool unknown;
	const char *s; /* string, status, error text */
	size_t n;
	int64_t i;
	size_t n_items;
	const struct redis_reply *const *items;
};
typedef void redis_done_fn(const struct redis_reply *r, void *ctx);

/* True: it failed, and so did the call; STORE_DOWN as reason where it is so. */
bool redis_fail_call(struct call *c, const struct redis_reply *r);

/* argv/lens are copied. With c, the callback never comes after c has ended. */
void redis_command(struct redis *r, struct call *c, int argc, const char *const *argv,
    const size_t *lens, redis_done_fn *done, void *ctx);

/* A Lua function, loaded by its SHA-1 on first use and again after a restart of the server. text
 * lives for ever. */
void redis_script(struct redis *r, struct call *c, const char *text, int n_keys, int argc,
    const char *const *argv, const size_t *lens, redis_done_fn *done, void *ctx);

#endif
