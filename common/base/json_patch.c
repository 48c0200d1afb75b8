/* json_patch: the algorithm of RFC 7396, section 2, on jansson values. Depth is bounded by the
 * reader of both. */
#include "base/json_patch.h"
#include "base/log.h"

void
json_patch_merge(json_t *target, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value)
	{
		json_t *have = json_object_get(target, key);

		if (json_is_null(value)) {
			json_object_del(target, key);
		} else if (!json_is_object(value)) {
			must(json_object_set(target, key, value) == 0);
		} else {
			if (!json_is_object(have)) {
				must(json_object_set_new(target, key, json_object()) == 0);
				have = json_object_get(target, key);
			}
			json_patch_merge(have, value);
		}
	}
}
