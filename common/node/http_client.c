/* http_client: see http_client.h. libcurl's multi interface tells which sockets it waits for and until
 * when; libuv waits. Everything is of the loop thread. */
#include "node/http_client.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "node/libcurl.h"

#define CONNECTIONS_MOST 32L      /* at once; what is more waits within its time */
#define HEADERS_MAX      65536    /* bytes of an answer's header */
#define MAX_AGE_MOST     31536000 /* seconds */

struct http_client {
	struct loop *loop;
	struct timer timer; /* libcurl's */
	CURLM *multi;       /* NULL: nobody has asked yet */
	struct list fetches, sockets;
	char *proxy, *ca_file;
};

struct http_fetch {
	struct link link;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	char *form; /* or another body */
	size_t n_form;
	struct buf body;
	size_t most, n_headers;
	bool too_large;
	char error[CURL_ERROR_SIZE];
	http_done_fn *done;
	void *ctx;
};

struct socket_watch {
	struct link link;
	uv_poll_t poll;
	struct http_client *client;
	curl_socket_t fd;
};

static void begin_curl(struct http_client *h);
static void set_up(struct http_fetch *f, const struct http_get *q);
static int on_timer_wish(CURLM *multi, long ms, void *ctx);
static void on_timer(struct timer *t);
static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *watch);
static void unwatch(struct socket_watch *w);
static size_t on_body(char *p, size_t one, size_t n, void *ctx);
static size_t on_header(char *p, size_t one, size_t n, void *ctx);
static void take_finished(struct http_client *h);
static void finish(struct http_fetch *f, CURLcode rc);
static void fetch_free(struct http_fetch *f);
static bool is_clean(const char *url, bool *is_http, bool *is_local);

struct http_client *
http_client_new(struct loop *l, const struct http_client_opts *o)
{
	struct http_client *h = mem_zalloc(sizeof(*h));

	h->loop = l;
	h->proxy = strdup(o->proxy != NULL ? o->proxy : "");
	h->ca_file = strdup(o->ca_file != NULL ? o->ca_file : "");
	must(h->proxy != NULL && h->ca_file != NULL);
	list_init(&h->fetches);
	list_init(&h->sockets);
	timer_init(&h->timer, l, on_timer);
	return h;
}

void
http_client_free(struct http_client **h)
{
	struct http_client *x = *h;

	if (x == NULL)
		return;
	*h = NULL;
	LIST_EACH(&x->fetches, k)
		fetch_free(container_of(k, struct http_fetch, link));
	if (x->multi != NULL)
		(void)libcurl()->multi_cleanup(x->multi);
	LIST_EACH(&x->sockets, k)
		unwatch(container_of(k, struct socket_watch, link));
	timer_stop(&x->timer);
	free(x->proxy);
	free(x->ca_file);
	free(x);
}

static void
begin_curl(struct http_client *h)
{
	if (h->multi != NULL)
		return;
	h->multi = libcurl()->multi_init();
	must(h->multi != NULL);
	libcurl()->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
	libcurl()->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	libcurl()->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
	libcurl()->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	libcurl()->multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MOST);
	libcurl()->multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MOST / 4);
}

/* --- one request --- */

struct http_fetch *
http_client_start(struct http_client *h, const struct http_get *q, http_done_fn *done, void *ctx)
{
	struct http_fetch *f = mem_zalloc(sizeof(*f));

	begin_curl(h);
	f->client = h;
	f->most = q->most;
	f->done = done;
	f->ctx = ctx;
	f->easy = libcurl()->easy_init();
	must(f->easy != NULL);
	set_up(f, q);
	list_add(&h->fetches, &f->link);
	/* It only asks for a timer: nothing happens before the loop turns. */
	must(libcurl()->multi_add_handle(h->multi, f->easy) == CURLM_OK);
	return f;
}

static void
add_header(struct http_fetch *f, const char *name, const char *value)
{
	struct buf b = { 0 };

	buf_printf(&b, "%s: %s", name, value);
	f->headers = libcurl()->slist_append(f->headers, b.p);
	must(f->headers != NULL);
	sodium_memzero(b.p, b.n);
	buf_free(&b);
}

static void
set_body(struct http_fetch *f, struct str body)
{
	f->n_form = body.n;
	f->form = mem_zalloc(body.n + 1);
	memcpy(f->form, body.p, body.n);
	libcurl()->easy_setopt(f->easy, CURLOPT_POSTFIELDS, f->form);
	libcurl()->easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	f->headers = libcurl()->slist_append(f->headers, "Expect:");
	must(f->headers != NULL);
}

