/* cost: what an operation may cost at most, known before it runs.
 *
 *	cost(operation) = the sum over its root fields
 *	cost(field)     = own cost + items x the sum over the fields below it
 *
 * own cost is 1 unless the field's binding says more. items is 1; of a field whose binding names
 * size arguments the largest of them (the value of an Int, the length of a list), without one the
 * binding's size; of any other list 10. Where the binding names `sized` fields, those below it
 * multiply instead of itself: tasks(first: 50) { edges { node } } has 50 edges. Fields that are
 * skipped don't count, fields that two fragments bring count twice. */
#include "api/graphql/engine/plan.h"

#define LIST_ITEMS 10

struct costing {
	const struct gql_vars *vars;
	struct arena *a;
	struct dict fragments; /* number and items that it was asked with -> cost */
	const struct gql_doc *doc;
};

struct sizes {             /* what the field around says about the lists in it */
	const char *names; /* "edges,nodes"; NULL: nothing */
	uint64_t items;
};

static uint64_t cost_set(struct costing *, const struct ast_set *, const struct sizes *);
static uint64_t cost_field(struct costing *, const struct ast_selection *, const struct sizes *);
static uint64_t cost_fragment(struct costing *, const struct ast_fragment *, const struct sizes *);
static uint64_t items_of(struct costing *, const struct ast_selection *);
static bool is_named(const char *, const char *);
static bool is_list(const struct gql_ref *);

static uint64_t
add(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

bool
gql_cost(const struct gql_doc *d, const struct ast_operation *op, const struct gql_vars *vars,
    const struct gql_limits *l, struct arena *a, uint64_t *cost, struct gql_errors *e)
{
	struct costing c = { .vars = vars, .a = a, .doc = d };
	struct sizes none = { NULL, 1 };

	dict_init(&c.fragments, a);
	*cost = cost_set(&c, op->body.set, &none);
	if (*cost <= l->cost)
		return true;
	gql_error_add(e, &gql_too_complex, op->at,
	    "The operation may cost %llu; %llu is the limit.", (unsigned long long)*cost,
	    (unsigned long long)l->cost);
	return false;
}

/* Recurses as deep as the document's fields and fragments nest, which validation has bounded. */
static uint64_t
cost_set(struct costing *c, const struct ast_set *set, const struct sizes *around)
{
	uint64_t sum = 0;

	for (const struct ast_selection *s = set->first; s != NULL; s = s->next) {
		if (!plan_includes(s->directives, c->vars))
			continue;
		switch (s->kind) {
		case AST_FIELD:
			sum = add(sum, cost_field(c, s, around));
			break;
		case AST_SPREAD:
			sum = add(sum, cost_fragment(c, s->fragment, around));
			break;
		case AST_INLINE:
			sum = add(sum, cost_set(c, s->set, around));
			break;
		}
	}
	return sum;
}

static uint64_t
cost_field(struct costing *c, const struct ast_selection *s, const struct sizes *around)
{
	const struct gql_binding *b = s->field->binding;
	uint64_t own = b != NULL && b->cost != 0 ? b->cost : 1, items;
	struct sizes inside = { NULL, 1 };

	if (s->set == NULL)
		return own;
	if (is_named(around->names, s->field->name)) {
		items = around->items;
	} else if (b != NULL && b->sized != NULL) {
		inside = (struct sizes){ b->sized, items_of(c, s) };
		items = 1;
	} else {
		items = items_of(c, s);
	}
	return add(own, times(items, cost_set(c, s->set, &inside)));
}

/* A fragment costs the same wherever the fields around say the same about sizes. */
static uint64_t
cost_fragment(struct costing *c, const struct ast_fragment *f, const struct sizes *around)
{
	struct {
		uint64_t index, items;
		const char *names;
	} *key = arena_zalloc(c->a, sizeof(*key));
	uint64_t *known;
	void **at;

	key->index = f->index;
	key->items = around->items;
	key->names = around->names;
	if ((known = dict_get(&c->fragments, (struct str){ (const char *)key, sizeof(*key) })) !=
	    NULL)
		return *known;
	known = ARENA_NEW(c->a, uint64_t);
	*known = cost_set(c, f->body.set, around);
	at = dict_at(&c->fragments, (struct str){ (const char *)key, sizeof(*key) });
	*at = known;
	return *known;
}

static uint64_t
items_of(struct costing *c, const struct ast_selection *s)
{
	const struct gql_binding *b = s->field->binding;
	uint64_t most = 0;
	bool told = false;

	for (uint32_t i = 0; b != NULL && b->size_args != NULL && i < s->field->n_args; i++) {
		const struct gql_input *d = &s->field->args[i];
		const struct ast_arg *g = s->args;
		struct gql_value v = d->def;

		if (!is_named(b->size_args, d->name))
			continue;
		while (g != NULL && !str_eq(g->name, d->name))
			g = g->next;
		if (g != NULL && !coerce_literal(c->a, d->ref, &g->value, c->vars, &v))
			continue; /* the field will fail */
		if (v.kind != GQL_INT && v.kind != GQL_LIST)
			continue;
		told = true;
		if (v.kind == GQL_LIST && v.n > most)
			most = v.n;
		if (v.kind == GQL_INT && v.integer > 0 && (uint64_t)v.integer > most)
			most = (uint64_t)v.integer;
	}
	if (told)
		return most;
	if (b != NULL && b->size != 0)
		return b->size;
	return is_list(s->field->ref) ? LIST_ITEMS : 1;
}

static bool
is_named(const char *list, const char *name)
{
	struct str rest = str_of(list == NULL ? "" : list), one;

	while (rest.n != 0) {
		str_cut(rest, ',', &one, &rest);
		if (str_eq(one, name))
			return true;
	}
	return false;
}

static bool
is_list(const struct gql_ref *r)
{
	return r->kind == GQL_LIST_OF || (r->kind == GQL_NON_NULL && r->of->kind == GQL_LIST_OF);
}
