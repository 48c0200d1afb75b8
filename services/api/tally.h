/* tally: how many connections each client address has (address_client). No more entries than there
 * are connections. */
#ifndef API_TALLY_H
#define API_TALLY_H

#include "api/address.h"

struct tally_entry;
struct tally {
	struct tally_entry *by_address;
};

int64_t tally_of(const struct tally *t, const struct address *client);
struct tally_entry *tally_add(struct tally *t, const struct address *client);
void tally_sub(struct tally *t, struct tally_entry *e);

#endif
