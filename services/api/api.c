/* api: the order in which its parts start and stop. */
#include "api/api.h"

#include "base/log.h"

static bool listen_allowed(const struct api_config *, int);

const char *const api_capabilities[] = { "http", "routing", "failover", "metrics", NULL };

static struct edge *edge;

bool
api_check(const void *config, char *err, size_t err_size)
{
	struct api_settings s;

	return settings_build(&s, config, err, err_size);
}

bool
api_init(struct node *n)
{
	const struct api_config *c = node_config(n);
	struct edge_opts o = {
		.node = n, .fd = node_listener(n), .handed_down = node_listener(n) >= 0
	};
	char err[256];

	forward_init(node_bus(n));
	scrape_init(node_bus(n));
	if (!o.handed_down && (o.fd = listener_open(c->listen, err, sizeof(err))) < 0) {
		log_error("listener_failed", L_STR("address", c->listen), L_STR("why", err));
		return false;
	}
	if (!listen_allowed(c, o.fd))
		return false;
	if (c->tls_cert[0] != '\0' &&
	    ((o.tls_cert = listener_read_pem(c->tls_cert, err, sizeof(err))) == NULL ||
		(o.tls_key = listener_read_pem(c->tls_key, err, sizeof(err))) == NULL)) {
		log_error("tls_failed", L_STR("why", err));
		return false;
	}
	if ((edge = edge_new(&o, err, sizeof(err))) == NULL) {
		log_error("edge_failed", L_STR("why", err));
		return false;
	}
	log_info("listening", L_STR("address", o.handed_down ? "handed down" : c->listen),
	    L_BOOL("tls", o.tls_cert != NULL), L_BOOL("handed_down", o.handed_down));
	node_ready(n);
	return true;
}

void
api_reload(struct node *n, const void *old_config, const void *new_config)
{
	(void)n, (void)old_config;
	edge_reload(edge, new_config);
}

void
api_drain(struct node *n)
{
	(void)n;
	edge_drain(edge);
}

bool
api_drained(struct node *n)
{
	(void)n;
	return edge_empty(edge);
}

void
api_fini(struct node *n)
{
	(void)n;
	edge_free(&edge);
}

/* Passwords and tokens travel here. */
static bool
listen_allowed(const struct api_config *c, int fd)
{
	if (!listener_is_public(fd) || c->behind_proxy || c->tls_cert[0] != '\0')
		return true;
	log_error("listener_refused",
	    L_STR("why", "HTTP beyond loopback needs tls_cert and tls_key, or behind_proxy = true "
			 "where a proxy speaks TLS"));
	return false;
}
