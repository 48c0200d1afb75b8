/* names: what the other domains call created_at is createdAt here. Pure. */
#include <ctype.h>
#include <string.h>

#include "api/graphql/serving.h"

const char *
name_there(struct arena *a, const char *name)
{
	const char *at = name;
	char *out, *p;

	while (*at != '\0' && !isupper((unsigned char)*at))
		at++;
	if (*at == '\0')
		return name; /* mostly: this is asked of each field of each object */
	out = p = arena_alloc(a, 2 * strlen(name) + 1);
	for (; *name != '\0'; name++) {
		if (isupper((unsigned char)*name))
			*p++ = '_';
		*p++ = (char)tolower((unsigned char)*name);
	}
	*p = '\0';
	return out;
}

static char *
camel(char *p, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool up = name[i] == '_' && i + 1 < n && islower((unsigned char)name[i + 1]);

		*p++ = up ? (char)toupper((unsigned char)name[++i]) : name[i];
	}
	return p;
}

const char *
name_here(struct arena *a, const char *name)
{
	char *out = arena_alloc(a, strlen(name) + 1);

	*camel(out, name, strlen(name)) = '\0';
	return out;
}

/* A pointer's names are ours as far as the schema types what it points into: below that they are the
 * client's own. */
const char *
name_of_violation(struct arena *a, const char *field)
{
	static const char *const params[][2] = { { "limit", "first" }, { "cursor", "after" },
		{ "label", "labels" } };
	const char *rest = field;
	char *out, *p;
	int typed;

	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
		if (strcmp(field, params[i][0]) == 0)
			return params[i][1];
	if (field[0] != '/')
		return name_here(a, field);
	if (strncmp(field, "/tasks", 6) == 0 && (field[6] == '/' || field[6] == '\0'))
		return arena_printf(a, "/input%s", field + 6); /* of a bulk create */
	out = p = arena_alloc(a, strlen(field) + 1);
	for (typed = strncmp(field, "/requirements/", 14) == 0 ? 3 : 1; typed > 0 && *rest == '/';
	     typed--) {
		size_t n = 1 + strcspn(rest + 1, "/");

		p = camel(p, rest, n);
		rest += n;
	}
	stpcpy(p, rest);
	return out;
}
