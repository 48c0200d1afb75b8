/* string: what stands between the quotes, decoded: escapes of a string, the common indentation of a
 * block string. Spec, section 2.9.4. */
#include <string.h>

#include "api/graphql/engine/lexer.h"

static bool escape(const char *, const char *, uint32_t *, size_t *);
static bool hex(const char *, size_t, uint32_t *);
static size_t put_utf8(char *, uint32_t);
static bool next_line(struct str *, struct str *);
static size_t blanks(struct str);
static size_t unescape_quotes(char *, size_t);

bool
string_decode(struct arena *a, struct str raw, struct str *out, size_t *wrong)
{
	const char *p = raw.p, *end = raw.p + raw.n;
	char *text = arena_alloc(a, raw.n + 1); /* an escape is never shorter than what it means */
	size_t n = 0;

	while (p < end) {
		uint32_t c;
		size_t used;

		if (*p != '\\') {
			text[n++] = *p++;
			continue;
		}
		if (!escape(p, end, &c, &used)) {
			*wrong = (size_t)(p - raw.p);
			return false;
		}
		n += put_utf8(text + n, c);
		p += used;
	}
	text[n] = '\0';
	*out = (struct str){ text, n };
	return true;
}

/* One escape, which may be a pair of surrogates. U+0000 is refused, as it is in JSON that we read:
 * texts end with it. */
static bool
escape(const char *p, const char *end, uint32_t *c, size_t *used)
{
	static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *at, *close;
	uint32_t low;

	*used = 2;
	if (end - p < 2)
		return false;
	if (p[1] != 'u') {
		if ((at = memchr(names, p[1], sizeof(names) - 1)) == NULL)
			return false;
		*c = (unsigned char)means[at - names];
		return true;
	}
	if (end - p > 2 && p[2] == '{') {
		if ((close = memchr(p, '}', (size_t)(end - p))) == NULL ||
		    !hex(p + 3, (size_t)(close - p - 3), c))
			return false;
		*used = (size_t)(close + 1 - p);
		return *c != 0 && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff);
	}
	*used = 6;
	if (end - p < 6 || !hex(p + 2, 4, c) || *c == 0 || (*c >= 0xdc00 && *c <= 0xdfff))
		return false;
	if (*c < 0xd800 || *c > 0xdbff)
		return true;
	*used = 12;
	if (end - p < 12 || p[6] != '\\' || p[7] != 'u' || !hex(p + 8, 4, &low) || low < 0xdc00 ||
	    low > 0xdfff)
		return false;
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* Any number of digits, as long as what they say stays below 2^28. */
static bool
hex(const char *p, size_t n, uint32_t *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		char c = p[i];
		uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
		                 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
		                 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
		                                        : 16;

		if (digit == 16 || *out >= 1u << 24)
			return false;
		*out = *out << 4 | digit;
	}
	return n != 0;
}

static size_t
put_utf8(char *p, uint32_t c)
{
	if (c < 0x80) {
		p[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (char)(0xc0 | c >> 6);
		p[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (char)(0xe0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 0x3f));
		p[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (char)(0xf0 | c >> 18);
	p[1] = (char)(0x80 | (c >> 12 & 0x3f));
	p[2] = (char)(0x80 | (c >> 6 & 0x3f));
	p[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* BlockStringValue(): lines without their common indentation (the first line's does not count),
 * without blank lines at both ends. */
struct str
string_block(struct arena *a, struct str raw)
{
	struct str rest = raw, line;
	size_t common = SIZE_MAX, first = SIZE_MAX, last = 0, at = 0, n = 0;
	char *out = arena_alloc(a, raw.n + 1);

	while (next_line(&rest, &line)) {
		size_t indent = blanks(line);

		if (indent < line.n) {
			if (first == SIZE_MAX)
				first = at;
			last = at;
			if (at != 0 && indent < common)
				common = indent;
		}
		at++;
	}
	rest = raw;
	for (at = 0; next_line(&rest, &line); at++) {
		if (at < first || at > last || first == SIZE_MAX)
			continue;
		if (at != 0 && common != SIZE_MAX) {
			size_t cut = common < line.n ? common : line.n;

			line = (struct str){ line.p + cut, line.n - cut };
		}
		if (at != first)
			out[n++] = '\n';
		memcpy(out + n, line.p, line.n);
		n += line.n;
	}
	return (struct str){ out, unescape_quotes(out, n) };
}

/* False: there was none left. A text that ends with a line's end has an empty line behind it;
 * rest->p NULL says that the last one was taken. */
static bool
next_line(struct str *rest, struct str *line)
{
	size_t i = 0;

	if (rest->p == NULL)
		return false;
	while (i < rest->n && rest->p[i] != '\n' && rest->p[i] != '\r')
		i++;
	*line = (struct str){ rest->p, i };
	if (i == rest->n) {
		*rest = (struct str){ NULL, 0 };
		return true;
	}
	i += rest->p[i] == '\r' && i + 1 < rest->n && rest->p[i + 1] == '\n' ? 2 : 1;
	*rest = (struct str){ rest->p + i, rest->n - i };
	return true;
}

static size_t
blanks(struct str line)
{
	size_t i = 0;

	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	return i;
}

/* In place: what is left is shorter. */
static size_t
unescape_quotes(char *text, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		if (n - i >= 4 && memcmp(text + i, "\\\"\"\"", 4) == 0)
			i++;
		text[out++] = text[i];
	}
	text[out] = '\0';
	return out;
}
