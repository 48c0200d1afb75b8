/* schema_keywords: see schema.h. Here: what each keyword makes of a schema. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_same.h"
#include "base/schema_int.h"
#include "base/schema_pattern.h"
#include "base/str.h"

#define STEPS_MOST 65536 /* of all patterns of a document */

static keyword_fn take_type, take_values, take_bound, take_size, take_pattern, take_format,
    take_sub, take_properties, take_required, take_additional, take_list, take_detail, take_unique,
    take_more, take_prefix, take_patterns, take_needs, take_dependents, take_contained, take_defs,
    take_ref, take_version, take_root, annotation;
static struct schema_member *member_named(struct compiling *, const char *);
static struct schema_more *more_of(struct compiling *);
static const struct schema_pattern *regex_of(struct compiling *, const char *, const char *);
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
	{ "not", take_more },
	{ "if", take_more },
	{ "then", take_more },
	{ "else", take_more },
	{ "propertyNames", take_more },
	{ "contains", take_more },
	{ "minContains", take_contained },
	{ "maxContains", take_contained },
	{ "prefixItems", take_prefix },
	{ "patternProperties", take_patterns },
	{ "dependentRequired", take_needs },
	{ "dependentSchemas", take_dependents },
	{ "$ref", take_ref },
	{ "$defs", take_defs },
	{ "$schema", take_version },
	{ "$id", take_root },
	{ "x-detail", take_detail },
	{ "title", annotation },
	{ "description", annotation },
	{ "default", annotation },
	{ "examples", annotation },
	{ "deprecated", annotation },
	{ "readOnly", annotation },
	{ "writeOnly", annotation },
	{ "$comment", annotation },
};
#define N_KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

keyword_fn *
schema_keyword(const char *name)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
		if (strcmp(keywords[i].name, name) == 0)
			return keywords[i].take;
	return NULL;
}

void
schema_sort_members(struct schema *s)
{
	if (s->n_members != 0)
		qsort(s->members, s->n_members, sizeof(*s->members), by_name);
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
			return schema_refuse(c, key, "names what is none");
		c->out->types |= t;
	}
	return c->out->types != 0 || schema_refuse(c, key, "names what is none");
}

/* Both enum and const: what is in both. */
static bool
take_values(struct compiling *c, const char *key, const json_t *v)
{
	json_t *list = strcmp(key, "const") == 0 ? json_pack("[O]", v)
	                                         : json_incref((json_t *)(uintptr_t)v),
	       *both, *one, *other;
	size_t i, k;

	if (c->out->values == NULL) {
		c->out->values = list;
		return json_array_size(list) != 0 || schema_refuse(c, key, "has no value");
	}
	both = json_array();
	json_array_foreach(list, i, one) json_array_foreach(c->out->values, k, other)
	{
		if (json_same(one, other))
			json_array_append(both, one);
	}
	json_decref(list);
	json_decref((json_t *)(uintptr_t)c->out->values);
	c->out->values = both;
	return true;
}

/* The narrower one counts. */
static bool
take_bound(struct compiling *c, const char *key, const json_t *v)
{
	long double d = schema_number(v);
	struct schema *s = c->out;
	bool exclusive = key[0] == 'e';

	if (!json_is_number(v))
		return schema_refuse(c, key, "is no number");
	if (strcmp(key, "multipleOf") == 0) {
		s->multiple = d;
		return d > 0 || schema_refuse(c, key, "is not above 0");
	}
	if (strcmp(key, "minimum") == 0 || strcmp(key, "exclusiveMinimum") == 0) {
		if (d > s->min || (d >= s->min && exclusive)) {
			s->min = d;
			s->min_exclusive = exclusive;
		}
	} else if (d < s->max || (d <= s->max && exclusive)) {
		s->max = d;
		s->max_exclusive = exclusive;
	}
	return true;
}

static bool
number_of_things(struct compiling *c, const char *key, const json_t *v, size_t *out)
{
	double d = json_number_value(v);

	if (!json_is_number(v) || d < 0 || d > 1e15 || d != floor(d))
		return schema_refuse(c, key, "is no number of things");
	*out = (size_t)d;
	return true;
}

static bool
take_size(struct compiling *c, const char *key, const json_t *v)
{
	struct schema *s = c->out;
	bool min = str_starts(key, "min");
	const char *of = key + 3;
	size_t *out = strcmp(of, "Length") == 0  ? (min ? &s->length_min : &s->length_max)
	              : strcmp(of, "Items") == 0 ? (min ? &s->items_min : &s->items_max)
	                                         : (min ? &s->members_min : &s->members_max);

	return number_of_things(c, key, v, out);
}

static const struct schema_pattern *
regex_of(struct compiling *c, const char *key, const char *pattern)
{
	size_t room = STEPS_MOST - c->s->n_steps;
	const char *wrong;
	const struct schema_pattern *p = schema_pattern(c->s->a, pattern, &room, &wrong);

	if (p == NULL)
		(void)schema_refuse(c, key, wrong);
	c->s->n_steps = STEPS_MOST - room;
	return p;
}

