/* json: what is read is written again as a text that reads as an equal value; what is not read says
 * why; any bytes are written as a JSON string. */
#include <string.h>
#include "base/json.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(64 << 20);
	struct json_error e;
	json_t *v, *again;
	struct jw w;
	size_t n;
	char *p;

	v = json_read(data, size, &e);
	if (v == NULL) {
		must(e.what[0] != '\0' && memchr(e.what, '\0', sizeof(e.what)) != NULL &&
		     e.offset <= size);
	} else {
		jw_start(&w, a, 0);
		jw_json(&w, NULL, v);
		p = jw_text(&w, &n);
		again = json_read(p, n, &e);
		must(again != NULL && json_equal(v, again));
		json_decref(again);
		json_decref(v);
	}
	jw_start(&w, a, 0);
	jw_strn(&w, NULL, (const char *)data, size);
	p = jw_text(&w, &n);
	must(str_utf8_ok(p, n) && strlen(p) == n);
	if (memchr(data, '\0', size) == NULL || size == 0) {
		v = json_read(p, n, &e);
		must(json_is_string(v));
		json_decref(v);
	}
	arena_free(&a);
	return 0;
}
