/* address: who a client is, as far as its network address tells. Pure.
 *
 * For one IPv6 client a /64 costs nothing: where clients are counted or limited, all its addresses
 * are one (address_client). */
#ifndef API_ADDRESS_H
#define API_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/str.h"

struct address {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d; all 0: a unix socket, or nobody knows */
};
#define ADDRESS_TEXT 46 /* with NUL */

struct address address_of(const struct sockaddr *sa, socklen_t n);
bool address_parse(struct str text, struct address *out);            /* without port and brackets */
void address_write(const struct address *a, char out[ADDRESS_TEXT]); /* "" for all 0 */
bool address_same(const struct address *a, const struct address *b);
bool address_local(const struct address *a);            /* loopback, or no network at all */
struct address address_client(const struct address *a); /* IPv6: the /64 it is in */

/* Networks: "10.0.0.0/8, 192.0.2.7, fd00::/8, local"; "local" is what address_local says. */
#define NETWORKS_MOST 32
struct networks {
	size_t n;
	bool local;
	struct network {
		struct address of;
		uint8_t bits; /* of 128 */
	} all[NETWORKS_MOST];
};
bool networks_parse(struct networks *out, const char *text); /* false: some entry is none */
bool networks_have(const struct networks *ns, const struct address *a);

/* Whom a request is from: `peer` sent it; proxies that we trust wrote into X-Forwarded-For whom
 * they had it from, the nearest last. A word that is no address ends the belief: then it is whoever
 * wrote it. */
struct address
forwarded_by(const struct address *peer, struct str forwarded_for, const struct networks *trusted);

#endif
