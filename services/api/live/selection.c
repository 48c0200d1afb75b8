/* selection: see selection.h. */
#include "api/live/selection.h"

#include <string.h>

#define TESTS_MOST  8
#define VALUES_MOST 32
#define VALUE_MOST  200 /* bytes */

struct test {
	size_t fact; /* index among the source's */
	size_t n;
	const char *values[VALUES_MOST];
};

struct selection {
	size_t n;
	struct test tests[TESTS_MOST];
};

static bool read_test(struct arena *, const struct source *, const char *, const json_t *,
    struct test *, struct failure *);
static bool test_holds(const struct test *, const struct source_event *);

const struct selection *
selection_read(struct arena *a, const struct source *s, const json_t *json, struct failure *f)
{
	struct selection *out = ARENA_NEW(a, struct selection);
	const char *name;
	json_t *v;

	if (json == NULL)
		return out;
	if (!json_is_object(json) || json_object_size(json) > TESTS_MOST) {
		failure_violation(
		    a, f, "/filter", "must be an object of at most %d members", TESTS_MOST);
		return NULL;
	}
	json_object_foreach((json_t *)json, name, v)
	{
		if (!read_test(a, s, name, v, &out->tests[out->n++], f))
			return NULL;
	}
	return out;
}

bool
selection_takes(const struct selection *f, const struct source_event *e)
{
	bool named = false;

	for (size_t i = 0; i < f->n; i++) {
		if (!test_holds(&f->tests[i], e))
			return false;
		named |= f->tests[i].fact == 0;
	}
	return named || !e->asked;
}

static bool
read_test(struct arena *a, const struct source *s, const char *name, const json_t *v,
    struct test *t, struct failure *f)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;

	while (s->facts[t->fact] != NULL && strcmp(s->facts[t->fact], name) != 0)
		t->fact++;
	if (s->facts[t->fact] == NULL) {
		failure_violation(a, f, "/filter", "names something that these events do not have");
		return false;
	}
	for (; t->n < n && t->n < VALUES_MOST; t->n++) {
		const json_t *one = json_is_array(v) ? json_array_get(v, t->n) : v;

		if (!json_is_string(one) || json_string_length(one) > VALUE_MOST)
			break;
		t->values[t->n] = arena_strdup(a, json_string_value(one));
	}
	if (n != 0 && t->n == n)
		return true;
	failure_violation(a, f, arena_printf(a, "/filter/%s", s->facts[t->fact]),
	    "must be a string of at most %d bytes, or 1 to %d of them", VALUE_MOST, VALUES_MOST);
	return false;
}

static bool
test_holds(const struct test *t, const struct source_event *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->values[i], e->facts[t->fact]) == 0)
			return true;
	return false;
}
