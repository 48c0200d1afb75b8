/* serve: one GraphQL request, whatever it came by: its document, its operation, the execution, the
 * answer. What is wrong before anything runs is an answer without data. */
#include <stdlib.h>
#include <string.h>

#include "api/graphql/serving.h"
#include "base/log.h"
#include "base/mem.h"

/* Documents and what comes of them; the cost of an operation bounds it far below. */
#define SERVING_BYTES (64u << 20)
/* Of those: what writing the answer takes, whose text grows by doubling. */
#define WRITING_BYTES (20u << 20)
/* An answer of the bus takes 4 MiB; some of it for headers. */
#define ANSWER_BYTES ((4u << 20) - 65536)

struct running { /* what is executed, once it is known to be fit */
	const struct gql_doc *doc;
	const struct ast_operation *op;
	const struct gql_vars *vars;
};

static struct serving *serving_new(struct call *, const struct graphql_ask *);
static void on_call_ended(struct call_dep *);
static void on_last_turn(struct loop_turn *);
static const struct gql_doc *
take_document(struct serving *, struct gql_errors *, enum graphql_outcome *);
static const struct gql_doc *parse(struct serving *, struct gql_errors *, enum graphql_outcome *);
static bool
prepare(struct serving *, struct running *, struct gql_errors *, enum graphql_outcome *, bool);
static bool kind_allowed(const struct serving *, const struct ast_operation *, struct gql_errors *,
    enum graphql_outcome *, bool);
static void execute(struct serving *, const struct running *, const void *root);
static void on_wants_turn(struct gql_exec *, void *);
static void on_turn(struct loop_turn *);
static void on_done(struct gql_exec *, void *);
static void refuse(struct serving *, enum graphql_outcome, const struct gql_errors *);
static void errors_text(struct arena *, const struct gql_errors *, const char *, struct jw *);

static struct gql_limits limits;

void
serve_set_limits(const struct gql_limits *l)
{
	limits = *l;
}

static const struct gql_limits *
limits_now(void)
{
	return limits.tokens != 0 ? &limits : &gql_limits_default;
}

void
graphql_serve(struct call *c, const struct graphql_ask *q, graphql_done_fn *done, void *ctx)
{
	struct serving *s = serving_new(c, q);
	enum graphql_outcome outcome = GRAPHQL_INVALID;
	struct running r;
	struct gql_errors e;

	s->done = done;
	s->ctx = ctx;
	gql_errors_init(&e, s->a);
	if (prepare(s, &r, &e, &outcome, false))
		execute(s, &r, NULL);
	else
		refuse(s, outcome, &e);
}

static struct serving *
serving_new(struct call *c, const struct graphql_ask *q)
{
	struct arena *a = arena_new(SERVING_BYTES);
	struct serving *s = ARENA_NEW(a, struct serving);

	s->c = c;
	s->a = a;
	s->q = q;
	s->dep.cancel = on_call_ended;
	call_attach(c, &s->dep);
	return s;
}

/* Its memory may still be in use further up the stack. */
static void
on_call_ended(struct call_dep *d)
{
	struct serving *s = container_of(d, struct serving, dep);
	struct loop *l = call_loop(s->c);

	loop_turn_del(l, &s->turn);
	document_release(&s->document);
	s->turn.fn = on_last_turn;
	s->loop = l;
	loop_turn_add(l, &s->turn);
	loop_turn_soon(l);
}

static void
on_last_turn(struct loop_turn *t)
{
	struct serving *s = container_of(t, struct serving, turn);
	struct arena *a = s->a;

	loop_turn_del(s->loop, t);
	arena_free(&a);
}

/* --- before it runs --- */

static bool
prepare(struct serving *s, struct running *r, struct gql_errors *e, enum graphql_outcome *outcome,
    bool stream)
{
	uint64_t cost;

	if ((r->doc = take_document(s, e, outcome)) == NULL)
		return false;
	*outcome = GRAPHQL_INVALID;
	if ((r->op = gql_operation(r->doc, s->q->operation_name, e)) == NULL ||
	    !kind_allowed(s, r->op, e, outcome, stream))
		return false;
	*outcome = GRAPHQL_INVALID;
	r->vars = gql_variables(r->op, s->q->variables, s->a, e);
	return r->vars != NULL && gql_cost(r->doc, r->op, r->vars, limits_now(), s->a, &cost, e);
}

static void
say(struct gql_errors *e, const struct failure *why)
{
	gql_error_add(e, why, 0, "%s", why->message)->n_at = 0;
}

