/* audit_read: the model audit as clients read it; that they may, meta asked. Records come from the store
 * as they are. "head" is no record: what this process knows of the log's end, which a database that
 * was cut doesn't, and the keys that sign now. */
#include <string.h>
#include "auth/auth.h"
#include "auth/store_failed.h"
#include "base/json.h"
#include "proto/jwt.pb-c.h"

struct reading {
	struct auth *a;
	struct call *c;
	struct rpc *rpc;
	bool sealed;
};

static void on_rows(const Mf__StoreResult *m, void *ctx);
static void on_sealed(bool durable, void *ctx);
static void on_keys(const Mf__JwkSet *m, void *ctx);

void
audit_read(struct auth *a, struct call *c, const Mf__StoreOp *q)
{
	struct reading *r = ARENA_NEW(call_arena(c), struct reading);
	Mf__StoreOp op = *q;

	*r = (struct reading){ .a = a, .c = c };
	if (q->kind != MF__STORE_OP__KIND__READ_ONE && q->kind != MF__STORE_OP__KIND__QUERY_MANY) {
		call_fail(c, ST_INVALID_ARGUMENT, "operation: must be read or query");
		return;
	}
	if (strcmp(q->id, "head") == 0) {
		audit_seal(a->audit, c, on_sealed, r);
		return;
	}
	op.explain = false; /* that is another permission */
	r->rpc = rpc_new(c, a->database, NULL);
	mf__database__read(&r->rpc->service, &op, on_rows, r);
}

static void
on_rows(const Mf__StoreResult *m, void *ctx)
{
	struct reading *r = ctx;

	if (m != NULL)
		call_reply(r->c, &m->base);
	else
		store_failed(r->c, rpc_failure(r->rpc));
}

/* Whoever verifies finds all of it signed, where that can be. */
static void
on_sealed(bool durable, void *ctx)
{
	struct reading *r = ctx;
	Mf__Empty none = MF__EMPTY__INIT;

	r->sealed = durable;
	r->rpc = rpc_new(r->c, r->a->jwt, NULL);
	mf__jwt__keys(&r->rpc->service, &none, on_keys, r);
}

static void
on_keys(const Mf__JwkSet *m, void *ctx)
{
	struct reading *r = ctx;
	Mf__StoreResult out = MF__STORE_RESULT__INIT;
	const char *hash;
	uint64_t number;
	struct jw w;

	if (m == NULL) {
		auth_pass_on(r->c, rpc_failure(r->rpc));
		return;
	}
	if (!audit_head(r->a->audit, &number, &hash)) {
		call_fail_because(r->c, ST_UNAVAILABLE, "AUDIT_UNAVAILABLE", 500,
		    "the end of the audit log is not known yet");
		return;
	}
	jw_start(&w, call_arena(r->c), 1024);
	jw_object(&w, NULL);
	jw_int(&w, "number", (int64_t)number);
	jw_str(&w, "hash", hash);
	jw_bool(&w, "sealed", r->sealed);
	jw_raw(&w, "keys", m->data.data, m->data.len);
	jw_close(&w, '}');
	out.data.data = (uint8_t *)jw_text(&w, &out.data.len);
	call_reply(r->c, &out.base);
}
