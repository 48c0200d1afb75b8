/* fleet: which nodes of an answer: `GET /v1/fleet?state=READY`. Level 0 answers the whole fleet, a dozen
 * objects; what is left out is left out here. */
#include <string.h>

#include "api/rest/handling.h"

static void write_nodes(struct handling *, struct jw *, const char *, const json_t *);
static bool is_wanted(const struct handling *, const json_t *);
static bool is_same(const json_t *, const char *);

void
fleet_respond(struct handling *h, const json_t *fleet)
{
	const char *key;
	json_t *v;
	struct jw w;
	size_t n;
	char *p;

	jw_start(&w, h->a, 2048);
	jw_object(&w, NULL);
	json_object_foreach((json_t *)(uintptr_t)fleet, key, v)
	{
		if (json_is_array(v))
			write_nodes(h, &w, key, v);
		else
			jw_json(&w, key, v);
	}
	jw_close(&w, '}');
	p = jw_text(&w, &n);
	respond(h, h->op.route->status, p, n);
}

static void
write_nodes(struct handling *h, struct jw *w, const char *key, const json_t *nodes)
{
	const json_t *one;
	size_t i;

	jw_array(w, key);
	json_array_foreach(nodes, i, one)
	{
		if (is_wanted(h, one))
			jw_json(w, NULL, one);
	}
	jw_close(w, ']');
}

/* All filters must hold. */
static bool
is_wanted(const struct handling *h, const json_t *node)
{
	for (size_t i = 0; i < h->op.n_params; i++) {
		const struct param *p = &h->op.params[i];

		if (!is_same(json_object_get(node, p->name), p->value))
			return false;
	}
	return true;
}

static bool
is_same(const json_t *v, const char *text)
{
	int64_t n;

	if (json_is_integer(v))
		return str_i64(str_of(text), INT64_MIN, INT64_MAX, &n) &&
		       n == json_integer_value(v);
	return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}
