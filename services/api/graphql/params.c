/* params: the parameters of a GraphQL-over-HTTP request, out of a query string or a JSON body. Foreign
 * bytes. What is not known is passed over; what is known and of the wrong type is not well-formed. */
#include <string.h>

#include "api/graphql/http.h"
#include "base/json.h"

static bool read_pair(struct params *, struct str);
static bool take_text(struct params *, const char *, const char *);
static bool take_json(struct params *, const char *, const char *, size_t);
static bool take_value(struct params *, const char *, const json_t *);
static bool take_extensions(struct params *, const json_t *);
static bool complete(struct params *);
static bool bad(struct params *, const char *, const char *);

bool
params_of_query(struct params *p, const char *query)
{
	struct str rest = str_of(query), one;

	while (rest.n != 0) {
		str_cut(rest, '&', &one, &rest);
		if (one.n != 0 && !read_pair(p, one))
			return false;
	}
	return complete(p);
}

static bool
read_pair(struct params *p, struct str pair)
{
	struct str name, value;
	size_t n_name, n;
	char *key, *text;

	str_cut(pair, '=', &name, &value);
	key = str_percent_decode(p->a, name, true, &n_name);
	text = str_percent_decode(p->a, value, true, &n);
	if (key == NULL || text == NULL || !str_utf8_ok(text, n))
		return bad(p, "the query string", "has a bad escape, or a value that is no UTF-8");
	if (n == 0)
		return true; /* as if it were not there */
	if (strcmp(key, "variables") == 0 || strcmp(key, "extensions") == 0)
		return take_json(p, key, text, n);
	return take_text(p, key, text);
}

static bool
take_text(struct params *p, const char *name, const char *text)
{
	if (strcmp(name, "query") == 0)
		p->ask->query = text;
	else if (strcmp(name, "operationName") == 0)
		p->ask->operation_name = text;
	else if (strcmp(name, "documentId") == 0)
		p->ask->document_id = text;
	return true;
}

static bool
take_json(struct params *p, const char *name, const char *text, size_t n)
{
	struct json_error e;
	json_t **own = &p->own[strcmp(name, "extensions") == 0];

	if (*own != NULL)
		return bad(p, name, "may be given once");
	if ((*own = json_read(text, n, &e)) == NULL)
		return bad(p, name, "is no JSON");
	return take_value(p, name, *own);
}

bool
params_of_body(struct params *p, const void *body, size_t n)
{
	struct json_error e;
	json_t *v = p->own[0] = json_read(body, n, &e);

	if (v == NULL) {
		p->wrong = arena_printf(
		    p->a, "The body is no JSON: line %d, column %d: %s.", e.line, e.column, e.what);
		return false;
	}
	if (!json_is_object(v))
		return bad(p, "the body", "must be a JSON object");
	return params_of_json(p, v);
}

bool
params_of_json(struct params *p, const json_t *v)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)v, key, member)
	{
		if (!take_value(p, key, member))
			return false;
	}
	return complete(p);
}

/* null is as if it were not there. */
static bool
take_value(struct params *p, const char *name, const json_t *v)
{
	static const char *const texts[] = { "query", "operationName", "documentId" };

	if (json_is_null(v))
		return true;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i]) == 0)
			return json_is_string(v) ? take_text(p, name, json_string_value(v))
			                         : bad(p, name, "must be a string");
	if (strcmp(name, "variables") == 0) {
		p->ask->variables = v;
		return json_is_object(v) || bad(p, name, "must be a JSON object");
	}
	if (strcmp(name, "extensions") == 0)
		return json_is_object(v) ? take_extensions(p, v)
		                         : bad(p, name, "must be a JSON object");
	return true;
}

/* {"persistedQuery":{"version":1,"sha256Hash":"..."}}: what many clients send for a documentId. */
static bool
take_extensions(struct params *p, const json_t *v)
{
	const json_t *known = json_object_get(v, "persistedQuery"),
		     *hash = json_object_get(known, "sha256Hash");

	if (known == NULL)
		return true;
	if (json_integer_value(json_object_get(known, "version")) != 1 || !json_is_string(hash))
		return bad(p, "extensions.persistedQuery", "must have version 1 and sha256Hash");
	p->ask->document_id = arena_printf(p->a, "sha256:%s", json_string_value(hash));
	p->ask->apq = true;
	return true;
}

static bool
complete(struct params *p)
{
	if (p->ask->query == NULL && p->ask->document_id == NULL)
		return bad(p, "query", "is required");
	return true;
}

static bool
bad(struct params *p, const char *what, const char *why)
{
	p->wrong = arena_printf(p->a, "%s %s.", what, why);
	return false;
}
