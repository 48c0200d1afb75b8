/* contract: see contract.h. Of JSON Schema it knows what parameters of a query need: type, enum,
 * minimum, maximum, minLength, maxLength, pattern, the format date-time, oneOf of such, and an array
 * of such for what may stand more than once. A keyword beyond these in a parameter's schema stops the
 * process at the first request: tests/unit/openapi.c is there before that. */
#include <regex.h>
#include <stdint.h>
#include <string.h>

#include "api/rest/contract.h"
#include "api/rest/pages.h"
#include "base/log.h"
#include "base/time.h"

#define ALTERNATIVES_MOST 2
#define PARAMETERS_MOST   24
#define ROUTES_MOST       64

struct shape { /* of one value */
	enum { SHAPE_TEXT, SHAPE_INTEGER, SHAPE_BOOLEAN, SHAPE_TIME, SHAPE_ENUM } kind;
	int64_t min, max;     /* of an integer; characters of a text */
	const json_t *values; /* SHAPE_ENUM */
	const char *pattern;  /* NULL: any */
	regex_t regex;
};

struct parameter {
	const char *name;
	bool many;
	size_t n_shapes;
	struct shape shapes[ALTERNATIVES_MOST];
};

struct operation {
	const struct route *route;
	size_t n;
	struct parameter parameters[PARAMETERS_MOST];
};

static json_t *doc; /* NULL: not read yet; stays: names and texts are its own */
static struct operation operations[ROUTES_MOST + 1];

static const struct operation *operation_of(const struct route *);
static void load(void);
static void load_operation(struct operation *, const struct route *);
static void load_shapes(struct parameter *, const json_t *);
static void load_shape(struct shape *, const json_t *);
static const json_t *resolved(const json_t *);
static bool fits(const struct shape *, const char *);
static const char *words(struct arena *, const struct parameter *);
static const char *words_of(struct arena *, const struct shape *);
static int64_t characters(const char *);

const char *
contract_path(struct arena *a, const struct route *r)
{
	const char *at = strstr(r->pattern, "ID"), *v1 = r->kind == OP_HEALTH ? "" : "/v1";

	if (at == NULL)
		return arena_printf(a, "%s%s", v1, r->pattern);
	return arena_printf(a, "%s%.*s{id}%s", v1, (int)(at - r->pattern), r->pattern, at + 2);
}

bool
contract_query(
    struct arena *a, const struct route *r, const struct param *params, size_t n, struct failure *f)
{
	const struct operation *o = n == 0 ? NULL : operation_of(r);

	for (size_t i = 0; i < n; i++) {
		const struct parameter *p = o->parameters, *end = p + o->n;
		bool again = false, good = false;

		while (p < end && strcmp(p->name, params[i].name) != 0)
			p++;
		if (p == end) {
			ops_violation(a, f, params[i].name, "is no parameter here");
			continue;
		}
		for (size_t k = 0; k < i; k++)
			again |= strcmp(params[k].name, params[i].name) == 0;
		for (size_t k = 0; k < p->n_shapes; k++)
			good |= fits(&p->shapes[k], params[i].value);
		if (again && !p->many)
			ops_violation(a, f, p->name, "may be given once");
		else if (!good)
			ops_violation(a, f, p->name, "must be %s", words(a, p));
	}
	return f->status == ST_OK;
}

static const struct operation *
operation_of(const struct route *r)
{
	const struct operation *o;

	if (doc == NULL)
		load();
	for (o = operations; o->route != r; o++)
		must(o->route != NULL);
	return o;
}

static void
load(void)
{
	const struct file *file = file_find("openapi.json");
	const struct route *r;
	struct json_error e;

	must(file != NULL);
	doc = json_read(file->bytes, file->n, &e);
	must(doc != NULL);
	for (size_t i = 0; (r = route_at(i)) != NULL; i++) {
		must(i < ROUTES_MOST);
		load_operation(&operations[i], r);
	}
}

static void
load_operation(struct operation *o, const struct route *r)
{
	struct arena *a = arena_new(4096);
	const json_t *item = json_object_get(json_object_get(doc, "paths"), contract_path(a, r));
	char method[8] = "";
	const json_t *one;
	size_t i;

	for (i = 0; r->method[i] != '\0' && i + 1 < sizeof(method); i++)
		method[i] = (char)(r->method[i] | 0x20);
	item = json_object_get(item, method);
	must(item != NULL);
	o->route = r;
	json_array_foreach(json_object_get(item, "parameters"), i, one)
	{
		const json_t *p = resolved(one);

		if (strcmp(json_string_value(json_object_get(p, "in")), "query") != 0)
			continue;
		must(o->n < PARAMETERS_MOST);
		o->parameters[o->n].name = json_string_value(json_object_get(p, "name"));
		load_shapes(&o->parameters[o->n++], json_object_get(p, "schema"));
	}
	arena_free(&a);
}

