/* contract: see contract.h. A table of operations beside that of routes: what each takes, as schemas. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "api/rest/contract.h"
#include "api/rest/pages.h"
#include "base/schema.h"
#include "base/log.h"

#define PARAMETERS_MOST 24
#define ROUTES_MOST     128
#define PARAMETER_TYPES (SCHEMA_STRING | SCHEMA_INTEGER | SCHEMA_BOOLEAN)

struct parameter {
	enum { IN_QUERY, IN_HEADER, IN_PATH } in;
	const char *name;
	bool many;
	const struct schema *schema; /* of one */
};

struct operation {
	const struct route *route;
	const struct schema *body, *member; /* NULL: takes none; is no bulk */
	const struct deprecation *deprecation;
	size_t n;
	struct parameter parameters[PARAMETERS_MOST];
};

struct loading {
	struct schemas schemas;
	const json_t *doc;
	const char *path, *method;
};

static struct arena *kept;           /* all of it; NULL: not loaded yet */
static struct operation *operations; /* as route_at counts */

static void load_operation(struct loading *, struct operation *, const struct route *);
static void load_parameter(struct loading *, struct parameter *, const json_t *);
static void load_body(struct loading *, struct operation *, const json_t *);
static const struct schema *compiled(struct loading *, const json_t *);
static const struct schema *member_of(const struct schema *);
static const struct operation *operation_of(const struct route *);
static const struct parameter *parameter_of(const struct operation *, int, const char *);

void
contract_load(void)
{
	const struct file *file = file_find("openapi.json");
	struct json_error e;
	json_t *doc;

	if (kept != NULL)
		return;
	must(file != NULL);
	doc = json_read(file->bytes, file->n, &e);
	if (doc == NULL)
		panic("the document of the API, line %d: %s", e.line, e.what);
	contract_use(doc);
	json_decref(doc);
}

/* The schemas stay as long as the process; of the document they keep lists of values alone. */
void
contract_use(const json_t *doc)
{
	struct loading l = { .schemas.doc = doc, .doc = doc };
	const struct route *r;

	must(kept == NULL);
	l.schemas.a = kept = arena_new(1 << 20);
	operations = ARENA_ARRAY(l.schemas.a, struct operation, ROUTES_MOST + 1);
	for (size_t i = 0; (r = route_at(i)) != NULL; i++) {
		must(i < ROUTES_MOST);
		load_operation(&l, &operations[i], r);
	}
}

const struct deprecation *
contract_deprecation(const struct route *r)
{
	return operation_of(r)->deprecation;
}

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
		const struct parameter *p = parameter_of(o, IN_QUERY, params[i].name);
		const char *wrong;
		bool again = false;

		if (p == NULL) {
			failure_violation(a, f, params[i].name, "is no parameter here");
			continue;
		}
		for (size_t k = 0; k < i; k++)
			again |= strcmp(params[k].name, params[i].name) == 0;
		if (again && !p->many)
			failure_violation(a, f, p->name, "may be given once");
		else if ((wrong = schema_check_text(a, p->schema, params[i].value)) != NULL)
			failure_violation(a, f, p->name, "%s", wrong);
	}
	return f->status == ST_OK;
}

bool
contract_header(
    struct arena *a, const struct route *r, const char *name, const char *value, struct failure *f)
{
	const struct parameter *p = parameter_of(operation_of(r), IN_HEADER, name);
	const char *wrong = p == NULL ? NULL : schema_check_text(a, p->schema, value);

	if (wrong != NULL)
		failure_violation(a, f, p->name, "%s", wrong);
	return wrong == NULL;
}

/* In a path a UUID counts in any case. */
bool
contract_id(struct arena *a, const struct route *r, const char *id)
{
	const struct parameter *p = parameter_of(operation_of(r), IN_PATH, "id");
	char *lower = arena_strdup(a, id);

	for (char *c = lower; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return p == NULL || schema_check_text(a, p->schema, lower) == NULL;
}

bool
contract_body(struct arena *a, const struct route *r, const json_t *body, struct failure *f)
{
	const struct operation *o = operation_of(r);
	const struct schema_rules rules = { .set = r->of != NULL ? r->of->fields : NULL,
		.patch = r->kind == OP_UPDATE,
		.strict = true };

	if (o->body == NULL)
		return true;
	if (body == NULL) {
		failure_violation(a, f, "", "must be JSON, and is empty");
		return false;
	}
	return schema_check(a, o->body, body, &rules, f);
}

void
contract_members(
    struct arena *a, const struct route *r, const json_t *members, const struct failure **refused)
{
	const struct operation *o = operation_of(r);
	const struct schema_rules rules = { .set = r->of->fields, .strict = true };
	const json_t *one;
	size_t i;

	must(o->member != NULL);
	json_array_foreach(members, i, one)
	{
		struct failure f = { .status = ST_OK, .message = "", .reason = "" };

		if (refused[i] == NULL && !schema_check(a, o->member, one, &rules, &f))
			refused[i] = arena_dup(a, &f, sizeof(f));
	}
}

static const struct operation *
operation_of(const struct route *r)
{
	const struct operation *o;

	contract_load();
	for (o = operations; o->route != r; o++)
		must(o->route != NULL);
	return o;
}

static const struct parameter *
parameter_of(const struct operation *o, int in, const char *name)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct parameter *p = &o->parameters[i];

		if ((int)p->in == in &&
		    (in == IN_HEADER ? strcasecmp(p->name, name) : strcmp(p->name, name)) == 0)
			return p;
	}
	return NULL;
}

