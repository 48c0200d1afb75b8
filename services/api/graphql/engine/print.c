/* print: a document as text, in one form whatever it looked like: two blanks a level, a selection a
 * line. What was parsed from the text again is the same document. */
#include "api/graphql/engine/print.h"

#include <stdio.h>
#include <string.h>

#define SHORT 60

static void print_operation(struct print *, const struct ast_operation *);
static void print_variables(struct print *, const struct ast_variable *);
static void print_type(struct print *, const struct ast_type *);
static void print_directives(struct print *, const struct ast_directive *);
static void print_set(struct print *, const struct ast_set *, unsigned);
static void print_selection(struct print *, const struct ast_selection *, unsigned);

void
print_start(struct print *t, struct arena *a)
{
	*t = (struct print){ .a = a, .cap = 256 };
	t->p = arena_alloc(a, t->cap);
	t->p[0] = '\0';
}

void
print_put(struct print *t, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (t->n + n + 1 > t->cap) {
		char *old = t->p;

		t->cap = 2 * (t->n + n + 1);
		t->p = arena_alloc(t->a, t->cap);
		memcpy(t->p, old, t->n);
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void
print_add(struct print *t, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vprintf(t->a, fmt, ap);
	va_end(ap);
	print_put(t, s, strlen(s));
}

void
print_indent(struct print *t, unsigned levels)
{
	while (levels-- > 0)
		print_put(t, "  ", 2);
}

static void
put_str(struct print *t, struct str s)
{
	print_put(t, s.p, s.n);
}

static void
put(struct print *t, const char *s)
{
	print_put(t, s, strlen(s));
}

char *
gql_print(struct arena *a, const struct gql_doc *d, size_t *n)
{
	struct print t;

	print_start(&t, a);
	for (const struct ast_operation *o = d->operations; o != NULL; o = o->next) {
		if (t.n != 0)
			put(&t, "\n");
		print_operation(&t, o);
	}
	for (const struct ast_fragment *f = d->fragments; f != NULL; f = f->next) {
		put(&t, t.n != 0 ? "\nfragment " : "fragment ");
		put_str(&t, f->name);
		put(&t, " on ");
		put_str(&t, f->on);
		print_directives(&t, f->body.directives);
		put(&t, " ");
		print_set(&t, f->body.set, 0);
		put(&t, "\n");
	}
	*n = t.n;
	return t.p;
}

static void
print_operation(struct print *t, const struct ast_operation *o)
{
	static const char *const kinds[] = { "query", "mutation", "subscription" };

	if (o->kind != GQL_QUERY || o->name.n != 0 || o->variables != NULL ||
	    o->body.directives != NULL) {
		put(t, kinds[o->kind]);
		put(t, o->name.n != 0 || o->variables != NULL ? " " : "");
		put_str(t, o->name);
		print_variables(t, o->variables);
		print_directives(t, o->body.directives);
		put(t, " ");
	}
	print_set(t, o->body.set, 0);
	put(t, "\n");
}

static void
print_variables(struct print *t, const struct ast_variable *v)
{
	if (v == NULL)
		return;
	for (const char *before = "($"; v != NULL; v = v->next, before = ", $") {
		put(t, before);
		put_str(t, v->name);
		put(t, ": ");
		print_type(t, v->type);
		if (v->value != NULL) {
			put(t, " = ");
			print_value(t, v->value);
		}
		print_directives(t, v->directives);
	}
	put(t, ")");
}

static void
print_type(struct print *t, const struct ast_type *y)
{
	if (y->kind == AST_NAMED) {
		put_str(t, y->name);
		return;
	}
	put(t, y->kind == AST_LIST_OF ? "[" : "");
	print_type(t, y->of);
	put(t, y->kind == AST_LIST_OF ? "]" : "!");
}

static void
print_directives(struct print *t, const struct ast_directive *d)
{
	for (; d != NULL; d = d->next) {
		put(t, " @");
		put_str(t, d->name);
		print_arguments(t, d->args);
	}
}

void
print_arguments(struct print *t, const struct ast_arg *args)
{
	if (args == NULL)
		return;
	for (const char *before = "("; args != NULL; args = args->next, before = ", ") {
		put(t, before);
		put_str(t, args->name);
		put(t, ": ");
		print_value(t, &args->value);
	}
	put(t, ")");
}

static void
print_set(struct print *t, const struct ast_set *set, unsigned level)
{
	put(t, "{\n");
	for (const struct ast_selection *s = set->first; s != NULL; s = s->next) {
		print_indent(t, level + 1);
		print_selection(t, s, level + 1);
		put(t, "\n");
	}
	print_indent(t, level);
	put(t, "}");
}

static void
print_selection(struct print *t, const struct ast_selection *s, unsigned level)
{
	switch (s->kind) {
	case AST_FIELD:
		put_str(t, s->alias);
		put(t, s->alias.n != 0 ? ": " : "");
		put_str(t, s->name);
		print_arguments(t, s->args);
		break;
	case AST_SPREAD:
		put(t, "...");
		put_str(t, s->name);
		break;
	case AST_INLINE:
		put(t, s->on.n != 0 ? "... on " : "...");
		put_str(t, s->on);
		break;
	}
	print_directives(t, s->directives);
	if (s->set != NULL) {
		put(t, " ");
		print_set(t, s->set, level);
	}
}

void
print_value(struct print *t, const struct ast_value *v)
{
	const char *before = "";

	switch (v->kind) {
	case AST_VARIABLE:
		put(t, "$");
		put_str(t, v->text);
		break;
	case AST_INT:
	case AST_FLOAT:
	case AST_ENUM:
		put_str(t, v->text);
		break;
	case AST_STRING:
		print_string(t, v->text);
		break;
	case AST_BOOL:
		put(t, v->boolean ? "true" : "false");
		break;
	case AST_NULL:
		put(t, "null");
		break;
	case AST_LIST:
		put(t, "[");
		for (const struct ast_value *i = v->item; i != NULL; i = i->next, before = ", ") {
			put(t, before);
			print_value(t, i);
		}
		put(t, "]");
		break;
	case AST_OBJECT:
		put(t, "{");
		for (const struct ast_arg *m = v->member; m != NULL; m = m->next, before = ", ") {
			put(t, before);
			put_str(t, m->name);
			put(t, ": ");
			print_value(t, &m->value);
		}
		put(t, "}");
		break;
	}
}

const char *
print_value_short(struct arena *a, const struct ast_value *v)
{
	struct print t;
	size_t n = SHORT;

	print_start(&t, a);
	print_value(&t, v);
	if (t.n <= SHORT)
		return t.p;
	while (n > 0 && ((unsigned char)t.p[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a character */
	return arena_printf(a, "%.*s...", (int)n, t.p);
}

void
print_string(struct print *t, struct str s)
{
	static const char escaped[] = "\"\\\b\f\n\r\t", as[] = "\"\\bfnrt";

	put(t, "\"");
	for (size_t i = 0; i < s.n; i++) {
		const char *e = s.p[i] == '\0' ? NULL : strchr(escaped, s.p[i]);
		unsigned char c = (unsigned char)s.p[i];

		if (e != NULL)
			print_put(t, (const char[]){ '\\', as[e - escaped] }, 2);
		else if (c < 0x20 || c == 0x7f)
			print_add(t, "\\u%04X", c);
		else
			print_put(t, s.p + i, 1);
	}
	put(t, "\"");
}
