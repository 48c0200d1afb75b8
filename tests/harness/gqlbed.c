#include "harness/gqlbed.h"

#include <stdio.h>
#include <string.h>

#include "api/graphql/engine/type.h"

struct gqlbed gqlbed;

const char pets_sdl[] =
    "scalar DateTime @specifiedBy(url: \"https://scalars.graphql.org/andimarek/date-time\")\n"
    "scalar Any\n"
    "directive @onField on FIELD\n"
    "directive @onQuery on QUERY\n"
    "directive @onVariable(because: String) on VARIABLE_DEFINITION\n"
    "directive @twice(n: Int!) repeatable on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT\n"
    "interface Node { id: ID! }\n"
    "interface Being { name(surname: Boolean = false): String }\n"
    "interface Pet implements Being {\n"
    "  name(surname: Boolean = false): String\n"
    "  owner: Human\n"
    "}\n"
    "enum Command { SIT HEEL DOWN LEGACY @deprecated(reason: \"too old\") }\n"
    "enum Colour { BROWN BLACK TAN }\n"
    "type Dog implements Pet & Being & Node {\n"
    "  id: ID!\n"
    "  name(surname: Boolean = false): String\n"
    "  nickname: String\n"
    "  owner: Human\n"
    "  barkVolume: Int\n"
    "  barks: Boolean @deprecated(reason: \"use barkVolume\")\n"
    "  doesKnow(command: Command!): Boolean\n"
    "  isAt(x: Int, y: Int, old: Int @deprecated): Boolean\n"
    "  friends: [Pet!]\n"
    "  mother: Dog\n"
    "  slowName: String\n"
    "  broken: String\n"
    "  brokenNow: String!\n"
    "  colours: [Colour!]\n"
    "}\n"
    "type Cat implements Pet & Being & Node {\n"
    "  id: ID!\n"
    "  name(surname: Boolean = false): String\n"
    "  nickname: String\n"
    "  owner: Human\n"
    "  meowVolume: Int\n"
    "  meows: Boolean\n"
    "  furColour: Colour\n"
    "}\n"
    "type Human implements Being {\n"
    "  name(surname: Boolean = false): String\n"
    "  pets: [Pet]\n"
    "  relatives: [Human]!\n"
    "  iq: Int\n"
    "}\n"
    "union CatOrDog = Cat | Dog\n"
    "union DogOrHuman = Dog | Human\n"
    "input Where { colour: Colour = BROWN, near: Point, limits: [Int!], not: Where }\n"
    "input Point { x: Int!, y: Int! = 7, note: String }\n"
    "input By @oneOf { name: String, id: ID, where: Where }\n"
    "type Arguments {\n"
    "  required(x: Int!, y: Int!): Int!\n"
    "  optional(x: Int = 0, y: Int = 0): Int\n"
    "  int(v: Int): Int\n"
    "  float(v: Float): Float\n"
    "  string(v: String): String\n"
    "  boolean(v: Boolean): Boolean\n"
    "  id(v: ID): ID\n"
    "  enum(v: Colour): Colour\n"
    "  strings(v: [String]): [String]\n"
    "  nonNullStrings(v: [String!]): [String]\n"
    "  matrix(v: [[Int]]): String\n"
    "  where(v: Where): String\n"
    "  wheres(v: [Where!]): String\n"
    "  by(v: By!): String\n"
    "  any(v: Any): Any\n"
    "  time(v: DateTime): DateTime\n"
    "  nonNullDefault(v: Int! = 3): Int\n"
    "}\n"
    "type Box { value: String other: Box intBox: IntBox stringBox: StringBox list: [Box] same: "
    "Box! }\n"
    "type IntBox { scalar: Int deep: IntBox unrelated: String }\n"
    "type StringBox { scalar: String deep: StringBox unrelated: String }\n"
    "union Boxes = IntBox | StringBox\n"
    "type Query {\n"
    "  dog(id: ID): Dog\n"
    "  dogs(ids: [ID!]!): [Dog]!\n"
    "  first(first: Int): [Dog!]\n"
    "  cat: Cat\n"
    "  pet: Pet\n"
    "  being: Being\n"
    "  human: Human\n"
    "  catOrDog: CatOrDog\n"
    "  dogOrHuman: DogOrHuman\n"
    "  arguments: Arguments\n"
    "  box: Box\n"
    "  boxes: [Boxes]\n"
    "  nothing: String\n"
    "  must: Box!\n"
    "  slow: String\n"
    "  wrongEnum: Colour\n"
    "  wrongInt: Int\n"
    "  wrongType: Pet\n"
    "  list: [Int!]\n"
    "}\n"
    "type Mutation {\n"
    "  note(text: String!): Human\n"
    "  slowNote(text: String!): Human\n"
    "  refuse(text: String!): Human\n"
    "}\n"
    "type Subscription { barked(loud: Boolean = true): Dog slept: Cat }\n";

