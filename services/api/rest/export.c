/* export: see export.h. */
#include "api/rest/export.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/ops/gzip.h"
#include "api/rest/otlp.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/time.h"
#include "node/http_client.h"

#define ANSWER_MOST  65536u
#define HEADERS_MOST 16
#define FILE_MOST    8192
#define GZIP_LEAST   1024u
#define GZIP_MOST    (512u << 10) /* on the loop's time */

static struct {
	struct http_client *client; /* NULL: none is configured, or none ever was */
	bool on;
	enum otlp_form form;
	int64_t limit_us;
	char *url;
	char *text; /* of the headers: locked memory, wiped */
	const char *headers[HEADERS_MOST + 1];
	struct metric *taken, *failed, *refused;
} to;

struct sending { /* in its call's arena */
	struct call *c;
	struct call_dep dep;
	struct http_fetch *fetch;
	size_t spans;
	enum otlp_form form;
};

static bool read_protocol(const char *s, enum otlp_form *out);
static char *url_of(const char *endpoint);
static bool
read_headers(const char *path, char **text, const char **headers, char *err, size_t err_size);
static bool is_header(const char *line);
static void begin_metrics(void);
static void send_body(struct sending *s, const struct otlp_body *body);
static void on_call_ended(struct call_dep *d);
static void on_answer(const struct http_got *m, const char *why, void *ctx);
static bool may_pass(int status);

bool
export_configure(struct bus *b, const struct export_config *c, char *err, size_t err_size)
{
	const char *headers[HEADERS_MOST + 1] = { NULL };
	enum otlp_form form;
	char *text = NULL;

	if (!read_protocol(c->protocol, &form)) {
		snprintf(err, err_size, "otlp_protocol: \"%s\": must be http/protobuf or http/json",
		    c->protocol);
		return false;
	}
	if (c->endpoint[0] != '\0' && !http_client_url_plain_ok(c->endpoint)) {
		snprintf(err, err_size,
		    "otlp_endpoint: must be a URL of http or https, without user and fragment");
		return false;
	}
	if (c->headers_file[0] != '\0' &&
	    !read_headers(c->headers_file, &text, headers, err, err_size))
		return false;
	if (to.client == NULL && c->endpoint[0] != '\0')
		to.client = http_client_new(
		    bus_loop(b), &(const struct http_client_opts){ .ca_file = c->ca });
	begin_metrics();
	free(to.url);
	if (to.text != NULL)
		sodium_free(to.text);
	to.on = c->endpoint[0] != '\0';
	to.form = form;
	to.limit_us = c->limit_us;
	to.url = url_of(c->endpoint);
	to.text = text;
	for (size_t i = 0; i <= HEADERS_MOST; i++)
		to.headers[i] = headers[i];
	return true;
}

void
export_traces(struct call *c, const Mf__TraceBatch *q)
{
	struct sending *s = ARENA_NEW(call_arena(c), struct sending);
	Mf__TraceExport off = MF__TRACE_EXPORT__INIT;
	struct otlp_body body;

	if (!to.on) {
		off.off = true;
		call_reply(c, &off.base);
		return;
	}
	s->c = c;
	s->form = to.form;
	otlp_write(call_arena(c), to.form, q, &body);
	s->spans = body.spans;
	send_body(s, &body);
}

static bool
read_protocol(const char *s, enum otlp_form *out)
{
	*out = strcmp(s, "http/json") == 0 ? OTLP_JSON : OTLP_PROTOBUF;
	return *out == OTLP_JSON || strcmp(s, "http/protobuf") == 0;
}

/* Where nothing is said but the host, the path is the protocol's. */
static char *
url_of(const char *endpoint)
{
	const char *host = strstr(endpoint, "://");
	const char *path = host != NULL ? strchr(host + 3, '/') : NULL;
	struct buf b = { 0 };

	if (path != NULL && path[1] != '\0')
		buf_printf(&b, "%s", endpoint);
	else
		buf_printf(&b, "%.*s/v1/traces",
		    (int)(path != NULL ? path - endpoint : (ptrdiff_t)strlen(endpoint)), endpoint);
	return b.p;
}

