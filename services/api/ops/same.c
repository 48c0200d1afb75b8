/* same: is what a client sends again what is stored? A create under an id that the client chose may
 * be repeated: the same content is answered with the stored task, other content is refused. Fields
 * that were not given don't count. */
#include <string.h>

#include "api/ops/ops.h"

static bool value_same(const json_t *, const json_t *);
static bool priority_same(const json_t *, const json_t *);

const struct failure ops_id_taken = {
	.status = ST_ALREADY_EXISTS,
	.message = "something of other content has this id",
	.reason = "ID_TAKEN",
};

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
		if (strcmp(key, "priority") == 0 ? !priority_same(v, s) : !value_same(v, s))
			return false;
	}
	return true;
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
