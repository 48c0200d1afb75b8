/* tokens_node: see tokens_node.h. A process is one such node, so its declaration is a static. */
#include "auth/jwt/tokens_node.h"
#include "base/log.h"

static const struct tokens_node *self;

static void
ready(void *ctx)
{
	node_ready(ctx);
}

static bool
init(struct node *n)
{
	const struct tokens_opts o = {
		.bus = node_bus(n),
		.var = node_var(n),
		.peer = self->peer,
		.config = node_config(n),
		.ready = ready,
		.ctx = n,
	};
	char err[512];

	if (tokens_start(self->tokens, &o, err, sizeof(err)))
		return true;
	log_error("not_started", L_STR("why", err));
	return false;
}

static void
reload(struct node *n, const void *old_config, const void *new_config)
{
	(void)n, (void)old_config;
	tokens_reload(self->tokens, new_config);
}

static void
fini(struct node *n)
{
	(void)n;
	tokens_stop(self->tokens);
}

int
tokens_node_main(int argc, char **argv, const struct tokens_node *d)
{
	self = d;
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = d->name,
		.keys = jwt_keys,
		.config_size = sizeof(struct jwt_config),
		.serves = d->serves,
		.capabilities = d->capabilities,
		.check = jwt_check,
		.init = init,
		.reload = reload,
		.fini = fini,
	    });
}
