/* print_sdl: a schema in the schema language, laid out as graphql-js prints it, without what every
 * schema has. */
#include <string.h>

#include "api/graphql/engine/print.h"
#include "api/graphql/engine/type.h"

#define LINE_MOST 70 /* of a description in one line */

static bool print_schema(struct print *, const struct gql_schema *);
static void print_directive(struct print *, const struct gql_directive *);
static void print_type(struct print *, const struct gql_type *);
static void print_interfaces(struct print *, const struct gql_type *);
static void print_union(struct print *, const struct gql_type *);
static void print_fields(struct print *, const struct gql_type *);
static void print_inputs(struct print *, const struct gql_type *);
static void print_values(struct print *, const struct gql_type *);
static void print_args(struct print *, const struct gql_input *, uint32_t, unsigned);
static void print_input(struct print *, const struct gql_input *);
static void describe(struct print *, const char *, unsigned, bool);
static void print_deprecated(struct print *, const char *);

char *
gql_schema_print(struct arena *a, const struct gql_schema *s, size_t *n)
{
	struct print t;
	bool first;

	print_start(&t, a);
	first = !print_schema(&t, s);
	for (uint32_t i = 0; i < s->n_directives; i++)
		if (!s->directive[i]->of_language) {
			print_add(&t, first ? "" : "\n");
			print_directive(&t, s->directive[i]);
			first = false;
		}
	for (uint32_t i = 0; i < s->n_types; i++)
		if (!s->type[i]->of_language) {
			print_add(&t, first ? "" : "\n");
			print_type(&t, s->type[i]);
			first = false;
		}
	*n = t.n;
	return t.p;
}

/* Only where it says something: other names than the usual, or a description. */
static bool
print_schema(struct print *t, const struct gql_schema *s)
{
	static const char *const usual[] = { "Query", "Mutation", "Subscription" };
	static const char *const words[] = { "query", "mutation", "subscription" };
	bool needed = s->description != NULL;

	for (int i = 0; i < 3; i++)
		needed |= s->roots[i] != NULL && strcmp(s->roots[i]->name, usual[i]) != 0;
	if (!needed)
		return false;
	describe(t, s->description, 0, true);
	print_add(t, "schema {\n");
	for (int i = 0; i < 3; i++)
		if (s->roots[i] != NULL)
			print_add(t, "  %s: %s\n", words[i], s->roots[i]->name);
	print_add(t, "}\n");
	return true;
}

static void
print_directive(struct print *t, const struct gql_directive *d)
{
	const char *between = " on ";

	describe(t, d->description, 0, true);
	print_add(t, "directive @%s", d->name);
	print_args(t, d->args, d->n_args, 0);
	if (d->repeatable)
		print_add(t, " repeatable");
	for (int i = 0; i < GQL_LOCATIONS; i++)
		if (d->locations >> i & 1) {
			print_add(t, "%s%s", between, gql_locations[i]);
			between = " | ";
		}
	print_add(t, "\n");
}

static void
print_type(struct print *t, const struct gql_type *y)
{
	static const char *const words[] = { "scalar", "type", "interface", "union", "enum",
		"input" };

	describe(t, y->description, 0, true);
	print_add(t, "%s %s", words[y->kind], y->name);
	switch (y->kind) {
	case GQL_T_SCALAR:
		if (y->specified_by != NULL) {
			print_add(t, " @specifiedBy(url: ");
			print_string(t, str_of(y->specified_by));
			print_add(t, ")");
		}
		break;
	case GQL_T_OBJECT:
	case GQL_T_INTERFACE:
		print_interfaces(t, y);
		print_fields(t, y);
		break;
	case GQL_T_UNION:
		print_union(t, y);
		break;
	case GQL_T_ENUM:
		print_values(t, y);
		break;
	case GQL_T_INPUT:
		print_add(t, y->one_of ? " @oneOf" : "");
		print_inputs(t, y);
		break;
	}
	print_add(t, "\n");
}

static void
print_interfaces(struct print *t, const struct gql_type *y)
{
	for (uint32_t i = 0; i < y->n_interfaces; i++)
		print_add(t, "%s%s", i == 0 ? " implements " : " & ", y->interfaces[i]->name);
}

