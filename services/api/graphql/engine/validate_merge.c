/* validate_merge: OverlappingFieldsCanBeMerged: what would answer under one name must be one thing.
 *
 * The specification compares each pair of fields, and each pair of those below them, which grows
 * with the power of the depth. Here whole groups are compared at once, as S. Adameit described for
 * Sangria ("overlapping fields can be merged fast"): of the fields with one response name
 *  - all must have one shape (SHAPE), and so must what is below all of them together;
 *  - those that one object can have, which are those of one object type with those of interfaces
 *    and unions, must be the same field with the same arguments (MERGE), and so must what is below.
 * Each is an equivalence: comparing with the first of a group compares all.
 *
 * What has been checked is remembered by the selection sets that were joined. Documents exist whose
 * sets join in exponentially many ways, so that work is bounded too: beyond it the document is
 * refused. Fields nest as deep as validate_fragments allowed, which bounds the recursion. */
#include <stdlib.h>

#include "api/graphql/engine/print.h"
#include "api/graphql/engine/validate.h"

enum mode { SHAPE = 1, MERGE = 2 }; /* bits */
enum conflict { BY_NAME, BY_ARGUMENTS, BY_TYPE };

#define STEPS_PER_FIELD 32
#define STEPS_FREE      20000

struct member {
	struct ast_selection *field;
	struct member *next;
};

struct group { /* fields with one response name */
	struct member *first, **end;
	struct group *next;
	uint32_t n;
};

struct merging {
	struct validation *v;
	uint64_t steps, most_steps;
	size_t keep_bytes;   /* of the arena: for everything else */
	uint8_t *done;       /* modes, by set */
	struct dict joined;  /* modes and sets, as bytes -> modes */
	struct dict said;    /* pairs */
	const char **args;   /* of a field, in one order; NULL: not made yet */
	uint32_t *seen, now; /* fragments of the collection that is being made */
};

struct collecting {
	struct merging *m;
	struct dict names;
	struct group *first, **end;
};

static bool more(struct merging *, uint64_t);
static void check_sets(struct merging *, const struct ast_set **, size_t, unsigned);
static void collect(struct collecting *, const struct ast_set *);
static void add_field(struct collecting *, struct ast_selection *);
static void check_group(struct merging *, const struct group *, unsigned);
static void check_shape(struct merging *, const struct group *);
static void check_uniform(struct merging *, const struct group *);
static void check_part(struct merging *, const struct group *, const struct gql_type *);
static void check_below(struct merging *, const struct member *, size_t, unsigned);
static bool is_new(struct merging *, const struct ast_set **, size_t *, unsigned *);
static bool same_shape(const struct gql_ref *, const struct gql_ref *);
static const char *arguments_of(struct merging *, const struct ast_selection *);
static void conflict(
    struct merging *, const struct ast_selection *, const struct ast_selection *, enum conflict);

void
validate_merge(struct validation *v)
{
	struct merging m = { .v = v };
	const struct ast_set *root;

	m.keep_bytes = arena_left(v->a) / 2;
	m.most_steps = STEPS_FREE + (uint64_t)STEPS_PER_FIELD * v->d->n_fields;
	m.done = ARENA_ARRAY(v->a, uint8_t, v->d->n_sets);
	m.args = ARENA_ARRAY(v->a, const char *, v->d->n_fields);
	m.seen = ARENA_ARRAY(v->a, uint32_t, v->d->n_fragments);
	dict_init(&m.joined, v->a);
	dict_init(&m.said, v->a);
	for (const struct ast_operation *o = v->d->operations; o != NULL; o = o->next) {
		root = o->body.set;
		check_sets(&m, &root, 1, SHAPE | MERGE);
	}
	for (const struct ast_fragment *f = v->d->fragments; f != NULL; f = f->next) {
		root = f->body.set;
		check_sets(&m, &root, 1, SHAPE | MERGE);
	}
}

/* False: enough has been done. */
static bool
more(struct merging *m, uint64_t steps)
{
	if (m->steps > m->most_steps)
		return false;
	m->steps += steps;
	if (arena_left(m->v->a) <= m->keep_bytes)
		m->steps = UINT64_MAX;
	if (m->steps > m->most_steps)
		gql_error_add(m->v->errors, &gql_too_complex, 0,
		    "The selections of the document overlap in too many ways to be checked.")
		    ->n_at = 0;
	return m->steps <= m->most_steps;
}

static void
check_sets(struct merging *m, const struct ast_set **sets, size_t n, unsigned modes)
{
	struct collecting c = { .m = m };

	if (!is_new(m, sets, &n, &modes))
		return;
	c.end = &c.first;
	dict_init(&c.names, m->v->a);
	m->now++;
	for (size_t i = 0; i < n; i++)
		collect(&c, sets[i]);
	for (const struct group *g = c.first; g != NULL; g = g->next)
		check_group(m, g, modes);
}

