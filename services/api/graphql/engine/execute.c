/* execute: an operation runs (specification, section 6). Every field of an object is asked at once;
 * a resolver answers now or later, and when nothing can go on without them, what is to be loaded
 * leaves in batches. Mutations do one root field after the other. When nothing is awaited any more
 * the answer is complete.
 *
 * Null: where a value that can't be null is, the object or list around it becomes null instead, and
 * so on outwards; such a frame is dead, what arrives for it later is dropped. The recursion here
 * goes as deep as the fields of the operation, which validation has bounded, and as lists in
 * lists. */
#include "api/graphql/engine/exec.h"

static void run_fields(struct gql_exec *, struct frame *);
static void resolve(struct gql_exec *, struct frame *, uint32_t);
static void
complete(struct gql_exec *, struct frame *, uint32_t, const struct gql_ref *, struct gql_value);
static void complete_list(
    struct gql_exec *, struct frame *, uint32_t, const struct gql_ref *, struct gql_value, bool);
static void complete_object(
    struct gql_exec *, struct frame *, uint32_t, const struct gql_type *, const void *, bool);
static void complete_leaf(
    struct gql_exec *, struct frame *, uint32_t, const struct gql_type *, struct gql_value, bool);
static struct frame *frame_new(struct gql_exec *, struct frame *, uint32_t, uint32_t, bool);
static void put_null(struct frame *, uint32_t, bool);
static void fail(struct gql_exec *, struct frame *, uint32_t, const struct failure *, const char *,
    ...) __attribute__((format(printf, 5, 6)));
static const struct gql_step *path_of(struct gql_exec *, const struct frame *, uint32_t);
static struct plan_field *field_at(const struct frame *, uint32_t);

static const struct failure internal = { .status = ST_INTERNAL, .message = "", .reason = "" };
static const struct failure too_large = {
	.status = ST_RESOURCE_EXHAUSTED, .message = "", .reason = "TOO_LARGE"
};
static const struct failure bad_argument = {
	.status = ST_INVALID_ARGUMENT, .message = "", .reason = "GRAPHQL_BAD_VARIABLES"
};

static struct gql_exec *
exec_new(const struct gql_run *r)
{
	struct gql_exec *e = ARENA_NEW(r->a, struct gql_exec);

	e->run = *r;
	planner_init(&e->planner, r->a, r->schema, r->doc, r->vars);
	gql_errors_init(&e->errors, r->a);
	e->errors.text = r->doc->text;
	e->root = ARENA_NEW(r->a, struct frame);
	e->root->plan = plan_root(&e->planner, r->op, r->schema->roots[r->op->kind]);
	e->root->n = e->root->plan->n;
	e->root->object = r->root;
	e->root->slots = ARENA_ARRAY(r->a, struct gql_value, e->root->n);
	return e;
}

void
gql_execute(const struct gql_run *r)
{
	struct gql_exec *e = exec_new(r);

	e->running = true;
	if (r->op->kind != GQL_MUTATION)
		run_fields(e, e->root);
	e->running = false;
	exec_go_on(e);
}

bool
gql_subscribe(const struct gql_run *r, struct gql_at *source, struct gql_errors *e)
{
	struct gql_exec *x = exec_new(r);
	const struct plan_field *f = &x->root->plan->fields[0];

	e->text = r->doc->text;
	if (f->bad_args != NULL) {
		gql_error_add(e, &bad_argument, f->nodes->where->at, "%s", f->bad_args);
		return false;
	}
	*source =
	    (struct gql_at){ .exec = x, .field = f->field, .object = r->root, .args = f->args };
	return true;
}

/* Until something has to be waited for, or all is done. */
void
exec_go_on(struct gql_exec *e)
{
	if (e->running || e->done)
		return;
	e->running = true;
	for (;;) {
		if (batch_waits(e)) {
			if (e->run.wants_turn != NULL) {
				e->running = false;
				if (!e->turn_asked) {
					e->turn_asked = true;
					e->run.wants_turn(e, e->run.host);
				}
				return;
			}
			batch_flush(e);
		} else if (e->pending != 0) {
			e->running = false;
			return;
		} else if (e->run.op->kind == GQL_MUTATION && e->next < e->root->n &&
			   !e->root->dead) {
			resolve(e, e->root, e->next++);
		} else {
			break;
		}
	}
	e->done = true;
	e->run.done(e, e->run.host);
}

