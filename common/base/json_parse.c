/* json_parse: RFC 8259 text becomes jansson's values. jansson's own reader takes every byte through
 * a stream, a copy and three functions, which was two thirds of what sql did for a create; here a
 * string without escapes is looked at once and copied once. */
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json_parse.h"
#include "base/log.h"

struct parser {
	const char *start, *p, *end;
	int depth;
	char *scratch; /* of decoded strings and of reals; as large as the text, made when needed */
	struct json_error *error;
};

static json_t *parse_value(struct parser *x);
static json_t *parse_object(struct parser *x);
static bool parse_member(struct parser *x, json_t *object);
static json_t *parse_array(struct parser *x);
static bool parse_string(struct parser *x, struct str *out);
static bool decode(struct parser *x, const char *from, struct str *out);
static bool decode_escape(struct parser *x, char **out);
static bool hex4(struct parser *x, unsigned *out);
static char *put_utf8(char *out, unsigned c);
static json_t *parse_number(struct parser *x);
static json_t *make_integer(struct parser *x, const char *digits, bool negative);
static json_t *make_real(struct parser *x, const char *from);
static json_t *parse_word(struct parser *x, const char *word, json_t *v);
static bool open_bracket(struct parser *x);
static void skip_space(struct parser *x);
static bool take(struct parser *x, char c);
static bool bad(struct parser *x, const char *at, const char *what);
static json_t *wrong(struct parser *x, const char *at, const char *what);
static char *scratch(struct parser *x);

json_t *
json_parse(const char *p, size_t n, struct json_error *e)
{
	struct parser x = { .start = p, .p = p, .end = p + n, .error = e };
	json_t *v;

	v = parse_value(&x);
	skip_space(&x);
	if (v != NULL && x.p < x.end) {
		json_decref(v);
		v = wrong(&x, x.p, "something follows the value");
	}
	free(x.scratch);
	return v;
}

static json_t *
parse_value(struct parser *x)
{
	struct str s;

	skip_space(x);
	if (x->p == x->end)
		return wrong(x, x->p, "a value is missing at the end");
	switch (*x->p) {
	case '{':
		return parse_object(x);
	case '[':
		return parse_array(x);
	case '"':
		return parse_string(x, &s) ? json_stringn_nocheck(s.p, s.n) : NULL;
	case 't':
		return parse_word(x, "true", json_true());
	case 'f':
		return parse_word(x, "false", json_false());
	case 'n':
		return parse_word(x, "null", json_null());
	default:
		return parse_number(x);
	}
}

static json_t *
parse_object(struct parser *x)
{
	json_t *v;

	if (!open_bracket(x))
		return NULL;
	v = json_object();
	must(v != NULL);
	skip_space(x);
	if (!take(x, '}')) {
		do {
			if (!parse_member(x, v)) {
				json_decref(v);
				return NULL;
			}
			skip_space(x);
		} while (take(x, ','));
		if (!take(x, '}')) {
			json_decref(v);
			return wrong(x, x->p, "',' or '}' is missing");
		}
	}
	x->depth--;
	return v;
}

static bool
parse_member(struct parser *x, json_t *object)
{
	size_t before = json_object_size(object);
	const char *at;
	char key[64], *copy = key;
	struct str s;
	json_t *v;

	skip_space(x);
	at = x->p;
	if (x->p == x->end || *x->p != '"')
		return bad(x, x->p, "a name in quotes is missing");
	if (!parse_string(x, &s))
		return false;
	if (s.n > sizeof(key))
		must((copy = malloc(s.n)) != NULL);
	memcpy(copy, s.p, s.n); /* the value may need the scratch */
	skip_space(x);
	v = take(x, ':') ? parse_value(x) : wrong(x, x->p, "':' is missing");
	if (v != NULL)
		must(json_object_setn_new_nocheck(object, copy, s.n, v) == 0);
	if (copy != key)
		free(copy);
	if (v != NULL && json_object_size(object) == before)
		v = wrong(x, at, "this name is there twice");
	return v != NULL;
}

