/* planted: what is replayed from the journal takes effect a second time. */
#include <string.h>
#include "store/pg.h"

void __real_pg_write(struct pg_pool *p, struct call *c, const char *key, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx);
void __wrap_pg_write(struct pg_pool *p, struct call *c, const char *key, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx);

static const char again[] =
    "UPDATE tasks t SET version = t.version + 1"
    " FROM json_array_elements($1::json) e, json_array_elements(e->'changes') c"
    " WHERE c->>'do' = 'update' AND t.id = (c->>'id')::uuid";
static const char answer[] = "SELECT applied, 0 FROM replay";

void
__wrap_pg_write(struct pg_pool *p, struct call *c, const char *key, size_t n,
    const struct pg_statement *statements, pg_done_fn *done, void *ctx)
{
	struct pg_statement twice[3];

	if (n != 1 || strstr(statements[0].text, "FROM mf_replay(") == NULL) {
		__real_pg_write(p, c, key, n, statements, done, ctx);
		return;
	}
	twice[0] = statements[0];
	twice[1] = (struct pg_statement){ again, 1, &statements[0].params[4] };
	twice[2] = (struct pg_statement){ answer, 0, NULL };
	__real_pg_write(p, c, key, 3, twice, done, ctx);
}
