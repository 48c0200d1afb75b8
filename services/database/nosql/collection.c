/* collection: see collection.h. */
#include "database/nosql/collection.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/id.h"
#include "base/log.h"

/* The bounds of schemas are below it; only what is used is taken. */
#define COLLECTION_ARENA (128u << 20)

static const char *const state_names[] = { "building", "ready", "failed" };

static bool compile_index(struct collection *, const json_t *, struct index *);
static bool declare_indexes(
    struct arena *, json_t *, const json_t *, const json_t *, enum index_state, struct failure *);
static bool declared_index_ok(struct arena *, const json_t *, const char *, struct failure *);
static bool fields_ok(struct arena *, const json_t *, const char *, struct failure *);
static json_t *index_of(const json_t *, const json_t *, enum index_state);
static bool same_index(const json_t *, const json_t *);
static bool schema_ok(struct arena *, const json_t *, struct failure *);

struct collection *
collection_compile(const char *name, const json_t *kept, struct failure *f)
{
	struct arena *a = arena_new(COLLECTION_ARENA);
	struct collection *k = ARENA_NEW(a, struct collection);
	const char *epoch = json_string_value(json_object_get(kept, "epoch"));
	const json_t *schema, *one;
	size_t i;

	k->refs = 1;
	k->arena = a;
	k->name = arena_strdup(a, name);
	k->epoch = arena_strdup(a, epoch != NULL ? epoch : "0");
	k->declared = epoch != NULL;
	k->dropping = json_is_true(json_object_get(kept, "dropping"));
	k->version = (uint64_t)json_integer_value(json_object_get(kept, "version"));
	k->ttl_ms = json_integer_value(json_object_get(kept, "ttl_ms"));
	k->definition = kept != NULL ? json_deep_copy(kept) : NULL;
	schema = json_object_get(k->definition, "schema");
	k->schemas = (struct schemas){ .a = a, .doc = schema };
	if (schema != NULL && (k->schema = schema_compile(&k->schemas, schema)) == NULL) {
		failure_violation(a, f, "/schema", "%s", k->schemas.wrong);
		f->message = "the schema that is kept can't be read";
		collection_release(&k);
		return NULL;
	}
	json_array_foreach(json_object_get(k->definition, "indexes"), i, one)
	{
		if (i < INDEXES_MOST && compile_index(k, one, &k->indexes[k->n_indexes]))
			k->n_indexes++;
	}
	return k;
}

static bool
compile_index(struct collection *k, const json_t *v, struct index *x)
{
	const char *state = json_string_value(json_object_get(v, "state"));
	const json_t *field;
	size_t i;

	*x = (struct index){ .name = json_string_value(json_object_get(v, "name")),
		.slot = json_string_value(json_object_get(v, "slot")),
		.why = json_string_value(json_object_get(v, "why")),
		.unique = json_is_true(json_object_get(v, "unique")),
		.state = INDEX_FAILED };
	for (i = 0; state != NULL && i < 3; i++)
		if (strcmp(state, state_names[i]) == 0)
			x->state = (enum index_state)i;
	json_array_foreach(json_object_get(v, "fields"), i, field)
	{
		if (x->n == INDEX_FIELDS || !json_is_string(field) ||
		    pointer_read(k->arena, json_string_value(field), &x->fields[x->n++]) != NULL)
			return false;
	}
	return x->name != NULL && x->slot != NULL && x->n > 0;
}

struct collection *
collection_hold(struct collection *k)
{
	k->refs++;
	return k;
}

void
collection_release(struct collection **kp)
{
	struct collection *k = *kp;
	struct arena *a;

	*kp = NULL;
	if (k == NULL || --k->refs > 0)
		return;
	schemas_free(&k->schemas);
	json_decref(k->definition);
	a = k->arena;
	arena_free(&a);
}

/* --- declaring --- */

