/* zone: what a clock on the wall shows in a named zone. The rules are those of the machine's tz
 * database (TZif, RFC 8536), read once per name; nothing of libc's process-wide zone is touched. */
#ifndef RBAC_ZONE_H
#define RBAC_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone;

/* "UTC", "+02:00", "-03:30", or an IANA name ("Europe/Berlin"). NULL: there is none of that name, or
 * what is there is no file of transitions. Kept until the process ends. */
const struct zone *zone_find(const char *name);
/* Seconds east of UTC at that time. False: the file says nothing of it (beyond its last transition
 * where the rules go on in another form). */
bool zone_offset(const struct zone *z, int64_t unix_s, int32_t *offset);
/* For tests and fuzzers: a zone of these bytes. NULL: they are no TZif file. */
struct zone *zone_parse(const uint8_t *p, size_t n);
void zone_free(struct zone **z);

#endif