/* Which of the modes have not been checked for these sets? Sorts them, and drops doubles. */
static int
by_index(const void *a, const void *b)
{
	const struct ast_set *const *x = a, *const *y = b;

	return (*x)->index < (*y)->index ? -1 : (*x)->index > (*y)->index;
}

static bool
is_new(struct merging *m, const struct ast_set **sets, size_t *n, unsigned *modes)
{
	uint32_t *key;
	void **at;
	size_t k = 0;

	if (*n > 1)
		qsort(sets, *n, sizeof(*sets), by_index);
	for (size_t i = 0; i < *n; i++)
		if (k == 0 || sets[i] != sets[k - 1])
			sets[k++] = sets[i];
	*n = k;
	if (!more(m, k))
		return false;
	if (k == 1) {
		*modes &= ~(unsigned)m->done[sets[0]->index];
		m->done[sets[0]->index] |= (uint8_t)*modes;
		return *modes != 0;
	}
	key = ARENA_ARRAY(m->v->a, uint32_t, k);
	for (size_t i = 0; i < k; i++)
		key[i] = sets[i]->index;
	at = dict_at(&m->joined, (struct str){ (const char *)key, k * sizeof(*key) });
	*modes &= ~(unsigned)(uintptr_t)*at;
	*at = (void *)((uintptr_t)*at | *modes);
	return *modes != 0;
}

/* Through fragments; each once, whichever way it is reached. */
static void
collect(struct collecting *c, const struct ast_set *set)
{
	for (struct ast_selection *s = set->first; s != NULL && more(c->m, 1); s = s->next) {
		switch (s->kind) {
		case AST_FIELD:
			add_field(c, s);
			break;
		case AST_SPREAD:
			if (s->fragment == NULL || c->m->seen[s->fragment->index] == c->m->now)
				break;
			c->m->seen[s->fragment->index] = c->m->now;
			collect(c, s->fragment->body.set);
			break;
		case AST_INLINE:
			collect(c, s->set);
			break;
		}
	}
}

static void
add_field(struct collecting *c, struct ast_selection *f)
{
	void **at = dict_at(&c->names, ast_key(f));
	struct member *m = ARENA_NEW(c->m->v->a, struct member);
	struct group *g = *at;

	if (g == NULL) {
		g = ARENA_NEW(c->m->v->a, struct group);
		g->end = &g->first;
		*at = g;
		*c->end = g;
		c->end = &g->next;
	}
	m->field = f;
	*g->end = m;
	g->end = &m->next;
	g->n++;
}

/* A field alone agrees with itself: what is below it stands for itself as well. */
static void
check_group(struct merging *m, const struct group *g, unsigned modes)
{
	if (g->n == 1) {
		check_below(m, g->first, 1, modes);
		return;
	}
	if (!more(m, g->n))
		return;
	if (modes & SHAPE)
		check_shape(m, g);
	if (modes & MERGE)
		check_uniform(m, g);
}

static void
check_shape(struct merging *m, const struct group *g)
{
	const struct member *first = g->first;

	while (first != NULL && first->field->field == NULL)
		first = first->next;
	for (const struct member *o = first; o != NULL; o = o->next)
		if (o->field->field != NULL &&
		    !same_shape(first->field->field->ref, o->field->field->ref))
			conflict(m, first->field, o->field, BY_TYPE);
	check_below(m, g->first, g->n, SHAPE);
}

static bool
same_shape(const struct gql_ref *a, const struct gql_ref *b)
{
	for (; a->kind == b->kind && a->kind != GQL_NAMED; a = a->of, b = b->of)
		continue;
	if (a->kind != b->kind)
		return false;
	return type_is_leaf(a->type) || type_is_leaf(b->type) ? a->type == b->type : true;
}

/* The fields that one object can have: those of its own type, and all of abstract types. */
static void
check_uniform(struct merging *m, const struct group *g)
{
	bool concrete = false, *seen = ARENA_ARRAY(m->v->a, bool, m->v->s->n_types);

	for (const struct member *o = g->first; o != NULL; o = o->next) {
		const struct gql_type *t = o->field->type;

		if (t == NULL || t->kind != GQL_T_OBJECT || seen[t->index])
			continue;
		seen[t->index] = concrete = true;
		check_part(m, g, t);
	}
	if (!concrete)
		check_part(m, g, NULL);
}