struct pet {
	const char *type, *id, *name;
	int volume;
};
static const struct pet pets[] = {
	{ "Dog", "d1", "Rex", 10 },
	{ "Dog", "d2", "Ben", 20 },
	{ "Dog", "d3", "Tim", 30 },
	{ "Cat", "c1", "Mia", 3 },
	{ "Human", "h1", "Ann", 0 },
};

static struct {
	struct gql_errors errors;
	struct gql_exec *exec;
	struct {
		struct gql_later *later;
		struct gql_batch *batch;
		struct gql_value value;
	} held[4096];
	size_t n_held;
	json_t *given; /* values are views of it */
	char said[8192];
	const char *answer;
} run;

static void
say(void)
{
	run.said[0] = '\0';
	for (const struct gql_error *e = run.errors.first; e != NULL; e = e->next)
		snprintf(run.said + strlen(run.said), sizeof(run.said) - strlen(run.said), "%s%s",
		    run.said[0] == '\0' ? "" : "\n", e->message);
}

const char *
gqlbed_said(void)
{
	return run.said;
}

/* --- resolvers --- */

static const struct pet *
pet_of(const char *id)
{
	for (size_t i = 0; i < sizeof(pets) / sizeof(pets[0]); i++)
		if (strcmp(pets[i].id, id) == 0)
			return &pets[i];
	return NULL;
}

static struct gql_value
later(const struct gql_at *at, struct gql_value v)
{
	struct gql_later *l;
	struct gql_value pending = gql_later(at, &l);

	assert_true(run.n_held < sizeof(run.held) / sizeof(run.held[0]));
	run.held[run.n_held].later = l;
	run.held[run.n_held].batch = NULL;
	run.held[run.n_held++].value = v;
	return pending;
}

static void
fetch(struct gql_batch *b, void *host)
{
	(void)host;
	gqlbed.fetches++;
	gqlbed.fetched += (unsigned)gql_batch_n(b);
	for (size_t i = 0; i < gql_batch_n(b); i++) {
		static const struct failure none = { .status = ST_NOT_FOUND,
			.message = "there is no such dog",
			.reason = "NO_DOG" };
		const struct pet *p = pet_of(gql_batch_key(b, i));

		gql_batch_set(b, i, p == NULL ? gql_failed(&none) : gql_object(p));
	}
	if (gqlbed.hold) {
		run.held[run.n_held].later = NULL;
		run.held[run.n_held++].batch = b;
	} else {
		gql_batch_done(b);
	}
}

static const struct gql_loader dogs = { "dogs", 100, fetch };

static struct gql_value
query_dog(const struct gql_at *at)
{
	struct gql_value id = gql_arg(at, "id");

	if (!gql_given(id))
		return gql_object(pet_of("d1"));
	return gql_load(at, &dogs, id.text);
}

static struct gql_value
query_dogs(const struct gql_at *at)
{
	struct gql_value ids = gql_arg(at, "ids");
	const char *keys[64];

	for (uint32_t i = 0; i < ids.n; i++)
		keys[i] = ids.list[i].text;
	return gql_load_list(at, &dogs, keys, ids.n);
}

