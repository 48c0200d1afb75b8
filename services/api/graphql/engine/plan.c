/* plan: see plan.h. */
#include "api/graphql/engine/plan.h"

#include <string.h>

struct found { /* a field of the plan that is being made */
	struct str key;
	struct plan_node *nodes, **end;
	struct found *next;
};

struct collecting {
	struct planner *p;
	const struct gql_type *type;
	struct dict names;
	struct found *first, **end;
	uint32_t n;
};

static struct plan *collected(struct collecting *);
static void collect(struct collecting *, const struct ast_set *);
static void add(struct collecting *, const struct ast_selection *);
static void make_args(struct planner *, struct plan_field *);

void
planner_init(struct planner *p, struct arena *a, const struct gql_schema *s,
    const struct gql_doc *d, const struct gql_vars *vars)
{
	*p = (struct planner){ .a = a, .schema = s, .vars = vars };
	p->seen = ARENA_ARRAY(a, uint32_t, d->n_fragments);
}

static void
begin(struct collecting *c, struct planner *p, const struct gql_type *type)
{
	*c = (struct collecting){ .p = p, .type = type };
	c->end = &c->first;
	dict_init(&c->names, p->a);
	p->now++;
}

struct plan *
plan_root(struct planner *p, const struct ast_operation *op, const struct gql_type *type)
{
	struct collecting c;

	begin(&c, p, type);
	collect(&c, op->body.set);
	return collected(&c);
}

struct plan *
plan_below(struct planner *p, struct plan_field *f, const struct gql_type *type)
{
	struct collecting c;
	struct plan *made;

	for (struct plan *known = f->below; known != NULL; known = known->next)
		if (known->type == type)
			return known;
	begin(&c, p, type);
	for (const struct plan_node *n = f->nodes; n != NULL; n = n->next)
		if (n->where->set != NULL)
			collect(&c, n->where->set);
	made = collected(&c);
	made->next = f->below;
	f->below = made;
	return made;
}

/* How deep fields and fragments nest, validation has bounded. */
static void
collect(struct collecting *c, const struct ast_set *set)
{
	for (const struct ast_selection *s = set->first; s != NULL; s = s->next) {
		const struct ast_fragment *f = s->fragment;

		if (s->directives != NULL && !plan_includes(s->directives, c->p->vars))
			continue;
		switch (s->kind) {
		case AST_FIELD:
			add(c, s);
			break;
		case AST_SPREAD:
			if (c->p->seen[f->index] == c->p->now)
				break;
			c->p->seen[f->index] = c->p->now;
			if (type_is(c->type, f->type))
				collect(c, f->body.set);
			break;
		case AST_INLINE:
			if (type_is(c->type, s->type))
				collect(c, s->set);
			break;
		}
	}
}

static void
add(struct collecting *c, const struct ast_selection *s)
{
	void **at = dict_at(&c->names, ast_key(s));
	struct plan_node *n = ARENA_NEW(c->p->a, struct plan_node);
	struct found *f = *at;

	if (f == NULL) {
		f = ARENA_NEW(c->p->a, struct found);
		f->key = ast_key(s);
		f->end = &f->nodes;
		*at = f;
		*c->end = f;
		c->end = &f->next;
		c->n++;
	}
	n->where = s;
	*f->end = n;
	f->end = &n->next;
}

static struct plan *
collected(struct collecting *c)
{
	struct plan *p = arena_zalloc(c->p->a, sizeof(*p) + c->n * sizeof(p->fields[0]));
	const struct found *f = c->first;

	p->type = c->type;
	p->n = c->n;
	for (uint32_t i = 0; i < c->n; i++, f = f->next) {
		struct plan_field *to = &p->fields[i];

		to->key = arena_strndup(c->p->a, f->key.p, f->key.n);
		to->nodes = f->nodes;
		/* That of the object: what the text means may be the field of an interface. */
		to->field = field_find(c->p->schema, c->type, f->nodes->where->name);
		make_args(c->p, to);
	}
	return p;
}

static void
make_args(struct planner *p, struct plan_field *f)
{
	struct gql_value *args;

	if (f->field->n_args == 0)
		return;
	args = ARENA_ARRAY(p->a, struct gql_value, f->field->n_args);
	f->args = args;
	coerce_arguments(p->a, f->field->args, f->field->n_args, f->nodes->where->args, p->vars,
	    args, &f->bad_args);
}

bool
plan_includes(const struct ast_directive *list, const struct gql_vars *vars)
{
	for (const struct ast_directive *d = list; d != NULL; d = d->next) {
		bool skip = str_eq(d->name, "skip"), value;

		if ((!skip && !str_eq(d->name, "include")) || d->args == NULL)
			continue;
		value = d->args->value.kind == AST_VARIABLE
		            ? vars_get(vars, d->args->value.text).boolean
		            : d->args->value.boolean;
		if (value == skip)
			return false;
	}
	return true;
}
