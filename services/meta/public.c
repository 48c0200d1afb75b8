/* public: see public.h. Plain HTTP that strangers can reach would carry tokens in the clear:
 * refused, unless the operator says that api speaks TLS (api itself holds him to it), or that a
 * proxy in front of us does. */
#include "meta/public.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/str.h"

/* what waits while `api` is away; the kernel caps it at net.core.somaxconn */
#define BACKLOG 4096

struct address {
	struct sockaddr_storage at;
	socklen_t size;
	bool loopback;
};

static bool parse(const char *text, struct address *a);

bool
public_check(const char *address, bool encrypted, char *err, size_t n)
{
	struct address a;

	if (!parse(address, &a)) {
		snprintf(
		    err, n, "listen: \"%s\" is not ADDRESS:PORT with a numeric address", address);
		return false;
	}
	if (!a.loopback && !encrypted) {
		snprintf(err, n,
		    "listen: %s is reachable from outside and HTTP is not encrypted; listen on "
		    "127.0.0.1, or let api speak TLS and set tls = yes, or put a TLS proxy in "
		    "front and set behind_proxy = yes",
		    address);
		return false;
	}
	return true;
}

int
public_open(const char *address, char *err, size_t n)
{
	struct address a;
	int fd, on = 1;

	if (!parse(address, &a)) {
		snprintf(err, n, "listen: \"%s\" is not ADDRESS:PORT", address);
		return -1;
	}
	fd = socket(a.at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&a.at, a.size) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	snprintf(err, n, "listen on %s: %s%s", address, strerror(errno),
	    errno == EADDRINUSE ? "; another program uses that port, choose another `listen`" : "");
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
public_name(int fd, char *out, size_t n)
{
	struct sockaddr_storage at = { 0 };
	socklen_t size = sizeof(at), one = sizeof(int);
	char host[INET6_ADDRSTRLEN];
	int listening = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &one) < 0 || !listening ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return false;
	if (at.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&at;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, n, "%s:%u", host, ntohs(in->sin_port));
		return true;
	}
	if (at.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&at;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, n, "[%s]:%u", host, ntohs(in6->sin6_port));
		return true;
	}
	return false;
}

static bool
parse(const char *text, struct address *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->at;
	const char *colon = strrchr(text, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t port;

	memset(a, 0, sizeof(*a));
	if (len == 0 || len >= sizeof(host) || !str_u64(str_of(colon + 1), 65535, &port))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		a->size = sizeof(*in6);
		a->loopback = inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 &&
		              IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	a->size = sizeof(*in);
	if (inet_pton(
		AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in->sin_addr) != 1)
		return false;
	a->loopback = (ntohl(in->sin_addr.s_addr) >> 24) == 127;
	return true;
}
