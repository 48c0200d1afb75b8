/* sf: the reader of structured fields ends, and what it says of a field lies within it. */
#include <string.h>
#include "base/log.h"
#include "base/sf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(64 << 20);
	char *copy = arena_alloc(a, size + 1);
	struct sf_item item, again;

	memcpy(copy, data, size);
	if (sf_item_read(a, (struct str){ copy, size }, &item)) {
		must(item.n <= SF_PARAMS_MOST);
		must(item.value.text.n <= size);
		for (size_t i = 0; i < item.n; i++)
			must(item.params[i].key.n != 0 && item.params[i].value.text.n <= size);
		/* Blanks around it change nothing; anything else behind it does. */
		copy[size] = ' ';
		must(sf_item_read(a, (struct str){ copy, size + 1 }, &again) && again.n == item.n);
		copy[size] = ',';
		must(!sf_item_read(a, (struct str){ copy, size + 1 }, &again));
	}
	arena_free(&a);
	return 0;
}
