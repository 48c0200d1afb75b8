/* rawhttp: see rawhttp.h. */
#include "harness/rawhttp.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/time.h"

static unsigned complete_answers(const char *, size_t);

uint16_t raw_port;

int
raw_dial(void)
{
	return raw_dial_from(NULL);
}

int
raw_dial_from(const char *own_address)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(raw_port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if ((own_address == NULL || (inet_pton(AF_INET, own_address, &from.sin_addr) == 1 &&
					bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0)) &&
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

void
raw_say(int fd, const char *text)
{
	raw_say_n(fd, text, strlen(text));
}

void
raw_say_n(int fd, const char *p, size_t n)
{
	while (n != 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0)
			return; /* the server closed: what it said is read by the caller */
		p += k;
		n -= (size_t)k;
	}
}

size_t
raw_hear(int fd, char *out, size_t size, int limit_ms, unsigned ends)
{
	size_t n = 0;

	out[0] = '\0';
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t k;

		if ((ends != 0 && complete_answers(out, n) >= ends) || n + 1 >= size ||
		    poll(&p, 1, limit_ms) != 1)
			return n;
		if ((k = recv(fd, out + n, size - 1 - n, 0)) <= 0)
			return n;
		n += (size_t)k;
		out[n] = '\0';
	}
}

int
raw_status(const char *text)
{
	return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

int
raw_ask(const char *request, char *out, size_t size)
{
	int fd = raw_dial();

	if (fd < 0)
		return -1;
	raw_say(fd, request);
	raw_hear(fd, out, size, 3000, 1);
	close(fd);
	return raw_status(out);
}

bool
raw_closes(int fd, int limit_ms)
{
	int64_t until = time_now_us() + limit_ms * MS;
	char out[1024];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = (until - time_now_us()) / MS;

		if (left <= 0 || poll(&p, 1, (int)left) != 1)
			return false;
		if (recv(fd, out, sizeof(out), 0) <= 0)
			return true;
	}
}

const char *
raw_header(const char *answer, const char *name, char *out, size_t size)
{
	const char *blank = strstr(answer, "\r\n\r\n"), *at = answer;
	size_t n = strlen(name);

	out[0] = '\0';
	while (blank != NULL && (at = strstr(at, "\r\n")) != NULL && (at += 2) < blank) {
		if (strncasecmp(at, name, n) != 0 || at[n] != ':')
			continue;
		at += n + 1;
		at += strspn(at, " \t");
		snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
		break;
	}
	return out;
}

static unsigned
complete_answers(const char *out, size_t n)
{
	unsigned complete = 0;
	const char *at = out;

	while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
		const char *blank = strstr(at, "\r\n\r\n"),
			   *length = strcasestr(at, "content-length: ");
		size_t body = length != NULL && (blank == NULL || length < blank)
		                  ? strtoul(length + 16, NULL, 10)
		                  : 0;

		if (blank == NULL || (size_t)(out + n - (blank + 4)) < body)
			break;
		complete++;
		at = blank + 4 + body;
	}
	return complete;
}
