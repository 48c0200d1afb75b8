/* schema_pattern: see schema_pattern.h. One pass reads the expression into a tree, a second writes the tree's steps, as
 * often as repetitions say; how many that will be is counted while it is read. */
#include "base/schema_pattern.h"

#include <limits.h>
#include <string.h>

#define DEPTH_MOST  32
#define RANGES_MOST 256 /* beyond ASCII, in one class */
#define CHARS_END   0x10ffff

#define ENDLESS UINT_MAX

enum kind { NOTHING, STEP, ASSERTION, BOTH, EITHER, REPEATED };

struct node {
	enum kind kind;
	struct schema_step step;
	const struct node *left, *right;
	unsigned least, most;
	size_t size; /* steps */
};

struct reading {
	const char *p;
	struct arena *a;
	const char *wrong;
	int depth;
	size_t room, made; /* nodes */
	const struct schema_class **classes;
	size_t n_classes, cap_classes;
};

struct class_made {
	struct schema_class k;
	uint32_t ranges[RANGES_MOST][2];
};

static const struct node nothing = { .kind = NOTHING };

static const struct node *take_all(struct reading *);
static const struct node *take_one(struct reading *);
static const struct node *take_escape(struct reading *);
static const struct node *take_dot(struct reading *);
static const struct node *take_class(struct reading *);
static const struct node *take_group(struct reading *);
static const struct node *class_step(struct reading *, const struct class_made *);
static bool add_named(struct class_made *, char);
static const struct node *take_repetition(struct reading *, const struct node *);
static bool class_item(struct reading *, struct class_made *, uint32_t *);
static bool take_hex(struct reading *, int, uint32_t *);
static void write_steps(struct schema_pattern *, const struct node *);

const struct schema_pattern *
schema_pattern(struct arena *a, const char *ecma, size_t *room, const char **wrong)
{
	struct reading r = { .p = ecma,
		.a = a,
		.room = *room < SCHEMA_PATTERN_STEPS ? *room : SCHEMA_PATTERN_STEPS };
	const struct node *all;
	struct schema_pattern *out;

	if (!str_utf8_ok(ecma, strlen(ecma))) {
		*wrong = "is no UTF-8";
		return NULL;
	}
	all = take_all(&r);
	if (r.wrong == NULL && *r.p != '\0')
		r.wrong = "closes a group that is not open";
	if (r.wrong == NULL && all->size >= r.room)
		r.wrong = "stands for too much";
	*wrong = r.wrong;
	if (r.wrong != NULL)
		return NULL;
	*room -= all->size >= r.made ? all->size + 1 : r.made;
	out = ARENA_NEW(a, struct schema_pattern);
	out->steps = ARENA_ARRAY(a, struct schema_step, all->size + 1);
	out->classes = r.classes;
	write_steps(out, all);
	out->steps[out->n++].op = SCHEMA_OP_MATCH;
	return out;
}

/* --- the tree --- */

static const struct node *
refuse(struct reading *r, const char *why)
{
	if (r->wrong == NULL)
		r->wrong = why;
	return &nothing;
}

static bool
wrong(struct reading *r, const char *why)
{
	(void)refuse(r, why);
	return false;
}

static const struct node *
node(struct reading *r, struct node n)
{
	struct node *out = ARENA_NEW(r->a, struct node);

	if (n.size >= r->room || ++r->made >= r->room)
		return refuse(r, "stands for too much");
	*out = n;
	return out;
}

static const struct node *
step(struct reading *r, enum kind kind, enum schema_op op, uint32_t x)
{
	return node(r, (struct node){ .kind = kind, .size = 1, .step = { (uint8_t)op, x } });
}

static const struct node *
both(struct reading *r, const struct node *left, const struct node *right)
{
	if (left->kind == NOTHING || right->kind == NOTHING)
		return left->kind == NOTHING ? right : left;
	return node(
	    r, (struct node){
		   .kind = BOTH, .left = left, .right = right, .size = left->size + right->size });
}

