/* judged: on condition of which version a row is written that was judged before. What was judged is what
 * is written, whatever version the caller names: else he would name the next one, and what others (or he
 * himself, beside it) make of the row meanwhile would be changed by something that was judged on
 * another. */
#ifndef AUTH_JUDGED_H
#define AUTH_JUDGED_H

#include <stdint.h>

/* A version that no row has: what is asked under it takes no effect, and only the operation that has
 * done it before, which the store knows, is told that it was done. */
#define NO_VERSION INT64_MAX

/* asked 0: the caller names none; judged 0: there was no row. */
static inline uint64_t
judged_version(uint64_t asked, uint64_t judged)
{
	return judged != 0 && (asked == 0 || asked == judged) ? judged : NO_VERSION;
}

#endif
