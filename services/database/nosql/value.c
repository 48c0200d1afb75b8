/* value: see value.h. */
#include "database/nosql/value.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define WHOLE_DOUBLE 9223372036854775808.0 /* 2^63 */

static const char *read_name(struct arena *, struct str, const char **);
static size_t number_key(const json_t *, char *);
static size_t string_key(const json_t *, char *);
static void hash_value(crypto_hash_sha256_state *, const json_t *);
static int by_text(const void *, const void *);

const char *
pointer_read(struct arena *a, const char *text, struct pointer *out)
{
	struct str rest = str_of(text), one;
	const char *wrong;
	bool more;

	*out = (struct pointer){ .text = text };
	if (text[0] != '/')
		return "is no JSON Pointer: it must begin with /";
	if (rest.n > POINTER_MOST)
		return "is too long for a JSON Pointer";
	rest = (struct str){ rest.p + 1, rest.n - 1 };
	do {
		more = str_cut(rest, '/', &one, &rest);
		if (out->n == POINTER_DEEP)
			return "leads too deep";
		if ((wrong = read_name(a, one, &out->names[out->n++])) != NULL)
			return wrong;
	} while (more);
	return NULL;
}

static const char *
read_name(struct arena *a, struct str s, const char **out)
{
	char *p = arena_strndup(a, s.p, s.n);

	*out = p;
	for (size_t i = 0; i < s.n; i++) {
		*p = s.p[i];
		if (s.p[i] == '~') {
			if (++i == s.n || (s.p[i] != '0' && s.p[i] != '1'))
				return "is no JSON Pointer: after ~ comes 0 or 1";
			*p = s.p[i] == '0' ? '~' : '/';
		}
		p++;
	}
	*p = '\0';
	return NULL;
}

json_t *
pointer_get(const struct pointer *p, const json_t *root)
{
	return pointer_get_part(p, p->n, root);
}

json_t *
pointer_get_part(const struct pointer *p, size_t n, const json_t *root)
{
	json_t *v = (json_t *)(uintptr_t)root;

	for (size_t i = 0; i < n && v != NULL; i++)
		v = json_is_array(v) ? json_array_get(v, pointer_place(p->names[i]))
		                     : json_object_get(v, p->names[i]);
	return v;
}

size_t
pointer_place(const char *name)
{
	uint64_t n;

	if (!str_u64(str_of(name), UINT32_MAX, &n) || (name[0] == '0' && name[1] != '\0'))
		return SIZE_MAX;
	return (size_t)n;
}

bool
pointers_touch(const struct pointer *a, const struct pointer *b)
{
	size_t n = a->n < b->n ? a->n : b->n;

	for (size_t i = 0; i < n; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return true;
}

size_t
value_key(const json_t *v, char *out)
{
	crypto_hash_sha256_state hash;

	if (v == NULL) {
		out[0] = KEY_MISSING;
		return 1;
	}
	switch (json_typeof(v)) {
	case JSON_NULL:
		out[0] = KEY_NULL;
		return 1;
	case JSON_FALSE:
	case JSON_TRUE:
		out[0] = json_is_true(v) ? KEY_TRUE : KEY_FALSE;
		return 1;
	case JSON_INTEGER:
	case JSON_REAL:
		out[0] = KEY_NUMBER;
		return 1 + number_key(v, out + 1);
	case JSON_STRING:
		out[0] = KEY_TEXT;
		return 1 + string_key(v, out + 1);
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	out[0] = json_is_array(v) ? KEY_ARRAY : KEY_OBJECT;
	crypto_hash_sha256_init(&hash);
	hash_value(&hash, v);
	crypto_hash_sha256_final(&hash, (unsigned char *)out + 1);
	return 1 + crypto_hash_sha256_BYTES;
}

/* The double with its bits so that bytes compare as numbers do; behind it what an integer has more than
 * its double can say, at most 512 each way. A real that is whole has the same key as the integer. */
static size_t
number_key(const json_t *v, char *out)
{
	double d = json_number_value(v);
	int32_t rest = 0;
	uint64_t bits;

	if (d == 0)
		d = 0; /* there is one zero */
	if (json_is_integer(v))
		rest = d >= WHOLE_DOUBLE ? (int32_t)(json_integer_value(v) - INT64_MAX - 1)
		                         : (int32_t)(json_integer_value(v) - (int64_t)d);
	memcpy(&bits, &d, sizeof(bits));
	bits = (bits >> 63) != 0 ? ~bits : bits | UINT64_C(1) << 63;
	for (int i = 0; i < 8; i++)
		out[i] = (char)(bits >> (56 - 8 * i));
	out[8] = (char)((rest + 0x8000) >> 8);
	out[9] = (char)(rest + 0x8000);
	return 10;
}

/* Strings have no NUL inside (json_read): it ends them here, below every other byte. */
static size_t
string_key(const json_t *v, char *out)
{
	size_t n = json_string_length(v);
	const char *s = json_string_value(v);

	if (n <= KEY_STRING) {
		memcpy(out, s, n);
		out[n] = '\0';
		return n + 1;
	}
	memcpy(out, s, KEY_STRING);
	out[KEY_STRING] = 1;
	crypto_hash_sha256((unsigned char *)out + KEY_STRING + 1,
	    (const unsigned char *)s + KEY_STRING, n - KEY_STRING);
	return KEY_STRING + 1 + crypto_hash_sha256_BYTES;
}

bool
value_key_whole(const json_t *v)
{
	return !json_is_string(v) || json_string_length(v) <= KEY_STRING;
}

static void
add(crypto_hash_sha256_state *h, const char *p, size_t n)
{
	crypto_hash_sha256_update(h, (const unsigned char *)p, n);
}

/* Equal values give equal bytes: members by name, numbers by their keys. */
static void
hash_value(crypto_hash_sha256_state *h, const json_t *v)
{
	char key[KEY_VALUE_MOST];
	const char **names, *name;
	size_t n = 0, i;
	json_t *one;

	if (json_is_array(v)) {
		add(h, "[", 1);
		json_array_foreach(v, i, one) hash_value(h, one);
		add(h, "]", 1);
		return;
	}
	if (!json_is_object(v)) {
		add(h, key, value_key(v, key));
		return;
	}
	names = calloc(json_object_size(v) + 1, sizeof(*names));
	must(names != NULL);
	json_object_foreach((json_t *)(uintptr_t)v, name, one) names[n++] = name;
	if (n > 1)
		qsort(names, n, sizeof(*names), by_text);
	add(h, "{", 1);
	for (i = 0; i < n; i++) {
		add(h, names[i], strlen(names[i]) + 1);
		hash_value(h, json_object_get(v, names[i]));
	}
	add(h, "}", 1);
	free(names);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
value_compare(const json_t *a, const json_t *b)
{
	char x[KEY_VALUE_MOST], y[KEY_VALUE_MOST];
	size_t n, m;
	int way;

	if (json_is_string(a) && json_is_string(b))
		return strcmp(json_string_value(a), json_string_value(b));
	n = value_key(a, x);
	m = value_key(b, y);
	way = memcmp(x, y, n < m ? n : m);
	return way != 0 ? way : (n > m) - (n < m);
}

size_t
value_depth(const json_t *v)
{
	size_t most = 0, n, i;
	const char *name;
	json_t *one;

	if (json_is_array(v))
		json_array_foreach(v, i, one) most = (n = value_depth(one)) > most ? n : most;
	else if (json_is_object(v))
		json_object_foreach((json_t *)(uintptr_t)v, name, one) most =
		    (n = value_depth(one)) > most ? n : most;
	return most + 1;
}
