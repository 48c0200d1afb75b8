/* Objects and merge patches, as any client may write them. What is accepted can be rendered, and
 * the rendering is JSON. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/sql/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_json(const char *p, size_t n)
{
	struct json_error e;
	json_t *v = json_read(p, n, &e);

	must(v != NULL);
	json_decref(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(8 << 20);
	struct json_error je;
	json_t *v = json_read(data, size, &je);

	for (size_t i = 0; v != NULL && i < sql_n_models; i++) {
		const struct model *m = &sql_models[i];
		const char *id =
		    m->id->type == FIELD_UUID ? "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" : "admin";
		const struct intake_op op = { id, "", "actor", "2026-01-02T03:04:05.000006Z" };
		struct complaints e = { .arena = a };
		struct row row;
		struct jw w;
		size_t n;
		char *patch;

		if (intake_create(a, m, v, &op, "", &row, &e)) {
			jw_start(&w, a, 64);
			render_row(&w, &row);
			patch = jw_text(&w, &n);
			must_be_json(patch, n);
		}
		if (intake_patch(a, m, v, id, "/0", &patch, &e))
			must_be_json(patch, strlen(patch));
	}
	json_decref(v);
	arena_free(&a);
	return 0;
}
