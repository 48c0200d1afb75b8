/* validate: the rules of the specification's section 5. One walk over each definition, with the type
 * in scope; then what concerns an operation together with its fragments. */
#include "api/graphql/engine/validate.h"

#include <stdarg.h>
#include <string.h>

static void name_fragments(struct validation *);
static void walk_operation(struct validation *, struct ast_operation *);
static void walk_fragment(struct validation *, struct ast_fragment *);
static void walk_set(struct validation *, struct ast_set *, const struct gql_type *);
static void walk_field(struct validation *, struct ast_selection *, const struct gql_type *);
static void begin_usages(struct validation *, uint32_t);

bool
gql_validate(const struct gql_schema *s, struct gql_doc *d, const struct gql_limits *l,
    struct arena *a, struct gql_errors *e)
{
	struct validation v = { .s = s, .d = d, .limits = l, .a = a, .errors = e };
	uint32_t n = 0;

	e->text = d->text;
	v.usages = ARENA_ARRAY(a, struct usage *, d->n_operations + d->n_fragments);
	name_fragments(&v);
	v.bounded = validate_fragments(&v);
	validate_operations(&v);
	for (struct ast_operation *o = d->operations; o != NULL && e->n < GQL_ERRORS_MOST;
	     o = o->next) {
		begin_usages(&v, n++);
		walk_operation(&v, o);
		if (v.bounded && o->kind == GQL_SUBSCRIPTION)
			validate_subscription(&v, o);
	}
	for (struct ast_fragment *f = d->fragments; f != NULL && e->n < GQL_ERRORS_MOST;
	     f = f->next) {
		begin_usages(&v, d->n_operations + f->index);
		walk_fragment(&v, f);
	}
	validate_usages(&v);
	if (v.bounded)
		validate_merge(&v);
	return e->n == 0;
}

void
validate_fail(struct validation *v, uint32_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	gql_error_add(v->errors, &gql_validation_failed, at, "%s", arena_vprintf(v->a, fmt, ap));
	va_end(ap);
}

void
validate_fail_two(struct validation *v, uint32_t at, uint32_t other, const char *fmt, ...)
{
	struct gql_error *e;
	va_list ap;

	va_start(ap, fmt);
	e = gql_error_add(
	    v->errors, &gql_validation_failed, at, "%s", arena_vprintf(v->a, fmt, ap));
	va_end(ap);
	e->at[1] = other;
	e->n_at = 2;
}

/* UniqueFragmentNames; and every spread learns which one it means (KnownFragmentNames). */
static void
name_fragments(struct validation *v)
{
	dict_init(&v->fragments, v->a);
	for (struct ast_fragment *f = v->d->fragments; f != NULL; f = f->next) {
		void **at = dict_at(&v->fragments, f->name);

		if (*at != NULL)
			validate_fail_two(v, ((struct ast_fragment *)*at)->at, f->at,
			    "There can be only one fragment named \"%.*s\".", NAME(f->name));
		else
			*at = f;
	}
	for (const struct ast_operation *o = v->d->operations; o != NULL; o = o->next)
		for (const struct ast_spread *p = o->body.spreads; p != NULL; p = p->next)
			p->where->fragment = dict_get(&v->fragments, p->where->name);
	for (const struct ast_fragment *f = v->d->fragments; f != NULL; f = f->next)
		for (const struct ast_spread *p = f->body.spreads; p != NULL; p = p->next)
			p->where->fragment = dict_get(&v->fragments, p->where->name);
}

static void
walk_operation(struct validation *v, struct ast_operation *o)
{
	static const enum gql_location where[] = { GQL_AT_QUERY, GQL_AT_MUTATION,
		GQL_AT_SUBSCRIPTION };

	validate_definitions(v, o);
	validate_directives(v, o->body.directives, where[o->kind]);
	walk_set(v, o->body.set, v->s->roots[o->kind]);
}

static void
walk_fragment(struct validation *v, struct ast_fragment *f)
{
	f->type = validate_condition(v, f->on, f->on_at, f->name);
	validate_directives(v, f->body.directives, GQL_AT_FRAGMENT_DEFINITION);
	walk_set(v, f->body.set, f->type);
}

/* parent NULL: not known; what is below is looked at as far as it can be. Its depth is that of the
 * text, which the parser has bounded. */
static void
walk_set(struct validation *v, struct ast_set *set, const struct gql_type *parent)
{
	for (struct ast_selection *s = set->first; s != NULL; s = s->next) {
		switch (s->kind) {
		case AST_FIELD:
			walk_field(v, s, parent);
			break;
		case AST_SPREAD:
			validate_directives(v, s->directives, GQL_AT_FRAGMENT_SPREAD);
			validate_spread(v, s, parent);
			break;
		case AST_INLINE:
			validate_directives(v, s->directives, GQL_AT_INLINE_FRAGMENT);
			validate_inline(v, s, parent);
			walk_set(v, s->set, s->type);
			break;
		}
	}
}

static void
walk_field(struct validation *v, struct ast_selection *f, const struct gql_type *parent)
{
	const struct gql_type *type = NULL;

	validate_field(v, f, parent);
	validate_directives(v, f->directives, GQL_AT_FIELD);
	if (v->bounded && f->field != NULL &&
	    (f->field == v->s->meta_schema || f->field == v->s->meta_type))
		validate_introspection(v, f);
	if (f->field != NULL && type_is_composite(f->field->ref->type))
		type = f->field->ref->type;
	if (f->set != NULL)
		walk_set(v, f->set, type);
}

static void
begin_usages(struct validation *v, uint32_t definition)
{
	v->usage_end = &v->usages[definition];
}