static struct gql_value
query_first(const struct gql_at *at)
{
	struct gql_value n = gql_arg(at, "first");
	size_t most = !gql_given(n) ? 3 : n.integer < 0 ? 0 : (size_t)n.integer;
	struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, most);

	for (size_t i = 0; i < most; i++)
		items[i] = gql_object(&pets[i % 3]);
	return gql_list(items, most);
}

static struct gql_value
a_dog(const struct gql_at *at)
{
	(void)at;
	return gql_object(pet_of("d1"));
}

static struct gql_value
a_cat(const struct gql_at *at)
{
	(void)at;
	return gql_object(pet_of("c1"));
}

static struct gql_value
a_human(const struct gql_at *at)
{
	(void)at;
	return gql_object(pet_of("h1"));
}

static struct gql_value
some_pets(const struct gql_at *at)
{
	struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, 3);

	items[0] = gql_object(pet_of("d2"));
	items[1] = gql_object(pet_of("c1"));
	return gql_list(items, 2);
}

static struct gql_value
pet_name(const struct gql_at *at)
{
	const struct pet *p = at->object;

	if (gql_arg(at, "surname").boolean)
		return gql_string(arena_printf(gql_arena(at), "%s of the Hill", p->name));
	return gql_string(p->name);
}

static struct gql_value
pet_id(const struct gql_at *at)
{
	return gql_string(((const struct pet *)at->object)->id);
}

static struct gql_value
pet_volume(const struct gql_at *at)
{
	return gql_int(((const struct pet *)at->object)->volume);
}

static struct gql_value
dog_mother(const struct gql_at *at)
{
	return gql_load(
	    at, &dogs, strcmp(((const struct pet *)at->object)->id, "d1") == 0 ? "d2" : "d3");
}

static struct gql_value
slow_name(const struct gql_at *at)
{
	return later(at, gql_string(((const struct pet *)at->object)->name));
}

static struct gql_value
broken(const struct gql_at *at)
{
	static const struct failure why = { .status = ST_UNAVAILABLE,
		.message = "the kennel is closed",
		.reason = "KENNEL_CLOSED",
		.retry_ms = 50 };

	(void)at;
	return gql_failed(&why);
}

static struct gql_value
no_value(const struct gql_at *at)
{
	(void)at;
	return gql_null();
}

static struct gql_value
a_box(const struct gql_at *at)
{
	(void)at;
	return gql_object("box");
}

static struct gql_value
echo(const struct gql_at *at)
{
	struct jw w;
	size_t n;
	struct gql_value v = gql_arg(at, "v");

	if (strcmp(at->field->ref->type->name, "String") != 0 ||
	    at->field->ref->kind == GQL_LIST_OF || v.kind == GQL_STRING || !gql_given(v))
		return v;
	jw_start(&w, gql_arena(at), 64);
	gql_value_write(&w, NULL, &v);
	return gql_string(jw_text(&w, &n));
}

static struct gql_value
sum(const struct gql_at *at)
{
	return gql_int(gql_arg(at, "x").integer + gql_arg(at, "y").integer);
}

static struct gql_value
slow(const struct gql_at *at)
{
	return later(at, gql_string("at last"));
}

static struct gql_value
wrong(const struct gql_at *at)
{
	(void)at;
	return gql_string("PURPLE");
}

static struct gql_value
wrong_type(const struct gql_at *at)
{
	(void)at;
	return gql_object(pet_of("h1"));
}

static struct gql_value
a_list(const struct gql_at *at)
{
	struct gql_value *items = ARENA_ARRAY(gql_arena(at), struct gql_value, 3);

	items[0] = gql_int(1);
	items[1] = gql_null();
	items[2] = gql_int(3);
	return gql_list(items, 3);
}

static void
note_down(const struct gql_at *at)
{
	snprintf(gqlbed.log + strlen(gqlbed.log), sizeof(gqlbed.log) - strlen(gqlbed.log), "%s;",
	    gql_arg(at, "text").text);
}

static struct gql_value
note(const struct gql_at *at)
{
	note_down(at);
	return gql_object(pet_of("h1"));
}

static struct gql_value
slow_note(const struct gql_at *at)
{
	note_down(at);
	return later(at, gql_object(pet_of("h1")));
}