/* Alternatives, to the end or to where the group closes. */
static const struct node *
take_all(struct reading *r)
{
	const struct node *left = NULL, *run = &nothing;

	for (;; r->p++) {
		while (r->wrong == NULL && *r->p != '\0' && *r->p != '|' && *r->p != ')')
			run = both(r, run, take_one(r));
		left = left == NULL ? run
		                    : node(r, (struct node){ .kind = EITHER,
						  .left = left,
						  .right = run,
						  .size = left->size + run->size + 2 });
		if (*r->p != '|' || r->wrong != NULL)
			return left;
		run = &nothing;
	}
}

static const struct node *
take_one(struct reading *r)
{
	const struct node *one;
	size_t n;

	switch (*r->p) {
	case '\\':
		r->p++;
		one = take_escape(r);
		break;
	case '[':
		r->p++;
		one = take_class(r);
		break;
	case '(':
		one = take_group(r);
		break;
	case '^':
	case '$':
		one = step(r, ASSERTION, *r->p == '^' ? SCHEMA_OP_BEGIN : SCHEMA_OP_END, 0);
		r->p++;
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		return refuse(r, "repeats nothing");
	case '.':
		one = take_dot(r);
		break;
	default:
		one = step(r, STEP, SCHEMA_OP_CHAR, schema_pattern_char(r->p, 4, &n));
		r->p += n;
	}
	return *r->p != '\0' && strchr("*+?{", *r->p) != NULL ? take_repetition(r, one) : one;
}

static const struct node *
take_group(struct reading *r)
{
	const struct node *inside;

	if (r->p[1] == '?' && r->p[2] != ':')
		return refuse(r, "looks around, which is not done here");
	if (++r->depth == DEPTH_MOST)
		return refuse(r, "is nested too deep");
	r->p += r->p[1] == '?' ? 3 : 1;
	inside = take_all(r);
	if (r->wrong == NULL && *r->p != ')')
		return refuse(r, "has a group that is not closed");
	r->depth--;
	r->p += r->wrong == NULL;
	return inside;
}

/* One to three digits. */
static bool
take_count(const char **p, unsigned *out)
{
	const char *from = *p;

	for (*out = 0; **p >= '0' && **p <= '9' && *p - from < 3; ++*p)
		*out = *out * 10 + (unsigned)(**p - '0');
	return *p != from;
}

static bool
take_braces(struct reading *r, unsigned *least, unsigned *most)
{
	const char *p = r->p + 1;
	bool ok = take_count(&p, least);

	*most = *least;
	if (ok && *p == ',' && *++p == '}')
		*most = ENDLESS;
	else if (ok && p[-1] == ',')
		ok = take_count(&p, most);
	if (!ok || *p != '}')
		return wrong(r, "has braces that are no repetition, or count beyond 999");
	if (*most < *least)
		return wrong(r, "has a repetition that ends before it begins");
	r->p = p + 1;
	return true;
}

/* A lazy one matches the same texts. */
static const struct node *
take_repetition(struct reading *r, const struct node *one)
{
	unsigned least = *r->p == '+', most = *r->p == '?' ? 1 : ENDLESS;
	size_t size;

	if (r->wrong != NULL || one->kind == NOTHING || one->kind == ASSERTION)
		return refuse(r, "repeats nothing");
	if (*r->p != '{')
		r->p++;
	else if (!take_braces(r, &least, &most))
		return &nothing;
	r->p += *r->p == '?';
	if (most == 0)
		return &nothing;
	size = least * one->size;
	size += most == ENDLESS ? one->size + 2 : (most - least) * (one->size + 1);
	return node(
	    r, (struct node){
		   .kind = REPEATED, .left = one, .least = least, .most = most, .size = size });
}

/* --- escapes --- */

