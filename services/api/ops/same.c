/* same: is what a client sends again what is stored? A create under an id that the client chose may
 * be repeated: the same content is answered with the stored task, other content is refused. Fields
 * that were not given don't count. */
#include <sodium.h>
#include <string.h>

#include "api/ops/ops.h"

#define PAYLOAD_ROOM (16u << 20) /* to write one anew: the text grows by doubling */

static bool payload_same(const json_t *, const json_t *);
static bool value_same(const json_t *, const json_t *);
static bool priority_same(const json_t *, const json_t *);

static const struct failure id_taken = {
	.status = ST_ALREADY_EXISTS,
	.message = "something of other content has this id",
	.reason = "ID_TAKEN",
};

const struct failure *
ops_taken(const Mf__TaskResponse *m)
{
	return m->retried ? &failure_made_perhaps : &id_taken;
}

bool
ops_same(const json_t *given, const json_t *stored)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)given, key, v)
	{
		const json_t *s = json_object_get(stored, key);

		if (strcmp(key, "id") == 0)
			continue; /* it is how the stored one was found */
		if (strcmp(key, "priority") == 0  ? !priority_same(v, s)
		    : strcmp(key, "payload") == 0 ? !payload_same(v, s)
						  : !value_same(v, s))
			return false;
	}
	return true;
}

/* A large one is stored as a blob of the text that `sql` makes of it, and named by its digest. */
static bool
payload_same(const json_t *given, const json_t *stored)
{
	const char *id = json_string_value(json_object_get(json_object_get(stored, "$blob"), "id"));
	char name[7 + 2 * crypto_hash_sha256_BYTES + 1] = "sha256:";
	uint8_t sum[crypto_hash_sha256_BYTES];
	struct arena *a;
	struct jw w;
	char *text;
	size_t n;

	if (id == NULL || json_object_get(given, "$blob") != NULL)
		return value_same(given, stored);
	a = arena_new(PAYLOAD_ROOM);
	jw_start(&w, a, 1024);
	jw_json(&w, NULL, given);
	text = jw_text(&w, &n);
	crypto_hash_sha256(sum, (const uint8_t *)text, n);
	arena_free(&a);
	str_hex(sum, sizeof(sum), name + 7);
	return strcmp(name, id) == 0;
}

/* jansson tells 1 from 1.0, JSON does not; and an absent field reads as null. */
static bool
value_same(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;
	size_t i;

	if (a == NULL || b == NULL || json_is_null(a) || json_is_null(b))
		return (a == NULL || json_is_null(a)) && (b == NULL || json_is_null(b));
	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) == json_integer_value(b);
	if (json_is_number(a) && json_is_number(b))
		return !(json_number_value(a) < json_number_value(b)) &&
		       !(json_number_value(a) > json_number_value(b));
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach(a, i, v) if (!value_same(v, json_array_get(b, i))) return false;
		return true;
	}
	if (json_is_object(a)) {
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach(
		    (json_t *)a, key, v) if (!value_same(v, json_object_get(b, key))) return false;
		return true;
	}
	return json_equal(a, b);
}

/* 2 and "HIGH" are one priority. */
static bool
priority_same(const json_t *a, const json_t *b)
{
	static const char *const names[] = { "", "CRITICAL", "HIGH", "MEDIUM", "LOW" };

	if (json_is_integer(a) && json_is_string(b) && json_integer_value(a) >= 1 &&
	    json_integer_value(a) <= 4)
		return strcmp(names[json_integer_value(a)], json_string_value(b)) == 0;
	return value_same(a, b);
}
