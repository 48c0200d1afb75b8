/* validate_limits: fragments may not go round in circles (NoFragmentCycles) and fields may not nest
 * deeper than the limit. Decided from what the parser noted of each definition, before anything
 * follows a spread. */
#include "api/graphql/engine/validate.h"

struct measure { /* of a fragment */
	enum { NEW, OPEN, DONE } state;
	uint32_t depth;  /* of its fields */
	uint32_t height; /* of fragments within fragments */
};

struct measuring {
	struct validation *v;
	struct measure *fragments;
	bool sound;
};

static struct measure measure_body(struct measuring *, const struct ast_body *, uint32_t);
static struct measure measure_fragment(struct measuring *, const struct ast_spread *, uint32_t);
static void too_deep(struct measuring *, uint32_t);

bool
validate_fragments(struct validation *v)
{
	struct measuring m = { .v = v, .sound = true };

	m.fragments = ARENA_ARRAY(v->a, struct measure, v->d->n_fragments);
	for (const struct ast_operation *o = v->d->operations; o != NULL && m.sound; o = o->next) {
		struct measure of = measure_body(&m, &o->body, 0);

		if (of.depth > v->limits->depth) {
			gql_error_add(v->errors, &gql_too_complex, o->at,
			    "The operation nests fields %u deep; %u is the limit.", of.depth,
			    v->limits->depth);
			m.sound = false;
		}
	}
	for (const struct ast_fragment *f = v->d->fragments; f != NULL && m.sound; f = f->next) {
		struct ast_selection where = { .fragment = (struct ast_fragment *)(uintptr_t)f };

		if (m.fragments[f->index].state == NEW &&
		    measure_fragment(&m, &(struct ast_spread){ .where = &where }, 0).depth >
			v->limits->depth)
			too_deep(&m, f->at);
	}
	return m.sound;
}

/* level: fragments around it; it is what the recursion here is bounded by. */
static struct measure
measure_body(struct measuring *m, const struct ast_body *b, uint32_t level)
{
	struct measure of = { .state = DONE, .depth = b->depth };

	for (const struct ast_spread *p = b->spreads; p != NULL && m->sound; p = p->next) {
		struct measure inner = measure_fragment(m, p, level);

		if (p->depth + inner.depth > of.depth)
			of.depth = p->depth + inner.depth;
		if (inner.height > of.height)
			of.height = inner.height;
	}
	return of;
}

static struct measure
measure_fragment(struct measuring *m, const struct ast_spread *p, uint32_t level)
{
	const struct ast_fragment *f = p->where->fragment;
	struct measure *of;

	if (f == NULL)
		return (struct measure){ .state = DONE };
	of = &m->fragments[f->index];
	if (of->state == OPEN) {
		validate_fail(m->v, p->where->at, "Cannot spread fragment \"%.*s\" within itself.",
		    NAME(f->name));
		m->sound = false;
	} else if (of->state == NEW) {
		if (level >= m->v->limits->nesting) {
			too_deep(m, f->at);
			return *of;
		}
		of->state = OPEN;
		*of = measure_body(m, &f->body, level + 1);
		of->height++;
		if (of->height > m->v->limits->nesting)
			too_deep(m, f->at);
	}
	return *of;
}

static void
too_deep(struct measuring *m, uint32_t at)
{
	if (m->sound)
		gql_error_add(m->v->errors, &gql_too_complex, at,
		    "The fragments of the document are nested too deep.");
	m->sound = false;
}
