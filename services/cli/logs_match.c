/* logs_match: see logs.h. Lines are as log.c writes them: time and level stand at their places, and a
 * quote inside a text is escaped, so that "event":"NAME" is never part of one. Only what passes that is
 * parsed. */
#include "cli/logs.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define LEVEL_AT 47 /* {"time":"2026-11-21T01:02:03.123456Z","level":" */

static bool is_line(struct str line);
static enum log_level level_of(struct str line);
static bool has(struct str line, const char *key, const char *value);
static bool has_field(struct str line, struct str key, const char *value);
static void show_plain(FILE *out, const char *name, struct str line);
static const char *text_of(const json_t *v, const char *key, const char *otherwise);
static void put_padded(FILE *out, const char *text, int width);
static void
put_field(FILE *out, const char *key, const json_t *v, const char *dim, const char *plain);

bool
logs_match(const struct logs_filter *f, struct str line)
{
	bool all =
	    f->level == LOG_DEBUG && f->trace == NULL && f->event == NULL && f->n_fields == 0;

	if (!is_line(line))
		return all;
	if (level_of(line) < f->level || (f->trace != NULL && !has(line, "trace", f->trace)) ||
	    (f->event != NULL && !has(line, "event", f->event)))
		return false;
	for (size_t i = 0; i < f->n_fields; i++)
		if (!has_field(line, f->fields[i].key, f->fields[i].value))
			return false;
	return true;
}

void
logs_show(FILE *out, const char *name, struct str line, bool colour)
{
	static const char *const colours[] = { "\033[2m", "", "\033[33m", "\033[31m",
		"\033[1;31m" };
	static const char *const told[] = { "time", "level", "node", "event" };
	json_t *v = is_line(line) ? json_loadb(line.p, line.n, 0, NULL) : NULL, *field;
	const char *dim = colour ? "\033[2m" : "", *plain = colour ? "\033[0m" : "", *key;

	if (v == NULL) {
		show_plain(out, name, line);
		return;
	}
	fprintf(out, "%s%.23s%s %s%-5s%s ", dim, text_of(v, "time", ""), plain,
	    colour ? colours[level_of(line)] : "", text_of(v, "level", ""), plain);
	put_padded(out, text_of(v, "node", name), 10);
	cli_put(out, text_of(v, "event", ""));
	json_object_foreach(v, key, field)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
			known |= strcmp(key, told[i]) == 0;
		if (!known)
			put_field(out, key, field, dim, plain);
	}
	fputc('\n', out);
	json_decref(v);
}

static const char *
text_of(const json_t *v, const char *key, const char *otherwise)
{
	return json_string_value(json_object_get(v, key)) ?: otherwise;
}

static void
put_padded(FILE *out, const char *text, int width)
{
	cli_put(out, text);
	fprintf(out, "%*s ", (int)strlen(text) < width ? width - (int)strlen(text) : 0, "");
}

static void
put_field(FILE *out, const char *key, const json_t *v, const char *dim, const char *plain)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	fprintf(out, " %s", dim);
	cli_put(out, key);
	fprintf(out, "=%s", plain);
	cli_put(out, text != NULL ? text : "");
	free(text);
}

/* Of a server, or of a process that had no log yet. */
static void
show_plain(FILE *out, const char *name, struct str line)
{
	char *text = strndup(line.p, line.n);

	if (text == NULL)
		abort();
	put_padded(out, name, 10);
	cli_put(out, text);
	fputc('\n', out);
	free(text);
}

static bool
is_line(struct str line)
{
	return line.n > LEVEL_AT && memcmp(line.p, "{\"time\":\"", 9) == 0 &&
	       memcmp(line.p + LEVEL_AT - 10, ",\"level\":\"", 10) == 0;
}

static enum log_level
level_of(struct str line)
{
	switch (line.p[LEVEL_AT]) {
	case 'd':
		return LOG_DEBUG;
	case 'w':
		return LOG_WARN;
	case 'e':
		return LOG_ERROR;
	case 'f':
		return LOG_FATAL;
	default:
		return LOG_INFO;
	}
}

static bool
has(struct str line, const char *key, const char *value)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "\"%s\":\"%s\"", key, value);

	return n < (int)sizeof(text) && memmem(line.p, line.n, text, (size_t)n) != NULL;
}

/* A text as it is, another value as JSON writes it. */
static bool
has_field(struct str line, struct str key, const char *value)
{
	char name[128], *text;
	const json_t *field;
	bool same = false;
	json_t *v;
	int n = snprintf(name, sizeof(name), "\"%.*s\":", (int)key.n, key.p);

	if (n >= (int)sizeof(name) || memmem(line.p, line.n, name, (size_t)n) == NULL)
		return false;
	v = json_loadb(line.p, line.n, 0, NULL);
	name[n - 2] = '\0';
	field = json_object_get(v, name + 1);
	if (json_is_string(field)) {
		same = strcmp(json_string_value(field), value) == 0;
	} else if (field != NULL) {
		text = json_dumps(field, JSON_ENCODE_ANY | JSON_COMPACT);
		same = text != NULL && strcmp(text, value) == 0;
		free(text);
	}
	json_decref(v);
	return same;
}
