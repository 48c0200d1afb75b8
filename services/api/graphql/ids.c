/* ids: global ids are base64 of "TYPE:id", as Relay's are. Clients must not look inside; we take them
 * with and without padding. */
#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "api/graphql/serving.h"
#include "base/id.h"

#define ID_MOST 256

char *
id_global(struct arena *a, const char *type, const char *id)
{
	const char *text = arena_printf(a, "%s:%s", type, id);
	size_t n = sodium_base64_ENCODED_LEN(strlen(text), sodium_base64_VARIANT_ORIGINAL);
	char *out = arena_alloc(a, n);

	return sodium_bin2base64(
	    out, n, (const unsigned char *)text, strlen(text), sodium_base64_VARIANT_ORIGINAL);
}

char *
id_split(struct arena *a, const char *global, const char **type)
{
	static const char *const types[] = { "Task", "FleetNode" };
	unsigned char text[ID_MOST + 1];
	size_t n, len = strcspn(global, "=");

	*type = "";
	if (strlen(global) > ID_MOST || sodium_base642bin(text, ID_MOST, global, len, NULL, &n,
					    NULL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
		return NULL;
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t k = strlen(types[i]);

		if (n <= k + 1 || strlen((char *)text) != n || text[k] != ':' ||
		    strncmp((char *)text, types[i], k) != 0)
			continue;
		*type = types[i];
		return arena_strdup(a, (char *)text + k + 1);
	}
	return NULL;
}

const char *
id_task(struct arena *a, const char *id)
{
	const char *type;
	char *raw = id_split(a, id, &type);

	if (raw == NULL || strcmp(type, "Task") != 0)
		raw = arena_strdup(a, id);
	for (char *p = raw; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return uuid_ok(raw) ? raw : id;
}
