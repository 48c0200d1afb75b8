/* What stands in the journal, and a change of it: "STATE NUL PATCH". What is accepted is an object that can
 * be read again, and changed again by nothing. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/nosql/journal_int.h"
#include "database/sql/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW "2026-01-02T03:04:05.000006Z"

static void
change(struct arena *a, const struct state *s, const char *id, const char *ns, const char *patch,
    size_t n)
{
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct change x = { .kind = MF__STORE_OP__KIND__UPDATE, .op = &op, .id = id, .ns = ns };
	struct complaints e = { .arena = a };
	struct json_error je;
	json_t *v = json_read(patch, n, &je);
	struct failure why;
	struct state again;
	struct row row;
	const char *text;

	if (v != NULL && change_read(a, &x, v, "", NOW, &e) && change_apply(a, &x, s, NOW, &why)) {
		must(x.after.version == s->version + 1 && x.after.json.n > 0);
		must(replay_row(a, model_find("task"), x.after.json.p, x.after.json.n, &row));
		text = state_text(a, &x.after, &n);
		must(state_parse((struct str){ text, n }, &again));
		must(again.version == x.after.version && again.json.n == x.after.json.n);
	}
	json_decref(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(16 << 20);
	const uint8_t *end = memchr(data, '\0', size);
	size_t n = end != NULL ? (size_t)(end - data) : size;
	const char *patch = end != NULL ? (const char *)end + 1 : "{}";
	struct state s;
	struct row row;

	if (state_parse((struct str){ (const char *)data, n }, &s) && s.version < UINT32_MAX &&
	    replay_row(a, model_find("task"), s.json.p, s.json.n, &row))
		change(a, &s, row.values[0], arena_strndup(a, s.ns.p, s.ns.n), patch,
		    end != NULL ? size - n - 1 : 2);
	arena_free(&a);
	return 0;
}
