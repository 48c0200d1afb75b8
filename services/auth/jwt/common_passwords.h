/* common_passwords: a list of passwords that many people have, put into the program when it is built
 * (scripts/gen-common-passwords.awk, from the list of Debian's john-data, which is in the public
 * domain). */
#ifndef JWT_COMMON_PASSWORDS_H
#define JWT_COMMON_PASSWORDS_H

#include <stddef.h>

#define COMMON_PASSWORD_MAX 16 /* with its NUL */

/* Lower case, sorted by bytes, each once. */
extern const char common_passwords[][COMMON_PASSWORD_MAX];
extern const size_t common_passwords_n;

#endif
