/* network: see network.h. */
#include "auth/network.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void
network_of(const char *address, char out[NETWORK_LEN])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct in6_addr a;

	(void)snprintf(out, NETWORK_LEN, "%s", address);
	if (inet_pton(AF_INET6, address, &a) != 1)
		return;
	if (memcmp(&a, mapped, sizeof(mapped)) == 0) {
		(void)inet_ntop(AF_INET, a.s6_addr + sizeof(mapped), out, NETWORK_LEN);
		return;
	}
	memset(a.s6_addr + 8, 0, 8);
	(void)inet_ntop(AF_INET6, &a, out, NETWORK_LEN);
}
