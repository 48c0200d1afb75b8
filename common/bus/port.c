/* port: see port.h. Called by lane.c, visitor.c and bell.c.
 *
 * nng_close can wait for long, so a thread of its own does it; what nng's callbacks touch (the tap)
 * is counted and outlives both. Send and receive use two operations of ours without a callback and
 * with a time limit of zero: they are over when nng returns, no thread is woken for their
 * completion. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/log.h"
#include "bus/port.h"
#include "bus/wire.h"

/* messages taken before others on the loop have their turn */
#define PORT_BATCH 64
#define PORT_QUEUE 64 /* frames between nng's threads and the loop, each way */

struct port_tap {
	atomic_int refs; /* the port, events under way, the closing thread */
	pthread_mutex_t lock;
	struct port *port; /* NULL: closed */
	struct loop *loop;
	nng_socket sock;
	bool ipc;
};

struct pipe_event {
	struct loop_msg msg;
	struct port_tap *tap;
	uint32_t pipe;
	enum port_event event;
};

static int port_setup(struct port *p);
static bool uid_ok(nng_pipe pipe);
static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg);
static void on_event(struct loop_msg *m);
static void on_readable(uv_poll_t *h, int status, int events);
static bool take_one(struct port *p);
static void on_poll_closed(uv_handle_t *h);
static void *close_socket(void *arg);
static void tap_release(struct port_tap *t);

int
port_open(struct port *p, struct loop *l, int (*opener)(nng_socket *), bool ipc,
    const struct port_ops *ops, void *owner)
{
	int rv;

	*p = (struct port){ .loop = l, .ops = ops, .owner = owner };
	if ((rv = opener(&p->sock)) != 0)
		return rv;
	p->open = true;
	p->tap = calloc(1, sizeof(*p->tap));
	must(p->tap != NULL);
	atomic_init(&p->tap->refs, 1);
	pthread_mutex_init(&p->tap->lock, NULL);
	p->tap->port = p;
	p->tap->loop = l;
	p->tap->sock = p->sock;
	p->tap->ipc = ipc;
	if ((rv = port_setup(p)) != 0)
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
port_drain(struct port *p)
{
	while (p->open && take_one(p))
		continue;
}

void
port_hang_up(uint32_t pipe)
{
	nng_pipe p = { pipe };

	(void)nng_pipe_close(p);
}

void
port_close(struct port *p)
{
	pthread_attr_t attr;
	pthread_t t;

	if (!p->open)
		return;
	p->open = false;
	pthread_mutex_lock(&p->tap->lock);
	p->tap->port = NULL;
	pthread_mutex_unlock(&p->tap->lock);
	if (p->poll != NULL) {
		uv_poll_stop(p->poll);
		uv_close((uv_handle_t *)p->poll, on_poll_closed);
	}
	nng_aio_free(p->in);
	nng_aio_free(p->out);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&t, &attr, close_socket, p->tap) != 0)
		log_warn("bus_close_failed",
		    L_STR("why", "no thread")); /* the socket ends with the process */
	pthread_attr_destroy(&attr);
}

static int
port_setup(struct port *p)
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
	for (nng_pipe_ev ev = NNG_PIPE_EV_ADD_PRE; ev <= NNG_PIPE_EV_REM_POST; ev++)
		if ((rv = nng_pipe_notify(p->sock, ev, on_pipe, p->tap)) != 0)
			return rv;
	if (nng_socket_get_int(p->sock, NNG_OPT_RECVFD, &fd) != 0)
		return 0; /* a publisher hears nothing */
	p->poll = calloc(1, sizeof(*p->poll));
	must(p->poll != NULL);
	p->poll->data = p;
	must(uv_poll_init(loop_uv(p->loop), p->poll, fd) == 0);
	must(uv_poll_start(p->poll, UV_READABLE, on_readable) == 0);
	return 0;
}

/* Root asks a fleet of another user, e.g. as its operator: then the directory, private to its
 * owner, is what decides. */
static bool
uid_ok(nng_pipe pipe)
{
	uint64_t uid;

	return nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) == 0 &&
	       (uid == 0 || uid == geteuid() || geteuid() == 0);
}

/* On a thread of nng. ADD_PRE may refuse the pipe; then nobody hears of it. */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct port_tap *t = arg;
	struct pipe_event *e;
	enum port_event what = ev == NNG_PIPE_EV_REM_POST ? PORT_DOWN : PORT_UP;

	if (ev == NNG_PIPE_EV_ADD_PRE) {
		if (!t->ipc || uid_ok(pipe))
			return;
		nng_pipe_close(pipe);
		what = PORT_REFUSED;
	}
	pthread_mutex_lock(&t->lock);
	if (t->port != NULL && (e = calloc(1, sizeof(*e))) != NULL) {
		e->msg.fn = on_event;
		e->tap = t;
		e->pipe = (uint32_t)nng_pipe_id(pipe);
		e->event = what;
		atomic_fetch_add(&t->refs, 1);
		loop_post(t->loop, &e->msg);
	}
	pthread_mutex_unlock(&t->lock);
}

static void
on_event(struct loop_msg *m)
{
	struct pipe_event *e = container_of(m, struct pipe_event, msg);
	struct port *p = e->tap->port; /* changed on this thread only */

	if (p != NULL)
		p->ops->pipe(p, e->pipe, e->event);
	tap_release(e->tap);
	free(e);
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
	p->ops->message(p, m);
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
	struct port_tap *t = arg;

	nng_close(t->sock);
	tap_release(t);
	return NULL;
}

static void
tap_release(struct port_tap *t)
{
	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
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
