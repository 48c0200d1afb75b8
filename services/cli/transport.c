/* transport: the two ways to the fleet. Over the bus the request goes to an API agent as api would
 * send it; over HTTP to api. Neither knows of tokens beyond putting the one it is given into the
 * header. */
#include <curl/curl.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include "client/client.h"

#define TIMEOUT_S    60L
#define HEADERS_MOST 4 /* beyond our own */

struct way {
	struct client *client; /* bus */
	CURL *curl;            /* HTTP */
	struct buf body;
	char etag[96], location[160];
	struct answer answer;
};

static void way_open(struct cli *);
static void send_bus(struct cli *, const struct query *);
static void send_http(struct cli *, const struct query *);
static size_t on_body(char *, size_t, size_t, void *);
static size_t on_header(char *, size_t, size_t, void *);
static void keep_header(struct way *, struct str, struct str);
static const char *lower(struct arena *, const char *);
static void finish(struct cli *, const char *);
static Mf__KeyValue *header(struct arena *, const char *, const char *);
static char *unreachable(struct cli *, const char *);

const struct answer *
way_send(struct cli *cli, const struct query *q)
{
	struct way *w;

	if (cli->way == NULL)
		way_open(cli);
	w = cli->way;
	if (w->client == NULL && w->curl == NULL)
		return &w->answer; /* says why */
	json_decref(w->answer.json);
	w->answer = (struct answer){ .etag = w->etag, .location = w->location };
	w->etag[0] = w->location[0] = '\0';
	w->body.n = 0;
	if (w->client != NULL)
		send_bus(cli, q);
	else
		send_http(cli, q);
	return &w->answer;
}

void
way_close(struct cli *cli)
{
	struct way *w = cli->way;

	if (w == NULL)
		return;
	cli->way = NULL;
	json_decref(w->answer.json);
	client_close(&w->client);
	if (w->curl != NULL)
		curl_easy_cleanup(w->curl);
	buf_free(&w->body);
	free(w);
}

static void
way_open(struct cli *cli)
{
	struct way *w = cli->way = calloc(1, sizeof(*w));
	char err[256] = "";

	if (w == NULL)
		abort();
	w->answer.etag = w->etag;
	w->answer.location = w->location;
	if (cli->url != NULL) {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		w->curl = curl_easy_init();
	} else {
		w->client = client_open_with(
		    &(const struct client_opts){ .var = cli->var_given ? cli->var : NULL }, err,
		    sizeof(err));
	}
	if (w->curl == NULL && w->client == NULL)
		w->answer.problem = unreachable(cli, err);
}

static void
send_bus(struct cli *cli, const struct query *q)
{
	struct way *w = cli->way;
	Mf__HttpRequest r = MF__HTTP_REQUEST__INIT;
	Mf__KeyValue *headers[4 + HEADERS_MOST];
	const Mf__HttpResponse *m;
	struct failure f;

	r.method = (char *)(uintptr_t)q->method;
	r.path = (char *)(uintptr_t)q->path;
	r.query = (char *)(uintptr_t)(q->params != NULL ? q->params : "");
	r.headers = headers;
	if (cli->access_token[0] != '\0')
		headers[r.n_headers++] = header(cli->arena, "authorization",
		    arena_printf(cli->arena, "Bearer %s", cli->access_token));
	if (q->body != NULL)
		headers[r.n_headers++] = header(cli->arena, "content-type",
		    q->content_type != NULL ? q->content_type : "application/json");
	if (q->if_match != NULL)
		headers[r.n_headers++] = header(cli->arena, "if-match", q->if_match);
	for (const char *const *h = q->headers; h != NULL && *h != NULL; h += 2) {
		must(r.n_headers < sizeof(headers) / sizeof(headers[0]));
		headers[r.n_headers++] = header(cli->arena, lower(cli->arena, h[0]), h[1]);
	}
	r.body.data = (uint8_t *)(uintptr_t)q->body;
	r.body.len = q->body != NULL ? q->n : 0;
	m = client_http(w->client, &r, &f);
	if (m == NULL && f.status == ST_PERMISSION_DENIED) {
		w->answer.status = 403;
		w->answer.problem = arena_printf(
		    cli->arena, "the fleet does not let this key speak for people: %s", f.message);
		return;
	}
	if (m == NULL) {
		w->answer.problem = unreachable(cli, f.message);
		return;
	}
	w->answer.status = (int)m->status;
	buf_add(&w->body, m->body.data, m->body.len);
	for (size_t i = 0; i < m->n_headers; i++)
		keep_header(w, str_of(m->headers[i]->key), str_of(m->headers[i]->value));
	finish(cli, NULL);
}

