/* The header fields of large values: what is read of them holds, whatever stands there. */
#include <stdlib.h>
#include <string.h>

#include "api/rest/blobs_head.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new(1 << 20);
	char *field = arena_strndup(a, (const char *)p, n);
	uint8_t sum[SHA256_BYTES];
	struct byte_range r;
	struct checksum c;
	uint64_t first, end, size = n * 7;

	if (range_read(field, &r) && range_of(&r, size, &first, &end))
		must(first < end && end <= size);
	(void)digest_read(a, field, sum);
	if (metadata_ok(field))
		(void)metadata_of(a, field, "filename");
	if (checksum_read(field, &c))
		(void)checksum_fits(&c, p, n);
	(void)bytes_read(field, &first);
	arena_free(&a);
	return 0;
}