/* Into memory that is locked and wiped; the lines are cut apart there. */
static bool
read_headers(const char *path, char **text, const char **headers, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n_headers = 0;
	struct stat st;
	ssize_t n = -1;
	char *rest = NULL;

	must(sodium_init() >= 0);
	*text = sodium_malloc(FILE_MOST + 1);
	must(*text != NULL);
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IRWXO) == 0)
		n = read(fd, *text, FILE_MOST + 1);
	if (n < 0)
		snprintf(err, err_size, "otlp_headers_file: %s: %s", path,
		    fd < 0 ? strerror(errno) : "must be readable, and by nobody else");
	else if (n > FILE_MOST)
		snprintf(err, err_size, "otlp_headers_file: is longer than %d bytes", FILE_MOST);
	if (fd >= 0)
		close(fd);
	if (n < 0 || n > FILE_MOST) {
		sodium_free(*text);
		*text = NULL;
		return false;
	}
	(*text)[n] = '\0';
	for (char *line = strtok_r(*text, "\r\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		if (n_headers == HEADERS_MOST || !is_header(line)) {
			snprintf(err, err_size, "otlp_headers_file: %s",
			    n_headers == HEADERS_MOST ? "has more than 16 lines"
						      : "a line is not \"Name: value\"");
			sodium_free(*text);
			*text = NULL;
			return false;
		}
		headers[n_headers++] = line;
	}
	return true;
}

static bool
is_header(const char *line)
{
	size_t n = strcspn(line, ":");

	if (line[n] != ':' || !str_token_ok((struct str){ line, n }))
		return false;
	for (const char *p = line + n + 1; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return false;
	return true;
}

static void
begin_metrics(void)
{
	static const char *const by[] = { "outcome", NULL };
	struct metric_family *f = metric_family(METRIC_COUNTER, "metafed_otlp_spans_total",
	    "Spans that went to the collector: taken, failed (they come again), or refused.", by);

	to.taken = metric_get(f, (const char *const[]){ "taken" });
	to.failed = metric_get(f, (const char *const[]){ "failed" });
	to.refused = metric_get(f, (const char *const[]){ "refused" });
}

static void
send_body(struct sending *s, const struct otlp_body *body)
{
	size_t n = 0;
	bool worth = body->bytes.n >= GZIP_LEAST && body->bytes.n <= GZIP_MOST;
	char *small = worth ? gzip(body->bytes.p, body->bytes.n, &n) : NULL;

	s->fetch = http_client_start(to.client,
	    &(const struct http_get){ .url = to.url,
		.body = small != NULL ? (struct str){ small, n } : body->bytes,
		.body_type = s->form == OTLP_JSON ? "application/json" : "application/x-protobuf",
		.body_encoding = small != NULL ? "gzip" : NULL,
		.accept = s->form == OTLP_JSON ? "application/json" : "application/x-protobuf",
		.headers = to.headers,
		.most = ANSWER_MOST,
		.limit_us = to.limit_us,
		.plain = true },
	    on_answer, s);
	free(small);
	s->dep.cancel = on_call_ended;
	call_attach(s->c, &s->dep);
}

static void
on_call_ended(struct call_dep *d)
{
	http_client_cancel(&container_of(d, struct sending, dep)->fetch);
}

static void
on_answer(const struct http_got *m, const char *why, void *ctx)
{
	struct sending *s = ctx;
	struct arena *a = call_arena(s->c);
	Mf__TraceExport out = MF__TRACE_EXPORT__INIT;
	const char *said = "";

	s->fetch = NULL;
	call_detach(s->c, &s->dep);
	if (m == NULL) {
		out.again = true;
		said = arena_strdup(a, why);
	} else if (may_pass(m->status)) {
		out.again = true;
		if (m->retry_after_s > 0)
			out.retry_ms =
			    (uint32_t)(m->retry_after_s < 3600 ? m->retry_after_s * 1000 : 3600000);
		said = arena_printf(a, "the collector answers %d", m->status);
	} else if (m->status / 100 != 2) {
		out.rejected = (uint32_t)s->spans;
		said = arena_printf(a, "the collector answers %d", m->status);
	} else {
		otlp_read_answer(a, s->form, (struct str){ m->body, m->n }, &out.rejected, &said);
	}
	out.message = (char *)(uintptr_t)said;
	if (out.rejected > s->spans)
		out.rejected = (uint32_t)s->spans;
	metric_add(to.refused, out.rejected);
	metric_add(out.again ? to.failed : to.taken, (double)(s->spans - out.rejected));
	call_reply(s->c, &out.base);
}

/* As the protocol says. */
static bool
may_pass(int status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}
