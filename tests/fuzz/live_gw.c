/* fuzz: what a client may say in graphql-transport-ws. What passes has what its type needs, a reason
 * to refuse it fits into a close frame, and what goes into the state can be read out of it again. */
#include <stdlib.h>
#include <string.h>
#include "api/live/gw_read.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool
same(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void
check_request(struct arena *a, const struct gw_message *m)
{
	const struct graphql_ask *q = &m->ask;
	struct graphql_ask back;
	json_t *own;

	must(q->query != NULL || q->document_id != NULL);
	must(gw_request_read(a, gw_request_write(a, q), &back, &own));
	must(same(q->query, back.query) && same(q->document_id, back.document_id));
	must(strcmp(q->operation_name, back.operation_name) == 0);
	must(q->apq == back.apq || !str_starts(q->document_id, "sha256:"));
	must((q->variables == NULL) == (back.variables == NULL));
	must(q->variables == NULL || json_equal(q->variables, back.variables));
	json_decref(own);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena *a = arena_new(64 << 20);
	struct gw_message m;

	if (gw_read(a, p, n, &m)) {
		must(m.type < GW_TYPES && strlen(m.id) <= GW_ID_MOST);
		must(m.payload == NULL || json_is_object(m.payload));
		must(m.type != GW_COMPLETE || m.id[0] != '\0');
		if (m.type == GW_SUBSCRIBE) {
			must(m.id[0] != '\0');
			check_request(a, &m);
		}
	} else {
		must(m.wrong[0] != '\0' && strlen(m.wrong) <= 123);
		must(str_utf8_ok(m.wrong, strlen(m.wrong)));
	}
	json_decref(m.own);
	arena_free(&a);
	return 0;
}
