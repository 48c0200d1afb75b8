/* config_name: names of keys in the environment, and which name was meant where one is misspelt. */
#include "base/config_inside.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 64

static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b);

void
config_env_name(char *out, size_t size, const char *node, const char *key)
{
	snprintf(out, size, CONFIG_ENV_PREFIX "%s%s%s", node == NULL ? "" : node,
	    node == NULL ? "" : "_", key);
	for (; *out != '\0'; out++)
		*out = strchr(".-/", *out) != NULL ? '_' : (char)toupper((unsigned char)*out);
}

/* Near is: a third of it is otherwise, at most. */
void
config_near(struct config_near *n, const char *meant, const char *offered)
{
	size_t n_meant = strlen(meant), n_offered = strlen(offered), d;

	if (n_meant > NAME_MAX_BYTES || n_offered > NAME_MAX_BYTES)
		return;
	d = distance(meant, n_meant, offered, n_offered);
	if (d * 3 <= n_meant && (n->best == NULL || d < n->distance))
		*n = (struct config_near){ offered, d };
}

/* Damerau's: characters added, left out, replaced, or two neighbours exchanged. */
static size_t
distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t rows[3][NAME_MAX_BYTES + 1] = { 0 }, *before = rows[0], *last = rows[1],
					*now = rows[2], *spare;

	for (size_t j = 0; j <= n_b; j++)
		last[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		now[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			best = last[j] + 1 < best ? last[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[n_b];
}
