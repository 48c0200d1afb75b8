/* value: making values, and writing them as JSON. */
#include <string.h>

#include "api/graphql/engine/type.h"

struct gql_value
gql_null(void)
{
	return (struct gql_value){ .kind = GQL_NULL };
}

struct gql_value
gql_bool(bool v)
{
	return (struct gql_value){ .kind = GQL_BOOL, .boolean = v };
}

struct gql_value
gql_int(int64_t v)
{
	return (struct gql_value){ .kind = GQL_INT, .integer = v };
}

struct gql_value
gql_float(double v)
{
	return (struct gql_value){ .kind = GQL_FLOAT, .real = v };
}

struct gql_value
gql_string(const char *s)
{
	return s == NULL ? gql_null() : gql_stringn(s, strlen(s));
}

struct gql_value
gql_stringn(const char *s, size_t n)
{
	return (struct gql_value){ .kind = GQL_STRING, .n = (uint32_t)n, .text = s };
}

struct gql_value
gql_list(const struct gql_value *items, size_t n)
{
	return (struct gql_value){ .kind = GQL_LIST, .n = (uint32_t)n, .list = items };
}

struct gql_value
gql_object(const void *object)
{
	if (object == NULL)
		return gql_null();
	return (struct gql_value){ .kind = GQL_OBJECT, .object = object };
}

struct gql_value
gql_json(const json_t *v)
{
	if (v == NULL || json_is_null(v))
		return gql_null();
	return (struct gql_value){ .kind = GQL_JSON, .json = v };
}

struct gql_value
gql_failed(const struct failure *f)
{
	return (struct gql_value){ .kind = GQL_FAILED, .failure = f };
}

struct gql_value
gql_member(const struct gql_value *map, const char *name)
{
	if (map->kind == GQL_MAP)
		for (uint32_t i = 0; i < map->map->type->n_inputs; i++)
			if (strcmp(map->map->type->inputs[i].name, name) == 0)
				return map->map->members[i];
	return (struct gql_value){ .kind = GQL_ABSENT };
}

void
gql_value_write(struct jw *w, const char *key, const struct gql_value *v)
{
	gql_value_write_as(w, key, v, NULL);
}

static void
write_map(struct jw *w, const struct gql_map *m, gql_name_fn *rename)
{
	for (uint32_t i = 0; i < m->type->n_inputs; i++) {
		const char *name = m->type->inputs[i].name;

		if (m->members[i].kind != GQL_ABSENT)
			gql_value_write_as(
			    w, rename == NULL ? name : rename(w->a, name), &m->members[i], rename);
	}
}

/* Recurses over lists and input objects only: parser or JSON reader have bounded their depth. */
void
gql_value_write_as(struct jw *w, const char *key, const struct gql_value *v, gql_name_fn *rename)
{
	switch (v->kind) {
	case GQL_BOOL:
		jw_bool(w, key, v->boolean);
		break;
	case GQL_INT:
		jw_int(w, key, v->integer);
		break;
	case GQL_FLOAT:
		jw_num(w, key, v->real);
		break;
	case GQL_STRING:
	case GQL_ENUM:
		jw_strn(w, key, v->text, v->n);
		break;
	case GQL_LIST:
		jw_array(w, key);
		for (uint32_t i = 0; i < v->n; i++)
			gql_value_write_as(w, NULL, &v->list[i], rename);
		jw_close(w, ']');
		break;
	case GQL_MAP:
		jw_object(w, key);
		write_map(w, v->map, rename);
		jw_close(w, '}');
		break;
	case GQL_JSON:
		jw_json(w, key, v->json);
		break;
	case GQL_RAW:
		jw_raw(w, key, v->text, v->n);
		break;
	case GQL_ABSENT:
	case GQL_NULL:
	case GQL_OBJECT:
	case GQL_FAILED:
	case GQL_PENDING:
		jw_null(w, key);
		break;
	}
}
