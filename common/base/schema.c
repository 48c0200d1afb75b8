/* schema: see schema.h. Here: from documents to schemas; the keywords are in schema_keywords.c. */
#include "base/schema.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/schema_int.h"
#include "base/str.h"

#define MADE_MOST 8192 /* schemas in one document */

struct schema_made {
	const json_t *schema;
	struct schema *made;
};

static const struct schema *compile(struct schemas *, const json_t *);
static bool take_keywords(struct compiling *);
static bool only_refers(const json_t *);
static struct schema *remember(struct schemas *, const json_t *);
static bool circles(struct schema *);

static const struct schema anything = { .types = SCHEMA_ANY,
	.min = -INFINITY,
	.max = INFINITY,
	.length_max = SIZE_MAX,
	.items_max = SIZE_MAX,
	.members_max = SIZE_MAX };
static const struct schema nothing = { .types = 0 };

/* --- where a $ref leads --- */

/* A name of a JSON Pointer in a fragment, unescaped. */
static const char *
ref_name(struct arena *a, struct str s)
{
	size_t n;
	char *name = str_percent_decode(a, s, false, &n), *out = name;

	for (const char *p = name; name != NULL && *p != '\0'; p++)
		*out++ = p[0] == '~' && p[1] == '0'   ? (p++, '~')
		         : p[0] == '~' && p[1] == '1' ? (p++, '/')
		                                      : *p;
	if (name != NULL)
		*out = '\0';
	return name;
}

static const json_t *
follow(struct arena *a, const json_t *doc, const char *ref)
{
	struct str rest = str_of(ref + 1), one;
	const json_t *v = doc;
	uint64_t i;

	if (ref[0] != '#' || (ref[1] != '\0' && ref[1] != '/'))
		return NULL;
	str_cut(rest, '/', &one, &rest);
	for (bool more = ref[1] == '/'; more && v != NULL;) {
		const char *name;

		more = str_cut(rest, '/', &one, &rest);
		if ((name = ref_name(a, one)) == NULL)
			return NULL;
		v = !json_is_array(v)                       ? json_object_get(v, name)
		    : str_u64(str_of(name), UINT32_MAX, &i) ? json_array_get(v, (size_t)i)
		                                            : NULL;
	}
	return v;
}

const json_t *
schema_resolve(const json_t *doc, const json_t *v)
{
	struct arena *a = arena_new(1 << 20);

	for (int hops = 0; v != NULL; hops++) {
		const char *ref = json_string_value(json_object_get(v, "$ref"));

		if (ref == NULL)
			break;
		v = hops < 8 ? follow(a, doc, ref) : NULL;
	}
	arena_free(&a);
	return v;
}

/* --- compiling --- */

const struct schema *
schema_compile(struct schemas *s, const json_t *schema)
{
	const struct schema *out = compile(s, schema);
	struct compiling c = { .s = s };

	for (size_t i = 0; out != NULL && i < s->n_made; i++)
		if (s->made[i].made->mark == 0 && circles(s->made[i].made)) {
			(void)schema_refuse(&c, "$ref", "leads to where it came from");
			return NULL;
		}
	return out;
}

bool
schema_refuse(struct compiling *c, const char *key, const char *why)
{
	if (c->s->wrong == NULL)
		c->s->wrong = arena_printf(c->s->a, "%.80s %s", key, why);
	return false;
}

const struct schema *
schema_sub(struct compiling *c, const char *key, const json_t *v)
{
	if (json_is_object(v) || json_is_boolean(v))
		return compile(c->s, v);
	(void)schema_refuse(c, key, "is no schema");
	return NULL;
}

const struct schema *
schema_target(struct compiling *c, const char *key, const json_t *v)
{
	const char *ref = json_string_value(json_object_get(v, "$ref"));
	const json_t *target = ref != NULL ? follow(c->s->a, c->s->doc, ref) : NULL;

	if (json_is_object(target) || json_is_boolean(target))
		return compile(c->s, target);
	(void)schema_refuse(c, key, "leads to no schema");
	return NULL;
}

