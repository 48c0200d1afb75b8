/* search: what people type becomes conditions that the indexes serve. Pure.
 *
 * q: words, all of which must be there; "in quotes": in this order; or between two: either; -word: not;
 * wor*: one that begins so. The words are PostgreSQL's (text search configuration `metafed`). */
#include <ctype.h>
#include <string.h>
#include "base/json.h"
#include "base/str.h"
#include "database/sql/filter.h"

#define Q_MOST          1000
#define BEGINNINGS_MOST 8
#define POINTER_MOST    16 /* names in it */

static bool
add(struct filter *f, enum condition_kind kind, const char *value, struct complaints *e)
{
	if (f->n == FILTERS_MOST) {
		complain(e, "filters", "must be at most %d", FILTERS_MOST);
		return false;
	}
	f->conditions[f->n++] = (struct condition){ .kind = kind, .value = value };
	return true;
}

/* A word as to_tsquery reads it, whatever is in it: 'it''s':* */
static char *
add_beginning(char *p, const char *word, size_t n)
{
	*p++ = '\'';
	for (size_t i = 0; i < n; i++) {
		if (word[i] == '\'' || word[i] == '\\')
			*p++ = word[i];
		*p++ = word[i];
	}
	return stpcpy(p, "':*");
}

bool
search_read(struct arena *a, struct filter *f, const char *q, struct complaints *e)
{
	size_t n = strlen(q), beginnings = 0;
	char *words = arena_alloc(a, n + 1), *begin = arena_alloc(a, 2 * n + 8 * (n + 1)),
	     *w = words, *b = begin;
	bool quoted = false;

	if (n == 0 || n > Q_MOST || !str_utf8_ok(q, n)) {
		complain(e, "q", "must be text of 1 to %d bytes", Q_MOST);
		return false;
	}
	for (size_t at = 0, end; at < n; at = end) {
		end = at + 1;
		if (isspace((unsigned char)q[at]) == 0)
			while (end < n && isspace((unsigned char)q[end]) == 0)
				end++;
		for (size_t i = at; i < end; i++)
			quoted ^= q[i] == '"';
		if (!quoted && end - at > 1 && q[end - 1] == '*' && q[at] != '-' && q[at] != '"') {
			b = beginnings++ == 0 ? b : stpcpy(b, " & ");
			b = add_beginning(b, q + at, end - at - 1);
			continue;
		}
		memcpy(w, q + at, end - at);
		w += end - at;
	}
	*w = *b = '\0';
	if (beginnings > BEGINNINGS_MOST) {
		complain(e, "q", "must have at most %d words with *", BEGINNINGS_MOST);
		return false;
	}
	if (words[strspn(words, " \t\r\n\v\f")] != '\0' && !add(f, COND_WORDS, words, e))
		return false;
	return beginnings == 0 || add(f, COND_BEGINNINGS, begin, e);
}

/* The names of "/a/b~1c" (RFC 6901). 0: it is none, or has more than POINTER_MOST. */
static size_t
pointer_names(struct arena *a, struct str pointer, const char *names[])
{
	struct str rest, one;
	size_t n = 0;
	bool more = true;

	if (pointer.n == 0 || pointer.p[0] != '/')
		return 0;
	for (rest = (struct str){ pointer.p + 1, pointer.n - 1 }; more; n++) {
		char *to = arena_alloc(a, pointer.n + 1);

		if (n == POINTER_MOST)
			return 0;
		more = str_cut(rest, '/', &one, &rest);
		names[n] = to;
		for (size_t i = 0; i < one.n; i++) {
			char c = one.p[i], escaped = i + 1 < one.n ? one.p[i + 1] : '\0';

			if (c == '~' && escaped != '0' && escaped != '1')
				return 0;
			if (c == '~')
				c = one.p[++i] == '0' ? '~' : '/';
			*to++ = c;
		}
		*to = '\0';
	}
	return n;
}

/* {"a":{"b":VALUE}}, or [VALUE] in its place */
static const char *
wrapped(struct arena *a, const char *const *names, size_t n, const json_t *value, bool in_array)
{
	struct jw w;

	jw_start(&w, a, 128);
	jw_object(&w, NULL);
	for (size_t i = 0; i + 1 < n; i++)
		jw_object(&w, names[i]);
	if (in_array)
		jw_array(&w, names[n - 1]);
	jw_json(&w, in_array ? NULL : names[n - 1], value);
	if (in_array)
		jw_close(&w, ']');
	for (size_t i = 0; i < n; i++)
		jw_close(&w, '}');
	return jw_text(&w, NULL);
}

bool
search_attribute(struct arena *a, struct filter *f, const struct field *field, const char *text,
    struct complaints *e)
{
	const char *names[POINTER_MOST], *eq = strchr(text, '=');
	struct condition *c = &f->conditions[f->n];
	size_t n =
	    eq == NULL ? 0 : pointer_names(a, (struct str){ text, (size_t)(eq - text) }, names);
	struct json_error je;
	json_t *value;

	if (n == 0 || strlen(text) > Q_MOST || !str_utf8_ok(text, strlen(text))) {
		complain(e, field->name,
		    "must be POINTER=VALUE: a JSON Pointer of at most %d names, and a JSON value "
		    "or a "
		    "string, of %d bytes at most together",
		    POINTER_MOST, Q_MOST);
		return false;
	}
	value = json_read(eq + 1, strlen(eq + 1), &je);
	if (value == NULL)
		value = json_string(eq + 1);
	*c = (struct condition){ .kind = COND_ATTRIBUTE,
		.field = field,
		.value = wrapped(a, names, n, value, true),
		.object = wrapped(a, names, n, value, false) };
	json_decref(value);
	if (strstr(c->object, "\\u0000") != NULL) {
		complain(e, field->name, "can't be compared with text that has a NUL in it");
		return false;
	}
	f->n++;
	return true;
}
