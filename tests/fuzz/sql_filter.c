/* Filters and cursor of a query, as any client may write them: "key=value" lines, the last one is
 * the cursor. What is accepted makes a statement whose parameters fit it, and a cursor made from it
 * is accepted again. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "database/sql/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As a column has it. */
static const char *
value_of(struct arena *a, const struct field *f)
{
	switch ((int)f->type) {
	case FIELD_UUID:
		return "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
	case FIELD_TIME:
		return "2026-11-21 01:02:03.5+00";
	case FIELD_PRIORITY:
		return "3";
	case FIELD_STATE:
		return "QUEUED";
	default:
		return f->min <= 4 ? "name" : arena_printf(a, "%0*d", (int)f->min, 7);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1 << 20);
	Mf__StoreOp op = MF__STORE_OP__INIT;
	Mf__KeyValue kv[FILTERS_MOST + 4], *filters[FILTERS_MOST + 4];
	const char *params[QUERY_PARAMS_MOST];
	struct complaints e = { .arena = a };
	char *text = arena_strndup(a, (const char *)data, size), *save = NULL;
	struct filter f, again;
	struct row last = { 0 };

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *eq = strchr(line, '=');

		if (eq == NULL || op.n_filters == FILTERS_MOST + 4) {
			op.cursor = line;
			continue;
		}
		*eq = '\0';
		if (strcmp(line, "sort") == 0) {
			op.sort = eq + 1;
			continue;
		}
		mf__key_value__init(&kv[op.n_filters]);
		kv[op.n_filters] = (Mf__KeyValue){ kv[op.n_filters].base, line, eq + 1 };
		filters[op.n_filters] = &kv[op.n_filters];
		op.n_filters++;
	}
	op.filters = filters;
	if (filter_read(a, &sql_models[size % sql_n_models], &op, &f, &e)) {
		size_t n = text_query_params(a, &f, params, QUERY_PARAMS_MOST), highest = 0;

		for (const char *p = text_query(a, &f); (p = strchr(p, '$')) != NULL; p++)
			if (strtoul(p + 1, NULL, 10) > highest)
				highest = strtoul(p + 1, NULL, 10);
		must(highest == n);
		last.values[0] = value_of(a, f.model->id);
		for (size_t i = 0; i < f.n_sorts; i++)
			last.values[f.sorts[i].field - f.model->fields] =
			    value_of(a, f.sorts[i].field);
		op.cursor = (char *)(uintptr_t)filter_cursor(a, &f, &last, 1);
		/* what is ranked has an end */
		must((f.ranked && op.cursor == NULL) || filter_read(a, f.model, &op, &again, &e));
	}
	arena_free(&a);
	return 0;
}
