/* A filter of documents, as any client may write it: first line the filter, second line a document, third the sort.
 * What is accepted is planned, and a plan whose ranges are the whole filter finds the document just when the
 * filter holds for it. */
#include <string.h>
#include "base/json.h"
#include "base/log.h"
#include "database/nosql/planner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct collection *
declared(void)
{
	static const char kept[] =
	    "{\"epoch\":\"1\",\"version\":1,\"indexes\":["
	    "{\"name\":\"a\",\"fields\":[\"/a\"],\"slot\":\"00000001\",\"state\":\"ready\"},"
	    "{\"name\":\"ab\",\"fields\":[\"/a\",\"/"
	    "b\"],\"slot\":\"00000002\",\"state\":\"ready\"},"
	    "{\"name\":\"b\",\"fields\":[\"/"
	    "b\"],\"slot\":\"00000003\",\"state\":\"ready\",\"unique\":true}]}";
	static struct collection *k;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	json_t *v;

	if (k != NULL)
		return k;
	v = json_loads(kept, 0, NULL);
	k = collection_compile("x", v, &f);
	json_decref(v);
	must(k != NULL && k->n_indexes == 3);
	return k;
}

static int
compare(const char *a, size_t n, const char *b, size_t m)
{
	int way = memcmp(a, b, n < m ? n : m);

	return way != 0 ? way : (n > m) - (n < m);
}

/* As Redis has it. */
static bool
in_ranges(const struct query_plan *p, const char *member, size_t n)
{
	for (size_t i = 0; i < p->n_ranges; i++) {
		const struct range *r = &p->ranges[i];
		int low = r->from[0] == '-' ? 1 : compare(member, n, r->from + 1, r->n_from - 1);
		int high = r->to[0] == '+' ? -1 : compare(member, n, r->to + 1, r->n_to - 1);

		if ((low > 0 || (low == 0 && r->from[0] == '[')) &&
		    (high < 0 || (high == 0 && r->to[0] == '[')))
			return true;
	}
	return false;
}

static void
hold(struct arena *a, const struct collection *k, const struct filter *f,
    const struct query_plan *p, const json_t *doc)
{
	struct index_entry *entries;
	char member[INDEX_KEY_MOST + 8] = "id";
	size_t n = 2, count = collection_entries(a, k, doc, &entries);
	bool found, holds = filter_holds(f, "id", doc);

	for (size_t i = 0; p->index != NULL && i < count; i++)
		if (strcmp(entries[i].slot, p->index->slot) == 0) {
			memcpy(member, entries[i].key, entries[i].n);
			memcpy(member + entries[i].n, "id\0\2", 4);
			n = entries[i].n + 4;
		}
	found = in_ranges(p, member, n);
	must(found || !holds); /* nothing is missed */
	must(!p->exact || found == holds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct arena *a = arena_new(16u << 20);
	char *text = arena_strndup(a, (const char *)data, size), *save = NULL;
	char *where = strtok_r(text, "\n", &save), *doc = strtok_r(NULL, "\n", &save),
	     *order = strtok_r(NULL, "\n", &save);
	struct json_error e;
	json_t *v = where != NULL ? json_read(where, strlen(where), &e) : NULL,
	       *d = doc != NULL ? json_read(doc, strlen(doc), &e) : NULL;
	const struct filter *filter = v != NULL ? filter_parse(a, v, &f) : NULL;
	struct sort sorts[SORTS_MOST];
	size_t n = 0;

	if (order != NULL && sorts_read(a, order, sorts, &n) != NULL)
		n = 0;
	if (filter != NULL) {
		const struct query_plan *p = plan_query(a, declared(), filter, sorts, n, NULL);
		struct range *rest;

		must(p != NULL && filter_text(a, filter) != NULL);
		(void)plan_ranges_after(a, p, "m", 1, &rest);
		if (json_is_object(d))
			hold(a, declared(), filter, p, d);
	} else {
		must(v == NULL || f.n_violations > 0);
	}
	json_decref(v);
	json_decref(d);
	arena_free(&a);
	return 0;
}