static bool
take_pattern(struct compiling *c, const char *key, const json_t *v)
{
	if (!json_is_string(v))
		return schema_refuse(c, key, "is no text");
	c->out->pattern = arena_strdup(c->s->a, json_string_value(v));
	c->out->regex = regex_of(c, key, c->out->pattern);
	return c->out->regex != NULL;
}

static bool
take_format(struct compiling *c, const char *key, const json_t *v)
{
	c->out->format = schema_format_named(json_is_string(v) ? json_string_value(v) : "");
	return c->out->format != NULL || schema_refuse(c, key, "is none that is checked");
}

static bool
take_sub(struct compiling *c, const char *key, const json_t *v)
{
	const struct schema *sub = schema_sub(c, key, v);

	*(key[0] == 'x' ? &c->out->each : &c->out->items) = sub;
	return sub != NULL;
}

static bool
take_unique(struct compiling *c, const char *key, const json_t *v)
{
	c->out->unique = json_is_true(v);
	return json_is_boolean(v) || schema_refuse(c, key, "is neither true nor false");
}

static bool
take_detail(struct compiling *c, const char *key, const json_t *v)
{
	if (!json_is_string(v))
		return schema_refuse(c, key, "is no text");
	c->out->detail = arena_strdup(c->s->a, json_string_value(v));
	return true;
}

static bool
take_properties(struct compiling *c, const char *key, const json_t *v)
{
	const char *name;
	json_t *one;

	if (!json_is_object(v))
		return schema_refuse(c, key, "is no object of schemas");
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		struct schema_member *m = member_named(c, name);

		if (m == NULL || (m->schema = schema_sub(c, name, one)) == NULL)
			return false;
	}
	return true;
}

static bool
take_required(struct compiling *c, const char *key, const json_t *v)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(v))
		return schema_refuse(c, key, "is no list of names");
	json_array_foreach(v, i, one)
	{
		struct schema_member *m;

		if (!json_is_string(one))
			return schema_refuse(c, key, "has what is no name");
		if ((m = member_named(c, json_string_value(one))) == NULL)
			return false;
		c->out->n_required += !m->required;
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
	c->out->additional = schema_sub(c, key, v);
	return c->out->additional != NULL;
}

static bool
take_list(struct compiling *c, const char *key, const json_t *v)
{
	struct schema_list *l = key[0] == 'o'               ? &c->out->one_of
	                        : strcmp(key, "anyOf") == 0 ? &c->out->any_of
	                                                    : &c->out->all_of;
	const json_t *one;
	unsigned types = 0;
	size_t i;

	l->list = ARENA_ARRAY(c->s->a, const struct schema *, json_array_size(v) + 1);
	json_array_foreach(v, i, one)
	{
		if ((l->list[l->n++] = schema_sub(c, key, one)) == NULL)
			return false;
		types |= l->list[i]->types;
	}
	if (l->n == 0)
		return schema_refuse(c, key, "has no schema");
	/* What no alternative takes is of the wrong type at once. */
	if (l != &c->out->all_of && json_object_get(c->schema, "type") == NULL)
		c->out->types &= types;
	return true;
}

/* The member of that name, which `properties` or `required` may name first; NULL: there are too many. */
static struct schema_member *
member_named(struct compiling *c, const char *name)
{
	struct schema *s = c->out;

	for (size_t i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i].name, name) == 0)
			return &s->members[i];
	if (s->n_members == 0 || (s->n_members >= 8 && (s->n_members & (s->n_members - 1)) == 0)) {
		struct schema_member *more =
		    ARENA_ARRAY(c->s->a, struct schema_member, 2 * s->n_members + 8);

		if (s->n_members != 0)
			memcpy(more, s->members, s->n_members * sizeof(*more));
		s->members = more;
	}
	if (s->n_members == SCHEMA_MEMBERS_MOST) {
		(void)schema_refuse(c, name, "is one member too many");
		return NULL;
	}
	s->members[s->n_members].name = arena_strdup(c->s->a, name);
	return &s->members[s->n_members++];
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct schema_member *)a)->name, ((const struct schema_member *)b)->name);
}

/* --- what few schemas have --- */

static struct schema_more *
more_of(struct compiling *c)
{
	if (c->out->more == NULL) {
		c->out->more = ARENA_NEW(c->s->a, struct schema_more);
		c->out->more->contains_min = 1;
		c->out->more->contains_max = SIZE_MAX;
	}
	return c->out->more;
}

static bool
take_more(struct compiling *c, const char *key, const json_t *v)
{
	static const struct {
		const char *key;
		size_t at;
	} places[] = { { "not", offsetof(struct schema_more, not ) },
		{ "if", offsetof(struct schema_more, cond) },
		{ "then", offsetof(struct schema_more, then) },
		{ "else", offsetof(struct schema_more, otherwise) },
		{ "propertyNames", offsetof(struct schema_more, names) },
		{ "contains", offsetof(struct schema_more, contains) } };
	const struct schema *sub = schema_sub(c, key, v);
	size_t i = 0;

	while (strcmp(places[i].key, key) != 0)
		i++;
	memcpy((char *)more_of(c) + places[i].at, &sub, sizeof(sub));
	return sub != NULL;
}

