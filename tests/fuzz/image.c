/* image: any bytes as an executable, and as the record of an upgrade. What is read stays within its
 * bounds and is text that can be shown. */
#include <stdint.h>
#include <string.h>
#include "base/log.h"
#include "base/str.h"
#include "meta/upgrade_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct upgrade u;
	struct image i;

	if (image_parse(data, n, &i)) {
		must(strspn(i.id, "0123456789abcdef") == strlen(i.id));
		must(str_utf8_ok(i.version, strlen(i.version)));
	}
	if (upgrade_from_json(&u, (struct str){ (const char *)data, n }))
		json_decref(upgrade_to_json(&u, true));
	return 0;
}
