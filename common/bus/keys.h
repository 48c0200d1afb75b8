/* keys: the key of this node and the list of those it trusts, as read from their files (format:
 * secure.h). */
#ifndef BUS_KEYS_H
#define BUS_KEYS_H

#include <stdint.h>
#include "bus/secure.h"

/* public key of that name; NULL: not trusted */
const uint8_t *keys_find(const struct secure_id *id, const char *name);
const uint8_t *keys_public(const struct secure_id *id);
const uint8_t *keys_secret(const struct secure_id *id);

#endif
