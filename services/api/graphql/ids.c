/* ids: global ids are base64 of "TYPE:id", as Relay's are. Clients must not look inside; we take them
 * with and without padding. */
#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "api/graphql/serving.h"
#include "base/id.h"
#include "base/log.h"

#define ID_MOST   256
#define NAME_MOST 64

char *
id_global(struct arena *a, const char *type, const char *id)
{
	const char *text = arena_printf(a, "%s:%s", type, id);
	size_t n = sodium_base64_ENCODED_LEN(strlen(text), sodium_base64_VARIANT_ORIGINAL);
	char *out = arena_alloc(a, n);

	return sodium_bin2base64(
	    out, n, (const unsigned char *)text, strlen(text), sodium_base64_VARIANT_ORIGINAL);
}

/* NULL: there is no such type. */
static const struct id_kind *
find_kind(const char *type)
{
	static const struct id_kind kinds[] = {
		{ "Task", "/tasks", false },
		{ "User", "/users", false },
		{ "Role", "/roles", true },
		{ "FleetNode", NULL, true },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

const struct id_kind *
id_kind_of(const char *type)
{
	const struct id_kind *k = find_kind(type);

	must(k != NULL);
	return k;
}

/* "TYPE:id", and where its id begins; false: it is no global id of ours. */
static bool
decode(const char *global, char text[ID_MOST + 1], const struct id_kind **kind, char **id)
{
	size_t n, len = strcspn(global, "=");

	if (strlen(global) > ID_MOST ||
	    sodium_base642bin((unsigned char *)text, ID_MOST, global, len, NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
		return false;
	text[n] = '\0';
	*id = strchr(text, ':');
	if (strlen(text) != n || *id == NULL || (*id)[1] == '\0')
		return false;
	*(*id)++ = '\0';
	return (*kind = find_kind(text)) != NULL;
}

/* UUIDs are written small. */
static const char *
own_form(const struct id_kind *kind, char *id)
{
	if (kind->named)
		return strlen(id) <= NAME_MOST && str_token_ok(str_of(id)) ? id : NULL;
	for (char *p = id; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return uuid_ok(id) ? id : NULL;
}

const char *
id_split(struct arena *a, const char *global, const struct id_kind **kind)
{
	char text[ID_MOST + 1], *id;

	if (!decode(global, text, kind, &id))
		return NULL;
	return own_form(*kind, arena_strdup(a, id));
}

const char *
id_of(struct arena *a, const struct id_kind *kind, const char *id)
{
	const struct id_kind *found;
	char text[ID_MOST + 1], *own;

	if (!decode(id, text, &found, &own) || found != kind)
		own = (char *)(uintptr_t)id;
	return own_form(kind, arena_strdup(a, own));
}

const char *
id_task(struct arena *a, const char *id)
{
	const char *own = id_of(a, id_kind_of("Task"), id);

	return own == NULL ? id : own;
}
