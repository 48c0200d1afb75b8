/* settings: the key table of api, and what a table can't say. */
#include "api/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/time.h"

#define AT(field) offsetof(struct api_config, field)
#define DAY       (24 * 3600 * SEC)

static bool complain(char *, size_t, const char *);
static bool access_log_parse(const char *, enum access_log *);

const struct config_key api_keys[] = {
	{ "listen", CONFIG_STR, AT(listen), "127.0.0.1:8080", 0, 0, false, true,
	    "address of the HTTP listener, where no supervisor hands one down" },
	{ "behind_proxy", CONFIG_BOOL, AT(behind_proxy), "false", 0, 0, false, true,
	    "a proxy in front speaks TLS: plain HTTP beyond loopback is fine, X-Forwarded-For is "
	    "believed of `proxies`" },
	{ "proxies", CONFIG_STR, AT(proxies), "", 0, 0, false, false,
	    "networks of the proxies that are believed, \"10.0.0.0/8, local\" (local: loopback and "
	    "unix sockets); empty: local" },
	{ "tls_cert", CONFIG_PATH, AT(tls_cert), "", 0, 0, false, false,
	    "certificate chain (PEM): HTTPS, TLS 1.2 and 1.3; read anew at SIGHUP and once a day" },
	{ "tls_key", CONFIG_PATH, AT(tls_key), "", 0, 0, false, false, "private key (PEM)" },
	{ "tls_self_signed", CONFIG_BOOL, AT(tls_self_signed), "false", 0, 0, false, true,
	    "HTTPS for a trial, by a certificate of our own making: VAR/self-signed.pem" },
	{ "hsts", CONFIG_DURATION, AT(hsts_us), "365d", 0, 3650 * DAY, false, false,
	    "with a certificate of yours: how long browsers shall insist on HTTPS; 0: not said" },
	{ "access_log", CONFIG_STR, AT(access_log), "errors", 0, 0, false, false,
	    "off, errors (5xx) or all" },
	{ "metrics_token_file", CONFIG_PATH, AT(metrics_token_file), "", 0, 0, false, false,
	    "a file with the token that /metrics may be read with from elsewhere (and behind a "
	    "proxy); empty: this machine alone" },
	{ "connections", CONFIG_INT, AT(connections), "1000", 8, 65536, false, true,
	    "open connections; for more the longest idle ones are closed, else they wait" },
	{ "address_connections", CONFIG_INT, AT(address_connections), "250", 0, 65536, false, false,
	    "open connections of one address (IPv6: one /64), proxies excepted; more are closed; "
	    "0: no such limit" },
	{ "address_connections_local", CONFIG_BOOL, AT(address_connections_local), "false", 0, 0,
	    false, false, "that limit holds for loopback and unix sockets too" },
	{ "sessions", CONFIG_INT, AT(sessions), "10000", 0, 65536, false, true,
	    "open sessions (WebSockets); for more 503. With TLS each is one of `connections` too" },
	{ "address_sessions", CONFIG_INT, AT(address_sessions), "250", 0, 65536, false, false,
	    "open sessions of one address (IPv6: one /64), as address_connections" },
	{ "session_queue", CONFIG_BYTES, AT(session_queue), "256k", 16 << 10, 16 << 20, false,
	    false, "bytes that wait for the client of a session; what is beyond waits in the log" },
	{ "session_jobs", CONFIG_INT, AT(session_jobs), "32", 1, 1024, false, false,
	    "operations of one session that run side by side" },
	{ "ping_time", CONFIG_DURATION, AT(ping_time_us), "30s", 100 * MS, 3600 * SEC, false, false,
	    "a silent session is asked whether it is there, and cut after twice that" },
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
	{ "gzip_min", CONFIG_BYTES, AT(gzip_min), "1k", 0, 1 << 30, false, false,
	    "smaller bodies of answers are not compressed; 0: none is" },
	{ "gzip_most", CONFIG_BYTES, AT(gzip_most), "256k", 0, 1 << 30, false, false,
	    "larger ones neither: they would hold the others up" },
	{ "cors_origins", CONFIG_STR, AT(cors_origins), "", 0, 0, false, false,
	    "pages that may read our answers, \"https://app.example, http://localhost:3000\", or "
	    "*; "
	    "empty: none of another origin" },
	{ "public_url", CONFIG_STR, AT(public_url), "", 0, 0, false, false,
	    "how users reach us, \"https://metafed.example\": the base of all addresses of the "
	    "authorization server; empty: what each request was sent to" },
	{ "limit", CONFIG_STR, AT(limit), "1000/100", 0, 0, false, false,
	    "requests of one principal, or of one address (IPv6: one /64) where it is not known: "
	    "CAPACITY/REFILL, a token bucket that gets REFILL a second; or off" },
	{ "limit_roles", CONFIG_STR, AT(limit_roles), "admin=off, operator=off, service=off", 0, 0,
	    false, false,
	    "the same for principals with these roles; of several the most generous holds, others "
	    "have `limit`" },
	{ "limit_routes", CONFIG_STR, AT(limit_routes), "", 0, 0, false, false,
	    "further limits, \"POST /v1/auth/login=20/0.2, * /v1/requests*=50/5\"; not for roles "
	    "that are off" },
	{ "limit_idle", CONFIG_DURATION, AT(limit_idle_us), "5m", 1 * SEC, 86400 * SEC, false,
	    false,
	    "a bucket that nobody used for so long is forgotten, but never before it is full" },
	{ "limit_buckets", CONFIG_INT, AT(limit_buckets), "65536", 8, 1 << 24, false, true,
	    "buckets that are kept, 24 bytes each" },
	{ "limit_credentials", CONFIG_INT, AT(limit_credentials), "8192", 4, 1 << 20, false, true,
	    "verified credentials whose principal is remembered, 96 bytes each" },
	{ .name = NULL },
};

