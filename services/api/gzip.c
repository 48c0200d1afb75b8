/* gzip: see gzip.h. */
#include "api/gzip.h"

#include <stdio.h>
#include <string.h>

#define MARK "-gzip\""

bool
etag_mark(const char *tag, char out[ETAG_MARKED])
{
	size_t n = strlen(tag);

	if (n < 2 || tag[0] != '"' || tag[n - 1] != '"' || n + sizeof(MARK) > ETAG_MARKED)
		return false;
	snprintf(out, ETAG_MARKED, "%.*s%s", (int)(n - 1), tag, MARK);
	return true;
}

bool
etag_is_marked(const char *tags, size_t n)
{
	return n != 0 && memmem(tags, n, MARK, sizeof(MARK) - 1) != NULL;
}

void
etag_unmark(char *tags)
{
	const size_t n = sizeof(MARK) - 1;
	char *to = tags;

	for (const char *from = tags; *from != '\0'; from++) {
		*to++ = *from;
		while ((size_t)(to - tags) >= n && memcmp(to - n, MARK, n) == 0) {
			to -= n - 1;
			to[-1] = '"';
		}
	}
	*to = '\0';
}
