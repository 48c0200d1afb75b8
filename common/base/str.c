/* str: parsing of small things that came from outside. Strict: the whole text is what was asked
 * for, or false. Nothing here depends on the locale. */
#include "base/str.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/mem.h"

static int unhex1(char c);
static int unb64(char c);
static void buf_room(struct buf *b, size_t n);
static void make_c_locale(void);

static locale_t c_locale;

struct str
str_of(const char *s)
{
	return (struct str){ s, strlen(s) };
}

bool
str_eq(struct str a, const char *b)
{
	size_t n = strlen(b);

	return a.n == n && (n == 0 || memcmp(a.p, b, n) == 0);
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
str_cut(struct str s, char at, struct str *head, struct str *tail)
{
	const char *p = s.n == 0 ? NULL : memchr(s.p, at, s.n);

	if (p == NULL) {
		*head = s;
		*tail = (struct str){ s.p == NULL ? NULL : s.p + s.n, 0 };
		return false;
	}
	*head = (struct str){ s.p, (size_t)(p - s.p) };
	*tail = (struct str){ p + 1, s.n - head->n - 1 };
	return true;
}

bool
str_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

bool
str_i64(struct str s, int64_t min, int64_t max, int64_t *out)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t v;
	int64_t i;

	if (minus) {
		s.p++;
		s.n--;
	}
	if (!str_u64(s, (uint64_t)INT64_MAX + minus, &v))
		return false;
	i = (int64_t)(minus ? -v : v);
	if (i < min || i > max)
		return false;
	*out = i;
	return true;
}

bool
str_bool(struct str s, bool *out)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" },
		{ "off", "on" }, { "0", "1" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int truth = 0; truth < 2; truth++) {
			if (str_eq(s, words[i][truth])) {
				*out = truth;
				return true;
			}
		}
	}
	return false;
}

bool
str_double(struct str s, double *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char text[64], *end;
	double v;

	if (s.n == 0 || s.n >= sizeof(text) || s.p[0] == '+')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || strchr("0123456789+-.eE", s.p[i]) == NULL)
			return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	pthread_once(&once, make_c_locale);
	v = strtod_l(text, &end, c_locale);
	if (*end != '\0' || !isfinite(v))
		return false;
	*out = v;
	return true;
}

/* RFC 3629's table, row by row. */
size_t
str_utf8_char(const void *p, size_t n)
{
	const unsigned char *b = p;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (n == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2 || b[0] > 0xf4)
		return 0;
	len = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xed)
		high = 0x9f;
	else if (b[0] == 0xf0)
		low = 0x90;
	else if (b[0] == 0xf4)
		high = 0x8f;
	if (b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (b[i] < 0x80 || b[i] > 0xbf)
			return 0;
	return len;
}

bool
str_utf8_ok(const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		size_t len = str_utf8_char(at, n);

		if (len == 0)
			return false;
		at += len;
		n -= len;
	}
	return true;
}

size_t
str_characters(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

bool
str_token_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
		    (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return s.n > 0;
}

char *
str_percent_decode(struct arena *a, struct str s, bool plus_is_blank, size_t *n)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high, low;

			if (s.n - i < 3 || (high = unhex1(s.p[i + 1])) < 0 ||
			    (low = unhex1(s.p[i + 2])) < 0)
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if (c == '\0')
			return NULL;
		out[len++] = c;
	}
	out[len] = '\0';
	if (n != NULL)
		*n = len;
	return out;
}

size_t
str_hex(const void *p, size_t n, char *out)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex[b[i] >> 4];
		out[2 * i + 1] = hex[b[i] & 15];
	}
	out[2 * n] = '\0';
	return 2 * n;
}

bool
str_unhex(struct str s, uint8_t *out, size_t want)
{
	if (s.n % 2 != 0 || s.n / 2 != want)
		return false;
	for (size_t i = 0; i < want; i++) {
		int high = unhex1(s.p[2 * i]), low = unhex1(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

size_t
str_b64url_len(size_t n)
{
	return n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1);
}

size_t
str_b64url(const void *p, size_t n, char *out)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *b = p;
	size_t at = 0;
	uint32_t v = 0;
	int bits = 0;

	for (size_t i = 0; i < n; i++) {
		v = v << 8 | b[i];
		for (bits += 8; bits >= 6; bits -= 6)
			out[at++] = alphabet[v >> (bits - 6) & 63];
	}
	if (bits > 0)
		out[at++] = alphabet[v << (6 - bits) & 63];
	out[at] = '\0';
	return at;
}

bool
str_unb64url(struct str s, uint8_t *out, size_t cap, size_t *n)
{
	size_t len = s.n / 4 * 3 + (s.n % 4 == 0 ? 0 : s.n % 4 - 1), at = 0;
	uint32_t v = 0;
	int bits = 0, six;

	if (s.n % 4 == 1 || len > cap)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if ((six = unb64(s.p[i])) < 0)
			return false;
		v = v << 6 | (uint32_t)six;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[at++] = (uint8_t)(v >> bits);
		}
	}
	if ((v & ((1u << bits) - 1)) != 0)
		return false; /* two spellings of the same bytes would both be taken */
	*n = at;
	return true;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	buf_room(b, n);
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	must(fmt != NULL);
	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	must(n >= 0);
	buf_room(b, (size_t)n);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

static int
unhex1(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int
unb64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Room for n more bytes and a NUL. */
static void
buf_room(struct buf *b, size_t n)
{
	size_t want, cap = b->cap == 0 ? 256 : b->cap;

	if (__builtin_add_overflow(b->n, n, &want) || want > SIZE_MAX / 4)
		fatal("out of memory (%zu bytes wanted)", n);
	while (cap <= want)
		cap *= 2;
	if (cap == b->cap)
		return;
	b->p = mem_grow(b->p, cap, 1);
	b->cap = cap;
}

static void
make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	must(c_locale != (locale_t)0);
}
