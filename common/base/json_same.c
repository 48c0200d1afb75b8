/* json_same: see json_same.h. */
#include "base/json_same.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define WHOLE 9223372036854775808.0 /* 2^63 */

struct item {
	uint64_t hash;
	size_t place;
};

static bool same_number(const json_t *, const json_t *);
static uint64_t hash_of(const json_t *);
static int by_hash(const void *, const void *);

bool
json_same(const json_t *a, const json_t *b)
{
	const char *name;
	json_t *one;
	size_t i;

	if (json_is_number(a) && json_is_number(b))
		return same_number(a, b);
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach(a, i, one)
		{
			if (!json_same(one, json_array_get(b, i)))
				return false;
		}
		return true;
	}
	if (!json_is_object(a))
		return json_equal(a, b);
	if (json_object_size(a) != json_object_size(b))
		return false;
	json_object_foreach((json_t *)(uintptr_t)a, name, one)
	{
		const json_t *other = json_object_get(b, name);

		if (other == NULL || !json_same(one, other))
			return false;
	}
	return true;
}

static bool
same_number(const json_t *a, const json_t *b)
{
	double d;

	if (json_typeof(a) == json_typeof(b))
		return json_is_integer(a) ? json_integer_value(a) == json_integer_value(b)
		                          : json_real_value(a) == json_real_value(b);
	if (json_is_real(a))
		return same_number(b, a);
	d = json_real_value(b);
	return d >= -WHOLE && d < WHOLE && (double)(json_int_t)d == d &&
	       (json_int_t)d == json_integer_value(a);
}

bool
json_twice(const json_t *array, size_t *first, size_t *second)
{
	size_t n = json_array_size(array), i;
	struct item *items = calloc(n + 1, sizeof(*items));
	bool found = false;
	const json_t *one;

	must(items != NULL);
	json_array_foreach(array, i, one) items[i] = (struct item){ hash_of(one), i };
	qsort(items, n, sizeof(*items), by_hash);
	for (i = 1; i < n && !found; i++)
		for (size_t k = i; k > 0 && !found && items[k - 1].hash == items[i].hash; k--) {
			*first = items[k - 1].place;
			*second = items[i].place;
			found = json_same(
			    json_array_get(array, *first), json_array_get(array, *second));
		}
	free(items);
	return found;
}

static uint64_t
mix(uint64_t h)
{
	h = (h ^ h >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t
hash_text(const char *s, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* The same values have the same; numbers go by their double. */
static uint64_t
hash_of(const json_t *v)
{
	uint64_t h = 0;
	const char *name;
	json_t *one;
	size_t i;
	double d;

	switch (json_typeof(v)) {
	case JSON_STRING:
		return hash_text(json_string_value(v), json_string_length(v));
	case JSON_INTEGER:
	case JSON_REAL:
		d = json_number_value(v);
		d = d == 0 ? 0 : d; /* there is one zero */
		memcpy(&h, &d, sizeof(h));
		return mix(h);
	case JSON_ARRAY:
		json_array_foreach(v, i, one) h = mix(h + hash_of(one));
		return mix(h + 1);
	case JSON_OBJECT:
		json_object_foreach((json_t *)(uintptr_t)v, name, one) h +=
		    mix(hash_text(name, strlen(name)) ^ mix(hash_of(one)));
		return mix(h + 2);
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return mix((uint64_t)json_typeof(v) + 3);
}

static int
by_hash(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}
