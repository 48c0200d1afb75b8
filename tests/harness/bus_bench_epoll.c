/* bus_bench_epoll: messages of fixed size over a unix socket, epoll, one thread per process: the
 * limit of what can be had. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "harness/bus_bench.h"

#define BATCH (BUS_BENCH_BYTES * BUS_BENCH_MOST)

struct epoll_end {
	int fd, ep;
};

static struct sockaddr_un
address(const char *dir, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	must(snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s.sock", dir, name) <
	     (int)sizeof(sun.sun_path));
	return sun;
}

static int
dial(const char *dir, const char *name)
{
	struct sockaddr_un sun = address(dir, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (int tries = 0; connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0; tries++) {
		must(tries < 500);
		usleep(10000);
	}
	return fd;
}

static void
watch(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
}

static void
write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			_exit(0); /* the other end is gone: over */
		p += w;
		n -= (size_t)w;
	}
}

/* Whole messages only: what is left of the last one is read too. */
static size_t
read_some(int fd, uint8_t *p)
{
	ssize_t n = read(fd, p, BATCH), more;

	if (n <= 0)
		return 0;
	while (n % BUS_BENCH_BYTES != 0) {
		more = read(fd, p + n, (size_t)(BUS_BENCH_BYTES - n % BUS_BENCH_BYTES));
		if (more <= 0)
			return 0;
		n += more;
	}
	return (size_t)n;
}

/* One caller at a time; callers come one after the other. With a next process, all goes there and
 * comes back in order. */
static void
epoll_serve(const char *dir, const char *name, const char *next)
{
	struct sockaddr_un sun = address(dir, name);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    ep = epoll_create1(EPOLL_CLOEXEC);
	int out = next == NULL ? -1 : dial(dir, next), in = -1;
	static uint8_t b[BATCH + BUS_BENCH_BYTES];
	struct epoll_event ev;
	size_t n;

	must(bind(listener, (struct sockaddr *)&sun, sizeof(sun)) == 0 && listen(listener, 8) == 0);
	watch(ep, listener);
	if (out >= 0)
		watch(ep, out);
	for (;;) {
		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		if (ev.data.fd == listener) {
			in = accept(listener, NULL, NULL);
			watch(ep, in);
			continue;
		}
		n = read_some(ev.data.fd, b);
		if (n == 0)
			close(ev.data.fd);
		else if (out < 0)
			write_all(ev.data.fd, b, n);
		else
			write_all(ev.data.fd == out ? in : out, b, n);
	}
}

static void *
epoll_open(const char *dir, const char *name)
{
	struct epoll_end *e = calloc(1, sizeof(*e));

	must(e != NULL);
	e->fd = dial(dir, name);
	e->ep = epoll_create1(EPOLL_CLOEXEC);
	watch(e->ep, e->fd);
	return e;
}

static void
epoll_run(void *end, unsigned in_flight, int64_t us, bool slow, struct bench_result *r)
{
	static uint8_t b[BATCH + BUS_BENCH_BYTES];
	struct epoll_end *e = end;
	int64_t start = time_now_us(), sent[BUS_BENCH_MOST], now;
	unsigned out = in_flight, first = 0, last = 0;
	struct epoll_event ev;

	(void)slow;
	for (unsigned i = 0; i < in_flight; i++)
		sent[last++ % BUS_BENCH_MOST] = start;
	write_all(e->fd, b, in_flight * BUS_BENCH_BYTES);
	while (out > 0) {
		unsigned n;

		if (epoll_wait(e->ep, &ev, 1, -1) != 1)
			continue;
		n = (unsigned)(read_some(e->fd, b) / BUS_BENCH_BYTES);
		must(n > 0);
		now = time_now_us();
		r->calls += n;
		for (unsigned i = 0; i < n; i++)
			hist_add(&r->latency, now - sent[first++ % BUS_BENCH_MOST]);
		if (now < start + us) {
			for (unsigned i = 0; i < n; i++)
				sent[last++ % BUS_BENCH_MOST] = now;
			write_all(e->fd, b, n * BUS_BENCH_BYTES);
		} else {
			out -= n;
		}
	}
	r->took_us = time_now_us() - start;
}

const struct bus_way way_epoll = { "raw unix socket, epoll (the limit)", "epoll", epoll_serve,
	epoll_open, epoll_run };
