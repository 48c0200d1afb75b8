/* audit_chain: whatever stands in an export, its rows are taken or there is a finding, once. */
#include <stdlib.h>
#include <string.h>
#include "auth/audit_chain.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;
	json_t *keys = json_pack("{s:[]}", "keys");
	struct audit_chain c;

	must(audit_chain_start(&c, keys));
	while (p < end) {
		const char *line = memchr(p, '\n', (size_t)(end - p)) ?: end;
		json_t *row = json_loadb(p, (size_t)(line - p), 0, NULL);
		uint64_t before = c.records;

		if (audit_chain_take(&c, row))
			must(c.bad == 0 && c.records == before + 1);
		else
			must(c.bad != 0 || c.what[0] != '\0');
		json_decref(row);
		p = line + 1;
	}
	must(audit_chain_end(&c) == (c.bad == 0 && c.what[0] == '\0'));
	audit_chain_free(&c);
	json_decref(keys);
	return 0;
}
