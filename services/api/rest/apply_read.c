/* apply_read: the body of POST /v1/tasks:apply, held against the operations that its parts are of: the filter
 * against the list, the changes against PATCH. See apply.h. */
#include <string.h>

#include "api/rest/apply.h"
#include "api/rest/contract.h"
#include "base/failure.h"
#include "base/log.h"

static void add_params(struct handling *, const json_t *, struct failure *);
static void check_as(struct handling *, const char *, const char *, const char *, struct failure *);

bool
apply_read(struct handling *h, struct failure *f)
{
	const json_t *b = h->op.body, *changes = json_object_get(b, "changes");
	bool update = json_is_string(json_object_get(b, "action")) &&
	              strcmp(json_string_value(json_object_get(b, "action")), "update") == 0;
	const char *cursor = json_string_value(json_object_get(b, "cursor"));

	add_params(h, json_object_get(b, "filter"), f);
	check_as(h, "GET", "/tasks", "/filter/", f);
	if (update && changes == NULL)
		failure_violation(h->a, f, "/changes", "is required of an update");
	else if (!update && changes != NULL)
		failure_violation(h->a, f, "/changes", "is of an update only");
	else if (update)
		check_as(h, "PATCH", "/tasks/ID", "/changes", f);
	if (!json_is_true(json_object_get(b, "dry_run")) && json_object_get(b, "expected") == NULL)
		failure_violation(
		    h->a, f, "/expected", "is required: so many as the dry run counted, or more");
	if (cursor != NULL && f->status == ST_OK) {
		struct param *p = (struct param *)(uintptr_t)&h->op.params[h->op.n_params++];

		*p = (struct param){ "cursor", cursor };
	}
	return f->status == ST_OK;
}

/* As a query of the list has them; labels and attributes may stand more than once. */
static void
add_params(struct handling *h, const json_t *filter, struct failure *f)
{
	struct param *params = ARENA_ARRAY(h->a, struct param, QUERY_MOST + 2);
	const json_t *one;
	const char *key;
	json_t *v;
	size_t i, n = 0;

	h->op.params = params;
	h->op.n_params = 0;
	json_object_foreach((json_t *)(uintptr_t)filter, key, v)
	{
		if (json_is_string(v) && n++ < QUERY_MOST)
			params[h->op.n_params++] = (struct param){ key, json_string_value(v) };
		json_array_foreach(v, i, one) if (n++ < QUERY_MOST) params[h->op.n_params++] =
		    (struct param){ key, json_string_value(one) };
	}
	if (n > QUERY_MOST) /* fewer conditions would match more */
		failure_violation(h->a, f, "/filter", "has more than %d values", QUERY_MOST);
}

/* What is said of a part of the body by the operation that it is of. */
static void
check_as(
    struct handling *h, const char *method, const char *path, const char *at, struct failure *f)
{
	const struct route *r = NULL;
	struct failure wrong = { .status = ST_OK, .message = "", .reason = "" };

	for (size_t i = 0; r == NULL && route_at(i) != NULL; i++)
		if (strcmp(route_at(i)->method, method) == 0 &&
		    strcmp(route_at(i)->pattern, path) == 0)
			r = route_at(i);
	must(r != NULL);
	if (method[0] == 'G')
		(void)contract_query(h->a, r, h->op.params, h->op.n_params, &wrong);
	else
		(void)contract_body(h->a, r, json_object_get(h->op.body, "changes"), &wrong);
	for (size_t i = 0; i < wrong.n_violations; i++)
		failure_violation(h->a, f,
		    arena_printf(h->a, "%s%s", at, wrong.violations[i].field), "%s",
		    wrong.violations[i].what);
}
