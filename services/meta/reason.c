/* reason: see reason.h. */
#include "meta/reason.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log_file.h"
#include "base/str.h"

#define TAIL 2048

static void last_words(char out[REASON_MAX], const char *var, const char *node);
static struct str last_line(const char *text, size_t n);
static void take(char out[REASON_MAX], struct str words);
static void whole_characters(char *s);

void
reason_of(char out[REASON_MAX], const char *var, const struct contract_report *p)
{
	char node[sizeof(p->node) + 1], words[REASON_MAX] = "";
	size_t n;

	out[0] = '\0';
	if (p->state != NODE_FAILED && p->state != NODE_BACKOFF)
		return;
	reason_end(out, p->end, p->end_code);
	if (p->end != END_EXIT || var == NULL)
		return;
	snprintf(node, sizeof(node), "%.*s", (int)sizeof(p->node), p->node);
	last_words(words, var, node);
	n = strlen(out);
	if (words[0] != '\0')
		snprintf(out + n, REASON_MAX - n, ": %s", words);
	whole_characters(out);
}

void
reason_end(char out[REASON_MAX], uint8_t end, uint8_t code)
{
	const char *name = NULL;

	switch ((enum contract_end)end) {
	case END_EXIT:
		snprintf(out, REASON_MAX, "exit status %u", code);
		break;
	case END_SIGNAL:
		name = sigdescr_np(code);
		snprintf(out, REASON_MAX, "signal %u%s%s%s", code, name != NULL ? " (" : "",
		    name != NULL ? name : "", name != NULL ? ")" : "");
		break;
	case END_HUNG:
		snprintf(out, REASON_MAX, "killed: no sign of life for %d s",
		    CONTRACT_HUNG_US / 1000000);
		break;
	case END_LATE:
		snprintf(out, REASON_MAX, "killed: it took too long to become READY, or to go");
		break;
	case END_MEMORY:
		snprintf(out, REASON_MAX, "killed: more resident memory than memory_max");
		break;
	case END_NONE:
	case END_UNKNOWN:
		snprintf(out, REASON_MAX, "it ended, how was not seen");
		break;
	}
}

/* What a process that gives up says last is mostly why: a line of JSON with a message or an error,
 * or plain text (of a server, or from before the log was open). */
static void
last_words(char out[REASON_MAX], const char *var, const char *node)
{
	const char *said = NULL;
	char text[TAIL];
	size_t n = log_file_tail(var, node, text, sizeof(text));
	struct json_error e;
	struct str line;
	json_t *v;

	if (n == 0)
		return;
	line = last_line(text, n);
	if (line.n == 0 || line.p[0] != '{') {
		take(out, line);
		return;
	}
	if ((v = json_read(line.p, line.n, &e)) == NULL)
		return;
	if ((said = json_string_value(json_object_get(v, "message"))) == NULL)
		said = json_string_value(json_object_get(v, "error"));
	if (said != NULL)
		take(out, str_of(said));
	json_decref(v);
}

static struct str
last_line(const char *text, size_t n)
{
	const char *begin;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	begin = memrchr(text, '\n', n);
	begin = begin == NULL ? text : begin + 1;
	while (begin < text + n && (*begin & 0xc0) == 0x80)
		begin++; /* the rest of a character, when the line is longer than what was read */
	return (struct str){ begin, (size_t)(text + n - begin) };
}

/* Printable, and UTF-8: it goes into JSON. */
static void
take(char out[REASON_MAX], struct str words)
{
	size_t n = words.n < REASON_MAX - 1 ? words.n : REASON_MAX - 1;

	memcpy(out, words.p, n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = ' ';
	whole_characters(out);
}

/* A cut may have fallen inside the last one; what is wrong elsewhere is not text. */
static void
whole_characters(char *s)
{
	size_t n = strlen(s);

	for (int cut = 0; n > 0 && !str_utf8_ok(s, n); cut++) {
		n = cut < 3 ? n - 1 : 0;
		s[n] = '\0';
	}
}