static void
load_shapes(struct parameter *p, const json_t *schema)
{
	const json_t *s = resolved(schema), *type = json_object_get(s, "type"), *one;
	size_t i;

	if (json_is_string(type) && strcmp(json_string_value(type), "array") == 0) {
		p->many = true;
		s = resolved(json_object_get(s, "items"));
	}
	if (json_object_get(s, "oneOf") == NULL) {
		load_shape(&p->shapes[p->n_shapes++], s);
		return;
	}
	json_array_foreach(json_object_get(s, "oneOf"), i, one)
	{
		must(p->n_shapes < ALTERNATIVES_MOST);
		load_shape(&p->shapes[p->n_shapes++], one);
	}
}

static void
load_shape(struct shape *out, const json_t *schema)
{
	static const char *const known[] = { "type", "enum", "minimum", "maximum", "minLength",
		"maxLength", "pattern", "format", "description", "default", "examples", NULL };
	const json_t *s = resolved(schema), *unused;
	const char *type = json_string_value(json_object_get(s, "type")),
		   *format = json_string_value(json_object_get(s, "format")), *key;
	bool integer = type != NULL && strcmp(type, "integer") == 0;
	const json_t *min = json_object_get(s, integer ? "minimum" : "minLength"),
		     *max = json_object_get(s, integer ? "maximum" : "maxLength");

	must(type != NULL);
	json_object_foreach((json_t *)(uintptr_t)s, key, unused)
	{
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], key) != 0)
			i++;
		if (known[i] == NULL)
			panic("the document of the API has a parameter with %s", key);
	}
	*out = (struct shape){ .kind = SHAPE_TEXT,
		.min = min != NULL ? json_integer_value(min)
		       : integer   ? INT64_MIN
		                   : 0,
		.max = max != NULL ? json_integer_value(max) : INT64_MAX,
		.values = json_object_get(s, "enum"),
		.pattern = json_string_value(json_object_get(s, "pattern")) };
	if (integer)
		out->kind = SHAPE_INTEGER;
	else if (strcmp(type, "boolean") == 0)
		out->kind = SHAPE_BOOLEAN;
	else if (out->values != NULL)
		out->kind = SHAPE_ENUM;
	else if (format != NULL && strcmp(format, "date-time") == 0)
		out->kind = SHAPE_TIME;
	if (out->pattern != NULL)
		must(regcomp(&out->regex, out->pattern, REG_EXTENDED | REG_NOSUB) == 0);
}

static const json_t *
resolved(const json_t *v)
{
	const char *ref = json_string_value(json_object_get(v, "$ref"));
	struct str rest, one;

	if (ref == NULL)
		return v;
	for (v = doc, rest = str_of(ref + 2); rest.n != 0;) {
		str_cut(rest, '/', &one, &rest);
		v = json_object_getn(v, one.p, one.n);
	}
	return resolved(v);
}

static bool
fits(const struct shape *s, const char *value)
{
	const json_t *one;
	int64_t v;
	size_t i;

	switch (s->kind) {
	case SHAPE_INTEGER:
		return str_i64(str_of(value), s->min, s->max, &v);
	case SHAPE_BOOLEAN:
		return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
	case SHAPE_TIME:
		return time_parse_rfc3339(str_of(value), &v);
	case SHAPE_ENUM:
		json_array_foreach(
		    s->values, i, one) if (strcmp(json_string_value(one), value) == 0) return true;
		return false;
	case SHAPE_TEXT:
		v = characters(value);
		return v >= s->min && v <= s->max &&
		       (s->pattern == NULL || regexec(&s->regex, value, 0, NULL, 0) == 0);
	}
	return false;
}

static const char *
words(struct arena *a, const struct parameter *p)
{
	const char *text = words_of(a, &p->shapes[0]);

	for (size_t i = 1; i < p->n_shapes; i++)
		text = arena_printf(a, "%s, or %s", text, words_of(a, &p->shapes[i]));
	return text;
}

static const char *
words_of(struct arena *a, const struct shape *s)
{
	const char *text = "";
	const json_t *one;
	size_t i;

	switch (s->kind) {
	case SHAPE_INTEGER:
		return arena_printf(a, "%lld to %lld", (long long)s->min, (long long)s->max);
	case SHAPE_BOOLEAN:
		return "true or false";
	case SHAPE_TIME:
		return "a time of RFC 3339";
	case SHAPE_ENUM:
		json_array_foreach(s->values, i, one) text =
		    arena_printf(a, "%s%s%s", text, i == 0 ? "" : ", ", json_string_value(one));
		return text;
	case SHAPE_TEXT:
		break;
	}
	if (s->max != INT64_MAX)
		text = arena_printf(
		    a, " of %lld to %lld characters", (long long)s->min, (long long)s->max);
	return arena_printf(a, "a text%s%s%s", text, s->pattern == NULL ? "" : " that matches ",
	    s->pattern == NULL ? "" : s->pattern);
}

static int64_t
characters(const char *s)
{
	int64_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}