static void
send_http(struct cli *cli, const struct query *q)
{
	struct way *w = cli->way;
	struct curl_slist *headers = NULL;
	char error[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode rc;

	curl_easy_reset(w->curl);
	curl_easy_setopt(w->curl, CURLOPT_URL,
	    arena_printf(cli->arena, "%s%s%s%s", cli->url, q->path,
		q->params != NULL && q->params[0] != '\0' ? "?" : "",
		q->params != NULL ? q->params : ""));
	curl_easy_setopt(w->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(w->curl, CURLOPT_CUSTOMREQUEST, q->method);
	curl_easy_setopt(w->curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(w->curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(w->curl, CURLOPT_WRITEDATA, w);
	curl_easy_setopt(w->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(w->curl, CURLOPT_HEADERDATA, w);
	if (cli->access_token[0] != '\0')
		headers = curl_slist_append(headers,
		    arena_printf(cli->arena, "Authorization: Bearer %s", cli->access_token));
	if (q->if_match != NULL)
		headers = curl_slist_append(
		    headers, arena_printf(cli->arena, "If-Match: %s", q->if_match));
	if (q->body != NULL) {
		headers = curl_slist_append(
		    headers, arena_printf(cli->arena, "Content-Type: %s",
				 q->content_type != NULL ? q->content_type : "application/json"));
		curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, q->body);
		curl_easy_setopt(w->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->n);
	}
	for (const char *const *h = q->headers; h != NULL && *h != NULL; h += 2)
		headers =
		    curl_slist_append(headers, arena_printf(cli->arena, "%s: %s", h[0], h[1]));
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, headers);
	rc = curl_easy_perform(w->curl);
	curl_slist_free_all(headers);
	if (rc == CURLE_OK) {
		curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
		w->answer.status = (int)status;
	}
	finish(cli, rc == CURLE_OK ? NULL : error[0] != '\0' ? error : curl_easy_strerror(rc));
}

static size_t
on_body(char *p, size_t one, size_t n, void *ctx)
{
	buf_add(&((struct way *)ctx)->body, p, one * n);
	return one * n;
}

static size_t
on_header(char *p, size_t one, size_t n, void *ctx)
{
	struct way *w = ctx;
	struct str name, value;

	if (str_cut((struct str){ p, one * n }, ':', &name, &value)) {
		while (
		    value.n > 0 && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
			value.n--;
		keep_header(w, name, str_trim(value));
	}
	return one * n;
}

static void
keep_header(struct way *w, struct str name, struct str value)
{
	if (name.n == 4 && strncasecmp(name.p, "etag", 4) == 0)
		snprintf(w->etag, sizeof(w->etag), "%.*s", (int)value.n, value.p);
	if (name.n == 8 && strncasecmp(name.p, "location", 8) == 0)
		snprintf(w->location, sizeof(w->location), "%.*s", (int)value.n, value.p);
	if (name.n == 16 && strncasecmp(name.p, "metafed-degraded", 16) == 0)
		w->answer.degraded = value.n == 4 && memcmp(value.p, "true", 4) == 0;
}

/* Parses the body; a status beyond 2xx gets its one line from the problem document. */
static void
finish(struct cli *cli, const char *error)
{
	struct way *w = cli->way;
	const char *detail;

	buf_add(&w->body, "", 1);
	w->body.n--;
	w->answer.body = w->body.p;
	w->answer.n = w->body.n;
	if (error != NULL) {
		w->answer.problem = unreachable(cli, error);
		return;
	}
	w->answer.json =
	    w->body.n > 0 ? json_loadb(w->body.p, w->body.n, JSON_DECODE_ANY, NULL) : NULL;
	if (w->answer.status >= 200 && w->answer.status <= 299)
		return;
	detail = json_string_value(json_object_get(w->answer.json, "detail"));
	if (detail == NULL)
		detail = json_string_value(json_object_get(w->answer.json, "title"));
	w->answer.problem = arena_printf(
	    cli->arena, "%s (status %d)", detail != NULL ? detail : "refused", w->answer.status);
}

static Mf__KeyValue *
header(struct arena *a, const char *key, const char *value)
{
	Mf__KeyValue *h = ARENA_NEW(a, Mf__KeyValue);

	mf__key_value__init(h);
	h->key = (char *)(uintptr_t)key;
	h->value = (char *)(uintptr_t)value;
	return h;
}

static const char *
lower(struct arena *a, const char *name)
{
	char *out = arena_strdup(a, name);

	for (char *c = out; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return out;
}

static char *
unreachable(struct cli *cli, const char *why)
{
	const struct client *c = cli->way->client;

	if (cli->url != NULL)
		return arena_printf(cli->arena, "no answer from %s: %s", cli->url, why);
	if (c == NULL) /* it says what is wrong */
		return arena_printf(cli->arena, "%s%s", why,
		    access(cli->var, F_OK) == 0 ? "" : "; --var DIR says where it is");
	if (strstr(client_where(c), "://") != NULL)
		return arena_printf(cli->arena, "no answer over %s: %s", client_where(c), why);
	if (access(arena_printf(cli->arena, "%s/run/bus", cli->var), X_OK) < 0)
		return errno == EACCES
		           ? arena_printf(cli->arena,
				 "%s: permission denied; its own user or root may enter, --url is "
				 "for others",
				 cli->var)
		           : arena_printf(cli->arena,
				 "%s: no fleet there; --var DIR says where it is", cli->var);
	return arena_printf(
	    cli->arena, "no answer from %s: %s; does a fleet run there?", cli->var, why);
}
