/* part: see part.h. What is asked for most stands first. */
#include "api/part.h"

#include <string.h>

#include "api/ops/web.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static size_t find(const char *const *, size_t, const char *, size_t);

enum { OTHER, ENTRY, OAUTH, PLAIN };

/* The first word of a path; of those below /v1 the second. */
static const char *const plain[] = { "livez", "readyz", "metrics", "health", "graphql", "ui",
	"docs", "openapi.json" };
static const char *const below[] = { "tasks", "auth", "me", "requests", "events", "ws", "blobs",
	"users", "roles", "groups", "grants", "fleet", "sessions", "api-keys", "audit", "traces",
	"errors", "crashes", "reliability", "settings", "chaos", "upgrade", "clients", "providers",
	"factors", "consents", "identities", "signing-keys", "policy", "decisions" };
#define BELOW (PLAIN + COUNT(plain))

_Static_assert(BELOW + COUNT(below) <= PARTS_MOST, "they have numbers below PARTS_MOST");

size_t
part_of(const char *path)
{
	static const char v1[] = "/v1/";
	bool versioned = strncmp(path, v1, sizeof(v1) - 1) == 0;
	const char *word = path + (versioned ? sizeof(v1) - 1 : path[0] == '/');
	size_t n = strcspn(word, "/:"), i;

	if (versioned)
		return (i = find(below, COUNT(below), word, n)) == COUNT(below) ? OTHER : BELOW + i;
	if (web_path(path) != NULL)
		return OAUTH;
	if (strcmp(path, "/") == 0 || strcmp(path, "/v1") == 0)
		return ENTRY;
	return (i = find(plain, COUNT(plain), word, n)) == COUNT(plain) ? OTHER : PLAIN + i;
}

const char *
part_name(size_t part)
{
	static const char *const apart[] = {
		[OTHER] = "other", [ENTRY] = "index", [OAUTH] = "oauth"
	};

	return part < PLAIN                  ? apart[part]
	       : part < BELOW                ? plain[part - PLAIN]
	       : part < BELOW + COUNT(below) ? below[part - BELOW]
	                                     : apart[OTHER];
}

static size_t
find(const char *const *names, size_t n_names, const char *word, size_t n)
{
	size_t i = 0;

	while (i < n_names && (strncmp(names[i], word, n) != 0 || names[i][n] != '\0'))
		i++;
	return i;
}
