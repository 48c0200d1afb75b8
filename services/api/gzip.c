/* gzip: see gzip.h. One deflate state for the whole process: it is used within a turn and costs a
 * quarter of a mebibyte. */
#include "api/gzip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"

#define LEVEL  1         /* on the loop's time: JSON shrinks five-fold already, at some 100 MB/s */
#define WINDOW (15 + 16) /* the largest; +16: gzip's header and trailer */
#define MARK   "-gzip\""

void *
gzip(const void *p, size_t n, size_t *out_n)
{
	static z_stream z;
	static bool ready;
	void *out;

	if (!ready && deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		fatal("out of memory");
	ready = true;
	must(deflateReset(&z) == Z_OK);
	out = mem_zalloc(n);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)n;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
		free(out);
		return NULL;
	}
	*out_n = n - z.avail_out;
	return out;
}

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
