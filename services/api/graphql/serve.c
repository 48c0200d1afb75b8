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

static void on_call_ended(struct call_dep *);
static void on_last_turn(struct loop_turn *);
static const struct gql_doc *
take_document(struct serving *, struct gql_errors *, enum graphql_outcome *);
static const struct gql_doc *parse(struct serving *, struct gql_errors *, enum graphql_outcome *);
static bool kind_allowed(const struct serving *, const struct ast_operation *, struct gql_errors *,
    enum graphql_outcome *, bool);
static void on_wants_turn(struct gql_exec *, void *);
static void on_turn(struct loop_turn *);
static void on_done(struct gql_exec *, void *);
static bool
write_answer(const struct serving *, const struct gql_exec *, struct jw *, const char *);
static void refuse(struct serving *, enum graphql_outcome, const struct gql_errors *);

static struct gql_limits limits;
static unsigned limits_set;

void
serve_set_limits(const struct gql_limits *l)
{
	limits = *l;
	limits_set++;
}

unsigned
serve_limits_set(void)
{
	return limits_set;
}

const struct gql_limits *
serve_limits(void)
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
	if (serving_prepare(s, &r, &e, &outcome, false))
		serving_execute(s, &r, NULL);
	else
		refuse(s, outcome, &e);
}

struct serving *
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

void
serving_end(struct serving *s)
{
	if (s->loop != NULL)
		return; /* the call has ended */
	call_detach(s->c, &s->dep);
	on_call_ended(&s->dep);
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

bool
serving_prepare(struct serving *s, struct running *r, struct gql_errors *e,
    enum graphql_outcome *outcome, bool stream)
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
	return r->vars != NULL && gql_cost(r->doc, r->op, r->vars, serve_limits(), s->a, &cost, e);
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
	struct gql_doc *d = gql_parse(s->a, str_of(s->q->query), serve_limits(), e);
	struct arena *scratch;
	bool valid;

	*outcome =
	    d == NULL && e->first->why == &gql_parse_failed ? GRAPHQL_UNPARSED : GRAPHQL_INVALID;
	if (d == NULL)
		return NULL;
	scratch = arena_new(SERVING_BYTES);
	valid = gql_validate(graphql_schema(), d, serve_limits(), scratch, e);
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
	static const struct failure no_key = { .status = ST_INVALID_ARGUMENT,
		.message = "GraphQL keeps no Idempotency-Key: give createTask an id, execute its "
			   "taskId, a change its ifVersion.",
		.reason = "GRAPHQL_IDEMPOTENCY_KEY" };
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
	if (op->kind == GQL_MUTATION && s->q->keyed) {
		say(e, &no_key);
		return false;
	}
	return true;
}

/* --- it runs --- */

void
serving_execute(struct serving *s, const struct running *r, const void *root)
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
		.outcome = GRAPHQL_DATA,
		.degraded = s->degraded,
		.session = s->session,
		.age_us = s->age_us,
		.wrote = s->writes != 0,
		.principal = s->principal,
	};
	struct gql_errors e;
	char trace[33];
	struct jw w;

	trace_id_of(call_traceparent(s->c), trace);
	jw_start(&w, s->a, 4096);
	if (gql_exec_errors(exec)->n != 0)
		out.outcome = GRAPHQL_PARTIAL;
	if (!write_answer(s, exec, &w, trace)) {
		out.outcome = GRAPHQL_TOO_LARGE;
		gql_errors_init(&e, s->a);
		say(&e, &too_large);
		serving_errors(s->a, &e, trace, &w);
	}
	out.json = jw_text(&w, &out.n);
	s->done(s->ctx, &out);
}

/* False: it is too large. */
static bool
write_answer(const struct serving *s, const struct gql_exec *exec, struct jw *w, const char *trace)
{
	bool fits;

	jw_object(w, NULL);
	fits = gql_write_members(w, exec, trace, ANSWER_BYTES);
	if (s->n_warnings != 0) {
		jw_object(w, "extensions");
		jw_array(w, "warnings");
		for (size_t i = 0; i < s->n_warnings; i++)
			jw_str(w, NULL, s->warnings[i]);
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, '}');
	return fits && w->n <= ANSWER_BYTES;
}

static void
refuse(struct serving *s, enum graphql_outcome outcome, const struct gql_errors *e)
{
	struct graphql_answer out = { .outcome = outcome };
	char trace[33];
	struct jw w;

	trace_id_of(call_traceparent(s->c), trace);
	serving_errors(s->a, e, trace, &w);
	out.json = jw_text(&w, &out.n);
	s->done(s->ctx, &out);
}

void
serving_errors(struct arena *a, const struct gql_errors *e, const char *trace, struct jw *w)
{
	jw_start(w, a, 512);
	jw_object(w, NULL);
	gql_errors_write(w, e, trace);
	jw_close(w, '}');
}

char *
graphql_failure(struct call *c, const struct failure *f, size_t *n)
{
	const char *message = f->message[0] == '\0' ? status_name(f->status) : f->message;
	struct gql_errors e;
	char trace[33];
	struct jw w;

	gql_errors_init(&e, call_arena(c));
	gql_error_add(&e, f, 0, "%s", message)->n_at = 0;
	trace_id_of(call_traceparent(c), trace);
	serving_errors(call_arena(c), &e, trace, &w);
	return jw_text(&w, n);
}
