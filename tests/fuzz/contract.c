/* Bodies, ids, header fields and queries against the document: the first byte chooses the operation,
 * the second what of it the rest is. */
#include <stdint.h>
#include <string.h>
#include "api/rest/contract.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct route *
route_chosen(uint8_t byte)
{
	size_t n = 0;

	while (route_at(n) != NULL)
		n++;
	return route_at(byte % n);
}

/* What is refused says why, at most so often, each at a place of the body. */
static void
check_failure(const struct failure *f, bool body)
{
	must((f->status == ST_OK) == (f->n_violations == 0) && f->n_violations <= VIOLATIONS_MOST);
	for (size_t i = 0; i < f->n_violations; i++) {
		const char *at = f->violations[i].field;

		must(f->violations[i].what[0] != '\0');
		must(!body || at[0] == '\0' || at[0] == '/');
	}
}

static void
members(struct arena *a, const struct route *r, const json_t *body)
{
	const json_t *list = json_is_array(body) ? body : json_object_get(body, "tasks");
	size_t n = json_array_size(list);
	const struct failure **refused = ARENA_ARRAY(a, const struct failure *, n + 1);

	if (n > BULK_MOST)
		return;
	contract_members(a, r, list, refused);
	for (size_t i = 0; i < n; i++)
		if (refused[i] != NULL)
			check_failure(refused[i], true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	const struct route *r;
	struct json_error e;
	struct param *params;
	struct arena *a;
	const char *text;
	json_t *body;
	size_t k;

	if (n < 2 || n > 65536)
		return 0;
	a = arena_new(64 << 20);
	r = route_chosen(p[0]);
	text = arena_strndup(a, (const char *)p + 2, n - 2);
	switch (p[1] % 4) {
	case 0:
		if ((body = json_read(p + 2, n - 2, &e)) == NULL)
			break;
		must(contract_body(a, r, body, &f) == (f.status == ST_OK));
		check_failure(&f, true);
		if (r->kind == OP_BULK)
			members(a, r, body);
		json_decref(body);
		break;
	case 1:
		if (query_parse(a, text, &params, &k, &f))
			(void)contract_query(a, r, params, k, &f);
		check_failure(&f, false);
		break;
	case 2:
		(void)contract_id(a, r, text);
		break;
	default:
		(void)contract_header(a, r, "idempotency-key", text, &f);
		(void)contract_header(a, r, "if-match", text, &f);
		check_failure(&f, false);
		break;
	}
	arena_free(&a);
	return 0;
}
