/* lexer: see lexer.h. The text is valid UTF-8 (gql_parse looked): outside of strings and comments
 * every byte above 0x7f is an error all the same. Names, numbers and strings without an escape are
 * views of the text. */
#include "api/graphql/engine/lexer.h"

#include <string.h>

enum { C_BAD, C_BLANK, C_NAME, C_NUMBER, C_PUNCTUATOR, C_DOT, C_QUOTE, C_COMMENT };

static const unsigned char class_of[256] = {
	['\t'] = C_BLANK,
	['\n'] = C_BLANK,
	['\r'] = C_BLANK,
	[' '] = C_BLANK,
	[','] = C_BLANK,
	['A' ... 'Z'] = C_NAME,
	['a' ... 'z'] = C_NAME,
	['_'] = C_NAME,
	['0' ... '9'] = C_NUMBER,
	['-'] = C_NUMBER,
	['!'] = C_PUNCTUATOR,
	['$'] = C_PUNCTUATOR,
	['&'] = C_PUNCTUATOR,
	['('] = C_PUNCTUATOR,
	[')'] = C_PUNCTUATOR,
	[':'] = C_PUNCTUATOR,
	['='] = C_PUNCTUATOR,
	['@'] = C_PUNCTUATOR,
	['['] = C_PUNCTUATOR,
	[']'] = C_PUNCTUATOR,
	['{'] = C_PUNCTUATOR,
	['|'] = C_PUNCTUATOR,
	['}'] = C_PUNCTUATOR,
	['.'] = C_DOT,
	['"'] = C_QUOTE,
	['#'] = C_COMMENT,
};

static void skip_ignored(struct lexer *);
static void read_name(struct lexer *);
static void read_number(struct lexer *);
static bool read_digits(struct lexer *);
static void read_string(struct lexer *);
static void read_block(struct lexer *);
static void bad(struct lexer *, const char *at, const char *what);

void
lexer_start(struct lexer *x, struct arena *a, struct str text, const struct gql_limits *l,
    struct gql_errors *e)
{
	*x = (struct lexer){ .a = a,
		.errors = e,
		.text = text.p,
		.p = text.p,
		.end = text.p + text.n,
		.most_tokens = l->tokens };
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		x->p += 3; /* a byte order mark */
	lexer_next(x);
}

void
lexer_next(struct lexer *x)
{
	if (x->kind == T_BAD)
		return;
	skip_ignored(x);
	x->at = (uint32_t)(x->p - x->text);
	if (x->p == x->end) {
		x->kind = T_END;
		return;
	}
	if (x->tokens++ == x->most_tokens) {
		x->kind = T_BAD;
		gql_error_add(x->errors, &gql_too_complex, x->at,
		    "The document has more than %u tokens.", x->most_tokens);
		return;
	}
	switch (class_of[(unsigned char)*x->p]) {
	case C_NAME:
		read_name(x);
		break;
	case C_NUMBER:
		read_number(x);
		break;
	case C_PUNCTUATOR:
		x->kind = (unsigned char)*x->p++;
		break;
	case C_DOT:
		x->kind = T_SPREAD;
		if (x->end - x->p < 3 || memcmp(x->p, "...", 3) != 0)
			bad(x, x->p, "Unexpected \".\": a spread is \"...\".");
		x->p += 3;
		break;
	case C_QUOTE:
		if (x->end - x->p >= 3 && memcmp(x->p, "\"\"\"", 3) == 0)
			read_block(x);
		else
			read_string(x);
		break;
	default:
		bad(x, x->p, "Unexpected character.");
	}
}

static void
skip_ignored(struct lexer *x)
{
	const char *p = x->p;

	for (; p < x->end; p++) {
		unsigned char c = class_of[(unsigned char)*p];

		if (c == C_BLANK)
			continue;
		if (c != C_COMMENT)
			break;
		while (p + 1 < x->end && p[1] != '\n' && p[1] != '\r')
			p++;
	}
	x->p = p;
}

bool
lexer_name_start(char c)
{
	return class_of[(unsigned char)c] == C_NAME;
}

