/* method: lookups in the table generated from proto/. For init: callers keep the pointer. */
#include <string.h>
#include "bus/bus.h"

const struct method_info *
method_find(const char *service, const char *method)
{
	for (const struct method_info *m = method_table; m->service != NULL; m++)
		if (strcmp(m->service, service) == 0 && strcmp(m->method, method) == 0)
			return m;
	return NULL;
}