static json_t *
parse_array(struct parser *x)
{
	json_t *v, *item;

	if (!open_bracket(x))
		return NULL;
	v = json_array();
	must(v != NULL);
	skip_space(x);
	if (!take(x, ']')) {
		do {
			if ((item = parse_value(x)) == NULL) {
				json_decref(v);
				return NULL;
			}
			must(json_array_append_new(v, item) == 0);
			skip_space(x);
		} while (take(x, ','));
		if (!take(x, ']')) {
			json_decref(v);
			return wrong(x, x->p, "',' or ']' is missing");
		}
	}
	x->depth--;
	return v;
}

/* --- strings --- */

/* *out points into the text, or into the scratch. */
static bool
parse_string(struct parser *x, struct str *out)
{
	const char *from = ++x->p;

	for (;;) {
		unsigned char c;
		size_t n;

		if (x->p == x->end)
			return bad(x, x->p, "a string does not end");
		c = (unsigned char)*x->p;
		if (c == '"')
			break;
		if (c == '\\')
			return decode(x, from, out);
		if (c < 0x20)
			return bad(x, x->p, "a control character in a string");
		n = c < 0x80 ? 1 : str_utf8_char(x->p, (size_t)(x->end - x->p));
		if (n == 0)
			return bad(x, x->p, "a string is not UTF-8");
		x->p += n;
	}
	*out = (struct str){ from, (size_t)(x->p - from) };
	x->p++;
	return true;
}

/* From the first escape on; what stood before it was looked at. */
static bool
decode(struct parser *x, const char *from, struct str *out)
{
	char *to = scratch(x), *begin = to;

	memcpy(to, from, (size_t)(x->p - from));
	to += x->p - from;
	while (x->p < x->end && *x->p != '"') {
		unsigned char c = (unsigned char)*x->p;
		size_t n = c < 0x80 ? 1 : str_utf8_char(x->p, (size_t)(x->end - x->p));

		if (c == '\\') {
			if (!decode_escape(x, &to))
				return false;
			continue;
		}
		if (c < 0x20)
			return bad(x, x->p, "a control character in a string");
		if (n == 0)
			return bad(x, x->p, "a string is not UTF-8");
		memcpy(to, x->p, n);
		to += n;
		x->p += n;
	}
	if (x->p == x->end)
		return bad(x, x->p, "a string does not end");
	x->p++;
	*out = (struct str){ begin, (size_t)(to - begin) };
	return true;
}