static void
set_up(struct http_fetch *f, const struct http_get *q)
{
	const struct http_client *h = f->client;
	bool is_plain = false;
	/* What may be asked was judged before; here a mistake is refused by libcurl once more. */
	bool ok = http_client_url_ok(q->url, true, &is_plain);

	libcurl()->easy_setopt(f->easy, CURLOPT_PRIVATE, f);
	libcurl()->easy_setopt(f->easy, CURLOPT_URL, q->url);
	if (q->plain && !ok)
		is_plain = http_client_url_plain_ok(q->url);
	libcurl()->easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https");
	libcurl()->easy_setopt(f->easy, CURLOPT_FOLLOWLOCATION, 0L);
	libcurl()->easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	/* "" is none, not the environment's; and our loopback is not the proxy's. */
	libcurl()->easy_setopt(f->easy, CURLOPT_PROXY, is_plain ? "" : h->proxy);
	libcurl()->easy_setopt(f->easy, CURLOPT_NOPROXY, "");
	if (h->ca_file[0] != '\0')
		libcurl()->easy_setopt(f->easy, CURLOPT_CAINFO, h->ca_file);
	libcurl()->easy_setopt(f->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	libcurl()->easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
	/* A look-up that nobody waits for ends by itself: its thread is not joined on the loop. */
	libcurl()->easy_setopt(f->easy, CURLOPT_QUICK_EXIT, 1L);
	libcurl()->easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, (long)(q->limit_us / MS + 1));
	libcurl()->easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->error);
	libcurl()->easy_setopt(f->easy, CURLOPT_USERAGENT, "metafed/" METAFED_VERSION);
	libcurl()->easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body);
	libcurl()->easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	libcurl()->easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, on_header);
	libcurl()->easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
	add_header(f, "Accept", q->accept != NULL ? q->accept : "application/json");
	if (q->authorization != NULL)
		add_header(f, "Authorization", q->authorization);
	for (size_t i = 0; q->headers != NULL && q->headers[i] != NULL; i++) {
		f->headers = libcurl()->slist_append(f->headers, q->headers[i]);
		must(f->headers != NULL);
	}
	if (q->form != NULL) {
		set_body(f, str_of(q->form));
	} else if (q->body.p != NULL) {
		add_header(f, "Content-Type", q->body_type);
		if (q->body_encoding != NULL)
			add_header(f, "Content-Encoding", q->body_encoding);
		set_body(f, q->body);
	}
	libcurl()->easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
}

void
http_client_cancel(struct http_fetch **f)
{
	if (*f != NULL)
		fetch_free(*f);
	*f = NULL;
}

static void
fetch_free(struct http_fetch *f)
{
	list_del(&f->client->fetches, &f->link);
	(void)libcurl()->multi_remove_handle(f->client->multi, f->easy);
	libcurl()->easy_cleanup(f->easy);
	for (struct curl_slist *s = f->headers; s != NULL; s = s->next)
		sodium_memzero(s->data, strlen(s->data));
	libcurl()->slist_free_all(f->headers);
	if (f->form != NULL)
		sodium_memzero(f->form, f->n_form);
	free(f->form);
	if (f->body.p != NULL) /* a token endpoint's answer */
		sodium_memzero(f->body.p, f->body.n);
	buf_free(&f->body);
	free(f);
}

static size_t
on_body(char *p, size_t one, size_t n, void *ctx)
{
	struct http_fetch *f = ctx;

	if (one * n > f->most - f->body.n) {
		f->too_large = true;
		return 0;
	}
	buf_add(&f->body, p, one * n);
	return one * n;
}

static size_t
on_header(char *p, size_t one, size_t n, void *ctx)
{
	struct http_fetch *f = ctx;

	(void)p;
	f->n_headers += one * n;
	f->too_large = f->too_large || f->n_headers > HEADERS_MAX;
	return f->too_large ? 0 : one * n;
}

/* --- libcurl on the loop --- */

static int
on_timer_wish(CURLM *multi, long ms, void *ctx)
{
	struct http_client *h = ctx;

	(void)multi;
	if (ms < 0)
		timer_stop(&h->timer);
	else
		timer_in(&h->timer, ms * MS);
	return 0;
}

static void
on_timer(struct timer *t)
{
	struct http_client *h = container_of(t, struct http_client, timer);
	int running;

	(void)libcurl()->multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(h);
}

static void
on_poll(uv_poll_t *p, int error, int events)
{
	const struct socket_watch *w = container_of(p, struct socket_watch, poll);
	struct http_client *h = w->client;
	int running, flags = error != 0 ? CURL_CSELECT_ERR : 0;

	flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
	flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
	(void)libcurl()->multi_socket_action(h->multi, w->fd, flags, &running);
	take_finished(h);
}

static int
on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *watch)
{
	struct http_client *h = ctx;
	struct socket_watch *w = watch;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			unwatch(w);
		(void)libcurl()->multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->client = h;
		w->fd = fd;
		must(uv_poll_init(loop_uv(h->loop), &w->poll, fd) == 0);
		list_add(&h->sockets, &w->link);
		(void)libcurl()->multi_assign(h->multi, fd, w);
	}
	events |= what != CURL_POLL_OUT ? UV_READABLE : 0;
	events |= what != CURL_POLL_IN ? UV_WRITABLE : 0;
	must(uv_poll_start(&w->poll, events, on_poll) == 0);
	return 0;
}

static void
on_unwatched(uv_handle_t *h)
{
	free(container_of(h, struct socket_watch, poll));
}

