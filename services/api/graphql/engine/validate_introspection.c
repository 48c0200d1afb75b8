/* validate_introspection: types lead to fields and those to types again, and each round multiplies the
 * answer: a question about the schema nests no more than two lists of that kind
 * (MaxIntrospectionDepth). Called once the fragments are known to be no circles. */
#include "api/graphql/engine/validate.h"

#define LISTS_MOST 2

static uint32_t lists_in(struct validation *, const struct ast_set *);

void
validate_introspection(struct validation *v, const struct ast_selection *f)
{
	if (v->lists == NULL)
		v->lists = ARENA_ARRAY(v->a, uint32_t, v->d->n_fragments);
	if (f->set != NULL && lists_in(v, f->set) > LISTS_MOST)
		validate_fail(v, f->at, "The question about the schema nests its lists too deep.");
}

static bool
is_list(struct str field)
{
	return str_eq(field, "fields") || str_eq(field, "interfaces") ||
	       str_eq(field, "possibleTypes") || str_eq(field, "inputFields");
}

/* Each fragment is looked into once; what is kept is one more than what was found. */
static uint32_t
lists_of_fragment(struct validation *v, const struct ast_fragment *f)
{
	if (f == NULL)
		return 0;
	if (v->lists[f->index] == 0)
		v->lists[f->index] = 1 + lists_in(v, f->body.set);
	return v->lists[f->index] - 1;
}

static uint32_t
lists_in(struct validation *v, const struct ast_set *set)
{
	uint32_t most = 0;

	for (const struct ast_selection *s = set->first; s != NULL; s = s->next) {
		uint32_t n = 0;

		if (s->kind == AST_SPREAD)
			n = lists_of_fragment(v, s->fragment);
		else if (s->set != NULL)
			n = (s->kind == AST_FIELD && is_list(s->name)) + lists_in(v, s->set);
		if (n > most)
			most = n;
	}
	return most;
}
