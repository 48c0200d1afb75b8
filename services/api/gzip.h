/* gzip: bodies of answers, made smaller (ops/gzip.h), and the entity tags of what they then are: another
 * representation has another strong tag (RFC 9110, 8.8.3.3), "3-gzip" for "3". */
#ifndef API_GZIP_H
#define API_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include "api/ops/gzip.h"

#define ETAG_MARKED 96 /* longer tags are none of ours */
/* "3" -> "3-gzip"; a weak tag may stand for both and stays. False: it is no tag that could be
 * marked. */
bool etag_mark(const char *tag, char out[ETAG_MARKED]);
bool etag_is_marked(const char *tags, size_t n); /* one of a list is */
void etag_unmark(char *tags);                    /* all of a list, in place */

#endif
