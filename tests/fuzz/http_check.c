/* Bytes from the network through every rule of the HTTP edge: first line the request line, then
 * header lines. What passes must be what the rules promise. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "api/address.h"
#include "api/cors.h"
#include "api/gzip.h"
#include "api/http_check.h"
#include "api/origin.h"
#include "api/part.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static char *
text_of(struct str s)
{
	char *t = malloc(s.n + 1);

	memcpy(t, s.p == NULL ? "" : s.p, s.n);
	t[s.n] = '\0';
	return t;
}

/* Nothing that one would not put into a link, and always the same form. */
static void
check_sent_to(const struct http_head *h)
{
	char out[ORIGIN_SIZE];

	(void)http_query_names(h->query, "access_token");
	if (origin_of(origin_https(h->fields[F_X_FORWARDED_PROTO], false), h->fields[F_HOST], out))
		must(strpbrk(out, " \"'<>&%@?#\\") == NULL);
	else
		must(out[0] == '\0');
}

static void
check_path(const struct http_head *h)
{
	char *out = malloc(h->path.n + 1);

	if (http_decode_path(h->path, out) == NULL) {
		must(strlen(out) <= h->path.n);
		must(str_utf8_ok(out, strlen(out)));
		must(strstr(out, "/../") == NULL);
		must(part_of(out) < PARTS_MOST && part_name(part_of(out)) != NULL);
	}
	free(out);
}

/* Whoever we come to believe in, it is the peer or an address that stood there. */
static void
check_forwarded(struct str value)
{
	struct address peer = { .bytes = { 0xfd } }, from, again;
	struct networks trusted;
	char text[ADDRESS_TEXT];

	must(networks_parse(&trusted, "fd00::/8, 10.0.0.0/8"));
	from = forwarded_by(&peer, value, &trusted);
	address_write(&from, text);
	if (text[0] != '\0')
		must(address_parse(str_of(text), &again) && address_same(&from, &again));
	from = address_client(&from);
	again = address_client(&from);
	must(address_same(&from, &again));
}

/* No mark is left, and there is nothing else but less. */
static void
check_coding(const struct http_head *h)
{
	struct str has = h->fields[F_IF_NONE_MATCH];
	char *tags = text_of(has), tag[ETAG_MARKED];
	size_t n = strlen(tags);

	(void)gzip_accepted(h->fields[F_ACCEPT_ENCODING]);
	if (openmetrics_wanted(h->fields[F_ACCEPT]))
		must(h->fields[F_ACCEPT].n >= strlen("application/openmetrics-text"));
	etag_unmark(tags);
	must(strlen(tags) <= n && !etag_is_marked(tags, strlen(tags)));
	must((strlen(tags) < n) == etag_is_marked(has.p, has.n));
	if (etag_mark(tags, tag))
		must(etag_is_marked(tag, strlen(tag)) && strlen(tag) < sizeof(tag));
	free(tags);
}

static void
check_origin(struct str origin)
{
	struct origins o;
	char room[64];
	const char *allowed;

	must(origins_parse(&o, "https://a.example, http://localhost:3000"));
	allowed = origins_allow(&o, origin, room, sizeof(room));
	must(allowed == NULL || str_eq(origin, "https://a.example") ||
	     str_eq(origin, "http://localhost:3000"));
}

static void
check_fields(struct http_head *h, struct str rest, const char *version)
{
	struct str line, name, value;

	while (rest.n != 0) {
		str_cut(rest, '\n', &line, &rest);
		str_cut(line, ':', &name, &value);
		if (http_check_field(h, name, value) != NULL)
			return;
	}
	if (http_check_head(h, version, 1000) != NULL)
		return;
	must(!h->chunked || h->content_length == 0);
	must(h->content_length <= 1000);
	(void)media_accepted(h->fields[F_ACCEPT], "application/json");
	(void)media_is(h->fields[F_CONTENT_TYPE], "application/json");
	check_forwarded(h->fields[F_X_FORWARDED_FOR]);
	check_coding(h);
	check_sent_to(h);
	check_origin(h->fields[F_ORIGIN]);
	(void)traceparent_ok(h->fields[F_TRACEPARENT]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str all = { (const char *)p, n }, line, rest, method, target;
	struct http_head h;
	char *m, *t;

	if (n == 0 || memchr(p, '\0', n) != NULL) /* libmicrohttpd lets none through */
		return 0;
	str_cut(all, '\n', &line, &rest);
	str_cut(line, ' ', &method, &target);
	m = text_of(method);
	t = text_of(target);
	if (http_check_line(&h, m, t, n % 2 ? "HTTP/1.1" : "HTTP/1.0") == NULL) {
		must(h.method < M_METHODS && h.path.n != 0 &&
		     (h.path.p[0] == '/' || h.path.p[0] == '*'));
		check_path(&h);
		check_fields(&h, rest, n % 2 ? "HTTP/1.1" : "HTTP/1.0");
	}
	free(m);
	free(t);
	return 0;
}