/* Behind the backslash: one character. False: it is none. */
static bool
one_char(struct reading *r, uint32_t *out)
{
	static const char names[] = "tnrfv", chars[] = "\t\n\r\f\v";
	const char *at = *r->p != '\0' ? strchr(names, *r->p) : NULL;

	if (at != NULL) {
		*out = (unsigned char)chars[at - names];
		r->p++;
		return true;
	}
	if (*r->p == 'x' || *r->p == 'u') {
		r->p++;
		return take_hex(r, r->p[-1] == 'x' ? 2 : 4, out);
	}
	if (*r->p == '\0' || (*r->p & 0x80) != 0 || (*r->p >= '0' && *r->p <= '9') ||
	    ((*r->p | 0x20) >= 'a' && (*r->p | 0x20) <= 'z'))
		return wrong(r, "has an escape that is not known here");
	*out = (unsigned char)*r->p++;
	return true;
}

static const struct node *
take_escape(struct reading *r)
{
	struct class_made k = { .k.negated = (*r->p & 0x20) == 0 };
	uint32_t c;

	if (*r->p == 'b' || *r->p == 'B')
		return step(r, ASSERTION, *r->p++ == 'b' ? SCHEMA_OP_WORD : SCHEMA_OP_NO_WORD, 0);
	if (*r->p != '\0' && strchr("dwsDWS", *r->p) != NULL) {
		add_named(&k, *r->p++);
		return class_step(r, &k);
	}
	return one_char(r, &c) ? step(r, STEP, SCHEMA_OP_CHAR, c) : &nothing;
}

static bool
take_hex(struct reading *r, int digits, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++, r->p++) {
		const char *hex = "0123456789abcdef", *at = NULL;

		if (*r->p != '\0')
			at = strchr(hex, *r->p >= 'A' && *r->p <= 'F' ? *r->p | 0x20 : *r->p);
		if (at == NULL)
			return wrong(r, "has an escape that is not known here");
		*out = *out * 16 + (uint32_t)(at - hex);
	}
	return (*out != 0 && (*out < 0xd800 || *out > 0xdfff)) ||
	       wrong(r, "has an escape for what is no character");
}

/* --- classes --- */

static bool
add_range(struct class_made *k, uint32_t from, uint32_t to)
{
	for (; from <= to && from < 128; from++)
		k->k.ascii[from / 32] |= 1u << from % 32;
	if (from > to)
		return true;
	if (k->k.n == RANGES_MOST)
		return false;
	k->ranges[k->k.n][0] = from;
	k->ranges[k->k.n++][1] = to;
	return true;
}

/* d, w or s. They are few enough to fit with whatever a class holds before them. */
static bool
add_named(struct class_made *k, char name)
{
	static const uint32_t blanks[][2] = { { '\t', '\r' }, { ' ', ' ' }, { 0xa0, 0xa0 },
		{ 0x1680, 0x1680 }, { 0x2000, 0x200a }, { 0x2028, 0x2029 }, { 0x202f, 0x202f },
		{ 0x205f, 0x205f }, { 0x3000, 0x3000 }, { 0xfeff, 0xfeff } };
	bool ok = true;

	name |= 0x20;
	if (name == 's') {
		for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
			ok = ok && add_range(k, blanks[i][0], blanks[i][1]);
		return ok;
	}
	(void)add_range(k, '0', '9');
	if (name == 'd')
		return true;
	(void)add_range(k, 'a', 'z');
	(void)add_range(k, 'A', 'Z');
	return add_range(k, '_', '_');
}

static const struct node *
class_step(struct reading *r, const struct class_made *made)
{
	struct schema_class *k = ARENA_NEW(r->a, struct schema_class);

	*k = made->k;
	k->ranges = arena_dup(r->a, made->ranges, k->n * sizeof(made->ranges[0]));
	if (r->n_classes == r->cap_classes) {
		const struct schema_class **had = r->classes;

		r->cap_classes = 2 * r->cap_classes + 4;
		r->classes = ARENA_ARRAY(r->a, const struct schema_class *, r->cap_classes);
		if (r->n_classes > 0)
			memcpy(r->classes, had, r->n_classes * sizeof(*had));
	}
	r->classes[r->n_classes] = k;
	return step(r, STEP, SCHEMA_OP_CLASS, (uint32_t)r->n_classes++);
}

