/* redirects: see redirects.h. */
#include "auth/oauth/redirects.h"
#include <string.h>
#include "base/str.h"

struct parts {
	struct str scheme, host, port, rest; /* port: without ':'; rest: path and query */
};

static bool take_apart(const char *uri, struct parts *out);
static const char *wrong_characters(const char *uri);
static const char *wrong_authority(const struct parts *p);
static bool has_dot_segment(struct str path);
static bool is_loopback(struct str host);
static bool same(struct str a, struct str b);

const char *
redirect_wrong(const char *uri)
{
	struct parts p;
	const char *wrong = wrong_characters(uri);

	if (wrong != NULL)
		return wrong;
	if (redirect_is_private(uri))
		return NULL;
	if (!take_apart(uri, &p))
		return "must be https://, http:// of the loopback, or of a scheme with a dot";
	wrong = wrong_authority(&p);
	if (wrong != NULL)
		return wrong;
	if (str_eq(p.scheme, "http") && !is_loopback(p.host))
		return "http:// is for 127.0.0.1 and [::1] alone";
	return has_dot_segment(p.rest) ? "must have no segment of dots" : NULL;
}

/* Only the loopback's port may differ, and only where both are plain digits or absent. */
bool
redirect_matches(const char *registered, const char *asked)
{
	struct parts r, q;

	if (strcmp(registered, asked) == 0)
		return true;
	return strlen(asked) <= REDIRECT_MAX && redirect_is_loopback(registered) &&
	       redirect_wrong(asked) == NULL && take_apart(registered, &r) &&
	       take_apart(asked, &q) && same(r.scheme, q.scheme) && same(r.host, q.host) &&
	       same(r.rest, q.rest);
}

bool
redirect_is_loopback(const char *uri)
{
	struct parts p;

	return take_apart(uri, &p) && str_eq(p.scheme, "http") && is_loopback(p.host);
}

/* A dot in the scheme: the name of a domain turned around, which its owner may claim. */
bool
redirect_is_private(const char *uri)
{
	size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyz0123456789.-+");

	return uri[0] >= 'a' && uri[0] <= 'z' && uri[n] == ':' && memchr(uri, '.', n) != NULL &&
	       uri[n + 1] == '/' && uri[n + 2] != '\0';
}

const char *
redirect_origin(struct arena *a, const char *uri)
{
	struct parts p;

	if (!take_apart(uri, &p))
		return NULL;
	return arena_printf(a, "%.*s://%.*s%s%.*s", (int)p.scheme.n, p.scheme.p, (int)p.host.n,
	    p.host.p, p.port.n > 0 ? ":" : "", (int)p.port.n, p.port.p);
}

static bool
take_apart(const char *uri, struct parts *out)
{
	const char *p, *end;
	size_t n;

	*out = (struct parts){ .scheme = STR("https") };
	if (!str_starts(uri, "https://"))
		out->scheme = STR("http");
	n = out->scheme.n;
	if (strncmp(uri, out->scheme.p, n) != 0 || strncmp(uri + n, "://", 3) != 0)
		return false;
	p = uri + n + 3;
	end = p + strcspn(p, "/?#");
	out->rest = str_of(end);
	n = p[0] == '[' ? strcspn(p, "]") + 1 : strcspn(p, ":/?#");
	if (n > (size_t)(end - p))
		return false;
	out->host = (struct str){ p, n };
	p += n;
	if (p < end && *p++ != ':')
		return false;
	out->port = (struct str){ p, (size_t)(end - p) };
	return true;
}

static const char *
wrong_characters(const char *uri)
{
	if (strlen(uri) > REDIRECT_MAX)
		return "is too long";
	for (const char *p = uri; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}*", *p) != NULL)
			return "has a character that a URI can't have, or a wildcard";
		if (*p == '#')
			return "must have no fragment";
		if (*p == '%' && (strspn(p + 1, "0123456789abcdefABCDEF") < 2))
			return "is not percent-encoded as it should be";
	}
	return NULL;
}

/* Letters, digits, '-' and dots, in lower case: one way to write a host. */
static const char *
wrong_authority(const struct parts *p)
{
	uint64_t port;

	if (is_loopback(p->host))
		;
	else if (p->host.n == 0 || p->host.p[0] == '.' || p->host.p[p->host.n - 1] == '.')
		return "its host is empty, or begins or ends with a dot";
	else if (strspn(p->host.p, "abcdefghijklmnopqrstuvwxyz0123456789-.") < p->host.n)
		return "its host must be a name in lower case, without a user";
	if (p->port.p[-1] == ':' &&
	    (!str_u64(p->port, 65535, &port) || port == 0 || p->port.p[0] == '0'))
		return "its port is none";
	return NULL;
}

static bool
has_dot_segment(struct str rest)
{
	struct str path, query, segment;

	(void)str_cut(rest, '?', &path, &query);
	while (path.n > 0) {
		(void)str_cut(path, '/', &segment, &path);
		if (str_eq(segment, ".") || str_eq(segment, ".."))
			return true;
	}
	return false;
}

static bool
is_loopback(struct str host)
{
	return str_eq(host, "127.0.0.1") || str_eq(host, "[::1]");
}

static bool
same(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
