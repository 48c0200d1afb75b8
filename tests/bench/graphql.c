/* The GraphQL engine on the pets' schema of harness/gqlbed.c.
 *
 *	graphql            ns per parse, validate, execute for each document: a line of JSON each
 *	graphql documents  those documents and the schema, as JSON: for its counterpart, graphql.mjs
 *	graphql judge      reads documents, a JSON string a line; answers "valid" or what is wrong
 *	graphql print      reads the same; answers each as we print it, a JSON string a line
 *	graphql schema     reads texts in the schema language, a JSON string a line; answers as judge
 *	graphql run        reads {"query":"...","variables":{}}, one a line; their answers, one a line
 *
 * scripts/bench-graphql puts the figures beside those of graphql-js. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "harness/gqlbed.h"

#define SPAN_US (60 * MS) /* of one measurement */
#define SPANS   7         /* of them the best counts: what else runs only takes away */

static const struct {
	const char *name, *text;
} documents[] = {
	{ "small", "{ dog { id name } }" },
	{ "fragments",
	    "query Pets($surname: Boolean = true, $cat: Boolean!) {\n"
	    "  dog { ...Names mother { ...Names mother { ...Names } } owner { name } }\n"
	    "  catOrDog { __typename ... on Dog { barkVolume } ... on Cat { meowVolume "
	    "@include(if: "
	    "$cat) } }\n"
	    "  human { name pets { __typename ... on Pet { owner { name } } ... on Dog { "
	    "...Names } } }\n"
	    "}\n"
	    "fragment Names on Dog { id name(surname: $surname) nick: nickname barkVolume }\n" },
	{ "arguments", "query Q($a: Int!, $b: Where, $c: [String]) {\n"
		       "  arguments {\n"
		       "    required(x: $a, y: 2) optional(x: 3) int(v: $a) float(v: 1.5) "
		       "string(v: \"text\")\n"
		       "    enum(v: TAN) strings(v: $c) matrix(v: [[1, 2], [3]])\n"
		       "    where(v: { colour: BLACK, near: { x: 1, note: \"n\" }, limits: [1, 2, "
		       "3], not: { near: "
		       "{ x: $a } } })\n"
		       "    other: where(v: $b) by(v: { name: \"x\" })\n"
		       "  }\n"
		       "}\n" },
	{ "list", "{ first(first: 1000) { __typename id name barkVolume nickname } }" },
	{ "introspection",
	    "query Introspection { __schema { queryType { name } mutationType { name } types { "
	    "...Full } "
	    "directives { name description locations args { ...Input } } } }\n"
	    "fragment Full on __Type { kind name description fields(includeDeprecated: true) { "
	    "name "
	    "description args { ...Input } type { ...Ref } isDeprecated deprecationReason } "
	    "inputFields { "
	    "...Input } interfaces { ...Ref } enumValues(includeDeprecated: true) { name "
	    "description "
	    "isDeprecated deprecationReason } possibleTypes { ...Ref } }\n"
	    "fragment Input on __InputValue { name description type { ...Ref } defaultValue }\n"
	    "fragment Ref on __Type { kind name ofType { kind name ofType { kind name ofType { "
	    "kind name "
	    "ofType { kind name } } } } }\n" },
};
#define N_DOCUMENTS (sizeof(documents) / sizeof(documents[0]))

static const char variables[] =
    "{\"cat\":true,\"a\":7,\"b\":{\"near\":{\"x\":1}},\"c\":[\"a\",\"b\"]}";

static struct gql_schema *schema;
static struct gql_limits limits;
static json_t *given;
static struct gql_doc *ready; /* parsed and validated: for execute */
static size_t answer_bytes;

static void
done(struct gql_exec *e, void *host)
{
	struct jw w;

	jw_start(&w, host, 4096);
	if (!gql_write(&w, e, "", 16 << 20))
		fatal("the answer is too large");
	jw_text(&w, &answer_bytes);
}

static void
parse(struct arena *a, const char *text)
{
	struct gql_errors e;

	gql_errors_init(&e, a);
	if (gql_parse(a, str_of(text), &limits, &e) == NULL)
		fatal("%s", e.first->message);
}

/* What a document without cache costs: parse and validate. Parsing is measured alone as well. */
static void
parse_and_validate(struct arena *a, const char *text)
{
	struct gql_errors e;
	struct gql_doc *d;

	gql_errors_init(&e, a);
	if ((d = gql_parse(a, str_of(text), &limits, &e)) == NULL ||
	    !gql_validate(schema, d, &limits, a, &e))
		fatal("%s", e.first->message);
}

static void
execute(struct arena *a, const char *text)
{
	struct gql_errors e;
	const struct ast_operation *op;
	const struct gql_vars *vars;
	uint64_t cost;

	(void)text;
	gql_errors_init(&e, a);
	if ((op = gql_operation(ready, "", &e)) == NULL ||
	    (vars = gql_variables(op, given, a, &e)) == NULL ||
	    !gql_cost(ready, op, vars, &limits, a, &cost, &e))
		fatal("%s", e.first->message);
	gql_execute(&(const struct gql_run){ .schema = schema,
	    .doc = ready,
	    .op = op,
	    .vars = vars,
	    .a = a,
	    .host = a,
	    .done = done });
}

