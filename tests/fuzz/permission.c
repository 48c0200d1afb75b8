/* permission: any two texts as patterns. What is one covers itself, is covered by "*", and covers no
 * pattern that could mean more than itself. */
#include <stdint.h>
#include <string.h>
#include "auth/permission.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char a[2 * PERMISSION_LEN_MAX], b[2 * PERMISSION_LEN_MAX];
	size_t half = n / 2;

	if (n < 2 || half >= sizeof(a) || n - half >= sizeof(b))
		return 0;
	memcpy(a, p, half);
	a[half] = '\0';
	memcpy(b, p + half, n - half);
	b[n - half] = '\0';
	if (!permission_pattern_ok(a) || !permission_pattern_ok(b))
		return 0;
	must(strlen(a) <= PERMISSION_LEN_MAX);
	must(permission_covers(a, a) && permission_covers("*", a));
	if (strcmp(a, b) == 0)
		return 0;
	must(!permission_covers(a, b) || !permission_covers(b, a));
	must(!permission_covers(a, b) || strlen(a) < strlen(b) || strchr(b, '*') == NULL);
	must(permission_overlap(a, b) == permission_overlap(b, a));
	must(!permission_covers(a, b) || permission_overlap(a, b));
	return 0;
}