void
gql_turn(struct gql_exec *e)
{
	e->turn_asked = false;
	e->running = true;
	batch_flush(e);
	e->running = false;
	exec_go_on(e);
}

static void
run_fields(struct gql_exec *e, struct frame *f)
{
	for (uint32_t i = 0; i < f->n && !f->dead; i++)
		resolve(e, f, i);
}

static void
resolve(struct gql_exec *e, struct frame *f, uint32_t i)
{
	struct plan_field *p = &f->plan->fields[i];
	struct place place = { f, i };
	struct gql_value v;

	if (p->field == e->run.schema->meta_typename) {
		f->slots[i] = gql_string(f->plan->type->name);
		return;
	}
	if (arena_left(e->run.a) <= e->run.keep_bytes) {
		fail(e, f, i, &too_large, "The answer is too large: ask for less at once.");
		put_null(f, i, p->field->ref->kind == GQL_NON_NULL);
		return;
	}
	if (p->bad_args != NULL) {
		fail(e, f, i, &bad_argument, "%s", p->bad_args);
		put_null(f, i, p->field->ref->kind == GQL_NON_NULL);
		return;
	}
	v = p->field->resolve(&(const struct gql_at){
	    .exec = e, .field = p->field, .object = f->object, .args = p->args, .place = &place });
	if (v.kind == GQL_PENDING)
		f->slots[i] = v;
	else
		complete(e, f, i, p->field->ref, v);
}

static void
complete(
    struct gql_exec *e, struct frame *f, uint32_t i, const struct gql_ref *ref, struct gql_value v)
{
	bool required = ref->kind == GQL_NON_NULL;

	if (required)
		ref = ref->of;
	if (v.kind == GQL_FAILED) {
		fail(e, f, i, v.failure, "%s", v.failure->message);
		put_null(f, i, required);
	} else if (!gql_given(v)) {
		if (required)
			fail(e, f, i, &internal, "Cannot return null for non-nullable field %s.%s.",
			    field_at(f, i)->field->parent->name, field_at(f, i)->field->name);
		put_null(f, i, required);
	} else if (ref->kind == GQL_LIST_OF) {
		complete_list(e, f, i, ref, v, required);
	} else if (type_is_leaf(ref->type)) {
		complete_leaf(e, f, i, ref->type, v, required);
	} else if (v.kind == GQL_OBJECT) {
		complete_object(e, f, i, ref->type, v.object, required);
	} else {
		fail(e, f, i, &internal, "An object of type \"%s\" was expected.", ref->type->name);
		put_null(f, i, required);
	}
}

static void
complete_list(struct gql_exec *e, struct frame *f, uint32_t i, const struct gql_ref *ref,
    struct gql_value v, bool required)
{
	struct frame *list;

	if (v.kind != GQL_LIST) {
		fail(e, f, i, &internal, "A list was expected.");
		put_null(f, i, required);
		return;
	}
	list = frame_new(e, f, i, v.n, required);
	f->slots[i] = (struct gql_value){ .kind = GQL_LIST, .object = list };
	for (uint32_t k = 0; k < v.n && !list->dead; k++) {
		must(v.list[k].kind != GQL_PENDING);
		complete(e, list, k, ref->of, v.list[k]);
	}
}

static void
complete_object(struct gql_exec *e, struct frame *f, uint32_t i, const struct gql_type *t,
    const void *object, bool required)
{
	struct frame *below;

	if (t->kind != GQL_T_OBJECT) {
		const struct gql_type *abstract = t;
		const char *name = e->run.schema->def->type_of(object);

		t = name == NULL ? NULL : type_find(e->run.schema, str_of(name));
		if (t == NULL || t->kind != GQL_T_OBJECT || !type_is(t, abstract)) {
			fail(e, f, i, &internal, "An object that is no \"%s\" was found.",
			    abstract->name);
			put_null(f, i, required);
			return;
		}
	}
	below = frame_new(e, f, i, 0, required);
	below->plan = plan_below(&e->planner, below->field, t);
	below->n = below->plan->n;
	below->object = object;
	below->slots = ARENA_ARRAY(e->run.a, struct gql_value, below->n);
	f->slots[i] = (struct gql_value){ .kind = GQL_OBJECT, .object = below };
	run_fields(e, below);
}

static void
complete_leaf(struct gql_exec *e, struct frame *f, uint32_t i, const struct gql_type *t,
    struct gql_value v, bool required)
{
	const char *want = coerce_result(e->run.a, t, &v);