static const struct schema *
compile(struct schemas *s, const json_t *schema)
{
	struct compiling c = { .s = s, .schema = schema };

	for (int hops = 0; only_refers(c.schema); hops++) {
		const char *ref = json_string_value(json_object_get(c.schema, "$ref"));

		c.schema = ref != NULL && hops < 8 ? follow(s->a, s->doc, ref) : NULL;
	}
	if (json_is_boolean(c.schema))
		return json_is_true(c.schema) ? &anything : &nothing;
	if (!json_is_object(c.schema)) {
		(void)schema_refuse(&c, "$ref", "leads to no schema");
		return NULL;
	}
	for (size_t i = 0; i < s->n_made; i++)
		if (s->made[i].schema == c.schema)
			return s->made[i].made;
	if (s->n_made == SCHEMA_MOST || s->depth == SCHEMA_DEPTH_MOST) {
		(void)schema_refuse(&c, "the schema",
		    s->n_made == SCHEMA_MOST ? "has too many schemas" : "is too deep");
		return NULL;
	}
	if (s->n_made == MADE_MOST) {
		(void)schema_refuse(&c, "", "there are too many schemas in it");
		return NULL;
	}
	c.out = remember(s, c.schema);
	s->depth++;
	if (!take_keywords(&c))
		return NULL;
	s->depth--;
	schema_sort_members(c.out);
	return c.out;
}

static bool
take_keywords(struct compiling *c)
{
	const json_t *v;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)c->schema, key, v)
	{
		keyword_fn *take = schema_keyword(key);

		if (take == NULL)
			return schema_refuse(c, key, "is no keyword that is known here");
		if (!take(c, key, v))
			return false;
	}
	return true;
}

/* Then it is what it refers to. */
static bool
only_refers(const json_t *v)
{
	const char *key;
	json_t *unused;

	if (json_object_get(v, "$ref") == NULL)
		return false;
	json_object_foreach((json_t *)(uintptr_t)v, key, unused)
	{
		(void)unused;
		if (strcmp(key, "$ref") != 0 && strcmp(key, "description") != 0 &&
		    strcmp(key, "title") != 0 && strcmp(key, "$comment") != 0)
			return false;
	}
	return true;
}

void
schemas_free(struct schemas *s)
{
	for (size_t i = 0; i < s->n_made; i++) {
		struct schema *one = s->made[i].made;

		json_decref((json_t *)(uintptr_t)one->values);
	}
	s->n_made = 0;
}

static struct schema *
remember(struct schemas *s, const json_t *schema)
{
	struct schema *out = ARENA_NEW(s->a, struct schema);

	if (s->n_made == s->cap_made) {
		struct schema_made *old = s->made;

		s->cap_made = s->cap_made == 0 ? 64 : 2 * s->cap_made;
		s->made = ARENA_ARRAY(s->a, struct schema_made, s->cap_made);
		if (s->n_made != 0)
			memcpy(s->made, old, s->n_made * sizeof(*old));
	}
	*out = anything;
	s->made[s->n_made++] = (struct schema_made){ schema, out };
	return out;
}

/* Does it hold the same value against itself again? Marks: 1 under way, 2 done. */
static bool
circles(struct schema *s)
{
	const struct schema_list *const lists[] = { &s->one_of, &s->any_of, &s->all_of };
	const struct schema_more *m = s->more;
	bool found = s->mark == 1;

	if (s->mark != 0 || s == &anything || s == &nothing)
		return found;
	s->mark = 1;
	for (size_t l = 0; l < 3; l++)
		for (size_t i = 0; i < lists[l]->n && !found; i++)
			found = circles((struct schema *)(uintptr_t)lists[l]->list[i]);
	if (m != NULL) {
		const struct schema *const subs[] = { m->ref, m->not, m->cond, m->then,
			m->otherwise };

		for (size_t i = 0; i < 5 && !found; i++)
			found = subs[i] != NULL && circles((struct schema *)(uintptr_t)subs[i]);
		for (size_t i = 0; i < m->n_dependents && !found; i++)
			found = m->dependents[i].schema != NULL &&
			        circles((struct schema *)(uintptr_t)m->dependents[i].schema);
	}
	s->mark = 2;
	return found;
}
