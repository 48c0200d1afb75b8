/* part: which part of the API a path is of. A bounded set, whatever clients ask for: what is counted
 * of requests is labelled with it. Pure. */
#ifndef API_PART_H
#define API_PART_H

#include <stddef.h>

#define PARTS_MOST 48

/* Of a path as it was decoded; 0: of none of them ("other"). Below PARTS_MOST. */
size_t part_of(const char *path);
const char *part_name(size_t part);

#endif
