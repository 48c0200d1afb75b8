/* Bodies of /v1 through ops: the first byte chooses the route, the rest is the body. */
#include <stdint.h>
#include <string.h>
#include "api/ops/ops.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const routes[][2] = { { "POST", "/requests" }, { "POST", "/tasks" },
		{ "POST", "/tasks:bulk" }, { "PATCH", "/tasks/7" }, { "POST", "/auth/login" },
		{ "POST", "/auth/refresh" }, { "POST", "/users" }, { "PATCH", "/users/7" },
		{ "POST", "/roles" }, { "PATCH", "/roles/7" } };
	const char *const *r;
	struct op o = { .id = "0199f0c0-1234-7abc-8def-0123456789ab",
		.operation_id = "0199f0c0-1234-7abc-8def-0123456789ab",
		.credential = "",
		.client_address = "" };
	Mf__TaskRequest *q;
	struct failure f;
	struct json_error e;
	struct arena *a;
	json_t *body;

	if (n < 2 || n > 65536 || (body = json_read(p + 1, n - 1, &e)) == NULL)
		return 0;
	a = arena_new(64 << 20);
	r = routes[p[0] % (sizeof(routes) / sizeof(routes[0]))];
	o.route = route_find(a, r[0], r[1]).route;
	o.body = body;
	o.text = (struct str){ (const char *)p + 1, n - 1 };
	q = ops_build(a, &o, &f);
	must((q == NULL) == (f.status != ST_OK));
	if (q != NULL) {
		uint8_t *packed = arena_alloc(a, mf__task_request__get_packed_size(q) + 1);

		must(mf__task_request__unpack(
			 arena_allocator(a), mf__task_request__pack(q, packed), packed) != NULL);
	}
	if (o.route->kind == OP_BULK && q != NULL) {
		const Mf__TaskResponse m = MF__TASK_RESPONSE__INIT;
		size_t k;

		(void)bulk_answer(a, &o, &m, body, &k);
	}
	arena_free(&a);
	json_decref(body);
	return 0;
}
