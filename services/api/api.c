/* api: its configuration, and the order in which its parts start and stop. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"

#define AT(field) offsetof(struct api_config, field)

static bool listen_allowed(const struct api_config *, int);

const char *const api_capabilities[] = { "http", "routing", "failover", "metrics", NULL };

const struct config_key api_keys[] = {
	{ "listen", CONFIG_STR, AT(listen), "127.0.0.1:8080", 0, 0, false, true,
	    "address of the HTTP listener, where no supervisor hands one down" },
	{ "behind_proxy", CONFIG_BOOL, AT(behind_proxy), "false", 0, 0, false, true,
	    "a proxy in front speaks TLS: plain HTTP beyond loopback is fine, X-Forwarded-For is "
	    "believed" },
	{ "tls_cert", CONFIG_PATH, AT(tls_cert), "", 0, 0, false, true,
	    "certificate chain (PEM): HTTPS" },
	{ "tls_key", CONFIG_PATH, AT(tls_key), "", 0, 0, false, true, "private key (PEM)" },
	{ "access_log", CONFIG_STR, AT(access_log), "errors", 0, 0, false, false,
	    "off, errors (5xx) or all" },
	{ "connections", CONFIG_INT, AT(connections), "1000", 8, 65536, false, true,
	    "open connections; more wait" },
	{ "connection_memory", CONFIG_BYTES, AT(connection_memory), "16k", 4096, 1 << 20, false,
	    true, "bytes of a connection's head and answer; cleared after each request" },
	{ "uri_limit", CONFIG_BYTES, AT(uri_limit), "8k", 256, 1 << 20, false, false,
	    "longer targets: 414" },
	{ "body_limit", CONFIG_BYTES, AT(body_limit), "1m", 1024, 3 << 20, false, false,
	    "larger bodies: 413" },
	{ "head_time", CONFIG_DURATION, AT(head_time_us), "10s", 100 * MS, 600 * SEC, false, false,
	    "from the connection to the end of its first head" },
	{ "body_time", CONFIG_DURATION, AT(body_time_us), "30s", 100 * MS, 600 * SEC, false, false,
	    "from the head to the end of the body" },
	{ "idle_time", CONFIG_DURATION, AT(idle_time_us), "75s", 100 * MS, 3600 * SEC, false, false,
	    "from an answer to the end of the next head" },
	{ "send_time", CONFIG_DURATION, AT(send_time_us), "30s", 100 * MS, 600 * SEC, false, false,
	    "for a client to take its answer" },
	{ "request_time", CONFIG_DURATION, AT(request_time_us), "30s", 10 * MS, 600 * SEC, false,
	    false, "deadline of a request" },
	{ "gone_grace", CONFIG_DURATION, AT(gone_grace_us), "100ms", 0, 60 * SEC, false, false,
	    "a client that only closed its sending side gets an answer that comes within this" },
	{ "drain_idle", CONFIG_DURATION, AT(drain_idle_us), "500ms", 0, 60 * SEC, false, false,
	    "while draining: how long an idle connection may still bring a request" },
	{ .name = NULL },
};

static struct edge *edge;

bool
api_check(const void *config, char *err, size_t err_size)
{
	const struct api_config *c = config;

	if (strcmp(c->access_log, "off") != 0 && strcmp(c->access_log, "errors") != 0 &&
	    strcmp(c->access_log, "all") != 0)
		snprintf(err, err_size, "access_log: must be off, errors or all");
	else if ((c->tls_cert[0] == '\0') != (c->tls_key[0] == '\0'))
		snprintf(err, err_size, "tls_cert, tls_key: both or none");
	else if (c->uri_limit > c->connection_memory / 2)
		snprintf(err, err_size, "uri_limit: at most half of connection_memory");
	else
		return true;
	return false;
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

enum access_log
access_log_of(const char *name)
{
	return strcmp(name, "off") == 0   ? ACCESS_OFF
	       : strcmp(name, "all") == 0 ? ACCESS_ALL
	                                  : ACCESS_ERRORS;
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
