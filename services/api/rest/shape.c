/* shape: see shape.h. Here: from schemas to shapes. */
#include "api/rest/shape.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct shape_made {
	const json_t *schema;
	struct shape *shape;
};

struct compiling {
	struct shapes *s;
	struct shape *out;
	const json_t *schema;
};

typedef bool keyword_fn(struct compiling *, const char *, const json_t *);

static keyword_fn take_type, take_values, take_bound, take_size, take_pattern, take_format,
    take_sub, take_properties, take_required, take_additional, take_list, take_detail, take_unique,
    annotation;
static bool refuse(struct compiling *, const char *, const char *);
static struct shape *remember(struct shapes *, const json_t *);
static struct shape_member *member_named(struct compiling *, const char *);
static int by_name(const void *, const void *);

static const struct {
	const char *name;
	keyword_fn *take;
} keywords[] = {
	{ "type", take_type },
	{ "enum", take_values },
	{ "const", take_values },
	{ "minimum", take_bound },
	{ "maximum", take_bound },
	{ "exclusiveMinimum", take_bound },
	{ "exclusiveMaximum", take_bound },
	{ "multipleOf", take_bound },
	{ "minLength", take_size },
	{ "maxLength", take_size },
	{ "minItems", take_size },
	{ "maxItems", take_size },
	{ "minProperties", take_size },
	{ "maxProperties", take_size },
	{ "pattern", take_pattern },
	{ "format", take_format },
	{ "items", take_sub },
	{ "x-each", take_sub },
	{ "uniqueItems", take_unique },
	{ "properties", take_properties },
	{ "required", take_required },
	{ "additionalProperties", take_additional },
	{ "oneOf", take_list },
	{ "anyOf", take_list },
	{ "allOf", take_list },
	{ "x-detail", take_detail },
	{ "title", annotation },
	{ "description", annotation },
	{ "default", annotation },
	{ "examples", annotation },
	{ "deprecated", annotation },
	{ "writeOnly", annotation },
};
#define N_KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

const json_t *
shape_resolve(const json_t *doc, const json_t *v)
{
	for (int hops = 0; v != NULL && hops < 8; hops++) {
		const char *ref = json_string_value(json_object_get(v, "$ref"));
		struct str rest, one;

		if (ref == NULL)
			return v;
		if (!str_starts(ref, "#/"))
			return NULL;
		for (v = doc, rest = str_of(ref + 2); rest.n != 0;) {
			str_cut(rest, '/', &one, &rest);
			v = json_object_getn(v, one.p, one.n);
		}
	}
	return NULL;
}

/* What stands beside a $ref can only describe: a rule there would have to be merged. */
const struct shape *
shape_of(struct shapes *s, const json_t *schema)
{
	struct compiling c = { .s = s, .schema = shape_resolve(s->doc, schema) };
	const json_t *v;
	const char *key;

	if (c.schema != schema)
		json_object_foreach((json_t *)(uintptr_t)schema, key, v)
		{
			if (strcmp(key, "$ref") != 0 && strcmp(key, "description") != 0) {
				(void)refuse(&c, key, "stands beside a $ref");
				return NULL;
			}
		}
	if (!json_is_object(c.schema)) {
		(void)refuse(&c, "$ref", "leads to no schema");
		return NULL;
	}
	for (size_t i = 0; i < s->n_made; i++)
		if (s->made[i].schema == c.schema)
			return s->made[i].shape;
	c.out = remember(s, c.schema);
	json_object_foreach((json_t *)(uintptr_t)c.schema, key, v)
	{
		size_t i = 0;

		while (i < N_KEYWORDS && strcmp(keywords[i].name, key) != 0)
			i++;
		if (i == N_KEYWORDS && !refuse(&c, key, "is no keyword that is known here"))
			return NULL;
		if (!keywords[i].take(&c, key, v))
			return NULL;
	}
	if (c.out->unique && c.out->items_max == SIZE_MAX) {
		(void)refuse(&c, "uniqueItems", "needs maxItems: it costs its square");
		return NULL;
	}
	if (c.out->n_members != 0)
		qsort(c.out->members, c.out->n_members, sizeof(*c.out->members), by_name);
	return c.out;
}