static void
read_name(struct lexer *x)
{
	const char *begin = x->p, *p = begin + 1;

	while (p < x->end && (class_of[(unsigned char)*p] == C_NAME || (*p >= '0' && *p <= '9')))
		p++;
	x->kind = T_NAME;
	x->value = (struct str){ begin, (size_t)(p - begin) };
	x->p = p;
}

/* No leading zero, and nothing that could be taken for a part of it directly behind. */
static void
read_number(struct lexer *x)
{
	const char *begin = x->p;
	bool zero;

	x->kind = T_INT;
	x->p += *x->p == '-';
	zero = x->p < x->end && *x->p == '0';
	if (!read_digits(x))
		return;
	if (zero && x->p - begin > (*begin == '-') + 1) {
		bad(x, begin, "Invalid number: it begins with 0.");
		return;
	}
	if (x->p < x->end && *x->p == '.') {
		x->kind = T_FLOAT;
		x->p++;
		if (!read_digits(x))
			return;
	}
	if (x->p < x->end && (*x->p == 'e' || *x->p == 'E')) {
		x->kind = T_FLOAT;
		x->p++;
		x->p += x->p < x->end && (*x->p == '+' || *x->p == '-');
		if (!read_digits(x))
			return;
	}
	if (x->p < x->end && (*x->p == '.' || lexer_name_start(*x->p)))
		bad(x, x->p, "Invalid number: a digit is expected.");
	else
		x->value = (struct str){ begin, (size_t)(x->p - begin) };
}

static bool
read_digits(struct lexer *x)
{
	const char *begin = x->p;

	while (x->p < x->end && *x->p >= '0' && *x->p <= '9')
		x->p++;
	if (x->p != begin)
		return true;
	bad(x, x->p, "Invalid number: a digit is expected.");
	return false;
}

static void
read_string(struct lexer *x)
{
	const char *begin = x->p + 1, *p = begin;
	bool escaped = false;
	struct str raw;
	size_t wrong;

	for (; p < x->end && *p != '"' && *p != '\n' && *p != '\r'; p++)
		if (*p == '\\') {
			escaped = true;
			if (p + 1 < x->end && p[1] != '\n' && p[1] != '\r')
				p++;
		}
	if (p >= x->end || *p != '"') {
		bad(x, p, "Unterminated string.");
		return;
	}
	raw = (struct str){ begin, (size_t)(p - begin) };
	x->kind = T_STRING;
	x->p = p + 1;
	if (!escaped)
		x->value = raw;
	else if (!string_decode(x->a, raw, &x->value, &wrong))
		bad(x, begin + wrong, "Invalid escape sequence in a string.");
}

static void
read_block(struct lexer *x)
{
	const char *begin = x->p + 3, *p = begin;

	for (; x->end - p >= 3; p++) {
		if (memcmp(p, "\"\"\"", 3) == 0) {
			x->kind = T_BLOCK;
			x->value = string_block(x->a, (struct str){ begin, (size_t)(p - begin) });
			x->p = p + 3;
			return;
		}
		if (x->end - p >= 4 && memcmp(p, "\\\"\"\"", 4) == 0)
			p += 3;
	}
	bad(x, x->end, "Unterminated string.");
}

static void
bad(struct lexer *x, const char *at, const char *what)
{
	x->kind = T_BAD;
	gql_error_add(
	    x->errors, &gql_parse_failed, (uint32_t)(at - x->text), "Syntax Error: %s", what);
}

const char *
lexer_describe(const struct lexer *x)
{
	static const char *const names[] = { [T_NAME] = "Name",
		[T_INT] = "Int",
		[T_FLOAT] = "Float",
		[T_STRING] = "String",
		[T_BLOCK] = "BlockString" };

	if (x->kind == T_END)
		return "<EOF>";
	if (x->kind == T_SPREAD)
		return "\"...\"";
	if (x->kind > T_BAD)
		return arena_printf(x->a, "\"%c\"", x->kind);
	return arena_printf(x->a, "%s \"%.*s\"%s", names[x->kind],
	    x->value.n < 40 ? (int)x->value.n : 40, x->value.p, x->value.n > 40 ? "..." : "");
}