static void
check_part(struct merging *m, const struct group *g, const struct gql_type *object)
{
	struct member *part = NULL, **end = &part;
	const struct ast_selection *first = NULL;
	size_t n = 0;

	if (!more(m, g->n))
		return;
	for (const struct member *o = g->first; o != NULL; o = o->next) {
		const struct gql_type *t = o->field->type;
		struct ast_selection *f = o->field;

		if (t != NULL && t->kind == GQL_T_OBJECT && t != object)
			continue;
		if (first == NULL)
			first = f;
		if (!ast_same(first->name, f->name))
			conflict(m, first, f, BY_NAME);
		else if ((first->args != NULL || f->args != NULL) &&
			 strcmp(arguments_of(m, first), arguments_of(m, f)) != 0)
			conflict(m, first, f, BY_ARGUMENTS);
		*end = ARENA_NEW(m->v->a, struct member);
		(*end)->field = f;
		end = &(*end)->next;
		n++;
	}
	check_below(m, part, n, MERGE);
}

/* A selection that is nothing but one fragment is that fragment's: many fields may share it. */
static const struct ast_set *
plain(const struct ast_set *set)
{
	while (set->first != NULL && set->first->next == NULL && set->first->kind == AST_SPREAD &&
	       set->first->fragment != NULL)
		set = set->first->fragment->body.set;
	return set;
}

static void
check_below(struct merging *m, const struct member *list, size_t n, unsigned modes)
{
	const struct ast_set *one, **sets = &one;
	size_t k = 0;

	if (n > 1)
		sets = ARENA_ARRAY(m->v->a, const struct ast_set *, n);
	for (; list != NULL; list = list->next)
		if (list->field->set != NULL)
			sets[k++] = plain(list->field->set);
	if (k != 0)
		check_sets(m, sets, k, modes);
}

/* --- arguments in one order, so that equal ones are equal texts --- */

static int
by_name(const void *a, const void *b)
{
	const struct ast_arg *const *x = a, *const *y = b;
	size_t n = (*x)->name.n < (*y)->name.n ? (*x)->name.n : (*y)->name.n;
	int c = memcmp((*x)->name.p, (*y)->name.p, n);

	return c != 0 ? c : (*x)->name.n < (*y)->name.n ? -1 : (*x)->name.n > (*y)->name.n;
}

static void print_sorted(struct print *, const struct ast_arg *);

static void
print_sorted_value(struct print *t, const struct ast_value *v)
{
	if (v->kind == AST_OBJECT) {
		print_sorted(t, v->member);
	} else if (v->kind == AST_LIST) {
		print_put(t, "[", 1);
		for (const struct ast_value *i = v->item; i != NULL; i = i->next) {
			print_sorted_value(t, i);
			print_put(t, ",", 1);
		}
		print_put(t, "]", 1);
	} else {
		print_value(t, v);
	}
}

static void
print_sorted(struct print *t, const struct ast_arg *args)
{
	const struct ast_arg **list;
	size_t n = 0, i = 0;

	for (const struct ast_arg *g = args; g != NULL; g = g->next)
		n++;
	list = ARENA_ARRAY(t->a, const struct ast_arg *, n);
	for (const struct ast_arg *g = args; g != NULL; g = g->next)
		list[i++] = g;
	qsort(list, n, sizeof(*list), by_name);
	print_put(t, "{", 1);
	for (i = 0; i < n; i++) {
		print_put(t, list[i]->name.p, list[i]->name.n);
		print_put(t, ":", 1);
		print_sorted_value(t, &list[i]->value);
		print_put(t, ",", 1);
	}
	print_put(t, "}", 1);
}

static const char *
arguments_of(struct merging *m, const struct ast_selection *f)
{
	struct print t;

	if (m->args[f->index] == NULL) {
		print_start(&t, m->v->a);
		print_sorted(&t, f->args);
		m->args[f->index] = t.p;
	}
	return m->args[f->index];
}

/* Each pair once, in the order of the text. */
static void
conflict(struct merging *m, const struct ast_selection *a, const struct ast_selection *b,
    enum conflict by)
{
	uint32_t *pair = ARENA_ARRAY(m->v->a, uint32_t, 2);
	const char *why = "they have differing arguments";
	void **at;

	if (a->at > b->at) {
		conflict(m, b, a, by);
		return;
	}
	pair[0] = a->index;
	pair[1] = b->index;
	at = dict_at(&m->said, (struct str){ (const char *)pair, 2 * sizeof(*pair) });
	if (*at != NULL)
		return;
	*at = pair;
	if (by == BY_NAME)
		why = arena_printf(m->v->a, "\"%.*s\" and \"%.*s\" are different fields",
		    NAME(a->name), NAME(b->name));
	if (by == BY_TYPE)
		why = arena_printf(m->v->a, "they return conflicting types \"%s\" and \"%s\"",
		    ref_print(m->v->a, a->field->ref), ref_print(m->v->a, b->field->ref));
	validate_fail_two(m->v, a->at, b->at,
	    "Fields \"%.*s\" conflict because %s. Use different aliases on the fields to fetch "
	    "both "
	    "if this was intentional.",
	    NAME(ast_key(a)), why);
}