/* Any character but those that end a line. */
static const struct node *
take_dot(struct reading *r)
{
	struct class_made k = { .k.negated = true };

	r->p++;
	(void)(add_range(&k, '\n', '\n') && add_range(&k, '\r', '\r') &&
	       add_range(&k, 0x2028, 0x2029));
	return class_step(r, &k);
}

static const struct node *
take_class(struct reading *r)
{
	struct class_made k = { .k.negated = *r->p == '^' };
	uint32_t from, to;

	r->p += k.k.negated;
	if (*r->p == ']')
		return refuse(r, "has an empty class");
	while (*r->p != ']') {
		if (!class_item(r, &k, &from))
			return &nothing;
		if (from == 0)
			continue; /* \d and its like */
		to = from;
		if (*r->p == '-' && r->p[1] != ']') {
			r->p++;
			if (!class_item(r, &k, &to) || to < from)
				return refuse(r, "has a range that ends before it begins");
		}
		if (!add_range(&k, from, to))
			return refuse(r, "has a class of too many characters beyond ASCII");
	}
	r->p++;
	return class_step(r, &k);
}

/* *out 0: it was a whole class of its own. */
static bool
class_item(struct reading *r, struct class_made *k, uint32_t *out)
{
	size_t n;

	*out = 0;
	if (*r->p == '\0')
		return wrong(r, "has a class that is not closed");
	if (*r->p != '\\') {
		*out = schema_pattern_char(r->p, 4, &n);
		r->p += n;
		return true;
	}
	r->p++;
	if (*r->p == '\0' || strchr("dws", *r->p) == NULL)
		return one_char(r, out);
	return add_named(k, *r->p++) || wrong(r, "has a class of too many characters beyond ASCII");
}

/* --- the steps --- */

static size_t
write_step(struct schema_pattern *p, enum schema_op op, size_t x)
{
	p->steps[p->n] = (struct schema_step){ (uint8_t)op, (uint32_t)x };
	return p->n++;
}

static void
write_repeated(struct schema_pattern *p, const struct node *t)
{
	size_t from;

	for (unsigned i = 0; i < t->least; i++)
		write_steps(p, t->left);
	if (t->most == ENDLESS) {
		from = write_step(p, SCHEMA_OP_SPLIT, 0);
		write_steps(p, t->left);
		(void)write_step(p, SCHEMA_OP_JUMP, from);
		p->steps[from].x = (uint32_t)p->n;
		return;
	}
	/* before each it may also end */
	from = p->n + (t->most - t->least) * (t->left->size + 1);
	for (unsigned i = t->least; i < t->most; i++) {
		(void)write_step(p, SCHEMA_OP_SPLIT, from);
		write_steps(p, t->left);
	}
}

/* As deep as there are steps at most: a run of characters leans to the left. */
static void
write_steps(struct schema_pattern *p, const struct node *t)
{
	size_t split, jump;

	switch (t->kind) {
	case NOTHING:
		break;
	case STEP:
	case ASSERTION:
		p->steps[p->n++] = t->step;
		break;
	case BOTH:
		write_steps(p, t->left);
		write_steps(p, t->right);
		break;
	case EITHER:
		split = write_step(p, SCHEMA_OP_SPLIT, 0);
		write_steps(p, t->left);
		jump = write_step(p, SCHEMA_OP_JUMP, 0);
		p->steps[split].x = (uint32_t)p->n;
		write_steps(p, t->right);
		p->steps[jump].x = (uint32_t)p->n;
		break;
	case REPEATED:
		write_repeated(p, t);
		break;
	}
}
