/* oauth_node: see oauth_node.h. A process is one such node, so its declaration is a static. */
#include "auth/oauth/oauth_node.h"
#include <stddef.h>
#include "base/log.h"

#define KEYS_MOST 64

struct config {                /* of both, in one */
	struct jwt_config jwt; /* first: its keys' offsets are ours */
	struct oauth_config oauth;
};

static const struct oauth_node *self;

/* The tables of both, one after the other. */
static const struct config_key *
join_keys(void)
{
	static struct config_key keys[KEYS_MOST];
	size_t n = 0;

	for (const struct config_key *k = jwt_keys; k->name != NULL; k++)
		keys[n++] = *k;
	for (const struct config_key *k = oauth_keys; k->name != NULL; k++) {
		must(n + 1 < KEYS_MOST);
		keys[n] = *k;
		keys[n++].offset += offsetof(struct config, oauth);
	}
	return keys;
}

static bool
check(const void *config, char *err, size_t err_size)
{
	return jwt_check(&((const struct config *)config)->jwt, err, err_size);
}

static void
ready(void *ctx)
{
	node_ready(ctx);
}

static bool
init(struct node *n)
{
	const struct config *config = node_config(n);
	const struct tokens_opts o = {
		.bus = node_bus(n),
		.var = node_var(n),
		.peer = self->peer,
		.config = &config->jwt,
		.ready = ready,
		.ctx = n,
	};
	char err[512];

	if (!tokens_start(self->tokens, &o, err, sizeof(err))) {
		log_error("not_started", L_STR("why", err));
		return false;
	}
	return oauth_start(self->oauth, node_bus(n), &config->oauth);
}

static void
reload(struct node *n, const void *old_config, const void *new_config)
{
	const struct config *config = new_config;

	(void)n, (void)old_config;
	tokens_reload(self->tokens, &config->jwt);
	oauth_reload(self->oauth, &config->oauth);
}

static void
fini(struct node *n)
{
	(void)n;
	oauth_stop(self->oauth);
	tokens_stop(self->tokens);
}

int
oauth_node_main(int argc, char **argv, const struct oauth_node *d)
{
	self = d;
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = d->name,
		.keys = join_keys(),
		.config_size = sizeof(struct config),
		.serves = d->serves,
		.capabilities = d->capabilities,
		.check = check,
		.init = init,
		.reload = reload,
		.fini = fini,
	    });
}