static const struct gql_doc *
take_document(struct serving *s, struct gql_errors *e, enum graphql_outcome *outcome)
{
	static const struct failure unknown = { .status = ST_NOT_FOUND,
		.message = "There is no document of this id.",
		.reason = "PERSISTED_DOCUMENT_NOT_FOUND" };
	static const struct failure apq_unknown = { .status = ST_NOT_FOUND,
		.message = "PersistedQueryNotFound",
		.reason = "PERSISTED_DOCUMENT_NOT_FOUND" };
	static const struct failure mismatch = { .status = ST_INVALID_ARGUMENT,
		.message = "The document's id is not the SHA-256 of its text.",
		.reason = "PERSISTED_DOCUMENT_MISMATCH" };
	static const struct failure forbidden = { .status = ST_PERMISSION_DENIED,
		.message = "Only documents that are configured here may be asked for, by their id.",
		.reason = "DOCUMENT_NOT_CONFIGURED" };
	const struct graphql_ask *q = s->q;

	if (q->document_id != NULL && (s->document = documents_find(q->document_id)) != NULL)
		return document_doc(s->document);
	*outcome = GRAPHQL_UNKNOWN_DOCUMENT;
	if (q->query == NULL) {
		say(e, q->apq ? &apq_unknown : &unknown);
		return NULL;
	}
	*outcome = GRAPHQL_FORBIDDEN_DOCUMENT;
	if (documents_only()) {
		say(e, &forbidden);
		return NULL;
	}
	*outcome = GRAPHQL_UNPARSED;
	if (q->document_id != NULL && !document_id_ok(q->document_id, q->query)) {
		say(e, &mismatch);
		return NULL;
	}
	return parse(s, e, outcome);
}

static const struct gql_doc *
parse(struct serving *s, struct gql_errors *e, enum graphql_outcome *outcome)
{
	struct gql_doc *d = gql_parse(s->a, str_of(s->q->query), limits_now(), e);
	struct arena *scratch;
	bool valid;

	*outcome =
	    d == NULL && e->first->why == &gql_parse_failed ? GRAPHQL_UNPARSED : GRAPHQL_INVALID;
	if (d == NULL)
		return NULL;
	scratch = arena_new(SERVING_BYTES);
	valid = gql_validate(graphql_schema(), d, limits_now(), scratch, e);
	arena_free(&scratch);
	if (!valid)
		return NULL;
	if (s->q->document_id != NULL)
		documents_keep(s->q->document_id, s->q->query);
	return d;
}

static bool
kind_allowed(const struct serving *s, const struct ast_operation *op, struct gql_errors *e,
    enum graphql_outcome *outcome, bool stream)
{
	static const struct failure no_query = { .status = ST_INVALID_ARGUMENT,
		.message = "Only queries can be asked for with GET: use POST.",
		.reason = "GRAPHQL_NOT_A_QUERY" };
	static const struct failure no_stream = { .status = ST_FAILED_PRECONDITION,
		.message = "Subscriptions are served over WebSocket, as graphql-transport-ws.",
		.reason = "GRAPHQL_SUBSCRIPTION" };
	static const struct failure not_one = { .status = ST_INVALID_ARGUMENT,
		.message = "This is no subscription.",
		.reason = "GRAPHQL_NOT_A_SUBSCRIPTION" };

	if (stream != (op->kind == GQL_SUBSCRIPTION)) {
		say(e, stream ? &not_one : &no_stream);
		return false;
	}
	if (op->kind == GQL_MUTATION && s->q->only_queries) {
		*outcome = GRAPHQL_NOT_A_QUERY;
		say(e, &no_query);
		return false;
	}
	return true;
}

/* --- it runs --- */

static void
execute(struct serving *s, const struct running *r, const void *root)
{
	gql_execute(&(const struct gql_run){
	    .schema = graphql_schema(),
	    .doc = r->doc,
	    .op = r->op,
	    .vars = r->vars,
	    .a = s->a,
	    .root = root,
	    .host = s,
	    .done = on_done,
	    .wants_turn = on_wants_turn,
	    .keep_bytes = WRITING_BYTES,
	});
}

static void
on_wants_turn(struct gql_exec *e, void *host)
{
	struct serving *s = host;

	s->exec = e;
	s->turn.fn = on_turn;
	loop_turn_add(call_loop(s->c), &s->turn);
	loop_turn_soon(call_loop(s->c));
}

static void
on_turn(struct loop_turn *t)
{
	struct serving *s = container_of(t, struct serving, turn);

	loop_turn_del(call_loop(s->c), t);
	gql_turn(s->exec);
}

