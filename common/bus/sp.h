/* sp: req and rep of the Scalability Protocols on the loop, byte for byte as nng speaks them over
 * ipc:// and tcp://, in nng's raw mode: either side sends whenever it likes.
 *
 * Why not nng's own sockets here: in raw mode a message crosses four of nng's threads each way, and
 * those wake-ups are what a call costs (tests/bench/bus.c has both beside each other). Here the loop
 * writes and reads the socket itself. Any nng req or rep socket is a peer like ours.
 *
 * A dialler tries for ever, again after 10 to 200 ms. Callbacks run on the loop. */
#ifndef BUS_SP_H
#define BUS_SP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "node/loop.h"

#define SP_HEADER_MAX 32u /* request ids before a body: our caller's and up to seven devices' */

enum sp_role { SP_REQ = 0x30, SP_REP = 0x31 }; /* the protocol's own numbers */

struct sp;      /* a listener or a dialler */
struct sp_conn; /* one connection whose handshake is done: nng's pipe */

/* Of one message; valid until the callback returns. The body may be changed in place. */
struct sp_message {
	const uint8_t *header; /* what an answer goes out under, if it is an answer to this */
	size_t header_n;
	uint8_t *body;
	size_t n;
};

struct sp_ops {
	void (*up)(void *owner, struct sp_conn *c);
	void (*message)(void *owner, struct sp_conn *c, const struct sp_message *m);
	/* after everything that came in before; c is invalid afterwards */
	void (*down)(void *owner, struct sp_conn *c);
	/* a foreign uid, no SP, too slow, too long a message; `down` follows if there was an `up` */
	void (*refused)(void *owner, const char *why);
};

struct sp_opts {
	struct loop *loop;
	enum sp_role role;
	const char *url; /* ipc://PATH: a peer of another uid than ours and root's is refused */
	const struct sp_ops *ops;
	void *owner;
	size_t body_max; /* bytes of one message; more ends the connection */
	/* 0: nobody is a stranger. Else a peer has so long after its handshake to get sp_know called,
	 * and until then it makes room for others where there are too many. */
	int64_t stranger_us;
};

/* NULL: err */
struct sp *sp_listen(const struct sp_opts *o, char *err, size_t err_size);
struct sp *sp_dial(const struct sp_opts *o, char *err, size_t err_size);
/* What is on its way out gets LEAVE_US to leave; no callback any more. */
void sp_close(struct sp **s);
void sp_drop(struct sp **s); /* the same, and nothing is waited for */

/* Leaves now. What the socket does not take waits, in order; a peer that lets too much wait is hung
 * up. */
void sp_send(struct sp_conn *c, const void *header, size_t header_n, const struct iovec *body,
    unsigned n_body);
void sp_hang_up(struct sp_conn *c); /* no message any more; `down` follows, not from inside */
void sp_know(struct sp_conn *c);    /* no stranger any more: it has shown who it is */
/* Of this connection, until it is changed again: strangers get little. */
void sp_set_body_max(struct sp_conn *c, size_t bytes);
void sp_set_owner(struct sp_conn *c, void *owner); /* of the connection, for its user */
void *sp_owner(const struct sp_conn *c);

#endif
