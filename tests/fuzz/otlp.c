/* otlp: any bytes as a collector's answer, and as traces that are to go to it: what is no trace is left
 * out, what is one has no more spans than it has hops. */
#include <stdint.h>
#include <string.h>
#include "api/rest/otlp.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(64u << 20);
	enum otlp_form form = n > 0 && (data[0] & 1) != 0 ? OTLP_JSON : OTLP_PROTOBUF;
	ProtobufCBinaryData item = { n > 0 ? n - 1 : 0, (uint8_t *)(uintptr_t)(data + (n > 0)) };
	Mf__TraceBatch q = MF__TRACE_BATCH__INIT;
	struct otlp_body body;
	uint32_t rejected;
	const char *why = NULL;

	otlp_read_answer(
	    a, form, (struct str){ (const char *)item.data, item.len }, &rejected, &why);
	must(why != NULL);
	q.n_items = 1;
	q.items = &item;
	otlp_write(a, form, &q, &body);
	must(body.spans <= 1 + item.len / 2);
	arena_free(&a);
	return 0;
}
