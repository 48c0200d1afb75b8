/* What comes with a request of /graphql: the first byte chooses whether the rest is a query string, a
 * JSON body, an Accept header or a global id. */
#include <stdint.h>
#include <string.h>
#include "api/graphql/http.h"
#include "api/graphql/serving.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct graphql_ask ask = { .operation_name = "" };
	struct arena *a;
	struct params q = { .ask = &ask };
	const struct id_kind *kind;
	const char *text;
	bool fine = true;

	if (n < 2 || n > 65536)
		return 0;
	a = q.a = arena_new(16 << 20);
	text = arena_strndup(a, (const char *)p + 1, n - 1);
	switch (p[0] % 4) {
	case 0:
		fine = params_of_query(&q, text);
		break;
	case 1:
		fine = params_of_body(&q, p + 1, n - 1);
		break;
	case 2:
		(void)accept_choose(text, p[0] & 4);
		(void)content_is_json(text);
		break;
	default:
		if (id_split(a, text, &kind) != NULL)
			must(kind->type[0] != '\0');
		(void)id_task(a, text);
		must(strlen(name_of_violation(a, text)) <= n);
	}
	must(fine == (q.wrong == NULL));
	if (p[0] % 4 < 2 && fine)
		must(ask.query != NULL || ask.document_id != NULL);
	if (ask.query != NULL)
		must(strlen(ask.query) <= n);
	json_decref(q.own[0]);
	json_decref(q.own[1]);
	arena_free(&a);
	return 0;
}
