/* http_check: what libmicrohttpd leaves to us. Two messages in one, a body whose end two servers
 * see at different places, a path that means another one: all of it begins with a head that this
 * file refuses. */
#include "api/http_check.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static const struct http_refusal *check_target(struct http_head *, const char *);
static const struct http_refusal *take_absolute(struct str *);
static const struct http_refusal *check_once(struct http_head *, enum http_field, struct str);
static const struct http_refusal *check_framing(struct http_head *, const char *);
static const struct http_refusal *decode_path(struct str, char *);
static bool length_missing(const struct http_head *);
static bool host_ok(struct str);
static bool name_ok(struct str);
static bool literal_ok(struct str);
static bool is_host_char(char);
static bool port_ok(struct str);
static bool version_ok(const char *);
static bool is_1_0(const char *);
static enum http_field field_of(struct str);
static bool path_climbs(const char *);
static int hex_of(char);

const struct str http_field_names[F_FIELDS] = {
	[F_HOST] = STR("host"),
	[F_CONTENT_LENGTH] = STR("content-length"),
	[F_TRANSFER_ENCODING] = STR("transfer-encoding"),
	[F_EXPECT] = STR("expect"),
	[F_CONTENT_ENCODING] = STR("content-encoding"),
	[F_X_FORWARDED_FOR] = STR("x-forwarded-for"),
	[F_X_FORWARDED_PROTO] = STR("x-forwarded-proto"),
	[F_ACCEPT_ENCODING] = STR("accept-encoding"),
	[F_REQUESTED_METHOD] = STR("access-control-request-method"),
	[F_ORIGIN] = STR("origin"),
	[F_COOKIE] = STR("cookie"),
	[F_SEC_FETCH_SITE] = STR("sec-fetch-site"),
	[F_ACCEPT_LANGUAGE] = STR("accept-language"),
	[F_USER_AGENT] = STR("user-agent"),
	[F_AUTHORIZATION] = STR("authorization"),
	[F_DPOP] = STR("dpop"),
	[F_CONTENT_TYPE] = STR("content-type"),
	[F_ACCEPT] = STR("accept"),
	[F_IF_MATCH] = STR("if-match"),
	[F_IF_NONE_MATCH] = STR("if-none-match"),
	[F_IDEMPOTENCY_KEY] = STR("idempotency-key"),
	[F_PREFER] = STR("prefer"),
	[F_LAST_EVENT_ID] = STR("last-event-id"),
	[F_TRACEPARENT] = STR("traceparent"),
	[F_RANGE] = STR("range"),
	[F_IF_RANGE] = STR("if-range"),
	[F_CONTENT_DIGEST] = STR("content-digest"),
	[F_REPR_DIGEST] = STR("repr-digest"),
	[F_TUS_RESUMABLE] = STR("tus-resumable"),
	[F_UPLOAD_LENGTH] = STR("upload-length"),
	[F_UPLOAD_DEFER_LENGTH] = STR("upload-defer-length"),
	[F_UPLOAD_OFFSET] = STR("upload-offset"),
	[F_UPLOAD_METADATA] = STR("upload-metadata"),
	[F_UPLOAD_CHECKSUM] = STR("upload-checksum"),
	[F_METAFED_SESSION] = STR("metafed-session"),
};
const char *const http_method_names[M_METHODS] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
	"OPTIONS" };

static const struct http_refusal
    bad_method = { 400, "BAD_REQUEST", "the method is no token" },
    unknown_method = { 501, "UNKNOWN_METHOD", "this method is not known here" },
    bad_version = { 505, "BAD_VERSION", "only HTTP/1.1 and HTTP/1.0 are spoken here" },
    bad_target = { 400, "BAD_REQUEST", "the request target is none" },
    bad_name = { 400, "BAD_REQUEST", "a header name is no token" },
    bad_value = { 400, "BAD_REQUEST", "a header value has a control character" },
    twice = { 400, "BAD_REQUEST", "a header that stands once stands more than once" },
    no_host = { 400, "BAD_REQUEST", "there must be exactly one Host" },
    bad_host = { 400, "BAD_REQUEST", "Host is no host" },
    bad_length = { 400, "BAD_REQUEST", "Content-Length must be one decimal number" },
    no_length = { 411, "LENGTH_REQUIRED",
	    "there is a Content-Type, but neither Content-Length nor Transfer-Encoding" },
    bad_coding = { 400, "BAD_REQUEST",
	    "Transfer-Encoding must be chunked alone, in HTTP/1.1, without Content-Length" },
    bad_expect = { 417, "BAD_EXPECT", "only 100-continue can be expected" },
    bad_path = { 400, "BAD_REQUEST",
	    "the path has a bad escape, a control character or a dot segment" },
    too_large = { 413, "BODY_TOO_LARGE", "the body is larger than this server takes" },
    coded_body = { 415, "BAD_CONTENT_ENCODING",
	    "bodies are taken as they are, without a content coding" };

