/* password_rules: which new passwords are refused, after NIST SP 800-63B-4, section 3.1.1.2: too short,
 * too long, or to be expected. Nothing is asked of what a password is composed of. Pure.
 *
 * Refused is: one of a list of common passwords (common_passwords.h), also in capitals, twice in a row,
 * or with up to six digits and signs before or behind; what holds the user's name; a text of one to
 * three characters over and over; a run ("abcdefghij", "0987654321").
 *
 * Length is counted in characters (code points), whatever they are. What looks the same may be written
 * in two ways (NFC, NFD), and only the way it was set in is right: a keyboard gives the same bytes each
 * time, and a normalisation that changes with a version of Unicode would lock people out. */
#ifndef JWT_PASSWORD_RULES_H
#define JWT_PASSWORD_RULES_H

#include <stddef.h>

/* NULL: it may be used. Else what is wrong with it, for people: "must have 10 characters or more".
 * username NULL: nobody's. In static memory, or in `out`. */
const char *password_refused(
    const char *password, size_t min_characters, const char *username, char *out, size_t out_size);

#endif
