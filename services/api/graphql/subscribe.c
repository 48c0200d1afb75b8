/* subscribe: GraphQL subscriptions, which outlive the call they came by. Where their events come from
 * is somebody else's: here is what was asked for, and what an event becomes.
 *
 * What is compiled is nobody's in particular: who hears an event is said with each event. */
#include <ctype.h>
#include <string.h>

#include "api/graphql/serving.h"

#define COMPILED_BYTES (64u << 20)

struct graphql_subscription {
	struct arena *a;
	struct serving s; /* what serving_prepare needs of one */
	struct graphql_ask q;
	struct running r;
	const char *field, *after;
	json_t *variables, *filter;
};

static bool compile(struct graphql_subscription *, struct gql_errors *, enum graphql_outcome *);
static json_t *filter_of(struct arena *, const struct gql_value *);
static void write_member(struct jw *, const char *, json_t *);
static void write_kinds(struct jw *, const json_t *);
static void on_executed(void *, const struct graphql_answer *);

bool
graphql_is_subscription(const struct graphql_ask *q)
{
	const struct document *d = q->document_id == NULL ? NULL : documents_find(q->document_id);
	struct arena *a = arena_new(COMPILED_BYTES);
	const struct ast_operation *op = NULL;
	const struct gql_doc *doc = NULL;
	struct gql_errors e;
	bool is;

	gql_errors_init(&e, a);
	if (d != NULL)
		doc = document_doc(d);
	else if (q->query != NULL)
		doc = gql_parse(a, str_of(q->query), serve_limits(), &e);
	if (doc != NULL)
		op = gql_operation(doc, q->operation_name, &e);
	is = op != NULL && op->kind == GQL_SUBSCRIPTION;
	document_release(&d);
	arena_free(&a);
	return is;
}

unsigned
graphql_generation(void)
{
	return serve_limits_set();
}

struct graphql_subscription *
graphql_subscribe(struct arena *a, const struct graphql_ask *q, struct graphql_answer *refused)
{
	struct arena *own = arena_new(COMPILED_BYTES);
	struct graphql_subscription *x = ARENA_NEW(own, struct graphql_subscription);
	struct gql_errors e;
	struct jw w;

	*x = (struct graphql_subscription){ .a = own, .q = *q, .after = "" };
	x->variables = json_incref((json_t *)(uintptr_t)q->variables);
	if (q->query != NULL)
		x->q.query = arena_strdup(own, q->query);
	if (q->document_id != NULL)
		x->q.document_id = arena_strdup(own, q->document_id);
	x->q.operation_name = arena_strdup(own, q->operation_name);
	x->s.a = own;
	x->s.q = &x->q;
	gql_errors_init(&e, own);
	*refused = (struct graphql_answer){ .outcome = GRAPHQL_INVALID };
	if (compile(x, &e, &refused->outcome))
		return x;
	serving_errors(a, &e, "", &w);
	refused->json = jw_text(&w, &refused->n);
	graphql_unsubscribe(&x);
	return NULL;
}

static bool
compile(struct graphql_subscription *x, struct gql_errors *e, enum graphql_outcome *outcome)
{
	struct gql_at source;
	struct gql_value v;

	if (!serving_prepare(&x->s, &x->r, e, outcome, true) ||
	    !gql_subscribe(&(const struct gql_run){ .schema = graphql_schema(),
			       .doc = x->r.doc,
			       .op = x->r.op,
			       .vars = x->r.vars,
			       .a = x->a },
		&source, e))
		return false;
	x->field = gql_key(&source);
	v = gql_arg(&source, "after");
	if (gql_given(v))
		x->after = arena_strndup(x->a, v.text, v.n);
	v = gql_arg(&source, "filter");
	if (gql_given(v))
		x->filter = filter_of(x->a, &v);
	return true;
}

/* TaskEventFilter or FleetEventFilter, in the words of the events. */
static json_t *
filter_of(struct arena *a, const struct gql_value *given)
{
	struct json_error e;
	const char *name;
	json_t *all, *v;
	struct jw w;
	size_t n;
	char *text;

	jw_start(&w, a, 256);
	gql_value_write(&w, NULL, given);
	text = jw_text(&w, &n);
	if ((all = json_read(text, n, &e)) == NULL)
		return NULL;
	jw_start(&w, a, 256);
	jw_object(&w, NULL);
	json_object_foreach(all, name, v) write_member(&w, name, v);
	jw_close(&w, '}');
	json_decref(all);
	text = jw_text(&w, &n);
	return json_read(text, n, &e);
}

/* What is null was not asked for. */
static void
write_member(struct jw *w, const char *name, json_t *v)
{
	if (json_is_null(v))
		return;
	if (strcmp(name, "kinds") == 0)
		write_kinds(w, v);
	else if (strcmp(name, "taskId") == 0)
		jw_str(w, "id", id_task(w->a, json_string_value(v)));
	else
		jw_json(w, name, v);
}

/* CREATED is "task.created" in the log. */
static void
write_kinds(struct jw *w, const json_t *kinds)
{
	jw_array(w, "kind");
	for (size_t i = 0; i < json_array_size(kinds); i++) {
		char *s =
		    arena_printf(w->a, "task.%s", json_string_value(json_array_get(kinds, i)));

		for (char *p = s; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
		jw_str(w, NULL, s);
	}
	jw_close(w, ']');
}

const char *
graphql_source(const struct graphql_subscription *x)
{
	return x->field;
}

const char *
graphql_source_after(const struct graphql_subscription *x)
{
	return x->after;
}

const json_t *
graphql_source_filter(const struct graphql_subscription *x)
{
	return x->filter;
}

struct str
graphql_source_text(const struct graphql_subscription *x)
{
	return x->r.doc->text;
}

size_t
graphql_source_bytes(const struct graphql_subscription *x)
{
	return arena_used(x->a);
}

struct hearing { /* one event of one who hears it; in the serving's memory */
	struct serving *s;
	graphql_done_fn *done;
	void *ctx;
};

void
graphql_event(struct call *c, const struct graphql_subscription *x, const struct graphql_ask *who,
    const json_t *event, graphql_done_fn *done, void *ctx)
{
	struct serving *s = serving_new(c, who);
	struct thing *root = ARENA_NEW(s->a, struct thing);
	struct hearing *h = ARENA_NEW(s->a, struct hearing);

	*h = (struct hearing){ s, done, ctx };
	s->done = on_executed;
	s->ctx = h;
	*root = (struct thing){ "Event", event };
	serving_execute(s, &x->r, root);
}

/* A call may hear of many events: each one's memory is given back at once. */
static void
on_executed(void *ctx, const struct graphql_answer *a)
{
	const struct hearing *h = ctx;

	h->done(h->ctx, a);
	serving_end(h->s);
}

void
graphql_unsubscribe(struct graphql_subscription **px)
{
	struct graphql_subscription *x = *px;
	struct arena *a;

	*px = NULL;
	if (x == NULL)
		return;
	document_release(&x->s.document);
	json_decref(x->variables);
	json_decref(x->filter);
	a = x->a;
	arena_free(&a);
}
