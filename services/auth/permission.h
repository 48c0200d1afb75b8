/* permission: does a granted pattern cover a permission? "*" covers all, "task.*" all that begins
 * with "task.", "*.read" all that ends with ".read", anything else only itself. Pure; rbac decides by
 * it, auth too when only the claims of the token are left. */
#ifndef AUTH_PERMISSION_H
#define AUTH_PERMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PERMISSION_LEN_MAX 200

/* A pattern is covered by what covers all that it stands for. */
static inline bool
permission_covers(const char *pattern, const char *permission)
{
	size_t n = strlen(pattern), have = strlen(permission);

	if (have == 0 || n == 0)
		return false;
	if (n == 1 && pattern[0] == '*')
		return true;
	if (pattern[0] == '*') /* "*.read" */
		return pattern[1] == '.' && have >= n &&
		       strcmp(permission + have - (n - 1), pattern + 1) == 0;
	if (pattern[n - 1] == '*')
		return n > 1 && pattern[n - 2] == '.' && strncmp(pattern, permission, n - 1) == 0 &&
		       permission[n - 1] != '\0';
	return strcmp(pattern, permission) == 0;
}

/* Is there a permission that both cover? */
static inline bool
permission_overlap(const char *a, const char *b)
{
	if (permission_covers(a, b) || permission_covers(b, a))
		return true;
	/* "task.*" and "*.read": task.read */
	return (a[0] == '*' && b[strlen(b) - 1] == '*' && b[0] != '*') ||
	       (b[0] == '*' && a[strlen(a) - 1] == '*' && a[0] != '*');
}

/* "task.read", "task.*", "*.read", "*": words of lower-case letters, digits, '_' and '-' with dots
 * between them; one star, alone, after the last dot, or before one word. */
static inline bool
permission_pattern_ok(const char *s)
{
	bool verb = s[0] == '*' && s[1] == '.';
	size_t word = 0;

	if (strcmp(s, "*") == 0)
		return true;
	if (strlen(s) > PERMISSION_LEN_MAX)
		return false;
	for (s += verb ? 2 : 0; *s != '\0'; s++) {
		if (*s == '.' && word > 0 && !verb)
			word = 0;
		else if (*s == '*' && word == 0 && s[1] == '\0' && !verb && s[-1] == '.')
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
