/* api: the order in which its parts start and stop. */
#include "api/api.h"

#include <limits.h>
#include <stdio.h>

#include "api/tls.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define DAY_US (24 * 3600 * SEC)

static bool listen_allowed(const struct api_config *, int);
static bool show_certificate(struct node *, const struct api_config *, char *, size_t);
static void watch_certificate(struct node *);
static void on_day(struct timer *);

const char *const api_capabilities[] = { "http", "routing", "failover", "metrics", NULL };

static struct edge *edge;
static struct {
	struct timer timer;
	struct node *n; /* NULL: no TLS */
} daily;

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
	access_init(node_bus(n));
	if (!scrape_configure(c->metrics_token_file, err, sizeof(err))) {
		log_error("metrics_token_failed", L_STR("why", err));
		return false;
	}
	if (!o.handed_down && (o.fd = listener_open(c->listen, err, sizeof(err))) < 0) {
		log_error("listener_failed", L_STR("address", c->listen), L_STR("why", err));
		return false;
	}
	if (!listen_allowed(c, o.fd))
		return false;
	o.tls = config_tls(c);
	if (o.tls && !show_certificate(n, c, err, sizeof(err))) {
		log_error("tls_failed", L_STR("why", err));
		return false;
	}
	if ((edge = edge_new(&o, err, sizeof(err))) == NULL) {
		log_error("edge_failed", L_STR("why", err));
		return false;
	}
	log_info("listening", L_STR("address", o.handed_down ? "handed down" : c->listen),
	    L_BOOL("tls", o.tls), L_BOOL("handed_down", o.handed_down));
	if (c->behind_proxy && c->proxies[0] == '\0' && listener_is_public(o.fd))
		log_warn("proxies_not_named",
		    L_STR("why",
			"behind_proxy without proxies: X-Forwarded-For is believed of this "
			"machine's own addresses only; name the proxy's network in proxies, "
			"or all its clients are one"));
	node_ready(n);
	if (o.tls)
		watch_certificate(n);
	return true;
}

void
api_reload(struct node *n, const void *old_config, const void *new_config)
{
	const struct api_config *c = new_config;
	char err[256];

	(void)old_config;
	edge_reload(edge, c);
	if (!scrape_configure(c->metrics_token_file, err, sizeof(err)))
		log_error("metrics_token_failed", L_STR("why", err));
	if (edge_tls(edge) != config_tls(c))
		log_warn("config_needs_restart", L_STR("key", "tls_cert"));
	else if (edge_tls(edge) && !show_certificate(n, c, err, sizeof(err)))
		log_error("tls_not_reloaded", L_STR("why", err));
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
	if (daily.n != NULL)
		timer_stop(&daily.timer);
	edge_free(&edge);
	tls_unload();
}

static bool
show_certificate(struct node *n, const struct api_config *c, char *err, size_t err_size)
{
	const char *cert = c->tls_cert, *key = c->tls_key;
	char self[PATH_MAX];

	if (c->tls_self_signed) {
		snprintf(self, sizeof(self), "%s/self-signed.pem", node_var(n));
		if (!tls_self_signed(self, err, err_size))
			return false;
		cert = key = self;
	}
	if (!tls_load(node_loop(n), cert, key, 2 * c->head_time_us, err, err_size))
		return false;
	metric_set(metric_simple(METRIC_GAUGE, "metafed_tls_certificate_end_timestamp_seconds",
		       "When the certificate that is shown ends, since 1970."),
	    (double)tls_expires());
	return true;
}

/* Our own is made anew in time; who brought his own hears of its end while there is time, or has it
 * read again without SIGHUP. */
static void
watch_certificate(struct node *n)
{
	if (daily.n == NULL)
		timer_init(&daily.timer, node_loop(n), on_day);
	daily.n = n;
	timer_in(&daily.timer, DAY_US);
}

static void
on_day(struct timer *t)
{
	char err[256];

	(void)t;
	if (!show_certificate(daily.n, node_config(daily.n), err, sizeof(err)))
		log_error("tls_not_reloaded", L_STR("why", err));
	watch_certificate(daily.n);
}

/* Passwords and tokens travel here. */
static bool
listen_allowed(const struct api_config *c, int fd)
{
	if ((listener_is_public(fd) || c->behind_proxy) && c->public_url[0] == '\0')
		log_warn("public_url_unset",
		    L_STR("why", "by its Host each request says what our own address is: set "
				 "public_url before OAuth and DPoP are used"));
	if (!listener_is_public(fd) || c->behind_proxy || config_tls(c))
		return true;
	log_error("listener_refused",
	    L_STR("why", "HTTP beyond loopback needs tls_cert and tls_key, or tls_self_signed = "
			 "true for a trial, or behind_proxy = true where a proxy speaks TLS"));
	return false;
}
