/* json: reading into jansson's values (json_parse.c); a writer that appends to an arena. It keeps one
 * rule: `comma` is true when a value stands before the place where the next one goes. */
#include "base/json.h"
#include "base/json_parse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/time.h"

static void locate(const char *p, struct json_error *e);
static void put(struct jw *w, const void *p, size_t n);
static void put_string(struct jw *w, const char *s, size_t n);
static void put_escape(struct jw *w, unsigned char c);
static void begin(struct jw *w, const char *key);
static void put_container(struct jw *w, const json_t *v);

json_t *
json_read(const void *p, size_t n, struct json_error *e)
{
	json_t *v;

	*e = (struct json_error){ .what = "" };
	v = json_parse(n == 0 ? "" : p, n, e);
	if (v == NULL)
		locate(n == 0 ? "" : p, e);
	return v;
}

bool
json_page(
    struct arena *a, const void *p, size_t n, json_item_fn *each, void *ctx, const char **next)
{
	struct json_error e;
	json_t *v = json_read(p, n, &e);
	const json_t *items = json_object_get(v, "items");
	const char *cursor = json_string_value(json_object_get(v, "next_cursor"));
	bool ok = json_is_array(items);

	*next = ok && cursor != NULL && cursor[0] != '\0' ? arena_strdup(a, cursor) : NULL;
	for (size_t i = 0; ok && i < json_array_size(items); i++)
		ok = each(ctx, json_array_get(items, i));
	json_decref(v);
	return ok;
}

void
jw_start(struct jw *w, struct arena *a, size_t size_hint)
{
	*w = (struct jw){ .a = a, .cap = size_hint < 64 ? 64 : size_hint };
	w->p = arena_alloc(a, w->cap);
	w->p[0] = '\0';
}

void
jw_object(struct jw *w, const char *key)
{
	begin(w, key);
	put(w, "{", 1);
	w->comma = false;
}

void
jw_array(struct jw *w, const char *key)
{
	begin(w, key);
	put(w, "[", 1);
	w->comma = false;
}

void
jw_close(struct jw *w, char bracket)
{
	put(w, &bracket, 1);
	w->comma = true;
}

void
jw_str(struct jw *w, const char *key, const char *s)
{
	if (s == NULL)
		jw_null(w, key);
	else
		jw_strn(w, key, s, strlen(s));
}

void
jw_strn(struct jw *w, const char *key, const char *s, size_t n)
{
	begin(w, key);
	put_string(w, s, n);
}

void
jw_int(struct jw *w, const char *key, int64_t v)
{
	char text[24];

	begin(w, key);
	put(w, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)v));
}

/* The shorter of two forms that reads back as the same number, and as a real again: what is 2e2
 * must not become the integer 200 on its way through a node. */
void
jw_num(struct jw *w, const char *key, double v)
{
	char text[40], *comma;
	int n;

	if (!isfinite(v)) {
		jw_null(w, key);
		return;
	}
	n = snprintf(text, sizeof(text), "%.15g", v);
	if (strtod(text, NULL) != v)
		n = snprintf(text, sizeof(text), "%.17g", v);
	if ((comma = strchr(text, ',')) != NULL) /* the locale's decimal point */
		*comma = '.';
	begin(w, key);
	put(w, text, (size_t)n);
	if (strpbrk(text, ".e") == NULL)
		put(w, ".0", 2);
}

void
jw_bool(struct jw *w, const char *key, bool v)
{
	begin(w, key);
	put(w, v ? "true" : "false", v ? 4 : 5);
}

void
jw_null(struct jw *w, const char *key)
{
	begin(w, key);
	put(w, "null", 4);
}

void
jw_raw(struct jw *w, const char *key, const void *json, size_t n)
{
	if (n == 0) {
		jw_null(w, key);
		return;
	}
	begin(w, key);
	put(w, json, n);
}

void
jw_json(struct jw *w, const char *key, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		begin(w, key);
		put_container(w, v);
		break;
	case JSON_STRING:
		jw_strn(w, key, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		jw_int(w, key, json_integer_value(v));
		break;
	case JSON_REAL:
		jw_num(w, key, json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		jw_bool(w, key, json_is_true(v));
		break;
	case JSON_NULL:
		jw_null(w, key);
		break;
	}
}

void
jw_time(struct jw *w, const char *key, int64_t wall_us)
{
	char text[TIME_RFC3339_LEN];

	time_rfc3339(wall_us, text);
	jw_strn(w, key, text, strlen(text));
}

char *
jw_text(struct jw *w, size_t *n)
{
	if (n != NULL)
		*n = w->n;
	return w->p;
}

static void
locate(const char *p, struct json_error *e)
{
	e->line = 1;
	e->column = 1;
	for (size_t i = 0; i < e->offset; i++) {
		if (p[i] == '\n') {
			e->line++;
			e->column = 1;
		} else {
			e->column++;
		}
	}
}

static void
put(struct jw *w, const void *p, size_t n)
{
	if (n >= w->cap - w->n) {
		size_t cap = w->cap * 2 > w->n + n + 1 ? w->cap * 2 : w->n + n + 1;
		char *bigger = arena_alloc(w->a, cap);

		memcpy(bigger, w->p, w->n);
		w->p = bigger;
		w->cap = cap;
	}
	if (n > 0)
		memcpy(w->p + w->n, p, n);
	w->n += n;
	w->p[w->n] = '\0';
}

/* Goes as it is. */
static const bool plain[256] = {
	[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '\x7f'] = true
};

static void
put_string(struct jw *w, const char *s, size_t n)
{
	size_t from = 0, i = 0;

	put(w, "\"", 1);
	for (;;) {
		size_t len;

		while (i < n && plain[(unsigned char)s[i]])
			i++;
		if (i == n)
			break;
		len = (unsigned char)s[i] < 0x80 ? 0 : str_utf8_char(s + i, n - i);
		if (len > 0) {
			i += len;
			continue;
		}
		put(w, s + from, i - from);
		put_escape(w, (unsigned char)s[i]);
		from = ++i;
	}
	put(w, s + from, n - from);
	put(w, "\"", 1);
}

/* Of what is no UTF-8: U+FFFD. */
static void
put_escape(struct jw *w, unsigned char c)
{
	static const char shorts[] = { ['\b'] = 'b',
		['\t'] = 't',
		['\n'] = 'n',
		['\f'] = 'f',
		['\r'] = 'r',
		['"'] = '"',
		['\\'] = '\\' };
	char escape[8];

	if (c >= 0x80)
		put(w, "\xef\xbf\xbd", 3);
	else if (c < sizeof(shorts) && shorts[c] != '\0')
		put(w, (char[]){ '\\', shorts[c] }, 2);
	else
		put(w, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
}

/* What stands before a value: a comma when it has a neighbour, and its key. */
static void
begin(struct jw *w, const char *key)
{
	if (w->comma)
		put(w, ",", 1);
	if (key != NULL) {
		put_string(w, key, strlen(key));
		put(w, ":", 1);
	}
	w->comma = true;
}

/* Objects keep the order of insertion: jansson's iterators follow it since 2.8. */
static void
put_container(struct jw *w, const json_t *v)
{
	json_t *object = (json_t *)(uintptr_t)v; /* jansson's iterators take no const */
	const char *key;
	json_t *member;
	size_t i;

	w->comma = false;
	if (json_is_array(v)) {
		put(w, "[", 1);
		json_array_foreach(v, i, member) jw_json(w, NULL, member);
		jw_close(w, ']');
		return;
	}
	put(w, "{", 1);
	json_object_foreach(object, key, member) jw_json(w, key, member);
	jw_close(w, '}');
}
