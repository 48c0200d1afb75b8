/* models: which file of oauth answers for which model. Called by auth; the permission was asked for at
 * the gate, for my.* who he is suffices. */
#include <string.h>
#include "auth/oauth/client_models.h"
#include "auth/oauth/outside_models.h"

typedef void model_fn(struct oauth *o, struct call *c, const Mf__StoreOp *q);

static const struct {
	const char *name;
	model_fn *read, *write;
} models[] = {
	{ "client", client_model_read, client_model_write },
	{ "consent", consent_model_read, consent_model_write },
	{ "my.consent", my_consent_read, my_consent_write },
	{ "provider", provider_read, provider_write },
	{ "identity", identity_read, identity_write },
	{ "my.identity", my_identity_read, my_identity_write },
};

static void run(struct oauth *o, struct call *c, const Mf__StoreOp *q, bool write);

void
oauth_read(Mf__Oauth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)reply;
	run(container_of(s, struct oauth, service), ctx, q, false);
}

void
oauth_write(Mf__Oauth_Service *s, const Mf__StoreOp *q, Mf__StoreResult_Closure reply, void *ctx)
{
	(void)reply;
	run(container_of(s, struct oauth, service), ctx, q, true);
}

static void
run(struct oauth *o, struct call *c, const Mf__StoreOp *q, bool write)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(models[i].name, q->model) == 0) {
			(write ? models[i].write : models[i].read)(o, c, q);
			return;
		}
	call_fail(c, ST_INVALID_ARGUMENT, "model: is none of oauth's");
}