static void
on_done(struct gql_exec *exec, void *host)
{
	static const struct failure too_large = { .status = ST_RESOURCE_EXHAUSTED,
		.message = "The answer is too large: ask for less at once.",
		.reason = "TOO_LARGE" };
	struct serving *s = host;
	struct graphql_answer out = {
		.outcome = GRAPHQL_DATA, .degraded = s->degraded, .principal = s->principal
	};
	struct gql_errors e;
	char trace[33];
	struct jw w;

	trace_id_of(call_traceparent(s->c), trace);
	jw_start(&w, s->a, 4096);
	if (gql_exec_errors(exec)->n != 0)
		out.outcome = GRAPHQL_PARTIAL;
	if (!gql_write(&w, exec, trace, ANSWER_BYTES)) {
		out.outcome = GRAPHQL_TOO_LARGE;
		gql_errors_init(&e, s->a);
		say(&e, &too_large);
		errors_text(s->a, &e, trace, &w);
	}
	out.json = jw_text(&w, &out.n);
	s->done(s->ctx, &out);
}

static void
refuse(struct serving *s, enum graphql_outcome outcome, const struct gql_errors *e)
{
	struct graphql_answer out = { .outcome = outcome };
	char trace[33];
	struct jw w;

	trace_id_of(call_traceparent(s->c), trace);
	errors_text(s->a, e, trace, &w);
	out.json = jw_text(&w, &out.n);
	s->done(s->ctx, &out);
}

static void
errors_text(struct arena *a, const struct gql_errors *e, const char *trace, struct jw *w)
{
	jw_start(w, a, 512);
	jw_object(w, NULL);
	gql_errors_write(w, e, trace);
	jw_close(w, '}');
}

/* --- subscriptions --- */

struct graphql_subscription {
	struct arena *a;
	struct serving s; /* what prepare needs of one */
	struct graphql_ask q;
	struct running r;
	json_t *variables, *args;
	const char *source;
};

static json_t *args_of(struct arena *, const struct gql_at *);

struct graphql_subscription *
graphql_subscribe(struct arena *a, const struct graphql_ask *q, struct graphql_answer *refused)
{
	struct arena *own = arena_new(SERVING_BYTES);
	struct graphql_subscription *x = ARENA_NEW(own, struct graphql_subscription);
	enum graphql_outcome outcome = GRAPHQL_INVALID;
	struct gql_errors e;
	struct gql_at source;
	struct jw w;

	*x = (struct graphql_subscription){ .a = own, .q = *q };
	x->variables = json_incref((json_t *)(uintptr_t)q->variables);
	if (q->query != NULL)
		x->q.query = arena_strdup(own, q->query);
	x->q.operation_name = arena_strdup(own, q->operation_name);
	x->q.credential = arena_strdup(own, q->credential);
	x->q.client_address = arena_strdup(own, q->client_address);
	x->s.a = own;
	x->s.q = &x->q;
	gql_errors_init(&e, own);
	if (prepare(&x->s, &x->r, &e, &outcome, true) &&
	    gql_subscribe(&(const struct gql_run){ .schema = graphql_schema(),
			      .doc = x->r.doc,
			      .op = x->r.op,
			      .vars = x->r.vars,
			      .a = own },
		&source, &e)) {
		x->source = gql_key(&source);
		x->args = args_of(own, &source);
		return x;
	}
	errors_text(a, &e, "", &w);
	*refused = (struct graphql_answer){ .outcome = outcome };
	refused->json = jw_text(&w, &refused->n);
	graphql_unsubscribe(&x);
	return NULL;
}

static json_t *
args_of(struct arena *a, const struct gql_at *source)
{
	static const char *const names[] = { "after", "filter" };
	struct json_error e;
	struct jw w;
	size_t n;
	char *text;

	jw_start(&w, a, 256);
	jw_object(&w, NULL);
	for (size_t i = 0; strcmp(gql_key(source), "taskEvents") == 0 && i < 2; i++) {
		struct gql_value v = gql_arg(source, names[i]);

		if (gql_given(v))
			gql_value_write(&w, names[i], &v);
	}
	jw_close(&w, '}');
	text = jw_text(&w, &n);
	return json_read(text, n, &e);
}

const char *
graphql_source(const struct graphql_subscription *x)
{
	return x->source;
}

const json_t *
graphql_source_args(const struct graphql_subscription *x)
{
	return x->args;
}

void
graphql_event(struct call *c, const struct graphql_subscription *x, const json_t *event,
    graphql_done_fn *done, void *ctx)
{
	struct serving *s = serving_new(c, &x->q);
	struct thing *root = ARENA_NEW(s->a, struct thing);

	s->done = done;
	s->ctx = ctx;
	*root = (struct thing){ "Event", event };
	execute(s, &x->r, root);
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
	json_decref(x->args);
	a = x->a;
	arena_free(&a);
}