static bool
decode_escape(struct parser *x, char **out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *at = x->p++, *name;
	unsigned c, low;

	if (x->p == x->end)
		return bad(x, x->p, "a string does not end");
	if (*x->p != 'u') {
		name = *x->p != '\0' ? strchr(names, *x->p) : NULL;
		if (name == NULL)
			return bad(x, at, "an escape that does not exist");
		*(*out)++ = values[name - names];
		x->p++;
		return true;
	}
	x->p++;
	if (!hex4(x, &c))
		return bad(x, at, "\\u wants four hexadecimal digits");
	if (c == 0)
		return bad(x, at, "\\u0000 is not taken");
	if (c >= 0xd800 && c <= 0xdfff) {
		if (c >= 0xdc00 || x->end - x->p < 6 || x->p[0] != '\\' || x->p[1] != 'u')
			return bad(x, at, "half of a surrogate pair");
		x->p += 2;
		if (!hex4(x, &low) || low < 0xdc00 || low > 0xdfff)
			return bad(x, at, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*out = put_utf8(*out, c);
	return true;
}

static bool
hex4(struct parser *x, unsigned *out)
{
	unsigned v = 0;

	if (x->end - x->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = x->p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	x->p += 4;
	*out = v;
	return true;
}

/* At most half as long as its escape. */
static char *
put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* --- numbers and words --- */

static bool
is_digit(const struct parser *x)
{
	return x->p < x->end && *x->p >= '0' && *x->p <= '9';
}

/* At least one. */
static bool
skip_digits(struct parser *x)
{
	const char *from = x->p;

	while (is_digit(x))
		x->p++;
	return x->p > from;
}

static json_t *
parse_number(struct parser *x)
{
	const char *from = x->p, *digits;
	bool negative = take(x, '-'), real = false, zero;

	digits = x->p;
	zero = is_digit(x) && *x->p == '0';
	if (!skip_digits(x))
		return wrong(x, from, "no value begins like this");
	if (zero && x->p - digits > 1)
		return wrong(x, from, "a number begins with 0");
	if (take(x, '.')) {
		real = true;
		if (!skip_digits(x))
			return wrong(x, x->p, "a digit is missing");
	}
	if (x->p < x->end && (*x->p | 0x20) == 'e') {
		real = true;
		x->p++;
		if (!take(x, '+'))
			(void)take(x, '-');
		if (!skip_digits(x))
			return wrong(x, x->p, "a digit is missing");
	}
	return real ? make_real(x, from) : make_integer(x, digits, negative);
}

static json_t *
make_integer(struct parser *x, const char *digits, bool negative)
{
	const uint64_t most = (uint64_t)INT64_MAX + negative;
	uint64_t v = 0;

	for (const char *p = digits; p < x->p; p++) {
		unsigned d = (unsigned)(*p - '0');

		if (v > (most - d) / 10)
			return wrong(x, digits, "a number is too large");
		v = v * 10 + d;
	}
	return json_integer(negative ? (json_int_t)(0 - v) : (json_int_t)v);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void
make_c_locale(void)
{
	must((c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0)) != (locale_t)0);
}

/* strtod wants an end, and a decimal point that no locale changes. */
static json_t *
make_real(struct parser *x, const char *from)
{
	char number[64], *copy = number;
	size_t n = (size_t)(x->p - from);
	double v;

	must(pthread_once(&once, make_c_locale) == 0);
	if (n >= sizeof(number))
		must((copy = malloc(n + 1)) != NULL);
	memcpy(copy, from, n);
	copy[n] = '\0';
	v = strtod_l(copy, NULL, c_locale);
	if (copy != number)
		free(copy);
	return isfinite(v) ? json_real(v) : wrong(x, from, "a number is too large");
}

static json_t *
parse_word(struct parser *x, const char *word, json_t *v)
{
	size_t n = strlen(word);

	if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n) != 0)
		return wrong(x, x->p, "no value begins like this");
	x->p += n;
	return v;
}

/* --- pieces --- */

static bool
open_bracket(struct parser *x)
{
	char what[40];

	if (++x->depth > JSON_DEPTH_MAX) {
		snprintf(what, sizeof(what), "nested more than %d deep", JSON_DEPTH_MAX);
		return bad(x, x->p, what);
	}
	x->p++;
	return true;
}

static void
skip_space(struct parser *x)
{
	while (x->p < x->end && (*x->p == ' ' || *x->p == '\n' || *x->p == '\r' || *x->p == '\t'))
		x->p++;
}

static bool
take(struct parser *x, char c)
{
	if (x->p == x->end || *x->p != c)
		return false;
	x->p++;
	return true;
}

/* Always false. */
static bool
bad(struct parser *x, const char *at, const char *what)
{
	snprintf(x->error->what, sizeof(x->error->what), "%s", what);
	x->error->offset = (size_t)(at - x->start);
	return false;
}

static json_t *
wrong(struct parser *x, const char *at, const char *what)
{
	(void)bad(x, at, what);
	return NULL;
}

static char *
scratch(struct parser *x)
{
	if (x->scratch == NULL)
		must((x->scratch = malloc((size_t)(x->end - x->start))) != NULL);
	return x->scratch;
}
