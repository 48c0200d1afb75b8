/* models: which file of jwt answers for which model. Called by auth; the permission was asked for at
 * the gate, for my.* who he is suffices. */
#include <string.h>
#include "auth/jwt/jwt.h"

typedef void model_fn(struct tokens *t, struct call *c, const Mf__StoreOp *q);

static const struct {
	const char *name;
	model_fn *read, *write; /* NULL: there is no such operation */
} models[] = {
	{ "user", users_read, users_write },
	{ "session", session_list_read, session_list_write },
	{ "api_key", api_keys_read, api_keys_write },
	{ "factor", factors_read, factors_write },
	{ "signing_key", signing_keys_read, signing_keys_write },
	{ "my.session", session_list_read, session_list_write },
	{ "my.api_key", api_keys_read, api_keys_write },
	{ "my.factor", factors_read, factors_write },
	{ "my.password", NULL, my_password_write },
};

static void run(struct tokens *t, struct call *c, const Mf__StoreOp *q, bool write);

void
tokens_read(Mf__Jwt_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)reply;
	run(container_of(s, struct tokens, service), ctx, q, false);
}

void
tokens_write(Mf__Jwt_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)reply;
	run(container_of(s, struct tokens, service), ctx, q, true);
}

static void
run(struct tokens *t, struct call *c, const Mf__StoreOp *q, bool write)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		model_fn *f = write ? models[i].write : models[i].read;

		if (strcmp(models[i].name, q->model) != 0)
			continue;
		if (f != NULL)
			f(t, c, q);
		else
			call_fail_because(c, ST_INVALID_ARGUMENT, "VALIDATION", 0,
			    "operation: there is none like this of %s", q->model);
		return;
	}
	call_fail(c, ST_INVALID_ARGUMENT, "model: is none of jwt's");
}
