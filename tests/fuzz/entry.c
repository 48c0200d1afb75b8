/* entry: what lies in the volatile Redis, and sessions, are anybody's bytes. What is taken for ours reads
 * back as it was. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "database/cache/entry.h"
#include "database/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(n + (1 << 16));
	char *text = arena_strndup(a, (const char *)data, n);
	struct session s, again;
	struct entry e;

	if (entry_parse((const char *)data, n, &e)) {
		must(e.n <= n && e.n_tags <= ENTRY_TAGS_MOST);
		must(e.n == 0 || memcmp(e.value, data + n - e.n, e.n) == 0);
		must(entry_current(&e, e.tags, e.n_tags) || e.n_tags > 1);
	}
	if (session_read(text, &s)) {
		must(s.as_of_us >= 0);
		must(session_read(session_text(a, &s), &again));
		must(again.process == s.process && again.as_of_us == s.as_of_us);
		must(strcmp(again.store, s.store) == 0);
	}
	arena_free(&a);
	return 0;
}