static struct gql_value
refuse(const struct gql_at *at)
{
	note_down(at);
	return broken(at);
}

static struct gql_value
event(const struct gql_at *at)
{
	return gql_object(at->object);
}

static const char *
type_of(const void *object)
{
	return ((const struct pet *)object)->type;
}

static const char *
take_time(struct arena *a, struct gql_value *v)
{
	(void)a;
	return v->kind == GQL_STRING && v->n == 20 ? NULL : "must be like 2026-01-02T03:04:05Z";
}

/* clang-format off */
#define BIND(f, r)	{ .field = (f), .resolve = (r) }
static const struct gql_binding bindings[] = {
	BIND("Query.dog", query_dog),
	BIND("Query.dogs", query_dogs),
	{ .field = "Query.first", .resolve = query_first, .size_args = "first", .size = 3 },
	BIND("Query.cat", a_cat), BIND("Query.pet", a_dog), BIND("Query.being", a_human),
	BIND("Query.human", a_human), BIND("Query.catOrDog", a_cat),
	BIND("Query.dogOrHuman", a_dog), BIND("Query.arguments", a_box), BIND("Query.box", a_box),
	BIND("Query.must", a_box), BIND("Query.slow", slow), BIND("Query.wrongEnum", wrong),
	BIND("Query.wrongInt", wrong), BIND("Query.wrongType", wrong_type),
	BIND("Query.list", a_list),
	BIND("Dog.id", pet_id), BIND("Cat.id", pet_id),
	BIND("Dog.name", pet_name), BIND("Cat.name", pet_name), BIND("Human.name", pet_name),
	BIND("Dog.barkVolume", pet_volume), BIND("Cat.meowVolume", pet_volume),
	BIND("Dog.owner", a_human), BIND("Cat.owner", a_human),
	BIND("Human.pets", some_pets), BIND("Dog.friends", some_pets),
	{ .field = "Dog.mother", .resolve = dog_mother, .cost = 5 },
	BIND("Dog.slowName", slow_name), BIND("Dog.broken", broken), BIND("Dog.brokenNow", broken),
	BIND("Box.other", a_box),
	BIND("Box.same", no_value),
	BIND("Arguments.required", sum), BIND("Arguments.optional", sum),
	BIND("Arguments.int", echo), BIND("Arguments.float", echo), BIND("Arguments.string", echo),
	BIND("Arguments.boolean", echo), BIND("Arguments.id", echo), BIND("Arguments.enum", echo),
	BIND("Arguments.strings", echo), BIND("Arguments.nonNullStrings", echo),
	BIND("Arguments.matrix", echo), BIND("Arguments.where", echo),
	BIND("Arguments.wheres", echo), BIND("Arguments.by", echo), BIND("Arguments.any", echo),
	BIND("Arguments.time", echo), BIND("Arguments.nonNullDefault", echo),
	BIND("Mutation.note", note), BIND("Mutation.slowNote", slow_note),
	BIND("Mutation.refuse", refuse),
	BIND("Subscription.barked", event),
	BIND(NULL, NULL),
};
/* clang-format on */
static const struct gql_scalar scalars[] = {
	{ "DateTime", take_time, NULL },
	{ NULL, NULL, NULL },
};

/* --- the bed --- */

static struct gql_schema *
make_schema(const struct gql_schema_def *d)
{
	struct gql_schema *s;

	gql_errors_init(&run.errors, gqlbed.a);
	s = gql_schema_new(gqlbed.a, d, &run.errors);
	say();
	assert_true((s == NULL) == (run.errors.n != 0));
	return s;
}

struct gql_schema *
gqlbed_pets(void)
{
	return make_schema(&(const struct gql_schema_def){ .sdl = str_of(pets_sdl),
	    .bindings = bindings,
	    .scalars = scalars,
	    .fallback = no_value,
	    .type_of = type_of });
}

struct gql_schema *
gqlbed_schema(const char *sdl)
{
	return make_schema(
	    &(const struct gql_schema_def){ .sdl = str_of(sdl), .fallback = no_value });
}