const struct http_refusal *
http_check_line(struct http_head *h, const char *method, const char *target, const char *version)
{
	*h = (struct http_head){ .method = M_METHODS };
	if (!version_ok(version))
		return &bad_version;
	if (!str_token_ok(str_of(method)))
		return &bad_method;
	for (int i = 0; i < M_METHODS; i++)
		if (strcmp(http_method_names[i], method) == 0)
			h->method = (enum http_method)i;
	if (h->method == M_METHODS)
		return &unknown_method;
	return check_target(h, target);
}

const struct http_refusal *
http_check_field(struct http_head *h, struct str name, struct str value)
{
	enum http_field f;

	if (!str_token_ok(name))
		return &bad_name;
	for (size_t i = 0; i < value.n; i++)
		if (((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t') || value.p[i] == 0x7f)
			return &bad_value;
	f = field_of(name);
	return f == F_FIELDS ? NULL : check_once(h, f, str_trim(value));
}

const struct http_refusal *
http_check_head(struct http_head *h, const char *version, uint64_t body_limit)
{
	const struct http_refusal *r;

	if (h->fields[F_HOST].p == NULL && !is_1_0(version))
		return &no_host;
	if (h->fields[F_HOST].p != NULL && !host_ok(h->fields[F_HOST]))
		return &bad_host;
	if ((r = check_framing(h, version)) != NULL)
		return r;
	if (h->fields[F_EXPECT].p != NULL &&
	    (h->fields[F_EXPECT].n != 12 ||
		strncasecmp(h->fields[F_EXPECT].p, "100-continue", 12) != 0))
		return &bad_expect;
	if (length_missing(h))
		return &no_length;
	if (h->content_length > body_limit)
		return &too_large;
	if (h->fields[F_CONTENT_ENCODING].p != NULL && (h->chunked || h->content_length != 0) &&
	    (h->fields[F_CONTENT_ENCODING].n != 8 ||
		strncasecmp(h->fields[F_CONTENT_ENCODING].p, "identity", 8) != 0))
		return &coded_body;
	return NULL;
}

/* Dot segments and encoded slashes name another resource to some server on the way: refused, not
 * resolved. */
const struct http_refusal *
http_decode_path(struct str path, char *out)
{
	const struct http_refusal *r = decode_path(path, out);

	if (r != NULL)
		out[0] = '\0';
	return r;
}

bool
http_query_names(struct str query, const char *name)
{
	struct str rest = query, one, value;

	while (rest.n != 0) {
		const char *at = name;

		str_cut(rest, '&', &one, &rest);
		str_cut(one, '=', &one, &value);
		for (size_t i = 0; i < one.n && at != NULL; i++) {
			bool coded = one.p[i] == '%' && i + 2 < one.n;
			int c = coded ? hex_of(one.p[i + 1]) * 16 + hex_of(one.p[i + 2])
			              : (unsigned char)one.p[i];

			i += coded ? 2 : 0;
			at = *at != '\0' && c == (unsigned char)*at ? at + 1 : NULL;
		}
		if (at != NULL && *at == '\0')
			return true;
	}
	return false;
}

static const struct http_refusal *
decode_path(struct str path, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < path.n; i++) {
		unsigned char c = (unsigned char)path.p[i];

		if (c == '%') {
			int high = i + 2 < path.n ? hex_of(path.p[i + 1]) : -1;
			int low = i + 2 < path.n ? hex_of(path.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return &bad_path;
			c = (unsigned char)(high << 4 | low);
			if (c == '/')
				return &bad_path;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return &bad_path;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return path_climbs(out) || !str_utf8_ok(out, n) ? &bad_path : NULL;
}

/* origin-form, absolute-form, and "*" of OPTIONS. What browsers leave unescaped in a query is let
 * through there. */
static const struct http_refusal *
check_target(struct http_head *h, const char *target)
{
	struct str t = str_of(target);
	const struct http_refusal *r;
	bool in_query = false;

	if (h->method == M_OPTIONS && str_eq(t, "*")) {
		h->path = t;
		return NULL;
	}
	if (t.n == 0)
		return &bad_target;
	if (t.p[0] != '/' && (r = take_absolute(&t)) != NULL)
		return r;
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (c <= 0x20 || c >= 0x7f || strchr("\"<>#", c) != NULL ||
		    (!in_query && strchr("\\^`{|}", c) != NULL))
			return &bad_target;
		in_query = in_query || c == '?';
	}
	str_cut(t, '?', &h->path, &h->query);
	if (h->path.n == 0) /* of an absolute-form: the same as "/" (RFC 9110, 4.2.3) */
		h->path = STR("/");
	return NULL;
}

static const struct http_refusal *
take_absolute(struct str *t)
{
	size_t scheme = t->n > 7 && strncasecmp(t->p, "http://", 7) == 0    ? 7
	                : t->n > 8 && strncasecmp(t->p, "https://", 8) == 0 ? 8
	                                                                    : 0;
	struct str rest = { t->p + scheme, t->n - scheme };
	size_t host = 0;

	while (host < rest.n && rest.p[host] != '/' && rest.p[host] != '?')
		host++;
	if (scheme == 0 || !host_ok((struct str){ rest.p, host }))
		return &bad_target;
	*t = (struct str){ rest.p + host, rest.n - host };
	return NULL;
}

static const struct http_refusal *
check_once(struct http_head *h, enum http_field f, struct str value)
{
	if (h->fields[f].p == NULL) {
		h->fields[f] = (struct str){ value.p == NULL ? "" : value.p, value.n };
		return NULL;
	}
	if (f == F_ACCEPT) {
		h->many_accepts = true; /* several lines are one list: more is accepted, not less */
		return NULL;
	}
	if (f == F_X_FORWARDED_FOR || f == F_X_FORWARDED_PROTO) {
		h->fields[f] = value; /* the last line is the one of the proxy next to us */
		return NULL;
	}
	if (f == F_TRACEPARENT) { /* none is believed, and the request does not suffer from it */
		h->fields[f] = STR("");
		return NULL;
	}
	if (f == F_PREFER || f == F_ACCEPT_ENCODING || f == F_REQUESTED_METHOD ||
	    f == F_USER_AGENT || f == F_ACCEPT_LANGUAGE)
		return NULL; /* a wish, or a word about itself: the first one counts */
	return f == F_HOST                ? &no_host
	       : f == F_CONTENT_LENGTH    ? &bad_length
	       : f == F_TRANSFER_ENCODING ? &bad_coding
	                                  : &twice;
}

/* One way to know where the body ends, or none is believed. */
static const struct http_refusal *
check_framing(struct http_head *h, const char *version)
{
	struct str length = h->fields[F_CONTENT_LENGTH], coding = h->fields[F_TRANSFER_ENCODING];

	if (coding.p != NULL) {
		if (length.p != NULL || coding.n != 7 || strncasecmp(coding.p, "chunked", 7) != 0 ||
		    is_1_0(version))
			return &bad_coding;
		h->chunked = true;
	}
	if (length.p != NULL && !str_u64(length, INT64_MAX, &h->content_length))
		return &bad_length;
	return NULL;
}

/* Who names a type has content, and no way to say where it ends. */
static bool
length_missing(const struct http_head *h)
{
	return (h->method == M_POST || h->method == M_PUT || h->method == M_PATCH) &&
	       h->fields[F_CONTENT_TYPE].p != NULL && !h->chunked &&
	       h->fields[F_CONTENT_LENGTH].p == NULL;
}

/* uri-host [ ":" port ] (RFC 3986): an address in brackets, or a name of its characters. What we
 * answer never depends on it. */
static bool
host_ok(struct str s)
{
	struct str host = s, port = { NULL, 0 };
	size_t end = 0;

	if (s.n != 0 && s.p[0] == '[') {
		while (end < s.n && s.p[end] != ']')
			end++;
		if (end == s.n || !literal_ok((struct str){ s.p + 1, end - 1 }))
			return false;
		if (end + 1 < s.n && s.p[end + 1] != ':')
			return false;
		if (end + 2 < s.n)
			port = (struct str){ s.p + end + 2, s.n - end - 2 };
	} else {
		str_cut(s, ':', &host, &port);
		if (!name_ok(host))
			return false;
	}
	return port_ok(port);
}

static bool
name_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%') {
			if (i + 2 >= s.n || hex_of(s.p[i + 1]) < 0 || hex_of(s.p[i + 2]) < 0)
				return false;
			i += 2;
		} else if (!is_host_char(s.p[i])) {
			return false;
		}
	return s.n != 0 && s.n <= 255;
}

/* IPv6address, IPvFuture */
static bool
literal_ok(struct str s)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	size_t dot = 1;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (s.n == 0 || (s.p[0] | 0x20) != 'v')
		return inet_pton(AF_INET6, text, binary) == 1;
	while (dot < s.n && hex_of(s.p[dot]) >= 0)
		dot++;
	if (dot == 1 || dot + 1 >= s.n || s.p[dot] != '.')
		return false;
	for (size_t i = dot + 1; i < s.n; i++)
		if (s.p[i] != ':' && !is_host_char(s.p[i]))
			return false;
	return true;
}

/* unreserved, sub-delims */
static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~!$&'()*+,;=", c) != NULL);
}

/* *DIGIT */
static bool
port_ok(struct str s)
{
	uint64_t n;

	return s.n == 0 || str_u64(s, UINT16_MAX, &n);
}

static bool
version_ok(const char *v)
{
	return strncmp(v, "HTTP/1.", 7) == 0 && v[7] >= '0' && v[7] <= '9' && v[8] == '\0';
}

/* A higher minor version is spoken to as 1.1 (RFC 9110, 2.5). */
static bool
is_1_0(const char *v)
{
	return v[7] == '0';
}

static enum http_field
field_of(struct str name)
{
	for (int i = 0; i < F_FIELDS; i++)
		if (http_field_names[i].n == name.n &&
		    strncasecmp(http_field_names[i].p, name.p, name.n) == 0)
			return (enum http_field)i;
	return F_FIELDS;
}

static bool
path_climbs(const char *path)
{
	for (const char *p = strstr(path, "/."); p != NULL; p = strstr(p + 1, "/.")) {
		const char *after = p[2] == '.' ? p + 3 : p + 2;

		if (*after == '/' || *after == '\0')
			return true;
	}
	return false;
}

static int
hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}
