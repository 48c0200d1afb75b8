/* fields: sparse answers. `fields=id,title` keeps these of each object, and its id. Only then is an
 * answer read here. */
#include <string.h>

#include "api/rest/handling.h"

static bool is_kept(const struct handling *, const char *);
static void write_object(struct jw *, const struct handling *, const json_t *);

/* Names that the collection does not have are refused, so that a misspelt one is not silently
 * absent. */
bool
fields_read(struct handling *h)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	const char *const *all = h->op.route->of != NULL ? h->op.route->of->fields : NULL;

	for (size_t i = 0; i < h->op.n_params && all != NULL; i++) {
		const struct param *p = &h->op.params[i];
		struct str rest = str_of(p->value), one;
		bool more = strcmp(p->name, "fields") == 0;

		if (!more)
			continue;
		if (h->fields != NULL)
			failure_violation(h->a, &f, "fields", "may be given once");
		for (h->fields = p->value; more && f.status == ST_OK;) {
			const char *const *k = all;

			more = str_cut(rest, ',', &one, &rest);
			while (*k != NULL && !str_eq(one, *k))
				k++;
			if (*k == NULL)
				failure_violation(h->a, &f, "fields",
				    "names what is no field of a %s", h->op.route->of->model);
		}
	}
	if (f.status != ST_OK)
		respond_failure(h, 0, &f);
	return f.status == ST_OK;
}

void
fields_respond(struct handling *h, const json_t *result)
{
	const json_t *items = json_object_get(result, "items"), *one;
	struct jw w;
	size_t i, n;
	char *p;

	jw_start(&w, h->a, 1024);
	if (h->op.route->kind == OP_LIST) {
		jw_object(&w, NULL);
		jw_array(&w, "items");
		json_array_foreach(items, i, one) write_object(&w, h, one);
		jw_close(&w, ']');
		jw_json(&w, "next_cursor", json_object_get(result, "next_cursor"));
		jw_close(&w, '}');
	} else {
		write_object(&w, h, result);
	}
	p = jw_text(&w, &n);
	respond(h, h->op.route->status, p, n);
}

static void
write_object(struct jw *w, const struct handling *h, const json_t *v)
{
	const char *key;
	json_t *one;

	jw_object(w, NULL);
	json_object_foreach((json_t *)(uintptr_t)v, key, one) if (is_kept(h, key))
	    jw_json(w, key, one);
	jw_close(w, '}');
}

static bool
is_kept(const struct handling *h, const char *name)
{
	struct str rest = str_of(h->fields), one;
	bool more;

	if (strcmp(name, "id") == 0)
		return true;
	do {
		more = str_cut(rest, ',', &one, &rest);
		if (str_eq(one, name))
			return true;
	} while (more);
	return false;
}
