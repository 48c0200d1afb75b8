/* An update of a document, as any client may write it: first line the document, second the update. What comes of
 * it is a document that can be read again. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/nosql/update_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = arena_new(16u << 20);
	char *text = arena_strndup(a, (const char *)data, size), *save = NULL;
	char *doc = strtok_r(text, "\n", &save), *update = strtok_r(NULL, "\n", &save);
	struct json_error e;
	json_t *d = doc != NULL ? json_read(doc, strlen(doc), &e) : NULL,
	       *u = update != NULL ? json_read(update, strlen(update), &e) : NULL, *again;
	struct jw w;

	if (json_is_object(d) && json_is_object(u)) {
		if (update_apply(a, u, d, 1700000000000000, &f)) {
			jw_start(&w, a, 256);
			jw_json(&w, NULL, d);
			again = json_read(w.p, w.n, &e);
			must(json_is_object(again));
			json_decref(again);
		} else {
			must(f.n_violations > 0);
		}
	}
	json_decref(d);
	json_decref(u);
	arena_free(&a);
	return 0;
}