static void
unwatch(struct socket_watch *w)
{
	list_del(&w->client->sockets, &w->link);
	uv_close((uv_handle_t *)&w->poll, on_unwatched);
}

static void
take_finished(struct http_client *h)
{
	CURLMsg *m;
	int left;

	while ((m = libcurl()->multi_info_read(h->multi, &left)) != NULL) {
		char *f = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)libcurl()->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
		finish((struct http_fetch *)(void *)f, m->data.result);
	}
}

/* --- the answer --- */

static int64_t
max_age(CURL *easy)
{
	struct curl_header *header;
	int64_t age = -1;
	struct str rest, one;

	for (size_t i = 0; libcurl()->easy_header(
			       easy, "cache-control", i, CURLH_HEADER, -1, &header) == CURLHE_OK;
	     i++)
		for (rest = str_of(header->value); rest.n > 0;) {
			uint64_t n;

			(void)str_cut(rest, ',', &one, &rest);
			one = str_trim(one);
			if ((one.n == 8 && strncasecmp(one.p, "no-store", 8) == 0) ||
			    (one.n == 8 && strncasecmp(one.p, "no-cache", 8) == 0))
				return 0;
			if (one.n > 8 && strncasecmp(one.p, "max-age=", 8) == 0 &&
			    str_u64((struct str){ one.p + 8, one.n - 8 }, MAX_AGE_MOST, &n))
				age = (int64_t)n;
		}
	return age;
}

/* Seconds, or a date (RFC 9110, 10.2.3). */
static int64_t
retry_after(CURL *easy)
{
	struct curl_header *header;
	uint64_t n;
	time_t at;

	if (libcurl()->easy_header(easy, "retry-after", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return -1;
	if (str_u64(str_of(header->value), MAX_AGE_MOST, &n))
		return (int64_t)n;
	at = libcurl()->getdate(header->value, NULL);
	if (at < 0)
		return -1;
	return at > time_wall_us() / SEC ? at - time_wall_us() / SEC : 0;
}

static const char *
why_not(const struct http_fetch *f, CURLcode rc)
{
	/* What libcurl says of a header line beyond its own bound; real memory ends the process. */
	if (f->too_large || rc == CURLE_OUT_OF_MEMORY)
		return "the answer is too large";
	return f->error[0] != '\0' ? f->error : libcurl()->easy_strerror(rc);
}

static void
finish(struct http_fetch *f, CURLcode rc)
{
	struct http_got m = { .type = "", .body = "" };
	char type[80] = "";
	const char *said = NULL;
	long status = 0;

	if (rc != CURLE_OK) {
		f->done(NULL, why_not(f, rc), f->ctx);
		fetch_free(f);
		return;
	}
	(void)libcurl()->easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)libcurl()->easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &said);
	for (size_t i = 0; said != NULL && i + 1 < sizeof(type) && said[i] > ' ' && said[i] != ';';
	     i++)
		type[i] = said[i] >= 'A' && said[i] <= 'Z' ? (char)(said[i] + 32) : said[i];
	m.status = (int)status;
	m.type = type;
	m.max_age_s = max_age(f->easy);
	m.retry_after_s = retry_after(f->easy);
	m.n = f->body.n;
	buf_add(&f->body, "", 1);
	m.body = f->body.p;
	f->done(&m, NULL, f->ctx);
	fetch_free(f);
}

/* --- what may be asked --- */

static bool
is_loopback(const char *host)
{
	struct in_addr v4;

	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static bool
part(CURLU *u, CURLUPart which, char **out)
{
	return libcurl()->url_get(u, which, out, 0) == CURLUE_OK;
}

bool
http_client_url_ok(const char *url, bool loopback, bool *is_loopback_http)
{
	bool plain, local, ok = is_clean(url, &plain, &local);

	if (is_loopback_http != NULL)
		*is_loopback_http = ok && plain && local && loopback;
	return ok && (!plain || (local && loopback));
}

bool
http_client_url_plain_ok(const char *url)
{
	bool plain, local;

	return is_clean(url, &plain, &local);
}

/* http or https, and nothing in it that does not belong there. */
static bool
is_clean(const char *url, bool *is_http, bool *is_local)
{
	char *scheme = NULL, *host = NULL, *unwanted = NULL;
	bool ok = false;
	CURLU *u = libcurl()->url();

	*is_http = *is_local = false;

	must(u != NULL);
	for (const char *c = url; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || c - url >= HTTP_CLIENT_URL_MAX)
			goto out;
	if (libcurl()->url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    !part(u, CURLUPART_SCHEME, &scheme) || !part(u, CURLUPART_HOST, &host) ||
	    part(u, CURLUPART_USER, &unwanted) || part(u, CURLUPART_PASSWORD, &unwanted) ||
	    strchr(url, '#') != NULL)
		goto out;
	*is_http = strcmp(scheme, "http") == 0;
	*is_local = is_loopback(host);
	ok = *is_http || strcmp(scheme, "https") == 0;
out:
	libcurl()->free(scheme);
	libcurl()->free(host);
	libcurl()->free(unwanted);
	libcurl()->url_cleanup(u);
	return ok;
}
