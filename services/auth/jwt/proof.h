/* proof: that who has a session is still he: his password once more, or a code of his second factor,
 * before something changes by which he could be locked out of his own account. Who fails too often has
 * to wait, in this session alone: a stolen session keeps nobody else from mending things. */
#ifndef JWT_PROOF_H
#define JWT_PROOF_H

#include "auth/jwt/deed.h"

/* He proved it within the last five minutes. */
bool proof_is_recent(const struct deed *k);
/* Body's `field` is the password of k->user (deed_user): goes on. Else the call fails, with a violation
 * of that field, or wrong (when not NULL) decides what becomes of it. */
void proof_password(struct deed *k, const char *field, void (*right)(struct deed *k),
    void (*wrong)(struct deed *k));
/* The same with a code of his confirmed factor, or a recovery code, which is used up by it. */
void proof_code(struct deed *k, const char *field, void (*right)(struct deed *k));
/* PROOF_LIMIT, and false: he has failed too often. */
bool proof_may_try(struct deed *k);
void proof_failed(struct deed *k, const char *field, const char *what);

#endif