/* --- once --- */

static void
load_operation(struct loading *l, struct operation *o, const struct route *r)
{
	char method[8] = "";
	const json_t *item, *one;
	const char *wrong;
	size_t i;

	for (i = 0; r->method[i] != '\0' && i + 1 < sizeof(method); i++)
		method[i] = (char)(r->method[i] | 0x20);
	l->path = contract_path(l->schemas.a, r);
	l->method = r->method;
	item = json_object_get(json_object_get(json_object_get(l->doc, "paths"), l->path), method);
	if (item == NULL)
		panic("the document of the API has no %s %s", r->method, l->path);
	o->route = r;
	o->deprecation = deprecation_read(l->schemas.a, item, &wrong);
	if (wrong != NULL)
		panic("the document of the API, %s %s: %s", r->method, l->path, wrong);
	json_array_foreach(json_object_get(item, "parameters"), i, one)
	{
		must(o->n < PARAMETERS_MOST);
		load_parameter(l, &o->parameters[o->n++], one);
	}
	load_body(l, o, schema_resolve(l->doc, json_object_get(item, "requestBody")));
}

static void
load_parameter(struct loading *l, struct parameter *p, const json_t *v)
{
	const json_t *def = schema_resolve(l->doc, v);
	const char *in = json_string_value(json_object_get(def, "in"));

	must(in != NULL);
	p->in = in[0] == 'q' ? IN_QUERY : in[0] == 'h' ? IN_HEADER : IN_PATH;
	p->name = arena_strdup(l->schemas.a, json_string_value(json_object_get(def, "name")));
	p->schema = compiled(l, json_object_get(def, "schema"));
	if (p->schema->types == SCHEMA_ARRAY) {
		must(p->schema->items != NULL);
		p->many = true;
		p->schema = p->schema->items;
	}
	if ((p->schema->types & ~(unsigned)PARAMETER_TYPES) != 0)
		panic("the document of the API: %s %s: %s is no text, number or truth", l->method,
		    l->path, p->name);
}

/* Whatever its media type, a body is JSON of one schema; only a bulk comes in lines too, of the same
 * members. */
static void
load_body(struct loading *l, struct operation *o, const json_t *body)
{
	const json_t *content = json_object_get(body, "content"), *one;
	const char *type;

	json_object_foreach((json_t *)(uintptr_t)content, type, one)
	{
		const struct schema *s;

		if (op_is_bytes(o->route->kind))
			return; /* bytes have no shape */
		s = compiled(l, json_object_get(one, "schema"));

		if (member_of(s) != NULL) {
			if (o->member != NULL && o->member != member_of(s))
				panic("the document of the API: %s %s: %s has other members",
				    l->method, l->path, type);
			o->member = member_of(s);
		}
		if (strcmp(type, "application/x-ndjson") == 0)
			continue;
		if (o->body != NULL && o->body != s)
			panic("the document of the API: %s %s: %s has another schema", l->method,
			    l->path, type);
		o->body = s;
	}
}

static const struct schema *
compiled(struct loading *l, const json_t *schema)
{
	const struct schema *s = schema_compile(&l->schemas, schema);

	if (s == NULL)
		panic("the document of the API: %s %s: %s", l->method, l->path, l->schemas.wrong);
	return s;
}

/* x-each of the array itself, of the first array in an object, or of an alternative. */
static const struct schema *
member_of(const struct schema *s)
{
	const struct schema *found = s->each;

	for (size_t i = 0; found == NULL && i < s->n_members; i++)
		found = s->members[i].schema == NULL ? NULL : s->members[i].schema->each;
	for (size_t i = 0; found == NULL && i < s->one_of.n; i++)
		found = member_of(s->one_of.list[i]);
	return found;
}
