/* dpop_url: see dpop.h. Scheme and host in lower case, no port that goes without saying, no segments
 * of dots, percent-escapes only where they must be and in upper case. */
#include <ctype.h>
#include <string.h>
#include "auth/jwt/dpop.h"

static char *authority(char *out, struct str host, const char *port);
static char *path(char *out, struct str text);
static char *segment(char *out, struct str text);
static bool is_unreserved(int c);

char *
dpop_url(struct arena *a, const char *url)
{
	size_t n = strcspn(url, "?#"), slash;
	bool https = strncasecmp(url, "https://", 8) == 0;
	struct str rest, host;
	char *out, *end;

	if (!https && strncasecmp(url, "http://", 7) != 0)
		return NULL;
	rest = (struct str){ url + (https ? 8 : 7), n - (https ? 8 : 7) };
	for (slash = 0; slash < rest.n && rest.p[slash] != '/';)
		slash++;
	host = (struct str){ rest.p, slash };
	if (host.n == 0 || memchr(host.p, '@', host.n) != NULL)
		return NULL;
	out = arena_alloc(a, n + 3);
	end = stpcpy(out, https ? "https://" : "http://");
	end = authority(end, host, https ? ":443" : ":80");
	end = path(end, (struct str){ rest.p + slash, rest.n - slash });
	*end = '\0';
	return out;
}

static char *
authority(char *out, struct str host, const char *port)
{
	size_t n = strlen(port);

	if (host.n > n && memcmp(host.p + host.n - n, port, n) == 0)
		host.n -= n;
	else if (host.n > 1 && host.p[host.n - 1] == ':')
		host.n--; /* an empty port is the default one */
	for (size_t i = 0; i < host.n; i++)
		*out++ = (char)tolower((unsigned char)host.p[i]);
	return out;
}

/* Segment by segment; ".." takes one back (RFC 3986, 5.2.4), also where the dots were escaped. */
static char *
path(char *out, struct str text)
{
	char *start = out;

	if (text.n == 0)
		*out++ = '/';
	while (text.n > 0) {
		size_t n = 1;
		char *at = out;
		bool last, dot, dots;

		while (n < text.n && text.p[n] != '/')
			n++;
		*out++ = '/';
		out = segment(out, (struct str){ text.p + 1, n - 1 });
		last = n == text.n;
		dot = out - at == 2 && at[1] == '.';
		dots = out - at == 3 && at[1] == '.' && at[2] == '.';
		if (dot || dots)
			out = at;
		while (dots && out > start && *--out != '/') {
		}
		if ((dot || dots) && last)
			*out++ = '/';
		text = (struct str){ text.p + n, text.n - n };
	}
	return out;
}

static char *
segment(char *out, struct str text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c;

		if (text.p[i] != '%' || i + 2 >= text.n ||
		    !str_unhex((struct str){ text.p + i + 1, 2 }, &c, sizeof(c))) {
			*out++ = text.p[i];
			continue;
		}
		i += 2;
		if (is_unreserved(c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	return out;
}

static bool
is_unreserved(int c)
{
	return c != 0 && c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL);
}
