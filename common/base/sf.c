/* sf: see sf.h. Reads what clients send: every function takes what it has read off the front of
 * `in`, and says false where the grammar of RFC 9651, section 4.2, says fail. */
#include <string.h>
#include "base/sf.h"

#define DIGITS_MOST  15 /* of an integer */
#define WHOLE_MOST   12 /* of a decimal, before the point */
#define AFTER_MOST   3  /* and after it */
#define PARAMS_FIRST 8

static bool params_read(struct arena *a, struct str *in, struct sf_item *out);
static struct sf_param *param_of(struct arena *a, struct sf_item *out, struct str key);
static bool value_read(struct arena *a, struct str *in, struct sf_value *v);
static bool number_read(struct str *in, struct sf_value *v);
static bool string_read(struct arena *a, struct str *in, struct sf_value *v);
static bool display_read(struct arena *a, struct str *in, struct sf_value *v);
static bool is_hex(char c);
static bool bytes_read(struct str *in, struct sf_value *v);
static bool boolean_read(struct str *in, struct sf_value *v);
static struct str take(struct str *in, const char *set);
static bool skip(struct str *in, char c);
static bool starts(struct str in, char from, char to);

#define DIGIT "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define ALPHA LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool
sf_item_read(struct arena *a, struct str field, struct sf_item *out)
{
	struct str in = field;

	*out = (struct sf_item){ .n = 0 };
	(void)take(&in, " ");
	if (!value_read(a, &in, &out->value) || !params_read(a, &in, out))
		return false;
	(void)take(&in, " ");
	return in.n == 0;
}

static bool
params_read(struct arena *a, struct str *in, struct sf_item *out)
{
	struct sf_param *p;

	while (skip(in, ';')) {
		(void)take(in, " ");
		if ((!starts(*in, 'a', 'z') && !starts(*in, '*', '*')) ||
		    (p = param_of(a, out, take(in, LOWER DIGIT "_-.*"))) == NULL)
			return false;
		p->value = (struct sf_value){ .type = SF_BOOLEAN, .number = 1 };
		if (skip(in, '=') && !value_read(a, in, &p->value))
			return false;
	}
	return true;
}

/* NULL: too many. */
static struct sf_param *
param_of(struct arena *a, struct sf_item *out, struct str key)
{
	struct sf_param *more;
	size_t cap;

	for (size_t i = 0; i < out->n; i++)
		if (out->params[i].key.n == key.n &&
		    memcmp(out->params[i].key.p, key.p, key.n) == 0)
			return &out->params[i];
	if (out->n == SF_PARAMS_MOST)
		return NULL;
	if (out->n == 0 || (out->n >= PARAMS_FIRST && (out->n & (out->n - 1)) == 0)) {
		cap = out->n == 0 ? PARAMS_FIRST : 2 * out->n;
		more = ARENA_ARRAY(a, struct sf_param, cap);
		if (out->n > 0)
			memcpy(more, out->params, out->n * sizeof(*more));
		out->params = more;
	}
	out->params[out->n].key = key;
	return &out->params[out->n++];
}

static bool
value_read(struct arena *a, struct str *in, struct sf_value *v)
{
	*v = (struct sf_value){ .type = SF_INTEGER };
	if (starts(*in, '0', '9') || starts(*in, '-', '-'))
		return number_read(in, v);
	if (skip(in, '"'))
		return string_read(a, in, v);
	if (starts(*in, 'a', 'z') || starts(*in, 'A', 'Z') || starts(*in, '*', '*')) {
		v->type = SF_TOKEN;
		v->text = take(in, ALPHA DIGIT "!#$%&'*+-.^_`|~:/");
		return true;
	}
	if (skip(in, ':'))
		return bytes_read(in, v);
	if (skip(in, '?'))
		return boolean_read(in, v);
	if (skip(in, '@')) {
		bool ok = number_read(in, v) && v->type == SF_INTEGER;

		v->type = SF_DATE;
		return ok;
	}
	return skip(in, '%') && skip(in, '"') && display_read(a, in, v);
}

