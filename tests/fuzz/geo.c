/* geo: a file of networks is read or refused; what it says is found within its bounds. */
#include <stdlib.h>
#include <string.h>
#include "auth/geo.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct geo_place p;
	struct geo *g;
	char err[200], address[65];
	size_t n = size < 64 ? size : 64;

	g = geo_parse((const char *)data, size, err, sizeof(err));
	must(g != NULL || err[0] != '\0');
	if (g == NULL)
		return 0;
	memcpy(address, data, n); /* often one of the networks */
	address[n] = '\0';
	address[strcspn(address, "/,\n")] = '\0';
	if (geo_find(g, address, &p))
		must(p.latitude >= -90 && p.latitude <= 90 && p.longitude >= -180 &&
		     p.longitude <= 180 && geo_km(p, p) < 1);
	geo_free(&g);
	return 0;
}
