/* seal: what lies encrypted on disk or in a row: signing keys, secrets of second factors and of
 * outside providers. XChaCha20-Poly1305 (libsodium) with a key per purpose, derived from the fleet's
 * one sealing key, which lies apart from what it seals (key `seal_key`: a file of 64 hex digits, mode
 * 0600, the same for jwt and oauth, that the operator may put where backups don't go; default: seal.key
 * in the directory above signing_dir, so VAR/secrets/seal.key).
 *
 * A sealed text is "v1." and base64url of nonce and ciphertext; `purpose` and `name` are authenticated,
 * so that nothing sealed for one thing opens as another. */
#ifndef JWT_SEAL_H
#define JWT_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"

struct seal;

/* Makes the key when there is none; of two makers one wins. NULL: err says what to do. */
struct seal *
seal_load(const char *path, char *err, size_t err_size) __attribute__((warn_unused_result));
void seal_free(struct seal **s);
char *seal_text(struct arena *a, const struct seal *s, const char *purpose, const char *name,
    const void *p, size_t n);
/* In memory of sodium_malloc, NUL-ended (not counted); the caller releases it with sodium_free. NULL:
 * not sealed by this key for this purpose and name. */
char *seal_open(const struct seal *s, const char *purpose, const char *name, const char *text,
    size_t *n) __attribute__((warn_unused_result));

#endif