	if (want == NULL) {
		f->slots[i] = v;
		return;
	}
	fail(e, f, i, &internal, "The value of type \"%s\" must be %s.", t->name, want);
	put_null(f, i, required);
}

static struct frame *
frame_new(struct gql_exec *e, struct frame *up, uint32_t place, uint32_t n, bool required)
{
	struct frame *f = arena_alloc(e->run.a, sizeof(*f));

	*f = (struct frame){
		.up = up,
		.place = place,
		.n = n,
		.required = required,
		.field = field_at(up, place),
		.slots = n == 0 ? NULL : ARENA_ARRAY(e->run.a, struct gql_value, n),
	};
	return f;
}

static void
put_null(struct frame *f, uint32_t i, bool required)
{
	for (; required; required = f->required, i = f->place, f = f->up) {
		f->dead = true;
		if (f->up == NULL)
			return;
	}
	f->slots[i] = gql_null();
}

static struct plan_field *
field_at(const struct frame *f, uint32_t i)
{
	return f->plan != NULL ? &f->plan->fields[i] : f->field;
}

static void
fail(struct gql_exec *e, struct frame *f, uint32_t i, const struct failure *why, const char *fmt,
    ...)
{
	const struct plan_node *n = field_at(f, i)->nodes;
	struct gql_error *r;
	va_list ap;

	if (e->errors.n >= GQL_ERRORS_MOST) {
		e->errors.n++;
		return;
	}
	va_start(ap, fmt);
	r = gql_error_add(&e->errors, why, n->where->at, "%s", arena_vprintf(e->run.a, fmt, ap));
	va_end(ap);
	if (n->next != NULL) {
		r->at[1] = n->next->where->at;
		r->n_at = 2;
	}
	r->path = path_of(e, f, i);
}

static const struct gql_step *
path_of(struct gql_exec *e, const struct frame *f, uint32_t i)
{
	struct gql_step *s = ARENA_NEW(e->run.a, struct gql_step);

	if (f->up != NULL)
		s->up = path_of(e, f->up, f->place);
	s->name = f->plan != NULL ? f->plan->fields[i].key : NULL;
	s->place = i;
	return s;
}

/* --- later --- */

struct gql_value
gql_later(const struct gql_at *at, struct gql_later **out)
{
	const struct place *p = at->place;

	*out = ARENA_NEW(at->exec->run.a, struct gql_later);
	**out = (struct gql_later){ at->exec, p->frame, p->place };
	at->exec->pending++;
	return (struct gql_value){ .kind = GQL_PENDING };
}

void
gql_settle(struct gql_later *l, struct gql_value v)
{
	struct gql_exec *e = l->exec;
	bool outer = !e->running;

	if (outer)
		e->running = true;
	exec_settle(l, v);
	if (!outer)
		return;
	e->running = false;
	exec_go_on(e);
}

void
exec_settle(struct gql_later *l, struct gql_value v)
{
	const struct frame *f = l->frame;

	must(l->exec->pending > 0 && v.kind != GQL_PENDING);
	l->exec->pending--;
	do {
		if (f->dead)
			return;
		f = f->up;
	} while (f != NULL);
	complete(l->exec, l->frame, l->place, field_at(l->frame, l->place)->field->ref, v);
}

/* --- what resolvers ask --- */

struct gql_value
gql_arg(const struct gql_at *at, const char *name)
{
	for (uint32_t i = 0; i < at->field->n_args; i++)
		if (strcmp(at->field->args[i].name, name) == 0)
			return at->args[i];
	panic("%s.%s has no argument %s", at->field->parent->name, at->field->name, name);
}

void *
gql_host(const struct gql_at *at)
{
	return at->exec->run.host;
}

struct arena *
gql_arena(const struct gql_at *at)
{
	return at->exec->run.a;
}

const char *
gql_key(const struct gql_at *at)
{
	const struct gql_binding *b = at->field->binding;

	return b != NULL && b->key != NULL ? b->key : at->field->name;
}

const char *
gql_type_name(const struct gql_at *at)
{
	return at->field->ref->type->name;
}

bool
gql_selects(const struct gql_at *at, const char *name)
{
	const struct place *p = at->place;
	const struct gql_type *t = at->field->ref->type;
	const struct plan *below;

	must(t->kind == GQL_T_OBJECT);
	below = plan_below(&at->exec->planner, field_at(p->frame, p->place), t);
	for (uint32_t i = 0; i < below->n; i++)
		if (strcmp(below->fields[i].field->name, name) == 0)
			return true;
	return false;
}
