/* relay: see relay.h. One thread, one connection at a time, poll. */
#include "harness/relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/id.h"
#include "base/log.h"

#define RECORD_MAX (1u << 20)
/* of a piece that may hold several frames: within the first, after nng's header */
#define SPOILED_AT 30

struct relay {
	pthread_t thread;
	int listener, stop[2];
	uint16_t to;
	atomic_bool spoil;
	atomic_size_t n;
	uint8_t record[RECORD_MAX];
};

static int listen_on(uint16_t port);
static int dial(uint16_t port);
static struct sockaddr_in loopback(uint16_t port);
static void *run(void *arg);
static bool pump(struct relay *r, int from, int to, bool client);

struct relay *
relay_start(uint16_t port, uint16_t to)
{
	struct relay *r = calloc(1, sizeof(*r));

	must(r != NULL);
	r->to = to;
	r->listener = listen_on(port);
	must(r->listener >= 0 && pipe(r->stop) == 0);
	must(pthread_create(&r->thread, NULL, run, r) == 0);
	return r;
}

void
relay_spoil(struct relay *r)
{
	atomic_store(&r->spoil, true);
}

size_t
relay_recorded(struct relay *r, const uint8_t **p)
{
	*p = r->record;
	return atomic_load(&r->n);
}

void
relay_stop(struct relay **rp)
{
	struct relay *r = *rp;

	must(write(r->stop[1], "", 1) == 1);
	pthread_join(r->thread, NULL);
	close(r->listener);
	close(r->stop[0]);
	close(r->stop[1]);
	free(r);
	*rp = NULL;
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in sin = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(fd, 8) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in sin = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return fd;
	close(fd);
	return -1;
}

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void *
run(void *arg)
{
	struct relay *r = arg;
	int client = -1, server = -1;

	for (;;) {
		struct pollfd p[] = { { r->stop[0], POLLIN, 0 }, { r->listener, POLLIN, 0 },
			{ client, POLLIN, 0 }, { server, POLLIN, 0 } };

		poll(p, 4, -1);
		if (p[0].revents != 0)
			break;
		if ((p[2].revents != 0 && !pump(r, client, server, true)) ||
		    (p[3].revents != 0 && !pump(r, server, client, false))) {
			close(client);
			close(server);
			client = server = -1;
		}
		if (p[1].revents != 0 && client < 0) {
			client = accept(r->listener, NULL, NULL);
			server = dial(r->to);
			atomic_store(&r->n, 0);
		}
	}
	if (client >= 0)
		close(client);
	if (server >= 0)
		close(server);
	return NULL;
}

static bool
pump(struct relay *r, int from, int to, bool client)
{
	uint8_t b[65536];
	ssize_t n = read(from, b, sizeof(b));
	size_t at = atomic_load(&r->n);

	if (n <= 0)
		return false;
	if (client && atomic_exchange(&r->spoil, false))
		b[n > SPOILED_AT ? SPOILED_AT : n - 1] ^= 1;
	if (client && at + (size_t)n <= RECORD_MAX) {
		memcpy(r->record + at, b, (size_t)n);
		atomic_store(&r->n, at + (size_t)n);
	}
	return write(to, b, (size_t)n) == n;
}
