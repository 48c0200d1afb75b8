/* authbed_accounts: operations on users and roles. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

static void
on_account_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct account *o = ctx;
	const struct failure *f = end->failure;

	(void)c;
	o->done = true;
	if (f == NULL)
		return;
	o->status = f->status;
	(void)snprintf(o->reason, sizeof(o->reason), "%s", f->reason);
	(void)snprintf(o->message, sizeof(o->message), "%s", f->message);
	if (f->n_violations > 0)
		(void)snprintf(o->field, sizeof(o->field), "%s", f->violations[0].field);
}

static void
on_account(const Mf__StoreResult *m, void *ctx)
{
	struct account *o = ctx;
	Mf__Empty e = MF__EMPTY__INIT;

	if (m == NULL) {
		call_fail_with(o->call, rpc_failure(o->rpc));
		return;
	}
	(void)snprintf(o->text, sizeof(o->text), "%.*s", (int)m->data.len, (char *)m->data.data);
	o->version = m->version;
	o->repeated = m->repeated;
	call_reply(o->call, &e.base);
}

struct account
try_account(const struct account_ask *q)
{
	Mf__Principal *of = q->token != NULL ? principal_of(q->token) : NULL;
	char *roles[] = { (char *)(uintptr_t)(q->as != NULL ? q->as : "admin") };
	Mf__Principal who = MF__PRINCIPAL__INIT;
	Mf__KeyValue given[ASK_FILTERS], *filters[ASK_FILTERS];
	Mf__StoreOp op = MF__STORE_OP__INIT;
	struct account o = { 0 };
	char operation[UUID_LEN], data[40000];

	uuid7(operation);
	(void)snprintf(data, sizeof(data), "%s", q->data != NULL ? q->data : "");
	who.id =
	    (char *)(uintptr_t)(q->by != NULL ? q->by : "018f0000-0000-7000-8000-0000000000aa");
	who.n_roles = 1;
	who.roles = roles;
	if (of != NULL)
		who = *of;
	assert_true(q->token == NULL || of != NULL);
	if (q->aged)
		who.authenticated_at -= (uint64_t)(3600 * SEC);
	op.filters = filters;
	for (size_t i = 0; i < ASK_FILTERS; i++) {
		const char *key = i == 0 ? q->filter : q->filters[i - 1][0];

		mf__key_value__init(&given[i]);
		given[i].key = (char *)(uintptr_t)key;
		given[i].value = (char *)(uintptr_t)(i == 0 ? q->value : q->filters[i - 1][1]);
		if (key != NULL)
			filters[op.n_filters++] = &given[i];
	}
	op.kind = q->kind;
	op.model = (char *)(uintptr_t)q->model;
	op.id = (char *)(uintptr_t)(q->id != NULL ? q->id : "");
	op.data = (ProtobufCBinaryData){ strlen(data), (uint8_t *)data };
	op.if_version = q->if_version;
	op.operation_id = (char *)(uintptr_t)(q->operation != NULL ? q->operation : operation);
	o.call = call_root(authbed.bus, &(struct call_opts){ .limit_us = 20 * SEC,
					    .done = on_account_end,
					    .ctx = &o,
					    .operation_id = op.operation_id,
					    .principal = &who });
	o.rpc = rpc_new(o.call, authbed.target, NULL);
	if (q->kind == MF__STORE_OP__KIND__READ_ONE || q->kind == MF__STORE_OP__KIND__QUERY_MANY)
		mf__auth__read(&o.rpc->service, &op, on_account, &o);
	else
		mf__auth__write(&o.rpc->service, &op, on_account, &o);
	authbed_await(&o.done);
	if (of != NULL)
		mf__principal__free_unpacked(of, NULL);
	return o;
}