bool
settings_build(struct api_settings *out, const struct api_config *c, char *err, size_t err_size)
{
	*out = (struct api_settings){ .c = c };
	if (!access_log_parse(c->access_log, &out->access_log))
		return complain(err, err_size, "access_log: must be off, errors or all");
	if ((c->tls_cert[0] == '\0') != (c->tls_key[0] == '\0'))
		return complain(err, err_size, "tls_cert, tls_key: both or none");
	if (c->tls_self_signed && c->tls_cert[0] != '\0')
		return complain(err, err_size, "tls_self_signed: not with tls_cert");
	if (c->tls_cert[0] != '\0' && c->hsts_us != 0)
		snprintf(
		    out->hsts, sizeof(out->hsts), "max-age=%lld", (long long)(c->hsts_us / SEC));
	if (c->uri_limit > c->connection_memory / 2)
		return complain(err, err_size, "uri_limit: at most half of connection_memory");
	if (!networks_parse(&out->proxies, c->proxies[0] == '\0' ? "local" : c->proxies))
		return complain(err, err_size,
		    "proxies: must be at most 32 addresses, ADDRESS/BITS or local, with commas "
		    "between");
	if (c->proxies[0] != '\0' && !c->behind_proxy)
		return complain(err, err_size, "proxies: needs behind_proxy = true");
	if (!origins_parse(&out->origins, c->cors_origins))
		return complain(err, err_size,
		    "cors_origins: must be *, or at most 32 of https://HOST or https://HOST:PORT "
		    "(or "
		    "http), in lower case, with commas between");
	if (c->public_url[0] != '\0' && !origin_valid(str_of(c->public_url)))
		return complain(err, err_size,
		    "public_url: must be https://HOST or https://HOST:PORT (or http), in lower "
		    "case, with nothing behind it");
	return limits_parse(&out->limits, c->limit, c->limit_roles, c->limit_routes, err, err_size);
}

bool
config_tls(const struct api_config *c)
{
	return c->tls_self_signed || c->tls_cert[0] != '\0';
}

bool
settings_is_proxy(const struct api_settings *s, const struct address *peer)
{
	return s->c->behind_proxy && networks_have(&s->proxies, peer);
}

struct address
settings_client(const struct api_settings *s, const struct address *peer, struct str forwarded_for)
{
	return s->c->behind_proxy ? forwarded_by(peer, forwarded_for, &s->proxies) : *peer;
}

static bool
complain(char *err, size_t err_size, const char *what)
{
	snprintf(err, err_size, "%s", what);
	return false;
}

static bool
access_log_parse(const char *name, enum access_log *out)
{
	static const char *const names[] = { "off", "errors", "all" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0) {
			*out = (enum access_log)i;
			return true;
		}
	return false;
}