static void
print_union(struct print *t, const struct gql_type *y)
{
	for (uint32_t i = 0; i < y->n_possible; i++)
		print_add(t, "%s%s", i == 0 ? " = " : " | ", y->possible[i]->name);
}

static void
print_fields(struct print *t, const struct gql_type *y)
{
	print_add(t, " {\n");
	for (uint32_t i = 0; i < y->n_fields; i++) {
		const struct gql_field *f = &y->fields[i];

		describe(t, f->description, 1, i == 0);
		print_add(t, "  %s", f->name);
		print_args(t, f->args, f->n_args, 1);
		print_add(t, ": %s", ref_print(t->a, f->ref));
		print_deprecated(t, f->deprecated);
		print_add(t, "\n");
	}
	print_add(t, "}");
}

static void
print_inputs(struct print *t, const struct gql_type *y)
{
	print_add(t, " {\n");
	for (uint32_t i = 0; i < y->n_inputs; i++) {
		describe(t, y->inputs[i].description, 1, i == 0);
		print_add(t, "  ");
		print_input(t, &y->inputs[i]);
		print_add(t, "\n");
	}
	print_add(t, "}");
}

static void
print_values(struct print *t, const struct gql_type *y)
{
	print_add(t, " {\n");
	for (uint32_t i = 0; i < y->n_values; i++) {
		describe(t, y->values[i].description, 1, i == 0);
		print_add(t, "  %s", y->values[i].name);
		print_deprecated(t, y->values[i].deprecated);
		print_add(t, "\n");
	}
	print_add(t, "}");
}

/* In one line, unless one of them has a description. */
static void
print_args(struct print *t, const struct gql_input *args, uint32_t n, unsigned level)
{
	bool described = false;

	for (uint32_t i = 0; i < n; i++)
		described |= args[i].description != NULL;
	if (n == 0)
		return;
	print_add(t, described ? "(\n" : "(");
	for (uint32_t i = 0; i < n; i++) {
		if (described) {
			describe(t, args[i].description, level + 1, i == 0);
			print_indent(t, level + 1);
		} else {
			print_add(t, i == 0 ? "" : ", ");
		}
		print_input(t, &args[i]);
		if (described)
			print_add(t, "\n");
	}
	if (described)
		print_indent(t, level);
	print_add(t, ")");
}

static void
print_input(struct print *t, const struct gql_input *i)
{
	print_add(t, "%s: %s", i->name, ref_print(t->a, i->ref));
	if (i->default_ast != NULL) {
		print_add(t, " = ");
		print_value(t, i->default_ast);
	}
	print_deprecated(t, i->deprecated);
}

static void
print_deprecated(struct print *t, const char *reason)
{
	if (reason == NULL)
		return;
	print_add(t, " @deprecated");
	if (strcmp(reason, "No longer supported") == 0)
		return;
	print_add(t, "(reason: ");
	print_string(t, str_of(reason));
	print_add(t, ")");
}

static void
describe(struct print *t, const char *description, unsigned level, bool first)
{
	if (description == NULL)
		return;
	if (level != 0 && !first)
		print_add(t, "\n");
	print_indent(t, level);
	print_description(t, str_of(description), level);
	print_add(t, "\n");
}

/* A block string; in one line where it is short and has no line of its own. */
void
print_description(struct print *t, struct str s, unsigned level)
{
	char last = s.n == 0 ? '\0' : s.p[s.n - 1];
	bool lines = memchr(s.p, '\n', s.n) != NULL;
	bool own = lines || s.n > LINE_MOST || last == '"' || last == '\\';
	struct str rest = s, line;

	print_add(t, own ? "\"\"\"\n" : "\"\"\"");
	do {
		bool more = str_cut(rest, '\n', &line, &rest);

		if (own && line.n != 0)
			print_indent(t, level);
		for (size_t i = 0; i < line.n; i++) {
			if (line.n - i >= 3 && memcmp(line.p + i, "\"\"\"", 3) == 0)
				print_put(t, "\\", 1);
			print_put(t, line.p + i, 1);
		}
		if (own)
			print_add(t, "\n");
		if (!more)
			break;
	} while (true);
	if (own)
		print_indent(t, level);
	print_add(t, "\"\"\"");
}
