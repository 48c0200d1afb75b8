/* gzip: see gzip.h. One deflate state for the whole process: it is used within a turn and costs a
 * quarter of a mebibyte. */
#include "api/ops/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"

#define LEVEL  1         /* on the loop's time: JSON shrinks five-fold already, at some 100 MB/s */
#define WINDOW (15 + 16) /* the largest; +16: gzip's header and trailer */

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
