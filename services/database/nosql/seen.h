/* seen: documents as they were when they were last written from here, so that an update need not ask first.
 * A guess: the script that writes compares. Bounded; lost with the process. */
#ifndef NOSQL_SEEN_H
#define NOSQL_SEEN_H

#include <stdbool.h>
#include <stddef.h>

/* NULL: not seen. Good until the next call here. */
const char *seen_get(const char *key, size_t *n);
void seen_put(const char *key, const char *raw, size_t n);
void seen_forget(const char *key);
void seen_free(void);

#endif
