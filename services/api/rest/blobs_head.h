/* blobs_head: header fields of large values. Pure.
 *
 *   Range (RFC 9110, 14.2)                one range of bytes; others are ignored, as the RFC allows
 *   Content-Digest, Repr-Digest (RFC 9530)  the sha-256 among them
 *   Upload-Metadata, Upload-Checksum, Upload-Length, Upload-Offset (tus 1.0.0) */
#ifndef REST_BLOBS_HEAD_H
#define REST_BLOBS_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

struct byte_range {
	bool suffix;         /* the last `first` bytes */
	uint64_t first, end; /* [first, end); end UINT64_MAX: to the end */
};
/* False: it is none that we heed. */
bool range_read(const char *field, struct byte_range *out);
/* Of something of `size` bytes. False: nothing of it is there (416). */
bool range_of(const struct byte_range *r, uint64_t size, uint64_t *first, uint64_t *end);

#define SHA256_BYTES 32
enum digest_found { DIGEST_NONE, DIGEST_SHA256, DIGEST_BAD };
/* "" has none. BAD: it is no dictionary, or its sha-256 is none. */
enum digest_found digest_read(struct arena *a, const char *field, uint8_t out[SHA256_BYTES]);

/* "filename d29ybGQ=,is_private": keys of ASCII without blank and comma, each once, base64. */
bool metadata_ok(const char *field);
/* The value of `key`, as text without control characters; NULL: none, or it is no such text. */
const char *metadata_of(struct arena *a, const char *field, const char *key);

struct checksum {
	enum { SUM_SHA1, SUM_SHA256 } kind;
	uint8_t sum[SHA256_BYTES];
};
bool checksum_read(const char *field, struct checksum *out);
bool checksum_fits(const struct checksum *c, const void *p, size_t n);

bool bytes_read(const char *field, uint64_t *out); /* a whole number of bytes */

/* "bytes" as a dictionary member of RFC 9530 from 64 hexadecimal digits: "sha-256=:...:". */
const char *digest_text(struct arena *a, const char *digits);

#endif
