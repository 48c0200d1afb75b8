/* public: the public socket. The guard binds it; `api` gets it as a descriptor. */
#ifndef META_PUBLIC_H
#define META_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080". Beyond loopback only with TLS, by api or by a
 * proxy: err says what to do. */
bool public_check(const char *address, bool encrypted, char *err, size_t n)
    __attribute__((warn_unused_result));
int public_open(const char *address, char *err, size_t n)
    __attribute__((warn_unused_result));       /* -1: err */
bool public_name(int fd, char *out, size_t n); /* where it really listens; false: it does not */

#endif
