/* jwt: passwords, access and refresh tokens, signing keys. */
#include "auth/jwt/jwt.h"
#include "base/log.h"

static struct tokens tokens = { .service = TOKENS_SERVICE };

static const struct serve serves[] = {
	{ &tokens.service.base, PRIMARY },
	{ NULL, 0 },
};
static const char *const capabilities[] = { "login", "refresh", "logout", "verify", "keys", NULL };

static void
ready(void *ctx)
{
	node_ready(ctx);
}

static bool
init(struct node *n)
{
	char err[512];

	if (tokens_start(&tokens,
		&(struct tokens_opts){ .bus = node_bus(n),
		    .var = node_var(n),
		    .peer = "oauth",
		    .config = node_config(n),
		    .ready = ready,
		    .ctx = n },
		err, sizeof(err)))
		return true;
	log_error("not_started", L_STR("why", err));
	return false;
}

static void
reload(struct node *n, const void *old_config, const void *new_config)
{
	(void)n, (void)old_config;
	tokens_reload(&tokens, new_config);
}

static void
fini(struct node *n)
{
	(void)n;
	tokens_stop(&tokens);
}

int
main(int argc, char **argv)
{
	return node_main(argc, argv,
	    &(const struct service_def){
		.name = "jwt",
		.keys = jwt_keys,
		.config_size = sizeof(struct jwt_config),
		.serves = serves,
		.capabilities = capabilities,
		.check = jwt_check,
		.init = init,
		.reload = reload,
		.fini = fini,
	    });
}
