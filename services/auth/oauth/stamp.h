/* stamp: when, and a MAC over that and over what it was for: base64url text that only we can have
 * made, at that time, for exactly these parts. Pure: key and clock are arguments. */
#ifndef OAUTH_STAMP_H
#define OAUTH_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

#define STAMP_KEY 32
#define STAMP_LEN 48 /* base64url of 36 bytes: 6 of seconds since 1970, 30 of MAC */

void stamp_write(const uint8_t key[STAMP_KEY], const char *const *parts, size_t n_parts,
    int64_t at_us, char out[STAMP_LEN + 1]);
/* False: not made by us for these parts. */
bool stamp_read(const uint8_t key[STAMP_KEY], const char *const *parts, size_t n_parts,
    struct str text, int64_t *at_us) __attribute__((warn_unused_result));

#endif
