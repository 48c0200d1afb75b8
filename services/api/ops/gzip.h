/* gzip: bytes made smaller, in one go. Who uses it links zlib. */
#ifndef OPS_GZIP_H
#define OPS_GZIP_H

#include <stddef.h>

/* The result is the caller's, by free(); NULL: it would not be smaller. */
void *gzip(const void *p, size_t n, size_t *out_n);

#endif
