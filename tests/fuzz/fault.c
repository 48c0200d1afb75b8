/* fault: what an operator, or whoever holds the permission, may write as a fault specification. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char err[200] = "", *spec = malloc(n + 1);
	struct fault_set *f;
	struct fault_point *point;

	must(spec != NULL);
	memcpy(spec, p, n);
	spec[n] = '\0';
	f = fault_parse(spec, 1, err, sizeof err);
	must((f == NULL) == (err[0] != '\0'));
	if (f != NULL && (point = fault_point(f, "mf.Sql", "Read")) != NULL)
		(void)fault_draw(point);
	fault_free(&f);
	free(spec);
	return 0;
}
