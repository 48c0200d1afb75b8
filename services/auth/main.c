/* auth: who is this, and may they do it? */
#include "auth/auth.h"

static struct auth auth = { .service = AUTH_SERVICE };

static const struct serve serves[] = {
	{ &auth.service.base, PRIMARY },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "check", "login", "refresh", "logout", "users", "roles",
	NULL };

static bool
init(struct node *n)
{
	if (!auth_start(&auth, node_bus(n), node_config(n), node_var(n)))
		return false;
	node_ready(n);
	return true;
}

static void
reload(struct node *n, const void *old_config, const void *new_config)
{
	(void)n, (void)old_config;
	auth_reload(&auth, new_config);
}

/* What waits for the audit log is not left behind; where the store is away it is in the spool. */
static bool
drained(struct node *n)
{
	(void)n;
	return auth_drained(&auth);
}

static void
fini(struct node *n)
{
	(void)n;
	auth_stop(&auth);
}

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "auth",
		.keys = auth_keys,
		.config_size = sizeof(struct auth_config),
		.check = auth_config_check,
		.serves = serves,
		.capabilities = capabilities,
		.init = init,
		.reload = reload,
		.drained = drained,
		.fini = fini,
		.judges_itself = true,
	    });
}
