/* keyfile: a signing key on disk: NAME.key, sealed (seal.h, purpose "signing key", under its own name,
 * so that a file that was renamed or exchanged doesn't open). Inside: when it was made, and PKCS#8.
 *
 * NAME.pem is of an older version, or a public key that somebody put there. One with a private part is
 * taken over: sealed as NAME.key, then removed; a crash between leaves both, which the next one to open
 * the directory finishes. */
#ifndef JWT_KEYFILE_H
#define JWT_KEYFILE_H

#include "auth/jwt/jws.h"
#include "auth/jwt/once.h"
#include "auth/jwt/seal.h"

struct keyfile {
	struct jws_key *key; /* the reader's */
	int64_t made_us;
};

/* path: of NAME.key. False: err says why, and is "" when there is none (any more). */
bool keyfile_read(const char *path, const struct seal *s, struct keyfile *out, char *err,
    size_t err_size) __attribute__((warn_unused_result));
enum once keyfile_write(const char *path, const struct seal *s, const struct keyfile *k, char *err,
    size_t err_size) __attribute__((warn_unused_result));
/* Any NAME.pem: *out as above; *sealed: there is NAME.key in its place now. */
bool keyfile_take_over(const char *path, const struct seal *s, struct keyfile *out, bool *sealed,
    char *err, size_t err_size) __attribute__((warn_unused_result));

#endif
