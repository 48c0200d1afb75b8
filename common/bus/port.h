/* port: one nng socket on the loop: messages in and out without waiting, pipes that come and go.
 *
 * Messages are taken by the loop itself when nng's descriptor is readable: one hand-over between
 * threads less than with a receive callback. The callbacks of pipes run on nng's threads and only
 * post to the loop. */
#ifndef BUS_PORT_H
#define BUS_PORT_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>
#include "node/loop.h"

struct port;
struct port_tap;

/* REFUSED: a uid that is neither ours nor root's */
enum port_event { PORT_UP, PORT_DOWN, PORT_REFUSED };

struct port_ops {
	/* m stays the port's; the port may be closed in here */
	void (*message)(struct port *p, nng_msg *m);
	void (*pipe)(struct port *p, uint32_t pipe, enum port_event e);
};

struct port {
	struct loop *loop;
	const struct port_ops *ops;
	void *owner;
	nng_socket sock;
	uv_poll_t *poll;
	struct port_tap *tap;
	nng_aio *in, *out; /* never pending when a function has returned */
	bool open;
};

/* opener: nng_req0_open_raw ...; ipc: check the peer's uid. 0, or nng's error */
int port_open(struct port *p, struct loop *l, int (*opener)(nng_socket *), bool ipc,
    const struct port_ops *ops, void *owner);
bool port_send(struct port *p, nng_msg *m); /* takes m when true; false: no room now */
void port_drain(struct port *p);            /* everything that has come in so far, now */
void port_hang_up(uint32_t pipe);           /* closes one pipe; its PORT_DOWN follows */
/* no callback any more; nng_close runs in the background */
void port_close(struct port *p);

#endif
