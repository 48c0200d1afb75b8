/* What a process left that had lost its mind: the file of its crash with any bytes, and any end of a
 * log. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "meta/evidence.h"
#include "node/crash.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct crash_file f;
	json_t *record = json_object(), *lines = evidence_log((const char *)p, n, n % 4);
	char *text;

	memset(&f, n > 0 ? p[0] : 0, sizeof(f));
	memcpy(&f, p, n < sizeof(f) ? n : sizeof(f));
	evidence_tell(record, &f);
	must(json_array_size(json_object_get(record, "backtrace")) <= CRASH_FRAMES);
	must(json_array_size(json_object_get(record, "calls")) <= CRASH_CALLS);
	must(json_array_size(lines) <= 32);
	json_object_set_new(record, "log", lines);
	text = json_dumps(record, JSON_COMPACT);
	must(text != NULL);
	free(text);
	json_decref(record);
	return 0;
}
