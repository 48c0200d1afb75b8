/* A JSON Schema, as whoever declares a collection may write it, and a document: first line, second line. It is
 * refused with a reason, or holds the document against it in bounded time; a document that is refused is told
 * why, and the other way round. The schema is also taken for a pattern. */
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "base/schema.h"
#include "base/schema_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
hold_pattern(struct arena *a, const char *text, const char *doc)
{
	size_t room = SCHEMA_PATTERN_STEPS;
	const char *wrong;
	const struct schema_pattern *p = schema_pattern(a, text, &room, &wrong);

	must((p == NULL) == (wrong != NULL));
	if (p != NULL && str_utf8_ok(doc, strlen(doc)))
		(void)schema_pattern_matches(p, str_of(doc), &(size_t){ SCHEMA_PATTERN_WORK_MOST });
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct schema_rules rules = { .set = NULL };
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = arena_new(64u << 20);
	char *text = arena_strndup(a, (const char *)data, size), *save = NULL;
	char *first = strtok_r(text, "\n", &save), *doc = strtok_r(NULL, "\n", &save);
	struct json_error e;
	json_t *v = first != NULL ? json_read(first, strlen(first), &e) : NULL,
	       *d = doc != NULL ? json_read(doc, strlen(doc), &e) : NULL;
	struct schemas s = { .a = a, .doc = v };
	const struct schema *schema = json_is_object(v) ? schema_compile(&s, v) : NULL;

	must(schema != NULL || !json_is_object(v) || s.wrong != NULL);
	if (schema != NULL && d != NULL)
		must(schema_check(a, schema, d, &rules, &f) == (f.n_violations == 0));
	schemas_free(&s);
	if (first != NULL && doc != NULL && strlen(first) < 200)
		hold_pattern(a, first, doc);
	json_decref(v);
	json_decref(d);
	arena_free(&a);
	return 0;
}