int
gqlbed_start(void **state)
{
	test_log_mark(state);
	memset(&gqlbed, 0, sizeof(gqlbed));
	memset(&run, 0, sizeof(run));
	gqlbed.a = arena_new(64 << 20);
	gqlbed.limits = gql_limits_default;
	gqlbed.schema = gqlbed_pets();
	if (gqlbed.schema == NULL)
		print_error("%s\n", gqlbed_said());
	return gqlbed.schema == NULL ? -1 : 0;
}

int
gqlbed_stop(void **state)
{
	json_decref(run.given);
	arena_free(&gqlbed.a);
	return test_log_check(state);
}

struct gql_doc *
gqlbed_parse(const char *text)
{
	struct gql_doc *d;

	gql_errors_init(&run.errors, gqlbed.a);
	d = gql_parse(gqlbed.a, str_of(arena_strdup(gqlbed.a, text)), &gqlbed.limits, &run.errors);
	say();
	assert_true((d == NULL) == (run.errors.n != 0));
	return d;
}

static struct gql_doc *
valid(const char *text)
{
	struct gql_doc *d = gqlbed_parse(text);
	bool fine;

	if (d == NULL)
		return NULL;
	gql_errors_init(&run.errors, gqlbed.a);
	fine = gql_validate(gqlbed.schema, d, &gqlbed.limits, gqlbed.a, &run.errors);
	say();
	assert_true(fine == (run.errors.n == 0));
	return fine ? d : NULL;
}

const char *
gqlbed_validate(const char *text)
{
	valid(text);
	return run.said;
}

static void
on_done(struct gql_exec *e, void *host)
{
	struct jw w;
	size_t n;

	(void)host;
	gqlbed.done++;
	jw_start(&w, gqlbed.a, 256);
	assert_true(gql_write(&w, e, "", 1 << 20));
	run.answer = jw_text(&w, &n);
}

static void
on_turn(struct gql_exec *e, void *host)
{
	(void)host;
	run.exec = e;
}

static const char *
errors_only(void)
{
	struct jw w;
	size_t n;

	jw_start(&w, gqlbed.a, 256);
	jw_object(&w, NULL);
	gql_errors_write(&w, &run.errors, "");
	jw_close(&w, '}');
	return jw_text(&w, &n);
}

const char *
gqlbed_run(const char *text, const char *variables, const char *operation)
{
	struct gql_doc *d = valid(text);
	const struct ast_operation *op;
	const struct gql_vars *vars;
	struct json_error je;
	uint64_t cost;

	run.answer = NULL;
	json_decref(run.given);
	run.given = NULL;
	if (d == NULL)
		return errors_only();
	gql_errors_init(&run.errors, gqlbed.a);
	if ((op = gql_operation(d, operation == NULL ? "" : operation, &run.errors)) == NULL)
		return errors_only();
	if (variables != NULL) {
		run.given = json_read(variables, strlen(variables), &je);
		assert_non_null(run.given);
	}
	vars = gql_variables(op, run.given, gqlbed.a, &run.errors);
	if (vars == NULL || !gql_cost(d, op, vars, &gqlbed.limits, gqlbed.a, &cost, &run.errors)) {
		say();
		return errors_only();
	}
	gql_execute(&(const struct gql_run){ .schema = gqlbed.schema,
	    .doc = d,
	    .op = op,
	    .vars = vars,
	    .a = gqlbed.a,
	    .root = &pets[1],
	    .done = on_done,
	    .wants_turn = gqlbed.by_turn ? on_turn : NULL,
	    .keep_bytes = gqlbed.keep_bytes });
	return run.answer;
}

const char *
gqlbed_answer(void)
{
	return run.answer;
}

void
gqlbed_release(void)
{
	size_t n = run.n_held;

	run.n_held = 0;
	for (size_t i = 0; i < n; i++) {
		if (run.held[i].batch != NULL)
			gql_batch_done(run.held[i].batch);
		else
			gql_settle(run.held[i].later, run.held[i].value);
	}
}

void
gqlbed_turn(void)
{
	struct gql_exec *e = run.exec;

	assert_non_null(e);
	run.exec = NULL;
	gql_turn(e);
}