void
shapes_free(struct shapes *s)
{
	for (size_t i = 0; i < s->n_made; i++) {
		struct shape *one = s->made[i].shape;

		if (one->regex != NULL)
			regfree(one->regex);
		json_decref((json_t *)(uintptr_t)one->values);
	}
	s->n_made = 0;
}

static struct shape *
remember(struct shapes *s, const json_t *schema)
{
	struct shape *out = ARENA_NEW(s->a, struct shape);

	if (s->n_made == s->cap_made) {
		struct shape_made *old = s->made;

		s->cap_made = s->cap_made == 0 ? 64 : 2 * s->cap_made;
		s->made = ARENA_ARRAY(s->a, struct shape_made, s->cap_made);
		if (s->n_made != 0)
			memcpy(s->made, old, s->n_made * sizeof(*old));
	}
	*out = (struct shape){ .types = SHAPE_ANY,
		.min = -1.0 / 0.0,
		.max = 1.0 / 0.0,
		.length_max = SIZE_MAX,
		.items_max = SIZE_MAX,
		.members_max = SIZE_MAX };
	s->made[s->n_made++] = (struct shape_made){ schema, out };
	return out;
}

static bool
refuse(struct compiling *c, const char *key, const char *why)
{
	if (c->s->wrong == NULL)
		c->s->wrong = arena_printf(c->s->a, "%s %s", key, why);
	return false;
}

static bool
annotation(struct compiling *c, const char *key, const json_t *v)
{
	(void)c, (void)key, (void)v;
	return true;
}

