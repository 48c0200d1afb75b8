/* Query strings, entity tags, idempotency keys and paths of an agent. */
#include <stdint.h>
#include <string.h>
#include "api/ops/ops.h"
#include "api/rest/contract.h"
#include "api/rest/idempotency.h"
#include "api/rest/rest.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct failure f = { .message = "", .reason = "" };
	struct arena *a = arena_new(4 << 20);
	char *text = arena_strndup(a, (const char *)p, n);
	struct param *params;
	uint64_t version = 0;
	size_t k;

	if (n <= 8192 && query_parse(a, text, &params, &k, &f)) {
		must(k <= QUERY_MOST);
		for (size_t i = 0; i < k; i++)
			must(params[i].name[0] != '\0' &&
			     str_utf8_ok(params[i].value, strlen(params[i].value)));
		f = (struct failure){ .message = "", .reason = "" };
		must(contract_query(a, route_of(OP_LIST), params, k, &f) == (f.n_violations == 0));
	} else if (n <= 8192) {
		must(f.status == ST_INVALID_ARGUMENT);
	}
	if (etag_if_match(text, &version) == ETAG_VERSION)
		must(version != 0);
	(void)etag_if_none_match(text, "1");
	if (key_read(a, text) != NULL)
		must(strchr(text, '"') != NULL);
	if (route_find(a, "GET", text).route != NULL)
		must(text[0] == '/');
	arena_free(&a);
	return 0;
}
