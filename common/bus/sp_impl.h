/* sp_impl: what sp.c (who connects and when) and sp_conn.c (one connection's bytes) share. */
#ifndef BUS_SP_IMPL_H
#define BUS_SP_IMPL_H

#include <stdbool.h>
#include <uv.h>
#include "base/list.h"
#include "base/time.h"
#include "bus/sp.h"

#define SP_HANDSHAKE_US (3 * SEC)
#define SP_READ         (64u << 10) /* bytes taken at a time */

enum sp_state { SP_CONNECTING, SP_SHAKING, SP_UP, SP_CLOSING };

struct sp {
	const struct sp_ops *ops;
	void *owner;
	struct loop *loop;
	enum sp_role role;
	bool ipc, dialler;
	size_t body_max;
	int64_t stranger_us;
	char address[256]; /* a path, or a host */
	char port[8];      /* tcp */
	unsigned which;    /* of a host's addresses: the next one where one leads nowhere */
	struct list conns; /* a dialler has at most one */
	int door;          /* a listener's socket */
	uv_poll_t *door_poll;
	struct timer again;       /* a dialler's; a listener's that could not accept */
	int64_t delay_us;         /* until a dialler tries again */
	struct sp_lookup *lookup; /* of a name, under way */
	uint8_t *scratch;         /* SP_READ bytes: what comes in is read here first */
};

struct sp_conn {
	uv_poll_t poll;   /* first */
	struct link link; /* sp.conns */
	struct sp *sp;    /* NULL: closed by its owner, nobody listens */
	void *owner;
	int fd;
	enum sp_state state;
	bool was_up, known;
	const char *why;    /* it was closed; NULL: no fault */
	struct timer limit; /* of connecting, the handshake and being a stranger */
	size_t body_max;
	/* a message of which not everything is here yet */
	uint8_t *in;
	size_t in_n, in_cap;
	/* what the socket has not taken yet: out_n bytes from out_at */
	uint8_t *out;
	size_t out_at, out_n, out_cap;
};

/* --- sp_conn.c --- */
/* Takes fd; connecting: connect() is under way. */
struct sp_conn *sp_conn_new(struct sp *s, int fd, bool connecting);
void sp_conn_flush(struct sp_conn *c, int64_t until_us); /* waits for the socket, not in the loop */
/* Ends it, whatever it was doing; why NULL: no fault. `down` or `refused` follow. */
void sp_conn_close(struct sp_conn *c, const char *why);

/* --- sp.c --- */
void sp_conn_is_up(struct sp_conn *c);
void sp_conn_is_gone(struct sp_conn *c); /* c->sp is not NULL */

#endif
