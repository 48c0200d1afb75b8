/* permission: does a granted pattern cover a permission? "*" covers all, "task.*" all that begins
 * with "task.", anything else only itself. Pure; rbac decides by it, auth too when only the claims
 * of the token are left. */
#ifndef AUTH_PERMISSION_H
#define AUTH_PERMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PERMISSION_LEN_MAX 200

static inline bool
permission_covers(const char *pattern, const char *permission)
{
	size_t n = strlen(pattern);

	if (permission[0] == '\0' || n == 0)
		return false;
	if (pattern[n - 1] != '*')
		return strcmp(pattern, permission) == 0;
	if (n == 1)
		return true;
	return pattern[n - 2] == '.' && strncmp(pattern, permission, n - 1) == 0 &&
	       permission[n - 1] != '\0';
}

/* "task.read", "task.*", "*": words of lower-case letters, digits, '_' and '-' with dots between
 * them; a star only at the end, alone or after a dot. */
static inline bool
permission_pattern_ok(const char *s)
{
	size_t word = 0;

	if (strcmp(s, "*") == 0)
		return true;
	if (strlen(s) > PERMISSION_LEN_MAX)
		return false;
	for (; *s != '\0'; s++) {
		if (*s == '.' && word > 0)
			word = 0;
		else if (*s == '*' && word == 0 && s[1] == '\0' && s[-1] == '.')
			return true;
		else if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_' ||
			 *s == '-')
			word++;
		else
			return false;
	}
	return word > 0;
}

#endif
