/* json: jansson under our limits for reading; a writer that appends to an arena.
 *
 * jansson recurses per level, so the depth is counted before it sees the text. The writer keeps one
 * rule: `comma` is true when a value stands before the place where the next one goes. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/time.h"

#define DEPTH_MAX 32

static bool depth_ok(const char *p, size_t n, size_t *where);
static void locate(const char *p, size_t offset, struct json_error *e);
static void put(struct jw *w, const void *p, size_t n);
static void put_string(struct jw *w, const char *s, size_t n);
static void begin(struct jw *w, const char *key);
static void put_container(struct jw *w, const json_t *v);

json_t *
json_read(const void *p, size_t n, struct json_error *e)
{
	json_error_t je;
	json_t *v;
	size_t where;

	*e = (struct json_error){ .what = "" };
	if (!depth_ok(p, n, &where)) {
		snprintf(e->what, sizeof(e->what), "nested more than %d deep", DEPTH_MAX);
		locate(p, where, e);
		return NULL;
	}
	v = json_loadb(n == 0 ? "" : p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (v == NULL) {
		snprintf(e->what, sizeof(e->what), "%s", je.text);
		e->offset = je.position < 0 ? 0 : (size_t)je.position;
		e->line = je.line;
		e->column = je.column;
	}
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

static bool
depth_ok(const char *p, size_t n, size_t *where)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_string = false;
		} else if (p[i] == '"') {
			in_string = true;
		} else if ((p[i] == '[' || p[i] == '{') && ++depth > DEPTH_MAX) {
			*where = i;
			return false;
		} else if (p[i] == ']' || p[i] == '}') {
			depth--;
		}
	}
	return true;
}

static void
locate(const char *p, size_t offset, struct json_error *e)
{
	e->offset = offset;
	e->line = 1;
	e->column = 1;
	for (size_t i = 0; i < offset; i++) {
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

static void
put_string(struct jw *w, const char *s, size_t n)
{
	static const char short_escape[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};
	size_t from = 0, i = 0;

	put(w, "\"", 1);
	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		bool plain = c >= 0x20 && c != '"' && c != '\\';
		size_t len = c < 0x80 ? 1 : str_utf8_char(s + i, n - i);
		char escape[8];

		if (len > 0 && plain) {
			i += len;
			continue;
		}
		put(w, s + from, i - from);
		if (len == 0)
			put(w, "\xef\xbf\xbd", 3);
		else if (c == '"' || c == '\\')
			put(w, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", c));
		else if (c < sizeof(short_escape) && short_escape[c] != '\0')
			put(w, (char[]){ '\\', short_escape[c] }, 2);
		else
			put(w, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
		from = ++i;
	}
	put(w, s + from, n - from);
	put(w, "\"", 1);
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
