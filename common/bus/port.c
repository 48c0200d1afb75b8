/* port: see port.h. Called by bell.c.
 *
 * nng_close can wait for long, so a thread of its own does it. Send and receive use two operations
 * of ours without a callback and with a time limit of zero: they are over when nng returns, no
 * thread is woken for their completion. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "bus/port.h"
#include "bus/wire.h"

#define PORT_BATCH 64 /* messages taken before others on the loop have their turn */
#define PORT_QUEUE 64 /* messages between nng's threads and the loop, each way */

static int port_setup(struct port *p, bool ipc);
static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg);
static void on_readable(uv_poll_t *h, int status, int events);
static bool take_one(struct port *p);
static void on_poll_closed(uv_handle_t *h);
static void *close_socket(void *arg);

int
port_open(struct port *p, struct loop *l, int (*opener)(nng_socket *), bool ipc,
    port_message_fn *message, void *owner)
{
	int rv;

	*p = (struct port){ .loop = l, .message = message, .owner = owner };
	if ((rv = opener(&p->sock)) != 0)
		return rv;
	p->open = true;
	if ((rv = port_setup(p, ipc)) != 0)
		port_close(p);
	return rv;
}

bool
port_send(struct port *p, nng_msg *m)
{
	nng_aio_set_msg(p->out, m);
	nng_send_aio(p->sock, p->out);
	nng_aio_wait(p->out);
	return nng_aio_result(p->out) == 0;
}

void
port_close(struct port *p)
{
	pthread_attr_t attr;
	pthread_t t;

	if (!p->open)
		return;
	p->open = false;
	if (p->poll != NULL) {
		uv_poll_stop(p->poll);
		uv_close((uv_handle_t *)p->poll, on_poll_closed);
	}
	nng_aio_free(p->in);
	nng_aio_free(p->out);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&t, &attr, close_socket, (void *)(uintptr_t)p->sock.id) != 0)
		log_warn("bus_close_failed",
		    L_STR("why", "no thread")); /* the socket ends with the process */
	pthread_attr_destroy(&attr);
}

static int
port_setup(struct port *p, bool ipc)
{
	int fd, rv;

	if ((rv = nng_aio_alloc(&p->in, NULL, NULL)) != 0 ||
	    (rv = nng_aio_alloc(&p->out, NULL, NULL)) != 0)
		return rv;
	nng_aio_set_timeout(p->in, NNG_DURATION_ZERO);
	nng_aio_set_timeout(p->out, NNG_DURATION_ZERO);
	(void)nng_socket_set_size(p->sock, NNG_OPT_RECVMAXSZ, WIRE_CALL_MAX + (64u << 10));
	(void)nng_socket_set_int(p->sock, NNG_OPT_RECVBUF, PORT_QUEUE);
	(void)nng_socket_set_int(p->sock, NNG_OPT_SENDBUF, PORT_QUEUE);
	(void)nng_socket_set_bool(p->sock, NNG_OPT_TCP_KEEPALIVE, true);
	(void)nng_socket_set_ms(p->sock, NNG_OPT_RECONNMINT, 10);
	(void)nng_socket_set_ms(p->sock, NNG_OPT_RECONNMAXT, 200);
	if (ipc && (rv = nng_pipe_notify(p->sock, NNG_PIPE_EV_ADD_PRE, on_pipe, NULL)) != 0)
		return rv;
	if (nng_socket_get_int(p->sock, NNG_OPT_RECVFD, &fd) != 0)
		return 0; /* a publisher hears nothing */
	p->poll = mem_zalloc(sizeof(*p->poll));
	p->poll->data = p;
	must(uv_poll_init(loop_uv(p->loop), p->poll, fd) == 0);
	must(uv_poll_start(p->poll, UV_READABLE, on_readable) == 0);
	return 0;
}

/* On a thread of nng, before the pipe exists for anybody. Root asks a fleet of another user, e.g. as
 * its operator: then the directory, private to its owner, is what decides. */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	uint64_t uid;

	(void)ev, (void)arg;
	if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) == 0 &&
	    (uid == 0 || uid == geteuid() || geteuid() == 0))
		return;
	nng_pipe_close(pipe);
	log_warn("bus_peer_refused", L_STR("why", "uid"));
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct port *p = h->data;

	(void)status, (void)events;
	for (int i = 0; i < PORT_BATCH && p->open; i++)
		if (!take_one(p))
			break;
}

static bool
take_one(struct port *p)
{
	nng_msg *m;

	nng_recv_aio(p->sock, p->in);
	nng_aio_wait(p->in);
	if (nng_aio_result(p->in) != 0)
		return false;
	m = nng_aio_get_msg(p->in);
	p->message(p, m);
	nng_msg_free(m);
	return true;
}

static void
on_poll_closed(uv_handle_t *h)
{
	free(h);
}

static void *
close_socket(void *arg)
{
	nng_socket s = { .id = (uint32_t)(uintptr_t)arg };

	nng_close(s);
	return NULL;
}

/* In place of libc's, for nng. A peer that goes away before our half of the handshake is written
 * makes nng's write fail with EPIPE, which nng 1.5 takes for "the listener is closed": it never
 * accepts anybody again. ECONNRESET it takes for what it is. */
ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t n = syscall(SYS_sendmsg, fd, m, flags);

	if (n < 0 && errno == EPIPE)
		errno = ECONNRESET;
	return n;
}
