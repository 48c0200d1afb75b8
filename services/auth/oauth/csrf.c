/* csrf: see csrf.h. */
#include "auth/oauth/csrf.h"
#include <string.h>

#define PARTS(b)                                                                                   \
	((const char *const[]){ "csrf", (b)->browser, (b)->session, (b)->page, (b)->about })
#define N_PARTS 5

void
csrf_write(
    const uint8_t key[STAMP_KEY], const struct csrf *b, int64_t now_us, char out[STAMP_LEN + 1])
{
	stamp_write(key, PARTS(b), N_PARTS, now_us, out);
}

bool
csrf_check(const uint8_t key[STAMP_KEY], const struct csrf *b, const char *token, int64_t now_us)
{
	int64_t at_us;

	return token != NULL && b->browser[0] != '\0' &&
	       stamp_read(key, PARTS(b), N_PARTS, str_of(token), &at_us) &&
	       now_us - at_us <= CSRF_LIFE_US;
}

/* "none": the user himself, by a reload of what a form answered; no page can bring that about. */
bool
csrf_from_here(const char *fetch_site, const char *origin, const char *base)
{
	if (fetch_site != NULL && strcmp(fetch_site, "same-origin") != 0 &&
	    strcmp(fetch_site, "none") != 0)
		return false;
	return origin == NULL || strcmp(origin, base) == 0;
}
