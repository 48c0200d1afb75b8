/* yaml: see yaml.h. libyaml's parser gives events; the values under construction are a stack. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "auth/rbac/yaml.h"
#include "base/str.h"

#define DEPTH_MAX   12
#define VALUES_MAX  500000
#define POINTER_MAX 600
#define KEY_MAX     100

struct level {
	json_t *value; /* borrowed: of the one below, or the root */
	char key[KEY_MAX + 1];
	bool has_key;
	size_t pointer; /* length of the path of the value */
};

struct reader {
	json_t *root, *lines;
	struct level levels[DEPTH_MAX];
	size_t depth, values;
	char pointer[POINTER_MAX];
	struct yaml_error *e;
	bool ended, documents;
};

static bool take(struct reader *r, const yaml_event_t *ev);
static bool open_value(struct reader *r, json_t *v, size_t line);
static bool put(struct reader *r, json_t *v, size_t line);
static bool take_key(struct reader *r, const yaml_event_t *ev);
static json_t *scalar(const yaml_event_t *ev);
static bool wrong(struct reader *r, size_t line, const char *what);
static bool plain_ok(const char *s);

json_t *
yaml_read(const char *p, size_t n, json_t **lines, struct yaml_error *e)
{
	struct reader r = { .e = e, .lines = json_object() };
	yaml_parser_t parser;
	yaml_event_t ev;
	bool ok = true;

	*e = (struct yaml_error){ .line = 0 };
	*lines = NULL;
	if (!str_utf8_ok(p, n) || memchr(p, '\0', n) != NULL ||
	    yaml_parser_initialize(&parser) == 0) {
		json_decref(r.lines);
		(void)snprintf(e->what, sizeof(e->what), "is not UTF-8");
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)p, n);
	while (ok && !r.ended) {
		if (yaml_parser_parse(&parser, &ev) == 0) {
			ok = wrong(&r, parser.problem_mark.line + 1,
			    parser.problem != NULL ? parser.problem : "can't be read");
			break;
		}
		ok = take(&r, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	if (ok && r.root == NULL)
		ok = wrong(&r, 0, "is empty");
	if (!ok) {
		json_decref(r.root);
		json_decref(r.lines);
		return NULL;
	}
	*lines = r.lines;
	return r.root;
}

size_t
yaml_line(const json_t *lines, const char *pointer)
{
	char path[POINTER_MAX];
	char *slash;

	(void)snprintf(path, sizeof(path), "%s", pointer);
	for (;;) {
		const json_t *line = json_object_get(lines, path);

		if (line != NULL)
			return (size_t)json_integer_value(line);
		slash = strrchr(path, '/');
		if (slash == NULL)
			return 0;
		*slash = '\0';
	}
}

static bool
take(struct reader *r, const yaml_event_t *ev)
{
	size_t line = ev->start_mark.line + 1;

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		if (ev->data.scalar.anchor != NULL || ev->data.scalar.tag != NULL)
			return wrong(r, line, "anchors and tags are not taken");
		if (r->depth > 0 && json_is_object(r->levels[r->depth - 1].value) &&
		    !r->levels[r->depth - 1].has_key)
			return take_key(r, ev);
		return put(r, scalar(ev), line);
	case YAML_SEQUENCE_START_EVENT:
		if (ev->data.sequence_start.anchor != NULL || ev->data.sequence_start.tag != NULL)
			return wrong(r, line, "anchors and tags are not taken");
		return open_value(r, json_array(), line);
	case YAML_MAPPING_START_EVENT:
		if (ev->data.mapping_start.anchor != NULL || ev->data.mapping_start.tag != NULL)
			return wrong(r, line, "anchors and tags are not taken");
		return open_value(r, json_object(), line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return true;
	case YAML_ALIAS_EVENT:
		return wrong(r, line, "aliases are not taken");
	case YAML_DOCUMENT_START_EVENT:
		if (r->documents)
			return wrong(r, line, "one document is taken");
		r->documents = true;
		return true;
	case YAML_STREAM_END_EVENT:
		r->ended = true;
		return true;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return true;
}

static bool
open_value(struct reader *r, json_t *v, size_t line)
{
	if (r->depth == DEPTH_MAX) {
		json_decref(v);
		return wrong(r, line, "goes too deep");
	}
	if (r->depth > 0 && json_is_object(r->levels[r->depth - 1].value) &&
	    !r->levels[r->depth - 1].has_key) {
		json_decref(v);
		return wrong(r, line, "a key must be a word");
	}
	if (!put(r, v, line))
		return false;
	r->levels[r->depth] = (struct level){ .value = v, .pointer = strlen(r->pointer) };
	r->depth++;
	return true;
}

/* Takes v. r->pointer is its path afterwards. */
static bool
put(struct reader *r, json_t *v, size_t line)
{
	struct level *in = r->depth > 0 ? &r->levels[r->depth - 1] : NULL;
	size_t at = in == NULL ? 0 : in->pointer;

	if (++r->values > VALUES_MAX) {
		json_decref(v);
		return wrong(r, line, "has too many values");
	}
	if (in == NULL) {
		r->root = v;
	} else if (json_is_array(in->value)) {
		(void)snprintf(
		    r->pointer + at, sizeof(r->pointer) - at, "/%zu", json_array_size(in->value));
		json_array_append_new(in->value, v);
	} else {
		(void)snprintf(r->pointer + at, sizeof(r->pointer) - at, "/%.30s", in->key);
		json_object_set_new(in->value, in->key, v);
		in->has_key = false;
	}
	json_object_set_new(r->lines, r->pointer, json_integer((json_int_t)line));
	return true;
}

static bool
take_key(struct reader *r, const yaml_event_t *ev)
{
	struct level *in = &r->levels[r->depth - 1];
	size_t n = ev->data.scalar.length, line = ev->start_mark.line + 1;

	if (n == 0 || n > KEY_MAX)
		return wrong(r, line, "a key must be a word");
	memcpy(in->key, ev->data.scalar.value, n);
	in->key[n] = '\0';
	if (strlen(in->key) != n || !str_utf8_ok(in->key, n))
		return wrong(r, line, "a key must be a word");
	if (json_object_get(in->value, in->key) != NULL)
		return wrong(r, line, "a key comes twice");
	in->has_key = true;
	return true;
}

/* JSON schema: what is not quoted and reads as null, true, false or a whole number is that. */
static json_t *
scalar(const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;
	size_t n = ev->data.scalar.length;
	int64_t i;

	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (n == 0 || strcmp(s, "null") == 0 || strcmp(s, "~") == 0)
			return json_null();
		if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
			return json_boolean(s[0] == 't');
		if (str_i64((struct str){ s, n }, INT64_MIN, INT64_MAX, &i))
			return json_integer(i);
	}
	return strlen(s) == n && str_utf8_ok(s, n) ? json_stringn(s, n) : json_null();
}

static bool
wrong(struct reader *r, size_t line, const char *what)
{
	(void)snprintf(r->e->what, sizeof(r->e->what), "%s", what);
	r->e->line = line;
	return false;
}

/* --- writing --- */

void
yaml_add_value(struct buf *b, const json_t *v)
{
	if (json_is_string(v) && plain_ok(json_string_value(v))) {
		buf_puts(b, json_string_value(v));
	} else if (json_is_array(v)) {
		buf_puts(b, "[");
		for (size_t i = 0; i < json_array_size(v); i++) {
			buf_puts(b, i > 0 ? ", " : "");
			yaml_add_value(b, json_array_get(v, i));
		}
		buf_puts(b, "]");
	} else {
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_SORT_KEYS);

		buf_puts(b, text == NULL ? "null" : text);
		free(text);
	}
}

/* Needs no quotes: begins with a letter, and nothing in it means anything to YAML. */
static bool
plain_ok(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 200 || strcmp(s, "null") == 0 || strcmp(s, "true") == 0 ||
	    strcmp(s, "false") == 0 || strcmp(s, "yes") == 0 || strcmp(s, "no") == 0 ||
	    strcmp(s, "on") == 0 || strcmp(s, "off") == 0 || strcmp(s, "y") == 0 ||
	    strcmp(s, "n") == 0)
		return false;
	if (!((s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z')))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
			(s[i] >= '0' && s[i] <= '9') || s[i] == '.' || s[i] == '_' || s[i] == '-' ||
			s[i] == '/' || (s[i] == '*' && i > 0)))
			return false;
	return true;
}
