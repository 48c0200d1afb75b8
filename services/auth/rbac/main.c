/* rbac: roles and permissions, decided from memory. */
#include "auth/rbac/rbac.h"

static struct rbac rbac = { .service = RBAC_SERVICE };

static const struct serve serves[] = {
	{ &rbac.service.base, PRIMARY },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "check", "expand", "roles", NULL };

static void
ready(void *ctx)
{
	node_ready(ctx);
}

static bool
init(struct node *n)
{
	rbac_start(&rbac, node_bus(n), node_config(n), ready, n);
	return true;
}

static void
reload(struct node *n, const void *old_config, const void *new_config)
{
	(void)n, (void)old_config;
	rbac.config = new_config;
}

static void
fini(struct node *n)
{
	(void)n;
	rbac_stop(&rbac);
}

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "rbac",
		.keys = rbac_keys,
		.config_size = sizeof(struct rbac_config),
		.serves = serves,
		.capabilities = capabilities,
		.init = init,
		.reload = reload,
		.fini = fini,
	    });
}
