/* once: small secret files that are created completely or not at all, by whoever is first. Two
 * processes that race end with the same content: a temporary file, fsync, then link(2), which never
 * replaces. All of it blocks for well under a millisecond and happens at start, on reload, and at
 * most once a second otherwise. */
#ifndef JWT_ONCE_H
#define JWT_ONCE_H

#include <stdbool.h>
#include <stddef.h>

enum once { ONCE_MADE, ONCE_THERE, ONCE_FAILED };

/* The directory with its parents, mode 0700. False: err says what is wrong and what to do. */
bool once_dir(const char *path, char *err, size_t err_size) __attribute__((warn_unused_result));
/* Mode 0600, durable when it returns. */
enum once once_write(const char *path, const void *p, size_t n, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* The same in the place of what is there (rename(2)): whoever reads finds the old or the new one. */
enum once once_replace(const char *path, const void *p, size_t n, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* Removes what makers that were killed left in a directory: temporary files older than a minute. */
void once_clean(const char *dir);
/* Into memory of sodium_malloc, NUL-ended (the NUL isn't counted); the caller releases it with
 * sodium_free. NULL with err "": no such file. NULL otherwise: unreadable, larger than `most`, or
 * open to others than its owner. */
char *once_read(const char *path, size_t most, size_t *n, char *err, size_t err_size)
    __attribute__((warn_unused_result));

#endif