json_t *
collection_declare(struct arena *a, const json_t *had, const json_t *given, enum index_state state,
    struct failure *f)
{
	json_t *out = had != NULL ? json_deep_copy(had) : json_pack("{s:[]}", "indexes"), *v;
	json_int_t version = json_integer_value(json_object_get(had, "version"));
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)given, name, v)
	{
		if (strcmp(name, "indexes") == 0) {
			(void)declare_indexes(a, out, v, json_object_get(had, "indexes"), state, f);
		} else if (strcmp(name, "ttl_ms") == 0) {
			if (!json_is_null(v) && (!json_is_integer(v) || json_integer_value(v) < 1 ||
						    json_integer_value(v) > UINT32_MAX))
				failure_violation(
				    a, f, "/ttl_ms", "must be an integer from 1 to %u", UINT32_MAX);
			json_object_set(out, name, v);
		} else if (strcmp(name, "schema") == 0) {
			if (json_is_null(v) || schema_ok(a, v, f))
				json_object_set(out, name, v);
		} else {
			failure_violation(a, f, failure_pointer(a, "", name),
			    "is not known: a collection has schema, indexes and ttl_ms");
		}
		if (json_is_null(v) && strcmp(name, "indexes") != 0)
			json_object_del(out, name);
	}
	collection_set_epoch(out);
	json_object_set_new(out, "version", json_integer(version + 1));
	if (f->status == ST_OK)
		return out;
	json_decref(out);
	return NULL;
}

static bool
schema_ok(struct arena *a, const json_t *v, struct failure *f)
{
	struct schemas s = { .a = a, .doc = v };
	bool ok = schema_compile(&s, v) != NULL;

	if (!ok)
		failure_violation(a, f, "/schema", "%s", s.wrong);
	schemas_free(&s);
	return ok;
}

static bool
declare_indexes(struct arena *a, json_t *out, const json_t *given, const json_t *had,
    enum index_state state, struct failure *f)
{
	json_t *all = json_array(), *one, *other;
	size_t i, k;

	if (!json_is_null(given) &&
	    (!json_is_array(given) || json_array_size(given) > INDEXES_MOST))
		failure_violation(a, f, "/indexes", "must be an array of at most %d", INDEXES_MOST);
	json_array_foreach(given, i, one)
	{
		const char *at = arena_printf(a, "/indexes/%zu", i);
		json_t *same = NULL;

		if (i == INDEXES_MOST || !declared_index_ok(a, one, at, f))
			continue;
		json_array_foreach(all, k, other) if (json_equal(json_object_get(other, "name"),
							  json_object_get(one, "name")))
		    failure_violation(a, f, at, "has the name of another one");
		json_array_foreach(had, k, other) if (same_index(one, other)) same = other;
		json_array_append_new(
		    all, same != NULL ? json_deep_copy(same) : index_of(one, one, state));
	}
	return json_object_set_new(out, "indexes", all) == 0;
}

static bool
declared_index_ok(struct arena *a, const json_t *v, const char *at, struct failure *f)
{
	const char *name = json_string_value(json_object_get(v, "name")), *key;
	const json_t *unique = json_object_get(v, "unique");
	size_t before = f->n_violations;
	json_t *unused;

	if (!json_is_object(v)) {
		failure_violation(a, f, at, "must be {\"name\", \"fields\", \"unique\"}");
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, unused)
	{
		(void)unused;
		if (strcmp(key, "name") != 0 && strcmp(key, "fields") != 0 &&
		    strcmp(key, "unique") != 0)
			failure_violation(a, f, failure_pointer(a, at, key),
			    "is not known: an index has name, fields and unique");
	}
	if (name == NULL || strlen(name) > 64 || !str_token_ok(str_of(name)))
		failure_violation(
		    a, f, failure_pointer(a, at, "name"), "must be a token of 1 to 64 characters");
	if (unique != NULL && !json_is_boolean(unique))
		failure_violation(a, f, failure_pointer(a, at, "unique"), "must be true or false");
	(void)fields_ok(a, json_object_get(v, "fields"), failure_pointer(a, at, "fields"), f);
	return f->n_violations == before;
}

static bool
fields_ok(struct arena *a, const json_t *v, const char *at, struct failure *f)
{
	struct pointer p[INDEX_FIELDS];
	const json_t *one;
	const char *bad;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) < 1 || json_array_size(v) > INDEX_FIELDS) {
		failure_violation(
		    a, f, at, "must be an array of 1 to %d JSON Pointers", INDEX_FIELDS);
		return false;
	}
	json_array_foreach(v, i, one)
	{
		bad = json_is_string(one) ? pointer_read(a, json_string_value(one), &p[i])
		                          : "must be a JSON Pointer";
		for (size_t k = 0; bad == NULL && k < i; k++)
			if (strcmp(p[k].text, p[i].text) == 0)
				bad = "is there twice";
		if (bad == NULL)
			continue;
		failure_violation(a, f, arena_printf(a, "%s/%zu", at, i), "%s", bad);
		return false;
	}
	return true;
}

