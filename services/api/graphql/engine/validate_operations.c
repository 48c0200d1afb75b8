/* validate_operations: what concerns the definitions as such. ExecutableDefinitions,
 * UniqueOperationNames, LoneAnonymousOperation, operation types, SingleFieldSubscriptions. */
#include "api/graphql/engine/validate.h"

struct roots { /* of a subscription */
	struct validation *v;
	const struct ast_operation *o;
	const struct ast_selection *first;
	bool *seen; /* fragments */
};

static void check_roots(struct roots *, const struct ast_set *);
static void check_root(struct roots *, const struct ast_selection *);

void
validate_operations(struct validation *v)
{
	static const char *const kinds[] = { "query", "mutation", "subscription" };
	struct dict names;

	dict_init(&names, v->a);
	for (const struct ast_def *d = v->d->defs; d != NULL; d = d->next)
		validate_fail(
		    v, d->at, "The \"%.*s\" definition is not executable.", NAME(d->name));
	for (struct ast_operation *o = v->d->operations; o != NULL; o = o->next) {
		void **at;

		if (v->s->roots[o->kind] == NULL)
			validate_fail(v, o->at, "The schema has no %s operations.", kinds[o->kind]);
		if (o->name.n == 0) {
			if (v->d->n_operations > 1)
				validate_fail(
				    v, o->at, "An anonymous operation must be the only operation.");
			continue;
		}
		at = dict_at(&names, o->name);
		if (*at != NULL)
			validate_fail_two(v, ((struct ast_operation *)*at)->at, o->at,
			    "There can be only one operation named \"%.*s\".", NAME(o->name));
		else
			*at = o;
	}
}

/* One field, of the schema's own, and always: which event it is about can't depend on anything. */
void
validate_subscription(struct validation *v, const struct ast_operation *o)
{
	struct roots r = { .v = v, .o = o };

	r.seen = ARENA_ARRAY(v->a, bool, v->d->n_fragments);
	check_roots(&r, o->body.set);
}

/* validate_fragments has bounded how far fragments nest. */
static void
check_roots(struct roots *r, const struct ast_set *set)
{
	for (const struct ast_selection *s = set->first; s != NULL; s = s->next) {
		for (const struct ast_directive *d = s->directives; d != NULL; d = d->next)
			if (d->def != NULL &&
			    (d->def == r->v->s->skip || d->def == r->v->s->include))
				validate_fail(r->v, d->at,
				    "The root field of a subscription can't have @%.*s.",
				    NAME(d->name));
		switch (s->kind) {
		case AST_FIELD:
			check_root(r, s);
			break;
		case AST_SPREAD:
			if (s->fragment == NULL || r->seen[s->fragment->index])
				break;
			r->seen[s->fragment->index] = true;
			check_roots(r, s->fragment->body.set);
			break;
		case AST_INLINE:
			check_roots(r, s->set);
			break;
		}
	}
}

static void
check_root(struct roots *r, const struct ast_selection *s)
{
	if (s->name.n > 2 && s->name.p[0] == '_' && s->name.p[1] == '_')
		validate_fail(
		    r->v, s->at, "The root field of a subscription can't be of the introspection.");
	if (r->first == NULL) {
		r->first = s;
		return;
	}
	if (!ast_same(ast_key(s), ast_key(r->first)))
		validate_fail_two(
		    r->v, r->first->at, s->at, "A subscription must have one root field only.");
}
