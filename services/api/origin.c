/* origin: see origin.h. */
#include "api/origin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
origin_of(bool https, struct str host, char out[ORIGIN_SIZE])
{
	const char *port = https ? ":443" : ":80";
	size_t own = strlen(port);
	int n;

	out[0] = '\0';
	if (host.n > own && memcmp(host.p + host.n - own, port, own) == 0)
		host.n -= own;
	else if (host.n > 1 && host.p[host.n - 1] == ':')
		host.n--;
	if (host.n == 0 || host.n > 255)
		return false;
	for (size_t i = 0; i < host.n; i++)
		if (strchr("!$&'()*+,;=%~", host.p[i]) != NULL)
			return false;
	n = snprintf(out, ORIGIN_SIZE, "http%s://%.*s", https ? "s" : "", (int)host.n, host.p);
	for (int i = 0; i < n; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] |= 0x20;
	return true;
}

/* Each proxy on the way may have added its own behind a comma: ours is the last. */
bool
origin_https(struct str forwarded_proto, bool otherwise)
{
	struct str s = forwarded_proto, before;

	while (memchr(s.n == 0 ? "" : s.p, ',', s.n) != NULL)
		str_cut(s, ',', &before, &s);
	s = str_trim(s);
	if (s.n == 5 && strncasecmp(s.p, "https", 5) == 0)
		return true;
	if (s.n == 4 && strncasecmp(s.p, "http", 4) == 0)
		return false;
	return otherwise;
}
