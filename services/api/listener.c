/* listener: the listening socket, when no supervisor hands one down. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"

static bool split(const char *, char *, size_t, char *, size_t);
static int bind_one(const struct addrinfo *);

#define BACKLOG 1024 /* connections that wait while a node is replaced */

int
listener_open(const char *address, char *err, size_t err_size)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	char host[64], port[8];
	int fd;

	if (!split(address, host, sizeof(host), port, sizeof(port)) ||
	    getaddrinfo(host, port, &hints, &list) != 0) {
		snprintf(err, err_size, "must be ADDRESS:PORT or [ADDRESS]:PORT, in numbers");
		return -1;
	}
	fd = bind_one(list);
	if (fd < 0)
		snprintf(err, err_size, "%s", strerror(errno));
	freeaddrinfo(list);
	return fd;
}

bool
listener_is_public(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		return true;
	switch (a.ss_family) {
	case AF_INET:
		return (ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24) != 127;
	case AF_INET6:
		return !IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr);
	case AF_UNIX:
		return false;
	default:
		return true;
	}
}

static bool
split(const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
	const char *colon = strrchr(address, ':');
	size_t n = colon == NULL ? 0 : (size_t)(colon - address);

	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	if (n == 0 || n >= host_size || strlen(colon + 1) >= port_size)
		return false;
	memcpy(host, address, n);
	host[n] = '\0';
	memcpy(port, colon + 1, strlen(colon + 1) + 1);
	return true;
}

static int
bind_one(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1,
	    why;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}
