/* settings: the configuration of api with its texts understood. Built where it stands, over the old
 * one, so that who points into it points to what holds now. That can't fail halfway: a configuration
 * is built once for trial (api_check) before the node takes it. */
#ifndef API_SETTINGS_H
#define API_SETTINGS_H

#include "api/address.h"
#include "api/cors.h"
#include "api/limits.h"
#include "base/config.h"

enum access_log { ACCESS_OFF, ACCESS_ERRORS, ACCESS_ALL };

struct api_config {         /* as api_keys says */
	const char *listen; /* without a supervisor */
	bool behind_proxy;
	const char *proxies;
	const char *tls_cert, *tls_key; /* PEM files; both or none */
	bool tls_self_signed;
	int64_t hsts_us;
	const char *access_log;
	const char *metrics_token_file;
	int64_t connections;
	int64_t address_connections;
	bool address_connections_local;
	int64_t sessions, address_sessions;
	int64_t session_queue;
	int64_t session_jobs;
	int64_t ping_time_us;
	int64_t connection_memory;
	int64_t uri_limit;
	int64_t body_limit;
	int64_t head_time_us;
	int64_t body_time_us;
	int64_t idle_time_us;
	int64_t send_time_us;
	int64_t request_time_us;
	int64_t gone_grace_us;
	int64_t drain_idle_us;
	int64_t gzip_min, gzip_most;
	const char *cors_origins;
	const char *public_url;
	const char *limit, *limit_roles, *limit_routes;
	int64_t limit_idle_us;
	int64_t limit_buckets, limit_credentials;
};
extern const struct config_key api_keys[];

struct api_settings {
	const struct api_config *c; /* the node's; holds until its next reload */
	struct networks proxies;
	enum access_log access_log;
	char hsts[48]; /* Strict-Transport-Security; "": not said */
	struct origins origins;
	struct limits limits;
};

/* False: err says which key is wrong and why. It points into itself: not to be copied. */
bool
settings_build(struct api_settings *out, const struct api_config *c, char *err, size_t err_size);
bool config_tls(const struct api_config *c);
/* What this peer says about whom it forwards for is believed. */
bool settings_is_proxy(const struct api_settings *s, const struct address *peer);
/* Whom a request is from. */
struct address
settings_client(const struct api_settings *s, const struct address *peer, struct str forwarded_for);

#endif
