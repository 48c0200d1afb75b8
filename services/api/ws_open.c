/* ws_open: from a request to a session. 101 is said only when the whole handshake holds and there is
 * room for a session.
 *
 * Once upgraded, the session has a descriptor of its own, and libmicrohttpd is done with the
 * connection at once: it would keep its 16 KiB, and walk over every connection that it holds
 * suspended whenever another one is resumed. Only with TLS it stays, as the one that encrypts. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exchange.h"
#include "api/live.h"
#include "api/ws_hello.h"
#include "base/log.h"
#include "base/mem.h"

struct tls_end { /* of libmicrohttpd's, while it encrypts for us */
	struct MHD_UpgradeResponseHandle *upgrade;
	struct edge *e;
};

static const struct ws_resource {
	const char *path;
	bool also_http; /* without an Upgrade to it it is a resource like any other */
	const char *speaks[3];
	const char *otherwise; /* as ws_hello has it */
} resources[] = {
	{ "/v1/ws", false, { "metafed.v1", NULL }, NULL },
	/* Who offers nothing known gets no answer to that, and is closed with 4406: by the session,
	 * where his program sees it. A refusal of the handshake would tell it nothing. */
	{ "/graphql", true, { "graphql-transport-ws", NULL }, "" },
};

static const struct ws_resource *resource_of(const struct exchange *);
static const struct http_refusal *
look(struct exchange *, const struct ws_resource *, struct ws_hello *);
static enum MHD_Result
on_field(void *, enum MHD_ValueKind, const char *, size_t, const char *, size_t);
static void on_upgraded(void *, struct MHD_Connection *, void *, const char *, size_t, MHD_socket,
    struct MHD_UpgradeResponseHandle *);
static void on_released(void *);

bool
ws_wanted(const struct exchange *x)
{
	const struct ws_resource *r = resource_of(x);
	const char *to;

	if (r == NULL || !r->also_http)
		return r != NULL;
	to = MHD_lookup_connection_value(x->m, MHD_HEADER_KIND, MHD_HTTP_HEADER_UPGRADE);
	return to != NULL && strcasestr(to, "websocket") != NULL; /* to h2c is nothing to us */
}

void
ws_open(struct exchange *x)
{
	struct http_header headers[4];
	char accept[WS_ACCEPT_LEN];
	const struct http_refusal *r;
	struct ws_hello h;
	size_t n = 0;

	if ((r = look(x, resource_of(x), &h)) == NULL)
		r = live_refuses(edge_live(x->e), &x->from);
	if (r != NULL) {
		answer_refusal(x, r);
		return;
	}
	ws_hello_accept(h.key, accept);
	headers[n++] = (struct http_header){ "Upgrade", "websocket" };
	headers[n++] = (struct http_header){ "Sec-WebSocket-Accept", accept };
	if (h.offers && h.protocol[0] != '\0')
		headers[n++] = (struct http_header){ "Sec-WebSocket-Protocol", h.protocol };
	x->subprotocol = h.protocol;
	answer_upgrade(x, on_upgraded, n, headers);
}

static const struct ws_resource *
resource_of(const struct exchange *x)
{
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		if (strcmp(resources[i].path, x->path) == 0)
			return &resources[i];
	return NULL;
}

static const struct http_refusal *
look(struct exchange *x, const struct ws_resource *r, struct ws_hello *h)
{
	must(r != NULL); /* ws_wanted has said so */
	ws_hello_start(h, r->speaks);
	h->otherwise = r->otherwise;
	MHD_get_connection_values_n(x->m, MHD_HEADER_KIND, on_field, h);
	return ws_hello_check(h, &x->head, x->version, &edge_settings(x->e)->origins);
}

static enum MHD_Result
on_field(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
    size_t value_n)
{
	(void)kind;
	ws_hello_field(
	    ctx, (struct str){ name, name_n }, (struct str){ value == NULL ? "" : value, value_n });
	return MHD_YES;
}

/* The answer has left. What is in the connection's memory goes with libmicrohttpd's part of it. */
static void
on_upgraded(void *edge, struct MHD_Connection *m, void *own, const char *early, size_t early_n,
    MHD_socket socket, struct MHD_UpgradeResponseHandle *upgrade)
{
	struct edge *e = edge;
	struct exchange *x = own;
	struct arena *a = arena_new(1 << 20);
	Mf__HttpRequest q = MF__HTTP_REQUEST__INIT;
	struct live_opening o = { .fd = fcntl(socket, F_DUPFD_CLOEXEC, 0),
		.protocol = x->subprotocol,
		.request = &q,
		.from = &x->from,
		.charge = &x->charge,
		.early = early,
		.early_n = early_n };
	const int on = 1;

	(void)m;
	conn_enter(x->k, CONN_UPGRADED, NULL);
	forward_fill(x, a, &q);
	if (edge_tls(e) && o.fd >= 0) {
		struct tls_end *end = mem_zalloc(sizeof(*end));

		*end = (struct tls_end){ upgrade, e };
		o.release = on_released;
		o.release_ctx = end;
	} else {
		(void)setsockopt(o.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
		edge_run(e);
	}
	if (o.fd >= 0)
		live_open(edge_live(e), &o);
	else
		log_warn("session_lost", L_STR("why", strerror(errno)));
	arena_free(&a);
}

static void
on_released(void *ctx)
{
	struct tls_end *end = ctx;

	MHD_upgrade_action(end->upgrade, MHD_UPGRADE_ACTION_CLOSE);
	edge_run(end->e);
	free(end);
}
