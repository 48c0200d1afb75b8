/* str: text that came from outside, and text that goes there. No allocation except into an
 * arena. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"

struct str { /* a view: not NUL-ended, not owned */
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
struct str str_of(const char *s);
bool str_eq(struct str a, const char *b);
bool str_starts(const char *s, const char *prefix);
struct str str_trim(struct str s); /* blanks and tabs at both ends */
/* at the first `at`; false: head = s, tail empty */
bool str_cut(struct str s, char at, struct str *head, struct str *tail);

/* decimal digits only, whole string, <= max */
bool str_u64(struct str s, uint64_t max, uint64_t *out);
bool str_i64(struct str s, int64_t min, int64_t max, int64_t *out);
bool str_bool(struct str s, bool *out);     /* true false yes no on off 1 0 */
bool str_double(struct str s, double *out); /* finite, '.' whatever the locale */

/* bytes of the well-formed character at p; 0: none there */
size_t str_utf8_char(const void *p, size_t n);
bool str_utf8_ok(const void *p, size_t n); /* well-formed, no surrogate, no overlong */
size_t str_characters(struct str s);       /* of well-formed UTF-8 */
bool str_token_ok(struct str s);           /* RFC 9110 token, not empty */
/* NULL: bad escape or %00 */
char *str_percent_decode(struct arena *a, struct str s, bool plus_is_blank, size_t *n);

size_t str_hex(const void *p, size_t n, char *out); /* out: 2n+1 bytes, NUL-ended, lower case */
bool str_unhex(struct str s, uint8_t *out, size_t want); /* exactly want bytes */
size_t str_b64url_len(size_t n);                         /* without padding, without NUL */
size_t str_b64url(const void *p, size_t n, char *out);   /* NUL-ended, no padding */
/* strict: no padding, no blanks, no spare bits */
bool str_unb64url(struct str s, uint8_t *out, size_t cap, size_t *n);

/* A growing byte string on the heap, for what outlives a call (access log lines, metric pages). */
struct buf {
	char *p;
	size_t n, cap;
};
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);

#endif
