/* fuzz: a connection to a listener that says anything, in two pieces. The first byte says where it
 * is cut and whether a handshake goes before; what is delivered must lie within what was said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "bus/sp_impl.h"

#define BODY_MAX 4096u

static struct sp *listener;
static size_t delivered;

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
on_up(void *owner, struct sp_conn *c)
{
	(void)owner, (void)c;
}

static void
on_message(void *owner, struct sp_conn *c, const struct sp_message *m)
{
	(void)owner, (void)c;
	must(m->header_n >= 4 && m->header_n <= SP_HEADER_MAX && m->header_n % 4 == 0);
	must((m->header[m->header_n - 4] & 0x80) != 0);
	must(m->body == m->header + m->header_n && m->header_n + m->n <= BODY_MAX);
	delivered += m->header_n + m->n + 9;
	memset(m->body, 0, m->n); /* ours to change */
}

static void
on_down(void *owner, struct sp_conn *c)
{
	(void)owner, (void)c;
}

static void
on_refused(void *owner, const char *why)
{
	(void)owner;
	must(why[0] != '\0');
}

static void
start(void)
{
	static const struct sp_ops ops = { on_up, on_message, on_down, on_refused };
	char dir[] = "/tmp/fuzz-sp-XXXXXX", url[64], err[160];

	must(mkdtemp(dir) != NULL);
	snprintf(url, sizeof(url), "ipc://%s/s", dir);
	listener = sp_listen(
	    &(const struct sp_opts){
		.loop = loop_new(), .role = SP_REP, .url = url, .ops = &ops, .body_max = BODY_MAX },
	    err, sizeof(err));
	must(listener != NULL);
	(void)unlink(url + strlen("ipc://"));
	(void)rmdir(dir);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int fd[2];
	size_t cut;

	if (listener == NULL)
		start();
	if (n == 0 || n > 16384)
		return 0;
	cut = (size_t)(p[0] & 0x7f) * (n - 1) / 127;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	delivered = 0;
	(void)sp_conn_new(listener, fd[0], false);
	if ((p[0] & 0x80) != 0)
		(void)send(fd[1], "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL);
	(void)send(fd[1], p + 1, cut, MSG_NOSIGNAL);
	uv_run(loop_uv(listener->loop), UV_RUN_NOWAIT);
	(void)send(fd[1], p + 1 + cut, n - 1 - cut, MSG_NOSIGNAL);
	close(fd[1]);
	for (int i = 0; i < 100 && listener->conns.n > 0; i++)
		uv_run(loop_uv(listener->loop), UV_RUN_NOWAIT);
	must(listener->conns.n == 0 && delivered <= n - 1);
	return 0;
}