static double
ns_per(void (*what)(struct arena *, const char *), const char *text)
{
	struct arena *a = arena_new(64 << 20);
	double best = 0;

	for (int i = 0; i < 100; i++, arena_reset(a))
		what(a, text);
	for (int span = 0; span < SPANS; span++) {
		int64_t begin = time_now_us(), now = begin;
		uint64_t n = 0;
		double ns;

		while (now - begin < SPAN_US) {
			for (int i = 0; i < 20; i++, n++, arena_reset(a))
				what(a, text);
			now = time_now_us();
		}
		ns = (double)(now - begin) * 1000 / (double)n;
		if (span == 0 || ns < best)
			best = ns;
	}
	arena_free(&a);
	return best;
}

static void
measure(void)
{
	for (size_t i = 0; i < N_DOCUMENTS; i++) {
		const char *text = documents[i].text;
		struct gql_errors e;
		double parsed, both, executed;

		gql_errors_init(&e, gqlbed.a);
		ready = gql_parse(gqlbed.a, str_of(text), &limits, &e);
		if (ready == NULL || !gql_validate(schema, ready, &limits, gqlbed.a, &e))
			fatal("%s", e.first->message);
		parsed = ns_per(parse, text);
		both = ns_per(parse_and_validate, text);
		executed = ns_per(execute, text);
		printf("{\"document\":\"%s\",\"parse\":%.0f,\"validate\":%.0f,\"execute\":%.0f,"
		       "\"bytes\":%zu}\n",
		    documents[i].name, parsed, both - parsed, executed, answer_bytes);
	}
}

static void
show(void)
{
	struct jw w;
	size_t n;

	jw_start(&w, gqlbed.a, 4096);
	jw_object(&w, NULL);
	jw_str(&w, "sdl", pets_sdl);
	jw_raw(&w, "variables", variables, strlen(variables));
	jw_array(&w, "documents");
	for (size_t i = 0; i < N_DOCUMENTS; i++) {
		jw_object(&w, NULL);
		jw_str(&w, "name", documents[i].name);
		jw_str(&w, "text", documents[i].text);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	puts(jw_text(&w, &n));
}

/* of: what is answered to a document; NULL for d: e says why. */
static void
answer(const char *(*of)(struct arena *, struct gql_doc *, struct gql_errors *))
{
	struct arena *a = arena_new(256 << 20);
	struct gql_errors e;
	struct json_error je;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		json_t *v = json_read(line, (size_t)n, &je);

		if (!json_is_string(v))
			fatal("a line is no JSON string: %s", je.what);
		gql_errors_init(&e, a);
		puts(of(a, gql_parse(a, str_of(json_string_value(v)), &limits, &e), &e));
		json_decref(v);
		arena_reset(a);
	}
	free(line);
	arena_free(&a);
}

static const char *
judge(struct arena *a, struct gql_doc *d, struct gql_errors *e)
{
	return d != NULL && gql_validate(schema, d, &limits, a, e) ? "valid" : e->first->message;
}

static const char *
judge_schema(struct arena *a, struct gql_doc *d, struct gql_errors *e)
{
	struct str said = STR("no document"), rest;

	(void)e;
	if (d != NULL && gqlbed_schema(arena_strndup(gqlbed.a, d->text.p, d->text.n)) != NULL)
		return "valid";
	if (d != NULL)
		str_cut(str_of(gqlbed_said()), '\n', &said, &rest);
	return arena_strndup(a, said.p, said.n);
}

static const char *
print(struct arena *a, struct gql_doc *d, struct gql_errors *e)
{
	struct jw w;
	size_t n;

	(void)e;
	jw_start(&w, a, 1024);
	jw_str(&w, NULL, d == NULL ? NULL : gql_print(a, d, &n));
	return jw_text(&w, &n);
}

/* With everything that the tests' bed has: slow fields, too. */
static void
run(void)
{
	struct json_error je;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	gqlbed.schema = schema;
	gqlbed.limits = limits;
	while ((n = getline(&line, &cap, stdin)) > 0) {
		json_t *v = json_read(line, (size_t)n, &je);
		char *vars = json_dumps(json_object_get(v, "variables"), JSON_COMPACT);
		const char *text =
		    gqlbed_run(json_string_value(json_object_get(v, "query")), vars, NULL);

		for (; text == NULL; text = gqlbed_answer())
			gqlbed_release();
		puts(text);
		free(vars);
		json_decref(v);
	}
	free(line);
}

int
main(int argc, char **argv)
{
	struct json_error je;

	gqlbed.a = arena_new(1 << 30);
	limits = gql_limits_default;
	schema = gqlbed_pets();
	given = json_read(variables, sizeof(variables) - 1, &je);
	if (schema == NULL)
		fatal("%s", gqlbed_said());
	if (argc > 1 && strcmp(argv[1], "documents") == 0)
		show();
	else if (argc > 1 && strcmp(argv[1], "judge") == 0)
		answer(judge);
	else if (argc > 1 && strcmp(argv[1], "schema") == 0)
		answer(judge_schema);
	else if (argc > 1 && strcmp(argv[1], "print") == 0)
		answer(print);
	else if (argc > 1 && strcmp(argv[1], "run") == 0)
		run();
	else
		measure();
	json_decref(given);
	arena_free(&gqlbed.a);
	return 0;
}
