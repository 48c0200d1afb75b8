/* GraphQL documents: parsed, printed and parsed again, validated, and, when they are valid, run with
 * fuzzed variables; and as the definition of a schema. The schema is small and has every kind of
 * type. */
#include <stdint.h>
#include <string.h>
#include "api/graphql/engine/gql.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char sdl[] =
    "interface N{id:ID!} union U=Q|T enum E{A B} scalar S directive @d(a:Int) repeatable on FIELD "
    "input I{a:Int=1 b:[I!] c:E d:S o:O} input O @oneOf{a:Int b:String} "
    "type T implements N{id:ID! t:T n(a:Int,i:I,l:[[Int]]):N u:U l:[T!]! s(v:S):S} "
    "type Q implements N{id:ID! t(f:Int=2):T q:Q! l(f:[Int]):[Q] e(v:E!):E} "
    "type V{v:T} schema{query:Q mutation:T subscription:V}";

static void
fetch(struct gql_batch *b, void *host)
{
	(void)host;
	for (size_t i = 0; i < gql_batch_n(b); i++)
		gql_batch_set(b, i, gql_object("T"));
	gql_batch_done(b);
}

static const struct gql_loader loader = { "things", 3, fetch };

static struct gql_value
resolve(const struct gql_at *at)
{
	if (strcmp(gql_key(at), "n") == 0) {
		struct gql_value key = gql_arg(at, "a");

		return gql_load(
		    at, &loader, key.kind == GQL_INT && key.integer != 0 ? "one" : "another");
	}
	if (strcmp(gql_key(at), "l") == 0) {
		struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, 2);

		items[0] = gql_object("T");
		return gql_list(items, 2);
	}
	return strcmp(gql_key(at), "id") == 0  ? gql_string("x")
	       : strcmp(gql_key(at), "s") == 0 ? gql_arg(at, "v")
	                                       : gql_object("T");
}

static const char *
type_of(const void *object)
{
	return object;
}

static void
done(struct gql_exec *e, void *host)
{
	struct json_error je;
	struct jw w;
	size_t n;
	char *text;
	json_t *v;

	jw_start(&w, host, 256);
	if (!gql_write(&w, e, "", 1 << 20))
		return;
	text = jw_text(&w, &n);
	v = json_read(text, n, &je);
	must(v != NULL || strstr(je.what, "deep") != NULL);
	json_decref(v);
}

static void
run(const struct gql_schema *s, struct gql_doc *d, const struct gql_limits *l, struct arena *a,
    json_t *given)
{
	const struct ast_operation *op;
	const struct gql_vars *vars;
	struct gql_errors e;
	struct jw w;
	uint64_t cost;

	gql_errors_init(&e, a);
	if (gql_validate(s, d, l, a, &e) && (op = gql_operation(d, "", &e)) != NULL &&
	    (vars = gql_variables(op, given, a, &e)) != NULL &&
	    gql_cost(d, op, vars, l, a, &cost, &e))
		gql_execute(&(const struct gql_run){ .schema = s,
		    .doc = d,
		    .op = op,
		    .vars = vars,
		    .a = a,
		    .root = "T",
		    .host = a,
		    .done = done });
	jw_start(&w, a, 256);
	jw_object(&w, NULL);
	gql_errors_write(&w, &e, "");
}

static void
print_again(const struct gql_doc *d, const struct gql_limits *l, struct arena *a)
{
	struct gql_errors e;
	struct gql_doc *again;
	char *once, *twice;
	size_t n, m;

	if (d->defs != NULL)
		return;
	once = gql_print(a, d, &n);
	gql_errors_init(&e, a);
	again = gql_parse(a, (struct str){ once, n }, l, &e);
	must(again != NULL || e.first->why == &gql_too_complex);
	if (again == NULL)
		return;
	twice = gql_print(a, again, &m);
	must(n == m && memcmp(once, twice, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct gql_limits limits = { .bytes = 64 << 10,
		.tokens = 4000,
		.nesting = 32,
		.aliases = 100,
		.depth = 12,
		.cost = 5000 };
	static struct gql_schema *schema;
	const uint8_t *cut = memchr(p, '\0', n);
	size_t text_n = cut == NULL ? n : (size_t)(cut - p);
	struct gql_errors e;
	struct json_error je;
	struct gql_doc *d;
	struct arena *a;
	json_t *given = NULL;

	if (schema == NULL) {
		a = arena_new(8 << 20);
		gql_errors_init(&e, a);
		schema = gql_schema_new(a,
		    &(const struct gql_schema_def){
			.sdl = str_of(sdl), .fallback = resolve, .type_of = type_of },
		    &e);
		must(schema != NULL);
	}
	a = arena_new(256 << 20);
	if (cut != NULL)
		given = json_read(cut + 1, n - text_n - 1, &je);
	gql_errors_init(&e, a);
	d = gql_parse(a, (struct str){ (const char *)p, text_n }, &limits, &e);
	must((d == NULL) == (e.n != 0));
	if (d != NULL) {
		print_again(d, &limits, a);
		run(schema, d, &limits, a, given);
		if (d->defs != NULL)
			(void)gql_schema_new(a,
			    &(const struct gql_schema_def){
				.sdl = { (const char *)p, text_n }, .fallback = resolve },
			    &e);
	}
	arena_free(&a);
	json_decref(given);
	return 0;
}