static bool
take_contained(struct compiling *c, const char *key, const json_t *v)
{
	struct schema_more *more = more_of(c);

	return number_of_things(
	    c, key, v, key[1] == 'i' ? &more->contains_min : &more->contains_max);
}

static bool
take_prefix(struct compiling *c, const char *key, const json_t *v)
{
	struct schema_list *l = &more_of(c)->prefix;
	const json_t *one;
	size_t i;

	l->list = ARENA_ARRAY(c->s->a, const struct schema *, json_array_size(v) + 1);
	json_array_foreach(v, i, one)
	{
		if ((l->list[l->n++] = schema_sub(c, key, one)) == NULL)
			return false;
	}
	return l->n != 0 || schema_refuse(c, key, "has no schema");
}

static bool
take_patterns(struct compiling *c, const char *key, const json_t *v)
{
	struct schema_more *more = more_of(c);
	const char *pattern;
	json_t *one;

	if (!json_is_object(v))
		return schema_refuse(c, key, "is no object of schemas");
	more->patterns =
	    ARENA_ARRAY(c->s->a, struct schema_pattern_member, json_object_size(v) + 1);
	json_object_foreach((json_t *)(uintptr_t)v, pattern, one)
	{
		struct schema_pattern_member *p = &more->patterns[more->n_patterns];

		if ((p->regex = regex_of(c, key, pattern)) == NULL)
			return false;
		more->n_patterns++;
		if ((p->schema = schema_sub(c, key, one)) == NULL)
			return false;
	}
	return true;
}

static struct schema_dependent *
dependents_more(struct compiling *c, size_t n)
{
	struct schema_more *more = more_of(c);
	struct schema_dependent *had = more->dependents;

	if (more->n_dependents + n > more->cap_dependents) {
		more->cap_dependents = 2 * more->cap_dependents + n;
		more->dependents =
		    ARENA_ARRAY(c->s->a, struct schema_dependent, more->cap_dependents);
		if (more->n_dependents != 0)
			memcpy(more->dependents, had, more->n_dependents * sizeof(*had));
	}
	return more->dependents;
}

static bool
take_needs(struct compiling *c, const char *key, const json_t *v)
{
	const char *name;
	json_t *list, *one;
	size_t i;

	if (!json_is_object(v))
		return schema_refuse(c, key, "is no object of lists of names");
	json_object_foreach((json_t *)(uintptr_t)v, name, list)
	{
		struct schema_dependent *all = dependents_more(c, json_array_size(list));

		if (!json_is_array(list))
			return schema_refuse(c, key, "is no object of lists of names");
		json_array_foreach(list, i, one)
		{
			if (!json_is_string(one))
				return schema_refuse(c, key, "has what is no name");
			all[c->out->more->n_dependents++] =
			    (struct schema_dependent){ .name = arena_strdup(c->s->a, name),
				    .needs = arena_strdup(c->s->a, json_string_value(one)) };
		}
	}
	return true;
}

static bool
take_dependents(struct compiling *c, const char *key, const json_t *v)
{
	struct schema_dependent *all = dependents_more(c, json_object_size(v));
	const char *name;
	json_t *one;

	if (!json_is_object(v))
		return schema_refuse(c, key, "is no object of schemas");
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		const struct schema *sub = schema_sub(c, key, one);

		if (sub == NULL)
			return false;
		all[c->out->more->n_dependents++] =
		    (struct schema_dependent){ .name = arena_strdup(c->s->a, name), .schema = sub };
	}
	return true;
}

/* What is not used is looked at too: it may be wrong. */
static bool
take_defs(struct compiling *c, const char *key, const json_t *v)
{
	const char *name;
	json_t *one;

	if (!json_is_object(v))
		return schema_refuse(c, key, "is no object of schemas");
	json_object_foreach(
	    (json_t *)(uintptr_t)v, name, one) if (schema_sub(c, name, one) == NULL) return false;
	return true;
}

static bool
take_ref(struct compiling *c, const char *key, const json_t *v)
{
	(void)v;
	more_of(c)->ref = schema_target(c, key, c->schema);
	return c->out->more->ref != NULL;
}

static bool
take_version(struct compiling *c, const char *key, const json_t *v)
{
	const char *name = json_is_string(v) ? json_string_value(v) : "";

	return strcmp(name, "https://json-schema.org/draft/2020-12/schema") == 0 ||
	       strcmp(name, "https://json-schema.org/draft/2020-12/schema#") == 0 ||
	       schema_refuse(c, key, "is not draft 2020-12, which is known here");
}

/* Inside, it would change where each $ref leads. */
static bool
take_root(struct compiling *c, const char *key, const json_t *v)
{
	(void)v;
	return c->schema == c->s->doc || schema_refuse(c, key, "stands inside of a schema");
}
