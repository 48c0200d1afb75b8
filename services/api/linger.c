/* linger: see linger.h. */
#include "api/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define MOST       64
#define TIME_US    (2 * SEC)
#define BYTES_MOST (4 << 20)
#define AT_ONCE    16 /* reads before others have their turn */

struct lingering {
	int fd;
	uv_poll_t poll;
	struct timer limit;
	size_t bytes;
};

static void on_readable(uv_poll_t *, int, int);
static void on_limit(struct timer *);
static void finish(struct lingering *);
static void on_closed(uv_handle_t *);

static unsigned lingering;

void
linger(struct loop *l, int fd)
{
	struct lingering *g;
	int own = lingering < MOST ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (own < 0)
		return;
	lingering++;
	g = mem_zalloc(sizeof(*g));
	g->fd = own;
	must(uv_poll_init(loop_uv(l), &g->poll, own) == 0);
	g->poll.data = g;
	must(uv_poll_start(&g->poll, UV_READABLE, on_readable) == 0);
	timer_init(&g->limit, l, on_limit);
	timer_in(&g->limit, TIME_US);
	shutdown(own, SHUT_WR);
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	static char room[64 << 10];
	struct lingering *g = h->data;

	(void)events;
	for (int i = 0; status == 0 && i < AT_ONCE; i++) {
		ssize_t n = recv(g->fd, room, sizeof(room), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || (g->bytes += (size_t)n) > BYTES_MOST)
			status = -1;
	}
	if (status < 0)
		finish(g);
}

static void
on_limit(struct timer *t)
{
	finish(container_of(t, struct lingering, limit));
}

static void
finish(struct lingering *g)
{
	timer_stop(&g->limit);
	uv_close((uv_handle_t *)&g->poll, on_closed);
	close(g->fd);
	lingering--;
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}
