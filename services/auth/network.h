/* network: what an address counts as where tries and rows of strangers are counted. Pure. */
#ifndef AUTH_NETWORK_H
#define AUTH_NETWORK_H

#define NETWORK_LEN 64

/* Who has one IPv6 address has a whole /64 of them; one that is mapped is IPv4. What is no address stays
 * as it is, cut. */
void network_of(const char *address, char out[NETWORK_LEN]);

#endif
