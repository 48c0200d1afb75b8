/* port: one nng socket of the bell (pub or sub) on the loop: messages in and out without waiting.
 *
 * Messages are taken by the loop itself when nng's descriptor is readable: one hand-over between
 * threads less than with a receive callback. */
#ifndef BUS_PORT_H
#define BUS_PORT_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stddef.h>
#include "node/loop.h"

struct port;

/* m stays the port's; the port may be closed in here */
typedef void port_message_fn(struct port *p, nng_msg *m);

struct port {
	struct loop *loop;
	port_message_fn *message;
	void *owner;
	nng_socket sock;
	uv_poll_t *poll;
	nng_aio *in, *out; /* never pending when a function has returned */
	bool open;
};

/* opener: nng_pub0_open or nng_sub0_open; ipc: a peer of another uid than ours and root's is
 * refused. 0, or nng's error */
int port_open(struct port *p, struct loop *l, int (*opener)(nng_socket *), bool ipc,
    port_message_fn *message, void *owner);
bool port_send(struct port *p, nng_msg *m); /* takes m when true; false: no room now */
/* no callback any more; nng_close runs in the background */
void port_close(struct port *p);

#endif