static bool
same_index(const json_t *x, const json_t *y)
{
	return json_equal(json_object_get(x, "name"), json_object_get(y, "name")) &&
	       json_equal(json_object_get(x, "fields"), json_object_get(y, "fields")) &&
	       json_is_true(json_object_get(x, "unique")) ==
	           json_is_true(json_object_get(y, "unique")) &&
	       strcmp(json_string_value(json_object_get(y, "state")) ?: "", "failed") != 0;
}

static json_t *
index_of(const json_t *given, const json_t *fields, enum index_state state)
{
	char slot[SLOT_LEN];

	snprintf(slot, sizeof(slot), "%08" PRIx32, (uint32_t)id_random_u64());
	return json_pack("{s:O, s:O, s:b, s:s, s:s}", "name", json_object_get(given, "name"),
	    "fields", json_object_get(fields, "fields"), "unique",
	    json_is_true(json_object_get(given, "unique")), "slot", slot, "state",
	    state_names[state]);
}

bool
collection_same(const json_t *a, const json_t *b)
{
	static const char *const passing[] = { "state", "why", "slot" };
	json_t *x = collection_shown(a), *y = collection_shown(b), *one;
	bool same;
	size_t i;

	for (size_t k = 0; k < sizeof(passing) / sizeof(passing[0]); k++) {
		json_array_foreach(json_object_get(x, "indexes"), i, one)
		    json_object_del(one, passing[k]);
		json_array_foreach(json_object_get(y, "indexes"), i, one)
		    json_object_del(one, passing[k]);
	}
	same = json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return same;
}

json_t *
collection_marked(const json_t *kept)
{
	json_t *out = json_deep_copy(kept);

	json_object_set_new(out, "dropping", json_true());
	collection_set_epoch(out);
	return out;
}

void
collection_set_epoch(json_t *kept)
{
	char epoch[EPOCH_LEN];

	snprintf(epoch, sizeof(epoch), "%016" PRIx64, id_random_u64());
	json_object_set_new(kept, "epoch", json_string(epoch));
}

void
collection_all_ready(json_t *kept)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(kept, "indexes"), i, one) collection_set_state(
	    kept, json_string_value(json_object_get(one, "slot")), INDEX_READY, NULL);
}

void
collection_set_state(json_t *kept, const char *slot, enum index_state state, const char *why)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(kept, "indexes"), i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "slot")), slot) != 0)
			continue;
		json_object_set_new(one, "state", json_string(state_names[state]));
		if (why != NULL)
			json_object_set_new(one, "why", json_string(why));
	}
}

json_t *
collection_shown(const json_t *kept)
{
	static const char *const ours[] = { "epoch", "version" };
	json_t *out = json_deep_copy(kept), *one;
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		json_object_del(out, ours[i]);
	json_array_foreach(json_object_get(out, "indexes"), i, one) json_object_del(one, "slot");
	return out;
}

/* --- documents of it --- */

/* Where a field is missing or null, an index that is unique holds nobody to it, as in SQL. */
size_t
collection_entries(
    struct arena *a, const struct collection *k, const json_t *doc, struct index_entry **out)
{
	size_t n = 0;

	*out = ARENA_ARRAY(a, struct index_entry, k->n_indexes + 1);
	for (size_t i = 0; i < k->n_indexes; i++) {
		const struct index *x = &k->indexes[i];
		struct index_entry *e = &(*out)[n];
		char key[INDEX_KEY_MOST];
		bool whole = true;

		if (x->state == INDEX_FAILED)
			continue;
		*e = (struct index_entry){ .slot = x->slot };
		for (size_t m = 0; m < x->n; m++) {
			const json_t *v = pointer_get(&x->fields[m], doc);

			whole &= v != NULL && !json_is_null(v);
			e->n += value_key(v, key + e->n);
		}
		e->key = arena_dup(a, key, e->n);
		e->unique = x->unique && whole;
		n++;
	}
	return n;
}

bool
collection_accepts(
    struct arena *a, const struct collection *k, const json_t *doc, struct failure *f)
{
	static const struct schema_rules rules = { .set = NULL };

	return k->schema == NULL || schema_check(a, k->schema, doc, &rules, f);
}
