/* local: who answers a request. The index, the probes and the metrics page are api's own; an agent
 * has everything under /v1, /graphql, the dashboard, and what describes them. */
#include <string.h>

#include "api/api.h"
#include "api/ops/web.h"
#include "api/stream.h"

static bool is_agents(const char *);
static void index_page(struct exchange *);
static void livez(struct exchange *);
static void readyz(struct exchange *);
static void options(struct exchange *);
static void no_such_path(struct exchange *);
static bool is_version(const char *);

static const struct {
	const char *path;
	void (*answer)(struct exchange *);
} own[] = {
	{ "/", index_page },
	{ "/v1", index_page },
	{ "/livez", livez },
	{ "/readyz", readyz },
	{ "/metrics", scrape },
};

static const struct http_header json = { "Content-Type", "application/json" };

void
dispatch(struct exchange *x)
{
	static const struct failure no_method = {
		.status = ST_UNIMPLEMENTED,
		.message = "the resource does not have this method",
		.reason = "METHOD_NOT_ALLOWED",
	};
	const char *path = exchange_path(x);
	enum http_method m = exchange_head(x)->method;

	if (ws_wanted(x)) {
		ws_open(x);
		return;
	}
	if (stream_wanted(x)) {
		stream_open(x);
		return;
	}
	if (is_agents(path)) {
		forward(x);
		return;
	}
	if (strcmp(path, "*") == 0) {
		options(x);
		return;
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(own[i].path, path) != 0)
			continue;
		if (m == M_GET || m == M_HEAD)
			own[i].answer(x);
		else if (m == M_OPTIONS)
			options(x);
		else
			exchange_refuse(x, 405, &no_method);
		return;
	}
	no_such_path(x);
}

bool
is_probe(const char *path)
{
	return strcmp(path, "/livez") == 0 || strcmp(path, "/readyz") == 0;
}

static bool
is_agents(const char *path)
{
	static const char *const whole[] = { "/health", "/graphql", "/openapi.json", "/docs",
		"/ui" };
	static const char *const below[] = { "/v1/", "/docs/", "/ui/" };

	if (web_path(path) != NULL)
		return true;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		if (str_starts(path, below[i]))
			return true;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (strcmp(whole[i], path) == 0)
			return true;
	return false;
}

/* Where to go from here. */
static void
index_page(struct exchange *x)
{
	static const char body[] =
	    "{\"name\":\"metafed\",\"version\":\"" METAFED_VERSION "\",\"versions\":[\"v1\"],"
	    "\"links\":{\"api\":\"/v1\",\"openapi\":\"/openapi.json\",\"docs\":\"/docs\","
	    "\"ui\":\"/ui\",\"graphql\":\"/graphql\",\"websocket\":\"/v1/ws\","
	    "\"events\":\"/v1/events\",\"health\":\"/health\",\"livez\":\"/livez\",\"readyz\":\"/"
	    "readyz\","
	    "\"metrics\":\"/metrics\"}}";

	exchange_answer(x, 200, 1, &json, body, sizeof(body) - 1);
}

/* The process runs and its loop turns: that is all it says. */
static void
livez(struct exchange *x)
{
	static const char body[] = "{\"status\":\"alive\"}";

	exchange_answer(x, 200, 1, &json, body, sizeof(body) - 1);
}

/* Ready: an API agent can be called, and level 0 behind it. */
static void
readyz(struct exchange *x)
{
	static const char body[] = "{\"status\":\"ready\"}";
	static const struct failure not_ready = {
		.status = ST_UNAVAILABLE,
		.message = "no API agent, or meta, can be reached",
		.reason = "NOT_READY",
		.retry_ms = 1000,
	};

	if (forward_ready() && !edge_draining(exchange_edge(x)))
		exchange_answer(x, 200, 1, &json, body, sizeof(body) - 1);
	else
		exchange_refuse(x, 503, &not_ready);
}

static void
options(struct exchange *x)
{
	static const struct http_header allow = { "Allow", "GET, HEAD, OPTIONS" };

	exchange_answer(x, 204, 1, &allow, "", 0);
}

static void
no_such_path(struct exchange *x)
{
	static const struct failure f = {
		.status = ST_NOT_FOUND,
		.message = "there is no such resource",
		.reason = "NO_RESOURCE",
	};
	static const struct failure no_version = {
		.status = ST_NOT_FOUND,
		.message = "there is no such version of the API; there is: v1",
		.reason = "NO_API_VERSION",
	};

	exchange_refuse(x, 404, is_version(exchange_path(x)) ? &no_version : &f);
}

/* "/v2", "/v10/tasks". */
static bool
is_version(const char *path)
{
	size_t digits = path[1] == 'v' ? strspn(path + 2, "0123456789") : 0;

	return digits != 0 && (path[2 + digits] == '\0' || path[2 + digits] == '/');
}