static bool
number_read(struct str *in, struct sf_value *v)
{
	bool minus = skip(in, '-');
	struct str whole = take(in, DIGIT), after;

	if (whole.n == 0 || whole.n > DIGITS_MOST)
		return false;
	for (size_t i = 0; i < whole.n; i++)
		v->number = 10 * v->number + (whole.p[i] - '0');
	if (skip(in, '.')) {
		after = take(in, DIGIT);
		if (whole.n > WHOLE_MOST || after.n == 0 || after.n > AFTER_MOST)
			return false;
		v->type = SF_DECIMAL;
		for (size_t i = 0; i < AFTER_MOST; i++)
			v->number = 10 * v->number + (i < after.n ? after.p[i] - '0' : 0);
	}
	if (minus)
		v->number = -v->number;
	return true;
}

static bool
string_read(struct arena *a, struct str *in, struct sf_value *v)
{
	size_t end = 0, n = 0;
	char *out;

	while (end < in->n && in->p[end] != '"')
		end += in->p[end] == '\\' ? 2 : 1;
	if (end >= in->n)
		return false;
	out = arena_alloc(a, end + 1);
	for (size_t i = 0; i < end; i++) {
		if (in->p[i] == '\\' && in->p[++i] != '"' && in->p[i] != '\\')
			return false;
		if (in->p[i] < 0x20 || in->p[i] > 0x7e)
			return false;
		out[n++] = in->p[i];
	}
	*v = (struct sf_value){ .type = SF_STRING, .text = { out, n } };
	*in = (struct str){ in->p + end + 1, in->n - end - 1 };
	return true;
}

static bool
display_read(struct arena *a, struct str *in, struct sf_value *v)
{
	struct str text, rest;
	uint8_t byte;
	size_t n = 0;
	char *out;

	if (!str_cut(*in, '"', &text, &rest))
		return false;
	out = arena_alloc(a, text.n + 1);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < 0x20 || text.p[i] > 0x7e)
			return false;
		out[n] = text.p[i];
		if (text.p[i] == '%') {
			if (text.n - i < 3 || !is_hex(text.p[i + 1]) || !is_hex(text.p[i + 2]) ||
			    !str_unhex((struct str){ text.p + i + 1, 2 }, &byte, 1))
				return false;
			out[n] = (char)byte;
			i += 2;
		}
		n++;
	}
	*v = (struct sf_value){ .type = SF_DISPLAY, .text = { out, n } };
	*in = rest;
	return str_utf8_ok(out, n);
}

/* In lower case only. */
static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Without its padding base64 is as clear. */
static bool
bytes_read(struct str *in, struct sf_value *v)
{
	struct str data = take(in, ALPHA DIGIT "+/"), pad = take(in, "=");

	*v = (struct sf_value){ .type = SF_BYTES, .text = data };
	return skip(in, ':') && data.n % 4 != 1 && (pad.n == 0 || (data.n + pad.n) % 4 == 0) &&
	       pad.n < 3;
}

static bool
boolean_read(struct str *in, struct sf_value *v)
{
	v->type = SF_BOOLEAN;
	v->number = starts(*in, '1', '1');
	return skip(in, '0') || skip(in, '1');
}

/* As many of these characters as there are. */
static struct str
take(struct str *in, const char *set)
{
	struct str taken = { in->p, 0 };

	while (taken.n < in->n && in->p[taken.n] != '\0' && strchr(set, in->p[taken.n]) != NULL)
		taken.n++;
	in->p += taken.n;
	in->n -= taken.n;
	return taken;
}

static bool
skip(struct str *in, char c)
{
	if (!starts(*in, c, c))
		return false;
	in->p++;
	in->n--;
	return true;
}

static bool
starts(struct str in, char from, char to)
{
	return in.n != 0 && in.p[0] >= from && in.p[0] <= to;
}