static unsigned
type_of_name(const char *name)
{
	static const char *const names[] = { "null", "boolean", "integer", "number", "string",
		"array", "object" };

	for (size_t i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return 1u << i;
	return 0;
}

static bool
take_type(struct compiling *c, const char *key, const json_t *v)
{
	const json_t *one;
	size_t i;

	c->out->types = type_of_name(json_string_value(v));
	json_array_foreach(v, i, one)
	{
		unsigned t = type_of_name(json_string_value(one));

		if (t == 0)
			return refuse(c, key, "names what is none");
		c->out->types |= t;
	}
	return c->out->types != 0 || refuse(c, key, "names what is none");
}

static bool
take_values(struct compiling *c, const char *key, const json_t *v)
{
	if (c->out->values != NULL)
		return refuse(c, key, "stands beside another list of values");
	if (strcmp(key, "const") == 0)
		c->out->values = json_pack("[O]", v);
	else
		c->out->values = json_incref((json_t *)(uintptr_t)v);
	return json_array_size(c->out->values) != 0 || refuse(c, key, "has no value");
}

static bool
take_bound(struct compiling *c, const char *key, const json_t *v)
{
	double d = json_number_value(v);
	struct shape *s = c->out;

	if (!json_is_number(v))
		return refuse(c, key, "is no number");
	if (strcmp(key, "multipleOf") == 0) {
		s->multiple = d;
		return d > 0 || refuse(c, key, "is not above 0");
	}
	if (strcmp(key, "minimum") == 0 || strcmp(key, "exclusiveMinimum") == 0) {
		s->min = d;
		s->min_exclusive = key[0] == 'e';
	} else {
		s->max = d;
		s->max_exclusive = key[0] == 'e';
	}
	return true;
}

static bool
take_size(struct compiling *c, const char *key, const json_t *v)
{
	struct shape *s = c->out;
	bool min = str_starts(key, "min");
	const char *of = key + 3;
	size_t *out = strcmp(of, "Length") == 0  ? (min ? &s->length_min : &s->length_max)
	              : strcmp(of, "Items") == 0 ? (min ? &s->items_min : &s->items_max)
	                                         : (min ? &s->members_min : &s->members_max);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return refuse(c, key, "is no number of things");
	*out = (size_t)json_integer_value(v);
	return true;
}

static bool
take_pattern(struct compiling *c, const char *key, const json_t *v)
{
	regex_t *regex;

	if (!json_is_string(v))
		return refuse(c, key, "is no text");
	c->out->pattern = arena_strdup(c->s->a, json_string_value(v));
	regex = ARENA_NEW(c->s->a, regex_t);
	if (regcomp(regex, c->out->pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return refuse(c, key, "is no expression of POSIX");
	c->out->regex = regex;
	return true;
}

static bool
take_format(struct compiling *c, const char *key, const json_t *v)
{
	const char *name = json_is_string(v) ? json_string_value(v) : "";

	if (strcmp(name, "uuid") == 0)
		c->out->format = FORMAT_UUID;
	else if (strcmp(name, "date-time") == 0)
		c->out->format = FORMAT_TIME;
	else
		return refuse(c, key, "is none that is checked");
	return true;
}

static bool
take_sub(struct compiling *c, const char *key, const json_t *v)
{
	const struct shape *sub = shape_of(c->s, v);

	*(key[0] == 'x' ? &c->out->each : &c->out->items) = sub;
	return sub != NULL;
}

static bool
take_unique(struct compiling *c, const char *key, const json_t *v)
{
	c->out->unique = json_is_true(v);
	return json_is_boolean(v) || refuse(c, key, "is neither true nor false");
}

static bool
take_detail(struct compiling *c, const char *key, const json_t *v)
{
	if (!json_is_string(v))
		return refuse(c, key, "is no text");
	c->out->detail = arena_strdup(c->s->a, json_string_value(v));
	return true;
}

static bool
take_properties(struct compiling *c, const char *key, const json_t *v)
{
	const char *name;
	json_t *one;

	(void)key;
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		struct shape_member *m = member_named(c, name);

		if (m == NULL || (m->shape = shape_of(c->s, one)) == NULL)
			return false;
	}
	return true;
}

static bool
take_required(struct compiling *c, const char *key, const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach(v, i, one)
	{
		struct shape_member *m;

		if (!json_is_string(one))
			return refuse(c, key, "has what is no name");
		if ((m = member_named(c, json_string_value(one))) == NULL)
			return false;
		m->required = true;
	}
	return true;
}

static bool
take_additional(struct compiling *c, const char *key, const json_t *v)
{
	(void)key;
	c->out->closed = json_is_false(v);
	if (json_is_boolean(v))
		return true;
	c->out->additional = shape_of(c->s, v);
	return c->out->additional != NULL;
}

static bool
take_list(struct compiling *c, const char *key, const json_t *v)
{
	struct shape_list *l = key[0] == 'o'               ? &c->out->one_of
	                       : strcmp(key, "anyOf") == 0 ? &c->out->any_of
	                                                   : &c->out->all_of;
	const json_t *one;
	unsigned types = 0;
	size_t i;

	l->list = ARENA_ARRAY(c->s->a, const struct shape *, json_array_size(v) + 1);
	json_array_foreach(v, i, one)
	{
		if ((l->list[l->n++] = shape_of(c->s, one)) == NULL)
			return false;
		types |= l->list[i]->types;
	}
	if (l->n == 0)
		return refuse(c, key, "has no schema");
	/* What no alternative takes is of the wrong type at once. */
	if (l != &c->out->all_of && json_object_get(c->schema, "type") == NULL)
		c->out->types = types;
	return true;
}

/* The member of that name, which `properties` or `required` may name first; NULL: there are too many. */
static struct shape_member *
member_named(struct compiling *c, const char *name)
{
	struct shape *s = c->out;

	for (size_t i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i].name, name) == 0)
			return &s->members[i];
	if (s->members == NULL)
		s->members = ARENA_ARRAY(c->s->a, struct shape_member, SHAPE_MEMBERS_MOST);
	if (s->n_members == SHAPE_MEMBERS_MOST) {
		(void)refuse(c, name, "is one member too many");
		return NULL;
	}
	s->members[s->n_members].name = arena_strdup(c->s->a, name);
	return &s->members[s->n_members++];
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct shape_member *)a)->name, ((const struct shape_member *)b)->name);
}
